// What an argument's JSON schema says of it, as far as a form needs it; and what is sent of what somebody has typed.
import type { Schemas } from "./api";

export type Argument = Schemas["ArgumentModel"];

export interface Shape {
  kind: "text" | "number" | "boolean" | "choice" | "json" | "nothing"; // nothing: it can only be null
  whole: boolean; // of numbers: no fractions
  choices: unknown[];
  nullable: boolean;
  says: string; // what is taken, in a word or two
}

type Schema = Record<string, unknown>;

export function shapeOf(schema: Schema): Shape {
  return shape(schema, (schema["$defs"] ?? {}) as Record<string, Schema>, false);
}

function shape(schema: Schema, known: Record<string, Schema>, nullable: boolean): Shape {
  const made = (kind: Shape["kind"], says: string, more: Partial<Shape> = {}): Shape => ({ kind, whole: false, choices: [], nullable, says, ...more });
  const reference = schema["$ref"];
  if (typeof reference === "string") return shape(known[reference.split("/").pop() ?? ""] ?? {}, known, nullable);
  const any = schema["anyOf"] as Schema[] | undefined;
  if (any) {
    const others = any.filter((one) => one["type"] !== "null");
    const without = nullable || others.length < any.length;
    return others.length === 1 && others[0] ? shape(others[0], known, without) : { ...made("json", "JSON"), nullable: without };
  }
  const choices = (schema["enum"] as unknown[] | undefined) ?? ("const" in schema ? [schema["const"]] : undefined);
  if (choices) return made("choice", "", { choices });
  switch (schema["type"]) {
    case "string":
      return made("text", String(schema["format"] ?? "text"));
    case "integer":
      return made("number", "whole number", { whole: true });
    case "number":
      return made("number", "number");
    case "boolean":
      return made("boolean", "");
    case "array":
      return made("json", "JSON: a list, […]");
    case "null":
      return made("nothing", "");
    case "object":
      return made("json", "JSON: an object, {…}");
    default:
      return made("json", "JSON, or text");
  }
}

const PARTS_MAX = 20; // in a form

// The fields of a value that is an object of known ones, as arguments by their names; null for any other value.
export function partsOf(argument: Argument): Argument[] | null {
  const known = (argument.json_schema["$defs"] ?? {}) as Record<string, Schema>;
  const schema = resolved(argument.json_schema, known);
  const properties = Object.entries((schema["properties"] ?? {}) as Record<string, Schema>);
  if (schema["type"] !== "object" || properties.length === 0 || properties.length > PARTS_MAX) return null;
  const required = (schema["required"] ?? []) as string[];
  return properties.map(([name, one]) => ({
    name,
    json_schema: { ...one, $defs: known },
    required: required.includes(name),
    by_name: true,
    default: plain(one["default"]),
  }));
}

function plain(value: unknown): string | number | boolean | null {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

function resolved(schema: Schema, known: Record<string, Schema>): Schema {
  const reference = schema["$ref"];
  if (typeof reference === "string") return known[reference.split("/").pop() ?? ""] ?? {};
  const any = (schema["anyOf"] as Schema[] | undefined)?.filter((one) => one["type"] !== "null") ?? [];
  return any.length === 1 && any[0] ? resolved(any[0], known) : schema;
}

// One value, of what somebody has typed into the fields of its parts, or into its own; `undefined` if it is left out. Throws as `bodyOf`.
export function oneOf(argument: Argument, values: Record<string, string>): unknown {
  const parts = partsOf(argument);
  if (!parts) return valueOf(argument, values[argument.name] ?? "");
  const touched = parts.some((one) => (values[one.name] ?? "") !== "");
  if (!touched && !argument.required) return undefined;
  return bodyOf(parts, values).kwargs;
}

// The arguments as a call carries them; `undefined` stands for one that is left out. Throws an error that names the one that is wrong.
export function bodyOf(list: Argument[], values: Record<string, string>): { args: unknown[]; kwargs: Record<string, unknown> } {
  const args: unknown[] = [];
  const kwargs: Record<string, unknown> = {};
  let skipped = "";
  for (const argument of list) {
    const value = valueOf(argument, values[argument.name] ?? "");
    if (argument.by_name) {
      if (value !== undefined) kwargs[argument.name] = value;
    } else if (value === undefined) skipped ||= argument.name;
    else if (skipped) throw new Error(`${skipped}: it is needed, since ${argument.name} comes behind it`);
    else args.push(value);
  }
  return { args, kwargs };
}

function valueOf(argument: Argument, text: string): unknown {
  const { kind, whole, choices, nullable } = shapeOf(argument.json_schema);
  const empty = text.trim() === "";
  if (empty && !argument.required) return undefined;
  if (empty && nullable) return null;
  if (empty && kind === "choice") return choices[0]; // what is shown as chosen
  switch (kind) {
    case "nothing":
      return null;
    case "text":
      return text;
    case "boolean":
      return text === "true";
    case "choice":
      return choices[Number(text)];
    case "number": {
      const number = Number(text);
      if (empty || !Number.isFinite(number)) throw new Error(`${argument.name}: write a number`);
      if (whole && !Number.isSafeInteger(number)) throw new Error(`${argument.name}: write a whole number (a very large one as JSON)`);
      return number;
    }
    case "json":
      if (empty) throw new Error(`${argument.name}: it is needed`);
      try {
        return JSON.parse(text);
      } catch (error) {
        if (Object.keys(argument.json_schema).length === 0) return text;
        throw new Error(`${argument.name}: ${error instanceof Error ? error.message : "it is no JSON"}`);
      }
  }
}
