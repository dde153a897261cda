// What one entity is doing: what runs, what waits for it, who has locked it, when its reminders are due, what failed last.
import { api, must, type Schemas } from "../lib/api";
import { useAsked, type Asked } from "../lib/live";
import { to } from "../lib/route";
import { clock, count, duration } from "../lib/words";
import { useRight } from "./act";
import { Ago, Badge, Card, Fault, Quiet, Table } from "./basics";
import { seconds } from "./measures";
import { Target } from "./target";

export type AskedDoing = Asked<Schemas["EntityDoing"]> & { allowed: boolean };

export function useDoing(name: string, key: string): AskedDoing {
  const allowed = useRight("manage");
  const asked = useAsked(
    allowed ? (signal) => must(api.GET("/api/v1/entities/{name}/{key}/doing", { params: { path: { name, key } }, signal })) : null,
    ["doing", name, key],
    2,
  );
  return { ...asked, allowed };
}

export function Doing(props: { asked: AskedDoing }) {
  const { asked } = props;
  if (!asked.allowed) return null;
  return (
    <Card title="What it is doing">
      <Fault>{asked.error}</Fault>
      {asked.data ? <Facts doing={asked.data} /> : !asked.error && <Quiet>Asking…</Quiet>}
    </Card>
  );
}

// What ran last. Its worker tells each operation by itself from when it hears that somebody looks.
export function Recent(props: { asked: AskedDoing }) {
  if (!props.asked.data) return null;
  const { recent, recent_since: since, worker } = props.asked.data;
  return (
    <Card title="Recent operations" aside={<span class="live">as it changes</span>} wide>
      <Table
        label="What ran last"
        rows={recent.map((one, at) => ({ ...one, at }))}
        id={(one) => String(one.at)}
        empty={since ? "None yet." : worker ? "Asking its worker…" : "No worker holds it."}
        columns={[
          { title: "Ended", cell: (one) => <time dateTime={one.ended} title={clock(one.ended)}>{clock(one.ended).slice(11, 23)}</time> },
          { title: "What ran", grow: true, cell: (one) => one.operation },
          { title: "Times", number: true, cell: (one) => count(one.count) },
          { title: "Took", number: true, cell: (one) => seconds(one.seconds / one.count) + (one.count > 1 ? " each" : "") },
          { title: "Error", cell: (one) => (one.error_type ? <Badge>{one.error_type}</Badge> : "") },
        ]}
      />
      {since && <p class="quiet">Each is listed by itself since {clock(since)}; of what ran before, what its worker remembers.</p>}
    </Card>
  );
}

function Facts(props: { doing: Schemas["EntityDoing"] }) {
  const { doing } = props;
  const letter = doing.last_error;
  return (
    <>
      {doing.blocked && <p class="bad">Blocked: {doing.blocked}</p>}
      <dl>
        <dt>Runs</dt>
        {doing.running.map((one, at) => (
          <dd key={at}>
            {one.operation}, for {duration(one.seconds * 1000)}
          </dd>
        ))}
        {doing.running.length === 0 && <dd class="quiet">nothing</dd>}
        <dt>Waiting</dt>
        <dd>
          {count(doing.waiting)}
          {doing.more ? " or more" : ""}
          {doing.parked > 0 && `, ${count(doing.parked)} of them parked`}
          {doing.oldest && (
            <>
              {", the oldest came "}
              <Ago time={doing.oldest} />
            </>
          )}
        </dd>
        <dt>Locked by</dt>
        <dd>{doing.locked_by ? <Target id={doing.locked_by} /> : <span class="quiet">nobody</span>}</dd>
        <dt>Reminders</dt>
        {Object.entries(doing.reminders).map(([name, due]) => (
          <dd key={name}>
            {name} <Ago time={due} />
          </dd>
        ))}
        {Object.keys(doing.reminders).length === 0 && <dd class="quiet">none</dd>}
        <dt>Partition</dt>
        <dd>
          {doing.partition}, {doing.worker ? `held by ${doing.worker}` : "held by nobody"}
        </dd>
        {letter && (
          <>
            <dt>Last error</dt>
            <dd>
              <Badge>{letter.error_type}</Badge> {letter.message} <a href={to(["dead-letters", letter.id])}>in {letter.operation}</a>,{" "}
              <Ago time={letter.died} />
            </dd>
          </>
        )}
      </dl>
    </>
  );
}
