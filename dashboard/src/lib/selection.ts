// Which instances an address means, as the API is asked for them.
import { api, must, type Schemas } from "./api";

type Status = Schemas["RuntimeStatus"];
export type Instance = Schemas["InstanceStatus"];

export interface Selection {
  status?: Status[];
  name?: string;
  prefix?: string;
  version?: string;
  tag?: string[];
  parent?: string;
  text?: string;
  created_from?: string;
  created_to?: string;
}

// `since`: seconds before now, unless the address has a time of its own.
export function selectionOf(query: URLSearchParams): Selection {
  const found: Selection = {};
  for (const name of ["name", "prefix", "version", "parent", "text", "created_from", "created_to"] as const) {
    const value = query.get(name);
    if (value) found[name] = value;
  }
  const status = query.get("status");
  if (status) found.status = [status as Status];
  const tag = query.get("tag");
  if (tag) found.tag = [tag];
  const since = Number(query.get("since"));
  if (since && !found.created_from && !found.created_to) found.created_from = new Date(Date.now() - since * 1000).toISOString();
  return found;
}

const NAMED_MAX = 100; // in one question

// Those of these IDs that there are, by their IDs: who is asked for one by one is refused where there is none.
export async function named(ids: string[], signal: AbortSignal): Promise<Map<string, Instance>> {
  const parts: string[][] = [];
  for (let at = 0; at < ids.length; at += NAMED_MAX) parts.push(ids.slice(at, at + NAMED_MAX));
  const pages = await Promise.all(parts.map((id) => must(api.GET("/api/v1/instances", { params: { query: { id } }, signal }))));
  return new Map(pages.flatMap((page) => page.instances.map((one) => [one.instance_id, one])));
}

const EMPTY_PAGES_MAX = 50; // of what is looked for in statuses: so many may have nothing, before somebody has to go on by hand

// A page of them. One that has nothing though there are more is passed over.
export async function pageOf(selection: Selection, limit: number, continuation: string | undefined, signal: AbortSignal): Promise<Schemas["InstancePage"]> {
  let at = continuation;
  for (let tries = 0; ; tries++) {
    const page = await must(api.GET("/api/v1/instances", { params: { query: { ...selection, limit, ...(at ? { continuation: at } : {}) } }, signal }));
    if (page.instances.length > 0 || !page.continuation || tries >= EMPTY_PAGES_MAX) return page;
    at = page.continuation;
  }
}
