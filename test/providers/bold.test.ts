import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { bold } from "../../providers/bold/index.ts";
import { boldTwin } from "../../providers/bold/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type InboundMessage, type Provider } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/bold/ca_1";
const REST_MS = 60_000;
const aCharge: ChargeRequest = {
  amount: 5_990_000n, currency: "COP", method: "card", description: "Pedido 17", buyer: { name: "Ana López", email: "ana@example.com" },
};
const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "COP" } as const;

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = boldTwin.create({ store, clock, settleAfterMs: REST_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const provider = bold.connect({ ...account, baseUrl: bold.hosts.test }, (request) => twin.fetch(request));
  const rests = async (count: number) => {
    for (let rest = 0; rest < count; rest++) {
      await clock.advance(REST_MS);
      await store.runDue((step) => twin.run(step));
    }
  };
  return { clock, twin, account, provider, webhooks, rests, call: newCall(clock) };
}

/** The adapter against answers written in the test, by path, and what it sent. */
function scripted(answers: Record<string, unknown>, status = 200) {
  const sent: { line: string; headers: Headers; text: string }[] = [];
  const connection = { credentials: { identity_key: "k3y" }, settings: { callback_url: "https://tienda.example/gracias" }, baseUrl: bold.hosts.live };
  const provider = bold.connect(connection, async (request) => {
    const { pathname, search } = new URL(request.url);
    sent.push({ line: `${request.method} ${pathname}${search}`, headers: request.headers, text: await request.clone().text() });
    const answer = answers[pathname];
    return answer === undefined ? Response.json({ errors: [] }, { status: 404 }) : Response.json(answer, { status });
  });
  return { provider, sent };
}

const MADE = { payload: { payment_link: "LNK_1", url: "https://checkout.bold.co/LNK_1" }, errors: [] };
const link = (change: object) => ({ id: "LNK_1", total: 59900, reference: REFERENCE, transaction_id: "TX1", ...change });
const told = (type: string, reference = REFERENCE) =>
  ({ id: `n-${type}`, type, subject: "TX1", data: { payment_id: "TX1", amount: { total: 59900 }, metadata: { reference } } });
const NOTIFICATIONS = `/payments/webhook/notifications/${REFERENCE}`;

async function accepted(provider: Provider, request: ChargeRequest, call = newCall()) {
  const outcome = await provider.charge!(request, call);
  if (outcome.outcome !== "accepted") throw new Error(outcome.message);
  return outcome;
}

providerConformance({
  definition: bold,
  twin: boldTwin,
  verbs: { charge: { request: aCharge, declined: { ...aCharge, amount: 5_991_300n }, settles: { to: "succeeded" }, findsByReference: false } },
});

describe("a charge", () => {
  test.each([["card", "CREDIT_CARD"], ["pse", "PSE"]] as const)("by %s is one link in whole pesos that allows %s alone", async (method, theirs) => {
    const { provider, sent } = scripted({ "/online/link/v1": MADE });
    const { result } = await accepted(provider, { ...aCharge, method });
    expect(sent.map(({ line }) => line)).toEqual(["POST /online/link/v1"]);
    expect(sent[0]!.headers.get("authorization")).toBe("x-api-key k3y");
    expect(JSON.parse(sent[0]!.text)).toEqual({
      amount_type: "CLOSE", amount: { currency: "COP", total_amount: 59900, tip_amount: 0 }, reference: REFERENCE, description: "Pedido 17",
      callback_url: "https://tienda.example/gracias", payment_methods: [theirs],
    });
    expect(result).toEqual({
      id: "LNK_1", status: "pending", amount: 5_990_000n, currency: "COP", method, checkout_url: "https://checkout.bold.co/LNK_1",
      charge_url: "https://checkout.bold.co/LNK_1", expires_at: undefined,
    });
  });

  test("ends with the last second of its due day in Colombia, to the nanosecond", async () => {
    const { provider, sent } = scripted({ "/online/link/v1": MADE });
    const { result } = await accepted(provider, { ...aCharge, due_date: "2026-11-30" });
    expect(sent[0]!.text).toContain('"expiration_date":1796101199000000000,');
    expect(result.expires_at).toBe("2026-12-01T04:59:59.000Z");
  });

  test.each([
    ["method", "not_permitted", { method: "wallet" as const }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["amount", "invalid_request", { amount: 5_990_001n }],
    ["due_date", "invalid_request", { due_date: "2001-01-01" }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, sent } = scripted({});
    expect(await provider.charge!({ ...aCharge, ...change }, newCall())).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([
    [400, { errors: [{ total_amount: "must be at least 1000" }] }, { reason: "invalid_request", field: "amount", message: "Bold refused: must be at least 1000" }],
    [200, { payload: {}, errors: [{ code: "LP-1", message: "duplicated" }] }, { reason: "invalid_request", message: "Bold refused: LP-1: duplicated" }],
    [403, { Message: "User is not authorized" }, { reason: "unauthorized", message: "Bold refused: User is not authorized" }],
    [429, { message: "Too Many Requests" }, { reason: "rate_limited" }],
    [418, "not their shape", { reason: "unspecified", message: "Bold refused: it answered 418" }],
  ])("refused with %i and %j is declined", async (status, body, expected) => {
    const call = newCall();
    expect(await scripted({ "/online/link/v1": body }, status).provider.charge!(aCharge, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });

  test("without a key sends nothing and names what is missing", () => {
    expect(() => bold.connect({ credentials: {}, settings: {}, baseUrl: "" }, fetch)).toThrow(new SetupMissing("identity_key"));
  });
});

describe("a lookup", () => {
  test.each([
    ["ACTIVE", "pending"], ["PROCESSING", "pending"], ["REJECTED", "pending"], ["PAID", "succeeded"], ["EXPIRED", "failed"],
    ["CANCELLED", "failed"], ["CANCELED", "failed"], ["A_WORD_TO_COME", "pending"],
  ])("reads a link that is %s as %s", async (status, state) => {
    const { provider } = scripted({ "/online/link/v1/LNK_1": link({ status }) });
    const found = await provider.lookup!({ ...subject, ref: "LNK_1" }, newCall());
    expect(found).toMatchObject({ ref: "LNK_1", state, action: status, amountMinor: 5_990_000n, currency: "COP" });
    expect(found!.failure === undefined).toBe(state !== "failed");
  });

  test("reads a link that comes inside a payload", async () => {
    const { provider } = scripted({ "/online/link/v1/LNK_1": { payload: link({ status: "EXPIRED" }) } });
    expect(await provider.lookup!({ ...subject, ref: "LNK_1" }, newCall())).toMatchObject({ state: "failed" });
  });

  test.each([["of ours", REFERENCE, "refunded"], ["of another", "another", "succeeded"]])("believes a void %s told of a paid link", async (_name, reference, state) => {
    const { provider, sent } = scripted({
      "/online/link/v1/LNK_1": link({ status: "PAID" }), [NOTIFICATIONS]: { notifications: [told("SALE_APPROVED"), told("VOID_APPROVED", reference)] },
    });
    expect(await provider.lookup!({ ...subject, ref: "LNK_1" }, newCall())).toMatchObject({ ref: "LNK_1", state });
    expect(sent.map(({ line }) => line)).toEqual(["GET /online/link/v1/LNK_1", `GET ${NOTIFICATIONS}?is_external_reference=true`]);
  });

  test.each([["SALE_APPROVED", "succeeded"], ["VOID_APPROVED", "refunded"]])("of a lost answer finds its payment by %s", async (type, state) => {
    const { provider } = scripted({ [NOTIFICATIONS]: { notifications: [told("SALE_REJECTED"), told(type)] } });
    expect(await provider.lookup!(subject, newCall())).toEqual({ ref: "TX1", state, action: type, currency: "COP", amountMinor: 5_990_000n });
  });

  test.each([[{ notifications: [] }], [{ notifications: [told("SALE_REJECTED")] }], [{ notifications: [told("SALE_APPROVED", "another")] }], [undefined]])(
    "of a lost answer never denies when %j was told", async (answer) => {
      const { provider } = scripted(answer ? { [NOTIFICATIONS]: answer } : {});
      await expect(provider.lookup!(subject, newCall())).rejects.toThrow(Unanswered);
    });

  test("finds nothing under an id that Bold no longer knows, nor under another's", async () => {
    expect(await scripted({}).provider.lookup!({ ...subject, ref: "LNK_1" }, newCall())).toBeUndefined();
    const { provider } = scripted({ "/online/link/v1/LNK_1": link({ status: "PAID", reference: "another" }) });
    expect(await provider.lookup!({ ...subject, ref: "LNK_1" }, newCall())).toBeUndefined();
  });
});

describe("a notification", () => {
  const { verify, read } = bold.notifications!;
  const message = (body: string, signature?: string): InboundMessage => ({
    method: "POST", url: new URL(HOOK), headers: new Headers(signature === undefined ? [] : [["x-bold-signature", signature]]), body: new TextEncoder().encode(body),
  });
  // HMAC-SHA256 of eyJhIjoxfQ== keyed with "s3cret".
  const signed = createHmac("sha256", "s3cret").update("eyJhIjoxfQ==").digest("hex");
  const unkeyed = createHmac("sha256", "").update("eyJhIjoxfQ==").digest("hex");

  test.each([
    ["the HMAC of its body in base64", signed, ["s3cret"], true],
    ["it in capitals, by the key of before", signed.toUpperCase(), ["new", "s3cret"], true],
    ["that of another key", signed, ["other"], false],
    ["the empty key of test mode", unkeyed, ["", "s3cret"], false],
    ["nothing", undefined, ["s3cret"], false],
  ])("with %s is judged", (_name, signature, secrets, ok) => {
    expect(verify(message('{"a":1}', signature), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  test("names our reference, and claims no state", () => {
    expect(read(message(JSON.stringify(told("SALE_APPROVED"))))).toEqual([
      { eventId: "n-SALE_APPROVED", reference: REFERENCE, observation: { ref: "TX1", action: "SALE_APPROVED" } },
    ]);
  });

  test.each(["{", JSON.stringify({ ...told("SALE_APPROVED"), type: "OTHER" }), JSON.stringify({ ...told("SALE_APPROVED"), data: {} })])("of %s is read as nothing", (body) => {
    expect(read(message(body))).toEqual([]);
  });
});

describe("the twin", () => {
  test.each([
    [5_991_400n, "pending", []], [5_991_500n, "failed", []], [5_991_600n, "succeeded", ["SALE_REJECTED", "SALE_APPROVED"]],
    [5_991_700n, "refunded", ["SALE_APPROVED", "VOID_APPROVED"]], [5_991_800n, "failed", []],
  ])("takes %i centavos to %s through %j", async (amount, state, types) => {
    const { provider, call, rests, webhooks } = await world();
    const { ref } = await accepted(provider, { ...aCharge, amount }, call);
    await rests(3);
    expect(await provider.lookup!({ ...subject, ref }, call)).toMatchObject({ ref, state });
    expect(webhooks.map(({ body }) => JSON.parse(body).type)).toEqual(types);
  });

  test("shows no account the links of another", async () => {
    const { provider, call, twin } = await world();
    const { ref } = await accepted(provider, aCharge, call);
    const stranger = bold.connect({ ...(await twin.openAccount({ webhookUrl: HOOK })), baseUrl: bold.hosts.test }, (request) => twin.fetch(request));
    expect(await stranger.lookup!({ ...subject, ref }, call)).toBeUndefined();
  });
});
