// Messages that could not be carried out: why, and what becomes of them.
import { useState } from "preact/hooks";

import { api, must, type Schemas } from "../lib/api";
import { useAsked } from "../lib/live";
import { refine, to, type Route } from "../lib/route";
import { brief, count, plural } from "../lib/words";
import { Act, useRight } from "../parts/act";
import { Ago, Badge, Card, Choice, Fault, Page, Quiet, Table, Tree } from "../parts/basics";
import { Pager, usePages } from "../parts/pager";
import { Target } from "../parts/target";

const SHOWN = 100; // in a page

export function Letters(props: { route: Route }) {
  const { query } = props.route;
  const error_type = query.get("reason") ?? "";
  const kind = query.get("kind") ?? "";
  const filter = { ...(error_type ? { error_type } : {}), ...(kind ? { kind } : {}) };
  const on = JSON.stringify(filter);
  const [picked, setPicked] = useState(new Set<string>());
  const pages = usePages(on);
  const { token } = pages;
  const counted = useAsked((signal) => must(api.GET("/api/v1/dead-letter-counts", { signal })), ["letter counts"], 3);
  const asked = useAsked(
    (signal) => must(api.GET("/api/v1/dead-letters", { params: { query: { ...filter, limit: SHOWN, ...(token ? { continuation: token } : {}) } }, signal })),
    ["letters", on, token],
    3,
  );
  const rows = asked.data?.dead_letters ?? [];
  const next = asked.data?.continuation;
  const counts = counted.data?.counts ?? [];
  const matching = counts.filter((one) => (!error_type || one.error_type === error_type) && (!kind || one.kind === kind)).reduce((sum, one) => sum + one.count, 0);
  const chosen = rows.filter((one) => picked.has(one.id));
  const again = () => (setPicked(new Set()), asked.again(), counted.again());
  const act = async (what: "resend" | "drop") => {
    const path = what === "resend" ? "/api/v1/dead-letters/resend" : "/api/v1/dead-letters/drop";
    const body = chosen.length ? { ids: chosen.map((one) => one.id), all: false } : { all: true, ...filter };
    const done = await must(api.POST(path, { body }));
    return `${plural(done.count, "letter")} ${what === "resend" ? "sent again" : "dropped"}${done.missing.length ? `, ${done.missing.length} were gone` : ""}`;
  };
  const total = `${plural(matching, "letter")}${counted.data?.complete === false ? " or more" : ""}`;
  const which = chosen.length ? plural(chosen.length, "chosen letter") : `all ${total} that match`;
  const choices = (each: (one: Schemas["DeadLetterCount"]) => string, any: string): [string, string][] => {
    const sums = new Map<string, number>();
    for (const one of counts) sums.set(each(one), (sums.get(each(one)) ?? 0) + one.count);
    return [["", any], ...[...sums].sort().map(([name, number]): [string, string] => [name, `${name} (${count(number)})`])];
  };
  return (
    <Page title="Dead letters" aside={<span class="quiet">{counted.data ? total : ""}</span>}>
      <div class="filters">
        <Choice label="Reason" value={error_type} options={choices((one) => one.error_type, "any reason")} onChoose={(value) => refine({ reason: value })} />
        <Choice label="Kind" value={kind} options={choices((one) => one.kind, "any target")} onChoose={(value) => refine({ kind: value })} />
        <span class="grow" />
        <Act label="Send again" right="manage" disabled={rows.length === 0} work={() => act("resend")} then={again} ask={<p>Send {which} again? Nobody waits for a call's answer any more: it becomes a signal.</p>} />
        <Act label="Drop" right="manage" tone="danger" disabled={rows.length === 0} work={() => act("drop")} then={again} ask={<p>Forget {which}? They cannot be had back.</p>} />
      </div>
      <Fault>{asked.error}</Fault>
      <Table
        label="Dead letters"
        rows={rows}
        id={(one) => one.id}
        empty={asked.data ? "There is none." : "Asking…"}
        picked={picked}
        onPick={setPicked}
        columns={[
          { title: "ID", cell: (one) => <a href={to(["dead-letters", one.id])}>{one.id}</a> },
          { title: "Target", cell: (one) => (one.target ? <Target id={one.target} /> : "?") },
          { title: "Operation", cell: (one) => one.operation },
          { title: "Reason", cell: (one) => <Badge>{one.error_type}</Badge> },
          { title: "What it says", grow: "prose", cell: (one) => brief(one.message) },
          { title: "Payload", cell: (one) => <code>{brief([...one.args, ...Object.values(one.kwargs)], 40)}</code> },
          { title: "Died", cell: (one) => <Ago time={one.died} /> },
        ]}
      />
      <div class="buttons">
        <Pager pages={pages} next={next} />
      </div>
    </Page>
  );
}

export function OneLetter(props: { id: string }) {
  const [partition = "", stream_id = ""] = props.id.split("/");
  const path = { partition, stream_id };
  const manage = useRight("manage");
  // Who asks for one by itself is refused where there is none: the list of those of this ID is empty then.
  const there = useAsked((signal) => must(api.GET("/api/v1/dead-letters", { params: { query: { id: [props.id] } }, signal })), ["letter", props.id], 3);
  const found = there.data?.dead_letters[0];
  const asked = useAsked(
    manage && found ? (signal) => must(api.GET("/api/v1/dead-letters/{partition}/{stream_id}", { params: { path }, signal })) : null,
    ["traced letter", props.id, !!found],
    1_000_000,
  );
  const letter = found && (asked.data ?? found);
  const back = () => void (location.hash = to(["dead-letters"]));
  return (
    <Page
      title={`Dead letter ${props.id}`}
      aside={
        letter && (
          <>
            <Act label="Send again" right="manage" then={back} work={async () => (await must(api.POST("/api/v1/dead-letters/{partition}/{stream_id}/resend", { params: { path } })), "Sent again")} />
            <Act label="Drop" right="manage" tone="danger" then={back} ask={<p>It cannot be had back.</p>} work={async () => (await must(api.DELETE("/api/v1/dead-letters/{partition}/{stream_id}", { params: { path } })), "Dropped")} />
          </>
        )
      }
    >
      <Fault>{there.error || asked.error}</Fault>
      {letter ? (
        <div class="cards">
          <Card title="What happened" wide>
            <dl>
              <dt>Target</dt>
              <dd>{letter.target ? <Target id={letter.target} /> : "It cannot be read."}</dd>
              <dt>Operation</dt>
              <dd>{letter.operation}</dd>
              <dt>Sender</dt>
              <dd>{letter.sender ?? "–"}</dd>
              <dt>Reason</dt>
              <dd>
                <Badge>{letter.error_type}</Badge> {letter.message}
              </dd>
              <dt>Died</dt>
              <dd>
                <Ago time={letter.died} /> after {plural(letter.tries, "try", "tries")}
              </dd>
            </dl>
            {letter.traceback && <pre tabIndex={0}>{letter.traceback}</pre>}
          </Card>
          <Card title="Arguments">
            <Tree value={{ args: letter.args, kwargs: letter.kwargs }} />
          </Card>
        </div>
      ) : (
        !there.error && <Quiet>{there.data ? "There is no such dead letter (any more): it was sent again, or dropped." : "Asking…"}</Quiet>
      )}
    </Page>
  );
}
