import { randomUUID } from "node:crypto";
import { crc32, inflateSync } from "node:zlib";
import fc from "fast-check";
import { encode } from "uqr";
import { describe, expect, test } from "vitest";
import { asaas, SYNTHETIC_PAYEE } from "../../providers/asaas/index.ts";
import { calendarDay, momentOf, shiftDay, wallTime } from "../../providers/asaas/sao-paulo.ts";
import { asaasTwin } from "../../providers/asaas/twin.ts";
import {
  SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Observation, type Provider,
  type RefundRequest,
} from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinStep, TwinWebhook } from "../../providers/twin.ts";
import { parseBoleto } from "../../schema/boleto.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import { fromDecimal } from "../../schema/money.ts";
import { buildDynamicCode, buildStaticCode, parseBrCode } from "../../schema/pix/brcode.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/asaas/ca_1";
const HOUR_MS = 3_600_000;

const aCharge: ChargeRequest = {
  amount: 15000n, currency: "BRL", method: "pix", description: "Pedido 17",
  buyer: { name: "Maria Silva", document: "111.444.777-35", email: "maria@example.com", phone: "+5511999998888" },
};
const aBoleto: ChargeRequest = { ...aCharge, method: "boleto", due_date: "2026-12-24" };
const aPayout: PayoutRequest = {
  action: "pay", amount: 4990n, currency: "BRL", method: "pix", description: "Fatura 9",
  recipient: { pix_key: "Vendor@Example.com" },
};

const merchant = { merchantName: "Padaria Sol", merchantCity: "Recife" };
const openCode = buildStaticCode({ ...merchant, key: "vendor@example.com" });
const aCodePayout: PayoutRequest = { action: "pay", amount: 4990n, currency: "BRL", method: "pix", description: "Fatura 9", copia_e_cola: openCode };

interface Sent {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Headers;
  body: unknown;
}

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

async function record(request: Request): Promise<Sent> {
  const { pathname, searchParams } = new URL(request.url);
  const text = await request.clone().text();
  const body: unknown = text === "" ? undefined : JSON.parse(text);
  const { method, headers } = request;
  return { method, path: pathname, query: Object.fromEntries(searchParams), headers, body };
}

/** The adapter and the twin together, in memory. */
async function world({ start = "2026-11-20T12:00:00.000Z", live = false } = {}) {
  const clock = new FakeClock(new Date(start));
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = asaasTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return twin.fetch(request);
  };
  const baseUrl = live ? asaas.hosts.live : asaas.hosts.test;
  return {
    clock, twin, account, sent, webhooks, store,
    call: newCall(clock),
    provider: asaas.connect({ credentials: account.credentials, settings: {}, baseUrl }, fetch),
    /** As a client that is not our adapter. */
    api: async (method: string, path: string, body?: unknown, key = account.credentials["api_key"]) => {
      const headers = { "content-type": "application/json", ...(key !== undefined && { access_token: key }) };
      const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const response = await twin.fetch(new Request(`https://api-sandbox.asaas.com/v3${path}`, init));
      return { status: response.status, body: (await response.json()) as Record<string, any> };
    },
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await store.runDue((step) => twin.run(step));
        await clock.advance(HOUR_MS);
        await store.runDue((step) => twin.run(step));
      }
    },
    told: () => webhooks.map(({ body }) => JSON.parse(body).event as string),
  };
}

/** The adapter against answers written in the test. */
function scripted(answer: (request: Sent) => Response): { provider: Provider; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return answer(sent.at(-1)!);
  };
  const credentials = { api_key: "$aact_hmlg_secret-of-the-test" };
  return { provider: asaas.connect({ credentials, settings: {}, baseUrl: asaas.hosts.test }, fetch), sent };
}

const accepted = <Outcome extends { outcome: string }>(outcome: Outcome) => {
  if (outcome.outcome !== "accepted") throw new Error(`it was ${JSON.stringify(outcome)}`);
  return outcome as Extract<Outcome, { outcome: "accepted" }>;
};

providerConformance({
  definition: asaas,
  twin: asaasTwin,
  detects: ["missing_header", "wrong_secret"],
  verbs: {
    charge: { request: aCharge, declined: { ...aCharge, amount: 15013n }, settles: { to: "succeeded" } },
    payout: { request: aPayout, declined: { ...aPayout, amount: 15013n }, settles: { to: "succeeded" } },
  },
});

providerConformance({
  definition: asaas,
  twin: asaasTwin,
  detects: ["missing_header", "wrong_secret"],
  verbs: {
    charge: { request: aBoleto, declined: { ...aBoleto, amount: 15013n }, settles: { to: "succeeded" } },
    payout: { request: aCodePayout, declined: { ...aCodePayout, amount: 15013n } },
  },
});

describe("a Pix charge", () => {
  test("is a customer looked for, a customer made, a payment and its code", async () => {
    const { provider, call, sent, account } = await world();
    const outcome = accepted(await provider.charge!(aCharge, call));
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /v3/customers", "POST /v3/customers", "POST /v3/payments", `GET /v3/payments/${outcome.ref}/pixQrCode`,
    ]);
    expect(sent[0]!.query).toEqual({ cpfCnpj: "11144477735" });
    expect(sent[1]!.body).toEqual({
      name: "Maria Silva", cpfCnpj: "11144477735", email: "maria@example.com", mobilePhone: "11999998888",
    });
    expect(sent[2]!.body).toEqual({
      customer: "cus_000000000001", billingType: "PIX", value: 150, dueDate: "2026-11-20", description: "Pedido 17",
      externalReference: REFERENCE,
    });
    for (const { headers } of sent) {
      expect(headers.get("access_token")).toBe(account.credentials["api_key"]);
      expect(headers.get("user-agent")).toBe("codespar-server");
    }
  });

  test("answers with the code to pay, its picture, the invoice and the expiry", async () => {
    const { provider, call } = await world();
    const outcome = accepted(await provider.charge!(aCharge, call));
    expect(outcome).toMatchObject({ state: "pending", action: "PENDING" });
    const { pix_copy_paste, pix_qr_code, ...rest } = outcome.result;
    expect(rest).toEqual({
      id: outcome.ref, status: "pending", amount: 15000n, currency: "BRL", method: "pix",
      charge_url: `https://sandbox.asaas.com/i/${outcome.ref.slice(4)}`,
      expires_at: "2027-11-21T02:59:59.000Z",
    });
    const code = { kind: "dynamic", amountMinor: 15000n, singleUse: true };
    expect(parseBrCode(pix_copy_paste!)).toMatchObject({ ok: true, code });
    const picture = encode(pix_copy_paste!, { ecc: "M", border: 4, maskPattern: 2 }).data;
    expect(modulesOf(Buffer.from(pix_qr_code!, "base64"))).toEqual(picture);
  });

  test("of a buyer whom Asaas knows makes no second customer", async () => {
    const { provider, clock, sent } = await world();
    await provider.charge!(aCharge, newCall(clock));
    const again = { ...aCharge, buyer: { name: "Maria", document: "11144477735" } };
    await provider.charge!(again, newCall(clock, randomUUID()));
    const payments = sent.filter(({ method, path }) => method === "POST" && path === "/v3/payments");
    const same = { customer: "cus_000000000001" };
    expect(payments.map(({ body }) => body)).toMatchObject([same, same]);
    expect(sent.filter(({ method, path }) => method === "POST" && path === "/v3/customers")).toHaveLength(1);
  });

  test("never takes a customer whose document is another, whatever the list answers", async () => {
    const { provider, sent } = scripted(({ method, path }) => {
      if (path === "/v3/customers" && method === "GET") {
        const another = { id: "cus_other", cpfCnpj: "52998224725" };
        const removed = { id: "cus_gone", cpfCnpj: "11144477735", deleted: true };
        return Response.json({ hasMore: false, data: [another, removed] });
      }
      if (path === "/v3/customers") return Response.json({ id: "cus_new" });
      if (path === "/v3/payments") return Response.json({ id: "pay_1", status: "PENDING", value: 150 });
      return Response.json({ payload: "code", encodedImage: "image" });
    });
    await provider.charge!(aCharge, newCall(new FakeClock()));
    expect(sent[2]!.body).toMatchObject({ customer: "cus_new" });
  });

  test("is due today in São Paulo unless a day is given", async () => {
    const late = await world({ start: "2026-11-21T02:59:59.000Z" });
    await late.provider.charge!(aCharge, late.call);
    expect(late.sent[2]!.body).toMatchObject({ dueDate: "2026-11-20" });
    const given = await world();
    await given.provider.charge!({ ...aCharge, due_date: "2026-12-24" }, given.call);
    expect(given.sent[2]!.body).toMatchObject({ dueDate: "2026-12-24" });
  });

  test("leaves out a phone that is not Brazilian", async () => {
    const { provider, call, sent } = await world();
    await provider.charge!({ ...aCharge, buyer: { ...aCharge.buyer, phone: "+14155550100" } }, call);
    expect(sent[1]!.body).not.toHaveProperty("mobilePhone");
  });

  test.each([
    ["buyer.document", "invalid_request", { buyer: { name: "Maria Silva" } }],
    ["buyer.document", "invalid_request", { buyer: { name: "Maria Silva", document: "111.444.777-36" } }],
    ["method", "not_permitted", { method: "card" as const }],
    ["currency", "invalid_request", { currency: "MXN" as const }],
    ["amount", "invalid_request", { amount: 1_000_000_000_000_000n }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    const outcome = await provider.charge!({ ...aCharge, ...change }, call);
    expect(outcome).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test("takes the sample CPF of the published pages in test, and refuses it live", async () => {
    const request = { ...aCharge, buyer: { name: "Maria Silva", document: "12345678900" } };
    const inTest = await world();
    accepted(await inTest.provider.charge!(request, inTest.call));
    const inLive = await world({ live: true });
    const refused = { outcome: "declined", field: "buyer.document" };
    expect(await inLive.provider.charge!(request, inLive.call)).toMatchObject(refused);
    expect(inLive.sent).toEqual([]);
  });
});

describe("a boleto", () => {
  test("answers with the line to type, a Pix code and the slip itself", async () => {
    const { provider, call, sent } = await world();
    const { ref, result, ...outcome } = accepted(await provider.charge!(aBoleto, call));
    expect(outcome).toEqual({ outcome: "accepted", state: "pending", action: "PENDING" });
    expect(sent.slice(2).map(({ method, path }) => `${method} ${path}`)).toEqual([
      "POST /v3/payments", `GET /v3/payments/${ref}/identificationField`, `GET /v3/payments/${ref}/pixQrCode`,
    ]);
    expect(sent[2]!.body).toMatchObject({ billingType: "BOLETO", value: 150, dueDate: "2026-12-24", externalReference: REFERENCE });
    expect(result).toEqual({
      id: ref, status: "pending", amount: 15000n, currency: "BRL", method: "boleto", barcode_line: expect.stringMatching(/^\d{47}$/),
      pix_copy_paste: expect.stringMatching(/^000201/), pix_qr_code: expect.any(String),
      charge_url: expect.stringMatching(/^https:\/\/sandbox\.asaas\.com\/b\/pdf\//),
    });
    expect(parseBoleto(result.barcode_line!, { today: "2026-11-20" })).toMatchObject({
      ok: true, boleto: { kind: "bank", bank: "461", amountMinor: 15000n, dueDate: "2026-12-24" },
    });
  });

  test.each([
    ["has no line yet", { identificationField: 400, pixQrCode: 200 }, { barcode_line: undefined, pix_copy_paste: "000201" }],
    ["has a line whose digits do not hold", { identificationField: "46191.10009", pixQrCode: 200 }, { barcode_line: undefined }],
    ["has no Pix code, for the account has no key", { identificationField: "03399.77779 29900.000000 04751.101017 1 81510000002990", pixQrCode: 400 }, {
      barcode_line: "03399777792990000000004751101017181510000002990", pix_copy_paste: undefined,
    }],
  ])("that %s can still be paid from its page", async (_what, answers, expected) => {
    const { provider } = scripted(({ path, method }) => {
      if (path.endsWith("/customers")) return Response.json({ data: [{ id: "cus_1", cpfCnpj: "11144477735" }], hasMore: false });
      if (method === "POST") return Response.json({ id: "pay_1", status: "PENDING", value: 150, billingType: "BOLETO", bankSlipUrl: "https://asaas.example/b/1" });
      const answer = path.endsWith("pixQrCode") ? answers.pixQrCode : answers.identificationField;
      if (answer === 400) return Response.json({ errors: [{ code: "invalid_action", description: "Ainda não" }] }, { status: 400 });
      return Response.json(path.endsWith("pixQrCode") ? { payload: "000201", encodedImage: "aQ==" } : { identificationField: answer });
    });
    const { result } = accepted(await provider.charge!(aBoleto, newCall(new FakeClock())));
    expect(result).toMatchObject({ ...expected, charge_url: "https://asaas.example/b/1" });
  });

  test("is due today at the earliest, by the day in São Paulo", async () => {
    const late = await world({ start: "2026-11-21T02:30:00.000Z" });
    accepted(await late.provider.charge!({ ...aBoleto, due_date: "2026-11-20" }, late.call));
    const next = await world({ start: "2026-11-21T03:30:00.000Z" });
    expect(await next.provider.charge!({ ...aBoleto, due_date: "2026-11-20" }, next.call)).toMatchObject({
      outcome: "declined", reason: "invalid_request", field: "due_date",
    });
    expect(next.sent).toEqual([]);
  });

  test.each([
    ["due_date", { due_date: undefined }],
    ["amount", { amount: 10_000_000_000n }],
    ["buyer.document", { buyer: { name: "Maria Silva" } }],
  ])("without a %s that it can have is declined before anything is sent", async (field, change) => {
    const { provider, call, sent } = await world();
    expect(await provider.charge!({ ...aBoleto, ...change }, call)).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(sent).toEqual([]);
  });

  test("whose answer was lost is found with its line", async () => {
    const { provider, call, clock } = await world();
    const { result, ref } = accepted(await provider.charge!(aBoleto, call));
    const found = await provider.lookup!({ verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" }, newCall(clock));
    const { barcode_line, charge_url, pix_copy_paste } = result;
    expect(found).toMatchObject({ ref, state: "pending", result: { barcode_line, charge_url, pix_copy_paste } });
  });
});

describe("a Pix code that is paid", () => {
  const subject = { verb: "payout", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;
  const dynamicCode = buildDynamicCode({ ...merchant, location: "pix.example.com/qr/v2/cobv/1", amountMinor: 4990n });

  test("is read by Asaas, written down, and paid once, our reference before the description", async () => {
    const { provider, call, sent } = await world();
    const notesWhenSent: unknown[] = [];
    const { note } = call;
    call.note = async (notes) => {
      notesWhenSent.push(notes, sent.length);
      await note(notes);
    };
    const outcome = accepted(await provider.payout!(aCodePayout, call));
    expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([
      { method: "POST", path: "/v3/pix/qrCodes/decode", body: { payload: openCode } },
      { method: "POST", path: "/v3/pix/qrCodes/pay", body: { qrCode: { payload: openCode }, value: 49.9, description: `${REFERENCE} Fatura 9` } },
    ]);
    expect(notesWhenSent).toEqual([{ requested_on: "2026-11-20", code_amount: "4990" }, 1, { transaction: outcome.ref }, 2]);
    expect(outcome).toEqual({
      outcome: "accepted", ref: outcome.ref, state: "pending", action: "AWAITING_REQUEST",
      result: {
        id: outcome.ref, status: "pending", settled: false, end_to_end_id: undefined, amount: 4990n, currency: "BRL", method: "pix",
        recipient: "vendor@example.com",
      },
    });
  });

  test("settles to what a lookup then tells", async () => {
    const { provider, call, rests } = await world();
    const { ref } = accepted(await provider.payout!({ ...aCodePayout, copia_e_cola: dynamicCode }, call));
    await rests(1);
    expect(await provider.lookup!({ ...subject, ref }, call)).toEqual({
      ref, state: "succeeded", action: "DONE", amountMinor: 4990n, feeMinor: 0n, currency: "BRL", occurredAt: new Date("2026-11-20T13:00:00.000Z"),
      endToEndId: expect.stringMatching(/^E19540550/), result: { id: ref, status: "succeeded", settled: true, end_to_end_id: expect.any(String) },
    });
  });

  test("and refused by the other bank says why", async () => {
    const { provider, call, rests } = await world();
    accepted(await provider.payout!({ ...aCodePayout, amount: 5018n }, call));
    await rests(1);
    expect(await provider.lookup!(subject, call)).toMatchObject({ state: "failed", action: "REFUSED", failure: { reason: "refused" } });
  });

  test("keeps its reference, however long the description", async () => {
    const { provider, call, sent } = await world();
    accepted(await provider.payout!({ ...aCodePayout, description: "x".repeat(500) }, call));
    expect((sent[1]!.body as { description: string }).description).toBe(`${REFERENCE} ${"x".repeat(103)}`);
  });

  test.each([
    ["no code", "copia_e_cola", { copia_e_cola: "00020126580014br.gov.bcb.pix" }],
    ["a code with a changed character", "copia_e_cola", { copia_e_cola: openCode.replace("Recife", "Recifo") }],
    ["another amount than its own", "amount", { copia_e_cola: buildStaticCode({ ...merchant, key: "vendor@example.com", amountMinor: 4991n }) }],
    ["a payee beside the code", "recipient", { recipient: { pix_key: "vendor@example.com" } }],
    ["no amount", "amount", { amount: undefined }],
  ])("is declined before anything is sent for %s", async (_what, field, change) => {
    const { provider, call, sent } = await world();
    const outcome = await provider.payout!({ ...aCodePayout, ...change }, call);
    expect(outcome).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(sent).toEqual([]);
    expect(JSON.stringify(outcome)).not.toContain("000201");
  });

  test.each([
    ["it asks for another amount where it leads", { totalValue: 50, canBePaid: true }, { reason: "invalid_request", field: "amount" }],
    ["it has expired", { canBePaid: false, cannotBePaidReason: `${openCode} expirou` }, { reason: "refused", field: "copia_e_cola", message: "*** expirou" }],
    ["Asaas cannot read it", 400, { field: "copia_e_cola", message: "Inválido: ***" }],
  ])("is not paid when %s", async (_what, decoded, expected) => {
    const { provider, sent } = scripted(() => typeof decoded === "number"
      ? Response.json({ errors: [{ code: "invalid_object", description: `Inválido: ${openCode}` }] }, { status: decoded })
      : Response.json(decoded));
    const call = newCall(new FakeClock());
    expect(await provider.payout!(aCodePayout, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(sent.map(({ path }) => path)).toEqual(["/v3/pix/qrCodes/decode"]);
    expect(call.acted).toBe(false);
  });

  test("of whose refusal nothing repeats the code", async () => {
    const { provider } = scripted(({ path }) => path.endsWith("decode")
      ? Response.json({})
      : Response.json({ errors: [{ code: "invalid_action", description: `Não foi possível pagar ${openCode}` }] }, { status: 400 }));
    expect(await provider.payout!(aCodePayout, newCall(new FakeClock()))).toMatchObject({ outcome: "declined", message: "Não foi possível pagar ***" });
  });

  describe("when its answer was lost", () => {
    const notes = { requested_on: "2026-11-20", code_amount: "4990" };
    const lookUp = async (pages: object[][], more: Record<string, string> = {}) => {
      const { provider, sent } = scripted(({ query }) => {
        const at = Number(query["offset"]) / 100;
        return Response.json({ data: pages[at] ?? [], hasMore: at < pages.length - 1 });
      });
      const call = { ...newCall(new FakeClock()), notes: { ...notes, ...more } };
      return { found: await provider.lookup!(subject, call).catch((error: unknown) => error), sent };
    };
    const sentRow = (change: object = {}) =>
      ({ id: "p1", status: "DONE", type: "DEBIT", value: 49.9, description: `${REFERENCE} Fatura 9`, dateCreated: "2026-11-20 09:00:00", ...change });

    test("is found among what was sent, on whichever page", async () => {
      const { found, sent } = await lookUp([[sentRow({ id: "p0", description: `${randomUUID()} Fatura 9` })], [sentRow()]]);
      expect(found).toMatchObject({ ref: "p1", state: "succeeded", amountMinor: 4990n });
      expect(sent.map(({ path, query }) => [path, query])).toEqual([
        ["/v3/pix/transactions", { type: "DEBIT", limit: "100", offset: "0" }], ["/v3/pix/transactions", { type: "DEBIT", limit: "100", offset: "100" }],
      ]);
    });

    test.each([
      ["nothing was sent", []],
      ["what was sent carries other references", [sentRow({ description: randomUUID() })]],
      ["what was sent is of another amount", [sentRow({ description: "Fatura", value: 50 })]],
      ["what was sent is older", [sentRow({ description: "Fatura", dateCreated: "2026-11-18 23:59:59" })]],
      ["the same description was received, and not sent", [sentRow({ type: "CREDIT" })]],
    ])("was never made if %s", async (_what, rows) => {
      expect((await lookUp([rows])).found).toBeUndefined();
    });

    test.each([
      ["a transaction of that amount does not say whose it is", { description: null }],
      ["its description came back changed", { description: `Pix: ${REFERENCE}` }],
      ["its day is not told", { description: "Fatura", dateCreated: null }],
    ])("cannot be denied while %s", async (_what, change) => {
      expect((await lookUp([[sentRow(change)]])).found).toBeInstanceOf(Unanswered);
    });

    test("cannot be denied by a list without end", async () => {
      const { found, sent } = await lookUp(Array.from({ length: 30 }, () => []));
      expect(found).toBeInstanceOf(Unanswered);
      expect(sent).toHaveLength(20);
    });

    test("is not denied by an Asaas that has forgotten its own transaction", async () => {
      const { provider, sent } = scripted(() => Response.json({ errors: [{ code: "not_found", description: "Nada" }] }, { status: 404 }));
      const call = { ...newCall(new FakeClock()), notes: { ...notes, transaction: "p1" } };
      await expect(provider.lookup!({ ...subject, ref: "p1" }, call)).rejects.toBeInstanceOf(Unanswered);
      expect(sent.map(({ path }) => path)).toEqual(["/v3/pix/transactions/p1"]);
    });
  });

  test.each([
    ["AWAITING_BALANCE_VALIDATION", "pending"], ["AWAITING_CRITICAL_ACTION_AUTHORIZATION", "pending"], ["SCHEDULED", "pending"],
    ["REQUESTED", "pending"], ["DONE", "succeeded"], ["REFUSED", "failed"], ["CANCELLED", "failed"], ["A_WORD_TO_COME", "pending"],
  ])("that is %s reads as %s", async (status, state) => {
    const { provider } = scripted(() => Response.json({ id: "p1", status, value: 49.9 }));
    const call = { ...newCall(new FakeClock()), notes: { requested_on: "2026-11-20", code_amount: "4990", transaction: "p1" } };
    expect(await provider.lookup!({ ...subject, ref: "p1" }, call)).toMatchObject({ state, action: status });
  });
});

describe("a refund", () => {
  const charged = { ref: "pay_1", method: "pix", amount: 15000n };
  const request: RefundRequest = { charge: charged, amount: 4000n, currency: "BRL", description: "Pedido 17" };
  const notes = { payment: "pay_1", refund_amount: "4000" };
  const subject = { verb: "refund", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;
  const made = (change: object = {}) => ({ status: "DONE", value: 40, description: `${REFERENCE} Pedido 17`, effectiveDate: "2026-11-20 10:00:00", ...change });

  test("is one request at its charge, written down first, our reference before the description", async () => {
    const { provider, call, sent, rests, clock } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await rests(1);
    const refunding = newCall(clock, randomUUID());
    const notesWhenSent: unknown[] = [];
    refunding.note = async (more) => {
      notesWhenSent.push(more, sent.length);
      refunding.notes = { ...refunding.notes, ...more };
    };
    sent.length = 0;
    const outcome = accepted(await provider.refund!({ ...request, charge: { ...charged, ref } }, refunding));
    expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([
      { method: "POST", path: `/v3/payments/${ref}/refund`, body: { value: 40, description: `${refunding.reference} Pedido 17` } },
    ]);
    expect(notesWhenSent).toEqual([{ payment: ref, refund_amount: "4000" }, 0]);
    expect(outcome).toMatchObject({ ref: `${ref}/refunds/${refunding.reference}`, state: "succeeded", action: "DONE", result: { amount: 4000n, settled: true } });
    expect(await provider.lookup!({ ...subject, reference: refunding.reference }, refunding)).toMatchObject({ ref: outcome.ref, state: "succeeded", amountMinor: 4000n });
  });

  test.each([
    ["PENDING", "pending"], ["AWAITING_CRITICAL_ACTION_AUTHORIZATION", "pending"], ["AWAITING_CUSTOMER_EXTERNAL_AUTHORIZATION", "pending"],
    ["DONE", "succeeded"], ["CANCELLED", "failed"], ["A_WORD_TO_COME", "pending"],
  ])("that is %s reads as %s", async (status, state) => {
    const { provider } = scripted(() => Response.json({ data: [made({ description: "Outro", value: 1 }), made({ status })], hasMore: false }));
    expect(await provider.lookup!(subject, { ...newCall(new FakeClock()), notes })).toMatchObject({ state, action: status, amountMinor: 4000n });
  });

  test("of whose answer no refund is ours is pending, until a lookup finds it", async () => {
    const { provider } = scripted(() => Response.json({ status: "REFUND_IN_PROGRESS", refunds: [made({ description: null })] }));
    expect(await provider.refund!(request, newCall(new FakeClock()))).toMatchObject({ outcome: "accepted", state: "pending", action: "REFUND_IN_PROGRESS" });
  });

  test.each([
    ["never arrived if its charge has none", [], undefined],
    ["never arrived if those of its charge are another's", [made({ description: randomUUID() }), made({ description: "Outro", value: 41 })], undefined],
    ["cannot be denied while one of its amount does not say whose it is", [made({ description: null })], Unanswered],
  ])("%s", async (_what, data, expected) => {
    const { provider } = scripted(() => Response.json({ data, hasMore: false }));
    const found = await provider.lookup!(subject, { ...newCall(new FakeClock()), notes }).catch((error: Error) => error.constructor);
    expect(found).toBe(expected);
  });

  test("of a boleto is declined before anything is sent", async () => {
    const { provider, call, sent } = await world();
    expect(await provider.refund!({ ...request, charge: { ...charged, method: "boleto" } }, call)).toMatchObject({ outcome: "declined", reason: "not_permitted" });
    expect(sent).toEqual([]);
  });
});

describe("a Pix payout", () => {
  test("is one transfer to the key, and its day is written down first", async () => {
    const { provider, call, sent } = await world();
    const notesWhenSent: unknown[] = [];
    call.note = async (notes) => void notesWhenSent.push(notes, sent.length);
    const outcome = accepted(await provider.payout!(aPayout, call));
    expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([{
      method: "POST",
      path: "/v3/transfers",
      body: {
        value: 49.9, operationType: "PIX", pixAddressKey: "vendor@example.com", pixAddressKeyType: "EMAIL",
        description: "Fatura 9", externalReference: REFERENCE,
      },
    }]);
    expect(notesWhenSent).toEqual([{ requested_on: "2026-11-20" }, 0]);
    expect(outcome).toEqual({
      outcome: "accepted", ref: outcome.ref, state: "pending", action: "PENDING",
      result: {
        id: outcome.ref, status: "pending", settled: false, end_to_end_id: undefined, amount: 4990n, currency: "BRL",
        method: "pix", recipient: "vendor@example.com",
      },
    });
  });

  test.each([
    ["529.982.247-25", "52998224725", "CPF"],
    ["11.222.333/0001-81", "11222333000181", "CNPJ"],
    ["+55 11 99999-8888", "+5511999998888", "PHONE"],
    ["Vendor@Example.com", "vendor@example.com", "EMAIL"],
    ["123E4567-E89B-12D3-A456-426655440000", "123e4567-e89b-12d3-a456-426655440000", "EVP"],
  ])("tells the kind of %s from its shape", async (pix_key, pixAddressKey, pixAddressKeyType) => {
    const { provider, call, sent } = await world();
    accepted(await provider.payout!({ ...aPayout, recipient: { pix_key } }, call));
    expect(sent[0]!.body).toMatchObject({ pixAddressKey, pixAddressKeyType });
  });

  test("without a recipient pays nobody in test, and is refused live", async () => {
    const { recipient: _nobody, ...request } = aPayout;
    const inTest = await world();
    const outcome = accepted(await inTest.provider.payout!(request, inTest.call));
    expect(outcome.result.recipient).toBe(SYNTHETIC_PAYEE);
    expect(inTest.sent[0]!.body).toMatchObject({ pixAddressKey: SYNTHETIC_PAYEE, pixAddressKeyType: "EVP" });
    const inLive = await world({ live: true });
    expect(await inLive.provider.payout!(request, inLive.call)).toMatchObject({
      outcome: "declined", reason: "invalid_request", field: "recipient",
    });
    expect(inLive.sent).toEqual([]);
  });

  test.each([
    ["amount", "invalid_request", { amount: undefined }],
    ["amount", "invalid_request", { amount: 1_000_000_000_000_000n }],
    ["currency", "invalid_request", { currency: "USD" as const }],
    ["method", "not_permitted", { method: "wire" as const }],
    ["recipient.pix_key", "invalid_request", { recipient: { name: "Vendor", bank_account: { bank: "001" } } }],
    ["recipient.pix_key", "invalid_request", { recipient: { pix_key: "11999998888" } }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    const outcome = await provider.payout!({ ...aPayout, ...change }, call);
    expect(outcome).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
    expect(call.notes).toEqual({});
  });

  test("that is done says so in the answer", async () => {
    const endToEndIdentifier = "E19540550202611201200abcdefghijk";
    const { provider } = scripted(() => Response.json({ id: "t1", status: "DONE", value: 49.9, endToEndIdentifier }));
    const outcome = accepted(await provider.payout!(aPayout, newCall(new FakeClock())));
    const result = { settled: true, status: "succeeded", end_to_end_id: endToEndIdentifier };
    expect(outcome).toMatchObject({ state: "succeeded", result });
  });

  test("sends every amount to the centavo", async () => {
    let value: unknown;
    const { provider } = scripted(({ body }) => {
      value = (body as { value: unknown }).value;
      return Response.json({ id: "t1", status: "PENDING", value });
    });
    await fc.assert(fc.asyncProperty(fc.bigInt(1n, 999_999_999_999_999n), async (amount) => {
      await provider.payout!({ ...aPayout, amount }, newCall(new FakeClock()));
      expect(fromDecimal(JSON.stringify(value), "BRL")).toBe(amount);
    }));
  });
});

describe("a refusal", () => {
  const error = (code: string, description: string) => ({ errors: [{ code, description }] });

  test.each([
    [400, error("invalid_value", "Pouco"), { reason: "invalid_request", field: "amount", message: "Pouco" }],
    [400, error("invalid_dueDate", "Vencida"), { reason: "invalid_request", field: "due_date" }],
    [400, error("invalid_object", "O CPF/CNPJ é inválido."), { reason: "invalid_request", field: "buyer.document" }],
    [400, error("invalid_mobilePhone", "Celular inválido"), { reason: "invalid_request", field: "buyer.phone" }],
    [400, error("invalid_pixAddressKey", "Chave inválida"), { reason: "invalid_request", field: "recipient.pix_key" }],
    [400, error("invalid_action", "Saldo insuficiente para a operação."), { reason: "insufficient_funds" }],
    [400, error("insufficient_balance", "-"), { reason: "insufficient_funds" }],
    [400, error("something_new", "Algo"), { reason: "unspecified", message: "Algo" }],
    [400, "not their shape", { reason: "unspecified", message: "Asaas answered 400" }],
    [401, error("invalid_access_token", "A chave é inválida"), { reason: "unauthorized" }],
    [403, {}, { reason: "unauthorized" }],
    [409, {}, { reason: "duplicate" }],
    [429, {}, { reason: "rate_limited" }],
  ])("with status %i and body %j is a decline", async (status, body, expected) => {
    const { provider } = scripted(() => Response.json(body, { status }));
    const call = newCall(new FakeClock());
    expect(await provider.payout!(aPayout, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });

  test("of the customer declines the charge before any payment", async () => {
    const { provider, sent } = scripted(({ method }) => method === "GET"
      ? Response.json({ data: [], hasMore: false })
      : Response.json(error("invalid_email", "E-mail inválido"), { status: 400 }));
    const outcome = await provider.charge!(aCharge, newCall(new FakeClock()));
    expect(outcome).toMatchObject({ outcome: "declined", field: "buyer.email" });
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual(["GET /v3/customers", "POST /v3/customers"]);
  });
});

test("a connection without its key sends nothing and names what is missing", async () => {
  const provider = asaas.connect({ credentials: {}, settings: {}, baseUrl: asaas.hosts.test }, () => {
    throw new Error("it was sent");
  });
  const call = newCall(new FakeClock());
  const missing = await provider.charge!(aCharge, call).catch((thrown: unknown) => thrown);
  expect(missing).toBeInstanceOf(SetupMissing);
  expect(missing).toMatchObject({ setting: "api_key" });
});

describe("a lookup", () => {
  const subject = { verb: "payout", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;
  const row = (externalReference: string | null) => ({ id: "t1", status: "DONE", value: 49.9, externalReference });

  test("of a charge whose answer was lost brings the code to pay", async () => {
    const { provider, call, clock } = await world();
    const { result } = accepted(await provider.charge!(aCharge, call));
    const found = await provider.lookup!({ ...subject, verb: "charge" }, newCall(clock));
    expect(found).toMatchObject({ state: "pending", action: "PENDING", amountMinor: 15000n, currency: "BRL" });
    expect(found!.result).toMatchObject({ pix_copy_paste: result.pix_copy_paste, charge_url: result.charge_url });
    expect(found).not.toHaveProperty("feeMinor");
  });

  test("still finds a charge for which Asaas gives no code", async () => {
    const unpaid = { ...row(REFERENCE), status: "PENDING", invoiceUrl: "https://asaas.example/i/1" };
    const { provider } = scripted(({ path }) => path.endsWith("pixQrCode")
      ? Response.json({ errors: [{ code: "invalid_action", description: "Sem chave Pix" }] }, { status: 400 })
      : Response.json({ data: [unpaid], hasMore: false }));
    const found = await provider.lookup!({ ...subject, verb: "charge" }, newCall(new FakeClock()));
    expect(found).toMatchObject({ state: "pending", result: { charge_url: "https://asaas.example/i/1" } });
  });

  test("of a paid charge tells the fee", async () => {
    const { provider, call, clock, rests } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await rests(1);
    expect(await provider.lookup!({ ...subject, verb: "charge", ref }, newCall(clock))).toEqual({
      ref, state: "succeeded", action: "RECEIVED", amountMinor: 15000n, feeMinor: 199n, currency: "BRL",
    });
  });

  test("of a transfer asks for the days around its own", async () => {
    const { provider, call, sent, clock } = await world({ start: "2026-12-31T12:00:00.000Z" });
    const { ref } = accepted(await provider.payout!(aPayout, call));
    await provider.lookup!(subject, call);
    expect(sent[1]!.query).toEqual({
      externalReference: REFERENCE, "dateCreatedLe[ge]": "2026-12-30", "dateCreatedLe[le]": "2027-01-01",
      limit: "100", offset: "0",
    });
    expect(await provider.lookup!(subject, newCall(clock))).toMatchObject({ ref });
  });

  test("reads on from page to page, for Asaas may ignore the reference", async () => {
    const { provider, clock, sent } = await world();
    const { ref } = accepted(await provider.payout!(aPayout, newCall(clock)));
    for (let other = 0; other < 120; other++) {
      await clock.advance(1);
      await provider.payout!(aPayout, newCall(clock, randomUUID()));
    }
    sent.length = 0;
    expect(await provider.lookup!(subject, newCall(clock))).toMatchObject({ ref, state: "pending" });
    expect(sent.map(({ query }) => query["offset"])).toEqual(["0", "100"]);
    expect(await provider.lookup!({ ...subject, reference: randomUUID() }, newCall(clock))).toBeUndefined();
  });

  test("of a list without end says that it cannot say", async () => {
    const { provider, sent } = scripted(() => Response.json({ data: [row(null)], hasMore: true }));
    await expect(provider.lookup!(subject, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
    expect(sent).toHaveLength(20);
  });

  test("believes no object that carries another reference", async () => {
    const { provider } = scripted(({ path }) => path === "/v3/transfers"
      ? Response.json({ data: [row(randomUUID()), row(null)], hasMore: false })
      : Response.json(row(randomUUID())));
    expect(await provider.lookup!({ ...subject, ref: "t1" }, newCall(new FakeClock()))).toBeUndefined();
  });

  test.each([
    ["PENDING", "pending"], ["AWAITING_RISK_ANALYSIS", "pending"], ["AUTHORIZED", "pending"],
    ["DUNNING_REQUESTED", "pending"], ["CONFIRMED", "succeeded"], ["RECEIVED", "succeeded"],
    ["RECEIVED_IN_CASH", "succeeded"], ["DUNNING_RECEIVED", "succeeded"], ["OVERDUE", "updated"],
    ["REFUNDED", "refunded"], ["REFUND_REQUESTED", "updated"], ["REFUND_IN_PROGRESS", "updated"],
    ["PARTIALLY_REFUNDED", "updated"], ["CHARGEBACK_REQUESTED", "updated"], ["CHARGEBACK_DISPUTE", "updated"],
    ["AWAITING_CHARGEBACK_REVERSAL", "updated"], ["A_WORD_TO_COME", "pending"],
  ])("reads a charge that is %s as %s", async (status, state) => {
    const { provider } = scripted(() => Response.json({ ...row(REFERENCE), status }));
    const found = await provider.lookup!({ ...subject, verb: "charge", ref: "t1" }, newCall(new FakeClock()));
    expect(found).toMatchObject({ state, action: status });
  });

  test("reads a removed charge as changed, not as failed, for it can be restored", async () => {
    const { provider } = scripted(() => Response.json({ ...row(REFERENCE), status: "PENDING", deleted: true }));
    const found = await provider.lookup!({ ...subject, verb: "charge", ref: "t1" }, newCall(new FakeClock()));
    expect(found).toMatchObject({ state: "updated", action: "DELETED" });
  });

  test.each([
    ["PENDING", "pending"], ["BANK_PROCESSING", "pending"], ["BLOCKED", "updated"], ["DONE", "succeeded"],
    ["FAILED", "failed"], ["CANCELLED", "failed"], ["A_WORD_TO_COME", "pending"],
  ])("reads a transfer that is %s as %s", async (status, state) => {
    const { provider } = scripted(() => Response.json({ ...row(REFERENCE), status, transferFee: 2 }));
    const found = await provider.lookup!({ ...subject, ref: "t1" }, newCall(new FakeClock()));
    const result = { settled: state === "succeeded" };
    expect(found).toMatchObject({ state, action: status, amountMinor: 4990n, feeMinor: 200n, result });
  });

  test("of an amount that is no amount cannot say", async () => {
    const { provider } = scripted(() => Response.json({ ...row(REFERENCE), value: 49.905 }));
    const found = provider.lookup!({ ...subject, ref: "t1" }, newCall(new FakeClock()));
    await expect(found).rejects.toBeInstanceOf(Unanswered);
  });
});

describe("a notification", () => {
  const { verify, read } = asaas.notifications!;
  const secret = "correct-horse-battery-staple-32-ch";
  const message = (body: unknown, token?: string): InboundMessage => ({
    method: "POST",
    url: new URL(HOOK),
    headers: new Headers(token === undefined ? [] : [["asaas-access-token", token]]),
    body: new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body)),
  });
  const verdict = (token?: string, secrets = [secret]) =>
    verify(message({}, token), { secrets, settings: {}, now: new Date() });

  test.each([
    ["the token", secret, [secret], true],
    ["the token of before", secret, ["new-secret", secret], true],
    ["another token", `${secret}!`, [secret], false],
    ["a part of the token", secret.slice(0, -1), [secret], false],
    ["no token", undefined, [secret], false],
    ["an empty token where the secret is empty", "", [""], false],
    ["any token where there is no secret", secret, [], false],
  ])("with %s is judged", (_name, token, secrets, ok) => {
    const found = verdict(token, secrets);
    expect(found.ok).toBe(ok);
    expect(JSON.stringify(found)).not.toContain(secret);
  });

  const payment = { id: "pay_1", status: "RECEIVED", value: 150, netValue: 148.01, externalReference: REFERENCE };
  const transfer = { id: "t1", status: "DONE", value: 49.9, transferFee: 0, externalReference: REFERENCE };

  test("of a received payment tells amount, fee, time and reference", () => {
    const body = { id: "evt_05b7&368604920", event: "PAYMENT_RECEIVED", dateCreated: "2026-11-20 09:00:01", payment };
    expect(read(message(body))).toEqual([{
      eventId: "evt_05b7&368604920",
      ref: "pay_1",
      reference: REFERENCE,
      observation: {
        ref: "pay_1", state: "succeeded", action: "PAYMENT_RECEIVED", amountMinor: 15000n, feeMinor: 199n,
        currency: "BRL", occurredAt: new Date("2026-11-20T12:00:01.000Z"),
      },
    }]);
  });

  test.each([
    ["PAYMENT_CREATED", "pending"], ["PAYMENT_UPDATED", "updated"], ["PAYMENT_CONFIRMED", "succeeded"],
    ["PAYMENT_RECEIVED", "succeeded"], ["PAYMENT_OVERDUE", "updated"], ["PAYMENT_DELETED", "updated"],
    ["PAYMENT_RESTORED", "updated"], ["PAYMENT_REFUNDED", "refunded"], ["PAYMENT_PARTIALLY_REFUNDED", "updated"],
    ["PAYMENT_REFUND_IN_PROGRESS", "updated"], ["PAYMENT_CHARGEBACK_REQUESTED", "updated"],
  ])("%s is read as %s", (event, state) => {
    expect(read(message({ id: "evt_1", event, payment }))[0]!.observation).toMatchObject({ state, action: event });
  });

  test.each([
    ["TRANSFER_CREATED", "pending"], ["TRANSFER_PENDING", "pending"], ["TRANSFER_IN_BANK_PROCESSING", "pending"],
    ["TRANSFER_BLOCKED", "updated"], ["TRANSFER_DONE", "succeeded"], ["TRANSFER_FAILED", "failed"],
    ["TRANSFER_CANCELLED", "failed"],
  ])("%s is read as %s", (event, state) => {
    const [told] = read(message({ id: "evt_1", event, transfer }));
    expect(told!.observation).toMatchObject({ state, action: event, amountMinor: 4990n });
  });

  test("of a failed transfer says why", () => {
    const failed = { ...transfer, status: "FAILED", failReason: "Conta de destino encerrada" };
    const [event] = read(message({ id: "evt_1", event: "TRANSFER_FAILED", transfer: failed }));
    expect(event!.observation.failure).toEqual({ reason: "refused", message: "Conta de destino encerrada" });
  });

  test("without an id of its own gets one from its event and object", () => {
    expect(read(message({ event: "PAYMENT_RECEIVED", payment }))[0]!.eventId).toBe("PAYMENT_RECEIVED:pay_1");
  });

  test.each([
    ["an event of another kind", { id: "evt_1", event: "INVOICE_CREATED", invoice: {} }],
    ["an event with a borrowed name", { id: "evt_1", event: "constructor", payment }],
    ["a payment that cannot be read", { id: "evt_1", event: "PAYMENT_RECEIVED", payment: { id: 7 } }],
    ["no JSON", "{"],
  ])("with %s is read as nothing", (_name, body) => {
    expect(read(message(body))).toEqual([]);
  });
});

describe("the twin", () => {
  const states = async (amount: bigint, what: "charge" | "boleto" | "payout", rests: number) => {
    const here = await world();
    const verb = what === "payout" ? what : "charge";
    if (what !== "payout") accepted(await here.provider.charge!({ ...(what === "boleto" ? aBoleto : aCharge), amount }, here.call));
    else accepted(await here.provider.payout!({ ...aPayout, amount }, here.call));
    await here.rests(rests);
    const found: Observation | undefined = await here.provider.lookup!(
      { verb, reference: REFERENCE, ref: undefined, currency: "BRL" }, newCall(here.clock));
    return { told: here.told(), state: found!.state };
  };

  test.each([
    [15000n, ["PAYMENT_CREATED", "PAYMENT_RECEIVED"], "succeeded"],
    [15014n, ["PAYMENT_CREATED"], "pending"],
    [15015n, ["PAYMENT_CREATED", "PAYMENT_OVERDUE"], "updated"],
    [15016n, ["PAYMENT_CREATED", "PAYMENT_OVERDUE", "PAYMENT_RECEIVED"], "succeeded"],
    [15017n, ["PAYMENT_CREATED", "PAYMENT_RECEIVED", "PAYMENT_REFUNDED"], "refunded"],
  ])("takes a charge of %i centavos through %j", async (amount, told, state) => {
    expect(await states(amount, "charge", 3)).toEqual({ told, state });
  });

  test.each([
    [15000n, ["PAYMENT_CREATED", "PAYMENT_CONFIRMED", "PAYMENT_RECEIVED"], "succeeded"],
    [15015n, ["PAYMENT_CREATED", "PAYMENT_OVERDUE"], "updated"],
    [15016n, ["PAYMENT_CREATED", "PAYMENT_OVERDUE", "PAYMENT_CONFIRMED", "PAYMENT_RECEIVED"], "succeeded"],
  ])("takes a boleto of %i centavos through %j", async (amount, told, state) => {
    expect(await states(amount, "boleto", 3)).toEqual({ told, state });
  });

  test("does not refund a boleto as it refunds a Pix charge", async () => {
    const { provider, call, rests, api } = await world();
    const { ref } = accepted(await provider.charge!(aBoleto, call));
    await rests(2);
    expect(await api("POST", `/payments/${ref}/refund`, {})).toMatchObject({ status: 400, body: { errors: [{ code: "invalid_action" }] } });
  });

  test.each([
    [15000n, ["TRANSFER_CREATED", "TRANSFER_DONE"], "succeeded"],
    [15014n, ["TRANSFER_CREATED"], "pending"],
    [15018n, ["TRANSFER_CREATED", "TRANSFER_FAILED"], "failed"],
  ])("takes a transfer of %i centavos through %j", async (amount, told, state) => {
    expect(await states(amount, "payout", 3)).toEqual({ told, state });
  });

  test.each([
    ["charge", 15013n, { reason: "invalid_request", field: "amount" }],
    ["payout", 15013n, { reason: "insufficient_funds" }],
    ["payout", 15019n, { reason: "duplicate" }],
  ] as const)("refuses a %s of %i centavos", async (verb, amount, expected) => {
    const { provider, call } = await world();
    const outcome = verb === "charge"
      ? await provider.charge!({ ...aCharge, amount }, call)
      : await provider.payout!({ ...aPayout, amount }, call);
    expect(outcome).toMatchObject({ outcome: "declined", ...expected });
  });

  test("posts each event with the account's token, to the account's address", async () => {
    const { provider, call, webhooks, account, rests } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await rests(1);
    expect(webhooks.map(({ url, headers }) => ({ url, token: headers["asaas-access-token"] }))).toEqual([
      { url: HOOK, token: account.webhookSecret }, { url: HOOK, token: account.webhookSecret },
    ]);
    const body = JSON.parse(webhooks[1]!.body);
    expect(body).toMatchObject({
      event: "PAYMENT_RECEIVED", dateCreated: "2026-11-20 10:00:00",
      payment: {
        id: ref, status: "RECEIVED", value: 150, netValue: 148.01, externalReference: REFERENCE,
        paymentDate: "2026-11-20",
      },
    });
    expect(body.id).toMatch(/^evt_[0-9a-f]{32}&\d+$/);
  });

  test("tells a repeated step again under the same event id and changes nothing", async () => {
    const { provider, call, twin, clock, store, webhooks, api } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await clock.advance(HOUR_MS);
    const steps: TwinStep[] = [];
    await store.runDue(async (step) => void steps.push(step));
    for (const step of [...steps, ...steps]) await twin.run(step);
    const before = await api("GET", `/payments/${ref}`);
    await twin.run(steps.at(-1)!);
    expect(await api("GET", `/payments/${ref}`)).toEqual(before);
    const ids = webhooks.map(({ body }) => JSON.parse(body).id as string);
    expect({ told: ids.length, distinct: new Set(ids).size }).toEqual({ told: 5, distinct: 2 });
  });

  test("leaves a charge alone that was refunded before its time", async () => {
    const { provider, call, api, rests, told } = await world();
    const { ref } = accepted(await provider.charge!({ ...aCharge, amount: 15017n }, call));
    await rests(1);
    await api("POST", `/payments/${ref}/refund`, {});
    await rests(2);
    expect(told()).toEqual(["PAYMENT_CREATED", "PAYMENT_RECEIVED", "PAYMENT_REFUNDED"]);
  });

  test("makes a second payment of a repeated request", async () => {
    const { api, provider, call, sent } = await world();
    await provider.charge!(aCharge, call);
    const again = await api("POST", "/payments", sent[2]!.body);
    expect(again.status).toBe(200);
    const { body } = await api("GET", `/payments?externalReference=${REFERENCE}`);
    expect(body).toMatchObject({ object: "list", totalCount: 2, hasMore: false, limit: 10, offset: 0 });
  });

  test("refunds in parts and in whole, and no more than was paid", async () => {
    const { api, provider, call, rests, told } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    const refund = async (body: object) => (await api("POST", `/payments/${ref}/refund`, body)).body;
    expect(await refund({})).toMatchObject({ errors: [{ code: "invalid_action" }] });
    await rests(1);
    expect(await refund({ value: 50 })).toMatchObject({ status: "RECEIVED", refunds: [{ value: 50 }] });
    expect(await refund({ value: 100.01 })).toMatchObject({ errors: [{ code: "invalid_value" }] });
    expect(await refund({})).toMatchObject({ status: "REFUNDED", refunds: [{ value: 50 }, { value: 100 }] });
    await rests(1);
    expect(told()).toEqual(["PAYMENT_CREATED", "PAYMENT_RECEIVED", "PAYMENT_PARTIALLY_REFUNDED", "PAYMENT_REFUNDED"]);
  });

  test("shows no account what is another's", async () => {
    const { api, provider, call, twin } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    const other = (await twin.openAccount({ webhookUrl: HOOK })).credentials["api_key"];
    expect((await api("GET", `/payments/${ref}`, undefined, other)).status).toBe(404);
    expect((await api("GET", "/payments", undefined, other)).body).toMatchObject({ totalCount: 0 });
    const customers = await api("GET", "/customers?cpfCnpj=11144477735", undefined, other);
    expect(customers.body).toMatchObject({ totalCount: 0 });
  });

  test.each([
    [undefined, "access_token_not_found"],
    ["Bearer something", "invalid_access_token_format"],
    ["$aact_hmlg_of-nobody", "invalid_access_token"],
  ])("refuses the key %s", async (key, code) => {
    const { twin } = await world();
    const headers = new Headers(key === undefined ? [] : [["access_token", key]]);
    const response = await twin.fetch(new Request("https://api-sandbox.asaas.com/v3/payments", { headers }));
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ errors: [{ code }] });
  });

  const payment = { customer: "cus_000000000001", billingType: "PIX", value: 10, dueDate: "2026-11-20" };
  const transfer = { value: 10, pixAddressKey: "vendor@example.com", pixAddressKeyType: "EMAIL" };
  test.each([
    ["/customers", { cpfCnpj: "11144477735" }, "invalid_name"],
    ["/customers", { name: "Maria", cpfCnpj: "11144477736" }, "invalid_object"],
    ["/customers", { name: "Maria", cpfCnpj: "11144477735", mobilePhone: "+5511999998888" }, "invalid_mobilePhone"],
    ["/payments", { ...payment, customer: "cus_000000000002" }, "invalid_customer"],
    ["/payments", { ...payment, billingType: "CREDIT_CARD" }, "invalid_billingType"],
    ["/payments", { ...payment, value: 10.005 }, "invalid_value"],
    ["/payments", { ...payment, dueDate: "2026-11-19" }, "invalid_dueDate"],
    ["/transfers", { ...transfer, value: 0 }, "invalid_value"],
    ["/transfers", { ...transfer, pixAddressKeyType: "CPF" }, "invalid_pixAddressKey"],
    ["/transfers", { ...transfer, operationType: "TED" }, "invalid_operationType"],
  ])("refuses a POST to %s of %j", async (path, body, code) => {
    const { api } = await world();
    await api("POST", "/customers", { name: "Maria", cpfCnpj: "11144477735" });
    expect(await api("POST", path, body)).toMatchObject({ status: 400, body: { errors: [{ code }] } });
  });
});

describe("São Paulo", () => {
  test("is three hours behind UTC, in summer too", () => {
    expect(wallTime(new Date("2026-11-21T02:59:59.000Z"))).toBe("2026-11-20 23:59:59");
    expect(wallTime(new Date("2026-07-01T03:00:00.000Z"))).toBe("2026-07-01 00:00:00");
    expect(calendarDay(new Date("2027-01-01T02:00:00.000Z"))).toBe("2026-12-31");
  });

  test("gives back the moment of a wall time, and nothing for another text", () => {
    expect(momentOf("2026-11-20 23:59:59")).toEqual(new Date("2026-11-21T02:59:59.000Z"));
    for (const text of ["2026-11-20", "2026-13-40 00:00:00", "tomorrow", "", null, undefined]) {
      expect(momentOf(text)).toBeUndefined();
    }
  });

  test("counts days over the ends of months and years", () => {
    expect(shiftDay("2026-12-31", 1)).toBe("2027-01-01");
    expect(shiftDay("2028-03-01", -1)).toBe("2028-02-29");
  });
});

describe("its own tools", () => {
  const dueDate = "2026-11-30";

  test("each is one request, answered in Asaas' words", async () => {
    const { run, unrun, sent, rests } = await nativeWorld(asaas, asaasTwin);
    const { id: customer } = await run("create_customer", { name: "Maria Silva", cpfCnpj: "11144477735" });
    expect(await run("get_customer", { id: customer })).toMatchObject({ id: customer, name: "Maria Silva" });
    expect(await run("list_customers", { name: "maria", limit: 5 })).toMatchObject({ totalCount: 1, limit: 5 });
    const payment = await run("create_payment", { customer, billingType: "PIX", value: 150.5, dueDate });
    expect(await run("get_pix_qrcode", { id: payment.id })).toMatchObject({ payload: expect.stringMatching(/^000201/) });
    await rests(1);
    expect(await run("get_payment", { id: payment.id })).toMatchObject({ status: "RECEIVED", value: 150.5 });
    expect(await run("list_payments", { customer, status: "RECEIVED", limit: 1, offset: 0 })).toMatchObject({ data: [{ id: payment.id }] });
    expect(await run("list_payments", { status: "OVERDUE" })).toMatchObject({ data: [] });
    expect(await run("refund_payment", { id: payment.id, value: 50.5 })).toMatchObject({ refunds: [{ value: 50.5 }] });
    const transfer = { value: 20, pixAddressKey: "vendor@example.com", pixAddressKeyType: "EMAIL" };
    expect(await run("create_transfer", transfer)).toMatchObject({ value: 20, status: "PENDING" });
    expect(await run("list_transfers", { limit: 10 })).toMatchObject({ data: [{ value: 20 }] });
    expect(await run("get_balance")).toEqual({ balance: 78.01 });
    const plan = await run("create_payment", { customer, billingType: "PIX", installmentCount: 3, totalValue: 100, dueDate });
    expect(await run("get_installments", { id: plan.installment })).toMatchObject({ data: [{ id: plan.id }, {}, {}] });
    const boleto = await run("create_payment", { customer, billingType: "BOLETO", value: 20, dueDate });
    expect(await run("get_boleto", { id: boleto.id })).toEqual({
      identificationField: expect.stringMatching(/^461\d{44}$/), nossoNumero: expect.stringMatching(/^\d{8}$/), barCode: expect.stringMatching(/^461\d{41}$/),
    });
    expect(unrun()).toEqual([]);
    expect(sent.length).toBe(16);
    expect(JSON.parse(sent.find(({ body }) => body.includes("150.5"))!.body)).toEqual({
      customer, billingType: "PIX", value: 150.5, dueDate, externalReference: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test("the charges of a plan fall a month apart, and the last takes what the division left", async () => {
    const { run, refusal } = await nativeWorld(asaas, asaasTwin);
    const { id: customer } = await run("create_customer", { name: "Maria Silva", cpfCnpj: "11144477735" });
    const asked = { customer, billingType: "PIX", installmentCount: 4, totalValue: 100.03, dueDate: "2026-11-30" };
    const { installment } = await run("create_payment", asked);
    const { data } = await run("get_installments", { id: installment });
    expect(data.map((each: { value: number; dueDate: string }) => [each.value, each.dueDate])).toEqual([
      [25, "2026-11-30"], [25, "2026-12-30"], [25, "2027-01-30"], [25.03, "2027-02-28"],
    ]);
    expect(await refusal("get_installments", { id: "ins_none" })).toMatchObject({ status: 404 });
  });
});

/** Reads a PNG of 8-pixel modules back: true is dark. Fails on a wrong signature, checksum or header. */
function modulesOf(png: Buffer): boolean[][] {
  expect(png.subarray(0, 8).toString("hex")).toBe("89504e470d0a1a0a");
  const chunks: Record<string, Buffer> = {};
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const body = png.subarray(at + 4, at + 8 + length);
    expect(png.readUInt32BE(at + 8 + length)).toBe(crc32(body));
    chunks[body.subarray(0, 4).toString("ascii")] = body.subarray(4);
    at += 12 + length;
  }
  expect(Object.keys(chunks)).toEqual(["IHDR", "IDAT", "IEND"]);
  const width = chunks["IHDR"]!.readUInt32BE(0);
  expect(chunks["IHDR"]!.readUInt32BE(4)).toBe(width);
  expect([...chunks["IHDR"]!.subarray(8)]).toEqual([1, 0, 0, 0, 0]);
  const pixels = inflateSync(chunks["IDAT"]!);
  const rowBytes = 1 + width / 8;
  expect(pixels.length).toBe(rowBytes * width);
  return Array.from({ length: width / 8 }, (_, row) => {
    const line = pixels.subarray(row * 8 * rowBytes, row * 8 * rowBytes + rowBytes);
    expect(line[0]).toBe(0);
    return [...line.subarray(1)].map((byte) => byte === 0);
  });
}
