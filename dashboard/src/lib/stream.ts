// Server-sent events by `fetch`: an EventSource cannot carry the key in a header, and a key does not belong into an address.
import { BASE, key, note } from "./api";

export interface Happened {
  event: string;
  id: string;
  data: unknown;
}

// Follows a stream and comes back to it until `signal` ends that, or `happened` says that nothing comes after this; `lost` is told
// between two tries.
export async function follow(
  path: string,
  signal: AbortSignal,
  happened: (event: Happened) => boolean | void,
  lost: () => void = () => undefined,
): Promise<void> {
  let last = "";
  for (let pause = 1000; !signal.aborted; pause = Math.min(pause * 2, 15_000)) {
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (key()) headers["x-functions-key"] = key();
      if (last) headers["last-event-id"] = last;
      const response = await fetch(BASE + path, { headers, signal });
      note(response);
      if (response.status === 204) return;
      if (response.ok && response.body) {
        for await (const event of events(response.body)) {
          pause = 1000;
          last = event.id;
          const over = happened(event);
          if (over || event.event === "gone") return;
        }
      } else if (response.status < 500 && response.status !== 429) return;
    } catch {
      if (signal.aborted) return;
    }
    lost();
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Happened> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    let end: number;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const found = parse(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (found) yield found;
    }
  }
}

function parse(block: string): Happened | null {
  const found: Happened = { event: "message", id: "", data: null };
  let has = false;
  for (const line of block.split("\n")) {
    const at = line.indexOf(": ");
    if (at <= 0) continue;
    const value = line.slice(at + 2);
    switch (line.slice(0, at)) {
      case "event":
        found.event = value;
        break;
      case "id":
        found.id = value;
        break;
      case "data":
        found.data = JSON.parse(value);
        has = true;
        break;
    }
  }
  return has ? found : null;
}
