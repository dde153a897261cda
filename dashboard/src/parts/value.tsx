// Asks for one value: by a form, where workers have said of what type it is; else, or if somebody prefers that, as JSON.
import { useState } from "preact/hooks";

import { oneOf, partsOf, shapeOf, type Argument } from "../lib/shapes";
import { typed } from "../lib/words";
import { ArgumentFields } from "./arguments";
import { Field, Text } from "./basics";

export interface Value {
  label: string;
  list: Argument[] | null | undefined; // none: it takes no value; null: its type is not known; undefined: that is being asked
  values: Record<string, string>;
  text: string;
  raw: boolean;
  change: (changes: Partial<Pick<Value, "values" | "text" | "raw">>) => void;
}

// What somebody fills in. `on`: what it is of; with another one it begins anew. What has no parts is called by the `label`.
export function useValue(label: string, on: string, list: Argument[] | null | undefined): Value {
  const [state, setState] = useState({ on, values: {} as Record<string, string>, text: "", raw: false });
  const current = state.on === on ? state : { on, values: {}, text: "", raw: false };
  return { ...current, label, list: list && list.map((one) => (partsOf(one) ? one : { ...one, name: label })), change: (changes) => setState({ ...current, ...changes }) };
}

// What is sent of it; `undefined`: nothing. Throws an error that names what is wrong.
export function valueIn(value: Value): unknown {
  if (value.list === undefined) throw new Error("What it takes is not known yet: try again");
  if (value.raw || value.list === null) return typed(value.text);
  const [argument] = value.list;
  return argument ? oneOf(argument, value.values) : undefined;
}

export function ValueFields(props: { value: Value; nothing: string }) {
  const { value } = props;
  const [argument] = value.list ?? [];
  if (value.list === undefined) return <p class="quiet">Asking…</p>;
  const takesNothing = value.list !== null && (!argument || shapeOf(argument.json_schema).kind === "nothing");
  if (takesNothing) return <p class="quiet">{props.nothing}</p>;
  const form = argument !== undefined && !value.raw;
  return (
    <>
      {form ? (
        <ArgumentFields
          list={partsOf(argument) ?? [argument]}
          values={value.values}
          onValue={(name, text) => value.change({ values: { ...value.values, [name]: text } })}
        />
      ) : (
        <Field label={value.label} hint="JSON, or text">
          <Text value={value.text} onText={(text) => value.change({ text })} rows={4} placeholder="none" />
        </Field>
      )}
      {argument !== undefined && (
        <button type="button" class="plain" onClick={() => value.change({ raw: !value.raw })}>
          {value.raw ? "as a form" : "as JSON"}
        </button>
      )}
    </>
  );
}
