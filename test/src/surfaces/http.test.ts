/** The HTTP host on real sockets: where requests go, what is bounded, what a caller that leaves stops, and how it stops. */
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import type { ServerResponse } from "node:http";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../schema/clock.ts";
import { Failure } from "../../../schema/failures.ts";
import { createHttp, type Http, type HttpOptions, type NodeRequest } from "../../../src/surfaces/http.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { scriptedDoor, type Script } from "../../support/scripted-door.ts";

const hasIpv6 = Object.values(networkInterfaces()).flat().some((address) => address?.address === "::1");
const KEY = { authorization: "Bearer csk_test_1" };

const running: Http[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const http of running.splice(0)) await http.drain(500);
});

function host(script: Script = {}, options: Partial<HttpOptions> = {}) {
  const door = scriptedDoor(script);
  const http = createHttp({
    door,
    graphql: { handle: () => {}, fetch: () => new Response("graphql") },
    trpc: { fetch: async (request) => new Response(`trpc ${request.method} ${new URL(request.url).pathname} ${await request.text()}`) },
    notifications: async () => new Response(null, { status: 204 }),
    identities: { issuer: () => "did:web:localhost", document: async () => undefined },
    connectPage: async (request, token) => new Response(`page ${request.method} ${token} ${await request.text()}`),
    ready: async () => ({ ok: true, checks: { database: "ok" } }),
    clock: systemClock,
    log: pino({ level: "silent" }),
    ...options,
  });
  running.push(http);
  return { door, http };
}

async function listening(script: Script = {}, options: Partial<HttpOptions> = {}) {
  const { door, http } = host(script, options);
  const { port, url } = await http.listen(0, "127.0.0.1");
  return { door, http, port, url };
}

/** A raw connection, to see bytes and to leave halfway. */
async function dial(port: number, text: string): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  let received = "";
  socket.on("data", (chunk) => (received += chunk.toString()));
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.write(text);
  return { socket, received: () => received };
}

test("a connect link's page is reached by what a browser does with it, and by nothing else", async () => {
  const { url } = await listening();
  expect(await (await fetch(`${url}/connect/lnk_1`)).text()).toBe("page GET lnk_1 ");
  expect(await (await fetch(`${url}/connect/lnk_1`, { method: "POST", body: new URLSearchParams({ a: "1" }) })).text()).toBe("page POST lnk_1 a=1");
  expect((await fetch(`${url}/connect/lnk_1`, { method: "DELETE" })).status).toBe(405);
  for (const path of ["/connect", "/connect/lnk_1/more"]) expect((await fetch(`${url}${path}`)).status).toBe(404);
});

/** An item, and then silence until the caller leaves. */
async function* forever(item: object, signal: AbortSignal | undefined) {
  yield { id: "1", item };
  await new Promise((resolve) => signal?.addEventListener("abort", resolve));
}

describe("routes", () => {
  test("the front page says where the doors are, and health that the process is up", async () => {
    const { http } = host();
    const front = await http.fetch(new Request("http://localhost/"));
    expect([front.status, front.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    const text = await front.text();
    for (const door of ["/graphql", "/trpc", "/v1", "/mcp", "/openapi.json"]) expect(text).toContain(door);
    expect(await (await http.fetch(new Request("http://localhost/health"))).json()).toEqual({ status: "ok" });
    expect((await http.fetch(new Request("http://localhost/health", { method: "POST" }))).status).toBe(405);
    expect((await http.fetch(new Request("http://localhost/nothing"))).status).toBe(404);
  });

  test("ready answers 200 with its checks, and 503 when they fail, throw or are silent", async () => {
    const clock = new FakeClock();
    const ask = async (ready: HttpOptions["ready"]) => {
      const answer = host({}, { ready, clock }).http.fetch(new Request("http://localhost/ready"));
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(2_000);
      const response = await answer;
      return [response.status, await response.json()];
    };
    expect(await ask(async () => ({ ok: true, checks: { database: "ok" } }))).toEqual([200, { ok: true, checks: { database: "ok" } }]);
    expect(await ask(async () => ({ ok: false, checks: { database: "down" } }))).toEqual([503, { ok: false, checks: { database: "down" } }]);
    expect(await ask(() => Promise.reject(new Error("no")))).toMatchObject([503, { ok: false }]);
    expect(await ask(() => new Promise(() => {}))).toMatchObject([503, { ok: false }]);
  });

  test("the OpenAPI document is served at both places", async () => {
    const { http } = host();
    const at = async (path: string) => ((await (await http.fetch(new Request(`http://localhost${path}`))).json()) as { openapi: string }).openapi;
    expect([await at("/openapi.json"), await at("/v1/openapi.json")]).toEqual(["3.1.0", "3.1.0"]);
  });

  test("GraphQL finds its body read: parsed JSON, or the bytes of anything else, and the id of the request", async () => {
    const seen: unknown[] = [];
    const handle = (request: NodeRequest, response: ServerResponse) => {
      seen.push([request.url, request.body, request.headers["x-request-id"]]);
      response.end("ok");
    };
    const { url } = await listening({}, { graphql: { handle, fetch: () => new Response() } });
    const post = (body: string, type: string) =>
      fetch(`${url}/graphql`, { method: "POST", body, headers: { "content-type": type, "x-request-id": "r1" } });
    const first = await post('{"query":"{ rails { id } }"}', "application/json");
    await post("{ rails { id } }", "application/graphql");
    await fetch(`${url}//graphql/stream?query=x`, { headers: { "x-request-id": "r2" } });
    expect(seen).toEqual([
      ["/graphql", { query: "{ rails { id } }" }, "r1"],
      ["/graphql", Buffer.from("{ rails { id } }"), "r1"],
      ["//graphql/stream?query=x", undefined, "r2"],
    ]);
    expect(first.headers.get("x-request-id")).toBe("r1");
    expect((await post("{", "application/json")).status).toBe(400);
    expect(seen).toHaveLength(3);
  });

  test("a surface that throws is answered for", async () => {
    const broken = () => { throw new Error("broken"); };
    const { url } = await listening({}, { graphql: { handle: broken, fetch: broken }, trpc: { fetch: broken } });
    for (const path of ["/graphql", "/trpc/x"]) {
      const response = await fetch(`${url}${path}`, { method: "POST", body: "{}", headers: { "content-type": "application/json" } });
      expect([response.status, await response.json()]).toMatchObject([500, { code: "internal" }]);
    }
  });

  test("tRPC gets the request as it is, by socket and without", async () => {
    const { http, url } = await listening();
    const ask = (base: string) => new Request(`${base}/trpc/sessions.get?batch=1`, { method: "POST", body: '{"0":{}}' });
    expect(await (await fetch(ask(url))).text()).toBe('trpc POST /trpc/sessions.get {"0":{}}');
    expect(await (await http.fetch(ask("http://localhost"))).text()).toBe('trpc POST /trpc/sessions.get {"0":{}}');
  });

  test("a notification arrives byte for byte, with its server and connection", async () => {
    const bytes = new Uint8Array([0, 255, 13, 10, 123]);
    const seen: unknown[] = [];
    const notifications: HttpOptions["notifications"] = async (request, params) => {
      seen.push([params, new Uint8Array(await request.arrayBuffer()), request.headers.get("asaas-access-token")]);
      return Response.json({ received: true });
    };
    const { http, url } = await listening({}, { notifications });
    const ask = (base: string) =>
      new Request(`${base}/v1/webhooks/mercado-pago/ca_1%2F2`, { method: "POST", body: bytes, headers: { "asaas-access-token": "t" } });
    expect(await (await fetch(ask(url))).json()).toEqual({ received: true });
    expect((await http.fetch(ask("http://localhost"))).status).toBe(200);
    expect(seen).toEqual(Array(2).fill([{ serverId: "mercado-pago", connectionId: "ca_1/2" }, bytes, "t"]));
    expect((await fetch(`${url}/v1/webhooks/asaas/ca_1`, { method: "PUT" })).status).toBe(405);
  });

  test("a notification that is refused has the flat body", async () => {
    const { http } = host({}, { notifications: () => Promise.reject(new Failure("notification_rejected", { problem: "the signature is wrong" })) });
    const response = await http.fetch(new Request("http://localhost/v1/webhooks/asaas/ca_1", { method: "POST", body: "{}" }));
    expect([response.status, await response.json()]).toMatchObject([401, { code: "notification_rejected" }]);
  });

  test("a malformed Host header is refused with a body", async () => {
    const { port } = await listening();
    const { received } = await dial(port, "GET /v1/whoami HTTP/1.1\r\nHost: a b\\c\r\nConnection: close\r\n\r\n");
    await expect.poll(received).toContain('"code":"validation_failed"');
    expect(received()).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("limits", () => {
  const upload = (url: string, body: BodyInit) =>
    fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...KEY }, ...({ duplex: "half" } as object) });

  test.each([["/v1/sessions"], ["/graphql"], ["/trpc/x"], ["/mcp"], ["/v1/webhooks/asaas/ca_1"]])("a body over a mebibyte is 413 at %s", async (path) => {
    const { url, door } = await listening();
    const response = await upload(url + path, `"${"a".repeat(1_048_575)}"`);
    expect([response.status, await response.json()]).toMatchObject([413, { code: "body_too_large" }]);
    expect(door.calls).toEqual([]);
  });

  test("a body without an announced length is counted while it arrives", async () => {
    const { url, door } = await listening({ operations: { "sessions.create": () => ({}) } });
    const chunked = (chunks: number) => new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"user_id":"'));
        for (let chunk = 0; chunk < chunks; chunk += 1) controller.enqueue(new Uint8Array(65_536).fill(97));
        controller.enqueue(new TextEncoder().encode('"}'));
        controller.close();
      },
    });
    expect((await upload(`${url}/v1/sessions`, chunked(15))).status).toBe(201);
    expect((await upload(`${url}/v1/sessions`, chunked(17))).status).toBe(413);
    expect(door.calls).toHaveLength(1);
  });

  test("an announced size that is too large is refused before it is sent", async () => {
    const { port } = await listening();
    const { received } = await dial(port, "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n");
    await expect.poll(received).toContain("HTTP/1.1 413 ");
  });

  test("a sender that does not stop is cut off", async () => {
    const { port } = await listening();
    const { socket } = await dial(port, "POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n");
    let sentBytes = 0;
    const chunk = Buffer.alloc(256 * 1024);
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      const more = (): void => {
        sentBytes += chunk.length;
        if (!socket.destroyed && sentBytes < 64 * 1024 * 1024) socket.write(chunk, more);
      };
      more();
    });
    expect(sentBytes).toBeLessThan(32 * 1024 * 1024);
  });

  test("a sender that leaves halfway calls nothing", async () => {
    const { port, door, url } = await listening({ operations: { "keys.whoami": () => ({}) } });
    const { socket } = await dial(port, 'POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"user');
    socket.destroy();
    expect((await fetch(`${url}/v1/whoami`, { headers: KEY })).status).toBe(200);
    expect(door.calls.map(({ name }) => name)).toEqual(["keys.whoami"]);
  });
});

describe("a caller that leaves", () => {
  test("aborts its call", async () => {
    let signal: AbortSignal | undefined;
    const { url } = await listening({
      operations: {
        "tools.execute": (_input, context) => {
          signal = context.signal;
          return new Promise(() => {});
        },
      },
    });
    const leaving = new AbortController();
    const call = fetch(`${url}/v1/sessions/ses_1/execute`, {
      method: "POST", body: '{"tool":"t"}', headers: { "content-type": "application/json", ...KEY }, signal: leaving.signal,
    });
    call.catch(() => {});
    await expect.poll(() => signal).toBeDefined();
    expect(signal!.aborted).toBe(false);
    leaving.abort();
    await expect.poll(() => signal!.aborted).toBe(true);
  });

  test("ends its stream, and whatever feeds it", async () => {
    let signal: AbortSignal | undefined;
    const { url } = await listening({
      subscriptions: {
        "payments.watch": (_input, context) => {
          signal = context.signal;
          return forever({ status: "pending" }, signal);
        },
      },
    });
    const leaving = new AbortController();
    const response = await fetch(`${url}/v1/tool-calls/tc_1/payment-status/stream`, { headers: KEY, signal: leaving.signal });
    const reader = response.body!.getReader();
    await reader.read();
    leaving.abort();
    await reader.read().catch(() => {});
    await expect.poll(() => signal!.aborted).toBe(true);
  });
});

describe("streams", () => {
  test("arrive event by event, neither compressed nor held back, with comments between", async () => {
    const { port } = await listening({ subscriptions: { "payments.watch": (_input, context) => forever({ status: "pending" }, context.signal) } }, { heartbeatMs: 30 });
    const { received } = await dial(port, "GET /v1/tool-calls/tc_1/payment-status/stream HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip, br\r\n\r\n");
    await expect.poll(received).toContain('event: snapshot\ndata: {"status":"pending"}\n\n');
    await expect.poll(received).toMatch(/\r\n: heartbeat [^\n]+\n\n\r\n/);
    expect(received()).toContain("content-type: text/event-stream\r\n");
    expect(received()).not.toContain("content-encoding");
  });
});

describe("addresses", () => {
  test.skipIf(!hasIpv6)("localhost is both loopback addresses on one port", async () => {
    const { http } = host();
    const { port, url } = await http.listen(0, "localhost");
    expect(url).toBe(`http://localhost:${port}`);
    for (const address of ["127.0.0.1", "[::1]"]) expect((await fetch(`http://${address}:${port}/health`)).status).toBe(200);
  });

  test.skipIf(!hasIpv6)("no host is every address, of both kinds", async () => {
    const { http } = host();
    const { port } = await http.listen(0);
    for (const address of ["127.0.0.1", "[::1]"]) expect((await fetch(`http://${address}:${port}/health`)).status).toBe(200);
  });

  test("an address is that address, and a taken port is an error", async () => {
    const { http } = host();
    const { port, url } = await http.listen(0, "127.0.0.1");
    expect(url).toBe(`http://127.0.0.1:${port}`);
    await expect(host().http.listen(port, "127.0.0.1")).rejects.toThrow("EADDRINUSE");
  });
});

describe("stopping", () => {
  test("a request under way is answered, and new ones are refused with a wait", async () => {
    let finish = (_session: object) => {};
    const { http, url, port } = await listening({
      operations: { "sessions.get": () => new Promise((resolve) => (finish = resolve)), "keys.whoami": () => ({}) },
    });
    const idle = await dial(port, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await expect.poll(idle.received).toContain('{"status":"ok"}');
    const silent = await dial(port, "");
    const busy = await dial(port, "GET /v1/sessions/ses_1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\n\r\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const began = Date.now();
    const drained = http.drain(5_000);
    await expect.poll(() => idle.socket.destroyed && silent.socket.destroyed).toBe(true);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    const refused = await http.fetch(new Request("http://localhost/v1/whoami"));
    expect([refused.status, refused.headers.get("retry-after"), await refused.json()]).toMatchObject([503, "1", { code: "shutting_down", retry: "same_key" }]);
    expect((await http.fetch(new Request("http://localhost/health"))).status).toBe(200);
    expect(await (await http.fetch(new Request("http://localhost/ready"))).json()).toEqual({ ok: false, checks: { database: "ok", stopping: true } });
    finish({ id: "ses_1", tool_call_count: 0 });
    await drained;
    expect(Date.now() - began).toBeLessThan(2_500);
    await expect.poll(busy.received).toContain('"id":"ses_1"');
  });

  test("watches are told and closed at once, a send may finish", async () => {
    let finish = () => {};
    const { http, url } = await listening({
      subscriptions: {
        "payments.watch": (_input, context) => forever({ status: "pending" }, context.signal),
        "sessions.sendStream": async function* () {
          yield { id: "1", item: { type: "user_message", cursor: "1", content: "pay" } };
          await new Promise<void>((resolve) => (finish = resolve));
          yield { id: "2", item: { type: "done", cursor: "2", result: { run_id: "run_1", message: "Paid.", tool_calls: [], iterations: 1 } } };
        },
      },
    });
    const watch = await fetch(`${url}/v1/tool-calls/tc_1/payment-status/stream`, { headers: KEY });
    const send = await fetch(`${url}/v1/sessions/ses_1/send/stream`, { method: "POST", body: '{"message":"pay"}', headers: KEY });
    const sent = send.text();
    const began = Date.now();
    const drained = http.drain(5_000);
    expect(await watch.text()).toContain('event: done\ndata: {"reason":"shutting_down"}\n\n');
    finish();
    expect(await sent).toContain('"message":"Paid."');
    await drained;
    expect(Date.now() - began).toBeLessThan(2_500);
  });

  test("a send that does not finish is told, and everything is closed within the time", async () => {
    let signal: AbortSignal | undefined;
    const { http, url } = await listening({
      operations: { "tools.execute": () => new Promise(() => {}) },
      subscriptions: {
        "sessions.sendStream": (_input, context) => {
          signal = context.signal;
          return forever({ type: "user_message", cursor: "1", content: "pay" }, signal);
        },
      },
    });
    const send = await fetch(`${url}/v1/sessions/ses_1/send/stream`, { method: "POST", body: '{"message":"pay"}', headers: KEY });
    const stuck = fetch(`${url}/v1/sessions/ses_1/execute`, { method: "POST", body: '{"tool":"t"}', headers: KEY });
    const cut = expect(stuck).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const began = Date.now();
    const drained = http.drain(1_000);
    expect(await send.text()).toContain('event: error\ndata: {"type":"error","error":"shutting_down"');
    expect(signal!.aborted).toBe(true);
    await drained;
    await cut;
    const tookMs = Date.now() - began;
    expect(tookMs).toBeGreaterThanOrEqual(950);
    expect(tookMs).toBeLessThan(2_500);
  });
});
