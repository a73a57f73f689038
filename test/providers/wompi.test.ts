import { createHash, randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Passthrough } from "../../providers/native.ts";
import {
  SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider,
} from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { SYNTHETIC_PAYER, wompi } from "../../providers/wompi/index.ts";
import { SYNTHETIC_PAYEE } from "../../providers/wompi/payouts.ts";
import { wompiTwin } from "../../providers/wompi/twin.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/wompi/ca_1";
const HOUR_MS = 3_600_000;

const aCharge: ChargeRequest = {
  amount: 4_490_000n, currency: "COP", method: "pse", description: "Pedido 17",
  buyer: { name: "Ana Gómez", document: "1.099.888.777", email: "ana@example.com", phone: "314 567 8901" },
  metadata: { financial_institution_code: "1" },
};
const aPayout: PayoutRequest = {
  action: "pay", amount: 7_500_000n, currency: "COP", method: "bank_transfer", description: "Factura 9",
  recipient: { name: "Juan Pérez", document: "1234567890", bank_account: { bank: "Bancolombia", account: "434-23123", account_type: "savings" } },
};

interface Sent {
  method: string;
  url: string;
  query: Record<string, string>;
  headers: Headers;
  body: any;
}

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

async function record(request: Request): Promise<Sent> {
  const { origin, pathname, searchParams } = new URL(request.url);
  const text = await request.clone().text();
  const { method, headers } = request;
  return { method, url: origin + pathname, query: Object.fromEntries(searchParams), headers, body: text === "" ? undefined : JSON.parse(text) };
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The adapter and the twin together, in memory. */
async function world({ live = false, settings = {} as Record<string, string> } = {}) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = wompiTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return twin.fetch(request);
  };
  const connection = {
    credentials: account.credentials, settings: { ...account.settings, ...settings }, baseUrl: live ? wompi.hosts.live : wompi.hosts.test,
  };
  return {
    clock, twin, account, sent, webhooks, store,
    call: newCall(clock),
    provider: wompi.connect(connection, fetch),
    client: wompi.native!.client(connection, fetch),
    /** As a client that is not our adapter. */
    api: async (method: string, url: string, body?: unknown, headers: Record<string, string> = {}) => {
      const keys = {
        authorization: `Bearer ${account.credentials["private_key"]}`,
        "x-api-key": account.credentials["payouts_api_key"]!, "user-principal-id": account.credentials["payouts_user_id"]!,
      };
      const init = { method, headers: { "content-type": "application/json", ...keys, ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const response = await twin.fetch(new Request(url, init));
      return { status: response.status, body: (await response.json()) as Record<string, any> };
    },
    rest: async () => {
      await clock.advance(HOUR_MS);
      await store.runDue((step) => twin.run(step));
    },
    told: () => webhooks.map(({ body }) => {
      const { event, data } = JSON.parse(body);
      return `${event} ${(data.transaction ?? data.payout).status}`;
    }),
  };
}

const CREDENTIALS = { public_key: "pub_test_1", private_key: "prv_test_secret", integrity_secret: "test_integrity_1", payouts_api_key: "key-of-the-test", payouts_user_id: "user" };
const TOKENS = { data: { presigned_acceptance: { acceptance_token: "a" }, presigned_personal_data_auth: { acceptance_token: "b" } } };

/** The adapter against answers written in the test. */
function scripted(answer: (request: Sent) => Response): { provider: Provider; sent: Sent[]; clock: FakeClock } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return answer(sent.at(-1)!);
  };
  const connection = { credentials: CREDENTIALS, settings: { payout_account_id: "acc" }, baseUrl: wompi.hosts.test };
  return { provider: wompi.connect(connection, fetch), sent, clock: new FakeClock() };
}

const accepted = <Outcome extends { outcome: string }>(outcome: Outcome) => {
  if (outcome.outcome !== "accepted") throw new Error(`it was ${JSON.stringify(outcome)}`);
  return outcome as Extract<Outcome, { outcome: "accepted" }>;
};

providerConformance({
  definition: wompi,
  twin: wompiTwin,
  // The checksum stands in the body, too.
  detects: ["tampered_body", "wrong_secret"],
  verbs: {
    charge: { request: aCharge, declined: { ...aCharge, amount: 4_490_013n }, settles: { to: "succeeded" } },
    payout: { request: aPayout, declined: { ...aPayout, amount: 7_500_013n }, settles: { to: "succeeded" } },
  },
});

describe("a PSE charge", () => {
  test("is the acceptance tokens, a signed transaction and its bank's page, and its time is written down first", async () => {
    const { provider, call, sent, account, clock } = await world({ settings: { redirect_url: "https://tienda.example/gracias" } });
    const notes: unknown[] = [];
    call.note = async (written) => void notes.push(written, sent.length);
    const outcome = accepted(await provider.charge!(aCharge, call));
    const base = "https://sandbox.wompi.co/v1";
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `GET ${base}/merchants/${account.credentials["public_key"]}`, `POST ${base}/transactions`, `GET ${base}/transactions/${outcome.ref}`,
    ]);
    expect(sent[1]!.headers.get("authorization")).toBe(`Bearer ${account.credentials["private_key"]}`);
    expect(sent[1]!.body).toEqual({
      acceptance_token: expect.stringMatching(/^eyJ/), accept_personal_auth: expect.stringMatching(/^eyJ/),
      amount_in_cents: 4_490_000, currency: "COP", reference: REFERENCE, customer_email: "ana@example.com",
      customer_data: { full_name: "Ana Gómez", phone_number: "573145678901" },
      payment_method: {
        type: "PSE", user_type: 0, user_legal_id_type: "CC", user_legal_id: "1099888777", financial_institution_code: "1", payment_description: "Pedido 17",
      },
      redirect_url: "https://tienda.example/gracias",
      signature: sha256(`${REFERENCE}4490000COP${account.credentials["integrity_secret"]}`),
    });
    expect(notes).toEqual([{ requested_at: clock.now().toISOString() }, 0]);
    expect(outcome).toEqual({
      outcome: "accepted", ref: outcome.ref, state: "pending", action: "PENDING",
      result: {
        id: outcome.ref, status: "pending", amount: 4_490_000n, currency: "COP", method: "pse", expires_at: undefined,
        checkout_url: expect.stringMatching(/^https:\/\/sandbox\.wompi\.co\/v1\/pse\/redirect\?ticket_id=/),
      },
    });
  });

  test("of a company says so, and sends its NIT without the check digit", async () => {
    const { provider, call, sent } = await world();
    accepted(await provider.charge!({ ...aCharge, buyer: { ...aCharge.buyer, document: "899.999.068-1" } }, call));
    expect(sent[1]!.body.payment_method).toMatchObject({ user_type: 1, user_legal_id_type: "NIT", user_legal_id: "899999068" });
  });

  test("with a due day expires when it ends in Colombia, and the signature covers that", async () => {
    const { provider, call, sent, account } = await world();
    const { result } = accepted(await provider.charge!({ ...aCharge, due_date: "2026-12-24" }, call));
    const expiry = "2026-12-25T04:59:59.000Z";
    expect(sent[1]!.body).toMatchObject({
      expiration_time: expiry, signature: sha256(`${REFERENCE}4490000COP${expiry}${account.credentials["integrity_secret"]}`),
    });
    expect(result.expires_at).toBe(expiry);
  });

  test("describes itself in the thirty characters that PSE shows", async () => {
    const { provider, call, sent } = await world();
    accepted(await provider.charge!({ ...aCharge, description: "x".repeat(500) }, call));
    expect(sent[1]!.body.payment_method.payment_description).toBe("x".repeat(30));
  });

  test("waits for the bank's page half a second at a time, and stops at an end", async () => {
    const page = (body: object) => Response.json({ data: { id: "1-1-1", reference: REFERENCE, status: "PENDING", ...body } });
    const answers = [page({}), page({}), page({ status: "DECLINED", status_message: "No", payment_method: { extra: { async_payment_url: "https://bank.example" } } })];
    const { provider, sent, clock } = scripted(({ method, url }) => {
      if (url.includes("/merchants/")) return Response.json(TOKENS);
      return method === "POST" ? page({}) : answers.shift()!;
    });
    const charged = provider.charge!(aCharge, newCall(clock));
    for (let wait = 0; wait < 5; wait++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await clock.advance(500);
    }
    expect(accepted(await charged)).toMatchObject({ state: "failed", action: "DECLINED", result: { checkout_url: "https://bank.example" } });
    expect(sent).toHaveLength(5);
  });

  test("stands without the bank's page when that cannot be asked", async () => {
    const { provider, clock } = scripted(({ method, url }) => {
      if (url.includes("/merchants/")) return Response.json(TOKENS);
      return method === "POST" ? Response.json({ data: { id: "1-1-1", status: "PENDING" } }) : new Response("", { status: 503 });
    });
    const outcome = accepted(await provider.charge!(aCharge, newCall(clock)));
    expect(outcome).toMatchObject({ ref: "1-1-1", state: "pending" });
    expect(outcome.result.checkout_url).toBeUndefined();
  });

  test("in test pays from Wompi's sample payer where the request does not say who, and live it must", async () => {
    const request: ChargeRequest = { amount: 150_000n, currency: "COP", method: "pse", buyer: { name: "Ana" } };
    const inTest = await world();
    accepted(await inTest.provider.charge!(request, inTest.call));
    expect(inTest.sent[1]!.body).toMatchObject({
      customer_email: SYNTHETIC_PAYER.email, payment_method: { user_legal_id: SYNTHETIC_PAYER.document, financial_institution_code: SYNTHETIC_PAYER.bank },
    });
    const inLive = await world({ live: true });
    const outcome = await inLive.provider.charge!(request, inLive.call);
    expect(outcome).toMatchObject({ outcome: "declined", field: "metadata.financial_institution_code" });
    expect(inLive.sent).toEqual([]);
  });

  test.each([
    ["method", "not_permitted", { method: "card" as const }],
    ["currency", "invalid_request", { currency: "MXN" as const }],
    ["amount", "invalid_request", { amount: 1_000_000_000_001n }],
    ["metadata.financial_institution_code", "invalid_request", { metadata: {} }],
    ["metadata.financial_institution_code", "invalid_request", { metadata: { financial_institution_code: {} } }],
    ["buyer.email", "invalid_request", { buyer: { name: "Ana", document: "1099888777" } }],
    ["buyer.document", "invalid_request", { buyer: { name: "Ana", email: "ana@example.com" } }],
    ["buyer.document", "invalid_request", { buyer: { ...aCharge.buyer, document: "899999068-2" } }],
    ["buyer.document", "invalid_request", { buyer: { ...aCharge.buyer, document: "AB1234567" } }],
    ["buyer.phone", "invalid_request", { buyer: { ...aCharge.buyer, phone: "12" } }],
    ["due_date", "invalid_request", { due_date: "2026-11-19" }],
  ])("with a bad %s is declined live before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world({ live: true });
    expect(await provider.charge!({ ...aCharge, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test("sends every amount as centavos, unchanged", async () => {
    let sentAmount: unknown;
    const { provider, clock } = scripted(({ method, url, body }) => {
      if (url.includes("/merchants/")) return Response.json(TOKENS);
      if (method === "POST") sentAmount = body.amount_in_cents;
      return Response.json({ data: { id: "1-1-1", status: "APPROVED" } });
    });
    await fc.assert(fc.asyncProperty(fc.bigInt(1n, 1_000_000_000_000n), async (amount) => {
      await provider.charge!({ ...aCharge, amount }, newCall(clock));
      expect(JSON.stringify(sentAmount)).toBe(`${amount}`);
    }));
  });
});

describe("a payout", () => {
  test("is a batch of one to an account, its bank found by name", async () => {
    const { provider, call, sent, account } = await world();
    const outcome = accepted(await provider.payout!(aPayout, call));
    const base = "https://api.sandbox.payouts.wompi.co/v1";
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET ${base}/banks`, `POST ${base}/payouts`]);
    expect(sent[1]!.body).toEqual({
      reference: REFERENCE, accountId: account.settings["payout_account_id"], paymentType: "OTHER",
      transactions: [{
        name: "Juan Pérez", legalIdType: "CC", legalId: "1234567890", personType: "NATURAL", bankId: "6e422ee9-6863-4882-a265-42258b410caa",
        accountType: "AHORROS", accountNumber: "43423123", amount: 7_500_000, reference: REFERENCE, description: "Factura 9",
      }],
    });
    expect(Object.fromEntries(["x-api-key", "user-principal-id", "idempotency-key"].map((name) => [name, sent[1]!.headers.get(name)]))).toEqual({
      "x-api-key": account.credentials["payouts_api_key"], "user-principal-id": account.credentials["payouts_user_id"], "idempotency-key": REFERENCE,
    });
    expect(sent[1]!.headers.get("authorization")).toBeNull();
    expect(outcome).toEqual({
      outcome: "accepted", ref: outcome.ref, state: "pending", action: "PENDING",
      result: { id: outcome.ref, status: "pending", settled: false, amount: 7_500_000n, currency: "COP", method: "bank_transfer", recipient: "43423123" },
    });
  });

  test("goes to the payouts host of production when it is live", async () => {
    const { provider, call, sent } = await world({ live: true });
    accepted(await provider.payout!({ ...aPayout, recipient: { ...aPayout.recipient, bank_account: { ...aPayout.recipient!.bank_account, bank: 1007 } } }, call));
    expect(sent[1]!.url).toBe("https://api.payouts.wompi.co/v1/payouts");
  });

  test("to a bank that Wompi does not list is declined before it is sent", async () => {
    const { provider, call, sent } = await world();
    const recipient = { ...aPayout.recipient, bank_account: { ...aPayout.recipient!.bank_account, bank: "Banco de la Luna" } };
    expect(await provider.payout!({ ...aPayout, recipient }, call)).toMatchObject({ outcome: "declined", reason: "invalid_request", field: "recipient.bank_account.bank" });
    expect(sent.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("without a recipient, and a simulated one to a card, pay a synthetic account in test", async () => {
    const { recipient: _nobody, ...request } = aPayout;
    for (const change of [{}, { method: "card" as const }]) {
      const here = await world();
      const { result } = accepted(await here.provider.payout!({ ...request, ...change }, here.call));
      expect(result.recipient).toBe(SYNTHETIC_PAYEE.account);
    }
  });

  const to = (change: object) => ({ recipient: { ...aPayout.recipient, bank_account: { ...aPayout.recipient!.bank_account, ...change } } });
  test.each([
    ["method", "not_permitted", { method: "card" as const }],
    ["method", "not_permitted", { method: "spei" as const }],
    ["amount", "invalid_request", { amount: undefined }],
    ["currency", "invalid_request", { currency: "MXN" as const }],
    ["recipient.bank_account", "invalid_request", { recipient: undefined }],
    ["recipient.bank_account", "invalid_request", { recipient: { pix_key: "x" } }],
    ["recipient.name", "invalid_request", { recipient: { document: "1234567890", bank_account: { bank: "1007" } } }],
    ["recipient.document", "invalid_request", { recipient: { name: "Juan", bank_account: { bank: "1007" } } }],
    ["recipient.bank_account.account", "invalid_request", to({ account: "12345" })],
    ["recipient.bank_account.account", "invalid_request", to({ account: "000000" })],
    ["recipient.bank_account.account_type", "invalid_request", to({ account_type: undefined })],
    ["recipient.bank_account.bank", "invalid_request", to({ bank: "" })],
  ])("with a bad %s is declined live before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world({ live: true });
    expect(await provider.payout!({ ...aPayout, ...change } as PayoutRequest, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each(["payouts_api_key", "payouts_user_id"])("without %s names what is missing, and charges go on", async (name) => {
    const here = await world();
    const { [name]: _gone, ...credentials } = here.account.credentials;
    const sent: Request[] = [];
    const fetch: Fetch = async (request) => {
      sent.push(request);
      return here.twin.fetch(request);
    };
    const provider = wompi.connect({ credentials, settings: here.account.settings, baseUrl: wompi.hosts.test }, fetch);
    await expect(provider.payout!(aPayout, here.call)).rejects.toThrow(new SetupMissing(name));
    expect(sent).toEqual([]);
    accepted(await provider.charge!(aCharge, here.call));
  });

  test("without its origin account names that", async () => {
    const { account, twin, call } = await world();
    const provider = wompi.connect({ credentials: account.credentials, settings: {}, baseUrl: wompi.hosts.test }, (request) => twin.fetch(request));
    await expect(provider.payout!(aPayout, call)).rejects.toThrow(new SetupMissing("payout_account_id"));
  });
});

describe("a refusal", () => {
  const invalid = (messages: object) => ({ error: { type: "INPUT_VALIDATION_ERROR", messages } });

  test.each([
    [422, invalid({ reference: ["La referencia ya ha sido usada"] }), { reason: "duplicate" }],
    [422, invalid({ reference: ["Es muy larga"] }), { reason: "invalid_request", message: "reference: Es muy larga" }],
    [422, invalid({ amount_in_cents: ["Muy poco"] }), { reason: "invalid_request", field: "amount" }],
    [422, invalid({ payment_method: { user_legal_id: ["No es válido"] } }), { field: "buyer.document", message: "payment_method.user_legal_id: No es válido" }],
    [422, invalid({ payment_method: { financial_institution_code: ["No existe"] } }), { field: "metadata.financial_institution_code" }],
    [422, invalid({ signature: ["La firma es inválida"] }), { reason: "invalid_request" }],
    [401, { error: { type: "INVALID_ACCESS_TOKEN", reason: "De otro ambiente" } }, { reason: "unauthorized", message: "De otro ambiente" }],
    [404, "not their shape", { reason: "unspecified", message: "Wompi answered 404" }],
    [429, {}, { reason: "rate_limited" }],
  ])("of a charge with status %i and body %j is a decline", async (status, body, expected) => {
    const { provider, clock } = scripted(({ method }) => method === "GET" ? Response.json(TOKENS) : Response.json(body, { status }));
    const call = newCall(clock);
    expect(await provider.charge!(aCharge, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });

  test.each([
    [400, { code: "EXC_008", message: "Saldo insuficiente" }, { reason: "insufficient_funds", message: "Saldo insuficiente" }],
    [400, { code: "EXC_017", message: "Límite" }, { reason: "refused" }],
    [400, { code: "EXC_019", message: "Cuenta" }, { reason: "not_permitted" }],
    [409, { code: "EXC_022", message: "Ya fue procesada" }, { reason: "duplicate" }],
    [409, { code: "EXC_032", message: "Ya fue procesada" }, { reason: "duplicate" }],
    [400, { code: "EXC_002", message: ["a", "b"] }, { reason: "invalid_request", message: "a; b" }],
    [401, {}, { reason: "unauthorized", message: "Wompi answered 401" }],
  ])("of a payout with status %i and body %j is a decline", async (status, body, expected) => {
    const banks = [{ id: "b1", name: "BANCOLOMBIA", code: "1007" }];
    const { provider, clock } = scripted(({ method }) => method === "GET" ? Response.json(banks) : Response.json(body, { status }));
    expect(await provider.payout!(aPayout, newCall(clock))).toMatchObject({ outcome: "declined", ...expected });
  });
});

describe("a lookup", () => {
  const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "COP" } as const;
  const row = (change: object = {}) => ({ id: "1-1-1", reference: REFERENCE, status: "PENDING", amount_in_cents: 4_490_000, currency: "COP", ...change });

  test("without the provider's id asks by our reference, a day around the request", async () => {
    const { provider, call, clock, sent } = await world();
    const { ref, result } = accepted(await provider.charge!(aCharge, call));
    const again = newCall(clock);
    again.notes = call.notes;
    const found = await provider.lookup!(subject, again);
    expect(sent.at(-1)).toMatchObject({
      method: "GET", url: "https://sandbox.wompi.co/v1/transactions",
      query: { reference: REFERENCE, from_date: "2026-11-19", until_date: "2026-11-21", page: "1", page_size: "50" },
    });
    expect(found).toMatchObject({ ref, state: "pending", amountMinor: 4_490_000n, currency: "COP", result: { checkout_url: result.checkout_url } });
  });

  test("never takes another's transaction for ours, whoever told its id", async () => {
    const another = row({ reference: randomUUID() });
    const { provider, clock } = scripted(({ url }) => Response.json({ data: url.endsWith("/transactions") ? [another] : another }));
    expect(await provider.lookup!({ ...subject, told: "1-1-1" }, newCall(clock))).toBeUndefined();
  });

  test("of a full page that passed over our reference cannot say", async () => {
    const rows = Array.from({ length: 50 }, () => row({ reference: randomUUID() }));
    const { provider, clock } = scripted(() => Response.json({ data: rows }));
    await expect(provider.lookup!(subject, newCall(clock))).rejects.toBeInstanceOf(Unanswered);
  });

  test.each([
    ["PENDING", "pending"], ["APPROVED", "succeeded"], ["DECLINED", "failed"], ["ERROR", "failed"], ["VOIDED", "refunded"], ["A_WORD_TO_COME", "pending"],
  ])("reads a transaction that is %s as %s", async (status, state) => {
    const { provider, clock } = scripted(() => Response.json({ data: row({ status, finalized_at: "2026-11-20T12:00:01.000Z" }) }));
    const found = await provider.lookup!({ ...subject, ref: "1-1-1" }, newCall(clock));
    expect(found).toMatchObject({ state, action: status, amountMinor: 4_490_000n, currency: "COP" });
    expect(found!.occurredAt).toEqual(state === "succeeded" ? new Date("2026-11-20T12:00:01.000Z") : undefined);
  });

  test.each([
    ["PENDING", "pending"], ["PROCESSING", "pending"], ["APPROVED", "succeeded"], ["FAILED", "failed"], ["REJECTED", "failed"], ["CANCELLED", "failed"],
    ["A_WORD_TO_COME", "pending"],
  ])("reads a payout whose transaction is %s as %s", async (status, state) => {
    const transaction = { status, amountInCents: 7_500_000, fee: { totalInCents: 59_500 }, failureReason: { code: "D07", message: "No existe" } };
    const { provider, clock } = scripted(({ url }) =>
      Response.json({ data: url.endsWith("/transactions") ? { records: [transaction] } : { id: "p1", status: "TOTAL_PAYMENT", reference: REFERENCE } }));
    const found = await provider.lookup!({ ...subject, verb: "payout", ref: "p1" }, newCall(clock));
    expect(found).toMatchObject({ ref: "p1", state, action: status, amountMinor: 7_500_000n, feeMinor: 59_500n, result: { settled: state === "succeeded" } });
    if (state === "failed") expect(found!.failure).toEqual({ reason: "refused", message: "No existe" });
  });

  test.each([["PENDING", "pending"], ["REJECTED", "failed"], ["NOT_APPROVED", "updated"]])("reads an empty batch that is %s as %s", async (status, state) => {
    const { provider, clock } = scripted(({ url }) =>
      Response.json({ data: url.endsWith("/transactions") ? { records: [] } : { id: "p1", status, reference: REFERENCE } }));
    expect(await provider.lookup!({ ...subject, verb: "payout", ref: "p1" }, newCall(clock))).toMatchObject({ state, action: status });
  });

  test("of a batch that an event of its transaction names gives our reference", async () => {
    const { provider, call } = await world();
    const { ref } = accepted(await provider.payout!(aPayout, call));
    expect(await provider.referenceOf!({ eventId: "e", ref, observation: { ref, action: "APPROVED" } }, call)).toBe(REFERENCE);
    expect(await provider.referenceOf!({ eventId: "e", ref: randomUUID(), observation: { ref, action: "APPROVED" } }, call)).toBeUndefined();
  });
});

describe("a notification", () => {
  const { verify, read } = wompi.notifications!;
  const SECRET = "prod_events_7b193c8afd7b47949f90d443cb1e1742";
  /** The sample of Wompi's own page on the events of payouts; its checksum is right, unlike that of the page on payments. */
  const sample = {
    event: "transaction.updated",
    data: { transaction: { id: "04a6e53d-a244-4140-ab9e-48fa541f9fe5", payoutId: "payout_12345", amountInCents: 7500000, status: "FAILED" } },
    signature: {
      properties: ["transaction.id", "transaction.status", "transaction.amountInCents"],
      checksum: "82f0e769716170e202edfd348f604bd8461cdeeb416594cde563a890215a5282",
    },
    timestamp: 1747673128600,
  };
  const CHECKSUM = sample.signature.checksum;
  const message = (body: unknown, checksum?: string): InboundMessage => ({
    method: "POST",
    url: new URL(HOOK),
    headers: new Headers(checksum === undefined ? [] : [["X-Event-Checksum", checksum]]),
    body: new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body)),
  });
  const signing = (properties: string[], checksum?: string) => ({ ...sample, signature: { properties, checksum } });
  const forged = (properties: string[], values: string) => signing(properties, sha256(`${values}${sample.timestamp}${SECRET}`));

  test.each([
    ["the checksum of Wompi's sample", sample, CHECKSUM, [SECRET], true],
    ["it in capitals", sample, CHECKSUM.toUpperCase(), [SECRET], true],
    ["it in the body alone", sample, undefined, [SECRET], true],
    ["it in the header alone", signing(sample.signature.properties), CHECKSUM, [SECRET], true],
    ["the secret of before", sample, CHECKSUM, ["new", SECRET], true],
    ["the secrets of payments and payouts in one", sample, CHECKSUM, [`test_events_1\n${SECRET}`], true],
    ["another secret", sample, CHECKSUM, ["test_events_1", ""], false],
    ["no secret", sample, CHECKSUM, [], false],
    ["a right checksum and a wrong one", sample, sha256("x"), [SECRET], false],
    ["no checksum", signing(sample.signature.properties), undefined, [SECRET], false],
    ["a checksum that is none", sample, "82f0", [SECRET], false],
    ["another amount", { ...sample, data: { transaction: { ...sample.data.transaction, amountInCents: 1 } } }, undefined, [SECRET], false],
    ["a signature over other properties", forged(["transaction.payoutId", "transaction.status"], "payout_12345FAILED"), undefined, [SECRET], false],
    ["a signed property that is missing", forged(["transaction.id", "transaction.status", "transaction.constructor"], "x"), undefined, [SECRET], false],
  ])("with %s is judged", (_name, body, checksum, secrets, ok) => {
    expect(verify(message(body, checksum), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  test("of a payment names it and our reference, and claims no state", () => {
    const transaction = { id: "1-1-1", status: "APPROVED", reference: REFERENCE, amount_in_cents: 4_490_000 };
    expect(read(message({ event: "transaction.updated", data: { transaction }, timestamp: 1530291411 }))).toEqual([{
      eventId: "transaction.updated:1-1-1:APPROVED:1530291411", ref: "1-1-1", reference: REFERENCE, observation: { ref: "1-1-1", action: "APPROVED" },
    }]);
  });

  test("of a payout names its batch", () => {
    expect(read(message(sample))).toEqual([{
      eventId: "transaction.updated:04a6e53d-a244-4140-ab9e-48fa541f9fe5:FAILED:1747673128600", ref: "payout_12345",
      observation: { ref: "payout_12345", action: "FAILED" },
    }]);
    const payout = { id: "p1", status: "TOTAL_PAYMENT", reference: REFERENCE };
    expect(read(message({ event: "payout.updated", data: { payout }, timestamp: 1 }))).toMatchObject([{ ref: "p1", reference: REFERENCE }]);
  });

  test.each([
    ["an event of another kind", { event: "nequi_token.updated", data: { nequi_token: { id: "x", status: "APPROVED" } }, timestamp: 1 }],
    ["a transaction that cannot be read", { event: "transaction.updated", data: { transaction: { id: 7 } }, timestamp: 1 }],
    ["no JSON", "{"],
  ])("with %s is read as nothing", (_name, body) => {
    expect(read(message(body))).toEqual([]);
  });
});

describe("a native tool", () => {
  const run = async (here: Awaited<ReturnType<typeof world>>, name: string, args: object) => {
    const tool = wompi.native!.tools.find((candidate) => candidate.name === name)!;
    const call = newCall(here.clock);
    const spec = tool.request(tool.input.parse(args), call);
    const answer = tool.effect === "reads" ? here.client.ask(spec, Passthrough, call) : here.client.act(spec, Passthrough, call);
    return ((await answer) as { data: any }).data;
  };

  test("makes, reads, finds and voids what it names", async () => {
    const here = await world();
    expect(await run(here, "get_merchant", {})).toMatchObject({ public_key: here.account.credentials["public_key"] });
    const merchant = await run(here, "get_acceptance_token", {});
    const transaction = await run(here, "create_transaction", {
      amount_in_cents: 150_000, currency: "COP", customer_email: "ana@example.com", payment_method: { type: "CARD", token: "tok_test_1", installments: 1 },
      acceptance_token: merchant.presigned_acceptance.acceptance_token, accept_personal_auth: merchant.presigned_personal_data_auth.acceptance_token,
    });
    expect(here.sent.at(-1)!.body).toMatchObject({
      reference: REFERENCE, signature: sha256(`${REFERENCE}150000COP${here.account.credentials["integrity_secret"]}`),
      payment_method: { type: "CARD", token: "tok_test_1", installments: 1 },
    });
    await here.rest();
    expect(await run(here, "get_transaction", { transactionId: transaction.id })).toMatchObject({ id: transaction.id, status: "APPROVED" });
    expect(await run(here, "search_transaction_by_reference", { reference: REFERENCE })).toMatchObject([{ id: transaction.id }]);
    expect(await run(here, "void_transaction", { transactionId: transaction.id })).toMatchObject({ transaction: { status: "VOIDED" } });
    const link = await run(here, "create_payment_link", { name: "Café", description: "Una libra", amount_in_cents: 3_000_000 });
    expect(here.sent.at(-1)!.body).toMatchObject({ single_use: true, collect_shipping: false, currency: "COP" });
    expect(await run(here, "get_payment_link", { linkId: link.id })).toEqual(link);
    expect(await run(here, "list_financial_institutions", {})).toHaveLength(3);
    expect(here.sent.at(-1)!.headers.get("authorization")).toBe(`Bearer ${here.account.credentials["public_key"]}`);
    await here.rest();
    expect(here.told()).toEqual(["transaction.updated APPROVED", "transaction.updated VOIDED"]);
    expect(wompi.native!.tools.map(({ name }) => name)).toEqual([
      "create_transaction", "get_transaction", "search_transaction_by_reference", "void_transaction", "create_payment_link", "get_payment_link",
      "list_financial_institutions", "get_acceptance_token", "get_merchant",
    ]);
  });
});

describe("a caller's own request", () => {
  test("to make a transaction is signed, unless it is signed already", async () => {
    const { client, sent, call, account } = await world();
    const body = { reference: REFERENCE, amount_in_cents: 150_000, currency: "COP" };
    await client.pass({ method: "POST", path: "/transactions", body }, call);
    await client.pass({ method: "POST", path: "/transactions", body: { ...body, signature: "theirs" } }, call);
    expect(sent.map((request) => request.body.signature)).toEqual([sha256(`${REFERENCE}150000COP${account.credentials["integrity_secret"]}`), "theirs"]);
  });

  test("goes out as it is otherwise, with the key that its path asks for", async () => {
    const { client, sent, call, account: { credentials } } = await world();
    const paths = ["/pse/financial_institutions", "/transactions?reference=x"];
    const replies = [];
    for (const path of paths) replies.push(await client.pass({ method: "GET", path, headers: { authorization: "Bearer other" } }, call));
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    expect(sent.map(({ headers }) => headers.get("authorization"))).toEqual([`Bearer ${credentials["public_key"]}`, `Bearer ${credentials["private_key"]}`]);
    await expect(client.pass({ method: "GET", path: "/pse/../../v2" }, call)).rejects.toThrow(RangeError);
  });
});

describe("the twin", () => {
  test.each([
    ["1", 150_000n, ["transaction.updated APPROVED"], "succeeded"],
    ["2", 150_000n, ["transaction.updated DECLINED"], "failed"],
    ["3", 150_000n, ["transaction.updated ERROR"], "failed"],
    ["1", 150_014n, [], "pending"],
  ] as const)("takes a payment at the bank %s of %i centavos through %j", async (bank, amount, told, state) => {
    const here = await world();
    accepted(await here.provider.charge!({ ...aCharge, amount, metadata: { financial_institution_code: bank } }, here.call));
    await here.rest();
    const found = await here.provider.lookup!({ verb: "charge", reference: REFERENCE, ref: undefined, currency: "COP" }, here.call);
    expect({ told: here.told(), state: found!.state }).toEqual({ told, state });
  });

  test.each([
    [150_000n, ["transaction.updated APPROVED", "payout.updated TOTAL_PAYMENT"], "succeeded"],
    [150_014n, [], "pending"],
    [150_018n, ["transaction.updated FAILED", "payout.updated TOTAL_PAYMENT"], "failed"],
  ] as const)("takes a payout of %i centavos through %j", async (amount, told, state) => {
    const here = await world();
    const { ref } = accepted(await here.provider.payout!({ ...aPayout, amount }, here.call));
    await here.rest();
    const found = await here.provider.lookup!({ verb: "payout", reference: REFERENCE, ref, currency: "COP" }, here.call);
    expect({ told: here.told(), state: found!.state }).toEqual({ told, state });
  });

  test("tells a repeated step again under the same event id and changes nothing", async () => {
    const { provider, call, twin, clock, store, webhooks, api } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await clock.advance(HOUR_MS);
    const steps: Parameters<typeof twin.run>[0][] = [];
    await store.runDue(async (step) => void steps.push(step));
    await twin.run(steps[0]!);
    const before = await api("GET", `https://sandbox.wompi.co/v1/transactions/${ref}`);
    await clock.advance(HOUR_MS);
    await twin.run(steps[0]!);
    expect(await api("GET", `https://sandbox.wompi.co/v1/transactions/${ref}`)).toEqual(before);
    const ids = webhooks.map(({ body, headers, url }) => wompi.notifications!.read({
      method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body),
    })[0]!.eventId);
    expect({ told: ids.length, distinct: new Set(ids).size }).toEqual({ told: 2, distinct: 1 });
  });

  const PAYMENTS = "https://sandbox.wompi.co/v1";
  const PAYOUTS = "https://api.sandbox.payouts.wompi.co/v1";

  test("shows no account what is another's", async () => {
    const { api, provider, call, twin } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    const other = (await twin.openAccount({ webhookUrl: HOOK })).credentials;
    const headers = { authorization: `Bearer ${other["private_key"]}` };
    expect(await api("GET", `${PAYMENTS}/transactions/${ref}`, undefined, headers)).toMatchObject({ status: 404, body: { error: { type: "NOT_FOUND_ERROR" } } });
    expect((await api("GET", `${PAYMENTS}/transactions`, undefined, headers)).body).toMatchObject({ data: [] });
  });

  test.each([
    ["GET", `${PAYMENTS}/transactions`, { authorization: "" }, 401],
    ["GET", `${PAYMENTS}/transactions`, { authorization: "Bearer prv_test_nobody" }, 401],
    ["GET", `${PAYMENTS}/merchants/pub_test_nobody`, {}, 404],
    ["GET", `${PAYOUTS}/banks`, { "x-api-key": "nobody" }, 401],
    ["GET", `${PAYOUTS}/payouts/none`, {}, 404],
    ["GET", `${PAYMENTS}/banks`, {}, 404],
  ] as const)("answers %s %s with %j by %i", async (method, url, headers, status) => {
    const { api } = await world();
    expect((await api(method, url, undefined, headers)).status).toBe(status);
  });

  test.each([
    ["acceptance_token", { acceptance_token: "another" }],
    ["accept_personal_auth", { accept_personal_auth: undefined }],
    ["signature", { signature: sha256("x") }],
    ["currency", { currency: "USD" }],
    ["customer_email", { customer_email: "ana" }],
    ["amount_in_cents", { amount_in_cents: 150.5 }],
    ["payment_method", { payment_method: { type: "PSE", user_type: 2 } }],
    ["reference", {}],
  ])("refuses a transaction with a bad %s", async (field, change) => {
    const { api, provider, call, sent } = await world();
    accepted(await provider.charge!(aCharge, call));
    const again = await api("POST", `${PAYMENTS}/transactions`, { ...sent[1]!.body, ...change });
    expect(again).toMatchObject({ status: 422, body: { error: { type: "INPUT_VALIDATION_ERROR", messages: { [field]: expect.anything() } } } });
  });

  test.each([
    [{ accountId: "another" }, {}, "EXC_019"],
    [{ paymentType: "GIFT" }, {}, "EXC_002"],
    [{ transactions: [] }, {}, "EXC_002"],
    [{}, { "idempotency-key": "with space" }, "EXC_002"],
    [{}, {}, "EXC_022"],
  ])("refuses a payout with %j and headers %j by %s", async (change, headers, code) => {
    const { api, provider, call, sent } = await world();
    accepted(await provider.payout!(aPayout, call));
    expect((await api("POST", `${PAYOUTS}/payouts`, { ...sent[1]!.body, ...change }, { "idempotency-key": REFERENCE, ...headers })).body).toMatchObject({ code });
  });
});
