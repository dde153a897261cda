// What pages show goes on by itself: the hub's stream tells when to look again, a page that nobody sees does not look.
import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";

import { Refused, said, type Schemas } from "./api";
import { follow } from "./stream";

export type HubInfo = Schemas["HubInformation"];

export interface Live {
  info: HubInfo | null;
  beat: number; // grows with each event of the hub
  lost: boolean;
}

export const LiveContext = createContext<Live>({ info: null, beat: 0, lost: false });

export function useLive(): Live {
  return useContext(LiveContext);
}

export function useHubStream(key: string): Live {
  const [live, setLive] = useState<Live>({ info: null, beat: 0, lost: false });
  useEffect(() => {
    const ending = new AbortController();
    void follow(
      "/api/v1/hub/events",
      ending.signal,
      (event) => setLive((before) => ({ info: event.data as HubInfo, beat: before.beat + 1, lost: false })),
      () => setLive((before) => ({ ...before, lost: true })),
    );
    return () => ending.abort();
  }, [key]);
  return live;
}

export interface Asked<T> {
  data: T | null;
  error: string;
  again: () => void;
}

const REST = 4; // times as long as an answer took is rested before the next question: what is dear to the hub is asked less often

// Data that is asked for anew when what it depends on changes, and at each beat of the hub. One question at a time; null: none yet.
// What the server refuses for good is not asked again: a browser writes each refusal into its console.
export function useAsked<T>(ask: ((signal: AbortSignal) => Promise<T>) | null, depends: unknown[], every = 1): Asked<T> {
  const { beat } = useLive();
  const [count, setCount] = useState(0);
  const [found, setFound] = useState<{ on: string; data: T | null; error: string }>({ on: "", data: null, error: "" });
  const busy = useRef(false);
  const rested = useRef({ on: "", until: 0 });
  const refused = useRef("");
  const on = JSON.stringify([depends, ask !== null]);
  const current = useRef(on);
  if (current.current !== on) {
    current.current = on;
    busy.current = false;
  }
  const round = Math.floor(beat / every);
  useEffect(() => {
    if (!ask || busy.current || document.hidden || refused.current === `${on} ${count}`) return;
    if (rested.current.on === `${on} ${count}` && performance.now() < rested.current.until) return;
    const since = performance.now();
    const ending = new AbortController();
    busy.current = true;
    ask(ending.signal)
      .then((data) => {
        if (current.current === on) setFound({ on, data, error: "" });
      })
      .catch((error: unknown) => {
        if (error instanceof Refused && error.final) refused.current = `${on} ${count}`;
        if (current.current === on) setFound((before) => ({ on, data: before.on === on ? before.data : null, error: said(error) }));
      })
      .finally(() => {
        if (current.current !== on) return;
        busy.current = false;
        rested.current = { on: `${on} ${count}`, until: performance.now() + REST * (performance.now() - since) };
      });
    return () => {
      if (current.current !== on) ending.abort();
    };
  }, [on, round, count]);
  const fits = found.on === on;
  return { data: fits ? found.data : null, error: fits ? found.error : "", again: () => setCount((before) => before + 1) };
}

// Something else's stream, such as one instance's or one entity's; null: there is none now. `over`: whether
// nothing comes after that.
export function useStream<T>(path: string | null, over: (data: T) => boolean = () => false): { data: T | null; event: string } {
  const [found, setFound] = useState<{ path: string | null; data: T | null; event: string }>({ path, data: null, event: "" });
  useEffect(() => {
    setFound({ path, data: null, event: "" });
    if (path === null) return;
    const ending = new AbortController();
    void follow(path, ending.signal, (event) => {
      setFound({ path, data: event.data as T, event: event.event });
      return over(event.data as T);
    });
    return () => ending.abort();
  }, [path]);
  return found.path === path ? found : { data: null, event: "" };
}
