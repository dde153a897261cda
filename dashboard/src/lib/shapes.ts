// What an argument's JSON schema says of it, as far as a form needs it; and what is sent of what somebody has typed.
import type { Schemas } from "./api";

export type Argument = Schemas["ArgumentModel"];

export interface Shape {
  kind: "text" | "number" | "boolean" | "choice" | "json";
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
    case "object":
      return made("json", "JSON: an object, {…}");
    default:
      return made("json", "JSON, or text");
  }
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
