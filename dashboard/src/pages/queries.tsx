// Questions to all entities: by conditions on indexed fields, and by SQL where the server has it.
import { useContext, useState } from "preact/hooks";

import { api, BASE, key, must, Refused, said, type Schemas } from "../lib/api";
import { csvOf, save } from "../lib/files";
import { useAsked, useLive } from "../lib/live";
import { refine, to, type Route } from "../lib/route";
import { brief, count, duration, plural } from "../lib/words";
import { AccessContext, useSay } from "../parts/act";
import { Ago, Badge, Card, Choice, Fault, Field, Page, Quiet, Table, Tabs, Text } from "../parts/basics";
import { Pager, usePages } from "../parts/pager";
import { Unindexed } from "../parts/unindexed";
import { EMPTY_KEY } from "./entities";

const LIMITS = ["50", "200", "1000"];
const SAVED_MAX = 10_000; // rows of a file that is made here
const VIEWS = ["Fields", "SQL"];

interface Index {
  entity: string;
  field: string;
  type: string;
  ready: number;
  partitions: number;
}

export function Queries(props: { route: Route }) {
  const view = props.route.query.get("view") ?? "Fields";
  return (
    <Page title="Queries">
      <Tabs label="How to ask" names={VIEWS} chosen={view} onChoose={(name) => refine({ view: name })} />
      <section id="tab-panel" role="tabpanel" aria-labelledby={`tab-${view}`}>
        {view === "SQL" ? <Sql route={props.route} /> : <ByConditions route={props.route} />}
      </section>
    </Page>
  );
}

// -- conditions -------------------------------------------------------------------------------------------------------

function ByConditions(props: { route: Route }) {
  const given = (name: string) => props.route.query.get(name) ?? "";
  const { info } = useLive();
  const indexes = (info?.indexes ?? []) as unknown as Index[];
  const names = Object.entries(info?.names ?? {})
    .filter(([name]) => !name.includes("/"))
    .map(([name, kind]) => [name, String(kind["name"] ?? name)] as [string, string]);
  if (!info) return <Quiet>Asking the hub…</Quiet>;
  const indexed = names.filter(([name]) => indexes.some((one) => one.entity === name));
  const kind = given("kind") || indexed[0]?.[0] || names[0]?.[0] || "";
  const on = ["kind", "where", "order", "limit", "asked"].map(given).join("|");
  const name = names.find(([canonical]) => canonical === kind)?.[1] ?? kind;
  const unindexed = !!(given("where") || given("order")) && !indexes.some((one) => one.entity === kind); // the server would refuse it
  return (
    <>
      <Conditions key={kind} kind={kind} names={names} indexes={indexes.filter((one) => one.entity === kind)} given={given} />
      {given("asked") && unindexed && (
        <Unindexed name={name} where={given("where")} order={given("order")} all={() => refine({ where: "", order: "" })} />
      )}
      {given("asked") && kind && !unindexed && <Found key={on} kind={kind} where={given("where")} order={given("order")} limit={Number(given("limit")) || 50} />}
    </>
  );
}

// It goes off by the button: half a condition would be a fault at every letter.
function Conditions(props: { kind: string; names: [string, string][]; indexes: Index[]; given: (name: string) => string }) {
  const { kind, indexes, given } = props;
  const [where, setWhere] = useState(given("where"));
  const [order, setOrder] = useState(given("order"));
  const [limit, setLimit] = useState(given("limit") || "50");
  const orders: [string, string][] = [["", "in any order"]];
  for (const { field } of indexes) orders.push([field, `by ${field}`], [`-${field}`, `by ${field}, descending`]);
  const building = indexes.filter((one) => one.ready < one.partitions);
  return (
    <>
      <form
        class="filters"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          refine({ kind, where: where.trim(), order, limit, asked: String(Date.now()) });
        }}
      >
        <Choice label="Kind" value={kind} options={props.names} onChoose={(name) => refine({ kind: name, where: "", order: "", asked: "" })} />
        <Text label="Conditions" placeholder={indexes.length ? "score>=100 country=NO,SE" : "it has no indexes"} value={where} onText={setWhere} />
        <Choice label="Order" value={order} options={orders} onChoose={setOrder} />
        <Choice label="Limit" value={limit} options={LIMITS.map((one): [string, string] => [one, `${one} a page`])} onChoose={setLimit} />
        <button type="submit" class="main">
          Find
        </button>
      </form>
      {indexes.length > 0 ? (
        <p class="quiet">
          Fields to ask by: {indexes.map((one) => `${one.field} (${one.type})`).join(", ")}. Write <code>=</code> <code>!=</code> <code>&lt;</code> <code>&lt;=</code>{" "}
          <code>&gt;</code> <code>&gt;=</code> <code>^=</code>, terms parted by spaces.
        </p>
      ) : (
        <p class="quiet">No field of it is indexed: all of them can be listed and counted, and SQL can ask for anything.</p>
      )}
      {building.map((one) => (
        <p key={one.field} class="fault" role="status">
          The index of {one.field} is being built by the workers: ready in {one.ready} of {one.partitions} partitions. Queries that need it wait for that.
        </p>
      ))}
    </>
  );
}

function Found(props: { kind: string; where: string; order: string; limit: number }) {
  const { kind, where, order, limit } = props;
  const say = useSay();
  const pages = usePages(JSON.stringify([kind, where, order, limit]));
  const [saving, setSaving] = useState("");
  const { token } = pages;
  const query = { ...(where ? { where } : {}), ...(order ? { order } : {}) };
  const ask = (length: number, continuation: string | undefined, signal: AbortSignal) =>
    must(
      api.GET("/api/v1/entities/{name}", {
        params: { path: { name: kind }, query: { ...query, limit: length, ...(continuation ? { continuation } : {}) } },
        signal,
      }),
    );
  const asked = useAsked((signal) => ask(limit, token, signal), ["query", kind, where, order, limit, token], 1_000_000);
  const counted = useAsked(
    (signal) => must(api.GET("/api/v1/entity-counts/{name}", { params: { path: { name: kind }, query: where ? { where } : {} }, signal })),
    ["count", kind, where],
    1_000_000,
  );
  const next = asked.data?.continuation;
  const download = async (form: "csv" | "json") => {
    const found: Schemas["ListedEntity"][] = [];
    let at: string | undefined;
    do {
      const page = await ask(1_000, at, new AbortController().signal);
      found.push(...page.entities);
      at = page.continuation ?? undefined;
      setSaving(`${count(found.length)} read…`);
    } while (at && found.length < SAVED_MAX);
    setSaving("");
    const states = found.map((one) => (isRecord(one.state) ? one.state : { state: one.state }));
    if (form === "json") save(`${kind}.json`, "application/json", JSON.stringify(found.map((one, row) => ({ key: one.key, ...states[row] })), null, 1));
    else {
      const fields = [...new Set(states.flatMap(Object.keys))];
      save(`${kind}.csv`, "text/csv", csvOf(["key", ...fields], found.map((one, row) => [one.key, ...fields.map((field) => states[row]?.[field])])));
    }
    say(`${plural(found.length, "entity", "entities")} saved${at ? `: the first ${count(SAVED_MAX)}; SQL and \`stead export\` give all` : ""}`);
  };
  const saved = (form: "csv" | "json") => {
    setSaving("…");
    download(form).catch((error: unknown) => (setSaving(""), say(said(error))));
  };
  return (
    <>
      <Fault>{asked.error}</Fault>
      <p role="status">{counted.data ? `${plural(counted.data.count, "entity matches", "entities match")}` : counted.error && !asked.error ? counted.error : ""}</p>
      <Table
        label="What was found"
        rows={asked.data?.entities ?? []}
        id={(one) => one.key}
        empty={asked.data ? "Nothing matches." : asked.error ? "" : "Asking…"}
        columns={[
          { title: "Key", cell: (one) => <a href={to(["entities", kind, one.key || EMPTY_KEY])}>{one.key || "(empty)"}</a> },
          { title: "State", grow: true, cell: (one) => <code>{brief(one.state, 160)}</code> },
          { title: "Changed", cell: (one) => <Ago time={one.modified_time} /> },
        ]}
      />
      <div class="buttons">
        <Pager pages={pages} next={next} />
        <span class="grow" />
        <span role="status">{saving}</span>
        <button type="button" disabled={!asked.data || saving !== ""} onClick={() => saved("csv")}>
          Save as CSV
        </button>
        <button type="button" disabled={!asked.data || saving !== ""} onClick={() => saved("json")}>
          Save as JSON
        </button>
      </div>
    </>
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// -- SQL --------------------------------------------------------------------------------------------------------------

interface Running {
  since: number;
  ending: AbortController;
}

function Sql(props: { route: Route }) {
  const access = useContext(AccessContext);
  const { info } = useLive();
  const say = useSay();
  const [query, setQuery] = useState(props.route.query.get("sql") ?? "");
  const [rows, setRows] = useState("1000");
  const [running, setRunning] = useState<Running | null>(null);
  const [fault, setFault] = useState("");
  const [answer, setAnswer] = useState<{ found: Schemas["SqlAnswer"]; ms: number } | null>(null);
  if (!access?.sql)
    return (
      <Card title="SQL is not installed here" wide>
        <p>
          It needs DuckDB and Apache Arrow where this server runs: <code>pip install 'stead[sql]'</code>, then start it again.
        </p>
      </Card>
    );
  const names = Object.entries(info?.names ?? {})
    .filter(([name]) => !name.includes("/"))
    .map(([name, kind]) => String(kind["name"] ?? name));
  const begin = (work: (ending: AbortController) => Promise<void>) => {
    const ending = new AbortController();
    setFault("");
    setRunning({ since: Date.now(), ending });
    refine({ sql: query });
    work(ending)
      .catch((error: unknown) => setFault(ending.signal.aborted ? "It was stopped." : said(error)))
      .finally(() => setRunning(null));
  };
  const ask = () =>
    begin(async (ending) => {
      const since = Date.now();
      const found = await must(api.POST("/api/v1/sql", { params: { query: {} }, body: { query, rows: Number(rows) }, signal: ending.signal }));
      setAnswer({ found, ms: Date.now() - since });
    });
  const file = (form: "csv" | "jsonl" | "parquet") =>
    begin(async (ending) => {
      const headers: Record<string, string> = { "content-type": "application/json", ...(key() ? { "x-functions-key": key() } : {}) };
      const response = await fetch(`${BASE}/api/v1/sql?format=${form}`, { method: "POST", headers, body: JSON.stringify({ query }), signal: ending.signal });
      if (!response.ok) throw new Refused(response.status, ((await response.json()) as { detail?: string }).detail ?? `the server answered ${response.status}`);
      save(`answer.${form}`, response.headers.get("content-type") ?? "", await response.blob());
      say(`answer.${form} is saved`);
    });
  return (
    <>
      <p class="quiet">
        Each kind of entities is a table, with its fields and <code>_key</code>: {names.join(", ")}. It is read as a whole when the query runs.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask();
        }}
      >
        <Field label="One SELECT" hint="by DuckDB; nothing can be changed">
          <Text value={query} onText={setQuery} rows={5} placeholder={`select count(*) from ${names[0] ?? "Player"}`} />
        </Field>
        <div class="buttons">
          <button type="submit" class="main" disabled={!query.trim() || running !== null}>
            Run
          </button>
          <Choice label="Rows" value={rows} options={["100", "1000", "10000"].map((one): [string, string] => [one, `${count(Number(one))} rows at most`])} onChoose={setRows} />
          {running && (
            <button type="button" class="danger" onClick={() => running.ending.abort()}>
              Stop
            </button>
          )}
          <span class="grow" />
          {(["csv", "jsonl", "parquet"] as const).map((form) => (
            <button key={form} type="button" disabled={!query.trim() || running !== null} onClick={() => file(form)}>
              Save as {{ csv: "CSV", jsonl: "JSON", parquet: "Parquet" }[form]}
            </button>
          ))}
        </div>
      </form>
      <Fault>{fault}</Fault>
      {running && <p role="status">It runs…</p>}
      {answer && !running && (
        <>
          <p role="status">
            {plural(answer.found.rows.length, "row")}
            {answer.found.rows.length === Number(rows) ? ", perhaps of more" : ""}, in {duration(answer.ms)}
          </p>
          <Table
            label="Answer"
            rows={answer.found.rows.map((cells, at) => ({ cells, at }))}
            id={(row) => String(row.at)}
            empty="It has no rows."
            columns={answer.found.columns.map((column, at) => ({
              title: column.name,
              number: /^(u?int|float|double|decimal)/.test(column.type),
              cell: (row: { cells: unknown[] }) => shown(row.cells[at]),
            }))}
          />
        </>
      )}
    </>
  );
}

function shown(value: unknown) {
  return value === null || value === undefined ? <span class="quiet">null</span> : typeof value === "boolean" ? <Badge>{String(value)}</Badge> : brief(value, 200);
}
