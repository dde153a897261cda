// The same done to many instances: those that were chosen, or all that match. First it is said how many it concerns, then how far it
// is, and in the end what became of it.
import { useRef, useState } from "preact/hooks";

import { api, must, said } from "../lib/api";
import { pageOf, type Instance, type Selection } from "../lib/selection";
import { MEANT, suits, titled, VERBS, type Verb } from "../lib/verbs";
import { count, plural } from "../lib/words";
import { Dialog, Fault, Text } from "./basics";
import { useRight, useSay } from "./act";

const [PAGE, BUNDLE] = [1_000, 200];

interface Trial {
  matched: number;
  ids: string[]; // of those that it is of use to
}

interface Done {
  of: number;
  gone: number;
  failed: Record<string, string>;
  passed: number;
  over: boolean;
}

export function Many(props: { chosen: Instance[]; selection: Selection; then: () => void }) {
  const allowed = useRight("manage");
  const [verb, setVerb] = useState<Verb | null>(null);
  if (!allowed) return null;
  const { chosen } = props;
  return (
    <div class="many" role="group" aria-label="Many at once">
      <strong>{chosen.length ? `${plural(chosen.length, "instance")} chosen` : "All that match"}</strong>
      {VERBS.map((one) => (
        <button
          key={one}
          type="button"
          class={one === "terminate" || one === "purge" ? "danger" : ""}
          disabled={chosen.length > 0 && !chosen.some((each) => suits(one, each.runtime_status))}
          onClick={() => setVerb(one)}
        >
          {titled(one)}
        </button>
      ))}
      {verb && <Doing verb={verb} chosen={chosen} selection={props.selection} then={props.then} onClose={() => setVerb(null)} />}
    </div>
  );
}

function Doing(props: { verb: Verb; chosen: Instance[]; selection: Selection; then: () => void; onClose: () => void }) {
  const { verb, chosen } = props;
  const say = useSay();
  const [trial, setTrial] = useState<Trial | null>(() => (chosen.length ? trialOf(chosen, verb) : null));
  const [looked, setLooked] = useState<number | null>(null);
  const [done, setDone] = useState<Done | null>(null);
  const [reason, setReason] = useState("");
  const [fault, setFault] = useState("");
  const ending = useRef(new AbortController());
  const close = () => {
    ending.current.abort();
    if (done) props.then();
    props.onClose();
  };
  const look = async () => {
    const found: Trial = { matched: 0, ids: [] };
    let at: string | undefined;
    setLooked(0);
    do {
      const page = await pageOf(props.selection, PAGE, at, ending.current.signal);
      const more = trialOf(page.instances, verb);
      found.matched += more.matched;
      found.ids.push(...more.ids);
      at = page.continuation ?? undefined;
      setLooked(found.matched);
    } while (at);
    setTrial(found);
    setLooked(null);
  };
  const run = async (ids: string[]) => {
    const account: Done = { of: ids.length, gone: 0, failed: {}, passed: 0, over: false };
    setDone({ ...account });
    for (let first = 0; first < ids.length && !ending.current.signal.aborted; first += BUNDLE) {
      const bundle = ids.slice(first, first + BUNDLE);
      const found = await must(
        api.POST("/api/v1/instance-bundles", { body: { action: verb, ids: bundle, reason, recursive: true }, signal: ending.current.signal }),
      );
      account.gone += bundle.length;
      account.passed += found.passed_over;
      Object.assign(account.failed, found.failed);
      setDone({ ...account });
    }
    const failures = Object.keys(account.failed).length;
    setDone({ ...account, over: true });
    if (failures === 0) {
      say(`${verb}: ${plural(account.gone - account.passed, "instance")}`);
      props.then();
      props.onClose();
    }
  };
  const guarded = (work: () => Promise<void>) => {
    setFault("");
    work().catch((error: unknown) => {
      if (!ending.current.signal.aborted) setFault(said(error));
    });
  };
  const failures = Object.entries(done?.failed ?? {});
  return (
    <Dialog title={titled(verb)} open onClose={close}>
      <div class="dialog-body">
        {trial ? (
          <p>
            {plural(trial.ids.length, "instance")} of {count(trial.matched)}
            {trial.ids.length < trial.matched ? ": the others are not in a status for it." : "."}
          </p>
        ) : (
          <p>{looked === null ? "Look first which instances it concerns: nothing is done to any of them." : `${count(looked)} looked at…`}</p>
        )}
        {MEANT[verb] && <p>{MEANT[verb]}</p>}
        {verb !== "purge" && !done && <Text label="Reason" placeholder="reason" value={reason} onText={setReason} />}
        {done && (
          <>
            <progress max={Math.max(1, done.of)} value={done.gone} aria-label="Progress" />
            <p role="status">
              {count(done.gone)} of {count(done.of)}
              {done.passed > 0 && `, ${count(done.passed)} passed over`}
              {failures.length > 0 && `, ${count(failures.length)} failed`}
            </p>
            {failures.length > 0 && (
              <ul class="plain-list">
                {failures.slice(0, 10).map(([id, why]) => (
                  <li key={id}>
                    {id}: {why}
                  </li>
                ))}
              </ul>
            )}
          </>
        )}
      </div>
      <Fault>{fault}</Fault>
      <div class="buttons">
        <button type="button" onClick={close}>
          {done && !done.over ? "Stop" : done ? "Close" : "Back"}
        </button>
        {!trial && (
          <button type="button" class="main" disabled={looked !== null && !fault} onClick={() => guarded(look)}>
            Dry run
          </button>
        )}
        {trial && !done?.over && (
          <button
            type="button"
            class={verb === "terminate" || verb === "purge" ? "danger" : "main"}
            disabled={trial.ids.length === 0 || (done !== null && !fault)}
            onClick={() => guarded(() => run(trial.ids))}
          >
            {titled(verb)}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function trialOf(found: Instance[], verb: Verb): Trial {
  return { matched: found.length, ids: found.filter((one) => suits(verb, one.runtime_status)).map((one) => one.instance_id) };
}
