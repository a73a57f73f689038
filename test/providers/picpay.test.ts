import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { picpay } from "../../providers/picpay/index.ts";
import { picpayTwin } from "../../providers/picpay/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/picpay/ca_1";
const REST_MS = 60_000;

const aCharge: ChargeRequest = {
  amount: 4990n, currency: "BRL", method: "wallet", description: "Pedido 17",
  buyer: { name: "Maria da Silva", document: "11144477735", email: "maria@example.com" },
};

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  return { reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} };
}

/** The adapter and the twin together, in memory. */
async function world(settings: Record<string, string> = {}) {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = picpayTwin.create({ store, clock, settleAfterMs: REST_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: { path: string; headers: Headers; body: unknown }[] = [];
  const fetch: Fetch = async (request) => {
    const text = await request.clone().text();
    sent.push({ path: `${request.method} ${new URL(request.url).pathname}`, headers: request.headers, body: text === "" ? undefined : JSON.parse(text) });
    return twin.fetch(request);
  };
  const connection = { credentials: account.credentials, settings: { ...account.settings, ...settings }, baseUrl: picpay.hosts.test };
  const http = picpay.native!.client(connection, fetch);
  return {
    clock, sent, webhooks, account,
    call: newCall(clock),
    provider: picpay.connect(connection, fetch),
    native: async (name: string, args: object) => {
      const tool = picpay.native!.tools.find((each) => each.name === name)!;
      const spec = tool.request(tool.input.parse(args), { reference: randomUUID() });
      return (await http[tool.effect === "reads" ? "ask" : "act"](spec, z.record(z.string(), z.any()), newCall(clock))) as Record<string, any>;
    },
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await clock.advance(REST_MS);
        await store.runDue((step) => twin.run(step));
      }
    },
  };
}

/** The adapter against answers written in the test. */
const scripted = (answer: () => Response): Provider =>
  picpay.connect({ credentials: { picpay_token: "token-of-the-test" }, settings: { callback_url: HOOK }, baseUrl: picpay.hosts.test }, async () => answer());

const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;

providerConformance({
  definition: picpay,
  twin: picpayTwin,
  detects: ["missing_header", "wrong_secret"],
  verbs: { charge: { request: aCharge, declined: { ...aCharge, amount: 4913n }, settles: { to: "succeeded" } } },
});

describe("a wallet charge", () => {
  test("is one payment under our reference, and answers with the page to pay at", async () => {
    const { provider, call, sent, account } = await world({ return_url: "https://shop.example/paid" });
    const outcome = await provider.charge!(aCharge, call);
    expect(sent.map(({ path, body }) => ({ path, body }))).toEqual([{
      path: "POST /ecommerce/public/payments",
      body: {
        referenceId: REFERENCE, callbackUrl: HOOK, returnUrl: "https://shop.example/paid", value: 49.9,
        buyer: { firstName: "Maria", lastName: "da Silva", document: "111.444.777-35", email: "maria@example.com" },
      },
    }]);
    expect(sent[0]!.headers.get("x-picpay-token")).toBe(account.credentials["picpay_token"]);
    const page = expect.stringMatching(/^https:\/\/app\.picpay\.com\/checkout\//);
    expect(outcome).toEqual({
      outcome: "accepted", ref: REFERENCE, state: "pending", action: "created",
      result: { id: REFERENCE, status: "pending", amount: 4990n, currency: "BRL", method: "wallet", checkout_url: page, charge_url: page, expires_at: undefined },
    });
  });

  test("tells until when it can be paid, where PicPay says so", async () => {
    const provider = scripted(() => Response.json({ referenceId: REFERENCE, paymentUrl: "https://pay.example/1", expiresAt: "2026-12-12T15:53:00-03:00" }));
    expect(await provider.charge!(aCharge, newCall(new FakeClock()))).toMatchObject({ result: { expires_at: "2026-12-12T18:53:00.000Z" } });
  });

  test.each([
    ["method", "not_permitted", { method: "pix" as const }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["amount", "invalid_request", { amount: 1_000_000_000_000_000n }],
    ["buyer.document", "invalid_request", { buyer: { ...aCharge.buyer, document: "11144477736" } }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    expect(await provider.charge!({ ...aCharge, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test("without a token sends nothing and names what is missing", () => {
    const connect = () => picpay.connect({ credentials: {}, settings: {}, baseUrl: picpay.hosts.test }, () => Promise.reject(new Error("it was sent")));
    expect(connect).toThrow(SetupMissing);
  });

  test.each([
    [422, { message: "Dados inválidos", errors: [{ message: "value is invalid", field: "value" }] }, { reason: "invalid_request", field: "amount", message: "PicPay refused: value is invalid" }],
    [422, { message: "x", errors: [{ message: "used before", field: "referenceId" }] }, { reason: "duplicate" }],
    [401, { message: "Unauthorized" }, { reason: "unauthorized" }],
    [429, {}, { reason: "rate_limited" }],
    [418, "not their shape", { reason: "unspecified", message: "PicPay refused: it answered 418" }],
  ])("refused with status %i and body %j is declined", async (status, body, expected) => {
    const call = newCall(new FakeClock());
    expect(await scripted(() => Response.json(body, { status })).charge!(aCharge, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });
});

describe("a lookup", () => {
  test.each([
    ["created", "pending"], ["analysis", "pending"], ["authorized", "pending"], ["paid", "succeeded"], ["completed", "succeeded"], ["expired", "failed"],
    ["refunded", "refunded"], ["chargeback", "updated"], ["a_word_to_come", "pending"],
  ])("reads a payment that is %s as %s, without an amount", async (status, state) => {
    const found = await scripted(() => Response.json({ referenceId: REFERENCE, status })).lookup!(subject, newCall(new FakeClock()));
    expect(found).toMatchObject({ ref: REFERENCE, state, action: status, currency: "BRL" });
    expect(found).not.toHaveProperty("amountMinor");
    expect(found!.failure === undefined).toBe(state !== "failed");
  });

  test("answered with another payment cannot say", async () => {
    const provider = scripted(() => Response.json({ referenceId: "another", status: "paid" }));
    await expect(provider.lookup!(subject, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
  });
});

describe("a notification", () => {
  const { verify, read } = picpay.notifications!;
  const message = (body: string, token?: string): InboundMessage => ({
    method: "POST", url: new URL(HOOK), headers: new Headers(token === undefined ? [] : [["x-seller-token", token]]), body: new TextEncoder().encode(body),
  });

  test.each([
    ["the seller's token", "seller", ["seller"], true],
    ["the token of before", "seller", ["new", "seller"], true],
    ["another token", "other", ["seller"], false],
    ["no token", undefined, ["seller"], false],
    ["an empty token where the secret is empty", "", [""], false],
  ])("with %s is judged", (_name, token, secrets, ok) => {
    expect(verify(message("{}", token), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  test("names our reference and claims no state", () => {
    expect(read(message(JSON.stringify({ referenceId: REFERENCE, authorizationId: "55" })))).toEqual([
      { eventId: `${REFERENCE}:55`, reference: REFERENCE, ref: REFERENCE, observation: { ref: REFERENCE, action: "notified" } },
    ]);
    expect([read(message("{")), read(message("[]")), read(message('{"referenceId":""}'))]).toEqual([[], [], []]);
  });
});

describe("the twin", () => {
  test.each([
    [4990n, 1, "succeeded"], [4914n, 0, "pending"], [4915n, 1, "failed"], [4916n, 2, "succeeded"], [4917n, 2, "refunded"],
  ])("takes a payment of %i centavos through %i notifications", async (amount, notifications, state) => {
    const { provider, call, rests, webhooks } = await world();
    await provider.charge!({ ...aCharge, amount }, call);
    await rests(3);
    expect([webhooks.length, (await provider.lookup!(subject, call))!.state]).toEqual([notifications, state]);
  });
});

describe("PicPay's own tools", () => {
  const payment = { callbackUrl: HOOK, value: 19.9, buyer: { firstName: "Maria", document: "111.444.777-35" } };

  test("create a payment, read its status and cancel it", async () => {
    const { native } = await world();
    const { referenceId, paymentUrl, qrcode } = await native("create_payment", payment);
    expect([referenceId, paymentUrl, qrcode.base64]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), expect.stringMatching(/^https:/), expect.stringMatching(/^data:image\/png;base64,/)]);
    expect(await native("get_payment_status", { referenceId })).toEqual({ referenceId, status: "created" });
    expect(await native("cancel_payment", { referenceId })).toMatchObject({ referenceId, cancellationId: expect.any(String) });
    expect(await native("get_payment_status", { referenceId })).toEqual({ referenceId, status: "expired" });
    await expect(native("cancel_payment", { referenceId })).rejects.toMatchObject({ status: 422 });
  });

  test("give a paid payment back to whoever knows its authorization", async () => {
    const { native, rests } = await world();
    const { referenceId } = await native("create_payment", { ...payment, referenceId: "order-17" });
    await rests(1);
    const { authorizationId } = await native("get_payment_status", { referenceId });
    await expect(native("cancel_payment", { referenceId })).rejects.toMatchObject({ status: 422 });
    await native("cancel_payment", { referenceId, authorizationId });
    expect(await native("get_payment_status", { referenceId })).toMatchObject({ status: "refunded" });
    await expect(native("create_payment", { ...payment, referenceId })).rejects.toMatchObject({ status: 422 });
  });
});
