/** A token that is asked for is a sale; one that is sent is a payout, and a wallet's where a mandate paid it. */
import { expect, test } from "vitest";
import { startApp } from "../../support/app.ts";
import { expectBalanced, postings } from "../../support/money.ts";

const app = await startApp();
const address = "0x52908400098527886E0F7030069857D2E4169EE7";

const settled = async (input: object): Promise<{ provider: string | null; status: string; posted: string[] }> => {
  const { success, error, provider, tool_call_id } = await app.run("codespar_crypto_pay", input);
  expect([success, error]).toEqual([true, null]);
  await app.pass(20_000);
  const { status } = await app.call("payments.status", { tool_call_id });
  return { provider, status, posted: await postings(app, tool_call_id) };
};

test.each([
  ["received", { amount: 29.9, direction: "receive" }, "coinbase-commerce",
    ["charge_settled: provider:coinbase-commerce:balance +29900000, income:sales -29900000"]],
  ["received through a checkout", { amount: "29.90", direction: "receive", rail: "stablecoin-checkout" }, "coinbase-commerce",
    ["charge_settled: provider:coinbase-commerce:balance +29900000, income:sales -29900000"]],
  ["bought with bank money", { amount: "29.90", direction: "receive", rail: "onramp" }, "unblockpay",
    ["charge_settled: provider:unblockpay:balance +29900000, income:sales -29900000"]],
  ["sent", { amount: 29.9, direction: "send", network: "polygon", recipient: { wallet_address: address } }, "bitso",
    ["payout_settled: expense:payouts +29900000, provider:bitso:balance -29900000"]],
  ["sent from a wallet", { amount: 29.9, direction: "send", rail: "stablecoin-payout", counterparty: { address, country: "BR" } }, "unblockpay",
    ["payout_settled: expense:payouts +29900000, provider:unblockpay:balance -29900000"]],
])("a stablecoin %s is booked by its direction", async (_what, input, provider, posted) => {
  expect(await settled({ currency: "USDC", ...input })).toEqual({ provider, status: "succeeded", posted });
  await expectBalanced(app);
});

test("what was sent and comes back is a payout returned, not a sale", async () => {
  const input = { amount: "20.15", direction: "send", rail: "stablecoin-payout", recipient: { wallet_address: address } };
  const { status, posted } = await settled(input);
  expect([status, posted.map((posting) => posting.split(":")[0])]).toEqual(["refunded", ["payout_settled", "payout_returned"]]);
});

test.each([
  ["a rail that goes the other way", { direction: "receive", rail: "stablecoin-payout" }, { code: "invalid_args", field: "direction" }],
  ["a rail that is none", { direction: "send", rail: "carrier-pigeon" }, { code: "rail_unavailable" }],
])("%s is refused", async (_what, input, refusal) => {
  expect(await app.run("codespar_crypto_pay", { amount: 1, currency: "USDC", ...input })).toMatchObject({ success: false, ...refusal });
});

test("a token is not sent before its network is named, and the answer says which there are", async () => {
  const sent = await app.run("codespar_crypto_pay", { amount: 1, currency: "USDC", direction: "send", recipient: { wallet_address: address } });
  expect(sent).toMatchObject({ success: false, code: "provider_declined", error: expect.stringContaining("Name the network: polygon.") });
});
