// What the workers have measured in the last hour: how often, how long, what failed, and what is hottest.
import { api, must, type Schemas } from "../lib/api";
import { useAsked, useLive } from "../lib/live";
import { to } from "../lib/route";
import { count, duration } from "../lib/words";
import { Card, Fault, Table } from "./basics";
import { Target } from "./target";

const MINUTES = 60;
const EVERY = 5; // beats
const SHOWN = 10; // of each sort, those that happened most
const SCHEDULES = "(schedule)";
const [WIDTH, HEIGHT] = [120, 24];

type Series = Schemas["Series"];
interface Row {
  name: string;
  href: string | null;
  series: Series;
}

export function seconds(value: number | null): string {
  if (value === null) return "–";
  if (value > 0 && value < 1e-6) return "< 1 µs";
  return value < 0.001 ? `${Math.round(value * 1e6)} µs` : duration(value * 1000);
}

export function rate(value: number): string {
  return value === 0 ? "0" : value < 0.01 ? "< 0.01" : value < 10 ? value.toFixed(2) : count(Math.round(value));
}

export function useMeasures() {
  return useAsked((signal) => must(api.GET("/api/v1/metrics", { params: { query: { minutes: MINUTES } }, signal })), ["metrics"], EVERY);
}

// The operations of one kind. Its table has a name of its own: on an entity's page there is a field "Operation" too.
export function OfKind(props: { name: string }) {
  const asked = useMeasures();
  const rows = (asked.data?.operations ?? []).filter((one) => one.entity.toLowerCase() === props.name.toLowerCase());
  return (
    <Happened
      title={`Operations of ${props.name}`}
      label={`Measures of ${props.name}`}
      rows={rows.map((one) => ({ name: one.operation, href: null, series: one }))}
    />
  );
}

export function Measures(props: { asked: ReturnType<typeof useMeasures> }) {
  const { asked } = props;
  const { info } = useLive();
  // Of stead's own kinds, whose names are in brackets, schedules alone have a page.
  const page = (name: string) => (name === SCHEDULES ? to(["schedules"]) : name.toLowerCase() in (info?.names ?? {}) ? to(["entities", name]) : null);
  const found = asked.data;
  if (!found) return <Fault>{asked.error}</Fault>;
  return (
    <>
      <Fault>{asked.error}</Fault>
      <Happened
        title="Operations"
        rows={found.operations.map((one) => ({ name: `${one.entity}.${one.operation}`, href: page(one.entity), series: one }))}
      />
      <Happened
        title="Orchestrations"
        rows={found.orchestrations.map((one) => ({
          name: `${one.name}: ${one.runtime_status}`,
          href: to(["instances"], { name: one.name, status: one.runtime_status }),
          series: one,
        }))}
      />
      <Happened title="Activities" rows={found.activities.map((one) => ({ name: one.name, href: to(["workers"]), series: one }))} />
      {found.hottest.length > 0 && (
        <Card title="Hottest" aside={<span class="quiet">by messages of the last hour</span>}>
          <Table
            label="Hottest"
            rows={found.hottest.slice(0, SHOWN)}
            id={(one) => one.target}
            empty=""
            columns={[
              { title: "Entity or instance", grow: true, cell: (one) => <Target id={one.target} /> },
              { title: "Messages", number: true, cell: (one) => (one.over ? `${count(one.messages - one.over)} to ${count(one.messages)}` : count(one.messages)) },
            ]}
          />
        </Card>
      )}
    </>
  );
}

function Happened(props: { title: string; label?: string; rows: Row[] }) {
  const rows = props.rows
    .filter((row) => row.series.count > 0)
    .sort((one, other) => other.series.count - one.series.count)
    .slice(0, SHOWN);
  if (rows.length === 0) return null;
  return (
    <Card title={props.title} aside={<span class="quiet">in the last hour</span>}>
      <Table
        label={props.label ?? props.title}
        rows={rows}
        id={(row) => row.name}
        empty=""
        columns={[
          { title: "What", grow: true, cell: (row) => (row.href ? <a href={row.href}>{row.name}</a> : row.name) },
          { title: "Count", number: true, cell: (row) => count(row.series.count) },
          { title: "A second", number: true, cell: (row) => rate(row.series.rate) },
          { title: "By the minute", cell: (row) => <Line what={`${row.name} by the minute`} values={row.series.counts} say={count} /> },
          { title: "Failed", number: true, cell: (row) => <span class={row.series.failed ? "bad" : ""}>{count(row.series.failed)}</span> },
          { title: "p50", number: true, cell: (row) => seconds(row.series.p50) },
          { title: "p99", number: true, cell: (row) => seconds(row.series.p99) },
          { title: "p99 by the minute", cell: (row) => <Line what={`p99 of ${row.name}`} values={row.series.p99s} say={seconds} /> },
        ]}
      />
    </Card>
  );
}

// Values over time; where there is none the line has a gap.
function Line(props: { what: string; values: (number | null)[]; say: (value: number) => string }) {
  const { values } = props;
  const most = Math.max(0, ...values.map((value) => value ?? 0));
  const x = (at: number) => 2 + (at / Math.max(1, values.length - 1)) * (WIDTH - 4);
  const y = (value: number) => HEIGHT - 2 - (most ? value / most : 0) * (HEIGHT - 4);
  const path = values
    .map((value, at) => (value === null ? "" : `${at > 0 && values[at - 1] !== null ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}h2`))
    .join("");
  return (
    <svg class="line" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={`${props.what}: up to ${props.say(most)}`}>
      <path d={path} />
    </svg>
  );
}
