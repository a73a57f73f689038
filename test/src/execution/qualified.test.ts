/** A meta-tool named with the provider it is to go through, as a reader of discover joins the two. */
import { expect, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";
import { postings } from "../../support/money.ts";

const app = await startApp();

test.each(["mercado-pago/codespar_charge", "mercado-pago__codespar_charge"])("%s is a charge through Mercado Pago", async (tool) => {
  expect(await app.run(tool, mariaCharge)).toMatchObject({ success: true, tool: "codespar_charge", provider: "mercado-pago" });
});

test.each(["asaas/codespar_charge", "asaas__codespar_charge"])("%s is booked when it settles, and can be given back", async (tool) => {
  const { tool_call_id } = await app.run(tool, mariaCharge);
  await app.pass(10_000);
  expect(await app.call("payments.status", { tool_call_id: tool_call_id! })).toMatchObject({ status: "succeeded" });
  expect(await postings(app, tool_call_id)).toEqual([expect.stringContaining("income:sales -15000")]);
  expect(await app.run("codespar_pay", { refund_of: tool_call_id })).toMatchObject({ success: true, provider: "asaas" });
});

test("codespar/codespar_charge is the meta-tool itself, and a server that is on no rail of it is named", async () => {
  expect(await app.run("codespar/codespar_charge", mariaCharge)).toMatchObject({ success: true, provider: "asaas" });
  expect(await app.run("persona/codespar_charge", mariaCharge)).toMatchObject({ success: false, code: "provider_not_on_rail", field: "provider" });
  expect(await app.run("nowhere/codespar_charge", mariaCharge)).toMatchObject({ success: false, code: "tool_not_registered" });
});

test("one effect has one key, however its tool is named", async () => {
  const input = { ...mariaCharge, provider: "asaas", idempotency_key: "qualified-1" };
  const first = await app.run("asaas/codespar_charge", input);
  expect(await app.run("codespar_charge", input)).toMatchObject({ replayed: true, tool_call_id: first.tool_call_id });
});

test("a mock of the meta-tool answers under both names", async () => {
  const { id: session_id } = await app.call("sessions.create", { user_id: "u", mocks: { codespar_charge: { id: "mocked" } } });
  for (const tool of ["codespar_charge", "asaas/codespar_charge"])
    expect(await app.call("tools.execute", { session_id, tool, input: {} })).toMatchObject({ success: true, data: { id: "mocked" } });
});

test("providers' own tools are found where they fit the need better", async () => {
  const { data } = await app.run("codespar_discover", { use_case: "create a subscription at Stripe", limit: 20 });
  expect((data as { matches: object[] }).matches).toContainEqual(expect.objectContaining({ server_id: "stripe", tool_name: "create_subscription", connection_status: "connected" }));
});
