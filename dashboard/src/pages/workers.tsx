// Who works: what each holds, runs and serves, its load and its version; and one is drained.
import { api, must, type Schemas } from "../lib/api";
import { useAsked, useLive } from "../lib/live";
import { to } from "../lib/route";
import { bytes, count, duration } from "../lib/words";
import { Act } from "../parts/act";
import { Ago, Badge, Card, Page, Quiet, Table } from "../parts/basics";
import { Strip } from "../parts/strip";
import { Target } from "../parts/target";

interface Worker {
  worker: string;
  host?: string;
  pid?: number;
  last_beat_time?: string;
  partitions?: number;
  drained?: boolean;
  program?: string;
  queues?: string[];
  kinds?: Record<string, { name?: string; versions?: string[] }>;
}

type Now = Schemas["WorkerNow"];

export function Workers() {
  const { info } = useLive();
  const measured = useAsked((signal) => must(api.GET("/api/v1/metrics", { params: { query: { minutes: 1 } }, signal })), ["workers"], 2);
  if (!info) return <Page title="Workers">{<Quiet>Asking the hub…</Quiet>}</Page>;
  const workers = info.workers as unknown as Worker[];
  const now = (one: Worker) => measured.data?.workers.find((each) => each.worker === one.worker);
  const programs = new Set(workers.map((one) => one.program));
  return (
    <Page title="Workers" aside={<span class="quiet">{count(info.partitions.length)} partitions</span>}>
      <Table
        label="Workers"
        rows={workers}
        id={(one) => one.worker}
        empty={<>No worker runs. Start one: stead worker APP</>}
        columns={[
          { title: "Worker", cell: (one) => <strong>{one.worker}</strong> },
          { title: "State", cell: (one) => <Badge>{one.drained ? (one.partitions ? "draining" : "drained") : "works"}</Badge> },
          { title: "Last seen", cell: (one) => <Ago time={one.last_beat_time} /> },
          { title: "Partitions", number: true, cell: (one) => count(one.partitions) },
          { title: "Memory", number: true, cell: (one) => (now(one)?.memory_bytes ? bytes(now(one)?.memory_bytes ?? 0) : "–") },
          { title: "In memory", number: true, cell: (one) => count(now(one)?.activations) },
          { title: "Ready to run", number: true, cell: (one) => count(now(one)?.waiting) },
          { title: "Runs", number: true, cell: (one) => count((now(one)?.operations ?? 0) + (now(one)?.activities ?? 0)) },
          { title: "Loop late by", number: true, cell: (one) => lag(now(one)) },
        ]}
      />
      {programs.size > 1 && <p class="quiet">The workers do not all run the same code.</p>}
      <div class="cards">
        {workers.map((one) => (
          <Card key={one.worker} title={one.worker} aside={<Drain one={one} alone={workers.filter((each) => !each.drained).length <= 1} />}>
            <Strip info={info} owner={one.worker} />
            <Runs now={now(one)} />
            <dl>
              {(["", "orchestration/", "activity/"] as const).map((prefix) => (
                <Kinds key={prefix} worker={one} prefix={prefix} />
              ))}
              <dt>Process</dt>
              <dd>
                {one.pid ?? "?"} on {one.host ?? "?"}
              </dd>
              <dt>Queues</dt>
              <dd>{(one.queues ?? []).map((queue) => queue || "default").join(", ") || "–"}</dd>
              <dt>Code</dt>
              <dd>
                <code class={programs.size > 1 ? "bad" : ""}>{one.program ? one.program.slice(0, 8) : "–"}</code>
              </dd>
            </dl>
          </Card>
        ))}
      </div>
    </Page>
  );
}

function lag(now: Now | undefined) {
  const ms = (now?.loop_lag_s ?? 0) * 1000;
  return now?.loop_lag_s === null || !now ? "–" : <span class={ms > 250 ? "bad" : ""}>{duration(ms)}</span>;
}

function Drain(props: { one: Worker; alone: boolean }) {
  const { one, alone } = props;
  const params = { path: { worker: one.worker } };
  if (one.drained)
    return <Act label="Work again" right="manage" tone="main" work={async () => (await must(api.POST("/api/v1/workers/{worker}/resume", { params })), "It works again with its next heartbeat")} />;
  return (
    <Act
      label="Drain"
      right="manage"
      work={async () => (await must(api.POST("/api/v1/workers/{worker}/drain", { params })), "It gives everything back with its next heartbeat")}
      ask={
        <>
          <p>It gives its partitions back, what runs may end, and it takes nothing new until it is told to, or started anew.</p>
          {alone && <p class="bad">No other worker takes its work: messages wait until one does.</p>}
        </>
      }
    />
  );
}

function Runs(props: { now: Now | undefined }) {
  const longest = props.now?.longest ?? [];
  if (longest.length === 0) return null;
  return (
    <>
      <h3>Runs for longest</h3>
      <ul class="plain-list">
        {longest.map((one, at) => (
          <li key={at}>
            {one.operation} of <Target id={one.target} />, for {duration(one.seconds * 1000)}
          </li>
        ))}
      </ul>
    </>
  );
}

function Kinds(props: { worker: Worker; prefix: "" | "orchestration/" | "activity/" }) {
  const names = Object.entries(props.worker.kinds ?? {})
    .filter(([name]) => (props.prefix ? name.startsWith(props.prefix) && !name.includes("@") : !name.includes("/"))) // what is behind an @ is a version
    .map(([key, kind]) => {
      const versions = (kind.versions ?? []).filter(Boolean);
      return { name: kind.name ?? key, more: versions.length ? ` (${versions.join(", ")})` : "" };
    });
  if (names.length === 0) return null;
  return (
    <>
      <dt>{{ "": "Entities", "orchestration/": "Orchestrations", "activity/": "Activities" }[props.prefix]}</dt>
      <dd>
        {names.map(({ name, more }, at) => (
          <>
            {at > 0 && ", "}
            <Kind prefix={props.prefix} name={name} />
            {more}
          </>
        ))}
      </dd>
    </>
  );
}

// Where there is more of it.
function Kind(props: { prefix: "" | "orchestration/" | "activity/"; name: string }) {
  if (props.prefix === "activity/") return <>{props.name}</>;
  return <a href={props.prefix ? to(["instances"], { name: props.name }) : to(["entities", props.name])}>{props.name}</a>;
}
