// A target of messages, an entity or an instance, with a link to its page.
import { to } from "../lib/route";

export function Target(props: { id: string }) {
  const [, name, key] = /^@([^@]*)@(.*)$/s.exec(props.id) ?? [];
  const href = name === undefined ? to(["instances", props.id]) : to(["entities", name, key || "$"]);
  return <a href={href}>{props.id}</a>;
}
