// An instance among its parents and children, as a tree: from the first parent down, opened where one looks.
import { useState } from "preact/hooks";

import { api, must } from "../lib/api";
import type { Event } from "../lib/history";
import { useAsked } from "../lib/live";
import { named, type Instance } from "../lib/selection";
import { to } from "../lib/route";
import { Badge } from "./basics";

const [DEEP, WIDE] = [20, 50];

export function Family(props: { one: Instance; history: Event[] }) {
  const { one } = props;
  const parents = useAsked(
    async (signal) => {
      const found: Relative[] = [];
      for (let id = one.parent_instance_id; id && found.length < DEEP; ) {
        const parent: Instance | undefined = (await named([id], signal)).get(id);
        found.unshift({ id, one: parent });
        id = parent?.parent_instance_id ?? null;
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
          <li key={parent.id}>
            <Named {...parent} />
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

interface Relative {
  id: string;
  one: Instance | undefined; // undefined: it is not there any more
}

function Named(props: Relative) {
  if (!props.one)
    return (
      <span class="quiet">
        {props.id} <Badge>purged</Badge>
      </span>
    );
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
  const shown = props.ids.slice(0, most);
  const asked = useAsked(shown.length ? (signal) => named(shown, signal) : null, ["children", ...shown], 5);
  if (props.ids.length === 0) return null;
  return (
    <ul>
      {shown.map((id) => (
        <Child key={id} id={id} one={asked.data?.get(id)} known={asked.data !== null} />
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

function Child(props: Relative & { known: boolean }) {
  const { id, one, known } = props;
  const [open, setOpen] = useState(false);
  const path = { instance_id: id };
  const asked = useAsked(
    open && one ? (signal) => must(api.GET("/api/v1/instances/{instance_id}", { params: { path, query: { history: true, input: false } }, signal })) : null,
    ["child", id, one?.etag],
    1_000_000,
  );
  const children = childrenOf((asked.data?.history ?? []) as unknown as Event[]);
  if (!known)
    return (
      <li>
        <a href={to(["instances", id])}>{id}</a>
      </li>
    );
  return (
    <li>
      <Named id={id} one={one} />{" "}
      {one && (
        <button type="button" class="plain" aria-expanded={open} aria-label={`Children of ${id}`} onClick={() => setOpen(!open)}>
          {open ? "–" : "+"}
        </button>
      )}
      {open && asked.data && (children.length ? <Children ids={children} /> : <span class="quiet"> has no children</span>)}
    </li>
  );
}
