import { expect, test } from "vitest";
import { liveKey, mariaCharge, startApp } from "../../support/app.ts";
import { execute } from "../../../src/execution/execute.ts";
import { newId } from "../../../schema/ids.ts";
import { testPrincipal } from "../../support/money.ts";

const app = await startApp();
const show = async (what: string, make: () => Promise<unknown>) => {
  try { console.log(what, JSON.stringify(await make(), (_k, v) => (typeof v === "bigint" ? String(v) : v))?.slice(0, 600)); } catch (error) { console.log(what, "THREW", (error as Error & { code?: string }).code, (error as Error).message, String((error as Error).cause).slice(0, 300)); }
};
test("explore", async () => {
  const small = await app.run("codespar_charge", { ...mariaCharge, amount: 100 });
  await app.pass(60_000);
  await show("fee>amount", () => app.call("payments.status", { tool_call_id: small.tool_call_id! }));
  await show("jobs", () => app.platform.db.sql`select kind, attempts, last_error from jobs where last_error is not null`);
  const principal = await testPrincipal(app);
  const session_id = await app.session();
  const major = { ...principal, settings: { ...principal.settings, chargeAmountUnit: "major" as const } };
  await show("agent in a major project", () => execute(app.platform, { principal: major, sessionId: session_id, runId: newId("run", app.clock.now()), origin: "agent", tool: "codespar_charge", input: { ...mariaCharge } }));
  await show("live mocks {}", () => app.call("sessions.create", { user_id: "u", mocks: {} }, { credential: liveKey }));
  await show("NUL user", () => app.call("sessions.create", { user_id: "u\u0000" }));
  await show("NUL desc", () => app.run("codespar_charge", { ...mariaCharge, description: "a\u0000b" }));
  await show("NUL session id", () => app.call("sessions.get", { session_id: "\u0000" }));
  await show("lone surrogate", () => app.run("codespar_charge", { ...mariaCharge, description: "a\ud800b" }));
  await show("infinite metadata", () => app.run("codespar_charge", { ...mariaCharge, metadata: JSON.parse('{"a":1e400}') }));
  await show("deep metadata", () => app.run("codespar_charge", { ...mariaCharge, metadata: JSON.parse('{"a":'.repeat(200) + "1" + "}".repeat(200)) }));
  await show("country br", () => app.run("codespar_charge", { ...mariaCharge, country: "br" }));
  await show("defaults", async () => { const a = await app.run("codespar_pay", { amount: 100, recipient: { pix_key: "a@example.com" }, idempotency_key: "dflt" }); const b = await app.run("codespar_pay", { amount: 100, currency: "brl", method: "pix", recipient: { pix_key: "a@example.com" }, idempotency_key: "dflt" }); return [a.success, b.success, b.code]; });
  await show("eth", () => app.run("codespar_crypto_pay", { amount: "0.01", currency: "ETH", direction: "send", network: "ethereum", recipient: { wallet_address: "0x1111111111111111111111111111111111111111", country: "BR" } }));
  await show("list", () => app.call("toolCalls.list", { limit: 3 }));
  await show("eth10", () => app.run("codespar_crypto_pay", { amount: "10", currency: "ETH", direction: "send", network: "ethereum", recipient: { wallet_address: "0x1111111111111111111111111111111111111111", country: "BR" } }));
  expect(1).toBe(1);
}, 60_000);
