/** UnblockPay, adapter and twin together in memory: the three rails, the network a wallet is bound to, what a status means. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { SetupMissing, Unanswered, type CallContext, type Fetch } from "../../providers/provider.ts";
import { unblockpay } from "../../providers/unblockpay/index.ts";
import { unblockpayTwin } from "../../providers/unblockpay/twin.ts";
import { cryptoPay, type CryptoRequest } from "../../schema/meta-tools/crypto-pay.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const ADDRESS = "0x52908400098527886E0F7030069857D2E4169EE7";

const order = (rail: string, change: object = {}): CryptoRequest => cryptoPay.input.parse({
  amount: "29.90", currency: "USDC", direction: rail === "onramp" ? "receive" : "send", rail,
  ...(rail === "stablecoin-payout" && { recipient: { wallet_address: ADDRESS } }), ...change,
});

async function world() {
  const native = await nativeWorld(unblockpay, unblockpayTwin);
  const sent: { call: string; authorization: string | null; body: any }[] = [];
  const toTwin: Fetch = async (request) => {
    const text = await request.clone().text();
    sent.push({ call: `${request.method} ${new URL(request.url).pathname}`, authorization: request.headers.get("authorization"), body: text && JSON.parse(text) });
    return native.twin.fetch(request);
  };
  const newCall = (): CallContext =>
    ({ reference: randomUUID(), toolCallId: "tc_1", clock: native.clock, signal: undefined, acted: false, notes: {}, note: async () => {} });
  const connect = (settings: object = {}, fetch = toTwin) =>
    unblockpay.connect({ ...native.account, settings: { ...native.account.settings, ...settings }, baseUrl: unblockpay.hosts.test }, fetch);
  return { ...native, sent, newCall, connect };
}

describe("a stablecoin payout", () => {
  test("leaves the wallet for the address over the wallet's own blockchain, the key as it is", async () => {
    const { connect, newCall, sent, account: { credentials, settings } } = await world();
    const outcome = await connect().crypto!(order("stablecoin-payout"), newCall());
    expect(sent).toEqual([{
      call: "POST /v1/wallet-transfer", authorization: credentials["api_key"],
      body: {
        amount: 29.9, customer_id: settings["customer_id"], sender: { currency: "USDC", payment_rail: "polygon", wallet_id: settings["wallet_id"] },
        receiver: { currency: "USDC", payment_rail: "polygon", address: ADDRESS },
      },
    }]);
    expect(outcome).toMatchObject({
      outcome: "accepted", state: "pending", action: "processing",
      result: { status: "pending", amount: "29.9", currency: "USDC", network: "polygon", destination_address: ADDRESS },
    });
  });

  test.each([
    ["over another network than the wallet's", { network: "base" }, {}, "not_permitted", "network"],
    ["to an address of another kind of network", { recipient: { wallet_address: "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV" } }, {}, "invalid_request", "recipient.wallet_address"],
    ["to an address that the wallet's blockchain has not", {}, { blockchain: "solana" }, "invalid_request", "recipient.wallet_address"],
    ["to nobody", { recipient: undefined }, {}, "invalid_request", "recipient.wallet_address"],
    ["as a plain send", { rail: undefined }, {}, "not_permitted", "rail"],
  ])("%s is declined before anything is sent", async (_what, change, settings, reason, field) => {
    const { connect, newCall, sent } = await world();
    expect(await connect(settings).crypto!(order("stablecoin-payout", change), newCall())).toMatchObject({ outcome: "declined", reason, field });
    expect(sent).toEqual([]);
  });

  test.each([
    ["29.90", "succeeded", "completed"], ["20.14", "failed", "failed"], ["20.15", "refunded", "refunded"],
  ])("of %s ends %s", async (amount, state, action) => {
    const { connect, newCall, rests } = await world();
    const { ref } = (await connect().crypto!(order("stablecoin-payout", { amount }), newCall())) as { ref: string };
    await rests(3);
    expect(await connect().lookup!({ verb: "crypto", reference: "r", ref, currency: "USDC" }, newCall()))
      .toMatchObject({ ref, state, action, currency: "USDC", amountMinor: BigInt(Number(amount) * 1_000_000) });
  });

  test("an error at UnblockPay waits for its people, and ends nothing", async () => {
    const { connect, newCall } = await world();
    const answering: Fetch = async () => Response.json({ id: "t1", status: "error" });
    expect(await connect({}, answering).lookup!({ verb: "crypto", reference: "r", ref: "t1", currency: "USDC" }, newCall()))
      .toEqual({ ref: "t1", state: "updated", action: "error" });
  });
});

describe("ramps", () => {
  test("an onramp is quoted by what arrives, then paid in by a Pix code", async () => {
    const { connect, newCall, sent, account: { settings } } = await world();
    const outcome = await connect().crypto!(order("onramp"), newCall());
    expect(sent.map(({ call }) => call)).toEqual(["POST /v1/quote", "POST /v1/payin"]);
    expect(sent[0]!.body).toEqual({
      type: "on_ramp", sender: { currency: "BRL", payment_rail: "pix" }, receiver: { currency: "USDC", payment_rail: "polygon", amount: 29.9 },
    });
    expect(sent[1]!.body).toEqual({
      quote_id: expect.any(String), customer_id: settings["customer_id"],
      sender: { currency: "BRL", payment_rail: "pix", name: "Maria Silva", document: "11144477735" },
      receiver: { currency: "USDC", payment_rail: "polygon", wallet_id: settings["wallet_id"] },
    });
    expect(outcome).toMatchObject({
      outcome: "accepted", action: "awaiting_deposit", result: { destination_address: expect.stringContaining("pix"), payment_url: expect.stringMatching(/^https:/) },
    });
  });

  test("an offramp is quoted by what leaves, then paid out to the registered account", async () => {
    const { connect, newCall, sent, account: { settings } } = await world();
    expect(await connect({ fiat_currency: "MXN", fiat_rail: "spei" }).crypto!(order("offramp"), newCall())).toMatchObject({ outcome: "accepted" });
    expect(sent.map(({ body: { quote_id: _id, ...body } }) => body)).toEqual([
      { type: "off_ramp", sender: { currency: "USDC", payment_rail: "polygon", amount: 29.9 }, receiver: { currency: "MXN", payment_rail: "spei" } },
      {
        customer_id: settings["customer_id"], sender: { currency: "USDC", payment_rail: "polygon", wallet_id: settings["wallet_id"] },
        receiver: { external_account_id: settings["external_account_id"] },
      },
    ]);
  });

  test.each([["onramp", "payer_document"], ["offramp", "external_account_id"]])("an %s without the setting %s sends nothing", async (rail, name) => {
    const { connect, newCall, sent } = await world();
    await expect(connect({ [name]: "" }).crypto!(order(rail), newCall())).rejects.toThrow(new SetupMissing(name));
    expect(sent).toEqual([]);
  });

  test("a quote that is refused is a decline, and nothing was paid", async () => {
    const { connect, newCall } = await world();
    const call = newCall();
    const refusing: Fetch = async () => Response.json({ code: "amount_too_low", message: "The minimum is 150 BRL" }, { status: 422 });
    expect(await connect({}, refusing).crypto!(order("onramp"), call))
      .toEqual({ outcome: "declined", reason: "refused", message: "UnblockPay refused the transaction: amount_too_low, The minimum is 150 BRL" });
    expect(call.acted).toBe(false);
  });
});

test("without UnblockPay's id nothing can be looked up", async () => {
  const { connect, newCall } = await world();
  await expect(connect().lookup!({ verb: "crypto", reference: "r", ref: undefined, currency: "USDC" }, newCall())).rejects.toThrow(Unanswered);
});

test("a webhook is proven by its address, and says only that a transaction changed", async () => {
  const { connect, newCall, rests, webhooks, account } = await world();
  const { ref } = (await connect().crypto!(order("stablecoin-payout"), newCall())) as { ref: string };
  await rests(1);
  const [webhook] = webhooks;
  const message = (url: string) => ({ method: "POST", url: new URL(url), headers: new Headers(), body: new TextEncoder().encode(webhook!.body) });
  expect(unblockpay.notifications!.read(message(webhook!.url))).toEqual([{ eventId: `${ref}:completed`, ref, observation: { ref, action: "completed" } }]);
  const context = { secrets: [account.webhookSecret], settings: {}, now: new Date(0) };
  expect(unblockpay.notifications!.verify(message(webhook!.url), context)).toEqual({ ok: true });
  expect(unblockpay.notifications!.verify(message("https://hooks.example/?token=other"), context)).toMatchObject({ ok: false });
});

test("each of its own tools is one request, answered in UnblockPay's words", async () => {
  const { run, refusal, unrun, account: { settings } } = await nativeWorld(unblockpay, unblockpayTwin);
  const { customer_id, wallet_id } = settings;
  const wallet = await run("create_wallet", { customer_id, name: "Second", blockchain: "base" });
  expect(await run("list_wallets", { limit: 5 })).toMatchObject({ total: 2 });
  const transfer = { customer_id, wallet_id, blockchain: "polygon", currency: "USDC", amount: 10.5, address: ADDRESS };
  const { id } = await run("create_transfer", transfer);
  expect(await run("get_transaction", { id })).toMatchObject({ status: "processing", receiver: { address: ADDRESS } });
  expect(await refusal("create_transfer", { ...transfer, wallet_id: wallet.id })).toMatchObject({ status: 422, body: { code: "cross_chain_not_supported" } });
  expect(unrun()).toEqual([]);
});

describe.each(["stablecoin-payout", "onramp", "offramp"])("%s", (rail) => {
  providerConformance({
    definition: unblockpay, twin: unblockpayTwin, detects: ["missing_header", "wrong_secret"],
    verbs: {
      crypto: {
        request: order(rail), declined: order(rail, { amount: "20.13" }), settles: { to: "succeeded" }, carriesReference: false, findsByReference: false,
      },
    },
  });
});
