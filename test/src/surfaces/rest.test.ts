/** REST against a scripted door: routes, bodies, headers and the bytes of its streams. */
import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { Failure } from "../../../schema/failures.ts";
import { createHttp, type HttpOptions } from "../../../src/surfaces/http.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { scriptedDoor, type Script } from "../../support/scripted-door.ts";

const SESSION = {
  id: "ses_1", org_id: "org_1", project_id: "prj_0123456789abcdef", environment: "test", user_id: "ana", servers: ["asaas"],
  status: "active", metadata: null, tool_call_count: 3, created_at: "2026-11-20T12:00:00.000Z",
  expires_at: "2026-11-20T12:30:00.000Z", closed_at: null, close_reason: null,
};

const RESULT = {
  success: true, data: { id: "pay_1" }, error: null, duration: 12, server: "asaas", tool: "codespar_charge", provider: "asaas",
  tool_call_id: "tc_1", called_at: "2026-11-20T12:00:00.000Z", id: "pay_1",
};

const RECORD = {
  id: "tc_1", tool_name: "codespar_pay", server_id: "asaas", status: "success", duration_ms: 12, input: { amount: 500 },
  output: { id: "pay_1" }, error_code: null,
};

function start(script: Script, options: Partial<HttpOptions> = {}) {
  const door = scriptedDoor(script);
  const clock = new FakeClock();
  const http = createHttp({
    door,
    graphql: { handle: () => {}, fetch: () => new Response() },
    trpc: { fetch: () => new Response() },
    notifications: async () => new Response(),
    identities: { issuer: () => "did:web:localhost", document: async () => undefined },
    connectPage: async () => new Response(),
    ready: async () => ({ ok: true, checks: {} }),
    clock,
    log: pino({ level: "silent" }),
    ...options,
  });
  const ask = (method: string, path: string, init: { body?: string | Uint8Array<ArrayBuffer>; headers?: Record<string, string>; signal?: AbortSignal } = {}) =>
    http.fetch(new Request(`http://localhost${path}`, {
      method,
      ...init,
      headers: { authorization: "Bearer csk_test_1", "content-type": "application/json", ...init.headers },
    }));
  return { ask, clock, door, http };
}

const code = async (response: Response) => [response.status, ((await response.json()) as { code: string }).code];

describe("routes", () => {
  test("an operation is called with the fields of the body and of the path, and the path wins", async () => {
    const { ask, door } = start({ operations: { "tools.execute": () => RESULT } });
    const response = await ask("POST", "/v1/sessions/ses_1/execute", {
      body: JSON.stringify({ session_id: "ses_other", tool: "codespar_charge", input: { amount: 15000 } }),
    });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(RESULT);
    expect(door.calls[0]).toMatchObject({
      name: "tools.execute",
      input: { session_id: "ses_1", tool: "codespar_charge", input: { amount: 15000 } },
    });
  });

  test("an operation that reads is called with the fields of the query", async () => {
    const { ask, door } = start({ operations: { "toolCalls.list": () => ({ tool_calls: [], next_before: null }) } });
    await ask("GET", "/v1/tool-calls?status=success&limit=5&tool=asaas%2Fcreate_payment");
    expect(door.calls[0]!.input).toEqual({ status: "success", limit: "5", tool: "asaas/create_payment" });
  });

  test("duplicate and trailing slashes are one separator", async () => {
    const { ask } = start({ operations: { "sessions.get": () => SESSION } });
    expect((await ask("GET", "//v1//sessions///ses_1/")).status).toBe(200);
  });

  test("an encoded slash stays inside its segment", async () => {
    const { ask, door } = start({ operations: { "sessions.get": () => SESSION } });
    await ask("GET", "/v1/sessions/a%2Fb%20c");
    expect(door.calls[0]!.input).toEqual({ session_id: "a/b c" });
  });

  test("any id that is percent-encoded into one segment arrives as it is", async () => {
    const { ask, door } = start({ operations: { "sessions.get": () => SESSION } });
    const id = fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).filter((text) => text !== "." && text !== "..");
    await fc.assert(fc.asyncProperty(id, async (session_id) => {
      await ask("GET", `/v1/sessions/${encodeURIComponent(session_id)}`);
      expect(door.calls.at(-1)!.input).toEqual({ session_id });
    }), { numRuns: 100 });
  });

  test("a malformed escape in the path is named", async () => {
    const { ask } = start({});
    const response = await ask("GET", "/v1/sessions/%E0%A4%A");
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "validation_failed", field: "path" });
  });

  test("a route that does not exist says where the routes are listed", async () => {
    const { ask, door } = start({});
    const response = await ask("GET", "/v1/nothing/here");
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: "route_not_found", code: "route_not_found",
      message: "There is no GET /v1/nothing/here. GET /openapi.json lists every route.",
    });
    expect(door.calls).toEqual([]);
  });

  test("a wrong method is refused with the methods that are taken", async () => {
    const { ask } = start({});
    const response = await ask("PUT", "/v1/sessions/ses_1", { body: "{}" });
    expect(response.headers.get("allow")).toBe("GET, HEAD, DELETE, OPTIONS");
    expect(await code(response)).toEqual([405, "method_not_allowed"]);
  });

  test("HEAD is a GET without its body, and OPTIONS lists the methods", async () => {
    const { ask, door } = start({ operations: { "sessions.get": () => SESSION } });
    const head = await ask("HEAD", "/v1/sessions/ses_1");
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(door.calls).toHaveLength(1);
    const options = await ask("OPTIONS", "/v1/sessions/ses_1/execute");
    expect([options.status, options.headers.get("allow")]).toEqual([204, "POST, OPTIONS"]);
    expect(door.calls).toHaveLength(1);
  });

  test("a stream cannot be asked for its head", async () => {
    const { ask, door } = start({});
    expect(await ask("HEAD", "/v1/tool-calls/tc_1/payment-status/stream").then(({ status }) => status)).toBe(405);
    expect(door.calls).toEqual([]);
  });

  test("a field given twice in the query is refused by name", async () => {
    const { ask, door } = start({});
    const response = await ask("GET", "/v1/sessions?status=active&status=closed");
    expect(await response.json()).toMatchObject({ code: "validation_failed", field: "status" });
    expect(door.calls).toEqual([]);
  });
});

describe("published spellings", () => {
  test("a created session answers 201 with both counters", async () => {
    const { ask } = start({ operations: { "sessions.create": () => SESSION } });
    const response = await ask("POST", "/v1/sessions", { body: '{"servers":[],"user_id":"ana"}' });
    expect(response.status).toBe(201);
    expect(await response.json()).toEqual({ ...SESSION, tool_calls_count: 3 });
  });

  test("the list of sessions is there under both names", async () => {
    const { ask } = start({ operations: { "sessions.list": () => ({ sessions: [SESSION], next_before: "ses_0" }) } });
    const rows = [{ ...SESSION, tool_calls_count: 3 }];
    expect(await (await ask("GET", "/v1/sessions")).json()).toEqual({ sessions: rows, data: rows, next_before: "ses_0" });
  });

  test("closing answers 204 by DELETE and by POST, with an announced JSON body that is empty", async () => {
    const { ask, door } = start({ operations: { "sessions.close": () => SESSION } });
    const byDelete = await ask("DELETE", "/v1/sessions/ses_1");
    const byPost = await ask("POST", "/v1/sessions/ses_1/close", { body: "" });
    expect([byDelete.status, byPost.status, await byDelete.text(), await byPost.text()]).toEqual([204, 204, "", ""]);
    expect(door.calls.map(({ name, input }) => [name, input])).toEqual([
      ["sessions.close", { session_id: "ses_1" }],
      ["sessions.close", { session_id: "ses_1" }],
    ]);
  });

  test("`params` is read as `input`, unless `input` is there", async () => {
    const { ask, door } = start({ operations: { "tools.execute": () => RESULT } });
    await ask("POST", "/v1/sessions/ses_1/execute", { body: '{"tool":"t","params":{"a":1}}' });
    await ask("POST", "/v1/sessions/ses_1/execute", { body: '{"tool":"t","params":{"a":1},"input":{"b":2}}' });
    await ask("POST", "/v1/sessions/ses_1/execute", { body: '{"tool":"t","params":{"a":1},"input":null}' });
    await ask("POST", "/v1/sessions/ses_1/execute", { body: '{"tool":"t"}' });
    expect(door.calls.map(({ input }) => (input as { input?: unknown }).input)).toEqual([{ a: 1 }, { b: 2 }, { a: 1 }, undefined]);
  });
});

describe("bodies", () => {
  const create = (body: string | Uint8Array<ArrayBuffer>) => {
    const { ask, door } = start({ operations: { "sessions.create": () => SESSION } });
    return ask("POST", "/v1/sessions", { body }).then((response) => ({ response, door }));
  };

  test("null is absent", async () => {
    const { door } = await create('{"user_id":"ana","metadata":null,"mocks":null}');
    expect(door.calls[0]!.input).toEqual({ user_id: "ana" });
  });

  test.each([
    ["what is not JSON", "{user_id: 1}"],
    ["half a document", '{"user_id": "an'],
    ["an array", "[1]"],
    ["a text", '"ana"'],
    ["bytes that are not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d])],
    ["a nesting of 65", `{"a":${"[".repeat(64)}${"]".repeat(64)}}`],
    ["a nesting of 200000", "[".repeat(200_000) + "]".repeat(200_000)],
  ])("%s is refused before the door", async (_what, body) => {
    const { response, door } = await create(body);
    expect(await code(response)).toEqual([400, "body_malformed"]);
    expect(door.calls).toEqual([]);
  });

  test("a refusal repeats nothing of what was sent", async () => {
    const { response } = await create('{"document":"11144477735"x');
    expect(await response.text()).not.toContain("11144477735");
  });

  test("a nesting of 64 is taken", async () => {
    const { response } = await create(`{"a":${"[".repeat(63)}${"]".repeat(63)}}`);
    expect(response.status).toBe(201);
  });

  test("one byte over a mebibyte is refused, a mebibyte is not", async () => {
    const body = (bytes: number) => `{"user_id":"${"a".repeat(bytes - 14)}"}`;
    expect(body(1_048_576)).toHaveLength(1_048_576);
    expect((await create(body(1_048_576))).response.status).toBe(201);
    expect(await code((await create(body(1_048_577))).response)).toEqual([413, "body_too_large"]);
  });
});

describe("headers", () => {
  test("the caller is read from them", async () => {
    const { ask, door } = start({ operations: { "tools.execute": () => RESULT } });
    await ask("POST", "/v1/sessions/ses_1/execute", {
      body: '{"tool":"t"}',
      headers: {
        authorization: "bearer  csk_live_2", "x-codespar-project": "prj_0123456789abcdef",
        "x-request-id": "order-7.a:b", "idempotency-key": "order-7",
      },
    });
    expect(door.calls[0]!.context).toMatchObject({
      credential: "csk_live_2", projectId: "prj_0123456789abcdef", requestId: "order-7.a:b", idempotencyKey: "order-7",
      origin: "direct",
    });
  });

  test.each([
    ['"order-7"', "order-7"],
    ['"a \\"quoted\\" one"', 'a "quoted" one'],
    ["order-7", "order-7"],
    ['"unfinished', '"unfinished'],
  ])("the idempotency key %s is %s", async (written, key) => {
    const { ask, door } = start({ operations: { "tools.execute": () => RESULT } });
    await ask("POST", "/v1/sessions/ses_1/execute", { body: '{"tool":"t"}', headers: { "idempotency-key": written } });
    expect(door.calls[0]!.context.idempotencyKey).toBe(key);
  });

  test.each([["Basic YTpi"], ["csk_test_1"], ["Bearer"], ["Bearer a b"]])("%s is no bearer credential", async (authorization) => {
    const { ask, door } = start({ operations: { "keys.whoami": () => ({}) } });
    await ask("GET", "/v1/whoami", { headers: { authorization } });
    expect(door.calls[0]!.context.credential).toBeUndefined();
  });

  test("every answer names its request: a sane id is kept, another replaced", async () => {
    const { ask, door } = start({ operations: { "sessions.get": () => SESSION } });
    const kept = await ask("GET", "/v1/sessions/ses_1", { headers: { "x-request-id": "abc-1" } });
    const replaced = await ask("GET", "/v1/nowhere", { headers: { "x-request-id": "a b<script>" } });
    expect(kept.headers.get("x-request-id")).toBe("abc-1");
    expect(door.calls[0]!.context.requestId).toBe("abc-1");
    const id = replaced.headers.get("x-request-id");
    expect(id).toMatch(/^req_[0-9a-z]{26}$/);
    expect(await replaced.json()).toMatchObject({ request_id: id });
  });

  test("a replayed answer says so in a header", async () => {
    const { ask } = start({ operations: { "tools.execute": (input: { tool: string }) => ({ ...RESULT, ...(input.tool === "again" && { replayed: true }) }) } });
    const replayed = async (tool: string) =>
      (await ask("POST", "/v1/sessions/ses_1/execute", { body: JSON.stringify({ tool }) })).headers.get("idempotent-replayed");
    expect([await replayed("first"), await replayed("again")]).toEqual([null, "true"]);
  });

  test("a failure is one flat body with its status, its wait and its field", async () => {
    const { ask } = start({
      operations: { "sessions.get": () => { throw new Failure("rate_limited", { limit: 100, windowSeconds: 60 }, { retryAfterSeconds: 1.2 }); } },
    });
    const response = await ask("GET", "/v1/sessions/ses_1", { headers: { "x-request-id": "r1" } });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "2"]);
    expect(await response.json()).toEqual({
      error: "rate_limited", code: "rate_limited", retry: "after", retry_after: 1.2, request_id: "r1",
      message: "More than 100 calls in 60 s with this key. Slow down; nothing was done and nothing is billed.",
    });
  });

  test("a refused credential is asked for by name", async () => {
    const { ask } = start({ operations: { "keys.whoami": () => { throw new Failure("unauthorized", { problem: "This key is unknown." }); } } });
    expect((await ask("GET", "/v1/whoami")).headers.get("www-authenticate")).toBe("Bearer");
  });

  test("an error that is ours is told as internal, and its cause only to the log", async () => {
    const lines: string[] = [];
    const { ask } = start(
      { operations: { "sessions.get": () => { throw new TypeError("secret detail"); } } },
      { log: pino({ level: "error" }, { write: (line: string) => void lines.push(line) }) },
    );
    const response = await ask("GET", "/v1/sessions/ses_1", { headers: { "x-request-id": "r1" } });
    const body = await response.text();
    expect([response.status, JSON.parse(body)]).toMatchObject([500, { code: "internal", request_id: "r1" }]);
    expect(body).not.toContain("secret detail");
    expect(JSON.parse(lines[0]!)).toMatchObject({ request_id: "r1", err: { message: "secret detail" } });
  });

  test("only a listed origin is told that its pages may read", async () => {
    const { ask } = start({ operations: { "sessions.get": () => SESSION } }, { corsOrigins: ["https://app.example.com"] });
    const from = (origin: string) => ask("GET", "/v1/sessions/ses_1", { headers: { origin } });
    const listed = await from("https://app.example.com");
    expect(listed.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    expect(listed.headers.get("access-control-expose-headers")).toContain("x-request-id");
    const other = await from("https://evil.example.com");
    expect([other.headers.get("access-control-allow-origin"), other.headers.get("vary")]).toEqual([null, "origin"]);
  });

  test("a preflight of a listed origin is granted without the door, another's is not", async () => {
    const { ask, door } = start({}, { corsOrigins: ["https://app.example.com"] });
    const from = (origin: string) => ask("OPTIONS", "/v1/sessions", {
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization,x-codespar-project" },
    });
    const granted = await from("https://app.example.com");
    expect([granted.status, granted.headers.get("access-control-allow-headers")]).toEqual([204, "authorization,x-codespar-project"]);
    expect((await from("https://evil.example.com")).headers.get("access-control-allow-headers")).toBeNull();
    expect(door.calls).toEqual([]);
  });

  test("without a list no origin is told anything", async () => {
    const { ask } = start({ operations: { "sessions.get": () => SESSION } });
    const { headers } = await ask("GET", "/v1/sessions/ses_1", { headers: { origin: "https://app.example.com" } });
    expect([headers.get("access-control-allow-origin"), headers.get("vary")]).toEqual([null, null]);
  });
});

describe("the stream of a send", () => {
  const EVENTS = [
    { type: "user_message", cursor: "run_1.0", content: "pay ana" },
    { type: "text_delta", cursor: "run_1.1", text: "On", iteration: 1 },
    { type: "assistant_text", cursor: "run_1.2", content: "On it.", iteration: 1 },
    { type: "tool_use", cursor: "run_1.3", id: "tu_1", name: "codespar_pay", input: { amount: 500 } },
    { type: "tool_result", cursor: "run_1.4", tool_call: RECORD },
    { type: "done", cursor: "run_1.5", result: { run_id: "run_1", message: "Paid.", tool_calls: [RECORD], iterations: 2 } },
    { type: "assistant_text", cursor: "run_1.6", content: "never sent", iteration: 3 },
  ];
  async function* sent() {
    for (const item of EVENTS) yield { id: item.cursor, item };
  }
  const send = (options: Parameters<ReturnType<typeof start>["ask"]>[2] = {}, stream: () => AsyncIterable<never> = sent as never) => {
    const started = start({ subscriptions: { "sessions.sendStream": stream } });
    return {
      ...started,
      response: started.ask("POST", "/v1/sessions/ses_1/send", {
        body: '{"message":"pay ana"}', ...options, headers: { accept: "text/event-stream", ...options.headers },
      }),
    };
  };

  test("has the record and the result at the top level and under their names, and closes after done", async () => {
    const { response, door } = send();
    const answer = await response;
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    expect(answer.headers.get("cache-control")).toBe("no-cache, no-transform");
    const text = await answer.text();
    expect(text).not.toContain("\r");
    expect(text.endsWith("\n\n")).toBe(true);
    const frames = text.trimEnd().split("\n\n").map((frame) => frame.split("\n"));
    expect(frames.map((lines) => lines.map((line) => line.slice(0, line.indexOf(":"))))).toEqual(Array(6).fill(["id", "event", "data"]));
    expect(frames.map(([id, event]) => [id, event])).toEqual([
      ["id: run_1.0", "event: user_message"],
      ["id: run_1.1", "event: text_delta"],
      ["id: run_1.2", "event: assistant_text"],
      ["id: run_1.3", "event: tool_use"],
      ["id: run_1.4", "event: tool_result"],
      ["id: run_1.5", "event: done"],
    ]);
    const data = frames.map(([, , line]) => JSON.parse(line!.slice("data: ".length)) as unknown);
    const result = { run_id: "run_1", message: "Paid.", tool_calls: [RECORD], iterations: 2 };
    expect(data).toEqual([
      { type: "user_message", cursor: "run_1.0", content: "pay ana" },
      { type: "text_delta", cursor: "run_1.1", text: "On", iteration: 1 },
      { type: "assistant_text", cursor: "run_1.2", content: "On it.", iteration: 1 },
      { type: "tool_use", cursor: "run_1.3", id: "tu_1", name: "codespar_pay", input: { amount: 500 } },
      { type: "tool_result", cursor: "run_1.4", ...RECORD, toolCall: RECORD },
      { type: "done", cursor: "run_1.5", ...result, result },
    ]);
    expect(door.calls[0]).toMatchObject({ name: "sessions.sendStream", input: { session_id: "ses_1", message: "pay ana" } });
  });

  test("whatever is said arrives whole at a client that splits at blank lines", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.string({ unit: "binary" }), { maxLength: 5 }), async (contents) => {
      const { response } = send({}, async function* () {
        for (const content of contents) yield { id: "run_1.0", item: { type: "assistant_text", cursor: "run_1.0", content, iteration: 1 } } as never;
        yield { id: "run_1.1", item: EVENTS[5] } as never;
      });
      const frames = (await (await response).text()).split("\n\n").filter((frame) => frame !== "");
      const lines = frames.map((frame) => frame.split("\n").find((line) => line.startsWith("data: "))!);
      const data = lines.map((line) => JSON.parse(line.slice("data: ".length)) as { content?: string });
      expect(data.slice(0, -1).map(({ content }) => content)).toEqual(contents);
    }), { numRuns: 50 });
  });

  test("without an event stream accepted the same route answers once", async () => {
    const result = { run_id: "run_1", message: "Paid.", tool_calls: [], iterations: 1 };
    const { ask, door } = start({ operations: { "sessions.send": () => result } });
    const response = await ask("POST", "/v1/sessions/ses_1/send", { body: '{"message":"pay ana"}', headers: { accept: "application/json" } });
    expect(await response.json()).toEqual(result);
    expect(door.calls[0]!.name).toBe("sessions.send");
  });

  test("a failure before it starts is an ordinary refusal", async () => {
    const { response } = send({}, () => { throw new Failure("session_not_found", { sessionId: "ses_1" }); });
    expect(await code(await response)).toEqual([404, "session_not_found"]);
  });

  test("a failure on the way is an error event, and the last", async () => {
    const { response } = send({}, async function* () {
      yield { id: "run_1.0", item: EVENTS[0] } as never;
      throw new Failure("model_failed", { reason: "overloaded" });
    });
    expect((await (await response).text()).split("\n\n").slice(1)).toEqual([
      'event: error\ndata: {"type":"error","error":"model_failed","message":"The model did not answer (overloaded). Tool calls already made stand; see tool_calls."}',
      "",
    ]);
  });

  test("a caller that comes back with the last event id resumes behind it", async () => {
    const { response, door } = send({ headers: { "last-event-id": "run_1.3" } });
    await response;
    expect(door.calls[0]!.input).toEqual({ session_id: "ses_1", message: "pay ana", after: "run_1.3" });
  });

  test("a caller that leaves ends whatever makes the events", async () => {
    let signal: AbortSignal | undefined;
    const { http } = start({
      subscriptions: {
        "sessions.sendStream": (_input, context) => {
          signal = context.signal;
          return endless();
        },
      },
    });
    const response = await http.fetch(new Request("http://localhost/v1/sessions/ses_1/send", {
      method: "POST", body: '{"message":"m"}', headers: { accept: "text/event-stream" },
    }));
    const reader = response.body!.getReader();
    await reader.read();
    expect(signal!.aborted).toBe(false);
    await reader.cancel();
    await expect.poll(() => signal!.aborted).toBe(true);
  });

  async function* endless() {
    yield { id: "run_1.0", item: EVENTS[0] };
    await new Promise(() => {});
  }
});

describe("a status stream", () => {
  const envelope = (status: string) => ({ status, state: status, payment_status: status, tool_call_id: "tc_1", events: [] });

  /** A stream whose items the test says one by one. */
  function watched(path = "/v1/tool-calls/tc_1/payment-status/stream", name = "payments.watch", headers: Record<string, string> = {}) {
    const said: { id: string; item: unknown }[] = [];
    let wake = () => {};
    let isOver = false;
    const started = start({
      subscriptions: {
        [name]: async function* () {
          for (;;) {
            while (said.length === 0 && !isOver) await new Promise<void>((resolve) => (wake = resolve));
            if (said.length === 0) return;
            yield said.shift()! as never;
          }
        },
      },
    });
    return {
      ...started,
      say: (id: string, item: unknown) => { said.push({ id, item }); wake(); },
      end: () => { isOver = true; wake(); },
      open: async () => {
        const response = await started.ask("GET", path, { headers: { accept: "text/event-stream", ...headers } });
        return { response, reader: response.body!.pipeThrough(new TextDecoderStream()).getReader() };
      },
    };
  }

  test("opens with a snapshot, goes on with updates, and says done five seconds after the last state", async () => {
    const { say, open, clock } = watched();
    say("1", envelope("pending"));
    const { reader } = await open();
    expect((await reader.read()).value).toBe(`id: 1\nevent: snapshot\ndata: ${JSON.stringify(envelope("pending"))}\n\n`);
    say("2", envelope("succeeded"));
    expect((await reader.read()).value).toBe(`id: 2\nevent: update\ndata: ${JSON.stringify(envelope("succeeded"))}\n\n`);
    await clock.advance(4_999);
    say("3", envelope("refunded"));
    expect((await reader.read()).value).toBe(`id: 3\nevent: update\ndata: ${JSON.stringify(envelope("refunded"))}\n\n`);
    await clock.advance(1);
    expect((await reader.read()).value).toBe('event: done\ndata: {"reason":"terminal"}\n\n');
    expect((await reader.read()).done).toBe(true);
  });

  test("of a call that is settled already still lingers, also when the door ends it", async () => {
    const { say, end, open, clock } = watched("/v1/tool-calls/tc_1/verification-status/stream", "verifications.watch");
    say("1", envelope("approved"));
    end();
    const { reader } = await open();
    expect((await reader.read()).value).toContain("event: snapshot\n");
    let done: string | undefined;
    const reading = reader.read().then(({ value }) => (done = value));
    await clock.advance(4_999);
    expect(done).toBeUndefined();
    await clock.advance(1);
    expect(await reading).toBe('event: done\ndata: {"reason":"terminal"}\n\n');
  });

  test("a state that may still change does not end it", async () => {
    const { say, open, clock } = watched("/v1/tool-calls/tc_1/verification-status/stream", "verifications.watch");
    say("1", envelope("review"));
    const { reader } = await open();
    await reader.read();
    await clock.advance(14_999);
    say("2", envelope("approved"));
    expect((await reader.read()).value).toContain("id: 2\nevent: update\n");
  });

  test("a silent one sends a comment of its own every 15 seconds", async () => {
    const { say, open, clock } = watched();
    say("1", envelope("pending"));
    const { reader } = await open();
    await reader.read();
    await clock.advance(15_000);
    expect((await reader.read()).value).toBe(": heartbeat 2026-11-20T12:00:15.000Z\n\n");
    await clock.advance(15_000);
    expect((await reader.read()).value).toBe(": heartbeat 2026-11-20T12:00:30.000Z\n\n");
  });

  test("ends after half an hour, and says why", async () => {
    const { say, open, clock } = watched();
    say("1", envelope("pending"));
    const { reader } = await open();
    await reader.read();
    await clock.advance(30 * 60_000);
    const rest = [(await reader.read()).value, (await reader.read()).value];
    expect(rest).toContain('event: done\ndata: {"reason":"max_duration"}\n\n');
  });

  test("many at once are no cause for a warning", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on("warning", note);
    const { ask } = start({ subscriptions: { "payments.watch": async function* () { yield { id: "1", item: envelope("pending") }; } } });
    await Promise.all(Array.from({ length: 20 }, () => ask("GET", "/v1/tool-calls/tc_1/payment-status/stream")));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", note);
    expect(warnings).toEqual([]);
  });

  test("a failure on the way is an error event with the flat body", async () => {
    const { ask } = start({
      subscriptions: {
        "payments.watch": async function* () {
          yield { id: "1", item: envelope("pending") };
          throw new Failure("shutting_down", {});
        },
      },
    });
    const text = await (await ask("GET", "/v1/tool-calls/tc_1/payment-status/stream", { headers: { "x-request-id": "r1" } })).text();
    const [, event, data] = /event: (error)\ndata: (.*)\n\n$/.exec(text)!;
    expect([event, JSON.parse(data!)]).toMatchObject(["error", { code: "shutting_down", request_id: "r1" }]);
  });

  test("the last event id is for streams that resume: a status watch opens whole, tool calls go on behind it", async () => {
    const status = watched(undefined, undefined, { "last-event-id": "41" });
    await status.open();
    expect(status.door.calls[0]!.input).toEqual({ tool_call_id: "tc_1" });
    const calls = watched("/v1/sessions/ses_1/tool-calls/stream", "toolCalls.watch", { "last-event-id": "41" });
    calls.say("42", { cursor: "42", tool_call: { id: "tc_2" } });
    calls.end();
    const { response, reader } = await calls.open();
    expect(calls.door.calls[0]!.input).toEqual({ session_id: "ses_1", after: "41" });
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect((await reader.read()).value).toBe('id: 42\nevent: tool_call\ndata: {"cursor":"42","tool_call":{"id":"tc_2"}}\n\n');
    expect((await reader.read()).value).toBe('event: done\ndata: {"reason":"ended"}\n\n');
  });
});
