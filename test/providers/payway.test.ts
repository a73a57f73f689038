import { describe, expect, test } from "vitest";
import { payway } from "../../providers/payway/index.ts";
import { paywayTwin } from "../../providers/payway/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type Provider } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const REST_MS = 60_000;
const aCharge: ChargeRequest = {
  amount: 1_250_050n, currency: "ARS", method: "card", description: "Pedido 17", buyer: { name: "Ana López", email: "ana@example.com" },
};
const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "ARS" } as const;

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const twin = paywayTwin.create({ store, clock, settleAfterMs: REST_MS, deliver: () => Promise.reject(new Error("it told somebody")) });
  const openProvider = async () => {
    const account = await twin.openAccount({ webhookUrl: "https://codespar.example/v1/webhooks/payway/ca_1" });
    return payway.connect({ ...account, baseUrl: payway.hosts.test }, (request) => twin.fetch(request));
  };
  const rests = async (count: number) => {
    for (let rest = 0; rest < count; rest++) {
      await clock.advance(REST_MS);
      await store.runDue((step) => twin.run(step));
    }
  };
  return { provider: await openProvider(), openProvider, rests, call: newCall(clock) };
}

const CONNECTION = {
  credentials: { private_key: "k3y" }, baseUrl: payway.hosts.live,
  settings: { public_key: "pub", template_id: "7", payment_method_id: "1", redirect_url: "https://tienda.example/gracias", site_id: "00999999" },
};

/** The adapter against one answer written in the test, and what it sent. */
function scripted(answer: unknown, status = 200) {
  const sent: { line: string; apikey: string | null; text: string }[] = [];
  const provider = payway.connect(CONNECTION, async (request) => {
    sent.push({ line: `${request.method} ${request.url}`, apikey: request.headers.get("apikey"), text: await request.clone().text() });
    return Response.json(answer, { status });
  });
  return { provider, sent };
}

const MADE = { hash: "a1652d02" };
const payment = (change: object = {}) => ({ id: 1, site_transaction_id: REFERENCE, amount: 1_250_050, currency: "ars", status: "approved", ...change });

async function accepted(provider: Provider, request: ChargeRequest, call = newCall()) {
  const outcome = await provider.charge!(request, call);
  if (outcome.outcome !== "accepted") throw new Error(outcome.message);
  return outcome;
}

providerConformance({
  definition: payway,
  twin: paywayTwin,
  verbs: { charge: { request: aCharge, declined: { ...aCharge, amount: 1_250_013n }, settles: { to: "succeeded" }, findsByReference: false } },
});

describe("a charge", () => {
  test("is one form in centavos, named by our reference, that says nothing of the buyer", async () => {
    const { provider, sent } = scripted(MADE, 201);
    const { result, ref } = await accepted(provider, aCharge);
    expect(sent.map(({ line, apikey }) => [line, apikey])).toEqual([["POST https://ventasonline.payway.com.ar/web/forms", "k3y"]]);
    expect(JSON.parse(sent[0]!.text)).toEqual({
      site: { site_id: "00999999", transaction_id: REFERENCE, template: { id: 7 } },
      customer: { id: REFERENCE },
      payment: { amount: 1_250_050, currency: "ARS", payment_method_id: 1, installments: 1, payment_type: "single", sub_payments: [] },
      public_apikey: "pub", success_url: "https://tienda.example/gracias", cancel_url: "https://tienda.example/gracias",
    });
    const url = "https://ventasonline.payway.com.ar/web/forms/a1652d02?apikey=pub";
    expect(ref).toBe("a1652d02");
    expect(result).toEqual({ id: "a1652d02", status: "pending", amount: 1_250_050n, currency: "ARS", method: "card", checkout_url: url, charge_url: url });
  });

  test.each([["104", 104], [31, 31]])("may name another card brand than the connection's: %j", async (brand, theirs) => {
    const { provider, sent } = scripted(MADE, 201);
    await accepted(provider, { ...aCharge, metadata: { payment_method_id: brand } });
    expect(JSON.parse(sent[0]!.text).payment.payment_method_id).toBe(theirs);
  });

  test.each([
    ["method", "not_permitted", { method: "pix" as const }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["amount", "invalid_request", { amount: 10n ** 15n }],
    ["metadata.payment_method_id", "invalid_request", { metadata: { payment_method_id: "visa" } }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, sent } = scripted(MADE);
    expect(await provider.charge!({ ...aCharge, ...change }, newCall())).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([
    [400, { error_type: "invalid_request_error", validation_errors: [{ code: "invalid_param", param: "payment.amount" }] },
      { reason: "invalid_request", field: "amount", message: "Payway refused: invalid_request_error: invalid_param: payment.amount" }],
    [401, { message: "No API key found in request" }, { reason: "unauthorized", message: "Payway refused: No API key found in request" }],
    [429, {}, { reason: "rate_limited" }],
    [418, "not their shape", { reason: "unspecified", message: "Payway refused: it answered 418" }],
  ])("refused with %i and %j is declined", async (status, body, expected) => {
    expect(await scripted(body, status).provider.charge!(aCharge, newCall())).toMatchObject({ outcome: "declined", ...expected });
  });

  test.each(["public_key", "template_id", "payment_method_id", "redirect_url"])("without a %s names what is missing", (name) => {
    const settings = { ...CONNECTION.settings, [name]: "" };
    expect(() => payway.connect({ ...CONNECTION, settings }, fetch)).toThrow(new SetupMissing(name));
  });
});

describe("a lookup", () => {
  const found = (...results: object[]) => scripted({ results }).provider.lookup!({ ...subject, ref: "a1652d02" }, newCall());

  test("asks for the payments of our reference", async () => {
    const { provider, sent } = scripted({ results: [payment()] });
    const observed = await provider.lookup!(subject, newCall());
    expect(sent.map(({ line }) => line)).toEqual([`GET https://ventasonline.payway.com.ar/api/v2/payments?siteOperationId=${REFERENCE}`]);
    expect(observed).toEqual({ ref: REFERENCE, state: "succeeded", action: "approved", amountMinor: 1_250_050n, currency: "ARS" });
  });

  test.each([
    ["approved", "succeeded"], ["accredited", "succeeded"], ["approved_with_refund", "updated"], ["refunded", "refunded"], ["annulled", "refunded"],
    ["pre_approved", "pending"], ["review", "pending"], ["rejected", "pending"], ["a_word_to_come", "pending"],
  ])("reads a payment that is %s as %s", async (status, state) => {
    expect(await found(payment({ status }))).toMatchObject({ ref: "a1652d02", state, action: status });
  });

  test("believes the paid one of several attempts, and none of another merchant number", async () => {
    expect(await found(payment({ status: "rejected" }), payment())).toMatchObject({ state: "succeeded" });
    expect(await found(payment({ site_transaction_id: "another" }))).toEqual({ ref: "a1652d02", state: "pending", action: "form" });
  });

  test("of a form without payments waits; of a lost answer it never denies", async () => {
    expect(await found()).toEqual({ ref: "a1652d02", state: "pending", action: "form" });
    await expect(scripted({ results: [] }).provider.lookup!(subject, newCall())).rejects.toThrow(Unanswered);
  });
});

describe("the twin", () => {
  test.each([
    [1_250_014n, "pending", "form"], [1_250_015n, "pending", "rejected"], [1_250_016n, "succeeded", "approved"],
    [1_250_017n, "refunded", "annulled"], [1_250_018n, "updated", "approved_with_refund"],
  ])("takes %i centavos to %s", async (amount, state, action) => {
    const { provider, call, rests } = await world();
    const { ref } = await accepted(provider, { ...aCharge, amount }, call);
    await rests(3);
    expect(await provider.lookup!({ ...subject, ref }, call)).toMatchObject({ ref, state, action });
  });

  test("shows no account the payments of another", async () => {
    const { provider, openProvider, call, rests } = await world();
    const { ref } = await accepted(provider, aCharge, call);
    await rests(1);
    expect(await (await openProvider()).lookup!({ ...subject, ref }, call)).toMatchObject({ state: "pending" });
  });
});
