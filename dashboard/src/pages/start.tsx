// Starts an instance.
import { useState } from "preact/hooks";

import { api, must } from "../lib/api";
import { useLive } from "../lib/live";
import { to } from "../lib/route";
import { typed } from "../lib/words";
import { Act } from "../parts/act";
import { Choice, Field, Text } from "../parts/basics";

export function Start() {
  const { info } = useLive();
  const [name, setName] = useState("");
  const [input, setInput] = useState("");
  const [id, setId] = useState("");
  const names = Object.entries(info?.names ?? {})
    .filter(([key]) => key.startsWith("orchestration/"))
    .map(([key, value]) => String(value["name"] ?? key));
  const chosen = name || names[0] || "";
  const start = async () => {
    const given = typed(input);
    const done = (await must(
      api.POST("/api/v1/instances", {
        params: { query: {} },
        body: { name: chosen, reuse: "finished", ...(given === undefined ? {} : { input: given }), ...(id ? { instance_id: id } : {}) },
      }),
    )) as { instance_id: string };
    location.hash = to(["instances", done.instance_id]);
    return `${done.instance_id} is started`;
  };
  return (
    <Act
      label="Start…"
      right="signal"
      tone="main"
      disabled={!info}
      work={start}
      ask={
        <>
          <Field label="Orchestration">
            {names.length ? <Choice value={chosen} options={names} onChoose={setName} /> : <Text value={name} onText={setName} />}
          </Field>
          <Field label="Input" hint="JSON, or text">
            <Text value={input} onText={setInput} rows={4} placeholder="none" />
          </Field>
          <Field label="Instance ID" hint="otherwise a random one">
            <Text value={id} onText={setId} />
          </Field>
        </>
      }
    />
  );
}
