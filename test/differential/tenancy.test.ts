/**
 * Ids of others, in every place of the contract that takes one, through every door: as if there were no such thing, never
 * data, and nothing of the other is touched. The places are read from the schemas: a new one is covered, or its test says
 * that nobody here has such a thing.
 */
import { describe, expect, test } from "vitest";
import { operations, subscriptions, type OperationName, type SubscriptionName } from "../../schema/index.ts";
import type { AnyOperation } from "../../schema/operation.ts";
import { mariaCharge, startApp } from "../support/app.ts";
import { contractDoor, inProcess, jsonSchemaOf, streamingDoors, wireDoors, type FailedOutcome, type Json, type Watch } from "../support/doors.ts";
import { rowsOf } from "../support/sameness.ts";
import { newTenant, type Tenant } from "../support/tenants.ts";

const app = await startApp();

/** Names that end like an id and are of no tenant: whatever a caller calls its users, agents and attempts, and servers of the catalogue. */
const everybodys = ["user_id", "agent_id", "attempt_id", "server_id"];
/** A name that its caller chooses, behind which each tenant has something of its own: an answer, and nothing of the other in it. */
const chosen = ["consumer_id"];
const cursors = ["before", "after"];

const every: AnyOperation[] = [...Object.values(operations), ...Object.values(subscriptions)];
const isPlace = (name: string) => cursors.includes(name) || (name.endsWith("_id") && !everybodys.includes(name));
const placesOf = ({ input }: AnyOperation) => Object.keys(jsonSchemaOf(input).properties ?? {}).filter(isPlace);
const isRequired = ({ input }: AnyOperation, place: string) => jsonSchemaOf(input).required?.includes(place) === true;
const places = every.flatMap((operation) => placesOf(operation).map((place) => ({ name: operation.name, place, operation })));

/** What a tenant has that an input can name. */
interface Belongings {
  /** On every charge and verification. */
  buyer: string;
  session_id: string;
  tool_call_id: string;
  connection_id: string;
  key_id: string;
  project_id: string;
  mandate_id: string;
  consumer_id: string;
  /** Of a consent that was given. */
  token: string;
  /** Where a list or stream goes on, by the name of its operation. */
  cursors: Record<string, string>;
}

/** A settled charge, a verification, a run, all in one session. */
async function belongingsOf(tenant: Tenant, buyer: string): Promise<Belongings> {
  const session_id = await tenant.session();
  const execute = async (tool: string, input: object) => (await tenant.call("tools.execute", { session_id, tool, input })).tool_call_id!;
  const tool_call_id = await execute("codespar_charge", { ...mariaCharge, buyer: { name: buyer, document: "11144477735" } });
  await execute("codespar_kyc", { subject: { name: buyer } });
  await app.pass(10_000);
  const { key: { id: key_id } } = await tenant.call("keys.whoami", {});
  const { connections } = await tenant.call("connections.list", {});
  const { transactions } = await tenant.call("ledger.transactions", {});
  const connection_id = connections[0]!.id;
  const consumer_id = `consumer-${tenant.projectId.toLowerCase()}`;
  const { token } = await tenant.call("consents.create", { agent_id: "shopper", intent: { purpose: "x", cap_minor: 500, per_tx_cap_minor: 500, currency: "BRL" } });
  const { mandate_id } = await tenant.call("consents.submit", { token, consumer_id });
  const first = async (name: SubscriptionName, input: object) => {
    const context = app.context({ credential: tenant.key, signal: AbortSignal.timeout(10_000) });
    for await (const { id } of await app.door.subscribe(name, input, context)) return id;
    throw new Error(`${name} had nothing to say`);
  };
  return {
    buyer, session_id, tool_call_id, connection_id, key_id, project_id: tenant.projectId, mandate_id, consumer_id, token,
    cursors: {
      "sessions.list": session_id, "sessions.logs": tool_call_id, "toolCalls.list": tool_call_id, "connections.list": connection_id,
      "keys.list": key_id, "projects.list": tenant.projectId, "ledger.transactions": transactions[0]!.id, "mandates.list": mandate_id,
      "toolCalls.watch": await first("toolCalls.watch", { session_id }),
      "logs.watch": await first("logs.watch", {}),
      "sessions.sendStream": await first("sessions.sendStream", { session_id, message: "hello" }),
    },
  };
}

const asker = await newTenant(app);
const own = await belongingsOf(asker, "Ana Dona");
// A watch of a closed session ends by itself.
await asker.call("sessions.close", { session_id: own.session_id });

const strangers: [whose: string, tenant: Tenant, theirs: Belongings][] = [];
const others = { "another project of the organization": await asker.neighbour(), "another organization": await newTenant(app) };
for (const [whose, tenant] of Object.entries(others))
  strangers.push([whose, tenant, await belongingsOf(tenant, `Zefa of ${whose}`)]);

const rowsOfTenant = ({ projectId }: Tenant) => rowsOf(app.platform.db, { project_id: projectId });
const rowsBefore = new Map<Tenant, unknown>();
for (const [, tenant] of strangers) rowsBefore.set(tenant, await rowsOfTenant(tenant));

/** What an operation may require beside the place under test. */
const mine: Json = {
  ...own, server_id: "asaas", tool: "codespar_discover", input: { use_case: "ship" }, message: "hello", name: "Mine",
  connection_metadata: {}, secret: "secret", server: "asaas", endpoint: "/customers", method: "GET",
  amount_minor: 1, payee: "loja@example.com", agent_id: "shopper", from_currency: "BRL", to_currency: "USDC",
  intent: { purpose: "x", cap_minor: 500, per_tx_cap_minor: 500, currency: "BRL" },
};

/** The asker's own input, of what an operation requires. */
const ownInput = (operation: AnyOperation): Json =>
  Object.fromEntries(Object.entries(mine).filter(([name]) => isRequired(operation, name)));

/** The same with one thing of a stranger in it. */
function inputWith(operation: AnyOperation, place: string, theirs: Belongings): Json {
  const foreign = cursors.includes(place) ? theirs.cursors[operation.name] : (theirs as unknown as Json)[place];
  if (foreign === undefined) throw new Error(`${operation.name} takes ${place}, and nobody here has one`);
  return { ...ownInput(operation), [place]: foreign };
}

/** How a call with a foreign thing in this place may end. */
function ending(operation: AnyOperation, place: string): RegExp {
  if (cursors.includes(place)) return /^(an answer|cursor_invalid)$/;
  if (chosen.includes(place)) return /^(an answer|consent_already_resolved)$/;
  return isRequired(operation, place) ? /^[a-z_]+_not_found$/ : /^an answer$/;
}

/** What is theirs in a text, beside the id that was asked for. */
const leaked = (text: string, { cursors: _places, ...secrets }: Belongings, asked: unknown): string[] =>
  Object.values(secrets).filter((secret) => secret !== asked && text.includes(secret));

/** The answers as they came: a door's client might leave out what should not be there. */
let heard = "";
const overheard = {
  ...inProcess(app),
  fetch: async (request: Request) => {
    const response = await app.http.fetch(request);
    const listening = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        heard += Buffer.from(chunk).toString();
        controller.enqueue(chunk);
      },
    });
    return response.body ? new Response(response.body.pipeThrough(listening), response) : response;
  },
};
const doors = [contractDoor(app), ...wireDoors(overheard)];

/** A log has no end of its own: it has been read when it tells of a call that the asker has just made. */
async function untilHeard({ items, ended }: Watch): Promise<FailedOutcome | undefined> {
  const { tool_call_id } = await asker.run("codespar_discover", { use_case: "ship" });
  return Promise.race([ended, expect.poll(() => items.map(({ id }) => id), { timeout: 10_000 }).toContain(tool_call_id).then(() => undefined)]);
}

describe("the asker's own", () => {
  const reads = every.filter(({ effect, kind }) => effect === "reads" && kind === "unary");

  test.each(reads)("$name tells nothing of anyone else", async (operation) => {
    for (const door of doors.filter((each) => each.has(operation.name as OperationName))) {
      heard = "";
      const outcome = await door.call(operation.name as OperationName, ownInput(operation), { key: asker.key });
      expect([door.name, outcome]).toMatchObject([door.name, { ok: true }]);
      const told = JSON.stringify(outcome) + heard;
      expect([door.name, strangers.flatMap(([, , theirs]) => leaked(told, theirs, undefined))]).toEqual([door.name, []]);
    }
  });
});

describe.each(strangers)("of %s", (_whose, tenant, theirs) => {
  const unary = places.filter(({ operation }) => operation.kind === "unary");
  const streams = places.filter(({ operation }) => operation.kind === "stream");

  test.each(unary)("$name with their $place", async ({ name, place, operation }) => {
    const input = inputWith(operation, place, theirs);
    for (const door of doors.filter((each) => each.has(name as OperationName))) {
      heard = "";
      const outcome = await door.call(name as OperationName, input, { key: asker.key });
      expect([door.name, outcome.ok ? "an answer" : outcome.code]).toEqual([door.name, expect.stringMatching(ending(operation, place))]);
      const nothing = outcome.ok ? { value: { next_before: null } } : { field: place, http: 404 };
      if (!cursors.includes(place) && !chosen.includes(place)) expect([door.name, outcome]).toMatchObject([door.name, nothing]);
      expect([door.name, leaked(JSON.stringify(outcome) + heard, theirs, input[place])]).toEqual([door.name, []]);
    }
  });

  test.each(streams)("$name with their $place", async ({ name, place, operation }) => {
    const input = inputWith(operation, place, theirs);
    for (const door of streamingDoors(overheard)) {
      heard = "";
      const watch = door.watch(name as SubscriptionName, input, { key: asker.key });
      const failure = await (name === "logs.watch" ? untilHeard(watch) : watch.ended);
      expect([door.name, failure?.code ?? "an answer"]).toEqual([door.name, expect.stringMatching(ending(operation, place))]);
      expect([door.name, leaked(JSON.stringify([failure, watch.items]) + heard, theirs, input[place])]).toEqual([door.name, []]);
      await watch.stop();
    }
  });

  test("a payment of theirs in the arguments of a tool", async () => {
    const session_id = await asker.session();
    const input = { session_id, tool: "codespar_pay", input: { action: "status", payment_id: theirs.tool_call_id } };
    for (const door of doors) {
      heard = "";
      const outcome = await door.call("tools.execute", input, { key: asker.key });
      const refused = { ok: true, value: { success: false, code: "tool_call_not_found", retry: "never" } };
      expect([door.name, outcome]).toMatchObject([door.name, refused]);
      expect([door.name, leaked(heard, theirs, theirs.tool_call_id)]).toEqual([door.name, []]);
    }
  });

  test("a project of theirs in the header", async () => {
    for (const door of doors) {
      const input = { session_id: theirs.session_id, tool: "codespar_discover", input: { use_case: "ship" } };
      const outcome = await door.call("tools.execute", input, { key: asker.key, project: tenant.projectId });
      const code = tenant.orgId === asker.orgId ? "project_environment_mismatch" : "project_not_found";
      expect([door.name, outcome]).toMatchObject([door.name, { ok: false, code }]);
    }
  });

  test("nothing of theirs was touched by any of this", async () => {
    expect(await rowsOfTenant(tenant)).toEqual(rowsBefore.get(tenant));
  });

  test("their own key reads what others must not", async () => {
    for (const door of wireDoors(overheard)) {
      heard = "";
      const input = { session_id: theirs.session_id, tool: "codespar_pay", input: { payment_id: theirs.tool_call_id } };
      await door.call("tools.execute", input, { key: tenant.key });
      expect([door.name, leaked(heard, theirs, undefined)]).toEqual([door.name, expect.arrayContaining([theirs.tool_call_id])]);
    }
  });
});
