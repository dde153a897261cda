// Messages that could not be carried out: why, and what becomes of them.
import { useMemo, useState } from "preact/hooks";

import { api, must, type Schemas } from "../lib/api";
import { useAsked } from "../lib/live";
import { refine, to, type Route } from "../lib/route";
import { brief, plural } from "../lib/words";
import { Act, useRight } from "../parts/act";
import { Ago, Badge, Card, Choice, Fault, Page, Quiet, Table, Tree } from "../parts/basics";

type Letter = Schemas["DeadLetterModel"];

export function Letters(props: { route: Route }) {
  const { query } = props.route;
  const reason = query.get("reason") ?? "";
  const kind = query.get("kind") ?? "";
  const [picked, setPicked] = useState(new Set<string>());
  const asked = useAsked(
    async (signal) => {
      const found: Letter[] = [];
      let continuation: string | null = null;
      do {
        const params: { query: { limit: number; continuation?: string } } = { query: { limit: 500, ...(continuation ? { continuation } : {}) } };
        const page: Schemas["DeadLetterPage"] = await must(api.GET("/api/v1/dead-letters", { params, signal }));
        found.push(...page.dead_letters);
        continuation = page.continuation;
      } while (continuation && found.length < 2000);
      return { letters: found, more: continuation !== null };
    },
    ["letters"],
    3,
  );
  const all = asked.data?.letters ?? [];
  const kinds = useMemo(() => [...new Set(all.map(kindOf))].sort(), [all]);
  const reasons = useMemo(() => [...new Set(all.map((one) => one.error_type))].sort(), [all]);
  const rows = all.filter((one) => (!reason || one.error_type === reason) && (!kind || kindOf(one) === kind));
  const chosen = rows.filter((one) => picked.has(one.id));
  const act = async (what: "resend" | "drop") => {
    const ids = (chosen.length ? chosen : rows).map((one) => one.id);
    const path = what === "resend" ? "/api/v1/dead-letters/resend" : "/api/v1/dead-letters/drop";
    const done = await must(api.POST(path, { body: { ids, all: false } }));
    setPicked(new Set());
    return `${plural(done.count, "letter")} ${what === "resend" ? "sent again" : "dropped"}${done.missing.length ? `, ${done.missing.length} were gone` : ""}`;
  };
  const which = chosen.length ? plural(chosen.length, "chosen letter") : `all ${plural(rows.length, "letter")} that match`;
  return (
    <Page title="Dead letters" aside={<span class="quiet">{plural(rows.length, "letter")}{asked.data?.more ? " of the first 2,000" : ""}</span>}>
      <div class="filters">
        <Choice label="Reason" value={reason} options={[["", "any reason"], ...reasons.map((one): [string, string] => [one, one])]} onChoose={(value) => refine({ reason: value })} />
        <Choice label="Kind" value={kind} options={[["", "any target"], ...kinds.map((one): [string, string] => [one, one])]} onChoose={(value) => refine({ kind: value })} />
        <span class="grow" />
        <Act label="Send again" right="manage" disabled={rows.length === 0} work={() => act("resend")} then={asked.again} ask={<p>Send {which} again? Nobody waits for a call's answer any more: it becomes a signal.</p>} />
        <Act label="Drop" right="manage" tone="danger" disabled={rows.length === 0} work={() => act("drop")} then={asked.again} ask={<p>Forget {which}? They cannot be had back.</p>} />
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
          { title: "Target", cell: (one) => one.target ?? "?" },
          { title: "Operation", cell: (one) => one.operation },
          { title: "Reason", cell: (one) => <Badge>{one.error_type}</Badge> },
          { title: "What it says", grow: true, cell: (one) => brief(one.message) },
          { title: "Died", cell: (one) => <Ago time={one.died} /> },
        ]}
      />
    </Page>
  );
}

function kindOf(letter: Letter): string {
  return /^@([^@]*)@/.exec(letter.target ?? "")?.[1] ?? "instances";
}

export function OneLetter(props: { id: string }) {
  const [partition = "", stream_id = ""] = props.id.split("/");
  const path = { partition, stream_id };
  const manage = useRight("manage");
  const asked = useAsked(
    async (signal) => {
      if (manage) return must(api.GET("/api/v1/dead-letters/{partition}/{stream_id}", { params: { path }, signal }));
      const page = await must(api.GET("/api/v1/dead-letters", { params: { query: { limit: 1000 } }, signal }));
      const found = page.dead_letters.find((one) => one.id === props.id);
      if (!found) throw new Error("There is no such dead letter (any more).");
      return found;
    },
    ["letter", props.id, manage],
    30,
  );
  const letter = asked.data;
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
      <Fault>{asked.error}</Fault>
      {letter ? (
        <div class="cards">
          <Card title="What happened" wide>
            <dl>
              <dt>Target</dt>
              <dd>{letter.target ?? "It cannot be read."}</dd>
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
        !asked.error && <Quiet>Asking…</Quiet>
      )}
    </Page>
  );
}
