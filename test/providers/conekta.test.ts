import { createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { conekta, SYNTHETIC_PAYEE } from "../../providers/conekta/index.ts";
import { conektaTwin } from "../../providers/conekta/twin.ts";
import {
  SetupMissing, Unanswered, type CallContext, type Fetch, type InboundMessage, type Provider,
} from "../../providers/provider.ts";
import { Passthrough } from "../../providers/native.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { parseDocument } from "../../schema/documents.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest } from "../../schema/meta-tools/pay.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/conekta/ca_1";
const HOUR_MS = 3_600_000;
/** 2026-11-20T12:00:00Z, where the clock of these tests stands. */
const NOON = 1_795_176_000;

const aCharge: ChargeRequest = {
  amount: 15000n, currency: "MXN", method: "oxxo", description: "Pedido 17",
  buyer: { name: "María López", email: "maria@example.com", phone: "55 2299 7233" },
};
const aPayout: PayoutRequest = { action: "pay", amount: 4990n, currency: "MXN", method: "spei", description: "Factura 9", recipient: { name: "Proveedor" } };

interface Sent {
  method: string;
  path: string;
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
  const { pathname, searchParams } = new URL(request.url);
  const text = await request.clone().text();
  const { method, headers } = request;
  return { method, path: pathname, query: Object.fromEntries(searchParams), headers, body: text === "" ? undefined : JSON.parse(text) };
}

/** The adapter and the twin together, in memory. */
async function world() {
  const clock = new FakeClock(new Date(NOON * 1000));
  const store = new MemoryTwinStore(clock);
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = conektaTwin.create({ store, clock, settleAfterMs: HOUR_MS, deliver });
  const account = await twin.openAccount({ webhookUrl: HOOK });
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    sent.push(await record(request));
    return twin.fetch(request);
  };
  const connection = { credentials: account.credentials, settings: {}, baseUrl: conekta.hosts.test };
  return {
    clock, twin, account, sent, webhooks, store,
    call: newCall(clock),
    provider: conekta.connect(connection, fetch),
    client: conekta.native!.client(connection, fetch),
    /** As a client that is not our adapter. */
    api: async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const common = {
        "content-type": "application/json", accept: "application/vnd.conekta-v2.3.0+json", authorization: `Bearer ${account.credentials["api_key"]}`,
      };
      const init = { method, headers: { ...common, ...headers }, ...(body !== undefined && { body: JSON.stringify(body) }) };
      const response = await twin.fetch(new Request(`https://api.conekta.io${path}`, init));
      return { status: response.status, body: (await response.json()) as Record<string, any> };
    },
    rests: async (count: number) => {
      await store.runDue((step) => twin.run(step));
      for (let rest = 0; rest < count; rest++) {
        await clock.advance(HOUR_MS);
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
  const credentials = { api_key: "key_secret-of-the-test" };
  return { provider: conekta.connect({ credentials, settings: {}, baseUrl: conekta.hosts.test }, fetch), sent };
}

const accepted = <Outcome extends { outcome: string }>(outcome: Outcome) => {
  if (outcome.outcome !== "accepted") throw new Error(`it was ${JSON.stringify(outcome)}`);
  return outcome as Extract<Outcome, { outcome: "accepted" }>;
};

providerConformance({
  definition: conekta,
  twin: conektaTwin,
  verbs: {
    charge: { request: aCharge, declined: { ...aCharge, amount: 15013n }, settles: { to: "succeeded" } },
    payout: { request: aPayout, declined: { ...aPayout, amount: 4913n }, settles: { to: "succeeded" }, repeats: "ignores" },
  },
});

describe("a charge", () => {
  test("by OXXO is one order with a cash charge, and its time is written down first", async () => {
    const { provider, call, sent, account } = await world();
    const notesWhenSent: unknown[] = [];
    call.note = async (notes) => void notesWhenSent.push(notes, sent.length);
    accepted(await provider.charge!(aCharge, call));
    expect(sent.map(({ method, path, body }) => ({ method, path, body }))).toEqual([{
      method: "POST",
      path: "/orders",
      body: {
        currency: "MXN",
        customer_info: { name: "María López", email: "maria@example.com", phone: "+525522997233" },
        line_items: [{ name: "Pedido 17", unit_price: 15000, quantity: 1 }],
        metadata: { reference: REFERENCE },
        charges: [{ amount: 15000, reference_id: REFERENCE, payment_method: { type: "cash" } }],
      },
    }]);
    const { headers } = sent[0]!;
    expect(headers.get("authorization")).toBe(`Basic ${Buffer.from(`${account.credentials["api_key"]}:`).toString("base64")}`);
    expect(headers.get("accept")).toBe("application/vnd.conekta-v2.3.0+json");
    expect(headers.get("idempotency-key")).toBe(REFERENCE);
    expect(notesWhenSent).toEqual([{ requested_at: String(NOON) }, 0]);
  });

  test("by OXXO answers with the reference for the till and its expiry", async () => {
    const { provider, call } = await world();
    const outcome = accepted(await provider.charge!(aCharge, call));
    expect(outcome).toMatchObject({ state: "pending", action: "pending_payment" });
    expect(outcome.result).toEqual({
      id: outcome.ref, status: "pending", amount: 15000n, currency: "MXN", method: "oxxo", clabe: undefined, checkout_url: undefined,
      oxxo_reference: expect.stringMatching(/^\d{14}$/), expires_at: "2026-12-20T12:00:00.000Z",
    });
  });

  test("by OXXO gives out no reference of another chain as one of OXXO", async () => {
    const { provider, call } = await world();
    const { result } = accepted(await provider.charge!({ ...aCharge, amount: 15016n }, call));
    expect(result.oxxo_reference).toBeUndefined();
  });

  test("by OXXO takes OXXO's reference among those of several chains, and none that a JSON number has rounded", async () => {
    const method = (change: object) => ({ payment_method: { type: "cash", service_name: "Cash", ...change }, status: "pending_payment" });
    const answer = (reference: unknown) => () => Response.json({
      id: "ord_1", amount: 15000, payment_status: "pending_payment",
      charges: { data: [method({ store_names: ["BBVA ATM"], reference: "108303098511418" }), method({ store_names: ["7 Eleven", "OXXO"], reference })] },
    });
    const written = accepted(await scripted(answer("98000013217610")).provider.charge!(aCharge, newCall(new FakeClock())));
    expect(written.result.oxxo_reference).toBe("98000013217610");
    const rounded = accepted(await scripted(answer(1.0830309851141878e19)).provider.charge!(aCharge, newCall(new FakeClock())));
    expect(rounded.result.oxxo_reference).toBeUndefined();
  });

  test("by SPEI answers with a CLABE", async () => {
    const { provider, call, sent } = await world();
    const { result } = accepted(await provider.charge!({ ...aCharge, method: "spei" }, call));
    expect(sent[0]!.body.charges).toEqual([{ amount: 15000, reference_id: REFERENCE, payment_method: { type: "spei" } }]);
    expect(parseDocument(result.clabe!, ["clabe"])).toEqual({ ok: true, kind: "clabe", value: result.clabe });
    expect(result.oxxo_reference).toBeUndefined();
  });

  test("by card answers with a page of Conekta's, and sends no card", async () => {
    const { provider, call, sent } = await world();
    const outcome = accepted(await provider.charge!({ ...aCharge, method: "card" }, call));
    expect(sent[0]!.body).toMatchObject({ checkout: { type: "HostedPayment", allowed_payment_methods: ["card"] } });
    expect(sent[0]!.body).not.toHaveProperty("charges");
    expect(outcome).toMatchObject({ state: "pending", action: "Issued", result: { checkout_url: expect.stringMatching(/^https:\/\/pay\.conekta\.io\//) } });
  });

  test("is payable until its due day ends in Mexico City", async () => {
    const { provider, call, sent } = await world();
    const { result } = accepted(await provider.charge!({ ...aCharge, due_date: "2026-12-24" }, call));
    expect(sent[0]!.body.charges[0].payment_method).toEqual({ type: "cash", expires_at: Date.parse("2026-12-25T05:59:59Z") / 1000 });
    expect(result.expires_at).toBe("2026-12-25T05:59:59.000Z");
  });

  test("without a description is an order of a payment", async () => {
    const { provider, call, sent } = await world();
    const { description: _none, ...request } = aCharge;
    await provider.charge!(request, call);
    expect(sent[0]!.body.line_items[0].name).toBe("Pago");
  });

  test.each([
    ["method", "not_permitted", { method: "pix" as const }],
    ["currency", "invalid_request", { currency: "BRL" as const }],
    ["amount", "invalid_request", { amount: 2_147_483_648n }],
    ["buyer.email", "invalid_request", { buyer: { name: "María", phone: "5522997233" } }],
    ["buyer.phone", "invalid_request", { buyer: { name: "María", email: "maria@example.com" } }],
    ["buyer.phone", "invalid_request", { buyer: { ...aCharge.buyer, phone: "12" } }],
    ["due_date", "invalid_request", { due_date: "2026-11-19" }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    expect(await provider.charge!({ ...aCharge, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
    expect(call.notes).toEqual({});
  });

  test("sends every amount as centavos, unchanged", async () => {
    let sentAmounts: unknown[] = [];
    const { provider } = scripted(({ body }) => {
      sentAmounts = [body.line_items[0].unit_price, body.charges[0].amount];
      return Response.json({ id: "ord_1", amount: 1, payment_status: "pending_payment" });
    });
    await fc.assert(fc.asyncProperty(fc.bigInt(1n, 2_147_483_647n), async (amount) => {
      await provider.charge!({ ...aCharge, amount }, newCall(new FakeClock()));
      expect(JSON.stringify(sentAmounts)).toBe(`[${amount},${amount}]`);
    }));
  });
});

describe("a simulated payout", () => {
  test("is a customer and an order of cash for it, the one payout that Conekta makes", async () => {
    const { provider, call, sent } = await world();
    const outcome = accepted(await provider.payout!(aPayout, call));
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /customers", "POST /payout_orders"]);
    expect(sent[0]!.body).toEqual({ name: "Proveedor", email: SYNTHETIC_PAYEE.email });
    expect(sent[1]!.body).toEqual({
      allowed_payout_methods: ["cashout"], amount: 4990, currency: "MXN", customer_info: { customer_id: expect.stringMatching(/^cus_/) },
      payout: { payout_method: { type: "cashout" } }, reason: "Factura 9", metadata: { reference: REFERENCE },
    });
    expect(outcome).toEqual({
      outcome: "accepted", ref: outcome.ref, state: "pending", action: "open",
      result: { id: outcome.ref, status: "pending", settled: false, amount: 4990n, currency: "MXN", method: "spei", recipient: "Proveedor" },
    });
  });

  test.each([
    ["method", "not_permitted", { method: "pix" as const }],
    ["currency", "invalid_request", { currency: "BRL" as const }],
    ["amount", "invalid_request", { amount: undefined }],
  ])("with a bad %s is declined before anything is sent", async (field, reason, change) => {
    const { provider, call, sent } = await world();
    expect(await provider.payout!({ ...aPayout, ...change }, call)).toMatchObject({ outcome: "declined", field, reason });
    expect(sent).toEqual([]);
  });

  test.each([["open", "pending"], ["confirmed", "succeeded"], ["cancelled", "failed"], ["expired", "failed"], ["a_word_to_come", "pending"]])(
    "that is %s is %s", async (status, state) => {
      const { provider } = scripted(() => Response.json({ id: "po_1", amount: 4990, currency: "MXN", status, metadata: { reference: REFERENCE } }));
      const found = await provider.lookup!({ verb: "payout", reference: REFERENCE, ref: "po_1", currency: "MXN" }, newCall(new FakeClock()));
      expect(found).toMatchObject({ ref: "po_1", state, action: status, amountMinor: 4990n, result: { settled: state === "succeeded" } });
    });
});

describe("a refusal", () => {
  const error = (param: string | null, message: string) => ({ object: "error", type: "parameter_validation_error", details: [{ code: "conekta.errors.x", param, message }] });

  test.each([
    [422, error("customer_info.email", "Correo inválido"), { reason: "invalid_request", field: "buyer.email", message: "Correo inválido" }],
    [422, error("line_items[0].unit_price", "Poco"), { reason: "invalid_request", field: "amount" }],
    [422, error("charges[0].payment_method.expires_at", "Tarde"), { reason: "invalid_request", field: "due_date" }],
    [422, error(null, "Algo"), { reason: "invalid_request", message: "Algo" }],
    [402, error(null, "No procesado"), { reason: "refused" }],
    [401, error(null, "Sin llave"), { reason: "unauthorized" }],
    [428, error(null, "No se puede"), { reason: "not_permitted" }],
    [429, "not their shape", { reason: "rate_limited", message: "Conekta answered 429" }],
    [409, {}, { reason: "unspecified" }],
  ])("with status %i and body %j is a decline", async (status, body, expected) => {
    const { provider } = scripted(() => Response.json(body, { status }));
    const call = newCall(new FakeClock());
    expect(await provider.charge!(aCharge, call)).toMatchObject({ outcome: "declined", ...expected });
    expect(call.acted).toBe(false);
  });
});

test("a connection without its key sends nothing and names what is missing", async () => {
  const provider = conekta.connect({ credentials: {}, settings: {}, baseUrl: conekta.hosts.test }, () => {
    throw new Error("it was sent");
  });
  await expect(provider.charge!(aCharge, newCall(new FakeClock()))).rejects.toThrow(new SetupMissing("api_key"));
});

describe("a lookup", () => {
  const subject = { verb: "charge", reference: REFERENCE, ref: undefined, currency: "MXN" } as const;
  const row = (reference: string, change: object = {}) =>
    ({ id: "ord_1", amount: 15000, currency: "MXN", payment_status: "pending_payment", metadata: { reference }, ...change });
  const list = (data: object[], next_page_url: string | null = null) => Response.json({ data, has_more: next_page_url !== null, next_page_url });

  test("without the provider's id searches an hour around the request, and tells what the buyer pays with", async () => {
    const { provider, call, clock, sent } = await world();
    const { ref, result } = accepted(await provider.charge!(aCharge, call));
    const again = newCall(clock);
    again.notes = call.notes;
    const found = await provider.lookup!(subject, again);
    expect(sent.at(-1)).toMatchObject({
      method: "GET", path: "/orders", query: { limit: "250", "created_at.gte": String(NOON - 3600), "created_at.lte": String(NOON + 3600) },
    });
    expect(found).toMatchObject({ ref, state: "pending", amountMinor: 15000n, currency: "MXN", result: { oxxo_reference: result.oxxo_reference } });
  });

  test("reads page after page", async () => {
    const { provider, sent } = scripted(({ query }) => query["next"] === "ord_9"
      ? list([row(REFERENCE)])
      : list([row(randomUUID())], "https://api.conekta.io/orders?limit=250&next=ord_9"));
    expect(await provider.lookup!(subject, newCall(new FakeClock()))).toMatchObject({ ref: "ord_1" });
    expect(sent.map(({ query }) => query["next"])).toEqual([undefined, "ord_9"]);
  });

  test("of a list without an end cannot say", async () => {
    const { provider, sent } = scripted(() => list([row(randomUUID())], "https://api.conekta.io/orders?next=ord_9"));
    await expect(provider.lookup!(subject, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
    expect(sent).toHaveLength(20);
  });

  test("never takes another's order for ours, whoever told its id", async () => {
    const { provider } = scripted(({ path }) => path === "/orders" ? list([]) : Response.json(row(randomUUID())));
    expect(await provider.lookup!({ ...subject, ref: "ord_1" }, newCall(new FakeClock()))).toBeUndefined();
    expect(await provider.lookup!({ ...subject, told: "ord_1" }, newCall(new FakeClock()))).toBeUndefined();
  });

  test.each([
    ["pending_payment", "pending"], ["pre_authorized", "pending"], ["under_fraud_review", "pending"], ["paid", "succeeded"], ["expired", "failed"],
    ["canceled", "failed"], ["voided", "failed"], ["declined", "updated"], ["refunded", "refunded"], ["partially_refunded", "updated"],
    ["charged_back", "updated"], ["a_word_to_come", "pending"],
  ])("reads an order that is %s as %s", async (payment_status, state) => {
    const { provider } = scripted(() => Response.json(row(REFERENCE, { payment_status })));
    expect(await provider.lookup!({ ...subject, ref: "ord_1" }, newCall(new FakeClock()))).toMatchObject({ state, action: payment_status });
  });

  test("of a paid order tells its time and what Conekta keeps", async () => {
    const charges = { data: [{ status: "paid", fee: 537, paid_at: NOON }, { status: "pending_payment", fee: 900 }] };
    const { provider } = scripted(() => Response.json(row(REFERENCE, { payment_status: "paid", charges })));
    expect(await provider.lookup!({ ...subject, ref: "ord_1" }, newCall(new FakeClock())))
      .toMatchObject({ state: "succeeded", feeMinor: 537n, occurredAt: new Date(NOON * 1000) });
  });

  test("of an amount that is no whole number of centavos cannot say", async () => {
    const { provider } = scripted(() => Response.json(row(REFERENCE, { amount: 150.5 })));
    await expect(provider.lookup!({ ...subject, ref: "ord_1" }, newCall(new FakeClock()))).rejects.toBeInstanceOf(Unanswered);
  });
});

describe("a notification", () => {
  const { verify, read } = conekta.notifications!;
  const theirs = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const others = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = (pair: typeof theirs) => pair.publicKey.export({ type: "spki", format: "pem" }).toString();
  const message = (body: unknown, digest?: string): InboundMessage => ({
    method: "POST",
    url: new URL(HOOK),
    headers: new Headers(digest === undefined ? [] : [["DIGEST", digest]]),
    body: new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body)),
  });
  const signed = (text: string) => sign("RSA-SHA256", Buffer.from(text), theirs.privateKey).toString("base64");
  const BODY = '{"type":"order.paid","name":"Nicolás"}';

  test.each([
    ["the key's signature", signed(BODY), [pem(theirs)], true],
    ["the key as Conekta's JSON writes it", signed(BODY), [pem(theirs).replaceAll("\n", "\\n")], true],
    ["the key of before", signed(BODY), [pem(others), pem(theirs)], true],
    ["another key", signed(BODY), [pem(others)], false],
    ["a signature of other bytes", signed(`${BODY} `), [pem(theirs)], false],
    ["no signature", undefined, [pem(theirs)], false],
    ["a secret that is no key", signed(BODY), ["not a key", ""], false],
    ["no secret", signed(BODY), [], false],
  ])("with %s is judged", (_name, digest, secrets, ok) => {
    expect(verify(message(BODY, digest), { secrets, settings: {}, now: new Date() }).ok).toBe(ok);
  });

  const order = {
    id: "ord_1", amount: 15000, currency: "MXN", payment_status: "paid", metadata: { reference: REFERENCE },
    charges: { data: [{ status: "paid", fee: 537, paid_at: NOON }] },
  };
  const event = (type: string, object: unknown = order) => ({ id: "6307a60c41de27127515a575", type, created_at: NOON + 5, data: { object } });

  test("of a paid order tells amount, fee, time and reference", () => {
    expect(read(message(event("order.paid")))).toEqual([{
      eventId: "6307a60c41de27127515a575",
      ref: "ord_1",
      reference: REFERENCE,
      observation: {
        ref: "ord_1", state: "succeeded", action: "order.paid", amountMinor: 15000n, feeMinor: 537n, currency: "MXN", occurredAt: new Date(NOON * 1000),
      },
    }]);
  });

  test.each([
    ["order.pending_payment", "pending"], ["order.paid", "succeeded"], ["order.expired", "failed"], ["order.canceled", "failed"],
    ["order.refunded", "refunded"], ["order.partially_refunded", "updated"], ["order.charged_back", "updated"], ["order.declined", "updated"],
  ])("%s is read as %s", (type, state) => {
    expect(read(message(event(type)))[0]!.observation).toMatchObject({ state, action: type });
  });

  test("of cash picked up only says that something happened", () => {
    const object = { id: "payout_1", payout_order_id: "po_1" };
    expect(read(message(event("cashout.confirmed", object)))).toMatchObject([{ ref: "po_1", observation: { ref: "po_1", action: "cashout.confirmed" } }]);
    expect(read(message(event("cashout.confirmed", object)))[0]!.observation).not.toHaveProperty("state");
  });

  test.each([
    ["a ping", event("webhook_ping", { action: "ping" })],
    ["the charge that its order tells too", event("charge.paid", { id: "63efa757cf65380001aec040", order_id: "ord_1", amount: 15000 })],
    ["an event of a kind to come", event("order.shipped")],
    ["an event with a borrowed name", event("order.constructor")],
    ["an order that cannot be read", event("order.paid", { id: 7 })],
    ["no JSON", "{"],
  ])("with %s is read as nothing", (_name, body) => {
    expect(read(message(body))).toEqual([]);
  });
});

describe("a native tool", () => {
  const run = async (here: Awaited<ReturnType<typeof world>>, name: string, args: object) => {
    const tool = conekta.native!.tools.find((candidate) => candidate.name === name)!;
    const call = newCall(here.clock);
    const spec = tool.request(tool.input.parse(args), call);
    const answer = tool.effect === "reads" ? here.client.ask(spec, Passthrough, call) : here.client.act(spec, Passthrough, call);
    return (await answer) as Record<string, any>;
  };

  test("makes, reads, lists, refunds and cancels what it names", async () => {
    const here = await world();
    const customer = await run(here, "create_customer", { name: "María", email: "maria@example.com", phone: "5522997233" });
    expect(await run(here, "get_customer", { customerId: customer["id"] })).toEqual(customer);
    expect(await run(here, "list_customers", { limit: 5 })).toMatchObject({ total: 1, data: [customer] });
    const order = await run(here, "create_order", {
      currency: "MXN", customer_info: { customer_id: customer["id"] }, line_items: [{ name: "Puro", unit_price: 5000, quantity: 2 }],
      charges: [{ payment_method: { type: "spei" } }],
    });
    expect(order).toMatchObject({ amount: 10000, payment_status: "pending_payment" });
    expect(here.sent.at(-1)!.headers.get("idempotency-key")).toBe(REFERENCE);
    expect(await run(here, "get_order", { orderId: order["id"] })).toEqual(order);
    await here.rests(1);
    expect(await run(here, "list_orders", { payment_status: "paid", limit: 1 })).toMatchObject({ total: 1, data: [{ id: order["id"] }] });
    expect(await run(here, "refund_charge", { orderId: order["id"], amount: 4000 })).toMatchObject({ payment_status: "partially_refunded", amount_refunded: 4000 });
    expect(here.sent.at(-1)!.body).toEqual({ amount: 4000, reason: "requested_by_client" });
    expect(await run(here, "refund_charge", { orderId: order["id"], reason: "other" })).toMatchObject({ payment_status: "refunded", amount_refunded: 10000 });
    const { ref } = accepted(await here.provider.charge!({ ...aCharge, amount: 15014n }, newCall(here.clock, randomUUID())));
    expect(await run(here, "cancel_order", { orderId: ref })).toMatchObject({ payment_status: "canceled" });
    await here.rests(1);
    expect(here.told()).toEqual([
      "order.pending_payment", "order.paid", "order.partially_refunded", "order.refunded", "order.pending_payment", "order.canceled",
    ]);
    expect(conekta.native!.tools.map(({ name }) => name)).toEqual([
      "create_order", "get_order", "list_orders", "cancel_order", "refund_charge", "create_customer", "get_customer", "list_customers",
    ]);
  });
});

describe("the twin", () => {
  test.each([
    ["oxxo", 15000n, ["order.pending_payment", "order.paid"], "succeeded"],
    ["spei", 15000n, ["order.pending_payment", "order.paid"], "succeeded"],
    ["card", 15000n, ["order.paid"], "succeeded"],
    ["oxxo", 15014n, ["order.pending_payment"], "pending"],
    ["oxxo", 15015n, ["order.pending_payment", "order.expired"], "failed"],
    ["oxxo", 15017n, ["order.pending_payment", "order.paid", "order.refunded"], "refunded"],
  ] as const)("takes a charge by %s of %i centavos through %j", async (method, amount, told, state) => {
    const here = await world();
    accepted(await here.provider.charge!({ ...aCharge, method, amount }, here.call));
    await here.rests(3);
    const found = await here.provider.lookup!({ verb: "charge", reference: REFERENCE, ref: undefined, currency: "MXN" }, here.call);
    expect({ told: here.told(), state: found!.state }).toEqual({ told, state });
  });

  test.each([
    [4990n, ["cashout.confirmed"], "succeeded"], [4914n, [], "pending"], [4915n, ["cashout.expired"], "failed"],
  ] as const)("takes a payout of %i centavos through %j", async (amount, told, state) => {
    const here = await world();
    const { ref } = accepted(await here.provider.payout!({ ...aPayout, amount }, here.call));
    await here.rests(3);
    const found = await here.provider.lookup!({ verb: "payout", reference: REFERENCE, ref, currency: "MXN" }, here.call);
    expect({ told: here.told(), state: found!.state }).toEqual({ told, state });
  });

  test("answers a repeated key with the first response, whatever has become of the order and whatever is asked", async () => {
    const { api, provider, call, sent, rests } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await rests(1);
    const again = await api("POST", "/orders", { ...sent[0]!.body, currency: "USD" }, { "idempotency-key": REFERENCE });
    expect(again).toMatchObject({ status: 200, body: { id: ref, payment_status: "pending_payment" } });
    const other = await api("POST", "/orders", sent[0]!.body, { "idempotency-key": randomUUID() });
    expect(other.body["id"]).not.toBe(ref);
  });

  test("signs with a key that its account's secret verifies", async () => {
    const { provider, call, webhooks, account, rests } = await world();
    accepted(await provider.charge!(aCharge, call));
    await rests(1);
    expect(createPublicKey(account.webhookSecret).asymmetricKeyDetails).toMatchObject({ modulusLength: 2048 });
    for (const { url, headers, body } of webhooks) {
      const message = { method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body) };
      expect(conekta.notifications!.verify(message, { secrets: [account.webhookSecret], settings: {}, now: new Date() })).toEqual({ ok: true });
      expect(url).toBe(HOOK);
    }
  });

  test("tells a repeated step again under the same event id and changes nothing", async () => {
    const { provider, call, twin, clock, store, webhooks, api } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    await clock.advance(HOUR_MS);
    const steps: Parameters<typeof twin.run>[0][] = [];
    await store.runDue(async (step) => void steps.push(step));
    for (const step of [...steps, ...steps]) await twin.run(step);
    const before = await api("GET", `/orders/${ref}`);
    await twin.run(steps.at(-1)!);
    expect(await api("GET", `/orders/${ref}`)).toEqual(before);
    const ids = webhooks.map(({ body }) => JSON.parse(body).id as string);
    expect({ told: ids.length, distinct: new Set(ids).size }).toEqual({ told: 5, distinct: 2 });
  });

  test("refunds no more than was paid, and nothing that was not", async () => {
    const { api, provider, call, rests } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    const refund = (body: object) => api("POST", `/orders/${ref}/refunds`, body);
    expect(await refund({})).toMatchObject({ status: 428 });
    await rests(1);
    expect(await refund({ amount: 15001 })).toMatchObject({ status: 422, body: { details: [{ param: "amount" }] } });
    expect(await refund({ amount: 15000 })).toMatchObject({ body: { payment_status: "refunded" } });
    expect(await refund({ amount: 1 })).toMatchObject({ status: 428 });
    expect(await api("POST", `/orders/${ref}/cancel`)).toMatchObject({ status: 428 });
  });

  test("shows no account what is another's", async () => {
    const { api, provider, call, twin } = await world();
    const { ref } = accepted(await provider.charge!(aCharge, call));
    const other = await twin.openAccount({ webhookUrl: HOOK });
    const headers = { authorization: `Bearer ${other.credentials["api_key"]}` };
    expect((await api("GET", `/orders/${ref}`, undefined, headers)).status).toBe(404);
    expect((await api("GET", "/orders", undefined, headers)).body).toMatchObject({ total: 0 });
  });

  test.each([
    [{ authorization: "" }, 401, "conekta.errors.authentication.missing_key"],
    [{ authorization: "Bearer key_of-nobody" }, 401, "conekta.errors.authentication.unrecognized_key"],
    [{ accept: "application/json" }, 406, "conekta.errors.api.version"],
  ])("refuses the headers %j", async (headers, status, code) => {
    const { api } = await world();
    expect(await api("GET", "/orders", undefined, headers)).toMatchObject({ status, body: { object: "error", details: [{ code }] } });
  });

  const order = {
    currency: "MXN", customer_info: { name: "María", email: "m@example.com", phone: "5522997233" }, line_items: [{ name: "Puro", unit_price: 5000, quantity: 1 }],
    charges: [{ payment_method: { type: "cash" } }],
  };
  test.each([
    [{ ...order, currency: "USD" }, "currency"],
    [{ ...order, customer_info: { name: "María", email: "m@example.com" } }, "customer_info.phone"],
    [{ ...order, customer_info: { customer_id: "cus_nobody" } }, "customer_info.customer_id"],
    [{ ...order, line_items: [] }, "line_items"],
    [{ ...order, line_items: [{ name: "Puro", unit_price: 50.5, quantity: 1 }] }, "line_items[0].unit_price"],
    [{ ...order, charges: [{ amount: 4000, payment_method: { type: "cash" } }] }, "charges[0].amount"],
    [{ ...order, charges: [{ payment_method: { type: "cheque" } }] }, "charges[0].payment_method.type"],
    [{ ...order, charges: [{ payment_method: { type: "cash", expires_at: NOON } }] }, "charges[0].payment_method.expires_at"],
    [{ ...order, charges: undefined, checkout: { type: "HostedPayment", allowed_payment_methods: [] } }, "checkout.allowed_payment_methods"],
  ])("refuses the order %j", async (body, param) => {
    const { api } = await world();
    expect(await api("POST", "/orders", body)).toMatchObject({ status: 422, body: { type: "parameter_validation_error", details: [{ param }] } });
  });
});
