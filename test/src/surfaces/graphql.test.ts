/** The GraphQL surface against a scripted door, in process and over a real loopback server. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache, Observable } from "@apollo/client/core";
import { createClient as createUrql, fetchExchange } from "@urql/core";
import fc from "fast-check";
import {
  getIntrospectionQuery, isInputObjectType, isObjectType, print, printSchema, type GraphQLSchema,
} from "../../../src/surfaces/graphql/graphql-js.ts";
import { auditServer } from "graphql-http";
import { createClient, type Client } from "graphql-sse";
import { afterEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { Failure } from "../../../schema/failures.ts";
import { operations, subscriptions } from "../../../schema/index.ts";
import { MinorUnits } from "../../../schema/money.ts";
import { operation } from "../../../schema/operation.ts";
import type { CallerContext } from "../../../src/door.ts";
import { wholeContract, type Contract } from "../../../src/surfaces/contract.ts";
import { createGraphql, type GraphqlOptions, type GraphqlSurface } from "../../../src/surfaces/graphql/index.ts";
import { buildGraphqlSchema } from "../../../src/surfaces/graphql/schema.ts";
import { HandFedStream, scriptedDoor, type Script } from "../../support/scripted-door.ts";

const contextOf = (request: Request): CallerContext => ({
  credential: request.headers.get("authorization")?.replace("Bearer ", ""),
  origin: "direct",
  requestId: "req_1",
  signal: request.signal,
});

function graphql(script: Script, options: Partial<GraphqlOptions> = {}) {
  const door = scriptedDoor(script);
  const surface = createGraphql({ door, development: false, contextOf, ...options });
  return { door, surface, run: (query: string, variables?: object) => post(surface, { query, variables }) };
}

async function post(surface: GraphqlSurface, body: object): Promise<{ data?: any; errors?: any[]; status: number }> {
  const response = await surface.fetch(new Request("http://test/graphql", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  }));
  return { ...await response.json(), status: response.status };
}

const session = {
  id: "ses_1", org_id: "org_1", project_id: "prj_1", environment: "test", user_id: "u1", servers: ["asaas"],
  status: "active", metadata: { cost_center: "a_b" }, tool_call_count: 0, created_at: "2026-11-20T12:00:00.000Z",
  expires_at: null, closed_at: null, close_reason: null,
};

const payment = (state: string) => ({
  status: state, state, payment_status: state, tool_call_id: "tc_1", idempotency_key: null, external_reference: null,
  provider: "asaas", rail: null, original_status: "success", outcome: "accepted",
  observed_at: "2026-11-20T12:00:00.000Z", amount_minor: 9_007_199_254_740_991,
  final_amount_minor: null, currency: "BRL", settled_at: null, events: [],
});

const toolResult = {
  success: true, data: { pix_key: { key_type: "cpf" } }, error: null, duration: 3, server: "asaas",
  tool: "codespar_charge", provider: "asaas", tool_call_id: "tc_1", called_at: "2026-11-20T12:00:00.000Z",
};

const contractOf = (byName: Contract["operations"]): Contract => ({ operations: byName, subscriptions: {} });

const schemaOf = (contract: Contract) => buildGraphqlSchema(contract, { door: scriptedDoor({}), report: () => {} });

/** An operation that no surface has heard of, with a bit of everything. */
const quote = operation({
  name: "quotes.ask", field: "quote", summary: "Ask for a quote.", effect: "reads", scope: "none", route: "GET /quotes",
  input: z.object({
    parcel_list: z.array(z.object({ weight_g: z.int(), declared_value: MinorUnits.optional() }).meta({ id: "Parcel" })),
    service_level: z.enum(["next-day", "standard"]).default("standard"),
    extra_notes: z.record(z.string(), z.unknown()).optional(),
    erase_me: z.string().nullable().optional(),
  }),
  output: z.object({
    price: MinorUnits,
    best_service: z.enum(["next-day", "standard"]),
    legs: z.array(z.object({ hub_name: z.string().nullable() })),
    flag: z.literal("cheap"),
  }),
  errors: [],
});

describe("the schema", () => {
  const schema = schemaOf(wholeContract);

  test.each(Object.values(operations))("$name is a field of its effect with an argument for every input", (each) => {
    const root = each.effect === "reads" ? schema.getQueryType() : schema.getMutationType();
    const field = root!.getFields()[each.field]!;
    expect(field.description).toBe(each.summary);
    expect(field.args.map((argument) => argument.name)).toEqual(Object.keys(each.input.shape).map(camel).sort());
  });

  test.each(Object.values(subscriptions))("$name is a subscription field with an argument for every input", (each) => {
    const field = schema.getSubscriptionType()!.getFields()[each.field]!;
    expect(field.description).toBe(each.summary);
    expect(field.args.map((argument) => argument.name)).toEqual(Object.keys(each.input.shape).map(camel).sort());
  });

  test("has no root field that the contract has not", () => {
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
    const fields = roots.flatMap((root) => Object.keys(root!.getFields()));
    expect(fields.length).toBe(Object.keys(operations).length + Object.keys(subscriptions).length);
  });

  test("describes every type, field and argument", () => {
    expect(undescribed(schema)).toEqual([]);
  });

  test("projects an operation nobody has prepared it for", () => {
    const text = printSchema(schemaOf(contractOf({ "quotes.ask": quote })));
    expect(text.replace(/ *"""[^"]*"""\n/g, "").replace(/\n\n+/g, "\n").trim()).toBe(`\
scalar Json
scalar MinorUnits
input ParcelInput {
  declaredValue: MinorUnits
  weightG: Int!
}
type Query {
  quote(
    eraseMe: String
    extraNotes: Json
    parcelList: [ParcelInput!]!
    serviceLevel: QuoteServiceLevel = standard
  ): QuoteResult
}
type QuoteResult {
  bestService: QuoteResultBestService!
  flag: String!
  legs: [QuoteResultLegs!]!
  price: MinorUnits!
}
enum QuoteResultBestService {
  next_day
  standard
}
type QuoteResultLegs {
  hubName: String
}
enum QuoteServiceLevel {
  next_day
  standard
}`);
  });

  test("two different types of one name are found when the server starts", () => {
    const parcel = (shape: z.ZodRawShape) => z.object(shape).meta({ id: "Box" });
    const other = operation({ ...quote, name: "quotes.other", field: "other", output: parcel({ a: z.string() }) });
    const again = operation({ ...quote, name: "quotes.again", field: "again", output: parcel({ b: z.string() }) });
    const contract = contractOf({ "quotes.other": other, "quotes.again": again });
    expect(() => schemaOf(contract)).toThrow("two different types are named Box");
  });
});

describe("a call", () => {
  test("reaches the door in the contract's spelling, without nulls, and free JSON as it is", async () => {
    const { door, run } = graphql({ operations: { "tools.execute": () => toolResult } });
    const input = { due_date: null, buyer: { full_name: "Ana", camelCase: 1 } };
    const { data } = await run(`mutation ($s: String!, $t: String!, $i: Json) {
      execute(sessionId: $s, tool: $t, input: $i) { toolCallId data idempotencyKey }
    }`, { s: "ses_1", t: "codespar_charge", i: input });
    expect(door.calls).toMatchObject([
      { name: "tools.execute", input: { session_id: "ses_1", tool: "codespar_charge", input } },
    ]);
    expect(data.execute).toEqual({ toolCallId: "tc_1", data: { pix_key: { key_type: "cpf" } }, idempotencyKey: null });
  });

  test("leaves out what a client sends as null", async () => {
    const page = { sessions: [session], next_before: null };
    const { door, run } = graphql({ operations: { "sessions.list": () => page } });
    const { data } = await run(`query ($u: String, $s: SessionStatus) {
      sessions(userId: $u, status: $s, limit: 2) { sessions { id metadata createdAt expiresAt } nextBefore }
    }`, { u: null, s: "active" });
    expect(door.calls[0]!.input).toEqual({ status: "active", limit: 2 });
    expect(data.sessions.sessions).toEqual([
      { id: "ses_1", metadata: { cost_center: "a_b" }, createdAt: "2026-11-20T12:00:00.000Z", expiresAt: null },
    ]);
  });

  test("respells nested inputs and enum values both ways, and keeps a null the contract knows", async () => {
    const answer = { price: 5, best_service: "next-day", legs: [{ hub_name: null }], flag: "cheap" };
    const contract = contractOf({ "quotes.ask": quote });
    const { door, run } = graphql({ operations: { "quotes.ask": () => answer } }, { contract });
    const { data } = await run(`{
      quote(
        parcelList: [{ weightG: 1, declaredValue: "9007199254740991" }, { weightG: 2, declaredValue: null }]
        serviceLevel: next_day, extraNotes: { a_b: [1, { c_d: null }] }, eraseMe: null
      ) { price bestService legs { hubName } flag }
    }`);
    expect(door.calls[0]!.input).toEqual({
      parcel_list: [{ weight_g: 1, declared_value: 9_007_199_254_740_991 }, { weight_g: 2 }],
      service_level: "next-day", extra_notes: { a_b: [1, { c_d: null }] }, erase_me: null,
    });
    expect(data.quote).toEqual({ price: 5, bestService: "next_day", legs: [{ hubName: null }], flag: "cheap" });
  });

  test("carries who asks to the door", async () => {
    const { door, surface } = graphql({ operations: { "keys.whoami": () => null } });
    await surface.fetch(new Request("http://test/graphql", {
      method: "POST", headers: { "content-type": "application/json", authorization: "Bearer csk_test_1" },
      body: JSON.stringify({ query: "{ whoami { key { id } } }" }),
    }));
    expect(door.calls[0]!.context).toMatchObject({ credential: "csk_test_1", origin: "direct", requestId: "req_1" });
  });
});

describe("amounts", () => {
  const pay = operation({
    name: "quotes.pay", field: "pay", summary: "Pay.", effect: "reads", scope: "none", route: "GET /pay",
    input: z.object({ amount: MinorUnits }), output: z.object({ amount: MinorUnits }), errors: [],
  });
  const contract = contractOf({ "quotes.pay": pay });
  const { run } = graphql({ operations: { "quotes.pay": (input: object) => input } }, { contract });
  const paid = async (amount: unknown) => run("query ($a: MinorUnits!) { pay(amount: $a) { amount } }", { a: amount });

  test("are JSON integers, exact up to 2^53-1", async () => {
    const { run: read } = graphql({ operations: { "payments.status": () => payment("pending") } });
    const { data } = await read('{ paymentStatus(toolCallId: "tc_1") { amountMinor finalAmountMinor } }');
    expect(data.paymentStatus).toEqual({ amountMinor: 9_007_199_254_740_991, finalAmountMinor: null });
  });

  test("are taken as integers and as text of integers", async () => {
    await fc.assert(fc.asyncProperty(fc.maxSafeNat(), fc.boolean(), async (amount, asText) => {
      expect((await paid(asText ? String(amount) : amount)).data).toEqual({ pay: { amount } });
    }), { numRuns: 50 });
    const { data } = await run("{ pay(amount: 9007199254740991) { amount } }");
    expect(data).toEqual({ pay: { amount: 9_007_199_254_740_991 } });
  });

  const others = [15.5, "15.5", "9007199254740992", 9_007_199_254_740_992, "", "1e3", true, {}];
  test.each(others)("refuse %j", async (amount) => {
    const { errors, status } = await paid(amount);
    expect(errors![0].message).toContain("MinorUnits: expected an integer from -(2^53-1) to 2^53-1");
    expect(errors![0].extensions.code).toBe("GRAPHQL_VALIDATION_FAILED");
    expect(status).toBeLessThan(500);
  });

  test.each(["15.0", "15.5", "9007199254740993", "null", "true"])("refuse the literal %s", async (literal) => {
    const { errors } = await run(`{ pay(amount: ${literal}) { amount } }`);
    expect(errors![0].extensions.code).toBe("GRAPHQL_VALIDATION_FAILED");
  });
});

describe("a failure", () => {
  test("arrives with its code, field, expectation, retry and request id", async () => {
    const at = { field: "session_id", expected: "fewer", limit: 5, windowSeconds: 60 };
    const { run } = graphql({ operations: { "sessions.get": () => {
      throw new Failure("rate_limited", at, { retryAfterSeconds: 7 });
    } } });
    const { data, errors } = await run('{ session(sessionId: "ses_1") { id } }');
    expect(data).toEqual({ session: null });
    expect(errors).toEqual([{
      message: "More than 5 calls in 60 s with this key. Slow down; nothing was done and nothing is billed.",
      path: ["session"], locations: [{ line: 1, column: 3 }],
      extensions: {
        code: "rate_limited", retry: "after", field: "session_id", expected: "fewer", retryAfter: 7,
        requestId: "req_1", httpStatus: 429,
      },
    }]);
  });

  test("leaves its neighbour the answer of money that has moved", async () => {
    const { run } = graphql({ operations: { "tools.execute": ({ session_id: sessionId }: { session_id: string }) => {
      if (sessionId === "ses_1") return toolResult;
      throw new Failure("session_not_active", { sessionId, reason: "idle" });
    } } });
    const { data, errors } = await run(`mutation {
      a: execute(sessionId: "ses_1", tool: "t") { toolCallId }
      b: execute(sessionId: "ses_2", tool: "t") { toolCallId }
    }`);
    expect(data).toEqual({ a: { toolCallId: "tc_1" }, b: null });
    expect(errors).toMatchObject([{ path: ["b"], extensions: { code: "session_not_active" } }]);
  });

  test("that is a bug of ours is told to the operator, and to the caller only by request id", async () => {
    const reported: unknown[] = [];
    const script: Script = { operations: {
      "sessions.get": () => { throw new TypeError("secret detail"); },
      "payments.status": () => ({ ...payment("pending"), amount_minor: 1.5 }),
      "keys.whoami": () => ({ organization: null }),
    } };
    const { run } = graphql(script, { report: (error, requestId) => reported.push([String(error), requestId]) });
    const { errors } = await run(`{ session(sessionId: "ses_1") { id } paymentStatus(toolCallId: "tc_1") { amountMinor }
      whoami { organization { id } } }`);
    expect(errors!.map(({ message, extensions }) => [message, extensions])).toEqual(Array(3).fill([
      expect.stringMatching(/^Something went wrong on our side/),
      { code: "internal", retry: "same_key", requestId: "req_1", httpStatus: 500 },
    ]));
    expect(reported.toSorted()).toEqual([
      ["Error: Cannot return null for non-nullable field Identity.organization.", "req_1"],
      ["TypeError: MinorUnits cannot carry 1.5", "req_1"],
      ["TypeError: secret detail", "req_1"],
    ]);
  });

  test("of the query itself keeps the code that GraphQL clients know", async () => {
    const { run, door } = graphql({});
    const code = async (query: string, variables?: object) => (await run(query, variables)).errors![0].extensions.code;
    const defaulted = 'query ($s: String = "a") { session(sessionId: $s) { id } }';
    expect(await code("{ nope }")).toBe("GRAPHQL_VALIDATION_FAILED");
    expect(await code("{")).toBe("GRAPHQL_PARSE_FAILED");
    expect(await code(defaulted, { s: null })).toBe("GRAPHQL_VALIDATION_FAILED");
    expect(door.calls).toEqual([]);
  });

  test("of the context is masked", async () => {
    const { run } = graphql({}, { contextOf: () => { throw new Error("secret detail"); } });
    const { errors } = await run("{ whoami { key { id } } }");
    expect(errors).toMatchObject([{ extensions: { code: "internal" } }]);
    expect(JSON.stringify(errors)).not.toContain("secret");
  });
});

describe("limits", () => {
  const nested = (levels: number) => "{ a ".repeat(levels).replace("a", "whoami") + "}".repeat(levels);
  const refusals = async (query: string, development = false) => {
    const { run } = graphql({ operations: { "keys.whoami": () => null } }, { development });
    return (await run(query)).errors?.map((error) => error.message) ?? [];
  };

  test("refuse what is deeper than 12 levels, through fragments too", async () => {
    const tooDeep = "The query is deeper than 12 levels.";
    expect(await refusals(nested(12))).not.toContain(tooDeep);
    expect(await refusals(nested(13))).toContain(tooDeep);
    expect(await refusals(`query { ...F } fragment F on Query ${nested(13)}`)).toContain(tooDeep);
    const circular = "query { ...F } fragment F on Query { ...F }";
    expect(await refusals(circular)).toEqual(['Cannot spread fragment "F" within itself.']);
  });

  test("refuse more than 30 aliases before any of them is asked", async () => {
    const alias = (_: unknown, index: number) => `a${index}: whoami { key { id } }`;
    const aliases = (count: number) => `{ ${Array.from({ length: count }, alias).join(" ")} }`;
    const { run, door } = graphql({ operations: { "keys.whoami": () => null } });
    expect((await run(aliases(31))).errors![0].message).toBe("The document has more than 30 aliases.");
    expect(door.calls.length).toBe(0);
    expect((await run(aliases(30))).errors).toBeUndefined();
    expect(door.calls.length).toBe(30);
  });

  test("refuse more than 2,000 tokens and more than 32,768 characters", async () => {
    const [tokens] = await refusals(`{ whoami { ${"key ".repeat(2000)} } }`);
    const [characters] = await refusals(`#${" ".repeat(32_768)}\n{ whoami { key { id } } }`);
    expect(tokens).toContain("more that 2000 tokens");
    expect(characters).toBe("The document is longer than 32768 characters.");
  });

  test("let a schema be read in development only", async () => {
    const disabled = "GraphQL introspection has been disabled, but the requested query contained the field";
    expect(await refusals("{ __schema { types { name } } }")).toContain(`${disabled} "__schema".`);
    expect(await refusals('{ __type(name: "Query") { name } }')).toContain(`${disabled} "__type".`);
    expect(await refusals(getIntrospectionQuery(), true)).toEqual([]);
  });

  test("show GraphiQL in development only", async () => {
    const page = (development: boolean) => graphql({}, { development }).surface
      .fetch(new Request("http://test/graphql", { headers: { accept: "text/html" } }));
    expect((await (await page(true)).text()).toLowerCase()).toContain("graphiql");
    expect((await (await page(false)).text()).toLowerCase()).not.toContain("graphiql");
  });
});

const running: Server[] = [];
const clients: Client<boolean>[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.dispose();
  await Promise.all(running.splice(0).map((server) => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  })));
});

/** A host as small as one can be: it reads the body once, as bytes. */
async function listen(surface: GraphqlSurface): Promise<string> {
  const server = createServer(async (request: IncomingMessage & { body?: unknown }, response) => {
    if (request.method === "POST") request.body = await buffer(request);
    await surface.handle(request, response);
  });
  running.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}

describe("over HTTP", () => {
  test("every audit of GraphQL over HTTP passes", async () => {
    const url = await listen(graphql({ operations: { "keys.whoami": () => null } }, { development: true }).surface);
    const results = await auditServer({ url });
    expect(results.filter((result) => result.status !== "ok").map((result) => result.name)).toEqual([]);
    expect(results.length).toBe(61);
  });

  test.each([["{}"], ["[]"], ["null"], ["7"], [""], ["{"]])("a body of %j is a mistake of the caller", async (body) => {
    const url = await listen(graphql({}).surface);
    const headers = { "content-type": "application/json", accept: "application/graphql-response+json" };
    const response = await fetch(url, { method: "POST", headers, body });
    expect(response.status).toBe(400);
    expect(await response.text()).not.toContain("node_modules");
  });

  test("a host may hand over the body parsed", async () => {
    const { surface, door } = graphql({ operations: { "keys.whoami": () => null } });
    const url = await listen({ ...surface, handle: (request, response) => {
      request.body = JSON.parse(String(request.body));
      return surface.handle(request, response);
    } });
    const ask = (body: unknown) => fetch(url, {
      method: "POST", body: JSON.stringify(body),
      headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    });
    expect((await ask({ query: "{ whoami { key { id } } }" })).status).toBe(200);
    expect((await ask({})).status).toBe(400);
    expect(door.calls.length).toBe(1);
  });

  test("a GET reads, and never acts", async () => {
    const { surface, door } = graphql({ operations: { "keys.whoami": () => null }, subscriptions: {} });
    const url = await listen(surface);
    const get = (query: string, accept = "application/json") =>
      fetch(`${url}?query=${encodeURIComponent(query)}`, { headers: { accept } });
    expect((await get("{ whoami { key { id } } }")).status).toBe(200);
    expect((await get('mutation { closeSession(sessionId: "s") { id } }')).status).toBe(405);
    const stream = await get(SEND, "text/event-stream");
    expect(await stream.text()).toContain('"code":"method_not_allowed"');
    expect(door.calls.map((call) => call.name)).toEqual(["keys.whoami"]);
  });
});

const SEND = 'subscription { send(sessionId: "s", message: "m") { ... on DoneEvent { cursor } } }';
const PAYMENT = 'subscription { paymentStatus(toolCallId: "tc_1") { status amountMinor } }';

async function received(client: Client<boolean>, query: string, count = Infinity): Promise<any[]> {
  const results: unknown[] = [];
  for await (const result of client.iterate({ query })) if (results.push(result) >= count) break;
  return results;
}

function sse(url: string, singleConnection = false): Client<boolean> {
  const client = createClient<boolean>({ url, singleConnection, retryAttempts: 0 });
  clients.push(client);
  return client;
}

const settles: Script["subscriptions"] = { "payments.watch": async function* () {
  yield { id: "1", item: payment("pending") };
  yield { id: "2", item: payment("succeeded") };
} };
const settled = [
  { data: { paymentStatus: { status: "pending", amountMinor: 9_007_199_254_740_991 } } },
  { data: { paymentStatus: { status: "succeeded", amountMinor: 9_007_199_254_740_991 } } },
];

const modes = [
  ["/graphql, a connection each", "", false],
  ["/graphql/stream, a connection each", "/stream", false],
  ["/graphql/stream, one for all", "/stream", true],
] as const;

describe.each(modes)("a subscription over %s", (_name, path, single) => {
  test("receives every item and ends", async () => {
    const { surface, door } = graphql({ subscriptions: settles });
    expect(await received(sse(await listen(surface) + path, single), PAYMENT)).toEqual(settled);
    expect(door.calls).toMatchObject([{ name: "payments.watch", input: { tool_call_id: "tc_1" } }]);
  });

  test("tells events apart", async () => {
    const { surface } = graphql({ subscriptions: { "sessions.sendStream": async function* () {
      yield { id: "1", item: { type: "text_delta", cursor: "1", text: "Hi", iteration: 1 } };
      const input = { pix_key: "k" };
      yield { id: "2", item: { type: "tool_use", cursor: "2", id: "tu_1", name: "codespar_pay", input } };
    } } });
    const query = `subscription { send(sessionId: "ses_1", message: "pay") {
      __typename ... on TextDeltaEvent { text cursor } ... on ToolUseEvent { name input } } }`;
    const results = await received(sse(await listen(surface) + path, single), query);
    expect(results.map((result) => result.data.send)).toEqual([
      { __typename: "TextDeltaEvent", text: "Hi", cursor: "1" },
      { __typename: "ToolUseEvent", name: "codespar_pay", input: { pix_key: "k" } },
    ]);
  });

  test("is told why it was refused, and why it broke", async () => {
    const { surface } = graphql({ subscriptions: {
      "payments.watch": async function* () {
        yield { id: "1", item: payment("pending") };
        throw new Failure("shutting_down", {});
      },
      "toolCalls.watch": () => { throw new Failure("session_not_found", { sessionId: "ses_9" }); },
    } });
    const client = sse(await listen(surface) + path, single);
    expect(await received(client, PAYMENT)).toMatchObject([
      settled[0], { data: null, errors: [{ extensions: { code: "shutting_down", requestId: "req_1" } }] },
    ]);
    expect(await received(client, 'subscription { toolCalls(sessionId: "ses_9") { cursor } }')).toMatchObject([
      { errors: [{ extensions: { code: "session_not_found", httpStatus: 404 } }] },
    ]);
  });

  test("ends with the reason when the server stops, watches first", async () => {
    const watches = new AbortController();
    const stop = { watches: watches.signal, sends: new AbortController().signal };
    const send = new HandFedStream<unknown>();
    const { surface } = graphql({ subscriptions: {
      "payments.watch": () => new HandFedStream<unknown>(), "sessions.sendStream": () => send,
    } }, { stop });
    const client = sse(await listen(surface) + path, single);
    const watched = received(client, PAYMENT);
    const sent = received(client, SEND);
    await sleep(50);
    watches.abort();
    expect(await watched).toMatchObject([{ errors: [{ extensions: { code: "shutting_down", retry: "same_key" } }] }]);
    send.push("1", { type: "done", cursor: "1" });
    send.end();
    expect(await sent).toEqual([{ data: { send: { cursor: "1" } } }]);
  });

  test("lets go of the door's stream when the client stops listening", async () => {
    const { stream, surface } = handFed();
    const client = sse(await listen(surface) + path, single);
    const first = received(client, PAYMENT, 1);
    stream.push("1", payment("pending"));
    expect(await first).toEqual([settled[0]]);
    await stream.released;
  });

  test("lets go of the door's stream when the connection is cut", async () => {
    const { stream, surface } = handFed();
    const client = sse(await listen(surface) + path, single);
    const broken = received(client, PAYMENT).catch(() => {});
    stream.push("1", payment("pending"));
    while (stream.taken === 0) await sleep(5);
    running[0]!.closeAllConnections();
    await stream.released;
    await broken;
  });

  test("a burst of 2,000 items arrives whole and in order, and starves nobody", async () => {
    const burst: Script = {
      operations: { "keys.whoami": () => null },
      subscriptions: { "payments.watch": async function* () {
        for (let index = 0; index < 2_000; index += 1)
          yield { id: String(index), item: { ...payment("pending"), amount_minor: index } };
      } },
    };
    const { surface } = graphql(burst);
    const url = await listen(surface);
    let isOver = false;
    const items = received(sse(url + path, single), PAYMENT).finally(() => (isOver = true));
    const headers = { "content-type": "application/json" };
    const answered = await fetch(url, { method: "POST", headers, body: '{"query":"{ whoami { key { id } } }"}' });
    expect([answered.status, isOver]).toEqual([200, false]);
    const amounts = (await items).map((result) => result.data.paymentStatus.amountMinor);
    expect(amounts).toEqual(Array.from({ length: 2_000 }, (_, index) => index));
  });

  test("a client that does not read holds back the stream, not the memory", async () => {
    const { stream, surface } = handFed();
    const item = { ...payment("pending"), currency: "X".repeat(20_000) };
    for (let index = 0; index < 2_000; index += 1) stream.push(String(index), item);
    const reader = await unread(await listen(surface) + path, single);
    await sleep(400);
    const taken = stream.taken;
    expect(taken).toBeLessThan(1_500);
    await sleep(100);
    expect(stream.taken).toBe(taken);
    await reader.cancel();
  });
});

/** A payment's watch that the test feeds. */
function handFed() {
  const stream = new HandFedStream<unknown>();
  const watch = (_input: never, { signal }: CallerContext) => stream.until(signal);
  return { stream, surface: graphql({ subscriptions: { "payments.watch": watch } }).surface };
}

/** Subscribes to 40 MB of items and reads nothing. */
async function unread(url: string, single: boolean): Promise<ReadableStream> {
  const query = 'subscription { paymentStatus(toolCallId: "tc_1") { currency } }';
  const headers = { "content-type": "application/json" };
  if (!single) {
    const asStream = { ...headers, accept: "text/event-stream" };
    return (await fetch(url, { method: "POST", headers: asStream, body: JSON.stringify({ query }) })).body!;
  }
  const token = await (await fetch(url, { method: "PUT" })).text();
  const opened = await fetch(url, { headers: { accept: "text/event-stream", "x-graphql-event-stream-token": token } });
  await fetch(url, {
    method: "POST", headers: { ...headers, "x-graphql-event-stream-token": token },
    body: JSON.stringify({ query, extensions: { operationId: "1" } }),
  });
  return opened.body!;
}

describe("released clients", () => {
  test("urql subscribes without a client of its own", async () => {
    const url = await listen(graphql({ subscriptions: settles }).surface);
    const urql = createUrql({ url, exchanges: [fetchExchange], fetchSubscriptions: true, preferGetMethod: false });
    const results: unknown[] = [];
    await new Promise<void>((resolve) => {
      const { unsubscribe } = urql.subscription(PAYMENT, {}).subscribe(({ data, error }) => {
        expect(error).toBeUndefined();
        if (results.push(data) === 2) queueMicrotask(() => (unsubscribe(), resolve()));
      });
    });
    expect(results).toEqual(settled.map((result) => result.data));
  });

  test("Apollo Client subscribes over graphql-sse and queries over HTTP", async () => {
    const identity = { key: { id: "key_1" } };
    const { surface } = graphql({ operations: { "keys.whoami": () => identity }, subscriptions: settles });
    const url = await listen(surface);
    const stream = sse(`${url}/stream`);
    const subscribing = new ApolloLink((asked) => new Observable((observer) => stream.subscribe(
      { query: print(asked.query), variables: asked.variables },
      {
        next: (result) => observer.next(result as never),
        error: (error) => observer.error(error),
        complete: () => observer.complete(),
      },
    )));
    const isSubscription = ({ operationType }: ApolloLink.Operation) => operationType === "subscription";
    const link = ApolloLink.split(isSubscription, subscribing, new HttpLink({ uri: url }));
    const apollo = new ApolloClient({ link, cache: new InMemoryCache() });
    expect((await apollo.query({ query: gql("{ whoami { key { id } } }") })).data).toMatchObject({ whoami: identity });
    const results: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      const next = ({ data }: { data?: unknown }) => void results.push(data);
      apollo.subscribe({ query: gql(PAYMENT) }).subscribe({ next, error: reject, complete: resolve });
    });
    expect(results).toMatchObject(settled.map((result) => result.data));
    apollo.stop();
  });
});

describe("/graphql/stream", () => {
  test("answers mistakes of a query as results, without a stack", async () => {
    const client = sse(await listen(graphql({}).surface) + "/stream", true);
    const [invalid] = await received(client, "{ nope }");
    expect(invalid.errors).toMatchObject([{ extensions: { code: "GRAPHQL_VALIDATION_FAILED" } }]);
    const [syntax] = await received(client, "{ nope");
    expect(syntax.errors).toEqual([{
      message: expect.stringContaining("Syntax Error"), locations: [{ line: 1, column: 7 }],
      extensions: { code: "GRAPHQL_PARSE_FAILED" },
    }]);
  });

  test("reserves a bounded number of connections, each under a token nobody can guess", async () => {
    const { surface } = graphql({});
    const headers = { "x-graphql-event-stream-token": "mine" };
    const reserve = () => surface.fetch(new Request("http://test/graphql/stream", { method: "PUT", headers }));
    const first = await reserve();
    expect([first.status, await first.text()]).toEqual([201, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    for (let index = 1; index < 1_000; index += 1) await reserve();
    expect((await reserve()).status).toBe(503);
  });

  test("gives up a reservation that nobody opens", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { surface } = graphql({});
    const ask = (method: string, headers: Record<string, string>) =>
      surface.fetch(new Request("http://test/graphql/stream", { method, headers }));
    const token = await (await ask("PUT", {})).text();
    await vi.advanceTimersByTimeAsync(30_000);
    vi.useRealTimers();
    const opened = await ask("GET", { accept: "text/event-stream", "x-graphql-event-stream-token": token });
    expect([opened.status, await opened.json()]).toEqual([400, { errors: [{ message: "Missing query" }] }]);
  });
});

const camel = (name: string) => name.replace(/_(.)/g, (_all, next: string) => next.toUpperCase());

function undescribed(schema: GraphQLSchema): string[] {
  const missing: string[] = [];
  const look = (name: string, { description }: { description?: string | null }) => description || missing.push(name);
  const isOurs = ({ name }: { name: string }) => !/^__|^(String|Int|Float|Boolean|ID)$/.test(name);
  for (const type of Object.values(schema.getTypeMap()).filter(isOurs)) {
    look(type.name, type);
    if (!isObjectType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      look(`${type.name}.${field.name}`, field);
      if ("args" in field) for (const each of field.args) look(`${type.name}.${field.name}(${each.name})`, each);
    }
  }
  return missing;
}
