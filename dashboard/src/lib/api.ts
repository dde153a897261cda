// The hub's API, typed by its own OpenAPI document; the key, kept for this browser tab's session.
import createClient from "openapi-fetch";

import type { components, paths } from "../generated/api";

export type Schemas = components["schemas"];

// The page lies beside the API, wherever both are mounted.
export const BASE = new URL(".", location.href).href.replace(/\/$/, "");

const KEY = "stead-key";

export function key(): string {
  return sessionStorage.getItem(KEY) ?? "";
}

export function keep(value: string): void {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

export const api = createClient<paths>({ baseUrl: BASE });

api.use({
  onRequest({ request }) {
    if (key()) request.headers.set("x-functions-key", key());
    return request;
  },
});

// What went wrong, as the server says it.
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

// The data of an answer; throws `Refused` if it is none.
export async function must<T>(asked: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok) {
    const detail = (error as { detail?: string; title?: string } | undefined) ?? {};
    throw new Refused(response.status, detail.detail ?? detail.title ?? `the server answered ${response.status}`);
  }
  return data as T;
}

export function said(error: unknown): string {
  if (error instanceof Refused) return error.message;
  if (error instanceof TypeError) return "the server does not answer";
  return error instanceof Error ? error.message : String(error);
}
