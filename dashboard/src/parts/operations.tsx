// Calls and signals operations of an entity, by a form that is made from what the workers say of their arguments.
import { useState } from "preact/hooks";

import { api, must, type Schemas } from "../lib/api";
import { useAsked, useLive } from "../lib/live";
import { bodyOf } from "../lib/shapes";
import { typed } from "../lib/words";
import { Act, useRight } from "./act";
import { ArgumentFields } from "./arguments";
import { Card, Choice, Fault, Field, Text, Tree } from "./basics";

type Kind = Schemas["KindShown"];

export function Operations(props: { name: string; id: string }) {
  return useRight("signal") ? <Asked {...props} /> : null;
}

function Asked(props: { name: string; id: string }) {
  const { info } = useLive();
  const known = props.name.toLowerCase() in (info?.names ?? {}); // else no worker has said anything of it yet
  const asked = useAsked(known ? (signal) => must(api.GET("/api/v1/entity-kinds/{name}", { params: { path: { name: props.name } }, signal })) : null, ["kind", props.name], 60);
  if (asked.error) return <Fault>{asked.error}</Fault>;
  return info && (asked.data || !known) && <Form key={`${props.name}/${props.id}/${known}`} {...props} kind={asked.data} />;
}

function Form(props: { name: string; id: string; kind: Kind | null }) {
  const names = (props.kind?.operations ?? []).filter((one) => one.toLowerCase() !== "delete");
  const [operation, setOperation] = useState("");
  const [values, setValues] = useState<Record<string, string>>({});
  const [args, setArgs] = useState("");
  const [raw, setRaw] = useState(false);
  const [result, setResult] = useState<{ value: unknown } | null>(null);
  const chosen = operation || names[0] || "";
  const list = props.kind?.arguments[chosen];
  const form = list !== undefined && !raw;
  const path = { name: props.name, key: props.id, operation: chosen };
  const body = () => {
    if (form) return bodyOf(list, values);
    const given = typed(args);
    if (given === undefined) return { args: [], kwargs: {} };
    return { args: Array.isArray(given) ? given : [given], kwargs: {} };
  };
  const call = async () => {
    const done = (await must(
      api.POST("/api/v1/entities/{name}/{key}/{operation}", { params: { path, query: { wait: true } }, body: body() }),
    )) as Schemas["CallResult"];
    setResult({ value: done.result });
    return `${chosen} was carried out`;
  };
  const signal = async () => {
    await must(api.POST("/api/v1/entities/{name}/{key}/{operation}", { params: { path }, body: body() }));
    setResult(null);
    return `The signal ${chosen} is durable`;
  };
  const remove = async () => {
    await must(
      api.POST("/api/v1/entities/{name}/{key}/{operation}", {
        params: { path: { ...path, operation: "delete" }, query: { wait: true } },
        body: { args: [], kwargs: {} },
      }),
    );
    return "It is deleted";
  };
  return (
    <Card title="Operations">
      <Field label="Operation">
        {names.length ? (
          <Choice value={chosen} options={names} onChoose={(name) => (setOperation(name), setValues({}))} />
        ) : (
          <Text value={operation} onText={setOperation} placeholder="its name" />
        )}
      </Field>
      {form ? (
        <ArgumentFields list={list} values={values} onValue={(name, text) => setValues((before) => ({ ...before, [name]: text }))} />
      ) : (
        <Field label="Arguments" hint="JSON: one value, or several in [ ]">
          <Text value={args} onText={setArgs} rows={3} placeholder="none" />
        </Field>
      )}
      <div class="buttons">
        <Act label="Call" right="signal" tone="main" disabled={!chosen} work={call} />
        <Act label="Signal" right="signal" disabled={!chosen} work={signal} />
        {list !== undefined && list.length > 0 && (
          <button type="button" class="plain" onClick={() => setRaw(!raw)}>
            {raw ? "as a form" : "as JSON"}
          </button>
        )}
        <span class="grow" />
        <Act label="Delete" right="signal" tone="danger" work={remove} ask={<p>Delete this entity with its state?</p>} />
      </div>
      {result && (
        <div class="result" aria-live="polite">
          <h3>Result</h3>
          <Tree value={result.value} />
        </div>
      )}
    </Card>
  );
}
