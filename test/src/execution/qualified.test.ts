/** A meta-tool named with the provider it is to go through, as a reader of discover joins the two. */
import { expect, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";

const app = await startApp();

test.each(["mercado-pago/codespar_charge", "mercado-pago__codespar_charge"])("%s is a charge through Mercado Pago", async (tool) => {
  expect(await app.run(tool, mariaCharge)).toMatchObject({ success: true, tool, provider: "mercado-pago" });
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
