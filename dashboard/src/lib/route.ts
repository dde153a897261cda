// Every page has an address of its own, in the part behind `#`: it can be shared, and needs nothing of the server.
import { useEffect, useState } from "preact/hooks";

export interface Route {
  path: string[];
  query: URLSearchParams;
}

function read(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return {
    path: path
      .split("/")
      .filter((part) => part !== "")
      .map(decode),
    query: new URLSearchParams(query),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export type Query = Record<string, string | undefined>;

// The address of a page. Empty values of the query are left out.
export function to(path: string[], query: Query = {}): string {
  const pairs = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  const words = new URLSearchParams(pairs).toString();
  return "#/" + path.map(encodeURIComponent).join("/") + (words ? `?${words}` : "");
}

export function go(path: string[], query: Query = {}): void {
  location.hash = to(path, query);
}

// Change the query of the page that is open; going back does not undo it letter by letter.
export function refine(changes: Query): void {
  const { path, query } = read();
  const wanted: Query = { ...Object.fromEntries(query), ...changes };
  history.replaceState(null, "", to(path, wanted));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}
