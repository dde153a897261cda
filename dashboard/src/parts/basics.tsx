// What all pages are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { ago, clock, plural } from "../lib/words";
import { Scroller } from "./scroller";

export function Page(props: { title: string; aside?: ComponentChildren; children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${props.title} · stead`;
  }, [props.title]);
  return (
    <>
      <header class="page-head">
        <h1>{props.title}</h1>
        <div class="page-aside">{props.aside}</div>
      </header>
      {props.children}
    </>
  );
}

export function Card(props: { title?: string; aside?: ComponentChildren; children: ComponentChildren; wide?: boolean }) {
  return (
    <section class={`card${props.wide ? " wide" : ""}`}>
      {props.title && (
        <header>
          <h2>{props.title}</h2>
          {props.aside}
        </header>
      )}
      {props.children}
    </section>
  );
}

export function Figure(props: { label: string; value: ComponentChildren; href?: string; tone?: string }) {
  const inner = (
    <>
      <span class="figure-value">{props.value}</span>
      <span class="figure-label">{props.label}</span>
    </>
  );
  const tone = props.tone ? ` tone-${props.tone}` : "";
  return props.href ? (
    <a class={`figure${tone}`} href={props.href}>
      {inner}
    </a>
  ) : (
    <div class={`figure${tone}`}>{inner}</div>
  );
}

export function Badge(props: { children: string }) {
  return <span class={`badge is-${props.children.toLowerCase().replaceAll(/\W+/g, "-")}`}>{props.children}</span>;
}

export function Ago(props: { time: string | null | undefined }) {
  const now = useNow();
  if (!props.time) return <span class="quiet">–</span>;
  return (
    <time dateTime={props.time} title={clock(props.time)}>
      {ago(props.time, now)}
    </time>
  );
}

// The time, for what is shown relative to it: one clock for the page.
const listeners = new Set<(now: number) => void>();
setInterval(() => {
  const now = Date.now();
  for (const listener of listeners) listener(now);
}, 1000);

export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    listeners.add(setNow);
    return () => void listeners.delete(setNow);
  }, []);
  return now;
}

export function Fault(props: { children: string }) {
  return props.children ? (
    <p class="fault" role="alert">
      {props.children}
    </p>
  ) : null;
}

export function Quiet(props: { children: ComponentChildren }) {
  return <p class="quiet">{props.children}</p>;
}

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ComponentChildren;
  number?: boolean;
  grow?: boolean | "prose"; // takes what width there is; prose also on a phone some of its own
}

export function Table<Row>(props: {
  label: string;
  rows: Row[];
  columns: Column<Row>[];
  id: (row: Row) => string;
  empty: ComponentChildren;
  picked?: Set<string>;
  onPick?: (ids: Set<string>) => void;
}) {
  const { rows, columns, picked, onPick } = props;
  if (rows.length === 0) return <Quiet>{props.empty}</Quiet>;
  const toggle = (id: string) => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    onPick?.(next);
  };
  const all = !!picked && rows.every((row) => picked.has(props.id(row)));
  return (
    <Scroller label={props.label}>
      <table>
        <thead>
          <tr>
            {onPick && (
              <th class="pick">
                <input
                  type="checkbox"
                  aria-label="Choose all on this page"
                  checked={all}
                  onChange={() => onPick(all ? new Set() : new Set(rows.map(props.id)))}
                />
              </th>
            )}
            {columns.map((column, at) => (
              <th key={`${at} ${column.title}`} scope="col" class={column.number ? "number" : ""}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={props.id(row)}>
              {onPick && (
                <td class="pick">
                  <input
                    type="checkbox"
                    aria-label={`Choose ${props.id(row)}`}
                    checked={picked?.has(props.id(row)) ?? false}
                    onChange={() => toggle(props.id(row))}
                  />
                </td>
              )}
              {columns.map((column, at) => (
                <td key={`${at} ${column.title}`} class={`${column.number ? "number" : ""}${column.grow ? " grow" : ""}${column.grow === "prose" ? " prose" : ""}`}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  );
}

// A JSON value as a tree; what has changed since the last time is marked for a moment.
export function Tree(props: { value: unknown; name?: string; depth?: number }) {
  const { value, name, depth = 0 } = props;
  const label = name === undefined ? null : <span class="tree-name">{name}</span>;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value as Record<string, unknown>);
    const list = Array.isArray(value);
    if (entries.length === 0)
      return (
        <div class="tree-leaf">
          {label} <span class="tree-empty">{list ? "[]" : "{}"}</span>
        </div>
      );
    return (
      <details class="tree" open={depth < 2 && entries.length <= 100}>
        <summary>
          {label} <span class="tree-brief">{list ? plural(entries.length, "item") : plural(entries.length, "field")}</span>
        </summary>
        <Entries entries={entries} depth={depth + 1} />
      </details>
    );
  }
  return (
    <div class="tree-leaf">
      {label} <Changing value={value} />
    </div>
  );
}

const SHOWN = 200;

function Entries(props: { entries: [string, unknown][]; depth: number }) {
  const [most, setMost] = useState(SHOWN);
  return (
    <div class="tree-inner">
      {props.entries.slice(0, most).map(([name, value]) => (
        <Tree key={name} name={name} value={value} depth={props.depth} />
      ))}
      {props.entries.length > most && (
        <button type="button" class="plain" onClick={() => setMost(most + SHOWN)}>
          {props.entries.length - most} more
        </button>
      )}
    </div>
  );
}

function Changing(props: { value: unknown }) {
  const text = props.value === undefined ? "–" : JSON.stringify(props.value);
  const before = useRef(text);
  const [count, setCount] = useState(0);
  useEffect(() => {
    if (before.current !== text) {
      before.current = text;
      setCount((one) => one + 1);
    }
  }, [text]);
  const kind = props.value === null ? "null" : typeof props.value;
  return (
    <span key={count} class={`tree-value is-${kind}${count ? " changed" : ""}`}>
      {text}
    </span>
  );
}

export function Tabs(props: { label: string; names: string[]; chosen: string; onChoose: (name: string) => void }) {
  return (
    <div class="tabs" role="tablist" aria-label={props.label}>
      {props.names.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`tab-${name}`}
          aria-selected={name === props.chosen}
          aria-controls="tab-panel"
          tabIndex={name === props.chosen ? 0 : -1}
          onClick={() => props.onChoose(name)}
          onKeyDown={(event) => {
            const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
            if (!step) return;
            const next = props.names[(props.names.indexOf(name) + step + props.names.length) % props.names.length] ?? name;
            props.onChoose(next);
            document.getElementById(`tab-${next}`)?.focus();
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

export function Dialog(props: { title: string; open: boolean; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (props.open && !dialog.current?.open) dialog.current?.showModal();
    if (!props.open && dialog.current?.open) dialog.current.close();
  }, [props.open]);
  return (
    <dialog ref={dialog} onClose={props.onClose} aria-label={props.title}>
      {props.open && (
        <>
          <h2>{props.title}</h2>
          {props.children}
        </>
      )}
    </dialog>
  );
}

export function Field(props: { label: string; hint?: string; children: ComponentChildren }) {
  return (
    <label class="field">
      <span>
        {props.label}
        {props.hint && <small> {props.hint}</small>}
      </span>
      {props.children}
    </label>
  );
}

export function Text(props: {
  value: string;
  onText: (text: string) => void;
  placeholder?: string;
  rows?: number;
  label?: string;
}) {
  const shared = {
    value: props.value,
    placeholder: props.placeholder ?? "",
    ...(props.label ? { "aria-label": props.label } : {}),
    spellcheck: false,
    autocomplete: "off",
  };
  return props.rows ? (
    <textarea {...shared} rows={props.rows} onInput={(event) => props.onText(event.currentTarget.value)} />
  ) : (
    <input {...shared} type="text" onInput={(event) => props.onText(event.currentTarget.value)} />
  );
}

export function Choice(props: { value: string; options: (string | [string, string])[]; onChoose: (value: string) => void; label?: string }) {
  return (
    <select value={props.value} aria-label={props.label} onChange={(event) => props.onChoose(event.currentTarget.value)}>
      {props.options.map((option) => {
        const [value, text] = typeof option === "string" ? [option, option] : option;
        return (
          <option key={value} value={value}>
            {text}
          </option>
        );
      })}
    </select>
  );
}
