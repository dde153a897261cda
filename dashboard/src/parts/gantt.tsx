// A history over time: a bar for each thing that was asked for, from the question to the answer.
import { spansOf, type Event } from "../lib/history";
import { duration } from "../lib/words";
import { useNow } from "./basics";

const ROW = 26;
const WIDTH = 900;
const [LETTER, LABEL_MAX] = [7, 30]; // the width of one, and so many in a label
const RIGHT = 70; // for how long the last one took
const SHOWN = 500;

export function Gantt(props: { history: Event[] }) {
  const now = useNow();
  const spans = spansOf(props.history);
  const shown = spans.slice(-SHOWN);
  const first = props.history[0];
  const last = props.history[props.history.length - 1];
  if (!first || !last || shown.length === 0) return <p class="quiet">It has asked for nothing yet.</p>;
  const start = shown.length < spans.length ? Math.min(...shown.map((one) => one.start)) : Date.parse(first.timestamp);
  const open = shown.some((span) => span.end === null);
  const end = Math.max(open ? now : 0, Date.parse(last.timestamp), start + 1);
  const left = 16 + LETTER * Math.min(LABEL_MAX, Math.max(...shown.map((one) => one.name.length)));
  const x = (at: number) => left + ((Math.min(at, end) - start) / (end - start)) * (WIDTH - left - RIGHT);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => start + part * (end - start));
  const height = shown.length * ROW + 34;
  return (
    <div class="table-frame" tabIndex={0} role="region" aria-label="Timeline">
      {shown.length < spans.length && <p class="quiet">The last {SHOWN} of {spans.length}.</p>}
      <svg class="gantt" viewBox={`0 0 ${WIDTH} ${height}`} width={WIDTH} height={height} role="img" aria-label={`Timeline of ${duration(end - start)}`}>
        {ticks.map((at) => (
          <g key={at}>
            <line class="grid" x1={x(at)} x2={x(at)} y1={20} y2={height} />
            <text class="tick" x={x(at)} y={13} text-anchor="middle">
              {at === start ? "0" : duration(at - start)}
            </text>
          </g>
        ))}
        {shown.map((span, row) => {
          const y = 26 + row * ROW;
          const until = span.end ?? now;
          const text = `${span.lane} ${span.name}${span.target && span.target !== span.name ? ` (${span.target})` : ""}: ${span.end === null ? "open for" : span.outcome} ${duration(until - span.start)}`;
          return (
            <g key={span.id} class={`bar lane-${span.lane} is-${span.outcome}`}>
              <title>{text}</title>
              <text class="label" x={left - 8} y={y + 15} text-anchor="end">
                {short(span.name, LABEL_MAX)}
              </text>
              {span.lane === "event" ? (
                <circle cx={x(span.start)} cy={y + 10} r={6} />
              ) : (
                <rect x={x(span.start)} y={y + 2} width={Math.max(3, x(until) - x(span.start))} height={16} rx={3} />
              )}
              <text class="span-text" x={x(until) + (span.lane === "event" ? 10 : 6)} y={y + 15}>
                {duration(until - span.start)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}

export function short(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
