import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { SetupMissing, Unanswered, type CallContext, type InboundMessage, type Provider } from "../../providers/provider.ts";
import { transbank } from "../../providers/transbank/index.ts";
import { transbankTwin } from "../../providers/transbank/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/transbank/ca_1";
const PATH = "/rswebpaytransaction/api/webpay/v1.2/transactions";
const CREDENTIALS = { commerce_code: "597055555532", api_key_secret: "s3cret", webhook_secret: "h00k" };
const SETTINGS = { notification_url: HOOK };
const aCharge: ChargeRequest = { amount: 12_990n, currency: "CLP", method: "webpay", description: "Pedido 17", buyer: { name: "Ana López" } };
const aPayout: PayoutRequest = { action: "pay", amount: 12_990n, currency: "CLP", method: "transbank", recipient: { name: "Proveedor" } };
const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "CLP" } as const;
const proof = createHmac("sha256", "h00k").update(REFERENCE).digest("hex");

const newCall = (clock = new FakeClock()): CallContext =>
  ({ reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {} });

/** The adapter against answers written in the test, by method, and what it sent. */
function scripted(answers: Partial<Record<"GET" | "POST" | "PUT", () => Response>>, baseUrl = transbank.hosts.live) {
  const sent: { line: string; headers: Headers; body: any }[] = [];
  const provider = transbank.connect({ credentials: CREDENTIALS, settings: SETTINGS, baseUrl }, async (request) => {
    const text = await request.clone().text();
    sent.push({ line: `${request.method} ${new URL(request.url).pathname}`, headers: request.headers, body: text && JSON.parse(text) });
    return answers[request.method as "GET"]!();
  });
  return { provider, sent };
}

const MADE = { token: "01ab2", url: "https://webpay3g.transbank.cl/webpayserver/initTransaction" };
const transaction = (status: string, change: object = {}) =>
  () => Response.json({ status, amount: 12990, session_id: REFERENCE, transaction_date: "2026-11-20T11:30:00.000Z", response_code: 0, ...change });
const unpaid = () => Response.json({ error_message: "Invalid status '0' for transaction while authorizing" }, { status: 422 });

async function accepted(provider: Provider, change: Partial<ChargeRequest> = {}, call = newCall()) {
  const outcome = await provider.charge!({ ...aCharge, ...change }, call);
  if (outcome.outcome !== "accepted") throw new Error(outcome.message);
  return outcome;
}

providerConformance({
  definition: transbank, twin: transbankTwin, detects: ["missing_header", "wrong_secret"],
  verbs: {
    charge: { request: aCharge, declined: { ...aCharge, amount: 12_913n }, settles: { to: "succeeded" }, findsByReference: false },
    payout: { request: aPayout, declined: { ...aPayout, amount: 12_913n }, settles: { to: "succeeded" }, findsByReference: false },
  },
});

describe("a charge by Webpay", () => {
  test("is one transaction in whole pesos whose address of return proves itself and tells no secret", async () => {
    const { provider, sent } = scripted({ POST: () => Response.json(MADE) });
    const { ref, result } = await accepted(provider);
    expect(sent.map(({ line }) => line)).toEqual([`POST ${PATH}`]);
    expect([sent[0]!.headers.get("tbk-api-key-id"), sent[0]!.headers.get("tbk-api-key-secret")]).toEqual(["597055555532", "s3cret"]);
    expect(sent[0]!.body).toEqual({
      buy_order: "0b0f4f0e3c2d4a579d4e6d1f6a", session_id: REFERENCE, amount: 12990, return_url: `${HOOK}?reference=${REFERENCE}&token=${proof}`,
    });
    const page = `${MADE.url}?token_ws=01ab2`;
    expect({ ref, result }).toEqual({
      ref: "01ab2",
      result: {
        id: "01ab2", status: "pending", amount: 12_990n, currency: "CLP", method: "webpay", checkout_url: page, charge_url: page,
        expires_at: "2026-11-20T12:05:00.000Z",
      },
    });
  });

  test.each([
    ["method", "not_permitted", { method: "card" as const }],
    ["currency", "invalid_request", { currency: "USD" as const }],
  ])("with another %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, sent } = scripted({});
    expect(await provider.charge!({ ...aCharge, ...change }, newCall())).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([
    [422, { error_message: "Invalid value for parameter: amount" }, { reason: "invalid_request", field: "amount", message: "Transbank refused: Invalid value for parameter: amount" }],
    [401, { error_message: "Not Authorized" }, { reason: "unauthorized" }],
    [429, {}, { reason: "rate_limited" }],
    [418, "not their shape", { reason: "unspecified", message: "Transbank refused: it answered 418" }],
  ])("refused with %i and %j is declined", async (status, body, expected) => {
    const { provider } = scripted({ POST: () => Response.json(body, { status }) });
    expect(await provider.charge!(aCharge, newCall())).toMatchObject({ outcome: "declined", ...expected });
  });

  test.each(["commerce_code", "api_key_secret"])("without %s is not connected", (name) => {
    expect(() => transbank.connect({ credentials: { ...CREDENTIALS, [name]: "" }, settings: SETTINGS, baseUrl: "" }, fetch)).toThrow(new SetupMissing(name));
  });

  test("without the webhook's secret sends nothing", async () => {
    const provider = transbank.connect({ credentials: { ...CREDENTIALS, webhook_secret: "" }, settings: SETTINGS, baseUrl: "" }, fetch);
    await expect(provider.charge!(aCharge, newCall())).rejects.toThrow(new SetupMissing("webhook_secret"));
  });
});

describe("a payout", () => {
  test("is never sent to the live host", async () => {
    const { provider, sent } = scripted({});
    expect(await provider.payout!(aPayout, newCall())).toMatchObject({ outcome: "declined", reason: "not_permitted" });
    expect(sent).toEqual([]);
  });

  test.each([["method", { method: "pix" as const }], ["currency", { currency: "BRL" as const }], ["amount", { amount: undefined }]])(
    "simulated with a bad %s is declined before anything is sent", async (field, change) => {
      const { provider, sent } = scripted({}, transbank.hosts.test);
      expect(await provider.payout!({ ...aPayout, ...change }, newCall())).toMatchObject({ outcome: "declined", field });
      expect(sent).toEqual([]);
    });
});

describe("a lookup", () => {
  test.each([
    ["AUTHORIZED", "succeeded"], ["CAPTURED", "succeeded"], ["FAILED", "failed"], ["REVERSED", "refunded"], ["NULLIFIED", "refunded"],
    ["PARTIALLY_NULLIFIED", "updated"], ["A_WORD_TO_COME", "pending"],
  ])("reads %s as %s, and confirms nothing", async (status, state) => {
    const { provider, sent } = scripted({ GET: transaction(status) });
    expect(await provider.lookup!({ ...subject, ref: "01ab2" }, newCall()))
      .toMatchObject({ ref: "01ab2", state, action: status, amountMinor: 12_990n, currency: "CLP" });
    expect(sent.map(({ line }) => line)).toEqual([`GET ${PATH}/01ab2`]);
  });

  test.each([["AUTHORIZED", "succeeded"], ["FAILED", "failed"]])("confirms what was begun, and reads the answer %s as %s", async (status, state) => {
    const { provider, sent } = scripted({ GET: transaction("INITIALIZED"), PUT: transaction(status, { response_code: -1 }) });
    const found = await provider.lookup!({ ...subject, ref: "01ab2" }, newCall());
    expect(found).toMatchObject({ state, action: status });
    if (state === "failed") expect(found!.failure).toEqual({ reason: "refused", message: "the card was refused, response code -1" });
    expect(sent.map(({ line }) => line)).toEqual([`GET ${PATH}/01ab2`, `PUT ${PATH}/01ab2`]);
  });

  test.each([["2026-11-20T11:30:00.000Z", "pending"], ["2026-11-20T10:59:59.000Z", "failed"]])("reads what was begun at %s and cannot be confirmed at noon as %s", async (transaction_date, state) => {
    const { provider } = scripted({ GET: transaction("INITIALIZED", { transaction_date }), PUT: unpaid });
    expect(await provider.lookup!({ ...subject, ref: "01ab2" }, newCall())).toMatchObject({ state, action: "INITIALIZED" });
  });

  test("throws when a confirmation gets no answer, for it may have been made", async () => {
    const { provider } = scripted({ GET: transaction("INITIALIZED"), PUT: () => new Response("", { status: 502 }) });
    await expect(provider.lookup!({ ...subject, ref: "01ab2" }, newCall())).rejects.toThrow(Unanswered);
  });

  test("without a token never denies; of another's transaction finds nothing, and leaves it unconfirmed", async () => {
    const { provider, sent } = scripted({ GET: transaction("INITIALIZED", { session_id: "another" }) });
    await expect(provider.lookup!(subject, newCall())).rejects.toThrow(Unanswered);
    expect(await provider.lookup!({ ...subject, ref: "01ab2" }, newCall())).toBeUndefined();
    expect(sent.map(({ line }) => line)).toEqual([`GET ${PATH}/01ab2`]);
  });
});

describe("a buyer who comes back", () => {
  const { verify, read, acknowledge } = transbank.notifications!;
  const message = (query: string): InboundMessage => ({ method: "GET", url: new URL(HOOK + query), headers: new Headers(), body: new Uint8Array() });

  test.each([
    ["the proof of its reference", `?reference=${REFERENCE}&token=${proof}&token_ws=01ab2`, ["h00k"], true],
    ["a proof by the secret of before", `?reference=${REFERENCE}&token=${proof}`, ["new", "h00k"], true],
    ["the proof of another reference", `?reference=${REFERENCE.replace("0b", "0c")}&token=${proof}`, ["h00k"], false],
    ["another secret", `?reference=${REFERENCE}&token=${proof}`, ["other", ""], false],
    ["the secret itself", `?reference=${REFERENCE}&token=h00k`, ["h00k"], false],
    ["no proof", `?reference=${REFERENCE}&token_ws=01ab2`, ["h00k"], false],
  ])("with %s is judged", (_name, query, secrets, ok) => {
    expect(verify(message(query), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  test("names our reference, and claims no state", () => {
    expect(read(message(`?reference=${REFERENCE}`))).toEqual([
      { eventId: `returned:${REFERENCE}`, reference: REFERENCE, observation: { ref: REFERENCE, action: "returned" } },
    ]);
    expect(read(message(`?reference=${REFERENCE}&token_ws=01ab2`))).toMatchObject([{ reference: REFERENCE, ref: "01ab2" }]);
    expect(read(message(`?reference=${REFERENCE}&TBK_TOKEN=01ab2`))).toMatchObject([{ reference: REFERENCE, ref: "01ab2" }]);
  });

  test("is sent on to the shop's page, or told to go there", async () => {
    const onward = acknowledge!({ redirect_url: "https://tienda.example/gracias" });
    expect([onward.status, onward.headers.get("location")]).toEqual([303, "https://tienda.example/gracias"]);
    expect(await acknowledge!({}).text()).toContain("Puede volver a la tienda");
  });
});

describe("the twin", () => {
  test.each([[12_914n, "pending", 0], [12_915n, "pending", 1], [12_918n, "failed", 1]])("takes %i pesos to %s", async (amount, state, returns) => {
    const { account, clock, rests, webhooks, twin } = await nativeWorld(transbank, transbankTwin);
    const provider = transbank.connect({ ...account, baseUrl: transbank.hosts.test }, (request) => twin.fetch(request));
    const { ref } = await accepted(provider, { amount }, newCall(clock));
    await rests(1);
    expect(await provider.lookup!({ ...subject, ref }, newCall(clock))).toMatchObject({ state });
    expect(webhooks).toHaveLength(returns);
  });

  test("shows no account what is another's", async () => {
    const { run, twin, refusal, open } = await nativeWorld(transbank, transbankTwin);
    const { token } = await run("webpay_create_transaction", aTransaction);
    const other = await twin.openAccount({ webhookUrl: HOOK });
    expect((await refusal("webpay_get_transaction_status", { token }, open(other))).status).toBe(422);
  });
});

const aTransaction = { buy_order: "17", session_id: "s-17", amount: 12990, return_url: "https://tienda.example/webpay" };

describe("the own tools", () => {
  test("make, confirm, read and give back, whole and in part", async () => {
    const { run, rests, refusal, webhooks, unrun } = await nativeWorld(transbank, transbankTwin);
    const { token } = await run("webpay_create_transaction", aTransaction);
    expect((await refusal("webpay_commit_transaction", { token })).body).toMatchObject({ error_message: expect.stringContaining("Invalid status '0'") });
    await rests(1);
    expect(webhooks.map(({ method, url }) => [method, url])).toEqual([["GET", `https://tienda.example/webpay?token_ws=${token}`]]);
    expect(await run("webpay_get_transaction_status", { token })).toMatchObject({ status: "INITIALIZED" });
    expect(await run("webpay_commit_transaction", { token })).toMatchObject({ status: "AUTHORIZED", amount: 12990, response_code: 0 });
    expect((await refusal("webpay_commit_transaction", { token })).status).toBe(422);
    expect(await run("webpay_refund_transaction", { token, amount: 2990 })).toMatchObject({ type: "NULLIFIED", balance: 10000 });
    expect(await run("webpay_get_transaction_status", { token })).toMatchObject({ status: "PARTIALLY_NULLIFIED" });
    expect((await refusal("webpay_refund_transaction", { token, amount: 10001 })).status).toBe(422);
    expect(await run("webpay_refund_transaction", { token, amount: 10000 })).toMatchObject({ type: "NULLIFIED", balance: 0 });
    expect(unrun()).toEqual([]);
  });
});
