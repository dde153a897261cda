// A history over time: a bar for each thing that was asked for, from the question to the answer. It fits the width that there is: where
// that is little, what a bar is stands above it.
import { spansOf, type Event, type Span } from "../lib/history";
import { duration } from "../lib/words";
import { useNow } from "./basics";
import { Legend } from "./legend";
import { useWidth } from "./scroller";

const NARROW = 600;
const [LETTER, LABEL_MAX] = [7, 30]; // the width of one, and so many in a label
const RIGHT = 70; // for how long the last one took
const SHOWN = 500;

interface Place {
  row: number; // the height of one
  bar: number; // how far down in its row
  left: number; // where time begins
  right: number; // where it ends
  ticks: number[]; // parts of the time
}

function placeOf(width: number, longest: number): Place {
  if (width < NARROW) return { row: 40, bar: 20, left: 4, right: width - 4, ticks: [0, 0.5, 1] };
  return { row: 26, bar: 2, left: 16 + LETTER * Math.min(LABEL_MAX, longest), right: width - RIGHT, ticks: [0, 0.25, 0.5, 0.75, 1] };
}

export function Gantt(props: { history: Event[] }) {
  const { frame, width } = useWidth();
  return (
    <div ref={frame} role="region" aria-label="Timeline">
      {width > 0 && <Bars history={props.history} width={width} />}
    </div>
  );
}

function Bars(props: { history: Event[]; width: number }) {
  const { width } = props;
  const now = useNow();
  const spans = spansOf(props.history);
  const shown = spans.slice(-SHOWN);
  const first = props.history[0];
  const last = props.history[props.history.length - 1];
  if (!first || !last || shown.length === 0) return <p class="quiet">It has asked for nothing.</p>;
  const start = shown.length < spans.length ? Math.min(...shown.map((one) => one.start)) : Date.parse(first.timestamp);
  const open = shown.some((span) => span.end === null);
  const end = Math.max(open ? now : 0, Date.parse(last.timestamp), start + 1);
  const place = placeOf(width, Math.max(...shown.map((one) => one.name.length)));
  const x = (at: number) => place.left + ((Math.min(at, end) - start) / (end - start)) * (place.right - place.left);
  const height = shown.length * place.row + 34;
  return (
    <>
      {shown.length < spans.length && <p class="quiet">The last {SHOWN} of {spans.length}.</p>}
      <Legend of={[...new Set(shown.map((one) => one.lane))].map((lane) => [`lane-${lane}`, lane])} />
      <svg class="gantt" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={`Timeline of ${duration(end - start)}`}>
        {place.ticks.map((part) => {
          const at = start + part * (end - start);
          return (
            <g key={part}>
              <line class="grid" x1={x(at)} x2={x(at)} y1={20} y2={height} />
              <text class="tick" x={x(at)} y={13} text-anchor={width >= NARROW || part === 0.5 ? "middle" : part === 0 ? "start" : "end"}>
                {part === 0 ? "0" : duration(at - start)}
              </text>
            </g>
          );
        })}
        {shown.map((span, row) => (
          <Bar key={span.id} span={span} top={26 + row * place.row} until={span.end ?? now} place={place} x={x} width={width} />
        ))}
      </svg>
    </>
  );
}

function Bar(props: { span: Span; top: number; until: number; place: Place; x: (at: number) => number; width: number }) {
  const { span, top, until, place, x, width } = props;
  const narrow = width < NARROW;
  const took = duration(until - span.start);
  const said = `${span.lane} ${span.name}${span.target && span.target !== span.name ? ` (${span.target})` : ""}: ${span.end === null ? "open for" : span.outcome} ${took}`;
  const [from, to] = [x(span.start), x(until)];
  return (
    <g class={`bar lane-${span.lane} is-${span.outcome}`}>
      <title>{said}</title>
      <text class="label" x={narrow ? place.left : place.left - 8} y={top + 15} text-anchor={narrow ? "start" : "end"}>
        {short(span.name, narrow ? Math.floor((width - RIGHT) / LETTER) : LABEL_MAX)}
      </text>
      {span.lane === "event" ? (
        <circle cx={Math.min(place.right - 6, Math.max(place.left + 6, from))} cy={top + place.bar + 8} r={6} />
      ) : (
        <rect x={Math.min(from, place.right - 3)} y={top + place.bar} width={Math.max(3, to - from)} height={16} rx={3} />
      )}
      <text class="span-text" x={narrow ? place.right : to + (span.lane === "event" ? 10 : 6)} y={top + 15} text-anchor={narrow ? "end" : "start"}>
        {took}
      </text>
    </g>
  );
}

export function short(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
