/** Requests for stablecoins, as released READMEs make them: skipped until a rail receives them. */
import { describe, expect, test } from "vitest";
import { inSession } from "./support/harness.ts";
import { startWireFor } from "./support/start.ts";

/** `describe` when it has landed. */
const suite = describe.skip;
const wire = await startWireFor(suite);

suite("further servers", () => {
  test.each([
    ["a request for a stablecoin, its amount a number", "codespar_crypto_pay", {
      amount: 29.9, currency: "USDC", direction: "receive", description: "Plan",
    }],
    ["a stablecoin sent to a counterparty", "codespar_crypto_pay", {
      amount: 29.9, currency: "USDC", direction: "send", rail: "stablecoin-payout",
      counterparty: { address: "0x52908400098527886E0F7030069857D2E4169EE7", country: "BR" },
    }],
  ])("%s is taken", async (_what, tool, input) => {
    const { result } = await inSession(wire.client, ({ execute }) => execute(tool, input));
    expect([result.error, result.success]).toEqual([null, true]);
    expect(result.data.hosted_url ?? result.data.id).toEqual(expect.any(String));
  });
});
