import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { pagseguro } from "../../providers/pagseguro/index.ts";
import { pagseguroTwin } from "../../providers/pagseguro/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type InboundMessage, type Provider } from "../../providers/provider.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/pagseguro/ca_1";
const aCharge: ChargeRequest = {
  amount: 4990n, currency: "BRL", method: "card", description: "Pedido 17",
  buyer: { name: "Maria da Silva", document: "111.444.777-35", email: "maria@example.com" },
};
const aPix: ChargeRequest = { ...aCharge, method: "pix" };
const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

/** The adapter against answers written in the test, by path, and what it sent. */
function scripted(answers: Record<string, unknown>, status = 200) {
  const sent: { line: string; headers: Headers; body: any }[] = [];
  const connection = { credentials: { token: "t0ken" }, settings: { notification_url: HOOK, redirect_url: "https://loja.example/ok" }, baseUrl: pagseguro.hosts.live };
  const provider = pagseguro.connect(connection, async (request) => {
    const { method, headers } = request;
    const { pathname, search } = new URL(request.url);
    const text = await request.clone().text();
    sent.push({ line: `${method} ${pathname}${search}`, headers, body: text && JSON.parse(text) });
    const answer = answers[pathname];
    return answer === undefined ? Response.json({ error_messages: [] }, { status: 404 }) : Response.json(answer, { status });
  });
  return { provider, sent };
}

const CHECKOUT = {
  id: "CHEC_1", reference_id: REFERENCE, status: "ACTIVE", expiration_date: "2026-11-20T14:00:00-03:00",
  links: [{ rel: "SELF", href: "https://api.pagseguro.com/checkouts/CHEC_1" }, { rel: "PAY", href: "https://pagamento.pagbank.com.br/pagamento?code=1" }],
};
const chargeOf = (status: string, summary: object = {}) => ({ id: "CHAR_1", status, amount: { value: 4990, currency: "BRL", summary } });
const paid = (...charges: object[]) => ({
  "/checkouts/CHEC_1": { ...CHECKOUT, orders: [{ id: "ORDE_1" }] },
  "/orders/ORDE_1": { id: "ORDE_1", reference_id: REFERENCE, charges },
});

async function accepted(provider: Provider, request: ChargeRequest, call = newCall()) {
  const outcome = await provider.charge!(request, call);
  if (outcome.outcome !== "accepted") throw new Error(outcome.message);
  return outcome;
}

describe.each([["a card", aCharge], ["Pix", aPix]])("by %s", (_method, request) => {
  providerConformance({
    definition: pagseguro, twin: pagseguroTwin,
    verbs: { charge: { request, declined: { ...request, amount: 4913n }, settles: { to: "succeeded" }, findsByReference: false } },
  });
});

describe("a charge by card", () => {
  test("is one checkout of cards in one instalment that names our reference and our address", async () => {
    const { provider, sent } = scripted({ "/checkouts": CHECKOUT });
    const { result } = await accepted(provider, { ...aCharge, due_date: "2026-11-30" });
    expect(sent.map(({ line }) => line)).toEqual(["POST /checkouts"]);
    expect(sent[0]!.headers.get("authorization")).toBe("Bearer t0ken");
    expect(sent[0]!.body).toEqual({
      reference_id: REFERENCE, expiration_date: "2026-11-30T23:59:59-03:00",
      customer: { name: "Maria da Silva", email: "maria@example.com", tax_id: "11144477735" },
      items: [{ name: "Pedido 17", quantity: 1, unit_amount: 4990 }],
      payment_methods: [{ type: "CREDIT_CARD" }, { type: "DEBIT_CARD" }],
      payment_methods_configs: [{ type: "CREDIT_CARD", config_options: [{ option: "INSTALLMENTS_LIMIT", value: "1" }] }],
      redirect_url: "https://loja.example/ok", notification_urls: [HOOK], payment_notification_urls: [HOOK],
    });
    const page = "https://pagamento.pagbank.com.br/pagamento?code=1";
    expect(result).toEqual({
      id: "CHEC_1", status: "pending", amount: 4990n, currency: "BRL", method: "card", checkout_url: page, charge_url: page, expires_at: "2026-11-20T17:00:00.000Z",
    });
  });

  test.each([{ email: undefined }, { document: undefined }])("leaves a customer with %j to the page", async (change) => {
    const { provider, sent } = scripted({ "/checkouts": CHECKOUT });
    await accepted(provider, { ...aCharge, buyer: { ...aCharge.buyer, ...change } });
    expect(sent[0]!.body).not.toHaveProperty("customer");
  });
});

describe("a charge by Pix", () => {
  test("is one order with one code, and answers with what the payer copies", async () => {
    const { provider, sent } = scripted({
      "/orders": { id: "ORDE_1", qr_codes: [{ text: "00020101", expiration_date: "2026-11-21T12:00:00-03:00", links: [{ rel: "QRCODE.PNG", href: "https://api.pagseguro.com/qrcode/1/png" }] }] },
    });
    const { ref, result } = await accepted(provider, aPix);
    expect(sent[0]).toMatchObject({
      line: "POST /orders",
      body: {
        reference_id: REFERENCE, customer: { name: "Maria da Silva", email: "maria@example.com", tax_id: "11144477735" },
        items: [{ name: "Pedido 17", quantity: 1, unit_amount: 4990 }], qr_codes: [{ amount: { value: 4990 } }], notification_urls: [HOOK],
      },
    });
    expect({ ref, result }).toMatchObject({
      ref: "ORDE_1", result: { pix_copy_paste: "00020101", qr_code_url: "https://api.pagseguro.com/qrcode/1/png", expires_at: "2026-11-21T15:00:00.000Z" },
    });
  });
});

describe("a charge", () => {
  test.each([
    ["method", "not_permitted", { method: "boleto" as const }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["amount", "invalid_request", { amount: 1_000_000_000n }],
    ["due_date", "invalid_request", { due_date: "2001-01-01" }],
    ["buyer.document", "invalid_request", { method: "pix" as const, buyer: { name: "Maria da Silva", document: "11144477736" } }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, sent } = scripted({});
    expect(await provider.charge!({ ...aCharge, ...change }, newCall())).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([
    [400, { error_messages: [{ code: "40002", description: "invalid_parameter", parameter_name: "customer.tax_id" }] },
      { reason: "invalid_request", field: "buyer.document", message: "PagBank refused: customer.tax_id: invalid_parameter" }],
    [403, {}, { reason: "unauthorized", message: "PagBank refused: it answered 403" }],
    [409, {}, { reason: "duplicate" }],
    [429, {}, { reason: "rate_limited" }],
    [418, {}, { reason: "unspecified" }],
  ])("refused with %i and %j is declined", async (status, body, expected) => {
    const { provider } = scripted({ "/checkouts": body }, status);
    expect(await provider.charge!(aCharge, newCall())).toMatchObject({ outcome: "declined", ...expected });
  });

  test("without a token sends nothing and names what is missing", () => {
    expect(() => pagseguro.connect({ credentials: {}, settings: {}, baseUrl: "" }, fetch)).toThrow(SetupMissing);
  });
});

describe("a lookup", () => {
  test.each([
    ["PAID", { paid: 4990 }, "succeeded"], ["AUTHORIZED", {}, "pending"], ["IN_ANALYSIS", {}, "pending"], ["WAITING", {}, "pending"],
    ["CANCELED", { paid: 4990, refunded: 4990 }, "refunded"], ["CANCELED", { paid: 4990, refunded: 0 }, "refunded"], ["PAID", { paid: 4990, refunded: 1000 }, "succeeded"],
  ])("reads a checkout whose charge is %s with %j as %s", async (status, summary, state) => {
    const { provider, sent } = scripted(paid(chargeOf(status, summary)));
    expect(await provider.lookup!({ ...subject, ref: "CHEC_1" }, newCall())).toMatchObject({ ref: "CHEC_1", state, action: status, amountMinor: 4990n, currency: "BRL" });
    expect(sent.map(({ line }) => line)).toEqual(["GET /checkouts/CHEC_1?offset=0&limit=100", "GET /orders/ORDE_1"]);
  });

  test("believes the paid charge, not the refused one beside it", async () => {
    const { provider } = scripted(paid(chargeOf("DECLINED"), chargeOf("PAID"), chargeOf("CANCELED")));
    expect(await provider.lookup!({ ...subject, ref: "CHEC_1" }, newCall())).toMatchObject({ state: "succeeded" });
  });

  test.each([["ACTIVE", "pending"], ["EXPIRED", "failed"], ["INACTIVE", "failed"]])("reads a checkout that is %s with a refused card as %s", async (status, state) => {
    const answers = paid(chargeOf("DECLINED"));
    const { provider } = scripted({ ...answers, "/checkouts/CHEC_1": { ...answers["/checkouts/CHEC_1"], status } });
    expect(await provider.lookup!({ ...subject, ref: "CHEC_1" }, newCall())).toMatchObject({ state, action: status });
  });

  test("without PagBank's id never denies", async () => {
    const { provider, sent } = scripted({});
    await expect(provider.lookup!(subject, newCall())).rejects.toThrow(Unanswered);
    expect(sent).toEqual([]);
  });

  test("takes the order that a message told of for ours only when it carries our reference", async () => {
    const { provider } = scripted({ "/orders/ORDE_1": { id: "ORDE_1", reference_id: REFERENCE }, "/orders/ORDE_2": { id: "ORDE_2", reference_id: "another" } });
    expect(await provider.lookup!({ ...subject, told: "ORDE_1" }, newCall())).toMatchObject({ ref: "ORDE_1", state: "pending" });
    for (const told of ["ORDE_2", "ORDE_3", "CHEC_9"]) await expect(provider.lookup!({ ...subject, told }, newCall())).rejects.toThrow(Unanswered);
  });

  test("finds nothing under an id of our own that PagBank no longer knows", async () => {
    expect(await scripted({}).provider.lookup!({ ...subject, ref: "CHEC_1" }, newCall())).toBeUndefined();
  });
});

describe("a notification", () => {
  const { verify, read } = pagseguro.notifications!;
  const message = (body: string, token?: string): InboundMessage => ({
    method: "POST", url: new URL(HOOK), headers: new Headers(token === undefined ? [] : [["x-authenticity-token", token]]), body: new TextEncoder().encode(body),
  });
  const proof = createHash("sha256").update('t0ken-{"id":"ORDE_1"}').digest("hex");

  test.each([
    ["the digest of token, dash and body", proof, ["t0ken"], true],
    ["it in capitals", proof.toUpperCase(), ["other", "t0ken"], true],
    ["that of another token", proof, ["other", ""], false],
    ["the token itself", "t0ken", ["t0ken"], false],
    ["nothing", undefined, ["t0ken"], false],
  ])("with %s is judged", (_name, token, secrets, ok) => {
    expect(verify(message('{"id":"ORDE_1"}', token), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  test("names the order and our reference, and claims no state", () => {
    const charges = [{ status: "DECLINED" }, { status: "PAID", amount: { summary: { refunded: 0 } } }];
    expect(read(message(JSON.stringify({ id: "ORDE_1", reference_id: REFERENCE, charges })))).toEqual([
      { eventId: "ORDE_1:DECLINED,PAID", reference: REFERENCE, ref: "ORDE_1", observation: { ref: "ORDE_1", action: "PAID" } },
    ]);
  });

  test("of a charge alone names our reference, for a charge is not what is asked for", () => {
    const [event] = read(message(JSON.stringify({ id: "CHAR_1", reference_id: REFERENCE, status: "PAID" })));
    expect(event).toEqual({ eventId: "CHAR_1:PAID", reference: REFERENCE, observation: { ref: "CHAR_1", action: "PAID" } });
  });

  test.each(["{", '{"id":"SUBS_1","reference_id":"x"}', '{"id":"ORDE_1"}'])("of %s is read as nothing", (body) => {
    expect(read(message(body))).toEqual([]);
  });
});

describe("the twin", () => {
  test.each([
    [4914n, "pending", []], [4915n, "failed", ["EXPIRED"]], [4916n, "succeeded", ["DECLINED", "PAID"]], [4917n, "refunded", ["PAID", "CANCELED"]],
    [4918n, "succeeded", ["IN_ANALYSIS", "PAID"]],
  ])("takes a checkout over %i centavos to %s through %j", async (amount, state, told) => {
    const { account, clock, rests, webhooks, twin } = await nativeWorld(pagseguro, pagseguroTwin);
    const provider = pagseguro.connect({ ...account, baseUrl: pagseguro.hosts.test }, (request) => twin.fetch(request));
    const { ref } = await accepted(provider, { ...aCharge, amount }, newCall(clock));
    await rests(3);
    expect(await provider.lookup!({ ...subject, ref }, newCall(clock))).toMatchObject({ ref, state });
    expect(webhooks.flatMap((webhook) => pagseguro.notifications!.read(arrived(webhook))).map(({ observation }) => observation.action)).toEqual(told);
  });

  const arrived = ({ url, body, headers }: TwinWebhook): InboundMessage =>
    ({ method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body) });

  test("shows no account what is another's", async () => {
    const { run, twin, refusal, open } = await nativeWorld(pagseguro, pagseguroTwin);
    const order = await run("create_order", anOrder);
    const other = await twin.openAccount({ webhookUrl: HOOK });
    expect((await refusal("get_order", { id: order.id }, open(other))).status).toBe(404);
  });
});

const anOrder = {
  customer: { name: "Maria da Silva", tax_id: "11144477735" }, items: [{ name: "Café", quantity: 1, unit_amount: 4990 }], qr_codes: [{ amount: { value: 4990 } }],
};

describe("the own tools", () => {
  test("make an order under our reference, read it and its charge, give money back in part, and read the key", async () => {
    const { run, rests, refusal, sent, unrun } = await nativeWorld(pagseguro, pagseguroTwin);
    const { id } = await run("create_order", anOrder);
    expect(JSON.parse(sent[0]!.body)).toMatchObject({ reference_id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect((await run("get_order", { id })).charges).toBeUndefined();
    await rests(1);
    const [{ id: charge_id }] = (await run("get_order", { id })).charges;
    expect(await run("refund", { charge_id, amount: { value: 990 } })).toMatchObject({ status: "PAID", amount: { summary: { refunded: 990 } } });
    expect(await run("refund", { charge_id, amount: { value: 4000 } })).toMatchObject({ status: "CANCELED" });
    expect((await refusal("refund", { charge_id, amount: { value: 1 } })).status).toBe(400);
    expect(await run("get_charge", { charge_id })).toMatchObject({ id: charge_id, amount: { summary: { refunded: 4990 } } });
    expect(await run("get_public_keys", { type: "card" })).toMatchObject({ public_key: expect.any(String) });
    expect(unrun()).toEqual([]);
  });
});
