/** In which unit an amount is read, by whom it was written, and how much of one a call can carry. */
import { expect, test } from "vitest";
import { newId } from "../../../schema/ids.ts";
import type { Origin } from "../../../schema/tool-calls.ts";
import { execute } from "../../../src/execution/execute.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { testPrincipal } from "../../support/money.ts";

const app = await startApp();
const principal = await testPrincipal(app);
const sessionId = await app.session();

/** A tool use in a project that has stated the unit of its charges. */
function use(unit: "minor" | "major" | undefined, origin: Origin, tool: string, input: object) {
  const settings = { ...principal.settings, ...(unit && { chargeAmountUnit: unit }) };
  const runId = origin === "agent" ? newId("run", app.clock.now()) : undefined;
  return execute(app.platform, { principal: { ...principal, settings }, sessionId, runId, origin, tool, input: { ...input } });
}

test("the agent's model is shown minor units, so it charges minor units in a project that writes reais itself", async () => {
  expect(await use("major", "agent", "codespar_charge", mariaCharge)).toMatchObject({ success: true, data: { amount: 15_000 } });
  expect(await use("major", "direct", "codespar_charge", { ...mariaCharge, amount: 150 })).toMatchObject({ success: true, data: { amount: 15_000 } });
});

test("the agent's model may charge in a live project that has stated no unit: its tools state one", async () => {
  const live = { ...principal, environment: "live" as const };
  const runId = newId("run", app.clock.now());
  const answer = await execute(app.platform, { principal: live, sessionId, runId, origin: "agent", tool: "codespar_charge", input: { ...mariaCharge, method: "boleto" } });
  expect(answer.code).not.toBe("amount_unit_unset");
  const own = await execute(app.platform, { principal: live, sessionId, origin: "direct", tool: "codespar_charge", input: { ...mariaCharge } });
  expect(own).toMatchObject({ success: false, code: "amount_unit_unset" });
});

test("the tools that a client is given name the unit in which this project's amounts are read", async () => {
  const [{ settings }] = await app.platform.db.sql<[{ settings: object }]>`select settings from projects where id = ${principal.projectId}`;
  const shown = async () => {
    const { tools } = await app.call("sessions.connections", { session_id: sessionId });
    return tools.find(({ name }) => name === "codespar_charge")!.input_schema as { properties: { amount: unknown } };
  };
  expect((await shown()).properties.amount).toEqual({ type: "integer", description: "minor units: R$150.00 is 15000" });
  await app.platform.db.sql`update projects set settings = ${app.platform.db.sql.json({ ...settings, chargeAmountUnit: "major" })} where id = ${principal.projectId}`;
  expect((await shown()).properties.amount).toEqual({ type: "number", description: "major units: R$150.00 is 150" });
  expect(await app.run("codespar_charge", { ...mariaCharge, amount: 150 }, { origin: "mcp" })).toMatchObject({ success: true, data: { amount: 15_000 } });
  await app.platform.db.sql`update projects set settings = ${app.platform.db.sql.json(settings as never)} where id = ${principal.projectId}`;
});

const ether = (amount: string) =>
  app.run("codespar_crypto_pay", { amount, currency: "ETH", direction: "send", network: "ethereum", recipient: { wallet_address: "0x1111111111111111111111111111111111111111" } });

test.each([["0.01", 10_000_000], ["12.5", 12_500_000_000]])("%s ETH can be sent, and be read ever after", async (amount, gwei) => {
  const { tool_call_id } = await ether(amount);
  await app.pass(15_000);
  expect(await app.call("payments.status", { tool_call_id })).toMatchObject({ status: "succeeded", amount_minor: gwei, final_amount_minor: gwei, currency: "ETH" });
  const { tool_calls } = await app.call("toolCalls.list", { tool: "codespar_crypto_pay" });
  expect(tool_calls.find(({ id }) => id === tool_call_id)).toMatchObject({ amount_minor: gwei });
});

test.each(["0.0000000001", "99999999999999999999", "0"])("%s ETH is refused by name: no row could carry it", async (amount) => {
  expect(await ether(amount)).toMatchObject({ success: false, code: "invalid_args", field: "amount", expected: expect.stringContaining("at most 9 decimals") });
});

test("items that add up to more than a JSON integer are refused", async () => {
  const items = Array.from({ length: 2 }, () => ({ description: "Consulting", amount: Number.MAX_SAFE_INTEGER }));
  expect(await app.run("codespar_invoice", { customer: { name: "Maria Silva" }, items })).toMatchObject({ success: false, code: "invalid_args", field: "items" });
});

test("a country is read in any case", async () => {
  expect(await app.run("codespar_charge", { ...mariaCharge, country: "br" })).toMatchObject({ success: true, rail: "asaas-pix" });
});
