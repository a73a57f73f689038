/** MCP over loopback with the official client, in both protocol eras, against a scripted door. */
import { request as httpRequest } from "node:http";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock, type Clock } from "../../../schema/clock.ts";
import { Failure } from "../../../schema/failures.ts";
import { createHttp } from "../../../src/surfaces/http.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { eras } from "../../support/mcp-eras.ts";
import { scriptedDoor, type Script, type ScriptedDoor } from "../../support/scripted-door.ts";

const CHARGE_SCHEMA = { type: "object", properties: { amount: { type: "integer" } }, required: ["amount"] };

const TOOLS = [
  { name: "codespar_charge", description: "Ask a buyer for money.", input_schema: CHARGE_SCHEMA, server: "codespar" },
  { name: "codespar_notify", description: "Send a message.", input_schema: { type: "object", properties: {} }, server: "codespar" },
  { name: "codespar_discover", description: "Find a tool.", input_schema: { type: "object", properties: {} }, server: "codespar" },
  { name: "asaas__create_payment", description: "Asaas payment.", input_schema: {}, server: "asaas" },
];

const envelope = (tool: string, rest: object) => ({
  success: true, data: null, error: null, duration: 3, server: "codespar", tool, provider: null, tool_call_id: "tc_1",
  called_at: "2026-11-20T12:00:00.000Z", ...rest,
});

const session = (id: string, rest: object = {}) => ({
  id, org_id: "org_1", project_id: "prj_0123456789abcdef", environment: "test", user_id: "ana", servers: ["asaas"],
  status: "active", metadata: null, tool_call_count: 0, created_at: "2026-11-20T12:00:00.000Z", expires_at: null,
  closed_at: null, close_reason: null, ...rest,
});

const answers: Required<Script>["operations"] = {
  "sessions.get": ({ session_id }: { session_id: string }) => session(session_id),
  "sessions.connections": () => ({ servers: [], tools: TOOLS }),
  "tools.execute": ({ tool, input }: { tool: string; input: { amount?: unknown } }) => {
    if (tool === "codespar_nothing") {
      return envelope(tool, { success: false, error: "Tool not registered: codespar_nothing.", code: "tool_not_registered", retry: "never", tool_call_id: null });
    }
    if (typeof input.amount !== "number") {
      return envelope(tool, {
        success: false, error: "`amount`: expected an integer.", code: "invalid_args", field: "amount", expected: "an integer", retry: "never",
      });
    }
    return envelope(tool, { data: { id: "pay_1", status: "pending" } });
  },
};

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(operations: Script["operations"], options: { trustedHosts?: string[]; corsOrigins?: string[]; clock?: Clock } = {}) {
  const door = scriptedDoor({ operations: operations! });
  const http = createHttp({
    door,
    graphql: { handle: () => {}, fetch: () => new Response() },
    trpc: { fetch: () => new Response() },
    notifications: async () => new Response(),
    identities: { issuer: () => "did:web:localhost", document: async () => undefined },
    connectPage: async () => new Response(),
    ready: async () => ({ ok: true, checks: {} }),
    clock: systemClock,
    log: pino({ level: "silent" }),
    ...options,
  });
  const { port } = await http.listen(0, "127.0.0.1");
  closers.push(() => http.drain(1_000));
  return { door, http, port, url: `http://127.0.0.1:${port}` };
}

async function connect(url: string, options: (typeof eras)[number][1]): Promise<Client> {
  const client = new Client({ name: "test", version: "1.0.0" }, options);
  const headers = { authorization: "Bearer csk_test_1", "x-codespar-project": "prj_0123456789abcdef" };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  closers.push(() => client.close());
  return client;
}

const named = (door: ScriptedDoor, name: string) => door.calls.filter((call) => call.name === name);

describe.each(eras)("in the era of %s", (era, options) => {
  test("the era is the one asked for, and the tools are the session's own", async () => {
    const { url, door } = await serve(answers);
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    expect(client.getNegotiatedProtocolVersion()).toMatch(new RegExp(`^${era}-`));
    const { tools } = await client.listTools();
    expect(tools.map(({ name, inputSchema, annotations }) => [name, inputSchema, annotations])).toEqual([
      ["codespar_charge", CHARGE_SCHEMA, { readOnlyHint: false, destructiveHint: true }],
      ["codespar_notify", { type: "object", properties: {} }, { readOnlyHint: false, destructiveHint: false }],
      ["codespar_discover", { type: "object", properties: {} }, { readOnlyHint: true }],
      ["asaas__create_payment", { type: "object" }, { readOnlyHint: false, destructiveHint: true }],
    ]);
    expect(named(door, "sessions.connections")[0]).toMatchObject({
      input: { session_id: "ses_1" },
      context: { credential: "csk_test_1", projectId: "prj_0123456789abcdef", origin: "mcp" },
    });
  });

  test("a call is an execution in that session, its data to read and its envelope beside it", async () => {
    const { url, door } = await serve(answers);
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    const result = await client.callTool({ name: "codespar_charge", arguments: { amount: 15000 } });
    expect(result.isError).toBeFalsy();
    expect(result.content).toEqual([{ type: "text", text: '{\n  "id": "pay_1",\n  "status": "pending"\n}' }]);
    expect(result.structuredContent).toMatchObject({ success: true, tool_call_id: "tc_1", data: { id: "pay_1" } });
    expect(named(door, "tools.execute").map(({ input, context }) => [input, context.origin, context.idempotencyKey])).toEqual([
      [{ session_id: "ses_1", tool: "codespar_charge", input: { amount: 15000 } }, "mcp", undefined],
    ]);
  });

  test("bad arguments and unknown tools are errors that a model can read", async () => {
    const { url } = await serve(answers);
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    const bad = await client.callTool({ name: "codespar_charge", arguments: { amount: "many" } });
    expect(bad).toMatchObject({
      isError: true,
      content: [{ type: "text", text: "`amount`: expected an integer." }],
      structuredContent: { success: false, code: "invalid_args", field: "amount", expected: "an integer", retry: "never" },
    });
    const unknown = await client.callTool({ name: "codespar_nothing" });
    expect(unknown).toMatchObject({
      isError: true,
      content: [{ type: "text", text: "Tool not registered: codespar_nothing." }],
      structuredContent: { code: "tool_not_registered" },
    });
  });

  test("a meta-tool says what its answers look like, and every answer passes, a mock's too", async () => {
    const mock = { amount: "many" };
    const { url } = await serve({
      ...answers,
      "tools.execute": ({ tool, input }: { tool: string; input: { mock?: boolean } }) =>
        envelope(tool, { data: input.mock ? mock : { id: "pay_1", status: "pending", amount: 15000 } }),
    });
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    const { tools } = await client.listTools(); // from now on the client holds every answer against the schema
    const [charge, , , native] = tools.map(({ outputSchema }) => outputSchema);
    expect(charge).toMatchObject({
      type: "object", required: ["success", "data", "error", "tool_call_id"],
      properties: { success: { type: "boolean" }, data: { anyOf: [{ properties: { pix_copy_paste: { type: "string" } } }, {}] } },
    });
    expect(native).toBeUndefined();
    for (const [input, data] of [[{}, { amount: 15000 }], [{ mock: true }, mock]])
      expect((await client.callTool({ name: "codespar_charge", arguments: input! })).structuredContent).toMatchObject({ data });
  });

  test("a client that asks for progress is told at once, and every three seconds until the answer", async () => {
    const clock = new FakeClock();
    let finish = (_result: object) => {};
    const { url } = await serve({ ...answers, "tools.execute": () => new Promise((resolve) => (finish = resolve)) }, { clock });
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    const told: unknown[] = [];
    const result = client.callTool({ name: "codespar_invoice", arguments: {} }, { onprogress: ({ progress, message }) => told.push([progress, message]) });
    await expect.poll(() => told).toEqual([[0, "codespar_invoice has begun."]]);
    await clock.advance(3_000);
    await expect.poll(() => told).toHaveLength(2);
    await clock.advance(3_000);
    await expect.poll(() => told).toHaveLength(3);
    finish(envelope("codespar_invoice", { data: { id: "nf_1" } }));
    expect((await result).structuredContent).toMatchObject({ data: { id: "nf_1" } });
    await clock.advance(30_000);
    expect(told.slice(1)).toEqual([[3, "codespar_invoice is under way for 3 s."], [6, "codespar_invoice is under way for 6 s."]]);
  });

  test("a cancelled call ends, and no other client's call that has the same number", async () => {
    const { url, door } = await serve({ ...answers, "tools.execute": () => new Promise(() => {}) });
    const [one, two] = [await connect(`${url}/v1/sessions/ses_1/mcp`, options), await connect(`${url}/v1/sessions/ses_1/mcp`, options)];
    const cancelling = new AbortController();
    const cancelled = one.callTool({ name: "codespar_charge", arguments: { amount: 1 } }, { signal: cancelling.signal });
    two.callTool({ name: "codespar_charge", arguments: { amount: 2 } }).catch(() => {});
    cancelled.catch(() => {});
    await expect.poll(() => named(door, "tools.execute")).toHaveLength(2);
    cancelling.abort();
    await expect(cancelled).rejects.toThrow();
    const signalOf = (amount: number) => named(door, "tools.execute").find(({ input }) => (input as { input: { amount: number } }).input.amount === amount)!.context.signal!;
    await expect.poll(() => signalOf(1).aborted).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(signalOf(2).aborted).toBe(false);
  });

  test("a call that the door refuses is an error with the flat body", async () => {
    const { url } = await serve({
      ...answers,
      "tools.execute": () => { throw new Failure("rate_limited", { limit: 100, windowSeconds: 60 }, { retryAfterSeconds: 7 }); },
    });
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    expect(await client.callTool({ name: "codespar_charge", arguments: {} })).toMatchObject({
      isError: true,
      structuredContent: { code: "rate_limited", retry: "after", retry_after: 7 },
    });
  });

  test("a key that the door does not take is refused at the first message", async () => {
    const { url } = await serve({ "sessions.get": () => { throw new Failure("unauthorized", { problem: "This key is unknown." }); } });
    await expect(connect(`${url}/v1/sessions/ses_1/mcp`, options)).rejects.toThrow();
  });

  test("a session that has ended is followed by one for the same user, which is found again", async () => {
    const opened: { id: string }[] = [];
    const { url, door } = await serve({
      ...answers,
      "sessions.get": () => session("ses_1", { user_id: "ana", servers: ["asaas"], metadata: { team: "x" }, status: "closed" }),
      "sessions.list": () => ({ sessions: [session("ses_other", { metadata: { successor_of: "ses_9" } }), ...opened], next_before: null }),
      "sessions.create": (wanted: object) => {
        opened.push(session("ses_2", wanted));
        return opened[0];
      },
      "tools.execute": ({ session_id, tool }: { session_id: string; tool: string }) => {
        if (session_id === "ses_1") throw new Failure("session_not_active", { sessionId: "ses_1", reason: "idle_timeout" });
        return envelope(tool, { data: { in: session_id } });
      },
    });
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    const call = async () => (await client.callTool({ name: "codespar_charge", arguments: { amount: 1 } })).structuredContent;
    expect([await call(), await call()]).toMatchObject([{ data: { in: "ses_2" } }, { data: { in: "ses_2" } }]);
    expect(named(door, "sessions.create").map(({ input }) => input)).toEqual([
      { user_id: "ana", servers: ["asaas"], metadata: { team: "x", successor_of: "ses_1" } },
    ]);
    expect(named(door, "sessions.list")[0]!.input).toEqual({ user_id: "ana", status: "active", limit: 100 });
  });

  test("a call under way when the server stops is answered", async () => {
    let finish = (_result: object) => {};
    const { url, http, door } = await serve({ ...answers, "tools.execute": () => new Promise((resolve) => (finish = resolve)) });
    const client = await connect(`${url}/v1/sessions/ses_1/mcp`, options);
    const result = client.callTool({ name: "codespar_charge", arguments: { amount: 1 } });
    await expect.poll(() => named(door, "tools.execute")).toHaveLength(1);
    const drained = http.drain(5_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    finish(envelope("codespar_charge", { data: { id: "pay_1" } }));
    expect((await result).structuredContent).toMatchObject({ data: { id: "pay_1" } });
    await drained;
  });

  test("/mcp opens a session of its own once, leaves others' alone, and opens the next when that has ended", async () => {
    const opened: { id: string; status: string }[] = [];
    const { url, door } = await serve({
      ...answers,
      "sessions.list": () => ({
        sessions: [session("ses_mocked", { user_id: "mcp-user" }), ...opened.filter(({ status }) => status === "active")],
        next_before: null,
      }),
      "sessions.create": (wanted: object) => {
        const created = session(`ses_mcp${opened.length + 1}`, wanted);
        opened.push(created);
        return created;
      },
      "tools.execute": ({ session_id, tool }: { session_id: string; tool: string }) => envelope(tool, { data: { in: session_id } }),
    });
    const client = await connect(`${url}/mcp`, options);
    const call = async () => (await client.callTool({ name: "codespar_charge", arguments: { amount: 1 } })).structuredContent;
    expect(await call()).toMatchObject({ data: { in: "ses_mcp1" } });
    opened[0]!.status = "closed";
    expect(await call()).toMatchObject({ data: { in: "ses_mcp2" } });
    expect(named(door, "sessions.create").map(({ input }) => input)).toEqual(
      Array(2).fill({ user_id: "mcp-user", servers: [], metadata: { opened_by: "/mcp" } }),
    );
  });
});

describe("at the HTTP level", () => {
  const INITIALIZE = JSON.stringify({
    jsonrpc: "2.0", id: 1, method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
  });

  /** As a browser tricked by DNS would send it: our address, another's name. */
  const post = (port: number, headers: Record<string, string>, body = INITIALIZE, path = "/v1/sessions/ses_1/mcp") =>
    new Promise<{ status: number; body: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
      const request = httpRequest({ host: "127.0.0.1", port, path, method: "POST", headers: {
        "content-type": "application/json", accept: "application/json, text/event-stream", authorization: "Bearer csk_test_1", ...headers,
      } });
      request.on("response", async (response) => {
        const chunks = await response.toArray();
        resolve({ status: response.statusCode!, body: Buffer.concat(chunks as Buffer[]).toString(), headers: response.headers });
      });
      request.on("error", reject).end(body);
    });

  test("without a key it is 401 with the flat body, before the door", async () => {
    const { port, door } = await serve(answers);
    const { status, body, headers } = await post(port, { authorization: "" });
    expect([status, JSON.parse(body)]).toMatchObject([401, { error: "unauthorized", code: "unauthorized" }]);
    expect(headers["www-authenticate"]).toBe("Bearer");
    expect(headers["x-request-id"]).toBe((JSON.parse(body) as { request_id: string }).request_id);
    expect(door.calls).toEqual([]);
  });

  test("a session that is not there is 404 with the flat body", async () => {
    const { port } = await serve({ "sessions.get": () => { throw new Failure("session_not_found", { sessionId: "ses_1" }); } });
    const { status, body } = await post(port, {});
    expect([status, JSON.parse(body)]).toMatchObject([404, { code: "session_not_found" }]);
  });

  test("another host name or origin is refused, a trusted one taken", async () => {
    const { port, door } = await serve(answers, { trustedHosts: ["pay.example.com"] });
    expect((await post(port, { host: "evil.example.com" })).status).toBe(403);
    expect((await post(port, { origin: "https://evil.example.com" })).status).toBe(403);
    expect(door.calls).toEqual([]);
    expect((await post(port, { host: "pay.example.com", origin: "https://pay.example.com" })).status).toBe(200);
    expect((await post(port, { host: `localhost:${port}`, origin: "http://localhost:3000" })).status).toBe(200);
  });

  test("a page of an origin that may call us by CORS may speak MCP, too", async () => {
    const { port } = await serve(answers, { corsOrigins: ["https://shop.example.com"] });
    expect((await post(port, { origin: "https://shop.example.com" })).status).toBe(200);
    expect((await post(port, { host: "shop.example.com" })).status).toBe(403);
  });

  test("what is not JSON, and a body over the limit, are refused flat", async () => {
    const { port } = await serve(answers);
    expect(JSON.parse((await post(port, {}, "{")).body)).toMatchObject({ code: "body_malformed" });
    expect((await post(port, {}, `"${"a".repeat(1_048_576)}"`)).status).toBe(413);
  });

  test("GET and DELETE are answered 405: nothing is kept between requests", async () => {
    const { url } = await serve(answers);
    const ask = (method: string) => fetch(`${url}/v1/sessions/ses_1/mcp`, { method, headers: { authorization: "Bearer csk_test_1" } });
    expect([(await ask("GET")).status, (await ask("DELETE")).status]).toEqual([405, 405]);
  });

  test("a client that leaves aborts its call", async () => {
    let signal: AbortSignal | undefined;
    const { url } = await serve({
      ...answers,
      "tools.execute": (_input, context) => {
        signal = context.signal;
        return new Promise(() => {});
      },
    });
    const leaving = new AbortController();
    const call = fetch(`${url}/v1/sessions/ses_1/mcp`, {
      method: "POST", signal: leaving.signal,
      headers: { authorization: "Bearer csk_test_1", "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "codespar_charge", arguments: {} } }),
    });
    call.catch(() => {});
    await expect.poll(() => signal).toBeDefined();
    leaving.abort();
    await expect.poll(() => signal!.aborted).toBe(true);
  });
});
