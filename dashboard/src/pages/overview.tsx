// Is it well, what flows, who works.
import { api, must } from "../lib/api";
import { useAsked, useLive } from "../lib/live";
import { to } from "../lib/route";
import { bytes, count } from "../lib/words";
import { Ago, Card, Figure, Page, Quiet } from "../parts/basics";
import { Flow } from "../parts/flow";
import { Measures, useMeasures } from "../parts/measures";
import { Strip } from "../parts/strip";
import { Verdict } from "../parts/verdict";

const COUNTED_MAX = 100_000; // counting looks at them all

export function Overview() {
  const { info } = useLive();
  const few = Number(info?.total["instances"] ?? 0) <= COUNTED_MAX;
  const counts = useAsked(async (signal) => (few ? must(api.GET("/api/v1/instance-statuses", { signal })) : null), ["statuses", few], 5);
  const measured = useMeasures();
  if (!info) return <Page title="Overview">{<Quiet>Asking the hub…</Quiet>}</Page>;
  const total = info.total as Record<string, number>;
  return (
    <Page title="Overview" aside={<span class="quiet">{String(info.hub["name"])}</span>}>
      <Verdict />
      <div class="figures">
        <Figure label="entities" value={count(total["entities"])} href={to(["entities"])} />
        <Figure label="instances" value={count(total["instances"])} href={to(["instances"])} />
        <Figure label="messages waiting" value={count(total["backlog"])} tone={(total["backlog"] ?? 0) > 10_000 ? "warn" : ""} />
        <Figure label="activities open" value={count(total["tasks"])} />
        <Figure label="timers" value={count(total["timers"])} />
        <Figure label="parked" value={count(total["parked"])} />
        <Figure label="dead letters" value={count(total["dead_letters"])} href={to(["dead-letters"])} tone={total["dead_letters"] ? "warn" : ""} />
        <Figure label="workers" value={count(info.workers.length)} href={to(["workers"])} tone={info.workers.length ? "" : "bad"} />
      </div>
      {measured.data && (
        <Card title="Flow" aside={<span class="live">as it changes</span>} wide>
          <Flow found={measured.data} info={info} />
        </Card>
      )}
      <div class="cards small">
        <Card title="Instances" aside={<a href={to(["instances"])}>all</a>}>
          {counts.data?.total ? (
            <Bars rows={Object.entries(counts.data.statuses).map(([name, value]) => ({ name, value: value ?? 0, href: to(["instances"], { status: name }) }))} />
          ) : (
            <Quiet>{counts.error || (few ? "There is none yet." : "There are too many to count them again and again.")}</Quiet>
          )}
        </Card>
        <Card title="Partitions" aside={<span class="quiet">by waiting messages</span>}>
          <Strip info={info} />
        </Card>
        <Card title="Server">
          <dl>
            <dt>Version</dt>
            <dd>{String(info.server["version"])}</dd>
            <dt>What survives</dt>
            <dd>{String(info.server["promise"] ?? "")}</dd>
            <dt>Memory used</dt>
            <dd>{bytes(Number(info.server["used_memory_bytes"] ?? 0))}</dd>
            <dt>Hub made</dt>
            <dd>
              <Ago time={String(info.hub["created_time"])} />
            </dd>
          </dl>
        </Card>
      </div>
      <div class="measures">
        <Measures asked={measured} />
      </div>
    </Page>
  );
}

function Bars(props: { rows: { name: string; value: number; href: string }[] }) {
  const most = Math.max(1, ...props.rows.map((row) => row.value));
  return (
    <ul class="bars">
      {props.rows.map((row) => (
        <li key={row.name}>
          <a href={row.href}>
            <span>{row.name}</span>
            <progress max={most} value={row.value} aria-label={`${row.name}: ${row.value}`} />
            <span class="number">{count(row.value)}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}
