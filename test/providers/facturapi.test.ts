/** Facturapi: the wire of its CFDI, its words for states, its signatures, its own tools. The suite has the common faults. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { APPLIED_WITHIN_MS, facturapi } from "../../providers/facturapi/index.ts";
import { facturapiTwin } from "../../providers/facturapi/twin.ts";
import { Passthrough } from "../../providers/native.ts";
import { OutcomeUnknown, SetupMissing, Unanswered, type CallContext, type InboundMessage } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { invoice, type InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0e6c1e-6d0f-4f6d-9a53-2f6a52b7c111";
const OTHER_REFERENCE = "9c1b3c0a-98b1-4e93-8b9b-4cf47c7e2222";
const WEBHOOK_URL = "https://shop.example/v1/webhooks/facturapi/ca_1";
const API = "https://www.facturapi.io/v2";

const buyer = { name: "Dunder Mifflin", document: "ABC101010111", email: "compras@example.com", address: { zip: "85900", tax_system: "601" } };

const sale = (change: Record<string, unknown> = {}): InvoiceRequest => invoice.input.parse({
  type: "nfci", recipient: buyer, items: [{ description: "Ukelele", amount: 69_120, quantity: 2, service_code: "60131324" }], ...change,
});

const ofTotal = (amount: number) => sale({ items: [{ description: "Ukelele", amount }] });

describe("an invoice that SAT stamps at once", () => providerConformance({
  definition: facturapi, twin: facturapiTwin,
  verbs: { invoice: { request: sale(), declined: ofTotal(10_013), repeats: "replays" } },
}));

describe("an invoice whose stamping stutters", () => providerConformance({
  definition: facturapi, twin: facturapiTwin,
  verbs: { invoice: { request: ofTotal(10_014), settles: { to: "authorized", withinSteps: 2 }, repeats: "replays" } },
}));

interface Received {
  method: string;
  path: string;
  query: Record<string, string>;
  authorization: string | null;
  body: any;
}

async function start({ settings = {} }: { settings?: Record<string, string> } = {}) {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const received: Received[] = [];
  const webhooks: TwinWebhook[] = [];
  const twin = facturapiTwin.create({ store, clock, settleAfterMs: 1_000, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
  /** Answers in the twin's place while it is set. */
  const instead: { answer?: (request: Request) => Response | undefined } = {};
  const connection = { credentials: account.credentials, settings: { ...account.settings, ...settings }, baseUrl: facturapi.hosts.test };
  const fetch = async (request: Request) => {
    const text = await request.clone().text();
    const { pathname, searchParams } = new URL(request.url);
    received.push({
      method: request.method, path: pathname, query: Object.fromEntries(searchParams), authorization: request.headers.get("authorization"),
      body: text === "" ? undefined : JSON.parse(text),
    });
    return instead.answer?.(request) ?? twin.fetch(request);
  };
  const provider = facturapi.connect(connection, fetch);
  const client = facturapi.native!.client(connection, fetch);
  return {
    clock, received, webhooks, account, instead, twin, provider,
    issue: (request: InvoiceRequest, call: CallContext) => provider.invoice!(request, call),
    lookup: (call: CallContext, ref?: string) => provider.lookup!({ verb: "invoice", reference: call.reference, ref, currency: "MXN" }, call),
    async rest(steps: number) {
      await clock.advance(steps * 1_000);
      await store.runDue((step) => twin.run(step));
    },
    /** A tool of Facturapi's own, as the server runs it. */
    async tool(name: string, args: object): Promise<any> {
      const tool = facturapi.native!.tools.find((each) => each.name === name)!;
      const call = newCall(clock);
      return client[tool.effect === "reads" ? "ask" : "act"](tool.request(tool.input.parse(args), call), Passthrough, call);
    },
  };
}

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

const refOf = (outcome: unknown): string => (outcome as { ref: string }).ref;

describe("issuing", () => {
  test("one POST carries buyer, items with prices that include tax, and our reference twice", async () => {
    const { issue, received, clock, account } = await start();
    const items = [{ description: "Ukelele", amount: 69_120, quantity: 2, service_code: "60131324" }, { description: "Clases", amount: 5_001, quantity: 1.5 }];
    await issue(sale({ items, dueDate: "2026-12-01" }), newCall(clock));
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: "POST", path: "/v2/invoices", authorization: `Bearer ${account.credentials["api_key"]}` });
    expect(received[0]!.body).toEqual({
      type: "I",
      customer: { legal_name: "Dunder Mifflin", tax_id: "ABC101010111", tax_system: "601", email: "compras@example.com", address: { zip: "85900" } },
      items: [
        { quantity: 2, product: { description: "Ukelele", product_key: "60131324", price: 345.6, tax_included: true, unit_key: "E48" } },
        { quantity: 1.5, product: { description: "Clases", product_key: "80101500", price: 33.34, tax_included: true, unit_key: "E48" } },
      ],
      payment_form: "03", payment_method: "PUE", use: "G03", currency: "MXN", conditions: "Fecha límite de pago: 2026-12-01",
      external_id: REFERENCE, idempotency_key: REFERENCE,
    });
  });

  test("the answer is a stamped invoice: folio, UUID, files, what it is worth", async () => {
    const { issue, lookup, clock } = await start();
    const outcome = await issue(sale(), newCall(clock));
    const ref = refOf(outcome);
    const result = {
      id: ref, status: "autorizada", number: "F1", access_key: expect.stringMatching(/^[0-9a-f-]{36}$/),
      pdf_url: `${API}/invoices/${ref}/pdf`, xml_url: `${API}/invoices/${ref}/xml`, issued_at: "2026-11-20T12:00:00.000Z",
    };
    expect(outcome).toEqual({ outcome: "accepted", ref, state: "authorized", action: "valid", result: { ...result, amount: 69_120n } });
    expect(await lookup(newCall(clock), ref)).toEqual({
      ref, state: "authorized", action: "valid", occurredAt: new Date("2026-11-20T12:00:00.000Z"), amountMinor: 69_120n, currency: "MXN", result,
    });
  });

  test.each([
    ["0.08", [{ type: "IVA", rate: 0.08 }]], ["0", [{ type: "IVA", rate: 0 }]], ["exento", [{ type: "IVA", rate: 0, factor: "Exento" }]], ["", undefined],
  ])("an iva_rate of '%s' is its tax on every item", async (iva_rate, taxes) => {
    const { issue, received, clock } = await start({ settings: { iva_rate } });
    await issue(sale(), newCall(clock));
    expect(received[0]!.body.items[0].product.taxes).toEqual(taxes);
  });

  test("what is paid later goes out as PPD with the form 99, whatever form the connection has", async () => {
    const { issue, received, clock } = await start({ settings: { payment_method: "PPD" } });
    await issue(sale(), newCall(clock));
    expect(received[0]!.body).toMatchObject({ payment_method: "PPD", payment_form: "99" });
  });

  test("a buyer without a regime has the connection's, and one with dashes in the RFC is read", async () => {
    const { issue, received, clock } = await start();
    await issue(sale({ recipient: { name: "Maria Ruiz", document: "rume-800101-ab1", address: { postal_code: "06000" } } }), newCall(clock));
    expect(received[0]!.body.customer).toEqual({ legal_name: "Maria Ruiz", tax_id: "RUME800101AB1", tax_system: "616", address: { zip: "06000" } });
  });

  test("where the document has defaults, nothing is made up", async () => {
    const { issue, received, clock } = await start({ settings: { cfdi_use: "", unit_key: "" } });
    await issue(sale(), newCall(clock));
    expect(received[0]!.body.use).toBe("G01");
    expect(received[0]!.body.items[0].product).not.toHaveProperty("unit_key");
  });

  test.each([
    ["recipient.name", { recipient: undefined }, {}],
    ["recipient.document", { recipient: { ...buyer, document: "12345678900" } }, {}],
    ["recipient.address.zip", { recipient: { ...buyer, address: { tax_system: "601" } } }, {}],
    ["recipient.address.zip", { recipient: { ...buyer, address: { ...buyer.address, zip: "8590" } } }, {}],
    ["recipient.address.tax_system", { recipient: { ...buyer, address: { zip: "85900" } } }, { customer_tax_system: "" }],
    ["items", { items: [] }, {}],
    ["items.1.amount", { items: [{ description: "A", amount: 100 }, { description: "B" }] }, {}],
    ["items.0.description", { items: [{ amount: 100 }] }, {}],
    ["items.0.quantity", { items: [{ description: "A", amount: 100, quantity: 3 }] }, {}],
    ["items.0.quantity", { items: [{ description: "A", amount: Number.MAX_SAFE_INTEGER }] }, {}],
  ])("what cannot be an invoice names %s and is not sent", async (field, change, settings: Record<string, string>) => {
    const { issue, received, clock } = await start({ settings });
    expect(await issue(sale(change), newCall(clock))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });

  test.each([
    ["payment_form", { payment_form: "" }, sale()],
    ["payment_method", { payment_method: "cash" }, sale()],
    ["product_key", { product_key: "" }, ofTotal(10_000)],
    ["iva_rate", { iva_rate: "16" }, sale()],
  ])("without a usable %s an operator is asked, and nothing is sent", async (setting, settings, request) => {
    const { issue, received, clock } = await start({ settings });
    const missing = await issue(request, newCall(clock)).catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(SetupMissing);
    expect(missing).toMatchObject({ setting });
    expect(received).toEqual([]);
  });

  test("documents of other countries and amendments are declined", async () => {
    const { issue, received, clock } = await start();
    expect(await issue(sale({ type: "nfse" }), newCall(clock))).toMatchObject({ reason: "not_permitted", field: "type" });
    expect(await issue(sale({ action: "amend", invoice_id: "x" }), newCall(clock))).toMatchObject({ reason: "not_permitted", field: "action" });
    expect(received).toEqual([]);
  });
});

describe("repeats and lookups", () => {
  test("a key that is in use is answered with the invoice that has it", async () => {
    const { issue, clock, received } = await start();
    const first = await issue(sale(), newCall(clock));
    expect(await issue(sale(), newCall(clock))).toEqual(first);
    expect(received.map(({ method }) => method)).toEqual(["POST", "POST", "GET"]);
    expect(received[2]!.query).toEqual({ external_id: REFERENCE });
  });

  test("a key that is in use by an invoice that cannot be read is an unknown outcome that acted", async () => {
    const { issue, clock, instead } = await start();
    await issue(sale(), newCall(clock));
    instead.answer = (request) => (request.method === "GET" ? new Response("bad gateway", { status: 502 }) : undefined);
    const call = newCall(clock);
    await expect(issue(sale(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
  });

  test("what was sent a moment ago and is not found yet is not declared lost", async () => {
    const { issue, lookup, clock, instead } = await start();
    instead.answer = (request) => (request.method === "POST" ? new Response("gateway timeout", { status: 504 }) : undefined);
    const call = newCall(clock);
    await expect(issue(sale(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    await clock.advance(APPLIED_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
  });

  test("an invoice under another external_id is not ours, and one that was named once is not lost", async () => {
    const { lookup, clock, instead } = await start();
    instead.answer = (request) => (request.url.includes("external_id") ? Response.json({ data: [{ id: "1", external_id: "another", status: "valid" }] }) : undefined);
    expect(await lookup(newCall(clock))).toBeUndefined();
    await expect(lookup(newCall(clock), "ffffffffffffffffffffffff")).rejects.toBeInstanceOf(Unanswered);
  });

  test.each([
    ["draft", "processing", "processing"], ["pending", "processing", "processing"], ["valid", "authorized", "autorizada"],
    ["canceled", "cancelled", "cancelada"], ["failed", "rejected", "rejeitada"], ["something_new", "processing", "processing"],
  ])("%s is %s", async (status, state, word) => {
    const { lookup, clock, instead } = await start();
    instead.answer = () => Response.json({ data: [{ id: "1", external_id: REFERENCE, status }] });
    expect(await lookup(newCall(clock))).toMatchObject({ state, action: status, result: { status: word } });
  });

  test("a total in another currency is no amount in pesos", async () => {
    const { lookup, clock, instead } = await start();
    instead.answer = () => Response.json({ data: [{ id: "1", external_id: REFERENCE, status: "valid", total: 10, currency: "USD" }] });
    expect(await lookup(newCall(clock))).not.toHaveProperty("amountMinor");
  });

  test("a status read is the same, and an id that is not there names the field", async () => {
    const { issue, clock } = await start();
    const ref = refOf(await issue(sale(), newCall(clock)));
    const call = newCall(clock, OTHER_REFERENCE);
    expect(await issue(sale({ action: "status", invoice_id: ref }), call)).toMatchObject({ outcome: "accepted", ref, state: "authorized", result: { number: "F1" } });
    expect(call.acted).toBe(false);
    expect(await issue(sale({ action: "status", invoice_id: "none" }), call)).toMatchObject({ outcome: "declined", field: "invoice_id" });
    expect(await issue(sale({ action: "status" }), call)).toMatchObject({ outcome: "declined", field: "invoice_id" });
  });
});

describe("refusals", () => {
  test("what SAT refuses is declined in its words and by its code", async () => {
    const { issue, clock } = await start();
    const call = newCall(clock);
    expect(await issue(ofTotal(10_013), call)).toMatchObject({ outcome: "declined", reason: "invalid_request", message: expect.stringMatching(/^CFDI40145: El RFC del receptor/) });
    expect(call.acted).toBe(false);
  });

  const refusing = async (status: number, body: unknown) => {
    const { issue, clock, instead } = await start();
    instead.answer = () => Response.json(body, { status });
    return issue(sale(), newCall(clock));
  };

  test.each([
    ["customer.tax_id", "recipient.document"], ["customer.tax_system", "recipient.address.tax_system"], ["customer.address.zip", "recipient.address.zip"],
    ["items.1.product.product_key", "items.1.service_code"], ["items[0].product.description", "items.0.description"], ["items.2.product.price", "items.2.amount"],
  ])("a validation error at %s names our field", async (path, field) => {
    const errors = [{ message: "No es válido.", code: "invalid_value", source: "facturapi", location: "body", path }];
    const body = { ok: false, message: "La solicitud no es válida.", status: 400, code: "invalid_request", errors };
    expect(await refusing(400, body)).toEqual({ outcome: "declined", reason: "invalid_request", message: "No es válido.", field });
  });

  test.each([
    [401, "unauthorized"], [403, "unauthorized"], [402, "not_permitted"], [404, "not_permitted"], [429, "rate_limited"], [409, "invalid_request"],
  ])("%s is %s", async (status, reason) => {
    expect(await refusing(status, { ok: false, message: "No.", status, code: "conflict" })).toMatchObject({ outcome: "declined", reason });
    expect(await refusing(status, "<html>")).toMatchObject({ outcome: "declined", reason });
  });
});

describe("webhooks", () => {
  const SECRET = "f00dfeedf00dfeedf00dfeedf00dfeed";
  const body = JSON.stringify({
    id: "evt_xxx", created_at: "2026-07-01T12:00:00.000Z", livemode: true, organization: "org_xxx", type: "invoice.status_updated",
    data: { type: "invoice", object: { id: "invoice_xxx" } }, related_resource_messages: [],
  });
  const SIGNATURE = createHmac("sha256", SECRET).update(body).digest("hex");
  const message = (text: string, headers: Record<string, string> = {}): InboundMessage =>
    ({ method: "POST", url: new URL(WEBHOOK_URL), headers: new Headers(headers), body: new TextEncoder().encode(text) });
  const verify = (text: string, signature: string | undefined, secrets = [SECRET]) =>
    facturapi.notifications!.verify(message(text, signature === undefined ? {} : { "facturapi-signature": signature }), { secrets, settings: {}, now: new Date() });

  test("hex digits of an HMAC over the bytes verify, in either case", () => {
    expect(verify(body, SIGNATURE)).toEqual({ ok: true });
    expect(verify(body, SIGNATURE.toUpperCase(), ["the-next-secret", SECRET])).toEqual({ ok: true });
  });

  test.each([
    ["a changed byte", `${body} `, SIGNATURE, [SECRET]],
    ["no signature", body, undefined, [SECRET]],
    ["another secret", body, SIGNATURE, ["another"]],
    ["no secret", body, SIGNATURE, []],
    ["an empty secret", body, createHmac("sha256", "").update(body).digest("hex"), [""]],
    ["a signature cut short", body, SIGNATURE.slice(0, -2), [SECRET]],
  ])("%s is refused", (_what, text, signature, secrets) => {
    expect(verify(text, signature, secrets)).toEqual({ ok: false, reason: expect.any(String) });
  });

  test("a message that carries an invoice by its id alone says only that something changed", async () => {
    const { issue, clock, provider } = await start();
    expect(facturapi.notifications!.read(message(body))).toEqual([{
      eventId: "evt_xxx", ref: "invoice_xxx", observation: { ref: "invoice_xxx", action: "invoice.status_updated", occurredAt: new Date("2026-07-01T12:00:00.000Z") },
    }]);
    const ref = refOf(await issue(sale(), newCall(clock)));
    const event = { eventId: "evt_1", ref, observation: { ref, action: "invoice.status_updated" } };
    expect(await provider.referenceOf!(event, newCall(clock))).toBe(REFERENCE);
    expect(await provider.referenceOf!({ ...event, ref: "none" }, newCall(clock))).toBeUndefined();
  });

  test("an invoice that failed in the background says why", async () => {
    const { issue, clock, rest, webhooks, lookup } = await start();
    const call = newCall(clock);
    expect(await issue(ofTotal(10_015), call)).toMatchObject({ outcome: "accepted", state: "processing", action: "pending" });
    await rest(1);
    const [event] = webhooks.flatMap((webhook) => facturapi.notifications!.read(message(webhook.body)));
    expect(event).toMatchObject({ reference: REFERENCE, observation: { state: "rejected", failure: { reason: "refused", message: expect.stringContaining("RFC del receptor") } } });
    expect(await lookup(call)).toMatchObject({ state: "rejected", action: "failed" });
  });

  test("other events are of no concern", () => {
    const other = (type: string) => facturapi.notifications!.read(message(body.replace("invoice.status_updated", type)));
    for (const type of ["receipt.status_updated", "invoice.created_from_dashboard", "customer.edit_link_completed"]) expect(other(type)).toEqual([]);
  });
});

describe("its own tools", () => {
  const inline = { quantity: 1, product: { description: "Clase", product_key: "86131600", price: 100, tax_included: false } };

  test("customer and product are made, found and used by an invoice, whose tax is added", async () => {
    const { tool, received } = await start();
    const customer = await tool("create_customer", { legal_name: "Dunder Mifflin", tax_id: "ABC101010111", tax_system: "601", zip: "85900" });
    expect(received.at(-1)!.body).toMatchObject({ address: { zip: "85900" } });
    const product = await tool("create_product", { description: "Ukelele", product_key: "60131324", price: 345.6 });
    expect(await tool("get_customer", { customerId: customer.id })).toEqual(customer);
    expect(await tool("list_customers", { q: "dunder" })).toMatchObject({ total_results: 1, data: [{ id: customer.id }] });
    expect(await tool("list_products", { q: "piano" })).toMatchObject({ total_results: 0, data: [] });
    const made = await tool("create_invoice", { customer: customer.id, items: [{ quantity: 2, product: product.id }, inline], payment_form: "28" });
    expect(made).toMatchObject({ status: "valid", total: 807.2, external_id: REFERENCE, customer: { id: customer.id, legal_name: "Dunder Mifflin" } });
    expect(await tool("get_invoice", { invoiceId: made.id })).toEqual(made);
    expect(await tool("send_invoice_email", { invoiceId: made.id })).toEqual({ ok: true });
  });

  test("a small invoice is cancelled at once, and a large one when its buyer agrees", async () => {
    const { tool, issue, clock, rest, webhooks, lookup } = await start();
    const [small, large] = [refOf(await issue(sale(), newCall(clock))), refOf(await issue(ofTotal(100_100), newCall(clock, OTHER_REFERENCE)))];
    await expect(tool("cancel_invoice", { invoiceId: small, motive: "01" })).rejects.toMatchObject({ status: 400, body: { code: "substitution_invoice_required" } });
    expect(await tool("cancel_invoice", { invoiceId: small, motive: "02" })).toMatchObject({ status: "canceled", cancellation_status: "accepted" });
    expect(await tool("cancel_invoice", { invoiceId: large, motive: "03" })).toMatchObject({ status: "valid", cancellation_status: "pending" });
    await rest(1);
    expect(await lookup(newCall(clock, OTHER_REFERENCE), large)).toMatchObject({ state: "cancelled", occurredAt: new Date("2026-11-20T12:00:01.000Z") });
    expect(webhooks.map(({ body }) => JSON.parse(body).type)).toEqual(["invoice.cancellation_status_updated"]);
    await expect(tool("cancel_invoice", { invoiceId: large, motive: "03" })).rejects.toMatchObject({ body: { code: "invoice_not_cancelable" } });
  });

  test("invoices are listed by date and page, the newest first", async () => {
    const { tool, issue, clock, received } = await start();
    await issue(sale(), newCall(clock));
    await clock.advance(3_600_000);
    const second = refOf(await issue(sale(), newCall(clock, OTHER_REFERENCE)));
    expect(await tool("list_invoices", { limit: 1 })).toMatchObject({ page: 1, total_pages: 2, total_results: 2, data: [{ id: second }] });
    expect(await tool("list_invoices", { date_from: "2026-11-20T12:30:00.000Z" })).toMatchObject({ total_results: 1 });
    expect(received.at(-1)!.query).toEqual({ "date[gte]": "2026-11-20T12:30:00.000Z" });
  });

  test("a receipt has the page where its buyer asks for the invoice", async () => {
    const { tool } = await start();
    const receipt = await tool("create_receipt", { items: [inline], payment_form: "01" });
    expect(receipt).toMatchObject({ status: "open", total: 116, self_invoice_url: expect.stringContaining(receipt.key) });
    expect(await tool("list_receipts", {})).toMatchObject({ data: [{ id: receipt.id }] });
    await expect(tool("create_receipt", { items: [inline], payment_form: "01" })).rejects.toMatchObject({ status: 409, body: { code: "idempotency_key_in_use" } });
  });
});

describe("the twin", () => {
  test("refuses a missing key and a wrong one in the vendor's shape", async () => {
    const { twin } = await start();
    const ask = async (headers: Record<string, string>) => (await twin.fetch(new Request(`${API}/invoices`, { headers }))).json();
    expect(await ask({})).toMatchObject({ ok: false, status: 401, code: "missing_credentials" });
    expect(await ask({ authorization: "Bearer sk_test_none" })).toMatchObject({ ok: false, status: 401, code: "api_key_invalid" });
  });

  test("says which field of a nested object is wrong", async () => {
    const { twin, account } = await start();
    const headers = { authorization: `Bearer ${account.credentials["api_key"]}` };
    const invoice = { customer: { legal_name: "A", tax_id: "ABC101010111", tax_system: "601", address: { zip: "1" } }, items: [], payment_form: "03", use: "G03" };
    const answer = await twin.fetch(new Request(`${API}/invoices`, { method: "POST", headers, body: JSON.stringify(invoice) }));
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: "invalid_request", path: "customer.address.zip", errors: [{ source: "facturapi" }] }]);
  });

  test("a step that runs twice stamps and tells once", async () => {
    const { issue, clock, rest, twin, webhooks, lookup } = await start();
    const call = newCall(clock);
    const ref = refOf(await issue(ofTotal(10_014), call));
    await rest(1);
    const before = await lookup(call, ref);
    const { organization } = JSON.parse(webhooks[0]!.body);
    await twin.run({ name: "recover", organization, id: ref });
    expect(await lookup(call, ref)).toEqual(before);
    expect(webhooks).toHaveLength(1);
  });

  test("keeps an organization's objects from every other key", async () => {
    const { twin, issue, clock } = await start();
    const ref = refOf(await issue(sale(), newCall(clock)));
    const other = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
    const headers = { authorization: `Bearer ${other.credentials["api_key"]}` };
    expect((await twin.fetch(new Request(`${API}/invoices/${ref}`, { headers }))).status).toBe(404);
  });
});
