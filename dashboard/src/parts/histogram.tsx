// When instances were created, as bars by status; dragging over them chooses a time, and so do two sliders, for the keyboard.
import { useRef, useState } from "preact/hooks";

import type { Schemas } from "../lib/api";
import { clock, count, duration, plural } from "../lib/words";
import { Legend } from "./legend";

type Found = Schemas["InstanceHistogram"];

const [WIDTH, HEIGHT] = [960, 110];
const ORDER = ["Completed", "Running", "Pending", "Suspended", "Canceled", "Terminated", "Failed"] as const;

// `onChoose` is given instants: from the beginning of the first bucket to the end of the last one.
export function Histogram(props: { found: Found; onChoose: (from: string, to: string) => void }) {
  const { found, onChoose } = props;
  const bars = found.buckets;
  const [dragged, setDragged] = useState<[number, number] | null>(null);
  const begun = useRef<number | null>(null);
  const frame = useRef<SVGSVGElement>(null);
  if (bars.length === 0) return null;
  const most = Math.max(1, ...bars.map((bar) => sum(bar.counts)));
  const wide = WIDTH / bars.length;
  const at = (event: PointerEvent) => {
    const box = frame.current?.getBoundingClientRect();
    const part = box && box.width > 0 ? (event.clientX - box.left) / box.width : 0;
    return Math.min(bars.length - 1, Math.max(0, Math.floor(part * bars.length)));
  };
  const choose = (one: number, other: number) => {
    const [first, last] = one < other ? [one, other] : [other, one];
    const from = bars[first]?.start;
    const end = bars[last]?.start;
    if (from && end) onChoose(new Date(from).toISOString(), new Date(Date.parse(end) + found.width_ms - 1).toISOString());
  };
  const first = bars[0]?.start ?? "";
  const end = new Date(Date.parse(bars[bars.length - 1]?.start ?? "") + found.width_ms).toISOString();
  const shown = dragged ? ([...dragged].sort((one, other) => one - other) as [number, number]) : null;
  return (
    <figure class="histogram">
      <svg
        ref={frame}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${plural(found.total, "instance")} by time of creation, ${bars.length} buckets of ${duration(found.width_ms)}`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          begun.current = at(event);
          setDragged([begun.current, begun.current]);
        }}
        onPointerMove={(event) => {
          if (begun.current !== null) setDragged([begun.current, at(event)]);
        }}
        onPointerUp={(event) => {
          if (begun.current !== null) choose(begun.current, at(event));
          begun.current = null;
          setDragged(null);
        }}
        onPointerCancel={() => ((begun.current = null), setDragged(null))}
      >
        {bars.map((bar, place) => {
          let top = HEIGHT;
          return (
            <g key={bar.start}>
              <title>{`${clock(bar.start)}: ${ORDER.filter((one) => bar.counts[one]).map((one) => `${count(bar.counts[one])} ${one}`).join(", ") || "none"}`}</title>
              <rect class="histogram-back" x={place * wide} y={0} width={wide} height={HEIGHT} />
              {ORDER.map((status) => {
                const number = bar.counts[status] ?? 0;
                if (!number) return null;
                const height = Math.max(1.5, (number / most) * (HEIGHT - 6));
                top -= height;
                return <rect key={status} class={`bar-${status.toLowerCase()}`} x={place * wide + wide * 0.08} y={top} width={wide * 0.84} height={height} />;
              })}
            </g>
          );
        })}
        {shown && <rect class="histogram-chosen" x={shown[0] * wide} y={0} width={(shown[1] - shown[0] + 1) * wide} height={HEIGHT} />}
      </svg>
      <figcaption>
        <span>{clock(first).slice(0, 19)}</span>
        <span class="quiet">
          {plural(found.total, "instance")}
          {!found.complete && " of the first that were looked at"}: drag over a time to choose it
        </span>
        <span>{clock(end).slice(0, 19)}</span>
      </figcaption>
      <Legend of={ORDER.filter((status) => bars.some((bar) => bar.counts[status])).map((status) => [`bar-${status.toLowerCase()}`, status])} />
      <Sliders bars={bars} width={found.width_ms} onChoose={choose} onMove={setDragged} />
    </figure>
  );
}

function Sliders(props: { bars: Found["buckets"]; width: number; onChoose: (one: number, other: number) => void; onMove: (range: [number, number] | null) => void }) {
  const last = props.bars.length - 1;
  const [range, setRange] = useState<[number, number]>([0, last]);
  const [from, to] = [Math.min(range[0], last), Math.min(range[1], last)];
  const move = (next: [number, number]) => {
    setRange(next);
    props.onMove(next);
  };
  const said = (place: number, after: number) => clock(new Date(Date.parse(props.bars[place]?.start ?? "") + after).toISOString()).slice(0, 19);
  return (
    <form
      class="inline sliders"
      onSubmit={(event) => {
        event.preventDefault();
        props.onMove(null);
        props.onChoose(from, to);
      }}
    >
      <label>
        from <input type="range" min={0} max={last} value={from} aria-valuetext={said(from, 0)} onInput={(event) => move([Number(event.currentTarget.value), Math.max(to, Number(event.currentTarget.value))])} />
      </label>
      <label>
        to <input type="range" min={0} max={last} value={to} aria-valuetext={said(to, props.width)} onInput={(event) => move([Math.min(from, Number(event.currentTarget.value)), Number(event.currentTarget.value)])} />
      </label>
      <button type="submit">Choose this time</button>
    </form>
  );
}

function sum(counts: Record<string, number | undefined>): number {
  return Object.values(counts).reduce((all: number, one) => all + (one ?? 0), 0);
}
