import { createHmac, randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider, type ProviderDefinition,
} from "../../providers/provider.ts";
import { formOf } from "../../providers/stripe/form.ts";
import { stripe, stripeAcp } from "../../providers/stripe/index.ts";
import { nestedOf } from "../../providers/stripe/twin-objects.ts";
import { stripeTwin } from "../../providers/stripe/twin.ts";
import { hostTwins } from "../../providers/twin-host.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinStep, TwinWebhook } from "../../providers/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/stripe/ca_1";
const REST_MS = 60_000;

const aCharge: ChargeRequest = {
  amount: 4900n, currency: "USD", method: "card", description: "Order 17", buyer: { name: "Ada Silva", email: "ada@example.com" },
};

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

interface Sent {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Headers;
  form: Record<string, string>;
}

async function record(request: Request): Promise<Sent> {
  const { pathname, searchParams } = new URL(request.url);
  const form = Object.fromEntries(new URLSearchParams(await request.clone().text()));
  return { method: request.method, path: pathname, query: Object.fromEntries(searchParams), headers: request.headers, form };
}

const LIVE_URL = stripe.hosts.live;

/** The adapter and the twin together, in memory. */
async function world(definition: ProviderDefinition = stripe, settings: Record<string, string> = {}) {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = stripeTwin.create({ store, clock, settleAfterMs: REST_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return twin.fetch(request);
  };
  const connection = { credentials: account.credentials, settings: { ...account.settings, ...settings }, baseUrl: LIVE_URL };
  return {
    clock, store, twin, account, sent, webhooks,
    call: newCall(clock),
    provider: definition.connect(connection, fetch),
    /** As a client that is not our adapter. */
    api: async (method: "GET" | "POST" | "DELETE", path: string, parameters: Parameters<typeof formOf>[0] = {}, headers: Record<string, string> = {}) => {
      const fields = new URLSearchParams(formOf(parameters)).toString();
      const init = {
        method, headers: { authorization: `Bearer ${account.credentials["api_key"]}`, ...headers },
        ...(method !== "GET" && fields && { body: fields }),
      };
      const response = await twin.fetch(new Request(`${LIVE_URL}${path}${method === "GET" && fields ? `?${fields}` : ""}`, init));
      return { status: response.status, headers: response.headers, body: (await response.json()) as Record<string, any> };
    },
    /** A native tool, as the pipeline runs it. */
    native: async (name: string, args: object) => {
      const tool = definition.native!.tools.find((each) => each.name === name)!;
      const spec = tool.request(tool.input.parse(args), { reference: randomUUID() });
      const http = definition.native!.client(connection, fetch);
      return (await http[tool.effect === "reads" ? "ask" : "act"](spec, z.record(z.string(), z.any()), newCall(clock))) as Record<string, any>;
    },
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await clock.advance(REST_MS);
        await store.runDue((step) => twin.run(step));
      }
    },
    told: () => webhooks.map(({ body }) => JSON.parse(body).type as string),
  };
}

/** The adapter against answers written in the test. */
function scripted(answer: (request: Sent) => Response): { provider: Provider; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return answer(sent.at(-1)!);
  };
  const connection = { credentials: { api_key: "sk_test_of-the-test" }, settings: { success_url: "https://shop.example/paid" }, baseUrl: LIVE_URL };
  return { provider: stripe.connect(connection, fetch), sent };
}

const accepted = <Outcome extends { outcome: string }>(outcome: Outcome) => {
  if (outcome.outcome !== "accepted") throw new Error(`it was ${JSON.stringify(outcome)}`);
  return outcome as Extract<Outcome, { outcome: "accepted" }>;
};

for (const [definition, twin] of [[stripe, stripeTwin], [stripeAcp, { ...stripeTwin, id: "stripe-acp" }]] as const) {
  providerConformance({
    definition,
    twin,
    detects: ["tampered_body", "missing_header", "wrong_secret", "old_timestamp"],
    verbs: { charge: { request: aCharge, declined: { ...aCharge, amount: 49n }, settles: { to: "succeeded" } } },
  });
}

describe("a form", () => {
  test("spells nesting with brackets, numbers lists and leaves out what is undefined", () => {
    expect(formOf({
      mode: "payment", items: [{ price: "price_1", quantity: 2 }, { price: "price_2" }], nothing: undefined, empty: [], none: {},
      metadata: { "a b": "c&d" }, flag: false, amount: 9007199254740993n,
    })).toEqual({
      mode: "payment", "items[0][price]": "price_1", "items[0][quantity]": "2", "items[1][price]": "price_2", "metadata[a b]": "c&d",
      flag: "false", amount: "9007199254740993",
    });
  });

  test("is read back as it was written", () => {
    const word = fc.stringMatching(/^[a-z_]{1,8}$/);
    const tree = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: "small" }, fc.string({ minLength: 1 }), fc.dictionary(word, tie("value"), { minKeys: 1, maxKeys: 3, noNullPrototype: true })),
    })).value;
    fc.assert(fc.property(fc.dictionary(word, tree, { noNullPrototype: true }), (parameters) => {
      const fields = new URLSearchParams(formOf(parameters as Parameters<typeof formOf>[0]));
      expect(nestedOf(fields)).toEqual(parameters);
    }));
  });
});

describe("a card charge", () => {
  test("is one checkout session, with our reference on it and on its payment", async () => {
    const { provider, call, sent, account } = await world(stripe, { cancel_url: "https://shop.example/cart" });
    accepted(await provider.charge!(aCharge, call));
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /v1/checkout/sessions"]);
    const [{ headers, form }] = sent as [Sent];
    expect(headers.get("authorization")).toBe(`Bearer ${account.credentials["api_key"]}`);
    expect(headers.get("idempotency-key")).toBe(REFERENCE);
    expect(headers.get("stripe-version")).toBe("2025-03-31.basil");
    expect(headers.get("content-type")).toBe("application/x-www-form-urlencoded");
    expect(form).toEqual({
      mode: "payment", "payment_method_types[0]": "card", "line_items[0][quantity]": "1", "line_items[0][price_data][currency]": "usd",
      "line_items[0][price_data][unit_amount]": "4900", "line_items[0][price_data][product_data][name]": "Order 17",
      client_reference_id: REFERENCE, "metadata[codespar_reference]": REFERENCE, "payment_intent_data[metadata][codespar_reference]": REFERENCE,
      customer_email: "ada@example.com", success_url: "https://shop.example/paid", cancel_url: "https://shop.example/cart",
    });
  });

  test("answers with the page to pay at, and until when it is open", async () => {
    const { provider, call } = await world();
    const { ref, state, action, result } = accepted(await provider.charge!(aCharge, call));
    expect(ref).toMatch(/^cs_test_/);
    expect({ state, action }).toEqual({ state: "pending", action: "open" });
    const page = `https://checkout.stripe.com/c/pay/${ref}`;
    expect(result).toEqual({
      id: ref, status: "pending", amount: 4900n, currency: "USD", method: "card", checkout_url: page, charge_url: page,
      expires_at: "2026-11-21T12:00:00.000Z",
    });
  });

  test("that says nothing of itself or its buyer's e-mail still has a name", async () => {
    const { provider, call, sent } = await world();
    accepted(await provider.charge!({ ...aCharge, description: " ", buyer: { name: "Ada" } }, call));
    expect(sent[0]!.form["line_items[0][price_data][product_data][name]"]).toBe("Payment");
    expect(sent[0]!.form).not.toHaveProperty("customer_email");
    expect(sent[0]!.form).not.toHaveProperty("cancel_url");
  });

  test.each([
    ["method", "not_permitted", { method: "pix" as const }],
    ["currency", "invalid_request", { currency: "BRL" as const }],
  ])("with another %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    expect(await provider.charge!({ ...aCharge, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test("writes down when it was sent before it is sent", async () => {
    const { provider, call, sent } = await world();
    const written: unknown[] = [];
    call.note = async (notes) => void written.push(notes, sent.length);
    await provider.charge!(aCharge, call);
    expect(written).toEqual([{ requested_at: "1795176000" }, 0]);
  });

  test("without a key sends nothing and names what is missing", async () => {
    const connect = async () => stripe.connect({ credentials: {}, settings: {}, baseUrl: LIVE_URL }, () => {
      throw new Error("it was sent");
    });
    const missing = await connect().catch((thrown: unknown) => thrown);
    expect(missing).toBeInstanceOf(SetupMissing);
    expect(missing).toMatchObject({ setting: "api_key" });
  });
});

describe("a refusal", () => {
  const error = (fields: object) => ({ error: { type: "invalid_request_error", ...fields } });

  test.each([
    [400, error({ code: "amount_too_small", message: "Too little" }), { reason: "invalid_request", field: "amount", message: "Stripe refused: Too little" }],
    [400, error({ param: "line_items[0][price_data][unit_amount]", message: "No" }), { reason: "invalid_request", field: "amount" }],
    [400, error({ param: "line_items[0][price_data][currency]", message: "No" }), { reason: "invalid_request", field: "currency" }],
    [400, error({ param: "line_items[0][price_data][product_data][name]", message: "No" }), { reason: "invalid_request", field: "description" }],
    [400, error({ code: "email_invalid", param: "customer_email", message: "No" }), { reason: "invalid_request", field: "buyer.email" }],
    [400, error({ type: "idempotency_error", message: "Other parameters" }), { reason: "duplicate" }],
    [402, error({ type: "card_error", code: "card_declined", decline_code: "insufficient_funds", message: "No" }), { reason: "insufficient_funds" }],
    [402, error({ type: "card_error", code: "card_declined", decline_code: "generic_decline", message: "No" }), { reason: "refused" }],
    [401, error({ message: "Invalid API Key provided: sk_test_****test" }), { reason: "unauthorized", message: "Stripe refused: it answered 401" }],
    [403, {}, { reason: "unauthorized" }],
    [409, error({ code: "idempotency_key_in_use", message: "Under way" }), { reason: "duplicate" }],
    [429, {}, { reason: "rate_limited" }],
    [418, "not their shape", { reason: "unspecified", message: "Stripe refused: it answered 418" }],
  ])("with status %i and body %j is a decline", async (status, body, expected) => {
    const { provider } = scripted(() => Response.json(body, { status }));
    const call = newCall(new FakeClock());
    expect(await provider.charge!(aCharge, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });
});

describe("a lookup", () => {
  const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "USD" } as const;
  const session = (change: object = {}) => ({
    id: "cs_1", status: "open", payment_status: "unpaid", amount_total: 4900, currency: "usd", client_reference_id: REFERENCE, url: "https://pay.example/1",
    expires_at: 1795262400, ...change,
  });
  const charge = (change: object = {}) =>
    ({ created: 1795176060, refunded: false, balance_transaction: { fee: 172, currency: "usd" }, ...change });
  const paid = (change: object = {}) =>
    session({ status: "complete", payment_status: "paid", url: null, payment_intent: { status: "succeeded", latest_charge: charge(change) } });

  test("of a session whose answer was lost brings the page to pay at", async () => {
    const { provider, call, clock } = await world();
    const { result } = accepted(await provider.charge!(aCharge, call));
    const found = await provider.lookup!(subject, { ...newCall(clock), notes: call.notes });
    const { id, checkout_url, charge_url, expires_at } = result;
    expect(found).toEqual({
      ref: id, state: "pending", action: "open", amountMinor: 4900n, currency: "USD", result: { id, checkout_url, charge_url, expires_at },
    });
  });

  test("of a paid session tells the fee and when it was paid", async () => {
    const { provider, call, clock, rests } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await rests(1);
    expect(await provider.lookup!({ ...subject, ref }, newCall(clock))).toEqual({
      ref, state: "succeeded", action: "complete, paid", amountMinor: 4900n, currency: "USD", feeMinor: 172n, occurredAt: new Date("2026-11-20T12:01:00.000Z"),
    });
  });

  test.each([
    ["open", session(), "pending"],
    ["complete and unpaid", session({ status: "complete", payment_intent: { status: "processing" } }), "pending"],
    ["complete and unpaid, of whose payment only the id is told", session({ status: "complete", payment_intent: "pi_1" }), "pending"],
    ["complete, its payment failed", session({ status: "complete", payment_intent: { status: "requires_payment_method" } }), "failed"],
    ["expired", session({ status: "expired" }), "failed"],
    ["paid", paid(), "succeeded"],
    ["paid and in part refunded", paid({ amount_refunded: 100 }), "succeeded"],
    ["refunded", paid({ refunded: true }), "refunded"],
    ["a word to come", session({ status: "waiting" }), "pending"],
  ])("reads a session that is %s", async (_name, body, state) => {
    const { provider } = scripted(() => Response.json(body));
    const found = await provider.lookup!({ ...subject, ref: "cs_1" }, newCall(new FakeClock()));
    expect(found).toMatchObject({ ref: "cs_1", state, amountMinor: 4900n, currency: "USD" });
    expect(found!.failure === undefined).toBe(state !== "failed");
  });

  test("tells no fee in another currency", async () => {
    const { provider } = scripted(() => Response.json(paid({ balance_transaction: { fee: 900, currency: "brl" } })));
    expect(await provider.lookup!({ ...subject, ref: "cs_1" }, newCall(new FakeClock()))).not.toHaveProperty("feeMinor");
  });

  test("by our reference lists the sessions of the hours around its own", async () => {
    const { provider, call, sent } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    expect(await provider.lookup!(subject, call)).toMatchObject({ ref });
    expect(sent[1]!.query).toEqual({
      "created[gte]": "1795172400", "created[lte]": "1795179600", limit: "100", "expand[0]": "data.payment_intent.latest_charge.balance_transaction",
    });
  });

  test("reads on from page to page", async () => {
    const { provider, clock, sent } = await world();
    const first = newCall(clock);
    const { ref } = accepted(await provider.charge!(aCharge, first));
    for (let other = 0; other < 120; other++) await provider.charge!(aCharge, newCall(clock, randomUUID()));
    sent.length = 0;
    expect(await provider.lookup!(subject, first)).toMatchObject({ ref });
    expect(sent.map(({ query }) => query["starting_after"] !== undefined)).toEqual([false, true]);
    expect(await provider.lookup!({ ...subject, reference: randomUUID() }, newCall(clock))).toBeUndefined();
  });

  test("of a list without end says that it cannot say", async () => {
    const { provider, sent } = scripted(() => Response.json({ data: [session({ client_reference_id: null })], has_more: true }));
    await expect(provider.lookup!(subject, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
    expect(sent).toHaveLength(20);
  });

  test("believes no session that carries another reference", async () => {
    const other = session({ client_reference_id: randomUUID() });
    const { provider } = scripted(({ path }) => Response.json(path === "/v1/checkout/sessions" ? { data: [other], has_more: false } : other));
    await expect(provider.lookup!({ ...subject, ref: "cs_1" }, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
  });

  test("by the id of the payment, which a refund's event tells, finds the session", async () => {
    const { provider, sent } = scripted(() => Response.json({ data: [paid({ refunded: true })], has_more: false }));
    expect(await provider.lookup!({ ...subject, told: "pi_7" }, newCall(new FakeClock()))).toMatchObject({ ref: "cs_1", state: "refunded" });
    expect(sent.map(({ path, query }) => [path, query["payment_intent"]])).toEqual([["/v1/checkout/sessions", "pi_7"]]);
  });
});

describe("a notification", () => {
  const { verify, read } = stripe.notifications!;
  const secret = "whsec_of-the-test";
  const now = new Date(1795176000_000);
  const sign = (text: string, t: number, key = secret) => createHmac("sha256", key).update(`${t}.${text}`).digest("hex");
  const message = (text: string, header?: string): InboundMessage => ({
    method: "POST", url: new URL(HOOK), headers: new Headers(header === undefined ? [] : [["stripe-signature", header]]), body: new TextEncoder().encode(text),
  });
  const body = `{"id":"evt_1"}`;
  const t = 1795176000;
  const [good, other] = [sign(body, t), sign(body, t, "whsec_other")];

  test("is signed as in a vector worked out apart", () => {
    // printf '1795176000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_of-the-test
    const header = `t=1795176000,v1=00465d615897c865a4608ded7b9d21978f5857e13de94dd6794526c9485eb66c`;
    expect(verify(message(body, header), { secrets: [secret], settings: {}, now })).toEqual({ ok: true });
  });

  test.each([
    ["its signature", `t=${t},v1=${good}`, true],
    ["a second signature beside one with another secret", `t=${t},v1=${other},v1=${good}`, true],
    ["a signature of an older scheme beside it", `t=${t},v0=${other},v1=${good}`, true],
    ["the signature under another scheme alone", `t=${t},v0=${good}`, false],
    ["another secret's signature", `t=${t},v1=${other}`, false],
    ["a signature of four minutes ago", `t=${t - 240},v1=${sign(body, t - 240)}`, true],
    ["a signature of six minutes ago", `t=${t - 360},v1=${sign(body, t - 360)}`, false],
    ["a signature of six minutes ahead", `t=${t + 360},v1=${sign(body, t + 360)}`, false],
    ["another time than was signed", `t=${t - 1},v1=${good}`, false],
    ["no time", `v1=${good}`, false],
    ["a shorter signature", `t=${t},v1=${good.slice(2)}`, false],
    ["no header", undefined, false],
  ])("with %s is judged", (_name, header, ok) => {
    expect(verify(message(body, header), { secrets: [secret], settings: {}, now }).ok).toBe(ok);
  });

  test("verifies with either secret while one is rolled, and with none where there is none", () => {
    const judged = (secrets: string[]) => verify(message(body, `t=${t},v1=${good}`), { secrets, settings: {}, now }).ok;
    expect([judged(["whsec_new", secret]), judged([]), judged([""])]).toEqual([true, false, false]);
  });

  const event = (type: string, object: object) => message(JSON.stringify({ id: "evt_1", object: "event", created: 1795176060, type, data: { object } }));
  const session = { id: "cs_1", status: "complete", payment_status: "paid", amount_total: 4900, currency: "usd", client_reference_id: REFERENCE, payment_intent: "pi_1" };
  const ofCharge = { id: "ch_1", payment_intent: "pi_1", refunded: true, metadata: { codespar_reference: REFERENCE } };

  test("of a paid session tells amount, time and reference", () => {
    expect(read(event("checkout.session.completed", session))).toEqual([{
      eventId: "evt_1", ref: "cs_1", reference: REFERENCE,
      observation: {
        ref: "cs_1", state: "succeeded", action: "checkout.session.completed", amountMinor: 4900n, currency: "USD", occurredAt: new Date("2026-11-20T12:01:00.000Z"),
      },
    }]);
  });

  test.each([
    ["checkout.session.completed", { ...session, payment_status: "unpaid" }, "pending"],
    ["checkout.session.async_payment_succeeded", session, "succeeded"],
    ["checkout.session.async_payment_failed", { ...session, payment_status: "unpaid" }, "failed"],
    ["checkout.session.expired", { ...session, status: "expired", payment_status: "unpaid" }, "failed"],
    ["charge.refunded", ofCharge, "refunded"],
    ["charge.refunded", { ...ofCharge, refunded: false }, "updated"],
    ["charge.dispute.created", ofCharge, "updated"],
    ["charge.dispute.closed", ofCharge, "updated"],
  ])("%s of %j is read as %s", (type, object, state) => {
    const [told] = read(event(type, object));
    expect(told).toMatchObject({ reference: REFERENCE, observation: { state, action: type } });
  });

  test.each([
    ["a session that is not ours", event("checkout.session.completed", { ...session, client_reference_id: null })],
    ["a kind of no concern", event("invoice.paid", { id: "in_1", payment_intent: "pi_1" })],
    ["a session's kind of no concern", event("checkout.session.renamed", session)],
    ["a session that cannot be read", event("checkout.session.completed", { id: 7 })],
    ["a charge without a payment", event("charge.refunded", { id: "ch_1", payment_intent: null })],
    ["no JSON", message("{")],
  ])("of %s is read as nothing", (_name, found) => {
    expect(read(found)).toEqual([]);
  });

  test("of a dispute names the payment, and the provider knows whose it is", async () => {
    const { provider, call, clock, rests, webhooks, told } = await world();
    accepted(await provider.charge!({ ...aCharge, amount: 4919n }, call));
    await rests(2);
    expect(told()).toEqual(["checkout.session.completed", "charge.dispute.created"]);
    const [dispute] = read(message(webhooks[1]!.body));
    expect(dispute).toMatchObject({ ref: expect.stringMatching(/^pi_/), observation: { state: "updated" } });
    expect(dispute).not.toHaveProperty("reference");
    expect(await provider.referenceOf!(dispute!, newCall(clock, ""))).toBe(REFERENCE);
    expect(await provider.referenceOf!({ ...dispute!, ref: "pi_unknown" }, newCall(clock, ""))).toBeUndefined();
  });
});

describe("the twin", () => {
  test.each([
    [4900n, ["checkout.session.completed"], "succeeded"],
    [4914n, [], "pending"],
    [4915n, ["checkout.session.expired"], "failed"],
    [4916n, ["checkout.session.completed", "checkout.session.async_payment_succeeded"], "succeeded"],
    [4917n, ["checkout.session.completed", "charge.refunded"], "refunded"],
    [4918n, ["checkout.session.completed", "checkout.session.async_payment_failed"], "failed"],
    [4919n, ["checkout.session.completed", "charge.dispute.created"], "succeeded"],
  ])("takes a session of %i cents through %j", async (amount, events, state) => {
    const { provider, call, rests, told } = await world();
    accepted(await provider.charge!({ ...aCharge, amount }, call));
    await rests(3);
    const found = await provider.lookup!({ verb: "charge", reference: REFERENCE, ref: undefined, currency: "USD" }, call);
    expect({ told: told(), state: found!.state }).toEqual({ told: events, state });
  });

  test("expires a session that nobody paid in a day", async () => {
    const { provider, call, rests, told } = await world();
    const { ref } = accepted(await provider.charge!({ ...aCharge, amount: 4914n }, call));
    await rests(24 * 60);
    expect(told()).toEqual(["checkout.session.expired"]);
    expect(await provider.lookup!({ verb: "charge", reference: REFERENCE, ref, currency: "USD" }, call)).toMatchObject({ state: "failed", action: "expired" });
  });

  test("answers a repeated key with its first answer, for a day", async () => {
    const { api, clock } = await world();
    const key = { "idempotency-key": "key-1" };
    const first = await api("POST", "/customers", { email: "a@example.com" }, key);
    const again = await api("POST", "/customers", { email: "a@example.com" }, key);
    expect(again.body).toEqual(first.body);
    expect([first, again].map(({ headers }) => headers.get("idempotent-replayed"))).toEqual([null, "true"]);
    const other = await api("POST", "/customers", { email: "b@example.com" }, key);
    expect(other).toMatchObject({ status: 400, body: { error: { type: "idempotency_error" } } });
    await clock.advance(24 * 3_600_000);
    expect((await api("POST", "/customers", { email: "b@example.com" }, key)).status).toBe(200);
  });

  test("keeps no answer to a request that it refused unread, and keeps that a card was declined", async () => {
    const { api } = await world();
    const key = { "idempotency-key": "key-2" };
    expect(await api("POST", "/products", {}, key)).toMatchObject({ status: 400, body: { error: { code: "parameter_missing", param: "name" } } });
    expect((await api("POST", "/products", { name: "Tea" }, key)).status).toBe(200);
    const declined = { amount: 500, currency: "usd", payment_method: "pm_card_chargeDeclined", confirm: true };
    const [first, again] = [await api("POST", "/payment_intents", declined, { "idempotency-key": "key-3" }), await api("POST", "/payment_intents", declined, { "idempotency-key": "key-3" })];
    expect(first).toMatchObject({ status: 402, body: { error: { type: "card_error", code: "card_declined", payment_intent: { status: "requires_payment_method" } } } });
    expect(again.body).toEqual(first.body);
  });

  test.each([
    ["POST", "/products", { name: "Tea", colour: "green" }, 400, { code: "parameter_unknown", param: "colour" }],
    ["POST", "/subscriptions", { customer: "cus_none", items: [{ price: "p" }] }, 400, { code: "resource_missing", param: "customer" }],
    ["POST", "/checkout/sessions", { mode: "payment", success_url: "https://a.example", line_items: [] }, 400, { code: "parameter_missing", param: "line_items" }],
    ["POST", "/refunds", { payment_intent: "pi_none" }, 400, { code: "resource_missing", param: "payment_intent" }],
    ["GET", "/customers/cus_none", {}, 404, { code: "resource_missing" }],
    ["POST", "/checkouts", {}, 404, { type: "invalid_request_error" }],
  ] as const)("refuses %s %s with %j as Stripe does", async (method, path, parameters, status, error) => {
    const { api } = await world();
    expect(await api(method, path, parameters)).toMatchObject({ status, body: { error } });
  });

  test("knows a missing key from a wrong one, and takes Basic as well as Bearer", async () => {
    const { api, account } = await world();
    const as = async (authorization: string) => (await api("GET", "/balance", {}, { authorization }));
    expect(await as("")).toMatchObject({ status: 401, body: { error: { message: /did not provide/ } } });
    expect(await as("Bearer sk_test_wrong")).toMatchObject({ status: 401, body: { error: { message: /Invalid API Key/ } } });
    expect((await as(`Basic ${btoa(`${account.credentials["api_key"]}:`)}`)).status).toBe(200);
  });

  test("of a payment refunded in part still holds the rest", async () => {
    const { native, api, told, rests } = await world();
    const intent = await native("create_payment_intent", { amount: 5000, currency: "usd", payment_method: "pm_card_visa", confirm: true });
    await native("create_refund", { payment_intent: intent["id"], amount: 2000, reason: "requested_by_customer" });
    await rests(1);
    expect(told()).toEqual(["charge.refunded"]);
    expect((await native("retrieve_balance", {}))["pending"]).toEqual([{ amount: 5000 - 175 - 2000, currency: "usd", source_types: { card: 2825 } }]);
    const rest = { payment_intent: intent["id"] };
    expect((await api("POST", "/refunds", { ...rest, amount: 3001 })).body).toMatchObject({ error: { param: "amount" } });
    expect((await native("create_refund", rest))["amount"]).toBe(3000);
    expect((await api("POST", "/refunds", rest)).body).toMatchObject({ error: { code: "charge_already_refunded" } });
  });

  test("passes over a step that comes again", async () => {
    const { provider, call, twin, clock, store, webhooks, api } = await world();
    const { ref } = accepted(await provider.charge!({ ...aCharge, amount: 4917n }, call));
    await clock.advance(REST_MS);
    const steps: TwinStep[] = [];
    await store.runDue(async (step) => void steps.push(step));
    for (const step of [...steps, ...steps]) await twin.run(step);
    await store.runDue((step) => twin.run(step));
    expect(webhooks).toHaveLength(1);
    expect((await api("GET", `/checkout/sessions/${ref}`)).body).toMatchObject({ status: "complete", payment_status: "paid" });
    expect((await api("GET", "/payment_intents")).body["data"]).toHaveLength(1);
  });

  test("lets a session that was expired through the API be paid no more", async () => {
    const { provider, call, api, rests, told } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    expect((await api("POST", `/checkout/sessions/${ref}/expire`)).body).toMatchObject({ status: "expired", url: null });
    await rests(2);
    expect(told()).toEqual(["checkout.session.expired"]);
    expect((await api("POST", `/checkout/sessions/${ref}/expire`)).status).toBe(400);
  });

  test("is one company to both servers: a key from either opens the same account", async () => {
    const clock = new FakeClock();
    const store = new MemoryTwinStore(clock);
    const host = hostTwins({ twins: [stripeTwin], clock, storeFor: () => store, send: async () => new Response() });
    const account = await host.openAccount("stripe-acp", { webhookUrl: HOOK });
    const connection = { ...account, baseUrl: LIVE_URL };
    const call = newCall(clock);
    const { ref } = accepted(await stripe.connect(connection, host.fetch).charge!(aCharge, call));
    expect(await stripeAcp.connect(connection, host.fetch).lookup!({ verb: "charge", reference: REFERENCE, ref, currency: "USD" }, call)).toMatchObject({ ref });
    expect(host.requests("stripe-acp")).toEqual(host.requests("stripe"));
  });
});

describe("Stripe's own tools", () => {
  test("make a customer, a product and a price, and subscribe one to the other", async () => {
    const { native, sent } = await world();
    const customer = await native("create_customer", { email: "ada@example.com", name: "Ada", metadata: { tier: "gold" } });
    expect(await native("retrieve_customer", { id: customer["id"] })).toMatchObject({ object: "customer", email: "ada@example.com", metadata: { tier: "gold" } });
    const product = await native("create_product", { name: "Plan" });
    const price = await native("create_price", { currency: "usd", product: product["id"], unit_amount: 1900, recurring: { interval: "month" } });
    const made = await native("create_subscription", { customer: customer["id"], items: [{ price: price["id"], quantity: 2 }] });
    expect(made).toMatchObject({ object: "subscription", status: "active", customer: customer["id"], items: { data: [{ quantity: 2, price: { id: price["id"], unit_amount: 1900 } }] } });
    expect(sent.at(-1)!.form).toEqual({ customer: customer["id"], "items[0][price]": price["id"], "items[0][quantity]": "2" });
    expect(sent.at(-1)!.headers.get("idempotency-key")).toMatch(/^[0-9a-f-]{36}$/);
    const ending = await native("update_subscription", { id: made["id"], cancel_at_period_end: true });
    expect(ending).toMatchObject({ status: "active", cancel_at_period_end: true, cancel_at: ending["items"].data[0].current_period_end });
    expect(await native("cancel_subscription", { id: made["id"], prorate: false })).toMatchObject({ status: "canceled" });
    await expect(native("cancel_subscription", { id: made["id"] })).rejects.toMatchObject({ status: 404 });
  });

  test("a trial is no charge yet, and a price of one time is none to subscribe to", async () => {
    const { native } = await world();
    const customer = await native("create_customer", {});
    const product = await native("create_product", { name: "Plan", default_price_data: { currency: "usd", unit_amount: 1900, recurring: { interval: "year" } } });
    const items = [{ price: product["default_price"] }];
    expect(await native("create_subscription", { customer: customer["id"], items, trial_period_days: 14 })).toMatchObject({ status: "trialing" });
    const once = await native("create_price", { currency: "usd", product: product["id"], unit_amount: 100 });
    await expect(native("create_subscription", { customer: customer["id"], items: [{ price: once["id"] }] })).rejects.toMatchObject({ status: 400 });
  });

  test("make a payment, read it and refund it", async () => {
    const { native } = await world();
    const waiting = await native("create_payment_intent", { amount: 2000, currency: "usd" });
    expect(waiting).toMatchObject({ status: "requires_payment_method", amount: 2000 });
    const made = await native("create_payment_intent", { amount: 2000, currency: "usd", payment_method: "pm_card_visa", confirm: true });
    expect(await native("retrieve_payment_intent", { id: made["id"] })).toMatchObject({ status: "succeeded", amount_received: 2000 });
    expect(await native("create_refund", { payment_intent: made["id"] })).toMatchObject({ object: "refund", amount: 2000, status: "succeeded" });
    const refused = { amount: 2000, currency: "usd", payment_method: "pm_card_chargeDeclinedInsufficientFunds", confirm: true };
    await expect(native("create_payment_intent", refused)).rejects.toMatchObject({ status: 402 });
    const held = { amount: 2000, currency: "usd", payment_method: "pm_card_visa", confirm: true, capture_method: "manual" };
    expect(await native("create_payment_intent", held)).toMatchObject({ status: "requires_capture", amount_capturable: 2000 });
  });

  test("make pages to pay at", async () => {
    const { native } = await world();
    const { default_price: price } = await native("create_product", { name: "Tea", default_price_data: { currency: "usd", unit_amount: 700 } });
    expect(await native("create_payment_link", { line_items: [{ price }] })).toMatchObject({ object: "payment_link", active: true, url: expect.stringContaining("https://buy.stripe.com/") });
    const session = await native("create_checkout_session", { line_items: [{ price, quantity: 3 }], success_url: "https://shop.example/paid" });
    expect(session).toMatchObject({ object: "checkout.session", mode: "payment", amount_total: 2100, status: "open", payment_status: "unpaid", payment_intent: null });
    expect(await native("retrieve_balance", {})).toMatchObject({ object: "balance", available: [{ amount: 0, currency: "usd" }] });
  });

  test("of the other server are the same endpoints under its own names", async () => {
    const { native, api } = await world(stripeAcp);
    const customer = await native("create_customer", { email: "ada@example.com" });
    await native("create_customer", { email: "eve@example.com" });
    expect((await native("list_customers", { email: "ada@example.com" }))["data"]).toEqual([customer]);
    const product = await native("create_product", { name: "Tea", default_price_data: { currency: "usd", unit_amount: 700, recurring: { interval: "week" } } });
    expect((await native("list_products", { active: true, limit: 1 }))["data"]).toEqual([product]);
    const price = product["default_price"];
    expect(await native("create_payment_link", { price })).toMatchObject({ object: "payment_link" });
    expect(await native("create_checkout_session", { line_items: [{ price }], mode: "subscription", success_url: "https://shop.example/paid" })).toMatchObject({ mode: "subscription" });
    expect(await native("create_subscription", { customer: customer["id"], items: [{ price }] })).toMatchObject({ status: "active" });
    const { body: intent } = await api("POST", "/payment_intents", { amount: 900, currency: "usd", customer: customer["id"], payment_method: "pm_card_visa", confirm: true });
    expect((await native("list_payment_intents", { customer: customer["id"] }))["data"]).toMatchObject([{ id: intent["id"], status: "succeeded" }]);
    expect(await native("create_refund", { payment_intent: intent["id"], amount: 100 })).toMatchObject({ amount: 100 });
    expect(await native("get_balance", {})).toMatchObject({ object: "balance" });
  });

  test("that nobody may misread are bounded before anything is sent", () => {
    const tool = (name: string) => stripe.native!.tools.find((each) => each.name === name)!;
    expect(tool("create_payment_intent").input.safeParse({ amount: 19.99, currency: "usd" }).success).toBe(false);
    expect(tool("create_subscription").input.safeParse({ customer: "cus_1", items: [] }).success).toBe(false);
  });
});
