// What a history says, as spans of time: what was asked for, when it was answered, and how.
export interface Event {
  event_type: string;
  timestamp: string;
  task_id: number;
  [field: string]: unknown;
}

export interface Span {
  id: number;
  lane: "activity" | "sub-orchestration" | "timer" | "entity" | "lock" | "event" | "run";
  name: string;
  target: string; // who is asked: an entity, an instance, an activity
  start: number;
  end: number | null; // null: it still runs
  outcome: "done" | "failed" | "open";
  asked: Event;
  answer: Event | null;
}

const LANES: Record<string, Span["lane"]> = {
  TaskScheduled: "activity",
  SubOrchestrationInstanceCreated: "sub-orchestration",
  TimerCreated: "timer",
  EntityOperationCalled: "entity",
  EntityLockRequested: "lock",
};

const ANSWERS = new Set([
  "TaskCompleted",
  "TaskFailed",
  "SubOrchestrationInstanceCompleted",
  "SubOrchestrationInstanceFailed",
  "TimerFired",
  "EntityOperationCompleted",
  "EntityOperationFailed",
  "EntityLockGranted",
]);

export const ENDS = new Set(["ExecutionCompleted", "ExecutionTerminated", "ExecutionCanceled"]);

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function nameOf(event: Event): { name: string; target: string } {
  switch (event.event_type) {
    case "TaskScheduled":
      return { name: text(event["name"]), target: text(event["name"]) };
    case "SubOrchestrationInstanceCreated":
      return { name: text(event["name"]), target: text(event["instance_id"]) };
    case "TimerCreated":
      return { name: text(event["purpose"]) || "timer", target: "timer" };
    case "EntityOperationCalled":
      return { name: text(event["operation"]), target: text(event["entity_id"]) };
    case "EntityLockRequested":
      return { name: "lock", target: ((event["entity_ids"] as string[] | undefined) ?? []).join(", ") };
    default:
      return { name: text(event["name"]) || event.event_type, target: "" };
  }
}

export function spansOf(history: Event[]): Span[] {
  const spans: Span[] = [];
  const open = new Map<number, Span>();
  for (const event of history) {
    const at = Date.parse(event.timestamp);
    const lane = LANES[event.event_type];
    if (lane) {
      const span: Span = { id: spans.length, lane, ...nameOf(event), start: at, end: null, outcome: "open", asked: event, answer: null };
      spans.push(span);
      open.set(event.task_id, span);
    } else if (ANSWERS.has(event.event_type)) {
      const span = open.get(event.task_id);
      if (!span) continue;
      open.delete(event.task_id);
      span.end = at;
      span.outcome = event.event_type.endsWith("Failed") ? "failed" : "done";
      span.answer = event;
    } else if (event.event_type === "EventRaised") {
      spans.push({ id: spans.length, lane: "event", ...nameOf(event), start: at, end: at, outcome: "done", asked: event, answer: null });
    } else if (ENDS.has(event.event_type)) {
      for (const span of open.values()) span.end = at;
      open.clear();
    }
  }
  return spans;
}

const STATUSES = ["Running", "Completed", "ContinuedAsNew", "Failed", "Canceled", "Terminated", "Pending", "Suspended"]; // by their numbers in events

const FOR_WORKERS = new Set(["execution_id", "children", "running_children", "ran_out", "asked", "encoded_twice"]); // say nothing to people

// What an event says beside its type and time, on one line: numbers that stand for words and times as these, and nothing of what is as ever.
export function fieldsOf(event: Event): Record<string, unknown> {
  const { event_type: _type, timestamp: _time, task_id: _task, ...fields } = event;
  if (typeof fields["status"] === "number") fields["status"] = STATUSES[fields["status"]] ?? fields["status"];
  if (fields["attempt"] === 1) delete fields["attempt"];
  if (fields["queue"] === "") delete fields["queue"];
  const shown = Object.entries(fields).filter(([name, value]) => value !== null && value !== undefined && !FOR_WORKERS.has(name));
  return Object.fromEntries(
    shown.map(([name, value]) => (name.endsWith("_at_ms") && typeof value === "number" ? [name.slice(0, -3), new Date(value).toISOString()] : [name, value])),
  );
}

export interface Message {
  from: string;
  to: string;
  text: string;
  at: number;
  answer: boolean;
  failed: boolean;
}

// The same as messages between those who take part, for a sequence diagram.
export function messagesOf(history: Event[], me: string): { who: string[]; messages: Message[] } {
  const messages: Message[] = [];
  const spans = spansOf(history);
  for (const span of spans) {
    const party = span.lane === "timer" ? "timers" : span.lane === "event" ? "outside" : span.target;
    if (span.lane === "event") {
      messages.push({ from: party, to: me, text: span.name, at: span.start, answer: false, failed: false });
      continue;
    }
    messages.push({ from: me, to: party, text: span.name, at: span.start, answer: false, failed: false });
    if (span.answer)
      messages.push({ from: party, to: me, text: span.outcome === "failed" ? "failed" : "", at: span.end ?? span.start, answer: true, failed: span.outcome === "failed" });
  }
  for (const event of history) {
    const at = Date.parse(event.timestamp);
    if (event.event_type === "EntityOperationSignaled")
      messages.push({ from: me, to: text(event["entity_id"]), text: text(event["operation"]), at, answer: false, failed: false });
    if (event.event_type === "EventSent")
      messages.push({ from: me, to: text(event["instance_id"]), text: text(event["name"]), at, answer: false, failed: false });
    if (event.event_type === "OrchestrationInstanceStarted")
      messages.push({ from: me, to: text(event["instance_id"]), text: `start ${text(event["name"])}`, at, answer: false, failed: false });
  }
  messages.sort((one, other) => one.at - other.at);
  const who = [me, ...new Set(messages.flatMap((one) => [one.from, one.to]).filter((one) => one !== me))];
  return { who, messages };
}

// The same as the text of a Mermaid diagram.
export function mermaid(history: Event[], me: string): string {
  const { who, messages } = messagesOf(history, me);
  const clean = (name: string) => name.replaceAll(/[\r\n;#:]/g, " ").trim() || "-";
  const lines = ["sequenceDiagram", ...who.map((name, at) => `    participant p${at} as ${clean(name)}`)];
  for (const one of messages) {
    const arrow = one.failed ? "--x" : one.answer ? "-->>" : "->>";
    lines.push(`    p${who.indexOf(one.from)}${arrow}p${who.indexOf(one.to)}: ${clean(one.text || "done")}`);
  }
  return lines.join("\n") + "\n";
}
