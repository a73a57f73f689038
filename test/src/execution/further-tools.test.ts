/** The meta-tools beyond the nine: callable by everybody, shown where a project asks for all. */
import { expect, test } from "vitest";
import { toolSets } from "../../../schema/meta-tools/index.ts";
import { liveKey, startApp } from "../../support/app.ts";
import { postings } from "../../support/money.ts";

const app = await startApp();
const buyer = { name: "Maria Silva", document: "111.444.777-35" };

test("a cart is one charge of what its items add up to, settled and booked like one", async () => {
  const paid = await app.run("codespar_checkout", { items: [{ name: "Shirt", price: 5_000, quantity: 2 }, { name: "Cap", price: 4_900 }], buyer });
  expect(paid).toMatchObject({ success: true, provider: "asaas", rail: "asaas-pix", status: "pending", data: { amount: 14_900, pix_copy_paste: expect.stringMatching(/^000201/) } });
  expect(app.twins!.requests("asaas").at(-2)!.body).toContain("Shirt, Cap");
  await app.pass(10_000);
  expect(await app.call("payments.status", { tool_call_id: paid.tool_call_id })).toMatchObject({ status: "succeeded" });
  expect(await postings(app, paid.tool_call_id)).toEqual(["charge_settled: provider:asaas:balance +14701, expense:fees:asaas +199, income:sales -14900"]);
});

test("prices may be in major units, and a total that is given wins over the sum", async () => {
  const cart = { items: [{ name: "A", price: 149.5, quantity: 2 }], paymentMethod: "pix", buyer, amount_unit: "major" };
  expect(await app.run("codespar_checkout", cart)).toMatchObject({ success: true, data: { amount: 29_900 } });
  expect(await app.run("codespar_checkout", { ...cart, amount: 250 })).toMatchObject({ success: true, data: { amount: 25_000 } });
  expect(await app.run("codespar_checkout", { items: [], buyer })).toMatchObject({ success: false, field: "items" });
});

test("a cart of nobody has a stand-in for its buyer in test, and is refused live", async () => {
  const items = [{ name: "Cap", price: 4_900 }];
  expect(await app.run("codespar_checkout", { items })).toMatchObject({ success: true, data: { amount: 4_900 } });
  const { id: session_id } = await app.call("sessions.create", { user_id: "u" }, { credential: liveKey });
  expect(await app.call("tools.execute", { session_id, tool: "codespar_checkout", input: { items } }, { credential: liveKey }))
    .toMatchObject({ success: false, code: "invalid_args", field: "buyer" });
});

test("a session lists the tools it may call", async () => {
  const { id: session_id } = await app.call("sessions.create", { user_id: "u", servers: ["asaas"] });
  const listed = await app.call("tools.execute", { session_id, tool: "codespar_list_tools", input: {} });
  const { tools } = await app.call("sessions.connections", { session_id });
  expect(listed).toMatchObject({ success: true, error: null, data: { count: tools.length, tools: tools.map(({ name }) => ({ name })) } });
});

test("the first steps say what is done and what comes next", async () => {
  const steps = async (as: { credential?: string } = {}) => {
    const { id: session_id } = await app.call("sessions.create", { user_id: "u" }, as);
    const { data } = await app.call("tools.execute", { session_id, tool: "codespar_get_started", input: {} }, as);
    return (data as { steps: { title: string; done: boolean }[] }).steps;
  };
  expect(await steps()).toMatchObject([{ title: "Connect a provider", done: true }, { title: "Charge somebody" }, { title: "Watch it settle" }, { done: false }]);
  expect((await steps({ credential: liveKey })).map(({ title, done }) => [title, done]).slice(0, 2)).toEqual([["Connect a provider", false], ["State the unit of charges", false]]);
});

test("models and sessions are shown the nine, and all of them where the project says so", async () => {
  const shown = async () => (await app.call("sessions.connections", { session_id: await app.session() })).tools.map(({ name }) => name);
  expect(await shown()).toEqual(toolSets.core9.map(({ name }) => name));
  const { project: { id: project_id } } = await app.call("keys.whoami", {});
  await app.call("projects.update", { project_id, settings: { tool_set: "all" } });
  expect(await shown()).toEqual(toolSets.all.map(({ name }) => name));
  await app.call("projects.update", { project_id, settings: { tool_set: "core9" } });
});

test("a strict session binds its own callers to its servers", async () => {
  const read = async (servers: string[]) => {
    const { id: session_id } = await app.call("sessions.create", { user_id: "u", servers, strict_servers: true });
    return app.call("tools.execute", { session_id, tool: "asaas/get_payment", input: { id: "pay_1" } });
  };
  expect(await read(["persona"])).toMatchObject({ success: false, code: "tool_not_in_session" });
  expect(await read(["asaas"])).toMatchObject({ success: false, code: "provider_declined" });
});

test.each([
  ["api_key", { api_key: "sk_1" }], ["asaasSecret", { asaasSecret: "x" }], ["metadata.password", { metadata: { password: "x" } }], ["credentials", { credentials: {} }],
])("a credential in the body of a new session is refused by its name: %s", async (field, extra) => {
  await expect(app.call("sessions.create", { user_id: "u", servers: [], ...extra })).rejects.toMatchObject({ code: "validation_failed", at: { field }, message: expect.stringContaining("connect the server instead") });
});
