// What workers have published of orchestrations.
import { api, must, type Schemas } from "./api";
import { useAsked, useLive } from "./live";

// Undefined until that is known; null if nobody has published it.
export function useOrchestration(name: string): Schemas["OrchestrationShown"] | null | undefined {
  const { info } = useLive();
  const known = `orchestration/${name.toLowerCase()}` in (info?.names ?? {});
  const asked = useAsked(
    known ? (signal) => must(api.GET("/api/v1/orchestrations/{name}", { params: { path: { name } }, signal })) : null,
    ["orchestration", name],
    60,
  );
  return asked.data ?? (info && (!known || asked.error) ? null : undefined);
}
