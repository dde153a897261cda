// One instance: what it is, what it waits for, what has happened to it, and what can be done about it.
import { useEffect, useState } from "preact/hooks";

import { api, must, type Schemas } from "../lib/api";
import { useOrchestration } from "../lib/kinds";
import { useAsked, useStream } from "../lib/live";
import { ENDS, fieldsOf, type Event } from "../lib/history";
import { change, FINISHED, MEANT, suits, titled, VERBS } from "../lib/verbs";
import { named, type Instance } from "../lib/selection";
import { refine, to, type Route } from "../lib/route";
import { brief, duration, typed } from "../lib/words";
import { Act, useRight } from "../parts/act";
import { Ago, Badge, Card, Fault, Field, Page, Quiet, Table, Tabs, Text, Tree, useNow } from "../parts/basics";
import { Family } from "../parts/family";
import { Gantt } from "../parts/gantt";
import { Sequence } from "../parts/sequence";
import { Target } from "../parts/target";
import { useValue, ValueFields, valueIn } from "../parts/value";

const VIEWS = ["Timeline", "History", "Sequence"];

export function OneInstance(props: { id: string; route: Route }) {
  const instance_id = props.id;
  const there = useAsked((signal) => named([instance_id], signal), ["there", instance_id], 2);
  const status = there.data?.get(instance_id);
  const path = status && !FINISHED.has(status.runtime_status) ? `/api/v1/instances/${encodeURIComponent(instance_id)}/events` : null;
  const stream = useStream<Instance>(path, (one) => FINISHED.has(one.runtime_status));
  const gone = stream.event === "gone";
  useEffect(() => {
    if (gone) there.again();
  }, [gone]);
  const asked = useAsked(
    status && !gone
      ? (signal) =>
          must(
            api.GET("/api/v1/instances/{instance_id}", {
              params: { path: { instance_id }, query: { history: true } },
              signal,
            }),
          )
      : null,
    ["instance", instance_id, stream.data?.etag ?? status?.etag ?? ""],
    30,
  );
  const manage = useRight("manage");
  const failed = manage && status?.runtime_status === "Failed";
  const traced = useAsked(
    failed ? (signal) => must(api.GET("/api/v1/instances/{instance_id}/failure", { params: { path: { instance_id } }, signal })) : null,
    ["failure", instance_id, status?.etag],
    1_000_000,
  );
  const [last, setLast] = useState<{ id: string; data: Instance | null }>({ id: instance_id, data: null });
  if (asked.data && (last.id !== instance_id || last.data !== asked.data)) setLast({ id: instance_id, data: asked.data });
  const one = asked.data ?? (last.id === instance_id ? last.data : null);
  if (gone || (there.data && !status))
    return <Page title={instance_id}>{<Quiet>{gone || one ? "It has been purged." : "There is no instance of this ID (any more)."}</Quiet>}</Page>;
  const fault = asked.error || there.error;
  if (!one) return <Page title={instance_id}>{fault ? <Fault>{fault}</Fault> : <Quiet>Asking…</Quiet>}</Page>;
  const history = (one.history ?? []) as unknown as Event[];
  const view = props.route.query.get("view") ?? "Timeline";
  return (
    <Page title={instance_id} aside={<Actions one={one} />}>
      <div class="cards">
        <Card title="Status" aside={<Badge>{one.runtime_status}</Badge>}>
          <Facts one={one} />
        </Card>
        {one.failure && (
          <Card title="Failure" wide>
            <Failure failure={one.failure} traced={traced.data?.failure} />
          </Card>
        )}
        {!FINISHED.has(one.runtime_status) && status?.blocked && <Blocked why={status.blocked} />}
        {!FINISHED.has(one.runtime_status) && (
          <Card title="Waits for" wide>
            <Waits one={one} />
          </Card>
        )}
        <Card title="Input">
          {one.locked ? <Quiet>Locked: it is encoded, and this server has no key for it.</Quiet> : <Tree value={one.input} />}
        </Card>
        {one.output !== null && (
          <Card title="Output">
            <Tree value={one.output} />
          </Card>
        )}
        {one.custom_status !== null && (
          <Card title="Custom status">
            <Tree value={one.custom_status} />
          </Card>
        )}
        <Relatives one={one} history={history} />
      </div>
      <Tabs label="What has happened" names={VIEWS} chosen={view} onChoose={(name) => refine({ view: name })} />
      <section id="tab-panel" role="tabpanel" aria-labelledby={`tab-${view}`} class="card wide">
        {one.locked && <Quiet>Locked: its history is encoded, and this server has no key for it.</Quiet>}
        {!one.locked && view === "Timeline" && <Gantt history={history} />}
        {!one.locked && view === "History" && <Events history={history} />}
        {!one.locked && view === "Sequence" && <Sequence history={history} me={one.name} />}
      </section>
    </Page>
  );
}

function Facts(props: { one: Instance }) {
  const { one } = props;
  const now = useNow();
  const until = FINISHED.has(one.runtime_status) ? Date.parse(one.last_updated_time) : now;
  return (
    <dl>
      <dt>Orchestration</dt>
      <dd>
        <a href={to(["instances"], { name: one.name })}>{one.name}</a>
        {one.version ? ` version ${one.version}` : ""}
      </dd>
      <dt>Created</dt>
      <dd>
        <Ago time={one.created_time} />
      </dd>
      <dt>Changed</dt>
      <dd>
        <Ago time={one.last_updated_time} />
      </dd>
      <dt>Took</dt>
      <dd>{duration(until - Date.parse(one.created_time))}</dd>
      {one.scheduled_time && (
        <>
          <dt>Scheduled for</dt>
          <dd>
            <Ago time={one.scheduled_time} />
          </dd>
        </>
      )}
      {Object.entries(one.tags).map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd>
            <a href={to(["instances"], { tag: `${name}=${value}` })}>{value}</a>
          </dd>
        </>
      ))}
    </dl>
  );
}

// Tracebacks are for those who manage: they are asked for by themselves.
function Failure(props: { failure: NonNullable<Instance["failure"]>; traced: Schemas["FailureTraced"] | null | undefined }) {
  return (
    <>
      <p>
        <Badge>{props.failure.error_type}</Badge> {props.failure.message}
      </p>
      {props.traced?.traceback && <pre tabIndex={0}>{props.traced.traceback}</pre>}
      {props.failure.cause && (
        <>
          <h3>because of</h3>
          <Failure failure={props.failure.cause} traced={props.traced?.cause} />
        </>
      )}
    </>
  );
}

// Why it does not go on. This changes with the workers' code, not with the instance: its stream does not tell.
function Blocked(props: { why: string }) {
  return (
    <Card title="Blocked" wide>
      <p class="bad">{props.why}</p>
      <p>
        What to do: start workers with code that fits what is stored (for a newer version: update those that run), and it goes on by itself; or
        terminate it. <a href={to(["workers"])}>What the workers serve</a>
      </p>
    </Card>
  );
}

function Waits(props: { one: Instance }) {
  const waits = props.one.waiting_for ?? [];
  return (
    <Table
      label="What it waits for"
      rows={waits}
      id={(wait) => `${wait.kind} ${wait.name} ${wait.since_time}`}
      empty="Nothing that its history knows of."
      columns={[
        { title: "What", cell: (wait) => <Awaited one={props.one} wait={wait} />, grow: true },
        { title: "Since", cell: (wait) => <Ago time={wait.since_time} /> },
        { title: "Until", cell: (wait) => <Ago time={wait.until_time} /> },
      ]}
    />
  );
}

// What is waited for, with a link to where it can be looked at, or what sends the instance on.
function Awaited(props: { one: Instance; wait: Schemas["WaitModel"] }) {
  const { kind, name } = props.wait;
  if (kind === "event")
    return (
      <div class="awaited">
        {kind} {name} <Answer one={props.one} event={name} />
      </div>
    );
  const [, child, id] = /^(.*) \((.*)\)$/s.exec(name) ?? [];
  if (kind === "sub-orchestration" && id)
    return (
      <>
        {kind} {child} <a href={to(["instances", id])}>{id}</a>
      </>
    );
  const [, entity, operation] = /^(@.*) (\S+)$/s.exec(name) ?? [];
  if (kind === "entity" && entity)
    return (
      <>
        {kind} <Target id={entity} /> {operation}
      </>
    );
  return (
    <>
      {kind} {name}
      {props.wait.details !== undefined && <div class="quiet">{brief(props.wait.details)}</div>}
    </>
  );
}

// Sends a waiting instance on: raises the event that it waits for, with data of the type that its code expects.
function Answer(props: { one: Instance; event: string }) {
  const { one, event } = props;
  const [asking, setAsking] = useState(false);
  const shown = useOrchestration(asking ? one.name : "");
  const [, schema] = Object.entries(shown?.events ?? {}).find(([name]) => name.toLowerCase() === event.toLowerCase()) ?? [];
  const known = schema && [{ name: "Data", json_schema: schema, required: Object.keys(schema).length > 0, by_name: true, default: null }];
  const data = useValue("Data", event, shown === undefined ? undefined : (known ?? null));
  return (
    <Act
      label={`Raise ${event}…`}
      right="signal"
      tone="main"
      onAsk={setAsking}
      ask={
        <>
          <p>It waits for this event, and goes on with it.</p>
          <ValueFields value={data} nothing="It takes no data." />
        </>
      }
      work={() => raise(one.instance_id, event, valueIn(data))}
    />
  );
}

async function raise(instance_id: string, event: string, data: unknown): Promise<string> {
  const sent = data === undefined ? {} : { body: data as never };
  await must(api.POST("/api/v1/instances/{instance_id}/events/{event}", { params: { path: { instance_id, event } }, ...sent }));
  return `${event} is sent`;
}

function Relatives(props: { one: Instance; history: Event[] }) {
  const locked = [...new Set(props.history.filter((event) => event.event_type === "EntityLockRequested").flatMap((event) => (event["entity_ids"] as string[] | undefined) ?? []))];
  const kin = !!props.one.parent_instance_id || props.history.some((event) => event.event_type === "SubOrchestrationInstanceCreated");
  if (!kin && locked.length === 0) return null;
  return (
    <Card title="Relatives">
      <Family one={props.one} history={props.history} />
      {locked.length > 0 && (
        <dl>
          <dt>Entities that it locked</dt>
          {locked.map((id) => (
            <dd key={id}>
              <Target id={id} />
            </dd>
          ))}
        </dl>
      )}
    </Card>
  );
}

function Events(props: { history: Event[] }) {
  const [most, setMost] = useState(500);
  const rows = props.history.map((event, at) => ({ ...event, at }) as Event & { at: number });
  return (
    <>
      <Table
        label="History"
        rows={rows.slice(0, most)}
        id={(event) => String(event.at)}
        empty="There is no history."
        columns={[
          { title: "#", number: true, cell: (event) => event.task_id },
          { title: "Time (UTC)", cell: (event) => <time dateTime={event.timestamp}>{event.timestamp.slice(11, 23)}</time> },
          {
            title: "Event",
            cell: (event) => <span class={event.event_type.endsWith("Failed") ? "bad" : ENDS.has(event.event_type) ? "strong" : ""}>{event.event_type}</span>,
          },
          { title: "What it says", grow: "prose", cell: (event) => <Said fields={fieldsOf(without(event))} /> },
        ]}
      />
      {rows.length > most && (
        <button type="button" onClick={() => setMost(most + 500)}>
          {rows.length - most} more
        </button>
      )}
    </>
  );
}

function without(event: Event & { at: number }): Event {
  const { at: _at, ...rest } = event;
  return rest as Event;
}

function Said(props: { fields: Record<string, unknown> }) {
  const [open, setOpen] = useState(false);
  if (Object.keys(props.fields).length === 0) return null;
  return open ? (
    <Tree value={props.fields} depth={1} />
  ) : (
    <button type="button" class="plain said" aria-expanded={false} onClick={() => setOpen(true)}>
      <code>{brief(props.fields, 100)}</code>
    </button>
  );
}

function Actions(props: { one: Instance }) {
  const { one } = props;
  const path = { instance_id: one.instance_id };
  const [reason, setReason] = useState("");
  const [event, setEvent] = useState("");
  const [data, setData] = useState("");
  const finished = FINISHED.has(one.runtime_status);
  const why = <Text label="Reason" placeholder="reason" value={reason} onText={setReason} />;
  return (
    <>
      {!finished && (
        <Act
          label="Raise event…"
          right="signal"
          ask={
            <>
              <Field label="Event">
                <Text value={event} onText={setEvent} />
              </Field>
              <Field label="Data" hint="JSON, or text">
                <Text value={data} onText={setData} rows={3} placeholder="none" />
              </Field>
            </>
          }
          work={() => raise(one.instance_id, event, typed(data))}
        />
      )}
      {VERBS.filter((verb) => suits(verb, one.runtime_status)).map((verb) => (
          <Act
            key={verb}
            label={titled(verb)}
            right="manage"
            {...(verb === "terminate" || verb === "purge" ? { tone: "danger" as const } : {})}
            ask={
              verb === "purge" ? (
                <p>Delete it with its history?</p>
              ) : (
                <>
                  {MEANT[verb] && <p>{MEANT[verb]}</p>}
                  {why}
                </>
              )
            }
            work={async () => (await change(verb, one.instance_id, reason), `${verb}: accepted`)}
          />
        ))}
      <Act
        label="Restart"
        right="manage"
        ask={<p>Start the same orchestration with the same input, under a new ID?</p>}
        work={async () => {
          const done = await must(api.POST("/api/v1/instances/{instance_id}/restart", { params: { path }, body: { new_instance_id: true } }));
          const id = (done as { instance_id: string }).instance_id;
          location.hash = to(["instances", id]);
          return `${id} is started`;
        }}
      />
    </>
  );
}
