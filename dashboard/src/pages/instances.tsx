// Instances: which there are, and what is done to many of them.
import { useState } from "preact/hooks";

import { api, must, type Schemas } from "../lib/api";
import { useAsked } from "../lib/live";
import { refine, to, type Route } from "../lib/route";
import { brief, plural } from "../lib/words";
import { Act } from "../parts/act";
import { Ago, Badge, Choice, Fault, Page, Table, Text } from "../parts/basics";
import { Start } from "./start";

type Status = Schemas["RuntimeStatus"];
export type Instance = Schemas["InstanceStatus"];

export const STATUSES: Status[] = ["Pending", "Running", "Suspended", "Completed", "Failed", "Canceled", "Terminated"];
export const FINISHED = new Set<string>(["Completed", "Failed", "Canceled", "Terminated"]);

const TIMES: [string, string][] = [
  ["", "created at any time"],
  ["900", "in the last 15 minutes"],
  ["3600", "in the last hour"],
  ["86400", "in the last day"],
  ["604800", "in the last week"],
];

export function Instances(props: { route: Route }) {
  const { query } = props.route;
  const given = (name: string) => query.get(name) ?? "";
  const [picked, setPicked] = useState(new Set<string>());
  const [pages, setPages] = useState<{ on: string; tokens: string[] }>({ on: "", tokens: [] });
  const filters = {
    ...(given("status") ? { status: [given("status") as Status] } : {}),
    ...(given("name") ? { name: given("name") } : {}),
    ...(given("prefix") ? { prefix: given("prefix") } : {}),
    ...(given("version") ? { version: given("version") } : {}),
    ...(given("tag") ? { tag: [given("tag")] } : {}),
    ...(given("parent") ? { parent: given("parent") } : {}),
  };
  const on = query.toString();
  const tokens = pages.on === on ? pages.tokens : [];
  const token = tokens[tokens.length - 1];
  const asked = useAsked(
    (signal) => {
      const since = Number(given("since"));
      const from = since ? { created_from: new Date(Date.now() - since * 1000).toISOString() } : {};
      return must(
        api.GET("/api/v1/instances", {
          params: { query: { ...filters, ...from, limit: 50, ...(token ? { continuation: token } : {}) } },
          signal,
        }),
      );
    },
    ["instances", on, token],
  );
  const rows = asked.data?.instances ?? [];
  const next = asked.data?.continuation;
  const chosen = rows.filter((row) => picked.has(row.instance_id));
  return (
    <Page title="Instances" aside={<Start />}>
      <div class="filters">
        <Choice label="Status" value={given("status")} options={[["", "any status"], ...STATUSES.map((one): [string, string] => [one, one])]} onChoose={(status) => refine({ status })} />
        <Choice label="Created" value={given("since")} options={TIMES} onChoose={(since) => refine({ since })} />
        <Text label="Orchestration" placeholder="orchestration" value={given("name")} onText={(name) => refine({ name })} />
        <Text label="IDs that begin with" placeholder="IDs that begin with…" value={given("prefix")} onText={(prefix) => refine({ prefix })} />
        <Text label="Version" placeholder="version" value={given("version")} onText={(version) => refine({ version })} />
        <Text label="Tag" placeholder="tag: name=value" value={given("tag")} onText={(tag) => refine({ tag: tag.includes("=") || tag === "" ? tag : tag })} />
      </div>
      <Many chosen={chosen} then={() => (setPicked(new Set()), asked.again())} />
      <Fault>{asked.error}</Fault>
      <Table
        label="Instances"
        rows={rows}
        id={(one) => one.instance_id}
        empty={asked.data ? "There is none." : "Asking…"}
        picked={picked}
        onPick={setPicked}
        columns={[
          { title: "ID", cell: (one) => <a href={to(["instances", one.instance_id])}>{one.instance_id}</a> },
          { title: "Orchestration", cell: (one) => one.name + (one.version ? ` ${one.version}` : "") },
          { title: "Status", cell: (one) => <Badge>{one.runtime_status}</Badge> },
          { title: "Created", cell: (one) => <Ago time={one.created_time} /> },
          { title: "Changed", cell: (one) => <Ago time={one.last_updated_time} /> },
          { title: "Says", grow: true, cell: (one) => brief(one.failure?.message ?? one.custom_status ?? one.output ?? "") },
        ]}
      />
      <div class="buttons">
        <button type="button" disabled={tokens.length === 0} onClick={() => setPages({ on, tokens: tokens.slice(0, -1) })}>
          Previous
        </button>
        <button type="button" disabled={!next} onClick={() => next && setPages({ on, tokens: [...tokens, next] })}>
          Next
        </button>
      </div>
    </Page>
  );
}

const VERBS = ["cancel", "terminate", "suspend", "resume", "rewind"] as const;
type Verb = (typeof VERBS)[number];

// What makes sense for an instance, by its status.
export function suits(verb: Verb | "purge", status: string): boolean {
  switch (verb) {
    case "purge":
      return FINISHED.has(status);
    case "rewind":
      return status === "Failed";
    case "resume":
      return status === "Suspended";
    case "suspend":
      return status === "Running" || status === "Pending";
    case "cancel":
    case "terminate":
      return !FINISHED.has(status);
  }
}

// What a verb does, where its name does not say it.
export const MEANT: Partial<Record<Verb | "purge", string>> = {
  cancel: "It is asked to end, and may undo what it has done before.",
  terminate: "It ends at once, and undoes nothing.",
};

export async function change(verb: Verb | "purge", instance_id: string, reason: string): Promise<void> {
  const path = { instance_id };
  if (verb === "purge") await must(api.DELETE("/api/v1/instances/{instance_id}", { params: { path, query: {} } }));
  else await must(api.POST(`/api/v1/instances/{instance_id}/${verb}`, { params: { path }, body: { reason, recursive: true } }));
}

// Acts on those that were chosen: says first how many it concerns, then how far it is, then what became of it.
function Many(props: { chosen: Instance[]; then: () => void }) {
  const [done, setDone] = useState<{ of: number; count: number } | null>(null);
  const [reason, setReason] = useState("");
  if (props.chosen.length === 0) return null;
  const run = async (verb: Verb | "purge") => {
    const fit = props.chosen.filter((one) => suits(verb, one.runtime_status));
    const faults: string[] = [];
    setDone({ of: fit.length, count: 0 });
    try {
      for (const [at, one] of fit.entries()) {
        try {
          await change(verb, one.instance_id, reason);
        } catch (error) {
          faults.push(`${one.instance_id}: ${error instanceof Error ? error.message : String(error)}`);
        }
        setDone({ of: fit.length, count: at + 1 });
      }
    } finally {
      setDone(null);
    }
    if (faults.length) throw new Error(`${plural(fit.length - faults.length, "instance")} done; ${faults.slice(0, 3).join("; ")}`);
    return `${verb}: ${plural(fit.length, "instance")}`;
  };
  return (
    <div class="many" role="group" aria-label="Chosen instances">
      <strong>{plural(props.chosen.length, "instance")} chosen</strong>
      {[...VERBS, "purge" as const].map((verb) => {
        const fit = props.chosen.filter((one) => suits(verb, one.runtime_status)).length;
        return (
          <Act
            key={verb}
            label={verb[0]?.toUpperCase() + verb.slice(1)}
            right="manage"
            tone={verb === "terminate" || verb === "purge" ? "danger" : "main"}
            disabled={fit === 0}
            then={props.then}
            work={() => run(verb)}
            ask={
              <>
                <p>
                  {plural(fit, "instance")} of {props.chosen.length}
                  {fit < props.chosen.length ? ": the others are not in a status for it." : "."}
                </p>
                {MEANT[verb] && <p>{MEANT[verb]}</p>}
                {verb !== "purge" && <Text label="Reason" placeholder="reason" value={reason} onText={setReason} />}
                {done && <progress max={done.of} value={done.count} aria-label="Progress" />}
              </>
            }
          />
        );
      })}
    </div>
  );
}
