// Is the hub well, and if not, what is to be done: what `stead doctor` says.
import { api, must, type Schemas } from "../lib/api";
import { useAsked } from "../lib/live";
import { to } from "../lib/route";
import { plural } from "../lib/words";
import { Fault } from "./basics";
import { Target } from "./target";

const EVERY = 10; // beats: to look at everything costs the store more than what a beat asks for

// Where more of it can be seen.
const PAGES: Record<string, string> = {
  dead_letters: "dead-letters",
  dead_letters_dropped: "dead-letters",
  no_worker: "workers",
  unowned_partitions: "workers",
  unserved_queues: "workers",
  unserved_kinds: "workers",
};

// Checks whose subjects are entities and instances.
const OF_TARGETS = new Set(["blocked", "locked", "poison_suspects", "pending_instances", "still_instances"]);

export function Verdict() {
  const asked = useAsked((signal) => must(api.GET("/api/v1/doctor", { signal })), ["doctor"], EVERY);
  const found = asked.data?.findings ?? [];
  const problems = found.filter((one) => one.level === "problem").length;
  const notes = found.length - problems;
  return (
    <section class={`verdict ${problems ? "bad" : asked.error || !asked.data ? "warn" : "good"}`} aria-live="polite">
      <h2>
        {!asked.data ? "Asking how it is…" : problems ? plural(problems, "thing to look at", "things to look at") : "All is well"}
        {asked.data && notes > 0 && <span class="quiet">, {plural(notes, "thing to know", "things to know")}</span>}
      </h2>
      <Fault>{asked.error}</Fault>
      {found.length > 0 && (
        <ul>
          {found.map((one) => (
            <Found key={one.check + one.what} one={one} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Found(props: { one: Schemas["FindingModel"] }) {
  const { one } = props;
  const page = PAGES[one.check];
  return (
    <li>
      <span class={one.level === "problem" ? "bad" : ""}>{one.what}</span>
      {page && (
        <>
          {" "}
          <a href={to([page])}>{page.replace("-", " ")}</a>
        </>
      )}
      <div class="quiet">{one.advice}</div>
      {OF_TARGETS.has(one.check) &&
        one.subjects.map((id) => (
          <div key={id}>
            <Target id={id} />
          </div>
        ))}
    </li>
  );
}
