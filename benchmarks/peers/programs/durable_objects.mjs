// What the workloads are for Durable Objects, and the door to them: POST /KEY with an amount adds, and gives the new value.
import { DurableObject } from "cloudflare:workers";

export class Counter extends DurableObject {
  async add(amount) {
    const value = ((await this.ctx.storage.get("value")) ?? 0) + amount;
    // Not awaited, as the platform's documentation advises: no answer leaves before it is on the disk.
    this.ctx.storage.put("value", value);
    return value;
  }
}

export default {
  async fetch(request, env) {
    const key = new URL(request.url).pathname.slice(1);
    const counter = env.COUNTERS.get(env.COUNTERS.idFromName(key));
    return Response.json(await counter.add(await request.json()));
  },
};
