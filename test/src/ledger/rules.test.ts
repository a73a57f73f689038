/** Which entries an event makes, where the figures are not the usual ones. */
import { expect, test } from "vitest";
import { chargeRefunded, chargeReturned, chargeSettled, payoutSettled, refundReturned, type Posting } from "../../../src/ledger/rules.ts";

const movement = (amountMinor: bigint, feeMinor: bigint) =>
  ({ toolCallId: "tc_1", provider: "asaas", money: { amountMinor, currency: "BRL" as const }, feeMinor, occurredAt: new Date("2026-11-20T12:00:00.000Z") });

const lines = ({ entries }: Posting): string[] => entries.map(({ account, direction, amountMinor }) => `${account} ${direction} ${amountMinor}`);

test("a fee above the charge leaves the merchant owing the provider", () => {
  expect(lines(chargeSettled(movement(100n, 199n)))).toEqual([
    "provider:asaas:balance credit 99", "expense:fees:asaas debit 199", "income:sales credit 100",
  ]);
});

test("a fee as high as the charge leaves nothing at the provider", () => {
  expect(lines(chargeSettled(movement(199n, 199n)))).toEqual(["expense:fees:asaas debit 199", "income:sales credit 199"]);
});

test("what a provider adds instead of keeping lowers the fees", () => {
  expect(lines(chargeSettled(movement(1_000n, -50n)))).toEqual([
    "provider:asaas:balance debit 1050", "expense:fees:asaas credit 50", "income:sales credit 1000",
  ]);
});

test("a payout and its fee leave the provider's balance together", () => {
  expect(lines(payoutSettled(movement(8_000n, 150n)))).toEqual([
    "expense:payouts debit 8000", "expense:fees:asaas debit 150", "provider:asaas:balance credit 8150",
  ]);
});

test("a refund undoes so much of the sale, and what the provider takes for it is spent", () => {
  expect(lines(chargeRefunded(movement(4_000n, 25n), "tc_0"))).toEqual([
    "income:sales debit 4000", "expense:fees:asaas debit 25", "provider:asaas:balance credit 4025",
  ]);
  expect(lines(refundReturned(movement(4_000n, 25n), "tc_0"))).toEqual(["provider:asaas:balance debit 4000", "income:sales credit 4000"]);
});

test("a refund and a reversal of one movement are one posting", () => {
  expect(chargeReturned(movement(100n, 0n), "refunded").key).toBe(chargeReturned(movement(100n, 0n), "reversed").key);
});
