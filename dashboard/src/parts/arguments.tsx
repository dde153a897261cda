// A field for each argument of an operation.
import { shapeOf, type Argument } from "../lib/shapes";
import { Choice, Field, Text } from "./basics";

export function ArgumentFields(props: { list: Argument[]; values: Record<string, string>; onValue: (name: string, text: string) => void }) {
  if (props.list.length === 0) return <p class="quiet">It takes no arguments.</p>;
  return (
    <>
      {props.list.map((argument) => (
        <One key={argument.name} argument={argument} value={props.values[argument.name] ?? ""} onText={(text) => props.onValue(argument.name, text)} />
      ))}
    </>
  );
}

function One(props: { argument: Argument; value: string; onText: (text: string) => void }) {
  const { argument, value, onText } = props;
  const shape = shapeOf(argument.json_schema);
  const otherwise = argument.required ? (shape.nullable ? "nothing: null" : "") : argument.default === null ? "may be left out" : `otherwise ${JSON.stringify(argument.default)}`;
  const hint = [shape.says, otherwise].filter(Boolean).join("; ");
  const none: [string, string][] = argument.required && !shape.nullable ? [] : [["", "–"]];
  return (
    <Field label={argument.name} hint={hint}>
      {shape.kind === "choice" ? (
        <Choice value={value || (none.length ? "" : "0")} options={[...none, ...shape.choices.map((one, at): [string, string] => [String(at), String(one)])]} onChoose={onText} />
      ) : shape.kind === "boolean" ? (
        <Choice value={value || (none.length ? "" : "false")} options={[...none, ["false", "false"], ["true", "true"]]} onChoose={onText} />
      ) : shape.kind === "number" ? (
        <input type="number" step={shape.whole ? "1" : "any"} value={value} autocomplete="off" onInput={(event) => onText(event.currentTarget.value)} />
      ) : (
        <Text value={value} onText={onText} {...(shape.kind === "json" ? { rows: 3 } : {})} />
      )}
    </Field>
  );
}
