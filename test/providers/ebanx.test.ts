import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { ebanx } from "../../providers/ebanx/index.ts";
import { ebanxTwin } from "../../providers/ebanx/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type InboundMessage } from "../../providers/provider.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/ebanx/ca_1";
const aCharge: ChargeRequest = {
  amount: 4990n, currency: "BRL", method: "pix", description: "Pedido 17",
  buyer: { name: "Maria da Silva", document: "111.444.777-35", email: "maria@example.com" },
};
const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

/** The adapter against an answer written in the test, and what it sent. */
function scripted(answer: object, status = 200, settings: Record<string, string> = { notification_url: HOOK }) {
  const sent: { line: string; body: any }[] = [];
  const provider = ebanx.connect({ credentials: { integration_key: "k3y" }, settings, baseUrl: ebanx.hosts.live }, async (request) => {
    sent.push({ line: `${request.method} ${request.url}`, body: await request.clone().json() });
    return Response.json(answer, { status });
  });
  return { provider, sent };
}

const payment = (change: object) => ({ status: "SUCCESS", payment: { hash: "h1", merchant_payment_code: REFERENCE, status: "PE", ...change } });
const error = (status_code: string, status_message = "no") => ({ status: "ERROR", status_code, status_message });

providerConformance({
  definition: ebanx, twin: ebanxTwin,
  verbs: { charge: { request: aCharge, declined: { ...aCharge, amount: 4913n }, settles: { to: "succeeded" } } },
});

describe("a charge by Pix", () => {
  test("is one payment in reais under our reference, its key in the body", async () => {
    const { provider, sent } = scripted(payment({ pix: { qr_code_value: "00020101", qr_code_url: "https://ebanx.example/qr" }, redirect_url: "https://ebanx.example/page" }));
    const outcome = await provider.charge!(aCharge, newCall());
    expect(sent).toEqual([{
      line: "POST https://api.ebanxpay.com/ws/direct",
      body: {
        integration_key: "k3y", operation: "request",
        payment: {
          name: "Maria da Silva", email: "maria@example.com", document: "11144477735", country: "br", payment_type_code: "pix",
          merchant_payment_code: REFERENCE, currency_code: "BRL", amount_total: 49.9, notification_url: HOOK,
        },
      },
    }]);
    expect(outcome).toEqual({
      outcome: "accepted", ref: "h1", state: "pending", action: "PE",
      result: {
        id: "h1", status: "pending", amount: 4990n, currency: "BRL", method: "pix", pix_copy_paste: "00020101", qr_code_url: "https://ebanx.example/qr",
        checkout_url: "https://ebanx.example/page", charge_url: "https://ebanx.example/page",
      },
    });
  });

  test("keeps the largest amount exact, and leaves the address of messages to the dashboard", async () => {
    const { provider, sent } = scripted(payment({}), 200, {});
    await provider.charge!({ ...aCharge, amount: 999_999_999_999_999n }, newCall());
    expect(sent[0]!.body.payment.amount_total).toBe(9999999999999.99);
    expect(sent[0]!.body.payment).not.toHaveProperty("notification_url");
  });

  test.each([
    ["method", "not_permitted", { method: "card" as const }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["amount", "invalid_request", { amount: 1_000_000_000_000_000n }],
    ["buyer.document", "invalid_request", { buyer: { ...aCharge.buyer, document: "11144477736" } }],
    ["buyer.email", "invalid_request", { buyer: { ...aCharge.buyer, email: undefined } }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, sent } = scripted({});
    expect(await provider.charge!({ ...aCharge, ...change }, newCall())).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([
    ["BP-DR-0", { reason: "duplicate", message: "EBANX refused: BP-DR-0: no" }], ["BP-SA-2", { reason: "unauthorized" }],
    ["BP-DR-6", { reason: "invalid_request", field: "amount" }], ["BP-DR-13", { reason: "invalid_request", field: "buyer.name" }],
    ["BP-DR-17", { reason: "invalid_request", field: "buyer.email" }], ["BP-DR-23", { reason: "invalid_request", field: "buyer.document" }],
    ["BP-DR-40", { reason: "refused" }], ["BP-DR-36", { reason: "not_permitted" }], ["BP-DR-99", { reason: "invalid_request" }],
  ])("refused by %s with status 200 is declined", async (code, expected) => {
    const call = newCall();
    expect(await scripted(error(code)).provider.charge!(aCharge, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });

  test.each([[429, "rate_limited"], [403, "unauthorized"], [418, "unspecified"]])("refused with %i is declined as %s", async (status, reason) => {
    expect(await scripted({}, status).provider.charge!(aCharge, newCall())).toMatchObject({ outcome: "declined", reason });
  });

  test("without a key is not connected", () => {
    expect(() => ebanx.connect({ credentials: {}, settings: {}, baseUrl: "" }, fetch)).toThrow(new SetupMissing("integration_key"));
  });
});

describe("a lookup", () => {
  test.each([["OP", "pending"], ["PE", "pending"], ["CO", "succeeded"], ["CA", "failed"], ["ND", "pending"]])("reads %s as %s", async (status, state) => {
    const { provider, sent } = scripted(payment({ status, amount_ext: "49.90", currency_ext: "BRL", amount_br: "50.09" }));
    expect(await provider.lookup!({ ...subject, ref: "h1" }, newCall())).toMatchObject({ ref: "h1", state, action: status, amountMinor: 4990n, currency: "BRL" });
    expect(sent).toEqual([{ line: "POST https://api.ebanxpay.com/ws/query", body: { integration_key: "k3y", hash: "h1" } }]);
  });

  test("reads no amount of a merchant whose currency is another", async () => {
    const found = await scripted(payment({ amount_ext: "9.90", currency_ext: "USD", amount_br: "50.09" })).provider.lookup!({ ...subject, ref: "h1" }, newCall());
    expect(found).not.toHaveProperty("amountMinor");
  });

  test("without a hash asks by our reference", async () => {
    const { provider, sent } = scripted(payment({ status: "CO" }));
    expect(await provider.lookup!(subject, newCall())).toMatchObject({ ref: "h1", state: "succeeded" });
    expect(sent[0]!.body).toEqual({ integration_key: "k3y", merchant_payment_code: REFERENCE });
  });

  test("finds nothing where EBANX says so, and nothing of another's", async () => {
    expect(await scripted(error("BP-X-1", "Payment not found")).provider.lookup!(subject, newCall())).toBeUndefined();
    expect(await scripted(payment({ merchant_payment_code: "another" })).provider.lookup!({ ...subject, ref: "h1" }, newCall())).toBeUndefined();
  });

  test.each([["BP-SA-1", "Parameter integration_key not found"], ["BP-SA-2", "Payment not found for this key"], ["BP-X-2", "Try later"]])(
    "refused by %s, %s, cannot say", async (code, message) => {
      await expect(scripted(error(code, message)).provider.lookup!(subject, newCall())).rejects.toThrow(Unanswered);
    });

  test("never denies what a message has told of", async () => {
    await expect(scripted(error("BP-X-1", "Payment not found")).provider.lookup!({ ...subject, told: "h1" }, newCall())).rejects.toThrow(Unanswered);
  });
});

describe("a notification", () => {
  const { verify, read } = ebanx.notifications!;
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const certificate = publicKey.export({ type: "spki", format: "pem" }).toString();
  const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey.export({ type: "spki", format: "pem" }).toString();
  const FORM = "operation=payment_status_change&notification_type=update&hash_codes=h1,h2";
  const signature = sign("RSA-SHA1", Buffer.from(FORM), privateKey).toString("base64");
  const message = (body: string, signed?: string): InboundMessage => ({
    method: "POST", url: new URL(HOOK), headers: new Headers(signed === undefined ? [] : [["X-SignatureContent", signed]]), body: new TextEncoder().encode(body),
  });

  test.each([
    ["EBANX's certificate", FORM, signature, [certificate], true],
    ["one of two certificates", FORM, signature, [other, certificate], true],
    ["another body", `${FORM},h3`, signature, [certificate], false],
    ["a key of another kind", FORM, signature, [other], false],
    ["no certificate", FORM, signature, ["", "not a certificate"], false],
    ["no signature", FORM, undefined, [certificate], false],
  ])("under %s is judged", (_name, body, signed, secrets, ok) => {
    expect(verify(message(body, signed), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  test("names each payment by its hash, and claims no state", () => {
    expect(read(message(FORM))).toEqual(["h1", "h2"].map((ref) => ({ eventId: `update:${ref}`, ref, observation: { ref, action: "update" } })));
    expect(read(message("operation=enrollment&hash_codes=h1"))).toEqual([]);
  });

  test("leads to our reference by its hash", async () => {
    const event = read(message(FORM))[0]!;
    expect(await scripted(payment({})).provider.referenceOf!(event, newCall())).toBe(REFERENCE);
    expect(await scripted(error("BP-X-1", "Payment not found")).provider.referenceOf!(event, newCall())).toBeUndefined();
  });
});

describe("the twin", () => {
  test.each([[4914n, "pending", 0], [4915n, "failed", 1]])("takes %i centavos to %s", async (amount, state, told) => {
    const { account, clock, rests, webhooks, twin } = await nativeWorld(ebanx, ebanxTwin);
    const provider = ebanx.connect({ ...account, baseUrl: ebanx.hosts.test }, (request) => twin.fetch(request));
    await provider.charge!({ ...aCharge, amount }, newCall(clock));
    await rests(1);
    expect(await provider.lookup!(subject, newCall(clock))).toMatchObject({ state });
    expect(webhooks).toHaveLength(told);
  });

  test("refuses the buyer who is suspended, and shows no account what is another's", async () => {
    const { account, twin } = await nativeWorld(ebanx, ebanxTwin);
    const connected = (of: typeof account) => ebanx.connect({ ...of, baseUrl: ebanx.hosts.test }, (request) => twin.fetch(request));
    expect(await connected(account).charge!({ ...aCharge, amount: 4918n }, newCall())).toMatchObject({ outcome: "declined", reason: "refused" });
    await connected(account).charge!(aCharge, newCall());
    expect(await connected(await twin.openAccount({ webhookUrl: HOOK })).lookup!(subject, newCall())).toBeUndefined();
  });
});

describe("the own tools", () => {
  const aPayment = { name: "Maria da Silva", email: "maria@example.com", country: "br", payment_type_code: "pix", currency_code: "BRL", amount_total: 49.9, document: "11144477735" };

  test("make a payment, read it both ways, cancel it, and ask to give one back", async () => {
    const { run, rests, refusal, unrun } = await nativeWorld(ebanx, ebanxTwin);
    const { payment: { hash, merchant_payment_code } } = await run("create_payment", aPayment);
    expect(merchant_payment_code).toMatch(/^[0-9a-f-]{36}$/);
    expect(await run("query_payment_by_merchant_code", { merchant_payment_code })).toMatchObject({ payment: { hash, status: "PE" } });
    expect(await run("cancel_payment", { hash })).toMatchObject({ payment: { status: "CA" } });
    expect((await refusal("refund", { hash, amount: 1, description: "x" })).body).toMatchObject({ status: "ERROR" });
    const { payment: { hash: other } } = await run("create_payment", { ...aPayment, merchant_payment_code: "order-18" });
    await rests(1);
    expect(await run("refund", { hash: other, amount: 9.9, description: "returned" })).toMatchObject({ refund: { status: "RE", amount_ext: "9.90" } });
    expect(await run("get_payment", { hash: other })).toMatchObject({ payment: { status: "CO", refunds: [{ id: "1" }] } });
    expect(unrun()).toEqual([]);
  });
});
