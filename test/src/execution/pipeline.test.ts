/** The pipeline from a call to a settled movement, over the twins and a clock that the test moves. */
import { expect, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";

const app = await startApp();

test("a Pix charge is pending with its code at once, and succeeds when the buyer has paid", async () => {
  const charge = await app.run("codespar_charge", mariaCharge);
  expect(charge).toMatchObject({ success: true, error: null, provider: "asaas", status: "pending", rail: "asaas-pix" });
  const data = charge.data as Record<string, string>;
  expect(data["pix_copy_paste"]).toMatch(/^000201/);
  expect(data["tool_call_id"]).toBe(charge.tool_call_id);

  const before = await app.call("payments.status", { tool_call_id: charge.tool_call_id });
  expect(before).toMatchObject({ status: "pending", state: "pending", payment_status: "pending", final_amount_minor: null, settled_at: null });
  await app.pass(10_000);
  const after = await app.call("payments.status", { tool_call_id: charge.tool_call_id });
  expect(after).toMatchObject({ status: "succeeded", final_amount_minor: 15000, currency: "BRL", provider: "asaas" });
  expect(after.events[0]).toMatchObject({ event_type: "commerce.payment.succeeded", provider_action: "PAYMENT_RECEIVED" });

  const { transactions } = await app.call("ledger.transactions", { tool_call_id: charge.tool_call_id });
  expect(transactions.map((transaction) => transaction.key)).toEqual([`charge_settled:${charge.tool_call_id}`]);
  expect(await app.call("ledger.trialBalance", {})).toMatchObject({ balanced: true });
});
