// Entities: their kinds, those of one kind, and one, whose state changes live.
import { useState } from "preact/hooks";

import { api, must, type Schemas } from "../lib/api";
import { useAsked, useLive, useStream } from "../lib/live";
import { refine, to, type Route } from "../lib/route";
import { brief, count } from "../lib/words";
import { Ago, Card, Choice, Fault, Page, Quiet, Table, Text, Tree } from "../parts/basics";
import { Doing, Recent, useDoing } from "../parts/doing";
import { OfKind, rate } from "../parts/measures";
import { Operations } from "../parts/operations";
import { Pager, usePages } from "../parts/pager";
import { Unindexed } from "../parts/unindexed";

const LIMITS = [50, 200, 1000] as const; // entities in a page

export const EMPTY_KEY = "$"; // what stands for the empty key in a path

export function Kinds() {
  const asked = useAsked((signal) => must(api.GET("/api/v1/entities", { params: { query: { counts: true } }, signal })), ["kinds"], 5);
  const measured = useAsked((signal) => must(api.GET("/api/v1/metrics", { params: { query: { minutes: 60 } }, signal })), ["metrics"], 5);
  const of = (name: string) => measured.data?.operations.filter((one) => one.entity.toLowerCase() === name.toLowerCase()) ?? [];
  const sum = (name: string, each: (one: Schemas["OperationSeries"]) => number) => of(name).reduce((all, one) => all + each(one), 0);
  return (
    <Page title="Entities">
      <Fault>{asked.error}</Fault>
      <Table
        label="Kinds of entities"
        rows={asked.data?.entities ?? []}
        id={(one) => one.name}
        empty={asked.data ? "No worker has published a kind of entities yet." : "Asking…"}
        columns={[
          { title: "Kind", cell: (one) => <a href={to(["entities", one.name])}>{one.name}</a> },
          { title: "Entities", number: true, cell: (one) => count(one.count) },
          { title: "In the last hour", number: true, cell: (one) => count(sum(one.name, (each) => each.count)) },
          { title: "A second", number: true, cell: (one) => rate(sum(one.name, (each) => each.rate)) },
          { title: "Failed", number: true, cell: (one) => count(sum(one.name, (each) => each.failed)) },
          { title: "Operations", grow: true, cell: (one) => one.operations?.join(", ") ?? "any" },
        ]}
      />
    </Page>
  );
}

export function OneKind(props: { name: string; route: Route }) {
  const given = (name: string) => props.route.query.get(name) ?? "";
  const [prefix, where, order, limit] = [given("prefix"), given("where"), given("order"), given("limit")];
  const { info } = useLive();
  const fields = ((info?.indexes ?? []) as { entity: string; field: string }[])
    .filter((one) => one.entity === props.name.toLowerCase())
    .map((one) => one.field);
  const on = JSON.stringify([props.name, prefix, where, order, limit]);
  const pages = usePages(on);
  const { token } = pages;
  const searched = !!where || !!order;
  const unindexed = searched && info !== null && fields.length === 0; // the server would refuse it
  const asked = useAsked(
    searched && (info === null || unindexed)
      ? null
      : (signal) =>
          must(
            api.GET("/api/v1/entities/{name}", {
              params: {
                path: { name: props.name },
                query: { prefix, where, order, limit: Number(limit) || LIMITS[0], ...(token ? { continuation: token } : {}) },
              },
              signal,
            }),
          ),
    ["kind", on, token],
    2,
  );
  const next = asked.data?.continuation;
  return (
    <Page title={props.name} aside={<a href={to(["entities"])}>all kinds</a>}>
      <div class="filters">
        <Text label="Keys that begin with" placeholder="keys that begin with…" value={prefix} onText={(value) => refine({ prefix: value, where: "", order: "" })} />
        <Go name={props.name} />
      </div>
      {fields.length > 0 && <Conditions key={on} fields={fields} where={where} order={order} limit={limit} />}
      <Fault>{asked.error}</Fault>
      {unindexed ? (
        <Unindexed name={props.name} where={where} order={order} all={() => refine({ where: "", order: "", limit: "" })} />
      ) : (
        <>
          <Table
            label={`Entities of ${props.name}`}
            rows={asked.data?.entities ?? []}
            id={(one) => one.key}
            empty={asked.data ? "There is none here." : "Asking…"}
            columns={[
              { title: "Key", cell: (one) => <a href={to(["entities", props.name, one.key || EMPTY_KEY])}>{one.key || "(empty)"}</a> },
              { title: "State", grow: "prose", cell: (one) => (one.locked ? <Quiet>locked</Quiet> : <code>{brief(one.state, 120)}</code>) },
              { title: "Changed", cell: (one) => <Ago time={one.modified_time} /> },
            ]}
          />
          <div class="buttons">
            <Pager pages={pages} next={next} />
          </div>
        </>
      )}
    </Page>
  );
}

// A query by indexed fields. It goes off by the button: half a condition would be a fault at every letter.
function Conditions(props: { fields: string[]; where: string; order: string; limit: string }) {
  const [where, setWhere] = useState(props.where);
  const [order, setOrder] = useState(props.order);
  const [limit, setLimit] = useState(props.limit);
  const orders = [["", "in any order"], ...props.fields.flatMap((field) => [[field, `by ${field}`], [`-${field}`, `by ${field}, descending`]])];
  return (
    <form
      class="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        refine({ where: where.trim(), order, limit, prefix: "" });
      }}
    >
      <Text label="Conditions" placeholder={`conditions on ${props.fields.join(", ")}`} value={where} onText={setWhere} />
      <Choice label="Order" value={order} options={orders as [string, string][]} onChoose={setOrder} />
      <Choice
        label="Limit"
        value={limit || String(LIMITS[0])}
        options={LIMITS.map((one): [string, string] => [String(one), `${one} a page`])}
        onChoose={setLimit}
      />
      <button type="submit">Find</button>
    </form>
  );
}

function Go(props: { name: string }) {
  const [key, setKey] = useState("");
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        location.hash = to(["entities", props.name, key || EMPTY_KEY]);
      }}
    >
      <Text label="Go to a key" placeholder="go to a key" value={key} onText={setKey} />
      <button type="submit">Open</button>
    </form>
  );
}

export function OneEntity(props: { name: string; id: string }) {
  const { name, id } = props;
  const shown = id === EMPTY_KEY ? "(empty)" : id;
  const stream = useStream<Schemas["EntityState"]>(
    `/api/v1/entities/${encodeURIComponent(name)}/${encodeURIComponent(id)}/events`,
  );
  const doing = useDoing(name, id);
  return (
    <Page title={`${name} / ${shown}`} aside={<a href={to(["entities", name])}>all of {name}</a>}>
      <div class="cards">
        <Card title="State" aside={<span class="live">as it changes</span>} wide>
          {stream.data === null ? (
            <Quiet>Asking…</Quiet>
          ) : stream.event === "deleted" ? (
            <Quiet>It does not exist (any more). An operation that changes it makes it.</Quiet>
          ) : stream.data.locked ? (
            <Quiet>Locked: it is encoded, and this server has no key for it.</Quiet>
          ) : (
            <Tree value={stream.data.state} />
          )}
        </Card>
        <Doing asked={doing} />
        <Operations name={name} id={id} />
        <Recent asked={doing} />
      </div>
      <div class="measures">
        <OfKind name={name} />
      </div>
    </Page>
  );
}
