// Who works: what each holds, serves and waits for.
import { useLive } from "../lib/live";
import { count } from "../lib/words";
import { Ago, Card, Page, Quiet, Table } from "../parts/basics";
import { Strip } from "../parts/strip";

interface Worker {
  worker: string;
  host?: string;
  pid?: number;
  last_beat_time?: string;
  partitions?: number;
  queues?: string[];
  kinds?: Record<string, { name?: string; versions?: string[] }>;
}

export function Workers() {
  const { info } = useLive();
  if (!info) return <Page title="Workers">{<Quiet>Asking the hub…</Quiet>}</Page>;
  const workers = info.workers as unknown as Worker[];
  return (
    <Page title="Workers" aside={<span class="quiet">{count(info.partitions.length)} partitions</span>}>
      <Table
        label="Workers"
        rows={workers}
        id={(one) => one.worker}
        empty={<>No worker runs. Start one: stead worker APP</>}
        columns={[
          { title: "Worker", cell: (one) => <strong>{one.worker}</strong> },
          { title: "Host", cell: (one) => `${one.host ?? "?"} · ${one.pid ?? "?"}` },
          { title: "Last seen", cell: (one) => <Ago time={one.last_beat_time} /> },
          { title: "Partitions", number: true, cell: (one) => count(one.partitions) },
          { title: "Queues", cell: (one) => (one.queues ?? []).map((queue) => queue || "default").join(", ") },
        ]}
      />
      <div class="cards">
        {workers.map((one) => (
          <Card key={one.worker} title={one.worker}>
            <Strip info={info} owner={one.worker} />
            <dl>
              {(["", "orchestration/", "activity/"] as const).map((prefix) => (
                <Kinds key={prefix} worker={one} prefix={prefix} />
              ))}
            </dl>
          </Card>
        ))}
      </div>
    </Page>
  );
}

function Kinds(props: { worker: Worker; prefix: "" | "orchestration/" | "activity/" }) {
  const names = Object.entries(props.worker.kinds ?? {})
    .filter(([name]) => (props.prefix ? name.startsWith(props.prefix) : !name.includes("/")))
    .map(([name, kind]) => {
      const versions = (kind.versions ?? []).filter(Boolean);
      return (kind.name ?? name) + (versions.length ? ` (${versions.join(", ")})` : "");
    });
  if (names.length === 0) return null;
  return (
    <>
      <dt>{{ "": "Entities", "orchestration/": "Orchestrations", "activity/": "Activities" }[props.prefix]}</dt>
      <dd>{names.join(", ")}</dd>
    </>
  );
}
