// A target of messages, an entity, an instance or a schedule, with a link to its page. What else stead itself keeps as entities has none.
import { to } from "../lib/route";

export function Target(props: { id: string }) {
  const [, name, key] = /^@([^@]*)@(.*)$/s.exec(props.id) ?? [];
  if (name?.startsWith("!") && name !== "!schedule") return <>{props.id}</>;
  if (name === "!schedule") return <a href={to(["schedules", key ?? ""])}>(schedule)@{key}</a>;
  const href = name === undefined ? to(["instances", props.id]) : to(["entities", name, key || "$"]);
  return <a href={href}>{props.id}</a>;
}
