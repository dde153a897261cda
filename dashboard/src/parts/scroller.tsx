// What may be wider than the screen: it scrolls within a box of its own, and is seen to go on where it does.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Scroller(props: { label: string; hint?: boolean; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const [more, setMore] = useState(false); // to the right of what is seen
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const look = () => {
      const over = element.scrollWidth - element.clientWidth;
      setWide(over > 1);
      setMore(over - element.scrollLeft > 1);
    };
    const watching = new ResizeObserver(look);
    watching.observe(element);
    for (const child of element.children) watching.observe(child);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      watching.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  return (
    <>
      {props.hint && wide && <p class="quiet">↔ It is wider than the screen: it scrolls sideways.</p>}
      <div class={`scroller${more ? " more" : ""}`}>
        <div ref={box} class="table-frame" tabIndex={0} role="region" aria-label={props.label}>
          {props.children}
        </div>
      </div>
    </>
  );
}

// How wide an element is that fills its place; 0 before it is there.
export function useWidth() {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const watching = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    watching.observe(element);
    return () => watching.disconnect();
  }, []);
  return { frame, width };
}
