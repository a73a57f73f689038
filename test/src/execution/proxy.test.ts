/** proxy_execute: a caller's own request to a connected provider, once, below its own address, with nothing of ours in the answer. */
import { expect, test } from "vitest";
import { maskingText } from "../../../src/execution/perform.ts";
import { readable } from "../../../src/execution/proxy.ts";
import { startApp, testKey } from "../../support/app.ts";

const app = await startApp();
const { sql } = app.platform.db;
const proxy = async (input: object, as: Parameters<typeof app.call>[2] = {}) =>
  app.call("tools.proxy", { session_id: await app.session(), server: "asaas", ...input }, as);
const customers = (name: string) => app.twins!.requests("asaas").filter(({ path, body }) => path === "/v3/customers" && body.includes(name));

test("a request reaches the provider with the connection's credentials, and its answer comes back whole", async () => {
  const made = await proxy({
    endpoint: "/customers", method: "POST", body: { name: "Ana", cpfCnpj: "11144477735" }, headers: { "x-order": "1042" },
  });
  expect(made).toMatchObject({
    status: 200, data: { object: "customer", name: "Ana" }, headers: { "content-type": "application/json" }, duration: expect.any(Number),
    proxy_call_id: expect.stringMatching(/^px_/), tool_call_id: expect.stringMatching(/^tc_/),
  });
  expect(customers("Ana")).toMatchObject([{ headers: { "x-order": "1042" } }]);
  const found = await proxy({ endpoint: "/customers?limit=1", method: "GET", params: { cpfCnpj: "11144477735" } });
  expect(found).toMatchObject({ status: 200, data: { data: [{ id: (made.data as { id: string }).id, name: "Ana" }] } });
});

test("a refusal of the provider is an answer, with its status and its words", async () => {
  expect(await proxy({ endpoint: "/payments/pay_none", method: "GET" })).toMatchObject({ status: 404 });
  expect(await proxy({ endpoint: "/customers", method: "POST", body: {} })).toMatchObject({ status: 400, data: { errors: expect.any(Array) } });
});

test("it is in the log and among the tool calls, and no tool of that name can be run by a model", async () => {
  const { tool_call_id } = await proxy({ endpoint: "/customers", method: "GET", params: { limit: 1 } });
  expect(await app.call("toolCalls.get", { tool_call_id })).toMatchObject({
    tool_name: "asaas/proxy_execute", provider: "asaas", status: "success", input: { endpoint: "/customers", method: "GET", params: { limit: 1 } },
  });
  expect(await app.run("asaas/proxy_execute", { endpoint: "/customers", method: "GET" })).toMatchObject({ success: false, code: "tool_not_registered" });
});

test.each([
  ["another host by a double slash", "//evil.example/x", "validation"],
  ["a scheme", "https://evil.example/x", "validation"],
  ["a backslash", "/\\evil.example", "validation"],
  ["a port or user in disguise", "/x@evil.example:443/", "validation"],
  ["dot segments out of the base path", "/../../admin", "proxy_path_refused"],
  ["encoded dot segments", "/%2e%2e/%2E%2E/admin", "proxy_path_refused"],
  ["a fragment", "/customers#x", "validation"],
])("%s leads nowhere", async (_what, endpoint, code) => {
  const before = app.twins!.requests("asaas").length;
  await expect(proxy({ endpoint, method: "GET" })).rejects.toMatchObject(code === "validation" ? { http: 400, at: { field: "endpoint" } } : { code, http: 400 });
  expect(app.twins!.requests("asaas").length).toBe(before);
});

test.each(["Authorization", "access_token", "Host", "x-twin-host", "Cookie", "Content-Length"])("a caller's %s takes nothing's place", async (name) => {
  const answer = await proxy({ endpoint: "/customers", method: "GET", headers: { [name]: "mine" } }).catch((error: unknown) => error);
  if (name === "access_token") expect(answer).toMatchObject({ status: 200 });
  else expect(answer).toMatchObject({ http: 400, at: { field: `headers.${name}` } });
});

test("a credential that the provider repeats does not come back, nor a cookie of its own", () => {
  const masked = maskingText({ credentials: ["key", "short"].map((name) => ({ name, label: name, secret: true, required: true })) }, { credentials: { key: "sk_123456789", short: "sk" } });
  const headers = new Headers({ "content-type": "application/json", "x-echo": "key sk_123456789", "set-cookie": "session=1" });
  expect(readable({ status: 401, headers, text: '{"error":"sk_123456789 is no key, sk is short"}' }, masked)).toEqual({
    status: 401, headers: { "content-type": "application/json", "x-echo": "key ***" }, data: { error: "*** is no key, sk is short" },
  });
  expect(readable({ status: 200, headers: new Headers(), text: "<html>" }, masked)).toEqual({ status: 200, headers: {}, data: "<html>" });
  expect(readable({ status: 204, headers: new Headers(), text: "" }, masked)).toEqual({ status: 204, headers: {}, data: null });
});

test("a repeat under one key is one request; another request under it is refused", async () => {
  const session_id = await app.session();
  const call = (name: string) =>
    app.call("tools.proxy", { session_id, server: "asaas", endpoint: "/customers", method: "POST", body: { name, cpfCnpj: "11144477735" } }, { idempotencyKey: "proxy-1" });
  const first = await call("Bia");
  expect(await call("Bia")).toMatchObject({ replayed: true, data: first.data, tool_call_id: first.tool_call_id });
  await expect(call("Caio")).rejects.toMatchObject({ code: "idempotency_conflict" });
  expect(customers("Bia")).toHaveLength(1);
  expect(customers("Caio")).toHaveLength(0);
});

test("a lost answer is told as lost, and is not sent again under its key", async () => {
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/customers$" });
  const session_id = await app.session();
  const call = () =>
    app.call("tools.proxy", { session_id, server: "asaas", endpoint: "/customers", method: "POST", body: { name: "Lost", cpfCnpj: "11144477735" } }, { idempotencyKey: "proxy-2" });
  await expect(call()).rejects.toMatchObject({ code: "provider_answer_lost", http: 502, retry: "same_key" });
  await expect(call()).rejects.toMatchObject({ code: "provider_answer_lost" });
  expect(customers("Lost")).toHaveLength(1);
});

test("a provider that cannot be reached is told so, and the key is free again", async () => {
  app.twins!.setFault("asaas", { kind: "refused" });
  await expect(proxy({ endpoint: "/customers", method: "POST", body: { name: "Down", cpfCnpj: "11144477735" } }, { idempotencyKey: "proxy-3" }))
    .rejects.toMatchObject({ code: "provider_unavailable", http: 503 });
  expect(await proxy({ endpoint: "/customers", method: "POST", body: { name: "Down", cpfCnpj: "11144477735" } }, { idempotencyKey: "proxy-3" })).toMatchObject({ status: 200 });
});

test("unknown servers, unconnected ones and strict mocks let nothing out", async () => {
  await expect(proxy({ server: "nobody", endpoint: "/x", method: "GET" })).rejects.toMatchObject({ code: "server_not_found", http: 404 });
  const live = await app.call("sessions.create", { user_id: "u" }, { credential: "csk_live_0123456789abcdefLIVEkey" });
  await expect(app.call("tools.proxy", { session_id: live.id, server: "asaas", endpoint: "/x", method: "GET" }, { credential: "csk_live_0123456789abcdefLIVEkey" }))
    .rejects.toMatchObject({ code: "server_not_connected", http: 404 });
  const mocked = await app.call("sessions.create", { user_id: "u", mocks: { codespar_pay: { id: "p" } } }, { credential: testKey });
  await expect(app.call("tools.proxy", { session_id: mocked.id, server: "asaas", endpoint: "/x", method: "GET" })).rejects.toMatchObject({ code: "tool_not_mocked" });
});

test("a project whose sessions are strict is held to the session's servers", async () => {
  await sql`update projects set settings = settings || '{"strictServers":true}' where environment = 'test'`;
  await expect(proxy({ endpoint: "/customers", method: "GET" })).rejects.toMatchObject({ code: "tool_not_in_session" });
  await sql`update projects set settings = settings - 'strictServers' where environment = 'test'`;
});
