// One page of many after the other: the tokens that led to this one, by which one comes back, and the buttons.
import { useState } from "preact/hooks";

export interface Pages {
  token: string | undefined; // of the page that is shown; the first has none
  tokens: string[];
  turn: (tokens: string[]) => void;
}

// `on`: what is looked through. When that changes, the first page is shown again.
export function usePages(on: string): Pages {
  const [pages, setPages] = useState<{ on: string; tokens: string[] }>({ on: "", tokens: [] });
  const tokens = pages.on === on ? pages.tokens : [];
  return { token: tokens[tokens.length - 1], tokens, turn: (next) => setPages({ on, tokens: next }) };
}

export function Pager(props: { pages: Pages; next: string | null | undefined }) {
  const { pages, next } = props;
  return (
    <>
      <button type="button" disabled={pages.tokens.length === 0} onClick={() => pages.turn(pages.tokens.slice(0, -1))}>
        Previous
      </button>
      <button type="button" disabled={!next} onClick={() => next && pages.turn([...pages.tokens, next])}>
        Next
      </button>
    </>
  );
}
