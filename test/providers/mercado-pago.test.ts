import { createHmac, generateKeyPairSync, randomUUID, verify as verifyBytes } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  mercadoPago, SYNTHETIC_EMAIL, SYNTHETIC_HOLDER, SYNTHETIC_PAYEE,
} from "../../providers/mercado-pago/index.ts";
import { SYNTHETIC_ADDRESS } from "../../providers/mercado-pago/boletos.ts";
import { mercadoPagoTwin } from "../../providers/mercado-pago/twin.ts";
import {
  OutcomeUnknown, SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider,
  type RefundRequest,
} from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinStep, TwinWebhook } from "../../providers/twin.ts";
import { parseBoleto } from "../../schema/boleto.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import { fromDecimal } from "../../schema/money.ts";
import { parseBrCode } from "../../schema/pix/brcode.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/mercado-pago/ca_1";
const HOUR_MS = 3_600_000;
const LIVE_TOKEN = "APP_USR-1234567890123456-112012-00112233445566778899aabbccddeeff-123456789";
const pair = generateKeyPairSync("ed25519");
const PEM = pair.privateKey.export({ type: "pkcs8", format: "pem" }) as string;

const aCharge: ChargeRequest = {
  amount: 15000n, currency: "BRL", method: "pix", description: "Pedido 17",
  buyer: { name: "Maria da Silva", document: "111.444.777-35", email: "maria@example.com", phone: "+5511999998888" },
};
const anAddress = { postal_code: "20040-002", street: "Rua da Assembleia", number: "10", district: "Centro", city: "Rio de Janeiro", state: "rj" };
const aBoleto: ChargeRequest = { ...aCharge, method: "boleto", due_date: "2026-11-27", buyer: { ...aCharge.buyer, address: anAddress } };
const aPayout: PayoutRequest = {
  action: "pay", amount: 4990n, currency: "BRL", method: "pix", description: "Fatura 9",
  recipient: { pix_key: "Vendor@Example.com", document: "529.982.247-25" },
};

interface Sent {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Headers;
  text: string;
  body: any;
}

function newCall(clock = new FakeClock(), reference = REFERENCE): CallContext {
  return {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {}, note: async () => {},
  };
}

async function record(request: Request): Promise<Sent> {
  const { pathname, searchParams } = new URL(request.url);
  const text = await request.clone().text();
  const body: unknown = text === "" ? undefined : JSON.parse(text);
  const { method, headers } = request;
  return { method, path: pathname, query: Object.fromEntries(searchParams), headers, text, body };
}

/** The adapter and the twin together, in memory. */
async function world() {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = mercadoPagoTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return twin.fetch(request);
  };
  const { credentials, settings } = account;
  return {
    clock, twin, account, sent, webhooks, store,
    call: newCall(clock),
    provider: mercadoPago.connect({ credentials, settings, baseUrl: mercadoPago.hosts.test }, fetch),
    /** As a client that is not our adapter. */
    api: async (method: string, path: string, body?: unknown, changes: Record<string, string> = {}) => {
      const headers = new Headers({
        authorization: `Bearer ${credentials["access_token"]}`, "x-idempotency-key": randomUUID(), ...changes,
      });
      for (const [name, value] of Object.entries(changes)) if (value === "") headers.delete(name);
      const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const response = await twin.fetch(new Request(`https://api.mercadopago.com${path}`, init));
      return { status: response.status, body: (await response.json()) as Record<string, any> };
    },
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await store.runDue((step) => twin.run(step));
        await clock.advance(HOUR_MS);
        await store.runDue((step) => twin.run(step));
      }
    },
  };
}

interface Scripting {
  credentials?: Record<string, string>;
  settings?: Record<string, string>;
}

/** The adapter against answers written in the test; a live connection unless told otherwise. */
function scripted(
  answer: (request: Sent) => Response, { credentials, settings }: Scripting = {},
): { provider: Provider; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return answer(sent.at(-1)!);
  };
  const connection = {
    credentials: credentials ?? { access_token: LIVE_TOKEN, signing_key: PEM },
    settings: settings ?? { notification_url: HOOK },
    baseUrl: mercadoPago.hosts.live,
  };
  return { provider: mercadoPago.connect(connection, fetch), sent };
}

const accepted = <Outcome extends { outcome: string }>(outcome: Outcome) => {
  if (outcome.outcome !== "accepted") throw new Error(`it was ${JSON.stringify(outcome)}`);
  return outcome as Extract<Outcome, { outcome: "accepted" }>;
};

providerConformance({
  definition: mercadoPago,
  twin: mercadoPagoTwin,
  detects: ["tampered_body", "missing_header", "wrong_secret", "old_timestamp"],
  verbs: {
    charge: { request: aCharge, declined: { ...aCharge, amount: 15013n }, settles: { to: "succeeded" } },
    payout: {
      request: aPayout, declined: { ...aPayout, amount: 15013n }, settles: { to: "succeeded" }, findsByReference: false,
    },
  },
});

providerConformance({
  definition: mercadoPago,
  twin: mercadoPagoTwin,
  detects: ["tampered_body", "missing_header", "wrong_secret", "old_timestamp"],
  verbs: { charge: { request: { ...aBoleto, due_date: undefined }, declined: { ...aBoleto, due_date: undefined, amount: 15013n }, settles: { to: "succeeded" } } },
});

describe("a boleto", () => {
  test("is a payment of its own method, with the whole address, and answers with the line and the slip", async () => {
    const { provider, call, sent } = await world();
    const { ref, result } = accepted(await provider.charge!(aBoleto, call));
    expect(sent[0]!.body).toEqual({
      transaction_amount: 150, description: "Pedido 17", payment_method_id: "bolbradesco", external_reference: REFERENCE,
      date_of_expiration: "2026-11-27T23:59:59.000-03:00",
      payer: {
        email: "maria@example.com", first_name: "Maria", last_name: "da Silva", identification: { type: "CPF", number: "11144477735" },
        address: {
          zip_code: "20040002", street_name: "Rua da Assembleia", street_number: "10", neighborhood: "Centro", city: "Rio de Janeiro", federal_unit: "RJ",
        },
      },
    });
    expect(result).toEqual({
      id: ref, status: "pending", amount: 15000n, currency: "BRL", method: "boleto", barcode_line: expect.stringMatching(/^237\d{44}$/),
      charge_url: expect.stringMatching(/^https:\/\/www\.mercadopago\.com\.br\/sandbox\/payments\/\d+\/ticket/), expires_at: "2026-11-28T02:59:59.000Z",
    });
    expect(parseBoleto(result.barcode_line!, { today: "2026-11-20" })).toMatchObject({ ok: true, boleto: { amountMinor: 15000n, dueDate: "2026-11-27" } });
  });

  test("without a due date has Mercado Pago's own, three days", async () => {
    const { provider, call } = await world();
    const { result } = accepted(await provider.charge!({ ...aBoleto, due_date: undefined }, call));
    expect(result.expires_at).toBe("2026-11-23T12:00:00.000Z");
    expect(parseBoleto(result.barcode_line!, { today: "2026-11-20" })).toMatchObject({ boleto: { dueDate: "2026-11-23" } });
  });

  test.each(["2026-11-21", "2026-12-20"])("may be due on %s", async (due_date) => {
    const { provider, call } = await world();
    expect(accepted(await provider.charge!({ ...aBoleto, due_date }, call)).result.barcode_line).toBeDefined();
  });

  test("without an address is made for Mercado Pago's own example in test, and refused live", async () => {
    const request = { ...aBoleto, buyer: aCharge.buyer };
    const inTest = await world();
    accepted(await inTest.provider.charge!(request, inTest.call));
    expect(inTest.sent[0]!.body.payer.address).toEqual(SYNTHETIC_ADDRESS);
    const live = scripted(() => new Response());
    expect(await live.provider.charge!(request, newCall())).toMatchObject({ outcome: "declined", reason: "invalid_request", field: "buyer.address.postal_code" });
    expect(live.sent).toEqual([]);
  });

  test.each([
    ["due_date", { due_date: "2026-11-20" }],
    ["due_date", { due_date: "2026-12-21" }],
    ["amount", { amount: 10_000_000_000n }],
    ["buyer.document", { buyer: { name: "Maria Silva", email: "maria@example.com", address: anAddress } }],
    ["buyer.address.postal_code", { buyer: { ...aBoleto.buyer, address: { ...anAddress, postal_code: "2004" } } }],
    ["buyer.address.district", { buyer: { ...aBoleto.buyer, address: { ...anAddress, district: " " } } }],
    ["buyer.address.number", { buyer: { ...aBoleto.buyer, address: { ...anAddress, number: undefined } } }],
    ["buyer.address.state", { buyer: { ...aBoleto.buyer, address: { ...anAddress, state: "Rio" } } }],
  ])("with a %s that it cannot have is declined before anything is sent", async (field, change) => {
    const { provider, call, sent } = await world();
    expect(await provider.charge!({ ...aBoleto, ...change }, call)).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(sent).toEqual([]);
  });

  const barcode = "00191878900000050000000002759288002193297817";
  const line = "00190000090275928800021932978170187890000005000";
  test.each([
    ["the line of the transaction's details", { transaction_details: { digitable_line: line } }, line],
    ["the barcode there", { transaction_details: { barcode: { content: barcode } } }, line],
    ["the barcode beside them", { barcode: { content: barcode } }, line],
    ["what holds, past what does not", { transaction_details: { digitable_line: `1${line.slice(1)}`, barcode: { content: barcode } } }, line],
    ["nothing that does not hold", { barcode: { content: `1${barcode.slice(1)}` } }, undefined],
    ["nothing of another shape", { barcode: "?", transaction_details: "?" }, undefined],
    ["nothing of what is no boleto", { payment_method_id: "pix", barcode: { content: barcode } }, undefined],
  ])("has for its line %s", async (_what, fields, expected) => {
    const answer = { id: 1, status: "pending", transaction_amount: 150, payment_method_id: "bolbradesco", ...fields };
    const { provider } = scripted(() => Response.json(answer, { status: 201 }));
    expect(accepted(await provider.charge!(aBoleto, newCall())).result.barcode_line).toBe(expected);
  });

  test("that nobody pays is cancelled, and needs a new charge", async () => {
    const { provider, call, clock, rests } = await world();
    accepted(await provider.charge!({ ...aBoleto, amount: 15015n }, call));
    await rests(1);
    expect(await provider.lookup!({ verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" }, newCall(clock)))
      .toMatchObject({ state: "failed", action: "cancelled", failure: { message: "Mercado Pago: the payment is cancelled (expired)" } });
  });

  test("that is paid has its own fee", async () => {
    const { provider, call, clock, rests } = await world();
    accepted(await provider.charge!(aBoleto, call));
    await rests(1);
    expect(await provider.lookup!({ verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" }, newCall(clock)))
      .toMatchObject({ state: "succeeded", feeMinor: 349n });
  });

  test.each([
    ["no address", { address: undefined }, "payer.address is required in whole"],
    ["half an address", { address: { zip_code: "20040002" } }, "payer.address is required in whole"],
    ["nobody's document", { identification: undefined }, "payer.identification is required"],
  ])("is refused by the twin for %s", async (_what, change, message) => {
    const { api } = await world();
    const payer = { email: "maria@example.com", identification: { type: "CPF", number: "11144477735" }, address: SYNTHETIC_ADDRESS, ...change };
    expect(await api("POST", "/v1/payments", { transaction_amount: 10, payment_method_id: "bolbradesco", payer })).toMatchObject({ status: 400, body: { message } });
  });
});

describe("a Pix charge", () => {
  test("is one request, named by our reference twice", async () => {
    const { provider, call, sent, account } = await world();
    accepted(await provider.charge!(aCharge, call));
    expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([{
      method: "POST",
      path: "/v1/payments",
      body: {
        transaction_amount: 150, description: "Pedido 17", payment_method_id: "pix", external_reference: REFERENCE,
        payer: {
          email: "maria@example.com", first_name: "Maria", last_name: "da Silva",
          identification: { type: "CPF", number: "11144477735" },
        },
      },
    }]);
    const { headers } = sent[0]!;
    expect(headers.get("authorization")).toBe(`Bearer ${account.credentials["access_token"]}`);
    expect(headers.get("x-idempotency-key")).toBe(REFERENCE);
    for (const name of ["x-signature", "x-enforce-signature", "x-test-token"]) expect(headers.has(name)).toBe(false);
  });

  test("answers with the code to pay, its picture, the ticket and the expiry", async () => {
    const { provider, call } = await world();
    const outcome = accepted(await provider.charge!(aCharge, call));
    expect(outcome).toMatchObject({ state: "pending", action: "pending", ref: expect.stringMatching(/^\d{11}$/) });
    const { pix_copy_paste, pix_qr_code, charge_url, ...rest } = outcome.result;
    expect(rest).toEqual({
      id: outcome.ref, status: "pending", amount: 15000n, currency: "BRL", method: "pix",
      expires_at: "2026-11-21T12:00:00.000Z",
    });
    const code = { kind: "dynamic", amountMinor: 15000n, singleUse: true };
    expect(parseBrCode(pix_copy_paste!)).toMatchObject({ ok: true, code });
    expect(Buffer.from(pix_qr_code!, "base64").subarray(1, 4).toString()).toBe("PNG");
    expect(charge_url).toMatch(/^https:\/\/www\.mercadopago\.com\.br\/sandbox\/payments\/\d+\/ticket/);
  });

  test("of a company, by one name and without a description, leaves out what there is not", async () => {
    const { provider, call, sent } = await world();
    const buyer = { name: "Padaria", document: "11.222.333/0001-81", email: "p@example.com" };
    accepted(await provider.charge!({ amount: 1n, currency: "BRL", method: "pix", buyer }, call));
    expect(sent[0]!.body).toEqual({
      transaction_amount: 0.01, payment_method_id: "pix", external_reference: REFERENCE,
      payer: {
        email: "p@example.com", first_name: "Padaria", identification: { type: "CNPJ", number: "11222333000181" },
      },
    });
  });

  test("is good until the end of its due day in São Paulo", async () => {
    const { provider, call, sent } = await world();
    const outcome = accepted(await provider.charge!({ ...aCharge, due_date: "2026-11-25" }, call));
    expect(sent[0]!.body).toMatchObject({ date_of_expiration: "2026-11-25T23:59:59.000-03:00" });
    expect(outcome.result.expires_at).toBe("2026-11-26T02:59:59.000Z");
  });

  test("without an e-mail is made for Mercado Pago's own test payer in test, and refused live", async () => {
    const request = { ...aCharge, buyer: { name: "Maria Silva", document: "11144477735" } };
    const inTest = await world();
    accepted(await inTest.provider.charge!(request, inTest.call));
    expect(inTest.sent[0]!.body.payer.email).toBe(SYNTHETIC_EMAIL);
    const live = scripted(() => new Response());
    expect(await live.provider.charge!(request, newCall())).toMatchObject({
      outcome: "declined", reason: "invalid_request", field: "buyer.email",
    });
    expect(live.sent).toEqual([]);
  });

  test("takes the sample CPF of the published pages in test, and refuses it live", async () => {
    const request = { ...aCharge, buyer: { ...aCharge.buyer, document: "12345678900" } };
    const inTest = await world();
    accepted(await inTest.provider.charge!(request, inTest.call));
    const live = scripted(() => new Response());
    const refused = { outcome: "declined", field: "buyer.document" };
    expect(await live.provider.charge!(request, newCall())).toMatchObject(refused);
    expect(live.sent).toEqual([]);
  });

  test.each([
    ["buyer.document", "invalid_request", { buyer: { ...aCharge.buyer, document: "111.444.777-36" } }],
    ["method", "not_permitted", { method: "card" as const }],
    ["currency", "invalid_request", { currency: "ARS" as const }],
    ["amount", "invalid_request", { amount: 1_000_000_000_000_000n }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    const outcome = await provider.charge!({ ...aCharge, ...change }, call);
    expect(outcome).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test("that is rejected in its very answer is declined, with its id", async () => {
    const { provider } = scripted(() => Response.json({
      id: 123, status: "rejected", status_detail: "rejected_high_risk", transaction_amount: 150,
    }, { status: 201 }));
    expect(await provider.charge!(aCharge, newCall())).toEqual({
      outcome: "declined", reason: "refused", ref: "123",
      message: "Mercado Pago: the payment is rejected (rejected_high_risk)",
    });
  });
});

describe("a refund", () => {
  const request: RefundRequest = { charge: { ref: "9", method: "pix", amount: 15000n }, amount: 4000n, currency: "BRL" };
  const subject = { verb: "refund", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;
  const noting = () => {
    const call = newCall();
    call.note = async (more) => void (call.notes = { ...call.notes, ...more });
    return call;
  };

  test.each([
    ["in part", 4000n, { amount: 40 }],
    ["in whole", 15000n, {}],
  ])("%s is one request under our key, and its id is written down", async (_what, amount, body) => {
    const { provider, sent } = scripted(() => Response.json({ id: 7, status: "approved", amount: 40 }, { status: 201 }));
    const call = noting();
    expect(accepted(await provider.refund!({ ...request, amount }, call))).toMatchObject({
      ref: "9/refunds/7", state: "succeeded", action: "approved", result: { id: "9/refunds/7", amount, settled: true },
    });
    expect(sent.map(({ method, path, body: told, headers }) => [method, path, told, headers.get("x-idempotency-key")])).toEqual([["POST", "/v1/payments/9/refunds", body, REFERENCE]]);
    expect(call.notes).toEqual({ payment: "9", refund: "7" });
  });

  test.each([["approved", "succeeded"], ["in_process", "pending"], ["rejected", "failed"], ["a_word_to_come", "pending"]])("that is %s is %s", async (status, state) => {
    const { provider, sent } = scripted(() => Response.json({ id: 7, status, amount: 40 }));
    expect(await provider.lookup!(subject, { ...newCall(), notes: { payment: "9", refund: "7" } })).toMatchObject({ ref: "9/refunds/7", state, amountMinor: 4000n });
    expect(sent.map(({ path }) => path)).toEqual(["/v1/payments/9/refunds/7"]);
  });

  test("that is rejected in its very answer is declined", async () => {
    const { provider } = scripted(() => Response.json({ id: 7, status: "rejected", amount: 40 }, { status: 201 }));
    expect(await provider.refund!(request, noting())).toMatchObject({ outcome: "declined", ref: "9/refunds/7" });
  });

  test.each([
    ["never arrived if its payment has none", [], undefined],
    ["cannot be told from another of its payment", [{ id: 7, status: "approved", amount: 40 }], Unanswered],
  ])("whose answer was lost %s", async (_what, rows, expected) => {
    const { provider } = scripted(() => Response.json(rows));
    const found = await provider.lookup!(subject, { ...newCall(), notes: { payment: "9" } }).catch((error: Error) => error.constructor);
    expect(found).toBe(expected);
  });
});

describe("a Pix payout", () => {
  const intent = { id: "i1", status: "new", external_reference: REFERENCE, transaction: { total_amount: 49.9 } };

  test("is one transaction to one key, in test unsigned and marked as a test", async () => {
    const { provider, call, sent } = await world();
    const outcome = accepted(await provider.payout!(aPayout, call));
    expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([{
      method: "POST",
      path: "/v1/transaction-intents/process",
      body: {
        external_reference: REFERENCE,
        point_of_interaction: { type: "PSP_TRANSFER" },
        seller_configuration: { notification_info: { notification_url: HOOK } },
        transaction: {
          from: { accounts: [{ amount: 49.9 }] },
          to: {
            accounts: [{
              type: "current", amount: 49.9, chave: { type: "EMAIL", value: "vendor@example.com" },
              owner: { identification: { type: "CPF", number: "52998224725" } },
            }],
          },
          total_amount: 49.9,
        },
      },
    }]);
    const { headers } = sent[0]!;
    expect(headers.get("x-idempotency-key")).toBe(REFERENCE);
    expect(headers.get("x-test-token")).toBe("true");
    expect(headers.get("x-enforce-signature")).toBe("false");
    expect(headers.has("x-signature")).toBe(false);
    expect(outcome).toEqual({
      outcome: "accepted", ref: outcome.ref, state: "pending", action: "new",
      result: {
        id: outcome.ref, status: "pending", settled: false, end_to_end_id: undefined, amount: 4990n, currency: "BRL",
        method: "pix", recipient: "vendor@example.com",
      },
    });
  });

  test("is signed live, over the very bytes that leave", async () => {
    const { provider, sent } = scripted(() => Response.json(intent, { status: 202 }));
    accepted(await provider.payout!(aPayout, newCall()));
    const { headers, text } = sent[0]!;
    expect(headers.get("x-enforce-signature")).toBe("true");
    expect(headers.has("x-test-token")).toBe(false);
    const signature = Buffer.from(headers.get("x-signature")!, "base64");
    expect(verifyBytes(null, Buffer.from(text), pair.publicKey, signature)).toBe(true);
    expect(verifyBytes(null, Buffer.from(`${text} `), pair.publicKey, signature)).toBe(false);
  });

  test("is the only request that is signed", async () => {
    const { provider, sent } = scripted(() => Response.json(intent));
    await provider.lookup!({ verb: "payout", reference: REFERENCE, ref: "i1", currency: "BRL" }, newCall());
    const signed = sent.map(({ path, headers }) => [path, headers.has("x-signature")]);
    expect(signed).toEqual([["/v1/transaction-intents/i1", false]]);
  });

  const [CPF, CNPJ] = ["11144477735", "11222333000181"];
  const EVP = "123e4567-e89b-12d3-a456-426655440000";
  test.each([
    ["529.982.247-25", undefined, { type: "CPF", value: "52998224725" }, { type: "CPF", number: "52998224725" }],
    ["11.222.333/0001-81", undefined, { type: "CNPJ", value: CNPJ }, { type: "CNPJ", number: CNPJ }],
    ["+55 11 99999-8888", CPF, { type: "PHONE", value: "+5511999998888" }, { type: "CPF", number: CPF }],
    ["Vendor@Example.com", CNPJ, { type: "EMAIL", value: "vendor@example.com" }, { type: "CNPJ", number: CNPJ }],
    [EVP.toUpperCase(), CPF, { type: "PIX_CODE", value: EVP }, { type: "CPF", number: CPF }],
  ])("to %s tells the kind of key, and its holder", async (pix_key, document, chave, identification) => {
    const { provider, call, sent } = await world();
    accepted(await provider.payout!({ ...aPayout, recipient: { pix_key, document } }, call));
    expect(sent[0]!.body.transaction.to.accounts[0]).toMatchObject({ chave, owner: { identification } });
  });

  test("without a holder's document is made for a sample one in test, and refused live", async () => {
    const request = { ...aPayout, recipient: { pix_key: "vendor@example.com" } };
    const inTest = await world();
    accepted(await inTest.provider.payout!(request, inTest.call));
    const [{ owner }] = inTest.sent[0]!.body.transaction.to.accounts;
    expect(owner).toEqual({ identification: { type: "CPF", number: SYNTHETIC_HOLDER } });
    const live = scripted(() => Response.json(intent));
    expect(await live.provider.payout!(request, newCall())).toMatchObject({
      outcome: "declined", reason: "invalid_request", field: "recipient.document",
    });
    expect(live.sent).toEqual([]);
  });

  test("without a recipient pays nobody in test, and is refused live", async () => {
    const { recipient: _nobody, ...request } = aPayout;
    const inTest = await world();
    expect(accepted(await inTest.provider.payout!(request, inTest.call)).result.recipient).toBe(SYNTHETIC_PAYEE);
    const live = scripted(() => Response.json(intent));
    expect(await live.provider.payout!(request, newCall())).toMatchObject({ outcome: "declined", field: "recipient" });
    expect(live.sent).toEqual([]);
  });

  test.each([
    ["amount", "invalid_request", { amount: undefined }],
    ["amount", "invalid_request", { amount: 1_000_000_000_000_000n }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["method", "not_permitted", { method: "wire" as const }],
    ["copia_e_cola", "not_permitted", { copia_e_cola: "00020126580014br.gov.bcb.pix" }],
    ["recipient.pix_key", "invalid_request", { recipient: { name: "Vendor", bank_account: { bank: "001" } } }],
    ["recipient.pix_key", "invalid_request", { recipient: { pix_key: "11999998888" } }],
    ["recipient.document", "invalid_request", { recipient: { pix_key: "v@example.com", document: "111.444.777-36" } }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    const outcome = await provider.payout!({ ...aPayout, ...change }, call);
    expect(outcome).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });
  test.each([
    ["notification_url", {}, { access_token: LIVE_TOKEN, signing_key: PEM }],
    ["signing_key", { notification_url: HOOK }, { access_token: LIVE_TOKEN }],
    ["signing_key", { notification_url: HOOK }, { access_token: LIVE_TOKEN, signing_key: "not-a-key-at-all" }],
    ["signing_key", { notification_url: HOOK }, { access_token: LIVE_TOKEN, signing_key: rsa as string }],
    ["access_token", { notification_url: HOOK }, { signing_key: PEM }],
  ])("without a usable %s is not sent", async (missing, settings, credentials) => {
    const { provider, sent } = scripted(() => Response.json(intent), { settings, credentials });
    const call = newCall();
    const error = await provider.payout!(aPayout, call).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SetupMissing);
    expect(error).toMatchObject({ setting: missing });
    expect({ sent, acted: call.acted }).toEqual({ sent: [], acted: false });
    expect(inspect(error, { depth: 8 })).not.toMatch(/not-a-key-at-all|APP_USR/);
  });

  test("that is over in its very answer says so, and a failed one is declined with its id", async () => {
    const endToEndId = "E10573521202611201200abcdefghijk";
    const transaction = { total_amount: "49.90", to: { accounts: [{ origin_id: endToEndId }] } };
    const done = scripted(() => Response.json({ ...intent, status: "approved", transaction }, { status: 202 }));
    expect(accepted(await done.provider.payout!(aPayout, newCall()))).toMatchObject({
      state: "succeeded", action: "approved", result: { settled: true, status: "succeeded", end_to_end_id: endToEndId },
    });
    const { provider, call } = await world();
    expect(await provider.payout!({ ...aPayout, amount: 4919n }, call)).toMatchObject({
      outcome: "declined", reason: "insufficient_funds", ref: expect.stringMatching(/^\d+-01/),
    });
  });

  test("sends every amount to the centavo", async () => {
    let value: unknown;
    const { provider } = scripted(({ body }) => {
      value = body.transaction.total_amount;
      return Response.json(intent);
    });
    await fc.assert(fc.asyncProperty(fc.bigInt(1n, 999_999_999_999_999n), async (amount) => {
      accepted(await provider.payout!({ ...aPayout, amount }, newCall()));
      expect(fromDecimal(value as number, "BRL")).toBe(amount);
    }), { numRuns: 50 });
  });
});

describe("a refusal", () => {
  const refuse = (status: number, cause: object[] = [], message = "no") => {
    const body = { message, error: "e", status, cause };
    return scripted(() => Response.json(body, { status })).provider.charge!(aCharge, newCall());
  };

  test.each([
    [400, 4037, "invalid_request", "amount"],
    [400, 4050, "invalid_request", "buyer.email"],
    [400, "2067", "invalid_request", "buyer.document"],
    [400, 23, "invalid_request", "due_date"],
    [400, 13253, "not_permitted", undefined],
    [400, 9999, "invalid_request", undefined],
    [401, undefined, "unauthorized", undefined],
    [403, 4, "unauthorized", undefined],
    [409, undefined, "duplicate", undefined],
    [422, undefined, "invalid_request", undefined],
    [423, undefined, "duplicate", undefined],
    [429, undefined, "rate_limited", undefined],
    [451, undefined, "unspecified", undefined],
  ])("with status %i and code %s is read as %s", async (status, code, reason, field) => {
    const outcome = await refuse(status, code === undefined ? [] : [{ code, description: "why" }], "the reason");
    const message = "Mercado Pago refused: the reason";
    expect(outcome).toEqual({ outcome: "declined", reason, message, ...(field && { field }) });
  });

  test("that says nothing readable still says that it is one", async () => {
    const { provider } = scripted(() => new Response("<html>", { status: 400 }));
    const message = "Mercado Pago refused: it answered 400";
    expect(await provider.charge!(aCharge, newCall())).toMatchObject({ message });
  });

  test("for a failed dependency of theirs is none: the outcome is unknown", async () => {
    await expect(refuse(424)).rejects.toBeInstanceOf(OutcomeUnknown);
  });
});

describe("a lookup of a charge", () => {
  const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;
  const payment = { id: 77, status: "approved", transaction_amount: 150, external_reference: REFERENCE };

  test("by reference searches for the id and then asks for the whole", async () => {
    const { provider, call, sent } = await world();
    const { ref, result } = accepted(await provider.charge!(aCharge, call));
    sent.length = 0;
    const found = await provider.lookup!(subject, newCall());
    expect(sent.map(({ method, path, query }) => [method, path, query])).toEqual([
      ["GET", "/v1/payments/search", { external_reference: REFERENCE }], ["GET", `/v1/payments/${ref}`, {}],
    ]);
    const { status: _status, amount: _amount, currency: _currency, method: _method, ...code } = result;
    expect(found).toEqual({
      ref, state: "pending", action: "pending", amountMinor: 15000n, currency: "BRL", result: code,
    });
  });

  test("by id asks once, and of a paid one tells the fee and the time", async () => {
    const { provider, call, sent, rests } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await rests(1);
    sent.length = 0;
    expect(await provider.lookup!({ ...subject, ref }, newCall())).toEqual({
      ref, state: "succeeded", action: "approved", amountMinor: 15000n, feeMinor: 149n, currency: "BRL",
      occurredAt: new Date("2026-11-20T13:00:00.000Z"),
    });
    expect(sent.map(({ path }) => path)).toEqual([`/v1/payments/${ref}`]);
  });

  test.each([
    ["pending", "pending_waiting_transfer", "pending", "pending"],
    ["in_process", "pending_contingency", "pending", "in_process"],
    ["authorized", "pending_capture", "pending", "authorized"],
    ["approved", "accredited", "succeeded", "approved"],
    ["approved", "partially_refunded", "updated", "partially_refunded"],
    ["in_mediation", "pending", "updated", "in_mediation"],
    ["charged_back", "in_process", "updated", "charged_back"],
    ["rejected", "bank_error", "failed", "rejected"],
    ["cancelled", "expired", "failed", "cancelled"],
    ["refunded", "refunded", "refunded", "refunded"],
    ["a_word_to_come", null, "pending", "a_word_to_come"],
  ])("reads %s (%s) as %s", async (status, status_detail, state, action) => {
    const { provider } = scripted(() => Response.json({ ...payment, status, status_detail }));
    expect(await provider.lookup!({ ...subject, ref: "77" }, newCall())).toMatchObject({ ref: "77", state, action });
  });

  test("counts only what the receiver pays as the fee, and reads amounts that come as text", async () => {
    const fee_details = [
      { amount: "0.49", fee_payer: "collector" }, { amount: 1, fee_payer: "payer" },
      { amount: 0.5, fee_payer: "collector" },
    ];
    const { provider } = scripted(() => Response.json({ ...payment, transaction_amount: "150.00", fee_details }));
    const read = { amountMinor: 15000n, feeMinor: 99n };
    expect(await provider.lookup!({ ...subject, ref: "77" }, newCall())).toMatchObject(read);
  });

  test("tells no fee rather than one it cannot read", async () => {
    const fee_details = [{ amount: 0.123, fee_payer: "collector" }];
    const { provider } = scripted(() => Response.json({ ...payment, fee_details }));
    expect(await provider.lookup!({ ...subject, ref: "77" }, newCall())).not.toHaveProperty("feeMinor");
  });

  test("of a failed one says why", async () => {
    const { provider } = scripted(() => Response.json({ ...payment, status: "cancelled", status_detail: "expired" }));
    const failure = { reason: "refused", message: "Mercado Pago: the payment is cancelled (expired)" };
    expect(await provider.lookup!({ ...subject, ref: "77" }, newCall())).toMatchObject({ failure });
  });

  test("passes over a payment whose reference is another's, and finds ours by search", async () => {
    const { provider } = scripted(({ path }) => {
      if (path.endsWith("/search")) return Response.json({ results: [{ id: 77, external_reference: REFERENCE }] });
      return Response.json(path.endsWith("/77") ? payment : { ...payment, id: 78, external_reference: "another" });
    });
    expect(await provider.lookup!({ ...subject, ref: "78" }, newCall())).toMatchObject({ ref: "77" });
  });

  test("believes only an empty list, and only while no id is known", async () => {
    const missing = Response.json({ message: "Payment not found" }, { status: 404 });
    const nothing = scripted(({ path }) =>
      path.endsWith("/search") ? Response.json({ results: [] }) : missing.clone());
    expect(await nothing.provider.lookup!(subject, newCall())).toBeUndefined();
    for (const known of [{ ref: "77" }, { told: "77" }]) {
      await expect(nothing.provider.lookup!({ ...subject, ...known }, newCall())).rejects.toBeInstanceOf(Unanswered);
    }
    const others = scripted(() => Response.json({ results: [{ id: 1, external_reference: "another" }] }));
    await expect(others.provider.lookup!(subject, newCall())).rejects.toBeInstanceOf(Unanswered);
  });

  test("of an amount that is no amount cannot say", async () => {
    const { provider } = scripted(() => Response.json({ ...payment, transaction_amount: 150.005 }));
    await expect(provider.lookup!({ ...subject, ref: "77" }, newCall())).rejects.toBeInstanceOf(Unanswered);
  });
});

describe("a lookup of a payout", () => {
  const subject = { verb: "payout", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;
  const intent = { id: "i1", status: "processed", external_reference: REFERENCE, transaction: { total_amount: 49.9 } };

  test.each([
    ["new", "", "pending"], ["pending", "", "pending"], ["in_process", "pending_bank", "pending"],
    ["partially_processed", "pending_bank", "pending"], ["approved", "approved", "succeeded"],
    ["processed", "approved", "succeeded"], ["approved", "partially_refunded", "updated"],
    ["partially_reverted", "partially_refunded", "updated"], ["rejected", "by_bank", "failed"],
    ["failed", "by_high_risk", "failed"], ["refunded", "refunded", "refunded"], ["reverted", "refunded", "refunded"],
    ["a_word_to_come", "", "pending"],
  ])("reads %s (%s) as %s", async (status, status_detail, state) => {
    const transaction = { total_amount: 49.9, to: { accounts: [{ status_detail }] } };
    const { provider } = scripted(() => Response.json({ ...intent, status, transaction }));
    expect(await provider.lookup!({ ...subject, ref: "i1" }, newCall())).toMatchObject({
      ref: "i1", state, amountMinor: 4990n, result: { id: "i1", status: state, settled: state === "succeeded" },
    });
  });

  test("reads why from either side of the transaction", async () => {
    const transaction = { from: { accounts: [{ status_detail: "insufficient_funds" }] }, to: { accounts: [{}] } };
    const { provider } = scripted(() => Response.json({ ...intent, status: "failed", transaction }));
    expect(await provider.lookup!({ ...subject, ref: "i1" }, newCall())).toMatchObject({
      failure: {
        reason: "insufficient_funds", message: "Mercado Pago: the transaction is failed (insufficient_funds)",
      },
    });
  });

  test("asks by the id that a notification told while the answer is missing", async () => {
    const { provider, sent } = scripted(() => Response.json(intent));
    const found = await provider.lookup!({ ...subject, told: "i1" }, newCall());
    expect(found).toMatchObject({ ref: "i1", state: "succeeded" });
    expect(sent.map(({ path }) => path)).toEqual(["/v1/transaction-intents/i1"]);
  });

  test("never says that there was none", async () => {
    const unasked = scripted(() => Response.json({}));
    await expect(unasked.provider.lookup!(subject, newCall())).rejects.toBeInstanceOf(Unanswered);
    expect(unasked.sent).toEqual([]);
    const unknown = Response.json({}, { status: 404 });
    for (const answer of [unknown, Response.json({ ...intent, external_reference: "another" })]) {
      const { provider } = scripted(() => answer.clone());
      await expect(provider.lookup!({ ...subject, ref: "i1" }, newCall())).rejects.toBeInstanceOf(Unanswered);
    }
  });
});

test("whose object a notification names is asked by its kind, and none is nobody's", async () => {
  const { provider, sent } = scripted(({ path }) =>
    path.endsWith("/gone") ? Response.json({}, { status: 404 })
      : Response.json({ id: "i1", status: "new", transaction_amount: 1, external_reference: REFERENCE }));
  const whose = (ref: string, action: string) =>
    provider.referenceOf!({ eventId: "1", ref, observation: { ref, action } }, newCall());
  expect(await whose("i1", "transaction_intent.updated")).toBe(REFERENCE);
  expect(await whose("77", "payment.created")).toBe(REFERENCE);
  expect(await whose("gone", "payment.created")).toBeUndefined();
  expect(sent.map(({ path }) => path)).toEqual(["/v1/transaction-intents/i1", "/v1/payments/77", "/v1/payments/gone"]);
});

describe("a notification", () => {
  const { verify, read } = mercadoPago.notifications!;
  const secret = "5f0c2f9e7b1d4a6c8e3f1a2b3c4d5e6f";
  const now = new Date("2025-03-20T21:20:38.683Z");

  interface Made {
    signedId?: string;
    told?: unknown;
    ts?: string;
    requestId?: string | null;
    /** What the signature is made over, where it is not the manifest itself. */
    manifest?: string;
    header?: string | null;
    by?: string;
  }
  const MS = now.getTime();
  const notice = { id: 9, type: "payment", action: "payment.updated" };
  const made = (of: Made): InboundMessage => {
    const { signedId = "123456", ts = String(MS), requestId = "bb56a2f1", by = secret } = of;
    const { told = { ...notice, data: { id: signedId } }, manifest, header } = of;
    const text = manifest ?? `id:${signedId};request-id:${requestId};ts:${ts};`;
    const v1 = createHmac("sha256", by).update(text).digest("hex");
    const headers = new Headers();
    if (requestId !== null) headers.set("x-request-id", requestId);
    if (header !== null) headers.set("x-signature", header ?? `ts=${ts},v1=${v1}`);
    return {
      method: "POST", url: new URL(`${HOOK}?data.id=${signedId}&type=payment`), headers,
      body: new TextEncoder().encode(typeof told === "string" ? told : JSON.stringify(told)),
    };
  };
  const verdict = (message: InboundMessage, secrets = [secret]) => verify(message, { secrets, settings: {}, now });
  const INTENT = "1108917506-01GGTH198RP0K71H133EK9BJAT";
  const sentNotice = {
    id: "1", type: "transaction_intent", action: "transaction_intent.updated", status: "processed",
    data: { id: INTENT },
  };

  test("is signed as this vector is, made with openssl", () => {
    const v1 = "5b9998e6f49a9c425f5eade1f6fbbe91d56ba1ab454e0dfe8e7dbf1ec70e2928";
    expect(verdict(made({ header: `ts=1742505638683,v1=${v1}` }))).toEqual({ ok: true });
    expect(verdict(made({ header: `v1=${v1} , ts=1742505638683` }))).toEqual({ ok: true });
    expect(verdict(made({ header: `ts=1742505638684,v1=${v1}` }))).toMatchObject({ ok: false });
  });

  test.each<[string, Made, boolean]>([
    ["as it should be", {}, true],
    ["with seconds for milliseconds", { ts: "1742505638" }, true],
    ["without a request id, in the manifest either", { requestId: null, manifest: `id:123456;ts:${MS};` }, true],
    ["over the id in lower case", {
      signedId: INTENT, told: sentNotice, manifest: `id:${INTENT.toLowerCase()};request-id:bb56a2f1;ts:${MS};`,
    }, true],
    ["over the id as it comes", { signedId: INTENT, told: sentNotice }, true],
    ["of a kind that is not read", { told: { id: 9, type: "merchant_order", data: { id: "5" } } }, true],
    ["whose body names another object", { told: { ...notice, data: { id: "654321" } } }, false],
    ["without the last semicolon", { manifest: `id:123456;request-id:bb56a2f1;ts:${MS}` }, false],
    ["over another request id", { manifest: `id:123456;request-id:other;ts:${MS};` }, false],
    ["by another secret", { by: "another" }, false],
    ["by no secret at all", { by: "" }, false],
    ["without a header", { header: null }, false],
    ["with a header of another form", { header: `t=${MS},v1=${"0".repeat(64)}` }, false],
    ["with a shortened digest", { header: `ts=${MS},v1=abcdef` }, false],
    ["with a time that is none", { header: `ts=now,v1=${"0".repeat(64)}` }, false],
    ["of six minutes ago", { ts: String(MS - 360_000) }, false],
    ["of six minutes ahead, in seconds", { ts: String(Math.floor(MS / 1000) + 360) }, false],
  ])("%s is judged", (_name, message, ok) => {
    const found = verdict(made(message));
    expect(found.ok).toBe(ok);
    expect(JSON.stringify(found)).not.toContain(secret);
  });

  test("is taken by either secret while one is rotated, and by none when there is none", () => {
    expect(verdict(made({}), ["new-secret", secret])).toEqual({ ok: true });
    expect(verdict(made({}), [])).toMatchObject({ ok: false });
    expect(verdict(made({ by: "" }), [""])).toMatchObject({ ok: false });
  });

  test("claims an id and no state, even where it carries a word for one", () => {
    expect(read(made({}))).toEqual([{
      eventId: "9", ref: "123456", observation: { ref: "123456", action: "payment.updated" },
    }]);
    expect(read(made({ told: sentNotice }))).toEqual([{
      eventId: "1", ref: INTENT, observation: { ref: INTENT, action: "transaction_intent.updated" },
    }]);
  });

  test.each([
    ["of another kind", { id: 1, type: "topic_claims_integration_wh", data: { id: "5" } }],
    ["without an object", { id: 1, type: "payment" }],
    ["of the older form", { topic: "payment", resource: "https://api.mercadopago.com/v1/payments/5" }],
    ["with no JSON", "{"],
  ])("%s is read as nothing", (_name, told) => {
    expect(read(made({ told }))).toEqual([]);
  });

  test("without an id of its own gets one from its action and object", () => {
    const [event] = read(made({ told: { type: "payment", data: { id: 5 } } }));
    expect(event).toMatchObject({ eventId: "payment.updated:5", ref: "5", observation: { action: "payment.updated" } });
  });
});

describe("the twin", () => {
  const order = {
    transaction_amount: 10, payment_method_id: "pix", payer: { email: "a@example.com" }, external_reference: "MP0001",
  };
  const identification = { type: "CPF", number: "52998224725" };
  const chave = { type: "CPF", value: "52998224725" };
  const account = { type: "current", amount: 10, chave, owner: { identification } };
  const to = (accounts: object[]) => ({
    external_reference: "MP0001", point_of_interaction: { type: "PSP_TRANSFER" },
    transaction: { from: { accounts: [{ amount: 10 }] }, to: { accounts }, total_amount: 10 },
  });
  const transfer = to([account]);
  const PROCESS = "/v1/transaction-intents/process";

  test.each([
    ["charge", 15000n, ["approved"], "succeeded"],
    ["charge", 15014n, ["pending"], "pending"],
    ["charge", 15015n, ["cancelled"], "failed"],
    ["charge", 15016n, ["in_process", "approved"], "succeeded"],
    ["charge", 15017n, ["approved", "refunded"], "refunded"],
    ["payout", 15000n, ["processed"], "succeeded"],
    ["payout", 15014n, ["new"], "pending"],
    ["payout", 15017n, ["processed", "reverted"], "refunded"],
    ["payout", 15018n, ["failed"], "failed"],
  ] as const)("takes a %s of %i centavos through %j", async (verb, amount, actions, state) => {
    const { provider, call, rests, webhooks, clock } = await world();
    const { ref } = verb === "charge"
      ? accepted(await provider.charge!({ ...aCharge, amount }, call))
      : accepted(await provider.payout!({ ...aPayout, amount }, call));
    const subject = { verb, reference: REFERENCE, ref, currency: "BRL" } as const;
    const seen: (string | undefined)[] = [];
    for (let rest = 0; rest < actions.length; rest++) {
      await rests(1);
      seen.push((await provider.lookup!(subject, newCall(clock)))?.action);
    }
    expect(seen).toEqual(actions);
    await rests(2);
    expect(await provider.lookup!(subject, newCall(clock))).toMatchObject({ state });
    const kind = verb === "charge" ? "payment" : "transaction_intent";
    const isStill = actions[0] === "pending" || actions[0] === "new";
    const updates = isStill ? [] : actions.map(() => `${kind}.updated`);
    expect(webhooks.map(({ body }) => JSON.parse(body).action)).toEqual([`${kind}.created`, ...updates]);
  });

  test("posts a signed message that names the object, in the address and in the body, and not its state", async () => {
    const { provider, call, webhooks, rests, account, clock } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await rests(1);
    expect(webhooks.map(({ url }) => url)).toEqual(Array(2).fill(`${HOOK}?data.id=${ref}&type=payment`));
    expect(JSON.parse(webhooks[1]!.body)).toEqual({
      action: "payment.updated", api_version: "v1", data: { id: ref }, date_created: "2026-11-20T08:00:00.000-04:00",
      id: expect.stringMatching(/^\d+$/), live_mode: false, type: "payment", user_id: expect.any(Number),
    });
    const { url, headers, body } = webhooks[1]!;
    const bytes = new TextEncoder().encode(body);
    const message = { method: "POST", url: new URL(url), headers: new Headers(headers), body: bytes };
    const context = { secrets: [account.webhookSecret], settings: {}, now: clock.now() };
    expect(mercadoPago.notifications!.verify(message, context)).toEqual({ ok: true });
  });

  test("tells of a transaction where the transaction says, and nowhere when it does not", async () => {
    const { api, rests, webhooks } = await world();
    const notification_url = "https://elsewhere.example/hook?a=b";
    await api("POST", PROCESS, transfer);
    await api("POST", PROCESS, { ...transfer, seller_configuration: { notification_info: { notification_url } } });
    await rests(1);
    expect(webhooks.map(({ url }) => url.split("&data.id")[0])).toEqual([notification_url, notification_url]);
  });

  test("tells a repeated step again under the same id and changes nothing", async () => {
    const { provider, call, twin, clock, store, webhooks, api } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await clock.advance(HOUR_MS);
    const steps: TwinStep[] = [];
    await store.runDue(async (step) => void steps.push(step));
    for (const step of [...steps, ...steps]) await twin.run(step);
    const before = await api("GET", `/v1/payments/${ref}`);
    await twin.run(steps.at(-1)!);
    expect(await api("GET", `/v1/payments/${ref}`)).toEqual(before);
    const ids = webhooks.map(({ body }) => JSON.parse(body).id as string);
    expect({ told: ids.length, distinct: new Set(ids).size }).toEqual({ told: 5, distinct: 2 });
  });

  test("replays a key's first answer, whatever it was, and refuses the key for another body", async () => {
    const { api } = await world();
    const key = { "x-idempotency-key": "k1" };
    const first = await api("POST", "/v1/payments", order, key);
    expect(first.status).toBe(201);
    expect(await api("POST", "/v1/payments", order, key)).toEqual(first);
    expect(await api("POST", "/v1/payments", { ...order, transaction_amount: 11 }, key)).toMatchObject({ status: 409 });
    const unwanted = { ...order, transaction_amount: 10.13 };
    const refuse = () => api("POST", "/v1/payments", unwanted, { "x-idempotency-key": "k2" });
    const refused = await refuse();
    expect(refused.status).toBe(400);
    expect(await refuse()).toEqual(refused);
    const { body } = await api("GET", "/v1/payments/search?external_reference=MP0001");
    expect(body).toMatchObject({ paging: { total: 1, limit: 30, offset: 0 }, results: [{ id: first.body["id"] }] });
  });

  test("searches in summaries, without the code or the fees", async () => {
    const { api, rests } = await world();
    await api("POST", "/v1/payments", order);
    await rests(1);
    const { body } = await api("GET", "/v1/payments/search?external_reference=MP0001");
    const [row] = body["results"];
    expect(row).toMatchObject({ status: "approved", external_reference: "MP0001", transaction_amount: 10 });
    for (const left of ["point_of_interaction", "fee_details"]) expect(row).not.toHaveProperty(left);
    expect((await api("GET", "/v1/payments/search?external_reference=another")).body["results"]).toEqual([]);
  });

  test("refunds in parts and in whole, and no more than was paid", async () => {
    const { api, rests, webhooks } = await world();
    const { body: { id } } = await api("POST", "/v1/payments", order);
    const refund = async (body?: object) => api("POST", `/v1/payments/${id}/refunds`, body);
    const payment = async () => (await api("GET", `/v1/payments/${id}`)).body;
    expect(await refund()).toMatchObject({ status: 400, body: { cause: [{ code: 2063 }] } });
    await rests(1);
    const four = { payment_id: id, amount: 4, status: "approved" };
    expect(await refund({ amount: 4 })).toMatchObject({ status: 201, body: four });
    expect(await payment()).toMatchObject({
      status: "approved", status_detail: "partially_refunded", transaction_amount_refunded: 4,
    });
    expect(await refund({ amount: 6.01 })).toMatchObject({ status: 400 });
    expect(await refund()).toMatchObject({ status: 201, body: { amount: 6 } });
    expect(await payment()).toMatchObject({ status: "refunded", transaction_amount_refunded: 10 });
    await rests(1);
    const told = webhooks.map(({ body }) => JSON.parse(body).action);
    expect(told).toEqual(["payment.created", ...Array(3).fill("payment.updated")]);
  });

  test("shows no account what is another's", async () => {
    const { api, twin } = await world();
    const { body: { id } } = await api("POST", "/v1/payments", order);
    const other = (await twin.openAccount({ webhookUrl: HOOK })).credentials["access_token"];
    const as = { authorization: `Bearer ${other}` };
    expect((await api("GET", `/v1/payments/${id}`, undefined, as)).status).toBe(404);
    const found = await api("GET", "/v1/payments/search?external_reference=MP0001", undefined, as);
    expect(found.body["results"]).toEqual([]);
  });

  test.each([
    ["", 401, "authorization value not present"],
    ["Bearer TEST-of-nobody", 401, "invalid access token"],
  ])("refuses the header %j", async (authorization, status, message) => {
    const { api } = await world();
    const answer = await api("GET", "/v1/payments/1", undefined, { authorization });
    expect(answer).toMatchObject({ status, body: { message, status } });
  });

  test.each<[string, object, number | undefined]>([
    ["/v1/payments", { ...order, transaction_amount: 0 }, 4037],
    ["/v1/payments", { ...order, transaction_amount: "10" }, 4037],
    ["/v1/payments", { ...order, transaction_amount: 10.005 }, 4037],
    ["/v1/payments", { ...order, payer: {} }, 4050],
    ["/v1/payments", { ...order, payer: { ...order.payer, identification: { type: "CPF", number: "1" } } }, 2067],
    ["/v1/payments", { ...order, date_of_expiration: "2026-11-20T08:59:59.000-03:00" }, 23],
    ["/v1/payments", { ...order, payment_method_id: "visa" }, undefined],
    [PROCESS, { ...transfer, point_of_interaction: "PSP_TRANSFER" }, undefined],
    [PROCESS, { ...transfer, external_reference: "a(b)" }, undefined],
    [PROCESS, { ...transfer, transaction: { ...transfer.transaction, total_amount: 11 } }, undefined],
    [PROCESS, to([account, account]), undefined],
    [PROCESS, to([{ ...account, owner: {} }]), undefined],
    [PROCESS, to([{ ...account, chave: { type: "EMAIL", value: "52998224725" } }]), undefined],
  ])("refuses a POST to %s of %j", async (path, body, code) => {
    const { api } = await world();
    const answer = await api("POST", path, body);
    const cause = code === undefined ? [] : [{ code }];
    expect(answer).toMatchObject({ status: 400, body: { error: "bad_request", cause } });
  });

  test("refuses a POST without an idempotency key", async () => {
    const { api } = await world();
    for (const [path, body] of [["/v1/payments", order], [PROCESS, transfer]] as const) {
      const answer = await api("POST", path, body, { "x-idempotency-key": "" });
      expect(answer).toMatchObject({ status: 400, body: { cause: [{ code: 4292 }] } });
    }
  });
});

describe("its own tools", () => {
  const payer = { email: "maria@example.com" };

  test("each is one request, answered in Mercado Pago's words", async () => {
    const { run, unrun, sent, rests } = await nativeWorld(mercadoPago, mercadoPagoTwin);
    const items = [{ title: "Caneca", quantity: 2, currency_id: "BRL", unit_price: 25.9 }];
    const preference = await run("create_preference", { items, back_urls: { success: "https://shop.example/ok" }, auto_return: "approved" });
    expect(preference).toMatchObject({ items, init_point: expect.stringMatching(/^https:\/\/www\.mercadopago\.com\.br\/checkout/) });
    expect(await run("get_preference", { preferenceId: preference.id })).toEqual(preference);
    expect(preference.external_reference).toMatch(/^[0-9a-f-]{36}$/);

    const pix = await run("create_pix_payment", { transaction_amount: 150.5, description: "Pedido 17", payer, external_reference: "order-17" });
    const other = await run("create_payment", { transaction_amount: 10, description: "Pedido 18", payer, payment_method_id: "pix" });
    expect(other.external_reference).toMatch(/^[0-9a-f-]{36}$/);
    await rests(1);
    expect(await run("get_payment", { paymentId: String(pix.id) })).toMatchObject({ status: "approved", transaction_amount: 150.5 });
    expect(await run("search_payments", { external_reference: "order-17" })).toMatchObject({ paging: { total: 1 }, results: [{ id: pix.id }] });
    expect(await run("search_payments", { status: "pending", limit: 5 })).toMatchObject({ paging: { total: 0, limit: 5 } });
    expect(await run("create_refund", { paymentId: String(pix.id), amount: 50.5 })).toMatchObject({ amount: 50.5, status: "approved" });
    expect(await run("create_refund", { paymentId: String(other.id) })).toMatchObject({ amount: 10 });

    const customer = await run("create_customer", { email: "maria@example.com", first_name: "Maria" });
    expect(await run("list_customers", { email: "maria@example.com" })).toMatchObject({ results: [{ id: customer.id, first_name: "Maria" }] });
    expect(await run("get_payment_methods")).toMatchObject([{ id: "pix" }, { id: "bolbradesco" }]);
    expect(unrun()).toEqual([]);
    const keyed = sent.filter(({ headers }) => headers.has("x-idempotency-key")).map(({ method, url }) => `${method} ${new URL(url).pathname}`);
    expect(keyed).toEqual(["POST /v1/payments", "POST /v1/payments", `POST /v1/payments/${pix.id}/refunds`, `POST /v1/payments/${other.id}/refunds`]);
  });

  test.each([
    ["create_preference", { items: [{ title: "Caneca", quantity: 1, unit_price: 1.005 }] }, "invalid_items"],
    ["create_preference", { items: [{ title: "Caneca", quantity: 1, unit_price: 1 }], auto_return: "all" }, "invalid_auto_return"],
    ["get_preference", { preferenceId: "1-none" }, "not_found"],
    ["create_payment", { transaction_amount: 10, description: "x", payer, payment_method_id: "visa", token: "t" }, "bad_request"],
  ])("%s of %j is refused", async (name, args, error) => {
    const { refusal } = await nativeWorld(mercadoPago, mercadoPagoTwin);
    expect((await refusal(name, args)).body).toMatchObject({ error });
  });

  test("one e-mail is one customer", async () => {
    const { run, refusal } = await nativeWorld(mercadoPago, mercadoPagoTwin);
    await run("create_customer", payer);
    expect((await refusal("create_customer", payer)).body).toMatchObject({ cause: [{ code: 101 }] });
  });
});
