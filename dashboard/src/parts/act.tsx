// Buttons that do something: they say that it is done, or why not; dangerous ones ask first.
import { createContext, type ComponentChildren } from "preact";
import { useContext, useState } from "preact/hooks";

import { said, type Schemas } from "../lib/api";
import { Dialog, Fault } from "./basics";

export type Access = Schemas["Access"];

export const AccessContext = createContext<Access | null>(null);

// Whether the key has a right: what it has not is not offered. The server decides in any case.
export function useRight(right: "read" | "signal" | "manage"): boolean {
  return useContext(AccessContext)?.rights.includes(right) ?? false;
}

export const SayContext = createContext<(text: string) => void>(() => undefined);

export function useSay(): (text: string) => void {
  return useContext(SayContext);
}

export function Act(props: {
  label: string;
  right: "signal" | "manage";
  work: () => Promise<string>; // what to say when it is done
  ask?: ComponentChildren; // what is asked before
  onAsk?: (asking: boolean) => void;
  then?: () => void;
  tone?: "danger" | "main";
  disabled?: boolean;
}) {
  const allowed = useRight(props.right);
  const say = useSay();
  const [asking, change] = useState(false);
  const setAsking = (on: boolean) => (change(on), props.onAsk?.(on));
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  if (!allowed) return null;
  const run = async () => {
    setBusy(true);
    setFault("");
    try {
      say(await props.work());
      setAsking(false);
      props.then?.();
    } catch (error) {
      setFault(said(error));
      if (props.ask === undefined) say(said(error));
    } finally {
      setBusy(false);
    }
  };
  const tone = props.tone ?? "";
  const does = props.label.replace(/…$/, ""); // which says that something is asked first
  return (
    <>
      <button
        type="button"
        class={tone}
        disabled={busy || props.disabled}
        onClick={() => (props.ask === undefined ? void run() : setAsking(true))}
      >
        {props.label}
      </button>
      {props.ask !== undefined && (
        <Dialog title={does} open={asking} onClose={() => setAsking(false)}>
          <div class="dialog-body">{props.ask}</div>
          <Fault>{fault}</Fault>
          <div class="buttons">
            <button type="button" onClick={() => setAsking(false)}>
              Back
            </button>
            <button type="button" class={tone || "main"} disabled={busy} onClick={() => void run()}>
              {busy ? "…" : does}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}
