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

// Told when an answer says that the key is not good (any more), or not for that.
export const DENIED = "stead-denied";

export function note(response: Response): void {
  if (response.status === 401 || response.status === 403) dispatchEvent(new Event(DENIED));
}

export const api = createClient<paths>({ baseUrl: BASE });

api.use({
  onRequest({ request }) {
    if (key()) request.headers.set("x-functions-key", key());
    return request;
  },
  onResponse({ request, response }) {
    if (!request.url.endsWith("/api/v1/access")) note(response);
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

  // Whether the same question would be refused again, until something about it is changed.
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && ![408, 409, 429].includes(this.status);
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
