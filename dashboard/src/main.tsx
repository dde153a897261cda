// The dashboard: who may do what, which page is open, and what goes on in the hub.
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import "./style.css";
import { api, DENIED, keep, key, must, Refused, said } from "./lib/api";
import { LiveContext, useAsked, useHubStream } from "./lib/live";
import { to, useRoute, type Route } from "./lib/route";
import { AccessContext, SayContext, type Access } from "./parts/act";
import { Fault, Page, Quiet } from "./parts/basics";
import { OneEntity, OneKind, Kinds } from "./pages/entities";
import { OneInstance } from "./pages/instance";
import { Instances } from "./pages/instances";
import { Letters, OneLetter } from "./pages/letters";
import { Overview } from "./pages/overview";
import { Queries } from "./pages/queries";
import { OneSchedule, Schedules } from "./pages/schedules";
import { Workers } from "./pages/workers";

const PAGES: [string, string][] = [
  ["", "Overview"],
  ["entities", "Entities"],
  ["instances", "Instances"],
  ["queries", "Queries"],
  ["schedules", "Schedules"],
  ["dead-letters", "Dead letters"],
  ["workers", "Workers"],
];

function Chosen(props: { route: Route }) {
  const [first, second, third] = props.route.path;
  switch (first) {
    case undefined:
      return <Overview />;
    case "entities":
      if (second === undefined) return <Kinds />;
      return third === undefined ? <OneKind name={second} route={props.route} /> : <OneEntity name={second} id={third} />;
    case "instances":
      return second === undefined ? <Instances route={props.route} /> : <OneInstance id={second} route={props.route} />;
    case "queries":
      return <Queries route={props.route} />;
    case "schedules":
      return second === undefined ? <Schedules /> : <OneSchedule name={second} />;
    case "dead-letters":
      return second === undefined ? <Letters route={props.route} /> : <OneLetter id={second} />;
    case "workers":
      return <Workers />;
    default:
      return (
        <Page title="No such page">
          <Quiet>
            There is no page at this address. <a href={to([])}>Overview</a>
          </Quiet>
        </Page>
      );
  }
}

function App() {
  const [access, setAccess] = useState<Access | null>(null);
  const [fault, setFault] = useState<{ text: string; ask: boolean } | null>(null);
  const look = useCallback(async () => {
    try {
      const found = await must(api.GET("/api/v1/access"));
      const reads = found.rights.includes("read");
      setAccess(reads ? found : null);
      setFault(reads ? null : { text: `This key may not read (it may ${found.rights.join(" and ") || "do nothing"}): these pages need one that may.`, ask: true });
    } catch (error) {
      const ask = error instanceof Refused && (error.status === 401 || error.status === 403);
      if (ask) setAccess(null);
      setFault({ text: ask && !key() ? "" : said(error), ask });
    }
  }, []);
  useEffect(() => {
    void look();
    const denied = () => void look();
    addEventListener(DENIED, denied);
    return () => removeEventListener(DENIED, denied);
  }, [look]);
  useEffect(() => {
    if (!fault || fault.ask) return;
    const timer = setTimeout(() => void look(), 2000);
    return () => clearTimeout(timer);
  }, [fault, look]);
  if (fault?.ask) return <Key fault={fault.text} then={look} />;
  if (!access) return <main class="alone">{fault ? <Fault>{fault.text}</Fault> : <Quiet>…</Quiet>}</main>;
  return (
    <AccessContext.Provider value={access}>
      <Shell access={access} leave={look} />
    </AccessContext.Provider>
  );
}

function Shell(props: { access: Access; leave: () => void }) {
  const route = useRoute();
  const live = useHubStream(key());
  const [text, setText] = useState("");
  const [theme, setTheme] = useState(() => localStorage.getItem("stead-theme") ?? "");
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    localStorage.setItem("stead-theme", theme);
  }, [theme]);
  useEffect(() => {
    if (!text) return;
    const timer = setTimeout(() => setText(""), 6000);
    return () => clearTimeout(timer);
  }, [text]);
  const opened = useRef(false);
  useEffect(() => {
    if (opened.current) {
      document.getElementById("main")?.focus();
      scrollTo(0, 0);
    }
    opened.current = true;
  }, [route.path.join("/")]);
  return (
    <LiveContext.Provider value={live}>
      <SayContext.Provider value={setText}>
        <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
          Skip to the content
        </a>
        <nav aria-label="Pages">
          <a class="brand" href={to([])}>
            stead <small>{props.access.hub}</small>
          </a>
          <Pages here={route.path[0] ?? ""} />
          <div class="nav-foot">
            <span class={`pulse ${live.lost ? "lost" : live.info ? "on" : ""}`} role="status">
              {live.lost ? "no answer" : live.info ? "live" : "…"}
            </span>
            <button type="button" class="plain" onClick={() => setTheme({ "": "dark", dark: "light", light: "" }[theme] ?? "")}>
              colours: {{ "": "as the system's", dark: "dark", light: "light" }[theme]}
            </button>
            <a href="docs">API</a>
            {props.access.keys && <Leave then={props.leave} />}
          </div>
        </nav>
        <main id="main" tabIndex={-1}>
          <Chosen route={route} />
        </main>
        <div class={`toast${text ? " shown" : ""}`} role="status" aria-live="polite">
          {text}
        </div>
      </SayContext.Provider>
    </LiveContext.Provider>
  );
}

// What many hubs have none of is not among the pages, until there is some or somebody has come by its address.
function Pages(props: { here: string }) {
  const { here } = props;
  const asked = useAsked((signal) => must(api.GET("/api/v1/schedules", { params: { query: { limit: 1 } }, signal })), ["any schedule"], 10);
  const scheduled = here === "schedules" || !!asked.data?.schedules.length;
  return (
    <ul>
      {PAGES.filter(([path]) => path !== "schedules" || scheduled).map(([path, name]) => (
        <li key={path}>
          <a href={to(path ? [path] : [])} aria-current={here === path ? "page" : undefined}>
            {name}
          </a>
        </li>
      ))}
    </ul>
  );
}

function Leave(props: { then: () => void }) {
  return (
    <button type="button" class="plain" onClick={() => (keep(""), props.then())}>
      other key
    </button>
  );
}

function Key(props: { fault: string; then: () => Promise<void> }) {
  const [value, setValue] = useState("");
  return (
    <main class="alone">
      <h1>stead</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          keep(value.trim());
          void props.then();
        }}
      >
        <label class="field">
          <span>Key of this hub</span>
          <input type="password" value={value} autocomplete="off" onInput={(event) => setValue(event.currentTarget.value)} />
        </label>
        <Fault>{props.fault}</Fault>
        <button type="submit" class="main">
          Open
        </button>
        <Quiet>It is kept until this tab is closed, and sent to this server only.</Quiet>
      </form>
    </main>
  );
}

const root = document.getElementById("root");
if (root) render(<App />, root);
