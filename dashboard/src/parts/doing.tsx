// What one entity is doing: what runs, what waits for it, who has locked it, when its reminders are due, what failed last.
import { api, must, type Schemas } from "../lib/api";
import { useAsked } from "../lib/live";
import { to } from "../lib/route";
import { count, duration } from "../lib/words";
import { useRight } from "./act";
import { Ago, Badge, Card, Fault, Quiet } from "./basics";
import { Target } from "./target";

export function Doing(props: { name: string; id: string }) {
  return useRight("manage") ? <Shown {...props} /> : null;
}

function Shown(props: { name: string; id: string }) {
  const asked = useAsked(
    (signal) => must(api.GET("/api/v1/entities/{name}/{key}/doing", { params: { path: { name: props.name, key: props.id } }, signal })),
    ["doing", props.name, props.id],
    2,
  );
  return (
    <Card title="What it is doing">
      <Fault>{asked.error}</Fault>
      {asked.data ? <Facts doing={asked.data} /> : !asked.error && <Quiet>Asking…</Quiet>}
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
