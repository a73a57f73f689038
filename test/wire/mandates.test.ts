/** Rows 25 to 30 of the published endpoints: mandates, the wallet and DID documents, as the command line asks for them. */
import { describe, expect, test } from "vitest";
import { cli, CliExit } from "./support/cli.ts";
import { pythonDate } from "./support/python-sdk.ts";
import { startWire } from "./support/start.ts";

const wire = await startWire();

describe("mandates and the wallet", () => {
  const command = () => cli(wire.client);
  const lastRequest = () => wire.exchanges.at(-1)!;
  const payee = "fornecedor@example.com";

  /** What `mandate create` sends unless its flags say otherwise. */
  const intent = (changes: object = {}) => ({
    purpose: "groceries", cap_minor: 50_000, per_tx_cap_minor: 10_000, currency: "USDC", mandate_ttl_seconds: 86_400,
    merchant_allowlist: ["0x52908400098527886E0F7030069857D2E4169EE7"], merchant_pin_kind: "merchant-id", ...changes,
  });
  const inReais = intent({
    currency: "BRL", merchant_allowlist: [payee], merchant_pin_kind: "pix-key",
    slots: [
      { currency: "BRL", rail: "pix", cap_minor: 50_000, per_tx_cap_minor: 10_000 },
      { currency: "USDC", rail: "usdc", cap_minor: 20_000_000, per_tx_cap_minor: 5_000_000 },
    ],
  });
  const create = (consumer_id: string, of: object = inReais, rail?: string) =>
    command().mandateCreate(of, { agent_id: "agt_shopper", consumer_id, ...(rail !== undefined && { rail }) });

  test("a consent is minted for an intent and submitted by the consumer, which makes the mandate", async () => {
    const mandate = await create("consumer-1", intent());
    expect(mandate).toMatchObject({ mandate_id: expect.any(String) });
    expect(wire.exchanges.at(-2)!.body).toBe(JSON.stringify({ agent_id: "agt_shopper", intent: intent() }));
    expect(lastRequest().body).toBe('{"consumer_id":"consumer-1","rail":"usdc-onchain","provider_token":"usdc-onchain:consumer-1"}');
  });

  test("a consent token can be read until it expires, and the date is one that Python reads", async () => {
    const headers = { authorization: `Bearer ${wire.client.apiKey}`, "content-type": "application/json" };
    const response = await wire.fetch(`${wire.baseUrl}/v1/consents/init`, {
      method: "POST", headers, body: JSON.stringify({ agent_id: "agt_shopper", intent: intent() }),
    });
    const { token, expires_at } = (await response.json()) as { token: string; expires_at: string };
    expect(token).toEqual(expect.any(String));
    expect(pythonDate(expires_at).getTime()).toBeGreaterThan(wire.app.clock.now().getTime());
  });

  const spellings = [["pix", "usdc"], ["pix-celcoin", "usdc-onchain"], ["pix-consent", "usdc-onchain"]] as const;
  test.each(spellings)("slots are taken with the rails %s and %s", async (brl, usdc) => {
    const caps = { cap_minor: 1_000, per_tx_cap_minor: 1_000 };
    const slots = [{ currency: "BRL", rail: brl, ...caps }, { currency: "USDC", rail: usdc, ...caps }];
    expect(await create(`consumer-${brl}`, intent({ currency: "BRL", ...caps, slots }))).toMatchObject({ mandate_id: expect.any(String) });
  });

  test("a wallet has one row a currency, in numbers of minor units, with what stands behind it", async () => {
    const { mandate_id: id } = await create("consumer-2");
    const wallet = await command().wallet("consumer-2");
    expect(wallet.consumer_id).toBe("consumer-2");
    expect(wallet.currencies.map(({ currency }: { currency: string }) => currency).sort()).toEqual(["BRL", "USDC"]);
    for (const row of wallet.currencies) {
      expect(row).toMatchObject({
        authorized_minor: expect.any(Number), spent_minor: 0, available_minor: expect.any(Number),
        funding_source_ids: [expect.any(String)], mandate_ids: [id],
      });
      expect(row.rail === null || typeof row.rail === "string").toBe(true);
    }
  });

  test("a spend in one currency counts there and nowhere else; its path is not taken for a consumer's", async () => {
    const { mandate_id: id } = await create("consumer-3");
    expect(await command().spend(id, { amount_minor: 2_500, payee, agent_id: "agt_shopper" })).toEqual(expect.any(Object));
    expect(lastRequest()).toMatchObject({
      template: expect.stringMatching(/^\/v1\/consumers\/mandates\/\{\w+\}\/spend$/),
      body: `{"amount_minor":2500,"payee":"${payee}","agent_id":"agt_shopper"}`,
    });
    await wire.app.pass(10_000);
    const spent = Object.fromEntries((await command().wallet("consumer-3")).currencies.map(({ currency, spent_minor }: any) => [currency, spent_minor]));
    expect(spent).toEqual({ BRL: 2_500, USDC: 0 });
  });

  test.each([
    ["more than one payment may be", { amount_minor: 10_001, payee }],
    ["to a payee that is not on the list", { amount_minor: 100, payee: "stranger@example.com" }],
  ])("a spend of %s moves nothing", async (what, spend) => {
    const consumer = `consumer-${what.length}`;
    const { mandate_id: id } = await create(consumer);
    await command().spend(id, { ...spend, agent_id: "agt_shopper" }).catch((error: unknown) => expect(error).toBeInstanceOf(CliExit));
    await wire.app.pass(10_000);
    for (const { spent_minor } of (await command().wallet(consumer)).currencies) expect(spent_minor).toBe(0);
  });

  test("a transfer is planned: route, whether it converts, and through what", async () => {
    await create("consumer-4");
    const plan = await command().transfer("consumer-4", { from_currency: "BRL", to_currency: "USDC", amount_minor: 1_000 });
    expect(plan).toMatchObject({ consumer_id: "consumer-4", route: expect.any(String), converts: true });
    expect(plan.engine === null || typeof plan.engine === "string").toBe(true);
    if (plan.from !== undefined) expect(plan.from).toMatchObject({ currency: "BRL", amount_minor: 1_000, cap_available_minor: expect.any(Number) });
    if (plan.to !== undefined) expect(plan.to).toMatchObject({ currency: "USDC" });
    expect(plan.executed ?? false).toBe(false);
  });

  test("a transfer is run, and says how far it came", async () => {
    await create("consumer-5");
    const run = await command().transfer("consumer-5", {
      from_currency: "BRL", to_currency: "USDC", amount_minor: 1_000, execute: true, agent_id: "agt_shopper", purpose: "groceries",
    });
    expect(run).toMatchObject({ consumer_id: "consumer-5", route: expect.any(String), converts: true, executed: expect.any(Boolean) });
    for (const name of ["transaction_id", "status", "pix_copy_paste", "destination_address", "source_debit_error", "settle_via"] as const)
      if (run[name] !== undefined && run[name] !== null) expect(typeof run[name], name).toBe("string");
    const debit = { providerTxId: expect.any(String), status: expect.any(String), moneyMoved: expect.any(Boolean) };
    if (run.source_debit) expect(run.source_debit).toMatchObject(debit);
  });

  test("the platform's DID document is public, and has its keys as the command line needs them", async () => {
    const did = `did:web:${new URL(wire.baseUrl).host.replace(":", "%3A")}`;
    const document = await command().didDocument(did);
    expect(lastRequest().headers.get("authorization")).toBeNull();
    expect(document.verificationMethod.length).toBeGreaterThan(0);
    for (const { id, publicKeyJwk } of document.verificationMethod) {
      expect([typeof id, publicKeyJwk]).toMatchObject(["string", { kty: "OKP", crv: "Ed25519", x: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) }]);
    }
  });
});
