/** A provider's own tools: the same pipeline, the provider's own words. */
import { expect, test } from "vitest";
import type { CallContext } from "../../../providers/provider.ts";
import { zApi } from "../../../providers/z-api/index.ts";
import { connectionConfig, projectConnection } from "../../../src/connections/connections.ts";
import { performNative } from "../../../src/execution/perform.ts";
import { startApp } from "../../support/app.ts";

const app = await startApp();
const { id: session_id } = await app.call("sessions.create", { user_id: "u", servers: ["asaas"] });
const run = (tool: string, input: object, as: Parameters<typeof app.call>[2] = {}) => app.call("tools.execute", { session_id, tool, input }, as);

const aCall: Omit<CallContext, "clock"> = {
  reference: "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c", toolCallId: "tc_1", signal: undefined, acted: false, notes: {}, note: async () => {},
};

const customer = async (): Promise<string> =>
  ((await run("asaas/create_customer", { name: "Maria Silva", cpfCnpj: "11144477735" })).data as { id: string }).id;

test("both spellings reach one tool, and the answer is the provider's own", async () => {
  const id = await customer();
  expect(id).toMatch(/^cus_/);
  const input = { customer: id, billingType: "PIX", value: 12.5, dueDate: "2026-11-30" };
  const payment = await run("asaas__create_payment", input);
  expect(payment).toMatchObject({ success: true, server: "asaas", tool: "asaas__create_payment", data: { object: "payment", value: 12.5, billingType: "PIX" } });
  expect(Object.keys(payment.data as object)).not.toContain("tool_call_id");
  const read = await run("asaas/get_payment", { id: (payment.data as { id: string }).id });
  expect(read.data).toMatchObject({ id: (payment.data as { id: string }).id, value: 12.5 });
});

test("a repeat under one key is one payment, and other arguments under it are refused", async () => {
  const input = { customer: await customer(), billingType: "PIX", value: 31, dueDate: "2026-11-30", idempotency_key: "order-native-1" };
  const first = await run("asaas/create_payment", input);
  const again = await run("asaas/create_payment", input);
  expect(again).toMatchObject({ replayed: true, tool_call_id: first.tool_call_id, data: first.data });
  expect(await run("asaas/create_payment", { ...input, value: 32 })).toMatchObject({ success: false, code: "idempotency_conflict" });
  const sent = app.twins!.requests("asaas").filter(({ method, path, body }) => method === "POST" && path === "/v3/payments" && body.includes('"value":31'));
  expect(sent).toHaveLength(1);
});

test("a wrong argument is named, and nothing is sent", async () => {
  const before = app.twins!.requests("asaas").length;
  expect(await run("asaas/create_payment", { billingType: "PIX", value: 1, dueDate: "2026-11-30" })).toMatchObject({ success: false, code: "invalid_args", field: "customer" });
  expect(app.twins!.requests("asaas").length).toBe(before);
});

test("what the provider refuses is a decline in its own words", async () => {
  const refused = await run("asaas/create_payment", { customer: "cus_000000000000", billingType: "PIX", value: 1, dueDate: "2026-11-30" });
  expect(refused).toMatchObject({ success: false, code: "provider_declined", provider: "asaas", outcome: "declined" });
  expect(refused.error).toMatch(/400/);
});

test("an answer that is lost leaves the call unknown, and it is not sent again", async () => {
  app.twins!.setFault("asaas", { kind: "reset_after", method: "POST", path: "/customers$" });
  const key = { idempotency_key: "customer-1" };
  const lost = await run("asaas/create_customer", { name: "Lost", cpfCnpj: "52998224725", ...key });
  expect(lost).toMatchObject({ success: true, outcome: "unknown" });
  expect(await run("asaas/create_customer", { name: "Lost", cpfCnpj: "52998224725", ...key })).toMatchObject({ outcome: "unknown", replayed: true, tool_call_id: lost.tool_call_id });
  expect(app.twins!.requests("asaas").filter(({ path, body }) => path === "/v3/customers" && body.includes("52998224725"))).toHaveLength(1);
});

test("agents and MCP reach only the servers of the session; a key's holder reaches every connected one", async () => {
  const bare = await app.session();
  const call = (origin: "direct" | "mcp") => app.call("tools.execute", { session_id: bare, tool: "asaas/get_payment", input: { id: "pay_1" } }, { origin });
  expect(await call("mcp")).toMatchObject({ success: false, code: "tool_not_in_session" });
  expect(await call("direct")).toMatchObject({ success: false, code: "provider_declined" });
});

test("a session shows the own tools of the servers it names, and only those", async () => {
  const names = async (id: string) => (await app.call("sessions.connections", { session_id: id })).tools.filter(({ server }) => server !== "codespar").map(({ name }) => name);
  expect(await names(session_id)).toEqual(expect.arrayContaining(["asaas__create_customer", "asaas__create_payment", "asaas__get_installments"]));
  expect((await names(session_id)).every((name) => name.startsWith("asaas__"))).toBe(true);
  expect(await names(await app.session())).toEqual([]);
});

test("a secret that a provider repeats in its answer is passed on masked, be it a refusal or not", async () => {
  const { platform } = app;
  const [row] = await platform.db.sql<{ projectId: string; id: string }[]>`
    select project_id as "projectId", id from connections where server_id = 'z-api' and environment = 'test'`;
  const connection = (await projectConnection(platform, row!.projectId, row!.id))!;
  const { credentials: { token, client_token } } = await connectionConfig(platform, connection);
  const call = { ...aCall, clock: platform.clock };
  const answered = async (status: number) => {
    const body = { said: [`Client-Token ${client_token} of ${token}`] };
    const transport = () => async () => Response.json(body, { status });
    const tool = zApi.native!.tools.find(({ name }) => name === "get_status")!;
    return JSON.stringify(await performNative(zApi, tool, {})({ ...platform, transport }, connection, call));
  };
  for (const status of [200, 403]) {
    expect(await answered(status)).toContain("Client-Token *** of ***");
    expect(await answered(status)).not.toContain(client_token);
  }
});
