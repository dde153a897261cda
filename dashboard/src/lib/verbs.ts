// What can be done to instances, and to which.
import { api, must } from "./api";

export const FINISHED = new Set<string>(["Completed", "Failed", "Canceled", "Terminated"]);
export const VERBS = ["cancel", "terminate", "suspend", "resume", "rewind", "purge"] as const;
export type Verb = (typeof VERBS)[number];

export function titled(verb: Verb): string {
  return verb.charAt(0).toUpperCase() + verb.slice(1);
}

// What makes sense for an instance, by its status.
export function suits(verb: Verb, status: string): boolean {
  switch (verb) {
    case "purge":
      return FINISHED.has(status);
    case "rewind":
      return status === "Failed";
    case "resume":
      return status === "Suspended";
    case "suspend":
      return status === "Running" || status === "Pending";
    case "cancel":
    case "terminate":
      return !FINISHED.has(status);
  }
}

// What a verb does, where its name does not say it.
export const MEANT: Partial<Record<Verb, string>> = {
  cancel: "It is asked to end, and may undo what it has done before.",
  terminate: "It ends at once, and undoes nothing.",
  purge: "It is deleted with its history.",
};

export async function change(verb: Verb, instance_id: string, reason: string): Promise<void> {
  const path = { instance_id };
  if (verb === "purge") await must(api.DELETE("/api/v1/instances/{instance_id}", { params: { path, query: {} } }));
  else await must(api.POST(`/api/v1/instances/{instance_id}/${verb}`, { params: { path }, body: { reason, recursive: true } }));
}
