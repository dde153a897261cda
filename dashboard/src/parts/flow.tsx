// The flow, live: what comes in, where it waits, who carries it out, and what that starts.
import { useRef } from "preact/hooks";

import type { Schemas } from "../lib/api";
import type { HubInfo } from "../lib/live";
import { count, duration } from "../lib/words";
import { short } from "./gantt";
import { rate } from "./measures";
import { Scroller } from "./scroller";

type Metrics = Schemas["HubMetrics"];

interface Rates {
  arriving: number; // messages a second
  done: number;
  activities: number;
  by: Record<string, number>; // activities by name
}

interface Before {
  at: number;
  done: number;
  backlog: number;
  by: Record<string, number>;
  rates: Rates;
}

const [WIDTH, BOX, ROW, SHOWN] = [960, 190, 44, 6];
const [IN, PARTITIONS, WORKERS, ACTIVITIES] = [0, 256, 512, 768];

function sum(values: number[]): number {
  return values.reduce((all, one) => all + one, 0);
}

// How often things happened between two answers; of the last whole minute as long as there is one answer only.
function useRates(found: Metrics, info: HubInfo): Rates {
  const before = useRef<Before | null>(null);
  const at = Date.parse(found.time);
  if (before.current?.at === at) return before.current.rates;
  const done = sum([...found.operations, ...found.turns].map((one) => one.total_count));
  const by = Object.fromEntries(found.activities.map((one) => [one.name, one.total_count]));
  const backlog = Number((info.total as Record<string, number>)["backlog"] ?? 0);
  const last = before.current;
  const seconds = last ? (at - last.at) / 1000 : 0;
  const minute = (one: Schemas["Series"]) => (one.counts[one.counts.length - 2] ?? 0) / 60;
  const each = last
    ? Object.fromEntries(Object.entries(by).map(([name, total]) => [name, Math.max(0, total - (last.by[name] ?? 0)) / seconds]))
    : Object.fromEntries(found.activities.map((one) => [one.name, minute(one)]));
  const carried = last ? Math.max(0, done - last.done) / seconds : sum([...found.operations, ...found.turns].map(minute));
  const rates = {
    arriving: last ? Math.max(0, carried + (backlog - last.backlog) / seconds) : carried,
    done: carried,
    activities: sum(Object.values(each)),
    by: each,
  };
  before.current = { at, done, backlog, by, rates };
  return rates;
}

export function Flow(props: { found: Metrics; info: HubInfo }) {
  const { found, info } = props;
  const rates = useRates(found, info);
  const total = info.total as Record<string, number>;
  const partitions = info.partitions as { owner: string | null; backlog: number }[];
  const oldest = Math.max(0, ...found.backlog.map((one) => one.oldest_age_s ?? 0));
  const workers = found.workers.map((one) => ({ name: one.worker, held: partitions.filter((place) => place.owner === one.worker).length, now: one }));
  const shown = workers.slice(0, SHOWN);
  const running = sum(found.workers.map((one) => one.activities ?? 0));
  const activities = Object.entries(rates.by)
    .sort(([one, often], [other, oftener]) => oftener - often || one.localeCompare(other))
    .slice(0, SHOWN);
  const rows = Math.max(1, shown.length + (workers.length > SHOWN ? 1 : 0), activities.length);
  const height = rows * ROW + 40;
  const middle = 30 + (rows * ROW) / 2;
  const y = (at: number, of: number) => 30 + ((rows - of) * ROW) / 2 + at * ROW + ROW / 2;
  const width = (often: number) => (often > 0 ? Math.min(12, 2 + Math.log10(1 + often) * 3) : 1);
  const said = `${rate(rates.arriving)} messages a second come in, ${count(total["backlog"])} wait, ${rate(rates.done)} a second are carried out by ${workers.length} workers, ${rate(rates.activities)} activities a second`;
  return (
    <Scroller label="Flow">
      <svg class="flow" viewBox={`0 0 ${WIDTH} ${height}`} width={WIDTH} height={height} role="img" aria-label={said}>
        {([[IN, "Producers"], [PARTITIONS, "Partitions"], [WORKERS, "Workers"], [ACTIVITIES, "Activities"]] as const).map(([x, title]) => (
          <text key={title} class="flow-title" x={x + BOX / 2} y={14} text-anchor="middle">
            {title}
          </text>
        ))}
        <Link from={[IN + BOX, middle]} to={[PARTITIONS, middle]} width={width(rates.arriving)} live={rates.arriving > 0} />
        {shown.map((one, at) => (
          <Link key={one.name} from={[PARTITIONS + BOX, middle]} to={[WORKERS, y(at, shown.length)]} width={width((rates.done * one.held) / Math.max(1, partitions.length))} live={rates.done > 0 && one.held > 0} />
        ))}
        {activities.map(([name, often], at) => (
          <Link key={name} from={[WORKERS + BOX, middle]} to={[ACTIVITIES, y(at, activities.length)]} width={width(often)} live={often > 0} />
        ))}
        <Box x={IN} y={middle} title={`${rate(rates.arriving)} a second`} text="messages come in" />
        <Box x={PARTITIONS} y={middle} title={`${count(total["backlog"])} waiting`} text={oldest > 0 ? `the oldest for ${duration(oldest * 1000)}` : `${count(partitions.length)} partitions`} warn={oldest > 60} />
        {shown.map((one, at) => (
          <Box key={one.name} x={WORKERS} y={y(at, shown.length)} title={short(one.name, 24)} text={`holds ${one.held}, runs ${count((one.now.operations ?? 0) + (one.now.activities ?? 0))}`} />
        ))}
        {workers.length === 0 && <Box x={WORKERS} y={middle} title="no worker" text="messages wait" warn />}
        {workers.length > SHOWN && (
          <text class="flow-more" x={WORKERS + BOX / 2} y={height - 8} text-anchor="middle">
            and {workers.length - SHOWN} more
          </text>
        )}
        {activities.map(([name, often], at) => (
          <Box key={name} x={ACTIVITIES} y={y(at, activities.length)} title={short(name, 24)} text={`${rate(often)} a second`} />
        ))}
        {activities.length === 0 && <Box x={ACTIVITIES} y={middle} title={`${count(running)} running`} text="none has ended yet" />}
      </svg>
    </Scroller>
  );
}

function Link(props: { from: [number, number]; to: [number, number]; width: number; live: boolean }) {
  const { from, to } = props;
  const half = (from[0] + to[0]) / 2;
  return <path class={`flow-link${props.live ? " live" : ""}`} d={`M${from[0]} ${from[1]}C${half} ${from[1]} ${half} ${to[1]} ${to[0]} ${to[1]}`} stroke-width={props.width} />;
}

function Box(props: { x: number; y: number; title: string; text: string; warn?: boolean }) {
  return (
    <g class={`flow-box${props.warn ? " warn" : ""}`}>
      <rect x={props.x + 1} y={props.y - 19} width={BOX - 2} height={38} rx={6} />
      <text class="flow-value" x={props.x + BOX / 2} y={props.y - 3} text-anchor="middle">
        {props.title}
      </text>
      <text x={props.x + BOX / 2} y={props.y + 12} text-anchor="middle">
        {props.text}
      </text>
    </g>
  );
}
