// A history as a sequence diagram: who said what to whom; and as Mermaid text to be copied.
import { mermaid, messagesOf, type Event } from "../lib/history";
import { useSay } from "./act";
import { short } from "./gantt";
import { Scroller } from "./scroller";

const COLUMN = 170;
const ROW = 30;
const SHOWN = 300;

export function Sequence(props: { history: Event[]; me: string }) {
  const say = useSay();
  const { who, messages } = messagesOf(props.history, props.me);
  const shown = messages.slice(0, SHOWN);
  const x = (name: string) => COLUMN / 2 + who.indexOf(name) * COLUMN;
  const height = 60 + shown.length * ROW;
  const copy = async () => {
    await navigator.clipboard.writeText(mermaid(props.history, props.me));
    say("The Mermaid text is in the clipboard");
  };
  return (
    <>
      <div class="buttons">
        <button type="button" onClick={() => void copy()}>
          Copy as Mermaid
        </button>
        {shown.length < messages.length && <span class="quiet">The first {SHOWN} of {messages.length} messages; the text has all.</span>}
      </div>
      <Scroller label="Sequence diagram" hint>
        <svg class="sequence" viewBox={`0 0 ${who.length * COLUMN} ${height}`} width={who.length * COLUMN} height={height} role="img" aria-label={`Sequence diagram with ${messages.length} messages`}>
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">
              <path d="M0 0 L8 4 L0 8 z" />
            </marker>
          </defs>
          {who.map((name) => (
            <g key={name}>
              <title>{name}</title>
              <rect class="party" x={x(name) - 74} y={6} width={148} height={26} rx={4} />
              <text x={x(name)} y={23} text-anchor="middle">
                {short(name, 19)}
              </text>
              <line class="life" x1={x(name)} x2={x(name)} y1={32} y2={height} />
            </g>
          ))}
          {shown.map((one, row) => {
            const y = 60 + row * ROW;
            return (
              <g key={row} class={`message${one.answer ? " answer" : ""}${one.failed ? " failed" : ""}`}>
                <title>{`${one.from} → ${one.to}: ${one.text || "done"}`}</title>
                <line x1={x(one.from)} x2={x(one.to) + (x(one.to) > x(one.from) ? -2 : 2)} y1={y} y2={y} marker-end="url(#arrow)" />
                <text x={(x(one.from) + x(one.to)) / 2} y={y - 5} text-anchor="middle">
                  {short(one.text, 24)}
                </text>
              </g>
            );
          })}
        </svg>
      </Scroller>
    </>
  );
}
