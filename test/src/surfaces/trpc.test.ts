/** The tRPC surface against a scripted door, over a real loopback server with tRPC's own client. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import {
  createTRPCClient, httpBatchStreamLink, httpLink, httpSubscriptionLink, splitLink, TRPCClientError, type TRPCClient,
} from "@trpc/client";
import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import { EventSource } from "eventsource";
import { afterEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import { z } from "zod";
import { Failure } from "../../../schema/failures.ts";
import { operations, subscriptions } from "../../../schema/index.ts";
import { MinorUnits } from "../../../schema/money.ts";
import { operation } from "../../../schema/operation.ts";
import type { CallerContext } from "../../../src/door.ts";
import type { AppRouter, FailureDetails, RouterOf } from "../../../src/surfaces/trpc/client.ts";
import { createTrpc, type TrpcOptions, type TrpcSurface } from "../../../src/surfaces/trpc/index.ts";
import { HandFedStream, scriptedDoor, type Script } from "../../support/scripted-door.ts";

/** The body of a refusal, as far as the tests read it. */
interface TrpcRefusal {
  error: { data: { code: string; httpStatus: number; failure: FailureDetails } };
}

const contextOf = (request: Request): CallerContext => ({
  credential: request.headers.get("authorization")?.replace("Bearer ", ""),
  origin: "direct",
  requestId: "req_1",
});

function trpc(script: Script, options: Partial<TrpcOptions> = {}) {
  const door = scriptedDoor(script);
  return { door, surface: createTrpc({ door, contextOf, ...options }) };
}

const running: Server[] = [];
const cutAll = () => running.forEach((server) => server.closeAllConnections());
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  })));
});

async function listen(surface: TrpcSurface): Promise<string> {
  const server = createServer(getRequestListener(surface.fetch, { overrideGlobalObjects: false }));
  running.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/trpc`;
}

async function client(surface: TrpcSurface): Promise<TRPCClient<AppRouter>> {
  const url = await listen(surface);
  const headers = { authorization: "Bearer csk_test_1" };
  return createTRPCClient<AppRouter>({ links: [splitLink({
    condition: ({ type }) => type === "subscription",
    true: httpSubscriptionLink({ url, EventSource, eventSourceOptions: {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
    } }),
    false: httpBatchStreamLink({ url, headers }),
  })] });
}

const session = {
  id: "ses_1", org_id: "org_1", project_id: "prj_1", environment: "test", user_id: "u1", servers: ["asaas"],
  status: "active", metadata: { cost_center: "a_b" }, tool_call_count: 0, created_at: "2026-11-20T12:00:00.000Z",
  expires_at: null, closed_at: null, close_reason: null,
};

const change = (index: number) => ({ cursor: String(index), tool_call: { id: `tc_${index}` } });

async function failureOf(call: Promise<unknown>): Promise<TRPCClientError<AppRouter>> {
  const error = await call.then(() => undefined, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TRPCClientError);
  return error as TRPCClientError<AppRouter>;
}

describe("the router", () => {
  test("has a procedure for every operation and subscription, and nothing else", () => {
    const procedures: Record<string, any> = trpc({}).surface.router._def.procedures;
    const kinds = Object.entries(procedures).map(([name, procedure]) => `${name} ${procedure._def.type}`);
    expect(kinds.toSorted()).toEqual([
      ...Object.values(operations).map(({ name, effect }) => `${name} ${effect === "reads" ? "query" : "mutation"}`),
      ...Object.keys(subscriptions).map((name) => `${name} subscription`),
    ].toSorted());
  });

  test("projects an operation nobody has prepared it for", async () => {
    const quote = operation({
      name: "quotes.ask", field: "quote", summary: "Ask.", effect: "reads", scope: "none", route: "GET /quotes",
      input: z.object({ price: MinorUnits }), output: z.object({ price: MinorUnits }), errors: [],
    });
    const contract = { operations: { "quotes.ask": quote }, subscriptions: {} };
    const { surface } = trpc({ operations: { "quotes.ask": (input: unknown) => input } }, { contract });
    const url = await listen(surface);
    const quotes = createTRPCClient<RouterOf<{ "quotes.ask": typeof quote }>>({ links: [httpLink({ url })] });
    expect(await quotes.quotes.ask.query({ price: 9_007_199_254_740_991 })).toEqual({ price: 9_007_199_254_740_991 });
  });
});

describe("a call", () => {
  test("carries its input and its answer in wire form, batched or not", async () => {
    const { surface, door } = trpc({ operations: {
      "sessions.create": () => session,
      "sessions.list": () => ({ sessions: [session], next_before: null }),
      "keys.whoami": () => ({ organization: { id: "org_1", name: "O" } }),
    } });
    const api = await client(surface);
    const [page, whoami] = await Promise.all([api.sessions.list.query({ limit: 2 }), api.keys.whoami.query()]);
    const created = await api.sessions.create.mutate({ user_id: "u1", mocks: { codespar_pay: { pix_key: null } } });
    expect(created).toEqual(session);
    expect(page.sessions[0]!.metadata).toEqual({ cost_center: "a_b" });
    expect(whoami.organization.id).toBe("org_1");
    expect(door.calls.map(({ name, input }) => [name, input])).toEqual([
      ["sessions.list", { limit: 2 }],
      ["keys.whoami", {}],
      ["sessions.create", { user_id: "u1", mocks: { codespar_pay: { pix_key: null } } }],
    ]);
    expect(door.calls[2]!.context).toMatchObject({ credential: "csk_test_1", origin: "direct", requestId: "req_1" });
  });

  test("that only reads may be posted, and one that acts is never a GET", async () => {
    const { surface, door } = trpc({ operations: { "sessions.get": () => session, "sessions.close": () => session } });
    const url = await listen(surface);
    const input = JSON.stringify({ session_id: "ses_1" });
    const headers = { "content-type": "application/json" };
    const posted = await fetch(`${url}/sessions.get`, { method: "POST", headers, body: input });
    const got = await fetch(`${url}/sessions.close?input=${encodeURIComponent(input)}`);
    expect([posted.status, got.status]).toEqual([200, 405]);
    expect(door.calls.map((call) => call.name)).toEqual(["sessions.get"]);
  });

  test("batches are bounded", async () => {
    const { surface, door } = trpc({ operations: { "keys.whoami": () => null } });
    const url = await listen(surface);
    const names = (count: number) => Array(count).fill("keys.whoami").join(",");
    const many = await fetch(`${url}/${names(21)}?batch=1&input=%7B%7D`);
    expect([many.status, door.calls.length]).toEqual([400, 0]);
    expect((await fetch(`${url}/${names(20)}?batch=1&input=%7B%7D`)).status).toBe(200);
    expect(door.calls.length).toBe(20);
  });
});

describe("a failure", () => {
  test("arrives with its code, field, expectation, retry and request id", async () => {
    const at = { field: "session_id", expected: "fewer", limit: 5, windowSeconds: 60 };
    const { surface } = trpc({ operations: { "sessions.get": () => {
      throw new Failure("rate_limited", at, { retryAfterSeconds: 7 });
    } } });
    const error = await failureOf((await client(surface)).sessions.get.query({ session_id: "ses_1" }));
    expect(error.message).toMatch(/^More than 5 calls in 60 s with this key/);
    expect(error.data).toEqual({
      code: "TOO_MANY_REQUESTS", httpStatus: 429, path: "sessions.get",
      failure: {
        code: "rate_limited", retry: "after", field: "session_id", expected: "fewer", retryAfter: 7,
        requestId: "req_1", httpStatus: 429,
      },
    });
  });

  test.each([
    [() => new Failure("unauthorized", { problem: "No key." }), 401, "UNAUTHORIZED"],
    [() => new Failure("session_not_found", { sessionId: "s" }), 404, "NOT_FOUND"],
    [() => new Failure("idempotency_in_flight", { toolCallId: "tc_1" }), 409, "CONFLICT"],
    [() => new Failure("provider_not_connected", { provider: "asaas" }), 424, "PRECONDITION_FAILED"],
    [() => new Failure("shutting_down", {}), 503, "SERVICE_UNAVAILABLE"],
    [() => new Failure("anthropic_not_configured", {}), 503, "PRECONDITION_FAILED"],
    [() => new Failure("outcome_unknown", { provider: "asaas", toolCallId: "tc_1" }), 202, "CONFLICT"],
  ] as const)("has its own HTTP status and the nearest tRPC code (%#)", async (make, status, code) => {
    const { surface } = trpc({ operations: { "keys.whoami": () => { throw make(); } } });
    const response = await fetch(`${await listen(surface)}/keys.whoami`);
    expect(response.status).toBe(status);
    const { error } = await response.json() as TrpcRefusal;
    expect(error.data).toMatchObject({ code, httpStatus: status, failure: { code: make().code } });
  });

  test("that is a bug of ours is told to the operator, and to the caller only by request id", async () => {
    const reported: unknown[] = [];
    const { surface } = trpc({ operations: { "keys.whoami": () => { throw new TypeError("secret detail"); } } }, {
      report: (error, requestId) => reported.push([String(error), requestId]),
    });
    const text = await (await fetch(`${await listen(surface)}/keys.whoami`)).text();
    const failure = { code: "internal", retry: "same_key", requestId: "req_1", httpStatus: 500 };
    expect(JSON.parse(text).error.data.failure).toEqual(failure);
    expect(text).not.toMatch(/secret|node_modules|stack/);
    expect(reported).toEqual([["TypeError: secret detail", "req_1"]]);
  });

  test("of the context is masked and reported", async () => {
    const reported: unknown[] = [];
    const { surface } = trpc({}, {
      contextOf: () => { throw new Error("secret detail"); },
      report: (error) => reported.push(String(error)),
    });
    const text = await (await fetch(`${await listen(surface)}/keys.whoami`)).text();
    expect(text).toContain('"code":"internal"');
    expect(text).not.toContain("secret");
    expect(reported).toEqual(["Error: secret detail"]);
  });

  test("of the protocol has a code of ours too", async () => {
    const url = await listen(trpc({}).surface);
    const failure = async (path: string, init?: RequestInit): Promise<FailureDetails> => {
      const { error } = await (await fetch(`${url}/${path}`, init)).json() as TrpcRefusal;
      return error.data.failure;
    };
    expect(await failure("nope.nope")).toMatchObject({ code: "route_not_found", httpStatus: 404 });
    expect(await failure("sessions.create")).toMatchObject({ code: "method_not_allowed", httpStatus: 405 });
    const broken = { method: "POST", headers: { "content-type": "application/json" }, body: "{" };
    expect(await failure("sessions.create", broken)).toMatchObject({ code: "validation_failed", httpStatus: 400 });
  });
});

/** The tool calls of a session, from behind `after`; waits for `go` before every item whose index is in `pauses`. */
const counting = (last: number, pauses: Record<number, Promise<void>> = {}): Script["subscriptions"] => ({
  "toolCalls.watch": async function* ({ after }: { after?: string }, { signal }: CallerContext) {
    for (let index = Number(after ?? 0) + 1; index <= last; index += 1) {
      await pauses[index];
      if (signal?.aborted) return;
      yield { id: String(index), item: change(index) };
    }
  },
});

type Input = inferRouterInputs<AppRouter>["toolCalls"]["watch"];

async function watched(
  api: TRPCClient<AppRouter>, onItem: (id: string) => void = () => {}, input: Input = { session_id: "ses_1" },
): Promise<string[]> {
  const ids: string[] = [];
  await new Promise<void>((resolve, reject) => {
    api.toolCalls.watch.subscribe(input, {
      onData({ id, data }) {
        ids.push(`${id}:${data.tool_call.id}`);
        onItem(id);
      },
      onError: reject,
      onComplete: resolve,
    });
  });
  return ids;
}

describe("a subscription", () => {
  test("receives every item with its id, and ends", async () => {
    const { surface, door } = trpc({ subscriptions: counting(3) });
    expect(await watched(await client(surface))).toEqual(["1:tc_1", "2:tc_2", "3:tc_3"]);
    expect(door.calls).toMatchObject([
      { name: "toolCalls.watch", input: { session_id: "ses_1" }, context: { credential: "csk_test_1" } },
    ]);
  });

  test("goes on behind the last event after a cut, without gap or repeat", async () => {
    let goOn = () => {};
    const pause = new Promise<void>((resolve) => (goOn = resolve));
    const { surface, door } = trpc({ subscriptions: counting(6, { 4: pause }) });
    const ids = await watched(await client(surface), (id) => {
      if (id !== "3") return;
      cutAll();
      goOn();
    });
    expect(ids).toEqual(["1:tc_1", "2:tc_2", "3:tc_3", "4:tc_4", "5:tc_5", "6:tc_6"]);
    expect(door.calls.map((call) => call.input)).toEqual([
      { session_id: "ses_1" }, { session_id: "ses_1", after: "3" },
    ]);
  });

  test("goes on behind the last event when the server stops under it", async () => {
    const stopping = new AbortController();
    const stop = { watches: stopping.signal, sends: new AbortController().signal };
    const never = new Promise<void>(() => {});
    const first = trpc({ subscriptions: counting(4, { 3: never }) }, { stop });
    const second = trpc({ subscriptions: counting(4) });
    let current = first.surface;
    const api = await client({ ...first.surface, fetch: (request) => current.fetch(request) });
    const ids = await watched(api, (id) => {
      if (id !== "2") return;
      current = second.surface;
      stopping.abort();
    });
    expect(ids).toEqual(["1:tc_1", "2:tc_2", "3:tc_3", "4:tc_4"]);
    expect(second.door.calls.map((call) => call.input)).toEqual([{ session_id: "ses_1", after: "2" }]);
  });

  test("can be taken up later by the id of an event", async () => {
    const { surface, door } = trpc({ subscriptions: counting(3) });
    const ids = await watched(await client(surface), undefined, { session_id: "ses_1", lastEventId: "2" });
    expect(ids).toEqual(["3:tc_3"]);
    expect(door.calls[0]!.input).toEqual({ session_id: "ses_1", after: "2" });
  });

  test("that opens with the whole state needs no place to go on from", async () => {
    const { surface, door } = trpc({ subscriptions: { "payments.watch": async function* () {
      yield { id: "9", item: { status: "succeeded" } };
    } } });
    const api = await client(surface);
    await new Promise<void>((resolve) => {
      api.payments.watch.subscribe({ tool_call_id: "tc_1", lastEventId: "8" }, { onComplete: resolve });
    });
    expect(door.calls[0]!.input).toEqual({ tool_call_id: "tc_1" });
  });

  test("that was refused tells why, once", async () => {
    const { surface } = trpc({ subscriptions: { "toolCalls.watch": () => {
      throw new Failure("session_not_found", { sessionId: "ses_9" });
    } } });
    const error = await failureOf(watched(await client(surface)));
    expect(error.data?.failure).toMatchObject({ code: "session_not_found", httpStatus: 404, requestId: "req_1" });
  });

  test("that moves money is not begun again by the client's own reconnecting", async () => {
    const { surface, door } = trpc({ subscriptions: { "sessions.sendStream": () => {
      throw new TypeError("lost");
    } } });
    const api = await client(surface);
    const error = await failureOf(new Promise<void>((onComplete, onError) => {
      api.sessions.sendStream.subscribe({ session_id: "ses_1", message: "pay" }, { onError, onComplete });
    }));
    expect(error.data).toMatchObject({ code: "PRECONDITION_FAILED", httpStatus: 500, failure: { code: "internal" } });
    expect(door.calls.length).toBe(1);
  });

  test("lets go of the door's stream when the client unsubscribes, and when the connection is cut", async () => {
    const streams = [new HandFedStream<unknown>(), new HandFedStream<unknown>()];
    let opened = 0;
    const { surface } = trpc({ subscriptions: { "toolCalls.watch": (_input, { signal }: CallerContext) =>
      streams[opened++]!.until(signal) } });
    const api = await client(surface);
    const first = api.toolCalls.watch.subscribe({ session_id: "ses_1" }, { onData() {} });
    while (opened < 1) await sleep(5);
    first.unsubscribe();
    await streams[0]!.released;
    const second = api.toolCalls.watch.subscribe({ session_id: "ses_1" }, { onData() {} });
    while (opened < 2) await sleep(5);
    cutAll();
    await streams[1]!.released;
    second.unsubscribe();
  });

  test("a burst of 2,000 items arrives whole and in order, and starves nobody", async () => {
    const { surface } = trpc({ operations: { "keys.whoami": () => null }, subscriptions: counting(2_000) });
    const api = await client(surface);
    let isOver = false;
    const ids = watched(api).finally(() => (isOver = true));
    await api.keys.whoami.query();
    expect(isOver).toBe(false);
    expect(await ids).toEqual(Array.from({ length: 2_000 }, (_, index) => `${index + 1}:tc_${index + 1}`));
  });

  test("pings every 15 s, well before a client takes silence for death", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { surface } = trpc({ subscriptions: { "payments.watch": () => new HandFedStream<unknown>() } });
    const gone = new AbortController();
    const url = `http://test/trpc/payments.watch?input=${encodeURIComponent('{"tool_call_id":"tc_1"}')}`;
    const response = await surface.fetch(new Request(url, { signal: gone.signal }));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    void (async () => {
      for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
    })();
    for (let passed = 0; passed < 15_001; passed += 1_000) await vi.advanceTimersByTimeAsync(1_000);
    vi.useRealTimers();
    await sleep(20);
    expect(text.split(/\n+/)).toEqual([
      "event: connected", 'data: {"reconnectAfterInactivityMs":45000}', "event: ping", "data: ", "",
    ]);
    gone.abort();
  });
});

type Inputs = inferRouterInputs<AppRouter>;
type Outputs = inferRouterOutputs<AppRouter>;

test("clients infer the wire type of every input and output", () => {
  expectTypeOf<Inputs["sessions"]["create"]>().toEqualTypeOf<{
    user_id: string;
    servers?: string[] | undefined;
    strict_servers?: boolean | undefined;
    metadata?: Record<string, string> | undefined;
    mocks?: Record<string, unknown> | undefined;
  }>();
  expectTypeOf<Inputs["keys"]["whoami"]>().toEqualTypeOf<void | Record<string, never>>();
  type Resumable = { lastEventId?: string | null };
  expectTypeOf<Inputs["payments"]["watch"]>().toEqualTypeOf<{ tool_call_id: string } & Resumable>();
  expectTypeOf<Outputs["sessions"]["get"]["environment"]>().toEqualTypeOf<"test" | "live">();
  expectTypeOf<Outputs["sessions"]["get"]["created_at"]>().toEqualTypeOf<string>();
  expectTypeOf<Outputs["toolCalls"]["get"]["amount_minor"]>().toEqualTypeOf<number | null>();
  expectTypeOf<Outputs["ledger"]["trialBalance"]["accounts"][number]["balance_minor"]>().toEqualTypeOf<string>();
  expectTypeOf<keyof Inputs>().toEqualTypeOf<
    | "sessions" | "servers" | "tools" | "toolCalls" | "logs" | "mandates" | "payments" | "verifications" | "connections" | "consents" | "wallets" | "rails" | "ledger" | "keys" | "projects"
  >();

  type Api = TRPCClient<AppRouter>;
  expectTypeOf<Api["sessions"]["get"]>().toHaveProperty("query");
  expectTypeOf<Api["sessions"]["get"]>().not.toHaveProperty("mutate");
  expectTypeOf<Api["tools"]["execute"]>().toHaveProperty("mutate");
  expectTypeOf<Api["tools"]["execute"]>().not.toHaveProperty("query");
  expectTypeOf<Parameters<Api["sessions"]["sendStream"]["subscribe"]>[0]>().toEqualTypeOf<
    { session_id: string; message: string; after?: string | undefined } & Resumable
  >();
  type Failed = NonNullable<TRPCClientError<AppRouter>["data"]>;
  expectTypeOf<Failed["failure"]>().toEqualTypeOf<FailureDetails>();
});
