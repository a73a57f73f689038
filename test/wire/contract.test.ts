/** The stand-ins themselves: what the validating fetch finds, and what each of the clients' stream readers makes of the same bytes. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, test } from "vitest";
import { contractFetch } from "./support/contract.ts";
import { lastEnvelope, logLines, pythonChat, typescriptChat } from "./support/frames.ts";

describe("the validating fetch", () => {
  /** Answers as the test says. */
  let answer = { status: 200, type: "application/json", body: "{}" };
  const server: Server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, { "content-type": answer.type }).end(answer.body);
  });
  const ready = new Promise<string>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
  afterAll(() => void server.close());

  const bearer = { authorization: "Bearer csk_test_1" };
  const closed = { status: 204, type: "", body: "" };

  type Sent = { headers?: Record<string, string>; body?: string };
  async function violations(method: string, path: string, sent: Sent, answered: typeof answer, isMisuse = false) {
    answer = answered;
    const { fetch, misuseNext, takeViolations } = contractFetch();
    if (isMisuse) misuseNext();
    await (await fetch(`${await ready}${path}`, { method, headers: bearer, ...sent })).text();
    return takeViolations().join("\n");
  }

  test("finds nothing in an exchange that fits, also with a doubled slash and an escape in the path", async () => {
    expect(await violations("DELETE", "//v1/sessions/a%2Fb", {}, closed)).toBe("");
  });

  test.each([
    ["a route", "GET", "/v1/nowhere", {}, "the route is not described"],
    ["a member of the body", "POST", "/v1/sessions", { body: '{"user_id":"ana","preset":"all"}' }, "the member preset of the body is not described"],
    ["a body's missing member", "POST", "/v1/sessions", { body: "{}" }, "must have required property 'user_id'"],
    ["a body's wrong type", "POST", "/v1/sessions", { body: '{"user_id":7}' }, "/user_id must be string"],
    ["a missing body", "POST", "/v1/sessions", {}, "the body is missing"],
    ["a body where none is described", "DELETE", "/v1/sessions/ses_1", { body: '{"force":true}' }, "the member force of the body is not described"],
    ["a query parameter", "GET", "/v1/sessions?page=2", {}, "the query parameter page is not described"],
    ["a query parameter's value", "GET", "/v1/sessions?limit=1000", {}, "limit in the query: it must be <= 100"],
    ["a credential that is missing", "GET", "/v1/whoami", { headers: {} }, "there is no bearer credential"],
  ])("finds %s that the contract has not", async (_what, method, path, sent, problem) => {
    expect(await violations(method, path, sent, closed)).toContain(problem);
  });

  test.each([
    ["a status", { ...closed, status: 418 }, "the status 418 is not described"],
    ["a media type", { status: 200, type: "text/html", body: "<p>" }, "the media type text/html is not described"],
    ["a body's missing member", { status: 200, type: "application/json", body: '{"connections":[]}' }, "must have required property 'next_before'"],
    ["a moment in another form", { status: 401, type: "application/json", body: '{"error":{"code":"no"}}' }, "/error must be string"],
  ])("finds %s that no answer may have", async (_what, answered, problem) => {
    expect(await violations("GET", "/v1/connections", {}, answered)).toContain(problem);
  });

  test("finds a frame that no stream may have", async () => {
    const stream = (body: string) => violations("GET", "/v1/tool-calls/tc_1/payment-status/stream", {}, { status: 200, type: "text/event-stream", body });
    expect(await stream(': heartbeat 1\n\nevent: done\ndata: {"reason":"terminal"}\n\n')).toBe("");
    expect(await stream("event: done\r\ndata: {}\r\n\r\n\n\n")).toContain("a frame has a carriage return");
    expect(await stream(': beat\nevent: done\ndata: {"reason":"x"}\n\n')).toContain("a comment shares its frame");
    expect(await stream('event: done\ndata:{"reason":"x"}\n\n')).toContain("a frame has not one line of data");
    expect(await stream('event: done\ndata: {"reason":"x"}')).toContain("the last frame has no blank line behind it");
    expect(await stream('event: snapshot\ndata: {"status":"paid"}\n\n')).toContain("must have required property");
  });

  test("takes a request that is meant to break the contract, but not one that only says so", async () => {
    const refused = {
      status: 400, type: "application/json", body: '{"error":"e","code":"validation_failed","message":"m","retry":"never","request_id":"r"}',
    };
    expect(await violations("POST", "/v1/sessions", { body: "{}" }, refused, true)).toBe("");
    expect(await violations("GET", "/v1/connections", {}, refused, true)).toContain("it is said to break the contract, and does not");
  });
});

describe("the clients' readers", () => {
  const bytes = (text: string) => new Response(text).body!;
  const record = { id: "tc_1", tool_name: "t", server_id: "s", status: "success", duration_ms: 1, input: {}, output: {}, error_code: null };
  const frame = (event: string, data: object) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
  async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
    const read = [];
    for await (const item of items) read.push(item);
    return read;
  }

  test("frames for one SDK alone are no events, or empty ones, to the other", async () => {
    const typescript = frame("tool_result", record) + frame("done", { message: "ok", tool_calls: [], iterations: 1 });
    expect(await all(typescriptChat(bytes(typescript)))).toHaveLength(2);
    expect(await all(pythonChat(bytes(typescript)))).toEqual([]);
    const python = frame("tool_result", { type: "tool_result", toolCall: record });
    expect(await all(pythonChat(bytes(python)))).toEqual([{ type: "tool_result", toolCall: record }]);
    const empty = Object.fromEntries(Object.keys(record).map((key) => [key, undefined]));
    expect(await all(typescriptChat(bytes(python)))).toEqual([{ type: "tool_result", toolCall: empty }]);
  });

  test("carriage returns are no events to either, and a comment in front costs TypeScript its event", async () => {
    const text = frame("user_message", { type: "user_message", content: "hi" });
    const spoiled = (text + text).replaceAll("\n", "\r\n");
    expect([await all(typescriptChat(bytes(spoiled))), await all(pythonChat(bytes(spoiled)))]).toEqual([[], []]);
    expect(await all(typescriptChat(bytes(`: beat\n${text}`)))).toEqual([]);
    expect(await all(pythonChat(bytes(`: beat\n${text}`)))).toHaveLength(1);
  });

  test("what is no JSON is passed over by TypeScript and breaks Python", async () => {
    expect(await all(typescriptChat(bytes("data: [DONE]\n\n")))).toEqual([]);
    await expect(all(pythonChat(bytes("data: [DONE]\n\n")))).rejects.toThrow("not JSON");
  });

  test("a status stream needs data in its done, a blank line behind its last frame, and a snapshot", async () => {
    const read = (text: string) => lastEnvelope<{ n: number }>(bytes(text), () => {});
    const [snapshot, other, update] = [frame("snapshot", { n: 1 }), frame("other", { n: 9 }), frame("update", { n: 2 })];
    expect(await read(snapshot + other + update + frame("done", {}) + frame("update", { n: 3 }))).toEqual({ n: 2 });
    expect(await read(`${snapshot}event: done\n\n${update}`)).toEqual({ n: 2 });
    expect(await read(snapshot + update.trimEnd())).toEqual({ n: 1 });
    await expect(read(frame("done", {}))).rejects.toThrow("before its snapshot");
  });

  test("the log needs the space behind `data:`", async () => {
    expect(await all(logLines(bytes('data: {"id":"tc_1"}\n\ndata:{"id":"tc_2"}\n\n: open\n\n')))).toEqual([{ id: "tc_1" }]);
  });
});
