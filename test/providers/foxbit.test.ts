/** Foxbit, adapter and twin together in memory: what is signed, what is declined, what a withdrawal's state means. */
import { createHmac, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { foxbit, signatureOf } from "../../providers/foxbit/index.ts";
import { foxbitTwin } from "../../providers/foxbit/twin.ts";
import { OutcomeUnknown, Unanswered, type CallContext, type Fetch } from "../../providers/provider.ts";
import { cryptoPay, type CryptoRequest } from "../../schema/meta-tools/crypto-pay.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const ADDRESS = "0x52908400098527886E0F7030069857D2E4169EE7";
const send = (change: object = {}): CryptoRequest => cryptoPay.input.parse({
  amount: "29.90", currency: "USDT", direction: "send", network: "polygon", recipient: { wallet_address: ADDRESS }, ...change,
});

async function world() {
  const native = await nativeWorld(foxbit, foxbitTwin);
  const sent: { url: string; body: any }[] = [];
  const toTwin: Fetch = async (request) => {
    const text = await request.clone().text();
    sent.push({ url: request.url, body: text && JSON.parse(text) });
    return native.twin.fetch(request);
  };
  const newCall = (): CallContext =>
    ({ reference: randomUUID(), toolCallId: "tc_1", clock: native.clock, signal: undefined, acted: false, notes: {}, note: async () => {} });
  return { ...native, sent, newCall, connect: (fetch = toTwin) => foxbit.connect({ ...native.account, baseUrl: foxbit.hosts.test }, fetch) };
}

test("what is signed is timestamp, method, path, the query as it reads decoded, and the body", () => {
  const url = new URL("https://api.foxbit.com.br/rest/v3/orders?start_time=2026-11-20T12%3A00%3A00Z&side=BUY");
  const text = "1700000000000GET/rest/v3/ordersstart_time=2026-11-20T12:00:00Z&side=BUY";
  expect(signatureOf("s3cret", { timestamp: "1700000000000", method: "GET", url, body: "" })).toBe(createHmac("sha256", "s3cret").update(text).digest("hex"));
});

describe("sending", () => {
  test("a withdrawal goes out in units of the currency, over the named network", async () => {
    const { connect, newCall, sent } = await world();
    expect(await connect().crypto!(send(), newCall())).toMatchObject({
      outcome: "accepted", ref: expect.stringMatching(/^W\d{12}$/), state: "pending", action: "SUBMITTED",
      result: { amount: "29.9", currency: "USDT", network: "polygon", destination_address: ADDRESS },
    });
    expect(sent).toEqual([{
      url: "https://api.foxbit.com.br/rest/v3/withdrawals",
      body: { currency_symbol: "usdt", amount: "29.9", destination_address: ADDRESS, network_code: "polygon" },
    }]);
  });

  test.each([
    ["receiving", { direction: "receive" }, "direction"],
    ["without a network", { network: undefined }, "network"],
    ["over a network the address cannot be of", { network: "solana" }, "recipient.wallet_address"],
    ["to nobody", { recipient: undefined }, "recipient.wallet_address"],
  ])("%s is declined before anything is sent", async (_what, change, field) => {
    const { connect, newCall, sent } = await world();
    expect(await connect().crypto!(send(change), newCall())).toMatchObject({ outcome: "declined", field });
    expect(sent).toEqual([]);
  });

  test("an answer that names no withdrawal leaves the outcome unknown", async () => {
    const { connect, newCall } = await world();
    const shown: Fetch = async () => Response.json({ amount: "29.9", currency_symbol: "usdt", destination_address: ADDRESS });
    await expect(connect(shown).crypto!(send(), newCall())).rejects.toThrow(OutcomeUnknown);
  });

  test.each([["29.90", "succeeded", "DONE"], ["20.14", "failed", "REJECTED"]])("%s ends %s", async (amount, state, action) => {
    const { connect, newCall, rests } = await world();
    const { ref } = (await connect().crypto!(send({ amount }), newCall())) as { ref: string };
    await rests(1);
    expect(await connect().lookup!({ verb: "crypto", reference: "r", ref, currency: "USDT" }, newCall())).toMatchObject({ ref, state, action, currency: "USDT" });
  });

  test("not to be listed proves nothing, and neither does our reference", async () => {
    const { connect, newCall } = await world();
    for (const ref of ["W999", undefined])
      await expect(connect().lookup!({ verb: "crypto", reference: "r", ref, currency: "USDT" }, newCall())).rejects.toThrow(Unanswered);
  });
});

test("each of its own tools is one request, answered in Foxbit's words", async () => {
  const { run, refusal, unrun } = await nativeWorld(foxbit, foxbitTwin);
  expect(await run("list_markets")).toMatchObject({ data: [{ symbol: "usdtbrl" }] });
  expect(await run("get_ticker", { symbol: "usdtbrl" })).toMatchObject({ data: [{ last_trade: { price: "5.5" } }] });
  expect(await run("get_orderbook", { symbol: "usdtbrl", depth: 5 })).toMatchObject({ asks: [["5.5", "1000.0"]] });
  expect(await run("get_account_balances")).toMatchObject({ data: [{ currency_symbol: "usdt" }] });
  const order = { market_symbol: "usdtbrl", side: "BUY", quantity: "10.5" };
  const bought = await run("create_order", { ...order, type: "MARKET", client_order_id: "17" });
  expect(await run("get_order", { id: String(bought.id) })).toMatchObject({ state: "FILLED", quantity_executed: "10.5", client_order_id: "17" });
  const resting = await run("create_order", { ...order, type: "LIMIT", price: "5.0" });
  expect(await run("list_orders", { state: "ACTIVE", start_time: "2026-11-20T00:00:00Z", page_size: 5 })).toMatchObject({ data: [{ id: resting.id }] });
  expect(await run("cancel_order", { id: String(resting.id) })).toEqual({ data: [{ id: resting.id }] });
  expect(await refusal("cancel_order", { id: String(bought.id) })).toMatchObject({ status: 422 });
  expect(await refusal("create_order", { ...order, type: "LIMIT" })).toMatchObject({ status: 400 });
  expect(unrun()).toEqual([]);
});

providerConformance({
  definition: foxbit,
  twin: foxbitTwin,
  verbs: {
    crypto: { request: send(), declined: send({ amount: "20.13" }), settles: { to: "succeeded" }, carriesReference: false, findsByReference: false },
  },
});
