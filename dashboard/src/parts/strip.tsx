// The partitions as a strip: a square each, darker the more waits there, marked where nobody holds it.
import type { HubInfo } from "../lib/live";
import { plural } from "../lib/words";

export function Strip(props: { info: HubInfo; owner?: string }) {
  const rows = props.info.partitions as { partition: number; owner: string | null; backlog: number; quarantined: boolean }[];
  const shown = props.owner === undefined ? rows : rows.filter((row) => row.owner === props.owner);
  return (
    <ul class="strip">
      {shown.map((row) => {
        const level = row.backlog === 0 ? 0 : Math.min(4, 1 + Math.floor(Math.log10(row.backlog)));
        const state = row.quarantined ? "bad" : row.owner ? `level-${level}` : "orphan";
        const text = `Partition ${row.partition}: ${plural(row.backlog, "message")} waiting, ${row.owner ? `held by ${row.owner}` : "held by nobody"}`;
        return (
          <li key={row.partition} class={state} title={text}>
            <span class="unseen">{text}</span>
          </li>
        );
      })}
    </ul>
  );
}
