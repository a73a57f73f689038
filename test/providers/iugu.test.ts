import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { iugu } from "../../providers/iugu/index.ts";
import { iuguTwin } from "../../providers/iugu/twin.ts";
import { SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinStep, TwinWebhook } from "../../providers/twin.ts";
import { parseBoleto } from "../../schema/boleto.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { parseBrCode } from "../../schema/pix/brcode.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/iugu/ca_1";
const REST_MS = 60_000;

const aPix: ChargeRequest = {
  amount: 15000n, currency: "BRL", method: "pix", description: "Pedido 17",
  buyer: { name: "Maria Silva", document: "111.444.777-35", email: "maria@example.com", phone: "+5511999998888" },
};
const aBoleto: ChargeRequest = { ...aPix, method: "boleto", due_date: "2026-12-24" };

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
  body: unknown;
}

async function record(request: Request): Promise<Sent> {
  const { pathname, searchParams } = new URL(request.url);
  const text = await request.clone().text();
  return { method: request.method, path: pathname, query: Object.fromEntries(searchParams), headers: request.headers, body: text === "" ? undefined : JSON.parse(text) };
}

/** The adapter and the twin together, in memory. */
async function world(start = "2026-11-20T12:00:00.000Z") {
  const clock = new FakeClock(new Date(start));
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const twin = iuguTwin.create({ store, clock, settleAfterMs: REST_MS, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return twin.fetch(request);
  };
  const connection = { credentials: account.credentials, settings: {}, baseUrl: iugu.hosts.test };
  const http = iugu.native!.client(connection, fetch);
  return {
    clock, store, twin, account, sent, webhooks,
    call: newCall(clock),
    provider: iugu.connect(connection, fetch),
    /** A native tool, as the pipeline runs it. */
    native: async (name: string, args: object) => {
      const tool = iugu.native!.tools.find((each) => each.name === name)!;
      const spec = tool.request(tool.input.parse(args), { reference: randomUUID() });
      return (await http[tool.effect === "reads" ? "ask" : "act"](spec, z.record(z.string(), z.any()), newCall(clock))) as Record<string, any>;
    },
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await clock.advance(REST_MS);
        await store.runDue((step) => twin.run(step));
      }
    },
    told: () => webhooks.map(({ body }) => [...new URLSearchParams(body)].flatMap(([name, value]) => (/event|status/.test(name) ? [value] : [])).join(" ")),
  };
}

/** The adapter against answers written in the test. */
function scripted(answer: (request: Sent) => Response): { provider: Provider; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return answer(sent.at(-1)!);
  };
  return { provider: iugu.connect({ credentials: { api_token: "token-of-the-test" }, settings: {}, baseUrl: iugu.hosts.test }, fetch), sent };
}

const accepted = <Outcome extends { outcome: string }>(outcome: Outcome) => {
  if (outcome.outcome !== "accepted") throw new Error(`it was ${JSON.stringify(outcome)}`);
  return outcome as Extract<Outcome, { outcome: "accepted" }>;
};

for (const request of [aPix, aBoleto]) {
  providerConformance({
    definition: iugu,
    twin: iuguTwin,
    detects: ["missing_header", "wrong_secret"],
    verbs: { charge: { request, declined: { ...request, amount: 15013n }, settles: { to: "succeeded" } } },
  });
}

describe("a charge", () => {
  test("by Pix is one invoice, with our reference as a custom variable and as its key", async () => {
    const { provider, call, sent, account } = await world();
    accepted(await provider.charge!(aPix, call));
    expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([{
      method: "POST",
      path: "/v1/invoices",
      body: {
        email: "maria@example.com", due_date: "2026-11-20", items: [{ description: "Pedido 17", quantity: 1, price_cents: 15000 }], payable_with: ["pix"],
        payer: { name: "Maria Silva", email: "maria@example.com", cpf_cnpj: "11144477735" },
        custom_variables: [{ name: "codespar_reference", value: REFERENCE }],
      },
    }]);
    expect(sent[0]!.headers.get("authorization")).toBe(`Basic ${btoa(`${account.credentials["api_token"]}:`)}`);
    expect(sent[0]!.headers.get("idempotency-key")).toBe(REFERENCE);
  });

  test("by Pix answers with the code to pay, its picture's address and the page", async () => {
    const { provider, call } = await world();
    const { ref, state, action, result } = accepted(await provider.charge!(aPix, call));
    const { pix_copy_paste, qr_code_url, charge_url, ...rest } = result;
    expect({ state, action, rest }).toEqual({
      state: "pending", action: "pending", rest: { id: ref, status: "pending", amount: 15000n, currency: "BRL", method: "pix", barcode_line: undefined },
    });
    expect(parseBrCode(pix_copy_paste!)).toMatchObject({ ok: true, code: { kind: "dynamic", amountMinor: 15000n } });
    expect([qr_code_url, charge_url]).toEqual([expect.stringMatching(/^https:\/\/faturas\.iugu\.com\/qr_code\//), expect.stringMatching(/^https:\/\/faturas\.iugu\.com\//)]);
  });

  test("by boleto answers with the line to type, and is due on the day that was given", async () => {
    const { provider, call, sent } = await world();
    const { result } = accepted(await provider.charge!(aBoleto, call));
    expect(sent[0]!.body).toMatchObject({ payable_with: ["bank_slip"], due_date: "2026-12-24" });
    expect(parseBoleto(result.barcode_line!, { today: "2026-11-20" })).toMatchObject({ ok: true, boleto: { amountMinor: 15000n, dueDate: "2026-12-24" } });
    expect(result.pix_copy_paste).toBeUndefined();
  });

  test("is due today in São Paulo unless a day is given", async () => {
    const late = await world("2026-11-21T02:59:59.000Z");
    await late.provider.charge!(aPix, late.call);
    expect(late.sent[0]!.body).toMatchObject({ due_date: "2026-11-20" });
  });

  test.each([
    ["method", "not_permitted", { method: "card" as const }],
    ["currency", "invalid_request", { currency: "MXN" as const }],
    ["buyer.email", "invalid_request", { buyer: { name: "Maria Silva", document: "111.444.777-35" } }],
    ["buyer.document", "invalid_request", { method: "boleto" as const, due_date: "2026-12-24", buyer: { name: "Maria", email: "maria@example.com" } }],
    ["buyer.document", "invalid_request", { buyer: { ...aPix.buyer, document: "111.444.777-36" } }],
    ["due_date", "invalid_request", { method: "boleto" as const }],
  ])("with a bad %s is declined before anything is sent (%#)", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    expect(await provider.charge!({ ...aPix, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect([sent, call.notes]).toEqual([[], {}]);
  });

  test("without a token sends nothing and names what is missing", () => {
    const connect = () => iugu.connect({ credentials: {}, settings: {}, baseUrl: iugu.hosts.test }, () => Promise.reject(new Error("it was sent")));
    expect(connect).toThrow(SetupMissing);
  });
});

describe("a refusal", () => {
  test.each([
    [422, { errors: { "payer.cpf_cnpj": ["não é válido"] } }, { reason: "invalid_request", field: "buyer.document", message: "iugu refused: payer.cpf_cnpj não é válido" }],
    [422, { errors: { total: ["é muito baixo"] } }, { reason: "invalid_request", field: "amount" }],
    [422, { errors: { due_date: "no passado" } }, { reason: "invalid_request", field: "due_date" }],
    [422, { errors: {} }, { reason: "invalid_request", message: "iugu refused: it answered 422" }],
    [401, { errors: "Unauthorized" }, { reason: "unauthorized", message: "iugu refused: Unauthorized" }],
    [409, "not their shape", { reason: "duplicate", message: "iugu refused: it answered 409" }],
    [429, {}, { reason: "rate_limited" }],
    [418, {}, { reason: "unspecified" }],
  ])("with status %i and body %j is a decline", async (status, body, expected) => {
    const { provider } = scripted(() => Response.json(body, { status }));
    const call = newCall(new FakeClock());
    expect(await provider.charge!(aPix, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });
});

describe("a lookup", () => {
  const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" } as const;
  const row = (status: string, reference: string | null = REFERENCE) =>
    ({ id: "I1", status, total_cents: 15000, taxes_paid_cents: 199, custom_variables: [{ name: "pedido", value: "17" }, { name: "codespar_reference", value: reference }] });

  test("of an invoice whose answer was lost brings the code to pay", async () => {
    const { provider, call } = await world();
    const { result } = accepted(await provider.charge!(aPix, call));
    const found = await provider.lookup!(subject, call);
    expect(found).toMatchObject({ state: "pending", amountMinor: 15000n, result: { id: result.id, pix_copy_paste: result.pix_copy_paste, charge_url: result.charge_url } });
  });

  test("of a paid invoice tells the fee", async () => {
    const { provider, call, rests } = await world();
    const { ref } = accepted(await provider.charge!(aPix, call));
    await rests(1);
    expect(await provider.lookup!({ ...subject, ref }, call)).toEqual({ ref, state: "succeeded", action: "paid", amountMinor: 15000n, currency: "BRL", feeMinor: 199n });
  });

  test("by our reference lists the invoices of the hours around its own, in São Paulo's time", async () => {
    const { provider, call, sent } = await world();
    accepted(await provider.charge!(aPix, call));
    await provider.lookup!(subject, call);
    expect(sent[1]!.query).toEqual({ created_at_from: "2026-11-20T08:00:00-03:00", created_at_to: "2026-11-20T10:00:00-03:00", limit: "100", start: "0" });
  });

  test("reads on from page to page", async () => {
    const { provider, clock, sent } = await world();
    const first = newCall(clock);
    const { ref } = accepted(await provider.charge!(aPix, first));
    for (let other = 0; other < 120; other++) await provider.charge!(aPix, newCall(clock, randomUUID()));
    sent.length = 0;
    expect(await provider.lookup!(subject, first)).toMatchObject({ ref });
    expect(sent.map(({ query }) => query["start"])).toEqual(["0", "100"]);
  });

  test.each([
    ["without end", () => ({ totalItems: 9_999, items: Array.from({ length: 100 }, () => row("pending", null)) })],
    ["that breaks off", () => ({ totalItems: 50, items: [row("pending", null)] })],
    ["whose rows tell no custom variables", () => ({ totalItems: 1, items: [{ id: "I1", status: "pending", total_cents: 15000 }] })],
  ])("of a list %s says that it cannot say", async (_name, page) => {
    const { provider } = scripted(() => Response.json(page()));
    await expect(provider.lookup!(subject, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
  });

  test("believes no invoice that carries another reference", async () => {
    const { provider } = scripted(({ path }) => Response.json(path === "/v1/invoices" ? { totalItems: 0, items: [] } : row("paid", randomUUID())));
    await expect(provider.lookup!({ ...subject, ref: "I1" }, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
  });

  test.each([
    ["pending", "pending"], ["draft", "pending"], ["in_analysis", "pending"], ["partially_paid", "updated"], ["paid", "succeeded"],
    ["externally_paid", "succeeded"], ["canceled", "failed"], ["expired", "failed"], ["refunded", "refunded"], ["partially_refunded", "updated"],
    ["in_protest", "updated"], ["chargeback", "updated"], ["a_word_to_come", "pending"],
  ])("reads an invoice that is %s as %s", async (status, state) => {
    const { provider } = scripted(() => Response.json(row(status)));
    const found = await provider.lookup!({ ...subject, ref: "I1" }, newCall(new FakeClock()));
    expect(found).toMatchObject({ state, action: status });
    expect([found!.failure === undefined, found!.feeMinor === undefined]).toEqual([state !== "failed", state !== "succeeded"]);
  });
});

describe("a notification", () => {
  const { verify, read } = iugu.notifications!;
  const secret = "token-agreed-with-iugu";
  const message = (body: string, authorization?: string): InboundMessage => ({
    method: "POST", url: new URL(HOOK), headers: new Headers(authorization === undefined ? [] : [["authorization", authorization]]), body: new TextEncoder().encode(body),
  });

  test.each([
    ["the token", secret, [secret], true],
    ["the token of before", secret, ["new-token", secret], true],
    ["another token", `${secret}!`, [secret], false],
    ["no token", undefined, [secret], false],
    ["an empty token where the secret is empty", "", [""], false],
    ["any token where there is no secret", secret, [], false],
  ])("with %s is judged", (_name, authorization, secrets, ok) => {
    expect(verify(message("", authorization), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  test("is a hint: it names the invoice and claims no state", () => {
    expect(read(message("event=invoice.status_changed&data%5Bid%5D=I1&data[status]=paid&data[account_id]=A1"))).toEqual([
      { eventId: "invoice.status_changed:I1:paid", ref: "I1", observation: { ref: "I1", action: "invoice.status_changed paid" } },
    ]);
    expect(read(message("event=invoice.created&data[id]=I1"))).toMatchObject([{ eventId: "invoice.created:I1:" }]);
  });

  test.each(["", "event=invoice.status_changed", "event=withdraw_request.status_changed&data[id]=W1", "{}"])("of no concern is read as nothing: %j", (body) => {
    expect(read(message(body))).toEqual([]);
  });

  test("names an invoice whose reference the provider knows", async () => {
    const { provider, call, clock, native } = await world();
    const { ref } = accepted(await provider.charge!(aPix, call));
    const event = (invoice: string) => read(message(`event=invoice.status_changed&data[id]=${invoice}&data[status]=paid`))[0]!;
    expect(await provider.referenceOf!(event(ref), newCall(clock, ""))).toBe(REFERENCE);
    const other = await native("create_invoice", { email: "eve@example.com", due_date: "2026-12-24", items: [{ description: "x", quantity: 1, price_cents: 100 }] });
    expect(await provider.referenceOf!(event(other["id"]), newCall(clock, ""))).toBeUndefined();
    expect(await provider.referenceOf!(event("unknown"), newCall(clock, ""))).toBeUndefined();
  });
});

describe("the twin", () => {
  test.each([
    [15000n, ["invoice.created pending", "invoice.status_changed paid"], "succeeded"],
    [15014n, ["invoice.created pending"], "pending"],
    [15015n, ["invoice.created pending", "invoice.status_changed expired"], "failed"],
    [15017n, ["invoice.created pending", "invoice.status_changed paid", "invoice.status_changed refunded"], "refunded"],
  ])("takes an invoice of %i centavos through %j", async (amount, events, state) => {
    const { provider, call, rests, told } = await world();
    accepted(await provider.charge!({ ...aPix, amount }, call));
    await rests(3);
    const found = await provider.lookup!({ verb: "charge", reference: REFERENCE, ref: undefined, currency: "BRL" }, call);
    expect({ told: told(), state: found!.state }).toEqual({ told: events, state });
  });

  test("passes over a step that comes again", async () => {
    const { provider, call, twin, clock, store, told } = await world();
    accepted(await provider.charge!({ ...aPix, amount: 15017n }, call));
    await clock.advance(REST_MS);
    const steps: TwinStep[] = [];
    await store.runDue(async (step) => void steps.push(step));
    for (const step of [...steps.slice(1), ...steps.slice(1)]) await twin.run(step);
    await store.runDue((step) => twin.run(step));
    expect(told()).toEqual(["invoice.status_changed paid"]);
  });

  test("lets a key be used again after a refusal, and not after a success", async () => {
    const { provider, clock } = await world();
    expect(await provider.charge!({ ...aPix, amount: 15013n }, newCall(clock))).toMatchObject({ outcome: "declined", field: "amount" });
    accepted(await provider.charge!(aPix, newCall(clock)));
    expect(await provider.charge!(aPix, newCall(clock))).toMatchObject({ outcome: "declined", reason: "duplicate" });
  });
});

describe("iugu's own tools", () => {
  const anInvoice = { email: "maria@example.com", due_date: "2026-12-24", items: [{ description: "Chá", quantity: 2, price_cents: 950 }] };

  test("create, read, list and cancel an invoice", async () => {
    const { native, sent, rests } = await world();
    const made = await native("create_invoice", anInvoice);
    expect(made).toMatchObject({ status: "pending", total_cents: 1900, payable_with: ["all"] });
    expect(sent[0]!.headers.get("idempotency-key")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await native("get_invoice", { id: made["id"] })).toEqual(made);
    expect(await native("list_invoices", { status_filter: "pending", created_at_from: "2026-11-20T00:00:00-03:00" })).toMatchObject({ totalItems: 1, items: [{ id: made["id"] }] });
    expect(await native("list_invoices", { status_filter: "paid" })).toMatchObject({ totalItems: 0 });
    expect(await native("cancel_invoice", { id: made["id"] })).toMatchObject({ status: "canceled" });
    await rests(1);
    expect(await native("get_invoice", { id: made["id"] })).toMatchObject({ status: "canceled" });
    await expect(native("cancel_invoice", { id: made["id"] })).rejects.toMatchObject({ status: 422 });
  });

  test("refund a paid invoice in parts, and no more than it was", async () => {
    const { native, rests } = await world();
    const { id } = await native("create_invoice", anInvoice);
    await expect(native("refund_invoice", { id })).rejects.toMatchObject({ status: 422 });
    await rests(1);
    expect(await native("refund_invoice", { id, partial_value_refund_cents: 900 })).toMatchObject({ status: "partially_refunded", refunded_cents: 900 });
    await expect(native("refund_invoice", { id, partial_value_refund_cents: 1001 })).rejects.toMatchObject({ status: 422 });
    expect(await native("refund_invoice", { id })).toMatchObject({ status: "refunded", refunded_cents: 1900 });
  });

  test("create and list customers", async () => {
    const { native } = await world();
    const made = await native("create_customer", { name: "Maria Silva", email: "maria@example.com", cpf_cnpj: "11144477735" });
    expect(await native("list_customers", { limit: 10 })).toMatchObject({ totalItems: 1, items: [made] });
  });
});
