// Instances: which there are, when they were created, and what is done to many of them.
import { useState } from "preact/hooks";

import { api, must, type Schemas } from "../lib/api";
import { useAsked } from "../lib/live";
import { refine, to, type Route } from "../lib/route";
import { pageOf, selectionOf } from "../lib/selection";
import { brief, clock, count } from "../lib/words";
import { Ago, Badge, Choice, Fault, Page, Quiet, Table, Text } from "../parts/basics";
import { Histogram } from "../parts/histogram";
import { Many } from "../parts/many";
import { Pager, usePages } from "../parts/pager";
import { Start } from "./start";

const STATUSES: Schemas["RuntimeStatus"][] = ["Pending", "Running", "Suspended", "Completed", "Failed", "Canceled", "Terminated"];

const [LOOKED_AT, ALL] = [10_000, 200_000]; // instances, for the bars: to look at them all takes the hub some time

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
  const on = query.toString();
  const pages = usePages(on);
  const { token } = pages;
  const asked = useAsked((signal) => pageOf(selectionOf(query), 50, token, signal), ["instances", on, token]);
  const rows = asked.data?.instances ?? [];
  const next = asked.data?.continuation;
  const chosen = rows.filter((row) => picked.has(row.instance_id));
  const [from, until] = [given("created_from"), given("created_to")];
  return (
    <Page title="Instances" aside={<Start />}>
      <div class="filters">
        <Choice label="Status" value={given("status")} options={[["", "any status"], ...STATUSES.map((one): [string, string] => [one, one])]} onChoose={(status) => refine({ status })} />
        <Choice label="Created" value={from || until ? "" : given("since")} options={TIMES} onChoose={(since) => refine({ since, created_from: "", created_to: "" })} />
        <Text label="Orchestration" placeholder="orchestration" value={given("name")} onText={(name) => refine({ name })} />
        <Text label="IDs that begin with" placeholder="IDs that begin with…" value={given("prefix")} onText={(prefix) => refine({ prefix })} />
        <Text label="Version" placeholder="version" value={given("version")} onText={(version) => refine({ version })} />
        <Tag value={given("tag")} />
        <Search value={given("text")} />
      </div>
      {(from || until) && (
        <p>
          Created {from && `from ${clock(from)}`} {until && `until ${clock(until)}`}{" "}
          <button type="button" class="plain" onClick={() => refine({ created_from: "", created_to: "" })}>
            at any time
          </button>
        </p>
      )}
      <Created route={props.route} />
      <Many key={on} chosen={chosen} selection={selectionOf(query)} then={() => (setPicked(new Set()), asked.again())} />
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
          { title: "Says", grow: "prose", cell: (one) => (one.locked ? <Quiet>locked</Quiet> : brief(one.failure?.message ?? one.custom_status ?? one.output ?? "")) },
        ]}
      />
      <div class="buttons">
        <Pager pages={pages} next={next} />
      </div>
    </Page>
  );
}

// It costs the hub a look at each instance: it is asked for when the filters change, and now and then.
function Created(props: { route: Route }) {
  const { query } = props.route;
  const [most, setMost] = useState(LOOKED_AT);
  const asked = useAsked(
    (signal) => must(api.GET("/api/v1/instance-histogram", { params: { query: { ...selectionOf(query), buckets: 60, most } }, signal })),
    ["histogram", query.toString(), most],
    60,
  );
  const [shown, setShown] = useState(asked.data);
  if (asked.data && asked.data !== shown) setShown(asked.data);
  return (
    <>
      <Fault>{asked.error}</Fault>
      {shown && !shown.complete && most === LOOKED_AT && (
        <p class="quiet">
          The bars show those among the first {count(LOOKED_AT)} by ID.{" "}
          <button type="button" class="plain" onClick={() => setMost(ALL)}>
            Look at all
          </button>
        </p>
      )}
      {shown && <Histogram found={shown} onChoose={(created_from, created_to) => refine({ created_from, created_to, since: "" })} />}
    </>
  );
}

// What is looked for in statuses goes off by Enter: half a word would be a search of its own.
function Search(props: { value: string }) {
  const [text, setText] = useState(props.value);
  return (
    <form class="inline" role="search" onSubmit={(event) => (event.preventDefault(), refine({ text: text.trim() }))}>
      <Text label="Text" placeholder="text in ID, status, output…" value={text} onText={setText} />
      <button type="submit">Search</button>
    </form>
  );
}

function Tag(props: { value: string }) {
  const [tag, setTag] = useState(props.value);
  return (
    <Text
      label="Tag"
      placeholder="tag: name=value"
      value={tag}
      onText={(text) => {
        setTag(text);
        if (text === "" || /^[^=]+=/.test(text)) refine({ tag: text });
      }}
    />
  );
}
