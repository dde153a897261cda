// Schedules: which there are, and one: what it runs and when, its last runs, and what can be done about it.
import { api, must, type Schemas } from "../lib/api";
import { useAsked } from "../lib/live";
import { to } from "../lib/route";
import { brief, clock, count, duration } from "../lib/words";
import { Act } from "../parts/act";
import { Ago, Badge, Card, Fault, Page, Quiet, Table, Tree } from "../parts/basics";

type Schedule = Schemas["ScheduleShown"];

function rule(one: Schedule): string {
  return one.cron ? `${one.cron} (${one.timezone})` : `every ${duration(one.every_ms ?? 0)}`;
}

function what(one: Schedule): string {
  if (one.start_new) return `start ${String(one.start_new["name"])}`;
  const signal = one.signal_entity ?? {};
  return `signal ${String(signal["entity"])} / ${String(signal["key"])}: ${String(signal["operation"])}`;
}

function state(one: Schedule): string {
  return one.paused ? "paused" : one.orphaned ? "orphaned" : one.next_times.length ? "active" : "over";
}

export function Schedules() {
  const asked = useAsked((signal) => must(api.GET("/api/v1/schedules", { signal })), ["schedules"], 2);
  return (
    <Page title="Schedules">
      <Fault>{asked.error}</Fault>
      <Table
        label="Schedules"
        rows={asked.data?.schedules ?? []}
        id={(one) => one.name}
        empty={asked.data ? "There is none." : "Asking…"}
        columns={[
          { title: "Schedule", cell: (one) => <a href={to(["schedules", one.name])}>{one.name}</a> },
          { title: "State", cell: (one) => <Badge>{state(one)}</Badge> },
          { title: "When", cell: rule },
          { title: "Next", cell: (one) => (one.paused ? <span class="quiet">–</span> : <Ago time={one.next_times[0]} />) },
          { title: "Last", cell: (one) => <Ago time={one.last_runs[0]?.occurrence} /> },
          { title: "What", grow: true, cell: (one) => brief(what(one)) },
        ]}
      />
    </Page>
  );
}

export function OneSchedule(props: { name: string }) {
  const { name } = props;
  const asked = useAsked(
    (signal) => must(api.GET("/api/v1/schedules", { params: { query: { name: [name] } }, signal })),
    ["schedule", name],
  );
  const one = asked.data?.schedules[0];
  const all = <a href={to(["schedules"])}>all schedules</a>;
  if (!one || asked.error)
    return (
      <Page title={name} aside={all}>
        {asked.error || asked.data ? <Fault>{asked.error || `There is no schedule ${name} (any more).`}</Fault> : <Quiet>Asking…</Quiet>}
      </Page>
    );
  return (
    <Page
      title={name}
      aside={
        <>
          <Actions one={one} then={asked.again} /> {all}
        </>
      }
    >
      <div class="cards">
        <Card title="When" aside={<Badge>{state(one)}</Badge>}>
          <When one={one} />
        </Card>
        <Card title="What it runs">
          <What one={one} />
        </Card>
        <Card title="Next times">
          {one.paused ? (
            <Quiet>It rests until it is resumed.</Quiet>
          ) : one.next_times.length === 0 ? (
            <Quiet>There is none.</Quiet>
          ) : (
            <ol>
              {one.next_times.map((time) => (
                <li key={time}>
                  {clock(time)} <span class="quiet">(<Ago time={time} />)</span>
                </li>
              ))}
            </ol>
          )}
        </Card>
      </div>
      <Card title="Last runs">
        <Table
          label="Last runs"
          rows={one.last_runs}
          id={(run) => `${run.occurrence} ${run.instance_id ?? ""}`}
          empty="It has not run yet."
          columns={[
            { title: "For", cell: (run) => <time dateTime={run.occurrence}>{clock(run.occurrence)}</time> },
            {
              title: "Instance",
              grow: true,
              cell: (run) => (run.instance_id ? <a href={to(["instances", run.instance_id])}>{run.instance_id}</a> : <span class="quiet">a signal</span>),
            },
            { title: "Status", cell: (run) => (run.status ? <Badge>{run.status}</Badge> : <span class="quiet">–</span>) },
          ]}
        />
      </Card>
    </Page>
  );
}

function When(props: { one: Schedule }) {
  const { one } = props;
  const facts: [string, string | null][] = [
    ["Rule", rule(one)],
    ["From", one.start && clock(one.start)],
    ["Until", one.end && clock(one.end)],
    ["Delayed by up to", one.jitter_ms ? duration(one.jitter_ms) : null],
    ["Overlap", one.overlap],
    ["Makes up for", duration(one.catch_up_ms)],
    ["Waiting", one.waiting && clock(one.waiting)],
    ["Missed", count(one.missed)],
    ["Skipped", count(one.skipped)],
    ["Made", `${clock(one.created_time)}, by ${one.declared || one.orphaned ? "code" : "a client"}`],
  ];
  return (
    <>
      {one.orphaned && <p class="quiet">Code had declared it, and does not any more.</p>}
      <dl>
        {facts
          .filter(([, value]) => value)
          .map(([title, value]) => (
            <>
              <dt>{title}</dt>
              <dd>{value}</dd>
            </>
          ))}
      </dl>
    </>
  );
}

function What(props: { one: Schedule }) {
  const { start_new: start, signal_entity: signal } = props.one;
  return (
    <>
      <p>
        {start && (
          <>
            start <a href={to(["instances"], { name: String(start["name"]) })}>{String(start["name"])}</a>
          </>
        )}
        {signal && (
          <>
            signal{" "}
            <a href={to(["entities", String(signal["entity"]), String(signal["key"]) || "$"])}>
              {String(signal["entity"])} / {String(signal["key"])}
            </a>
          </>
        )}
      </p>
      <Tree value={Object.fromEntries(Object.entries(start ?? signal ?? {}).filter(([, value]) => value !== null))} />
    </>
  );
}

function Actions(props: { one: Schedule; then: () => void }) {
  const { one, then } = props;
  const params = { path: { name: one.name } };
  return (
    <>
      {one.paused ? (
        <Act label="Resume" right="manage" tone="main" then={then} work={async () => (await must(api.POST("/api/v1/schedules/{name}/resume", { params })), "It goes on")} />
      ) : (
        <Act label="Pause" right="manage" then={then} work={async () => (await must(api.POST("/api/v1/schedules/{name}/pause", { params })), "It rests")} />
      )}
      <Act
        label="Trigger"
        right="manage"
        then={then}
        work={async () => {
          const { instance_id } = await must(api.POST("/api/v1/schedules/{name}/trigger", { params }));
          if (instance_id) return `${instance_id} is started`;
          return one.signal_entity ? "The signal is sent" : "This run is left out: the one before is not over";
        }}
      />
      <Act
        label="Delete"
        right="manage"
        tone="danger"
        ask={
          <p>
            Delete this schedule? What it has started runs on.{one.declared && " Code declares it: it comes back with the next worker that does so."}
          </p>
        }
        work={async () => {
          await must(api.DELETE("/api/v1/schedules/{name}", { params }));
          location.hash = to(["schedules"]);
          return `${one.name} is deleted`;
        }}
      />
    </>
  );
}
