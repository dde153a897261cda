// An instance among its parents and children, as a tree: from the first parent down, opened where one looks.
import { useState } from "preact/hooks";

import { api, must } from "../lib/api";
import type { Event } from "../lib/history";
import { useAsked } from "../lib/live";
import type { Instance } from "../lib/selection";
import { to } from "../lib/route";
import { Badge } from "./basics";

const [DEEP, WIDE] = [20, 50];

export function Family(props: { one: Instance; history: Event[] }) {
  const { one } = props;
  const parents = useAsked(
    async (signal) => {
      const found: Instance[] = [];
      for (let at = one.parent_instance_id; at && found.length < DEEP; at = found[0]?.parent_instance_id ?? null) {
        const path = { instance_id: at };
        found.unshift(await must(api.GET("/api/v1/instances/{instance_id}", { params: { path, query: { input: false } }, signal })));
      }
      return found;
    },
    ["parents", one.parent_instance_id],
    60,
  );
  const children = childrenOf(props.history);
  if (!one.parent_instance_id && children.length === 0) return null;
  return (
    <ul class="family" aria-label="Parents and children">
      {(parents.data ?? []).reduceRight(
        (inner, parent) => (
          <li key={parent.instance_id}>
            <Named one={parent} />
            <ul>{inner}</ul>
          </li>
        ),
        <li>
          <strong>
            {one.name} {one.instance_id}
          </strong>{" "}
          <Badge>{one.runtime_status}</Badge>
          <Children ids={children} />
        </li>,
      )}
    </ul>
  );
}

function Named(props: { one: Instance }) {
  return (
    <>
      <a href={to(["instances", props.one.instance_id])}>
        {props.one.name} {props.one.instance_id}
      </a>{" "}
      <Badge>{props.one.runtime_status}</Badge>
    </>
  );
}

function childrenOf(history: Event[]): string[] {
  return history.filter((event) => event.event_type === "SubOrchestrationInstanceCreated").map((event) => String(event["instance_id"]));
}

function Children(props: { ids: string[] }) {
  const [most, setMost] = useState(WIDE);
  if (props.ids.length === 0) return null;
  return (
    <ul>
      {props.ids.slice(0, most).map((id) => (
        <Child key={id} id={id} />
      ))}
      {props.ids.length > most && (
        <li>
          <button type="button" class="plain" onClick={() => setMost(most + WIDE)}>
            {props.ids.length - most} more
          </button>
        </li>
      )}
    </ul>
  );
}

function Child(props: { id: string }) {
  const [open, setOpen] = useState(false);
  const path = { instance_id: props.id };
  const asked = useAsked(
    (signal) => must(api.GET("/api/v1/instances/{instance_id}", { params: { path, query: { history: open, input: false } }, signal })),
    ["child", props.id, open],
    10,
  );
  const one = asked.data;
  const children = childrenOf((one?.history ?? []) as unknown as Event[]);
  return (
    <li>
      {one ? <Named one={one} /> : <a href={to(["instances", props.id])}>{props.id}</a>}{" "}
      <button type="button" class="plain" aria-expanded={open} aria-label={`Children of ${props.id}`} onClick={() => setOpen(!open)}>
        {open ? "–" : "+"}
      </button>
      {open && one?.history && (children.length ? <Children ids={children} /> : <span class="quiet"> has no children</span>)}
    </li>
  );
}
