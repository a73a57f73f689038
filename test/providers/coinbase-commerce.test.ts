/** Coinbase Commerce, adapter and twin together in memory: what goes out, what the timeline means, what its webhooks prove. */
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { coinbaseCommerce } from "../../providers/coinbase-commerce/index.ts";
import { coinbaseCommerceTwin } from "../../providers/coinbase-commerce/twin.ts";
import { Unanswered, type CallContext, type Fetch } from "../../providers/provider.ts";
import { cryptoPay, type CryptoRequest } from "../../schema/meta-tools/crypto-pay.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const receive = (change: object = {}): CryptoRequest =>
  cryptoPay.input.parse({ amount: "29.90", currency: "USDC", direction: "receive", description: "Plan", ...change });

async function world() {
  const native = await nativeWorld(coinbaseCommerce, coinbaseCommerceTwin);
  const sent: { url: string; headers: Headers; body: any }[] = [];
  const toTwin: Fetch = async (request) => {
    const text = await request.clone().text();
    sent.push({ url: request.url, headers: request.headers, body: text && JSON.parse(text) });
    return native.twin.fetch(request);
  };
  const newCall = (): CallContext =>
    ({ reference: randomUUID(), toolCallId: "tc_1", clock: native.clock, signal: undefined, acted: false, notes: {}, note: async () => {} });
  const connect = (fetch = toTwin) => coinbaseCommerce.connect({ ...native.account, baseUrl: coinbaseCommerce.hosts.test }, fetch);
  return { ...native, sent, newCall, connect };
}

const about = (reference: string, ref?: string) => ({ verb: "crypto", reference, ref, currency: "USDC" }) as const;

describe("receiving", () => {
  test("a charge goes out with a decimal price and our reference, and its page is the answer", async () => {
    const { connect, newCall, sent, account } = await world();
    const call = newCall();
    const outcome = await connect().crypto!(receive(), call);
    expect(sent[0]!.url).toBe("https://api.commerce.coinbase.com/charges");
    expect([sent[0]!.headers.get("x-cc-api-key"), sent[0]!.headers.get("x-cc-version")]).toEqual([account.credentials["api_key"], "2018-03-22"]);
    expect(sent[0]!.body).toEqual({
      name: "Plan", description: "Plan", pricing_type: "fixed_price", local_price: { amount: "29.9", currency: "USDC" },
      metadata: { codespar_reference: call.reference },
    });
    const page = expect.stringMatching(/^https:\/\/commerce\.coinbase\.com\/charges\/[0-9A-F]{8}$/);
    expect(outcome).toMatchObject({
      outcome: "accepted", state: "pending", action: "NEW",
      result: { status: "pending", amount: "29.9", currency: "USDC", hosted_url: page, payment_url: page, expires_at: expect.any(String) },
    });
  });

  test("a description that is too long is cut, not refused", async () => {
    const { connect, newCall, sent } = await world();
    expect(await connect().crypto!(receive({ description: "x".repeat(500) }), newCall())).toMatchObject({ outcome: "accepted" });
    expect([sent[0]!.body.name.length, sent[0]!.body.description.length]).toEqual([100, 200]);
  });

  test("sending is declined before anything is sent", async () => {
    const { connect, newCall, sent } = await world();
    expect(await connect().crypto!(receive({ direction: "send" }), newCall())).toMatchObject({ outcome: "declined", field: "direction" });
    expect(sent).toEqual([]);
  });

  test.each([
    ["29.90", "succeeded", "COMPLETED"], ["20.14", "failed", "EXPIRED"], ["20.15", "failed", "FAILED"],
  ])("%s ends %s", async (amount, state, action) => {
    const { connect, newCall, rests } = await world();
    const call = newCall();
    await connect().crypto!(receive({ amount }), call);
    await rests(3);
    expect(await connect().lookup!(about(call.reference), newCall())).toMatchObject({
      state, action, currency: "USDC", result: { hosted_url: expect.any(String) }, ...(state === "failed" && { failure: { reason: "unspecified" } }),
    });
  });

  test.each([["UNRESOLVED", "updated"], ["RESOLVED", "succeeded"], ["CANCELED", "failed"], ["SOMETHING", "pending"]])("%s means %s", async (status, state) => {
    const { connect, newCall } = await world();
    const answering: Fetch = async () => Response.json({ data: { id: "c1", timeline: [{ status: "NEW" }, { status }] } });
    expect(await connect(answering).lookup!(about("r", "c1"), newCall())).toMatchObject({ ref: "c1", state, action: status });
  });

  test("not to be on a full page of charges proves nothing", async () => {
    const { connect, newCall } = await world();
    const full: Fetch = async () => Response.json({ data: Array.from({ length: 100 }, (_, nth) => ({ id: `c${nth}`, timeline: [{ status: "NEW" }] })) });
    await expect(connect(full).lookup!(about("r"), newCall())).rejects.toThrow(Unanswered);
  });
});

test("each of its own tools is one request, answered in Coinbase's words", async () => {
  const { run, refusal, unrun } = await nativeWorld(coinbaseCommerce, coinbaseCommerceTwin);
  const price = { name: "Plan", description: "A month", pricing_type: "fixed_price", local_price: { amount: "9.90", currency: "USD" } };
  const { data } = await run("create_charge", { ...price, metadata: { order: "1" } });
  expect(await run("retrieve_charge", { code_or_id: data.code })).toMatchObject({ data: { id: data.id, metadata: { order: "1" } } });
  expect(await run("list_charges", { limit: 5, order: "asc" })).toMatchObject({ data: [{ id: data.id }], pagination: { limit: 5 } });
  expect(await run("cancel_charge", { code: data.code })).toMatchObject({ data: { timeline: [{ status: "NEW" }, { status: "CANCELED" }] } });
  expect(await refusal("cancel_charge", { code: data.code })).toMatchObject({ status: 400 });
  const checkout = await run("create_checkout", { ...price, requested_info: ["email"] });
  expect(await run("retrieve_checkout", { id: checkout.data.id })).toMatchObject({ data: { name: "Plan" } });
  expect(await refusal("create_charge", { ...price, local_price: undefined })).toMatchObject({ status: 400, body: { error: { type: "invalid_request" } } });
  expect(unrun()).toEqual([]);
});

providerConformance({
  definition: coinbaseCommerce,
  twin: coinbaseCommerceTwin,
  verbs: { crypto: { request: receive(), declined: receive({ amount: "20.13" }), settles: { to: "succeeded" } } },
});
