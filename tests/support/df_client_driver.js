// Drives the JavaScript client of Durable Functions: `node df_client_driver.js FOLDER`, the folder where it is installed.
// The first line of its input is the client binding, each other one a call; for each it writes a line, with a value or an error.
"use strict";
const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");
const df = createRequire(path.join(path.resolve(process.argv[2]), "package.json"))("durable-functions");

const statusOf = (status) => ({
  ...status,
  created: new Date(status.createdTime).getTime() > 0,
  events: (status.history || []).map((event) => event.EventType),
});
const filter = ({ since, until, statuses_ }) => ({
  createdTimeFrom: since && new Date(since),
  createdTimeTo: until && new Date(until),
  runtimeStatus: statuses_,
});

const verbs = (client) => ({
  start: ({ name, id, input }) => client.startNew(name, { instanceId: id, input }),
  status: async ({ id, history = false, input = true }) =>
    statusOf(await client.getStatus(id, { showHistory: history, showHistoryOutput: history, showInput: input })),
  list: async () => (await client.getStatusAll()).map(statusOf),
  list_by: async (wanted) => (await client.getStatusBy(filter(wanted))).map(statusOf),
  event: ({ id, name, data }) => client.raiseEvent(id, name, data),
  terminate: ({ id, reason }) => client.terminate(id, reason),
  suspend: ({ id, reason }) => client.suspend(id, reason),
  resume: ({ id, reason }) => client.resume(id, reason),
  rewind: ({ id, reason }) => client.rewind(id, reason),
  purge: async ({ id }) => (await client.purgeInstanceHistory(id)).instancesDeleted,
  purge_by: async (wanted) => (await client.purgeInstanceHistoryBy(filter(wanted))).instancesDeleted,
  signal: ({ entity, key, operation, input }) => client.signalEntity(new df.EntityId(entity, key), operation, input),
  read: async ({ entity, key }) => {
    const found = await client.readEntityState(new df.EntityId(entity, key));
    return [found.entityExists, found.entityState ?? null];
  },
  wait: async ({ id, timeout_ms = 20000 }) => {
    const options = { timeoutInMilliseconds: timeout_ms, retryIntervalInMilliseconds: 10 };
    const answer = await client.waitForCompletionOrCreateCheckStatusResponse(undefined, id, options);
    const body = await answer.text();
    return [answer.status, body ? JSON.parse(body) : null];
  },
  links: async ({ id }) => client.createHttpManagementPayload(id),
});

async function main() {
  let call;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (!call) {
      const binding = JSON.parse(line);
      const input = df.input.durableClient();
      const context = { options: { extraInputs: [input] }, extraInputs: new Map([[input, binding]]) };
      call = verbs(df.getClient(context));
      continue;
    }
    const { verb, ...given } = JSON.parse(line);
    let answer;
    try {
      answer = { value: (await call[verb](given)) ?? null };
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}

main();
