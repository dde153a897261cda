// Starts an instance.
import { useState } from "preact/hooks";

import { api, must } from "../lib/api";
import { useOrchestration } from "../lib/kinds";
import { useLive } from "../lib/live";
import { to } from "../lib/route";
import { Act } from "../parts/act";
import { Choice, Field, Text } from "../parts/basics";
import { useValue, ValueFields, valueIn } from "../parts/value";

export function Start() {
  const { info } = useLive();
  const [name, setName] = useState("");
  const [id, setId] = useState("");
  const names = Object.entries(info?.names ?? {})
    .filter(([key]) => key.startsWith("orchestration/") && !key.includes("@")) // what is behind an @ is a version
    .map(([key, value]) => String(value["name"] ?? key));
  const chosen = name || names[0] || "";
  const [asking, setAsking] = useState(false);
  const shown = useOrchestration(asking ? chosen : "");
  const input = useValue("Input", chosen, shown && shown.input);
  const start = async () => {
    const given = valueIn(input);
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
      onAsk={setAsking}
      ask={
        <>
          <Field label="Orchestration">
            {names.length ? <Choice value={chosen} options={names} onChoose={setName} /> : <Text value={name} onText={setName} />}
          </Field>
          <ValueFields value={input} nothing="It takes no input." />
          <Field label="Instance ID" hint="otherwise a random one">
            <Text value={id} onText={setId} />
          </Field>
        </>
      }
    />
  );
}
