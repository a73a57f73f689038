/** NFe.io: the wire of its NFS-e, its words for states, its signatures. The suite has the common faults. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { APPLIED_WITHIN_MS, nfeIo } from "../../providers/nfe-io/index.ts";
import { nfeIoTwin } from "../../providers/nfe-io/twin.ts";
import {
  OutcomeUnknown,
  SetupMissing,
  Unanswered,
  type CallContext,
  type InboundMessage,
} from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { invoice, type InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0e6c1e-6d0f-4f6d-9a53-2f6a52b7c111";
const WEBHOOK_URL = "https://shop.example/v1/webhooks/nfe-io/ca_1";

const service = (change: Record<string, unknown> = {}): InvoiceRequest => invoice.input.parse({
  type: "nfse",
  recipient: { name: "Maria Silva", document: "529.982.247-25", email: "maria@example.com" },
  items: [{ description: "Consultoria", amount: 15_000, service_code: "10677" }],
  ...change,
});

providerConformance({
  definition: nfeIo,
  twin: nfeIoTwin,
  verbs: {
    invoice: {
      request: service(),
      declined: service({ recipient: { name: "Maria Silva", document: "529.982.247-24" } }),
      settles: { to: "authorized", withinSteps: 3 },
      // NFe.io refuses the reference; the adapter answers with the invoice that has it.
      repeats: "replays",
    },
  },
});

interface Received {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: unknown;
}

async function start({ settings = {} }: { settings?: Record<string, string> } = {}) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const received: Received[] = [];
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = nfeIoTwin.create({ store, clock, settleAfterMs: 1_000, deliver });
  const account = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
  const companyId = account.settings["company_id"]!;
  /** Answers in the twin's place while it is set. */
  const instead: { answer?: (request: Request) => Response | undefined } = {};
  const connection = {
    credentials: account.credentials,
    settings: { ...account.settings, ...settings },
    baseUrl: nfeIo.hosts.test,
  };
  const provider = nfeIo.connect(connection, async (request) => {
    const text = await request.clone().text();
    received.push({
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      body: text && JSON.parse(text),
    });
    return instead.answer?.(request) ?? twin.fetch(request);
  });
  return {
    clock, received, webhooks, account, companyId, instead, twin,
    invoices: `https://api.nfe.io/v1/companies/${companyId}/serviceinvoices`,
    issue: (request: InvoiceRequest, call: CallContext) => provider.invoice!(request, call),
    lookup: (call: CallContext, ref?: string) =>
      provider.lookup!({ verb: "invoice", reference: call.reference, ref, currency: "BRL" }, call),
    async rest(steps: number) {
      await clock.advance(steps * 1_000);
      await store.runDue((step) => twin.run(step));
    },
    /** A request of its own, past the adapter. */
    ask: (
      method: string,
      path: string,
      headers: Record<string, string> = { authorization: account.credentials["api_key"]! },
    ) =>
      twin.fetch(
        new Request(`https://api.nfe.io/v1/companies/${companyId}/serviceinvoices${path}`, { method, headers }),
      ),
  };
}

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

describe("issuing", () => {
  test("one POST carries the raw key, our reference and the service as NFe.io names its parts", async () => {
    const { issue, received, clock, invoices, account } = await start();
    const request = service({
      recipient: {
        name: "Padaria Central Ltda",
        document: "11.222.333/0001-81",
        email: "contas@example.com",
        phone: "+5511999998888",
        address: {
          postal_code: "01310-100",
          line_1: "Avenida Paulista",
          number: "1000",
          complement: "cj 12",
          district: "Bela Vista",
          city: "São Paulo",
          city_code: "3550308",
          state: "SP",
          country: "BR",
        },
      },
      items: [
        { description: "Consultoria", amount: 15_000, service_code: "10677" },
        { description: "Treinamento", amount: 5_010 },
      ],
    });
    await issue(request, newCall(clock));
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: "POST", url: invoices });
    expect(received[0]?.headers["authorization"]).toBe(account.credentials["api_key"]);
    expect(received[0]?.body).toEqual({
      externalId: REFERENCE,
      cityServiceCode: "10677",
      description: "Consultoria\nTreinamento",
      servicesAmount: 200.1,
      borrower: {
        type: "LegalEntity",
        federalTaxNumber: 11222333000181,
        name: "Padaria Central Ltda",
        email: "contas@example.com",
        phoneNumber: "+5511999998888",
        address: {
          country: "BRA",
          postalCode: "01310-100",
          street: "Avenida Paulista",
          number: "1000",
          additionalInformation: "cj 12",
          district: "Bela Vista",
          city: { code: "3550308", name: "São Paulo" },
          state: "SP",
        },
      },
    });
  });

  test("the answer is an invoice on its way, without what only the city can give", async () => {
    const { issue, clock } = await start();
    const outcome = await issue(service(), newCall(clock));
    expect(outcome).toEqual({
      outcome: "accepted",
      ref: expect.stringMatching(/^[0-9a-f]{24}$/),
      state: "processing",
      action: "WaitingCalculateTaxes",
      result: { id: expect.any(String), status: "processing", amount: 15_000n },
    });
    expect(outcome).toMatchObject({ ref: (outcome as { result: { id: string } }).result.id });
  });

  test("code and description of the connection stand in for items that have none", async () => {
    const { issue, received, clock } = await start({
      settings: { city_service_code: "2690", service_description: "Serviços de software" },
    });
    await issue(service({ items: [{ amount: 100 }] }), newCall(clock));
    expect(received[0]?.body).toMatchObject({
      cityServiceCode: "2690",
      description: "Serviços de software",
      servicesAmount: 1,
    });
  });

  test("the sample CPF of the published examples passes, as it does in every test project", async () => {
    const { issue, clock } = await start();
    const outcome = await issue(service({ recipient: { name: "Maria", document: "123.456.789-00" } }), newCall(clock));
    expect(outcome).toMatchObject({ outcome: "accepted" });
  });

  test.each([
    ["recipient", { recipient: undefined }],
    ["recipient.document", { recipient: { name: "Maria", document: "111.111.111-11" } }],
    ["recipient.document", { recipient: { name: "Nova Ltda", document: "12.ABC.345/01DE-35" } }],
    ["items", { items: [] }],
    ["items.1.amount", { items: [{ description: "A", amount: 100 }, { description: "B" }] }],
    ["items", { items: [{ description: "A", amount: Number.MAX_SAFE_INTEGER }] }],
    ["items.1.service_code", { items: [{ amount: 1, service_code: "10677" }, { amount: 1, service_code: "2690" }] }],
  ])("what cannot be an invoice names %s and is not sent", async (field, change) => {
    const { issue, received, clock } = await start();
    expect(await issue(service(change), newCall(clock))).toMatchObject({
      outcome: "declined",
      reason: "invalid_request",
      field,
    });
    expect(received).toEqual([]);
  });

  test.each([
    ["city_service_code", { city_service_code: "" }, service({ items: [{ description: "A", amount: 100 }] })],
    ["company_id", { company_id: "" }, service()],
  ])("without %s an operator is asked, and nothing is sent", async (setting, settings, request) => {
    const { issue, received, clock } = await start({ settings });
    const missing = await issue(request, newCall(clock)).catch((error: unknown) => error);
    expect(missing).toBeInstanceOf(SetupMissing);
    expect(missing).toMatchObject({ setting });
    expect(received).toEqual([]);
  });

  test("goods and amendments are declined: this rail issues services", async () => {
    const { issue, received, clock } = await start();
    expect(await issue(service({ type: "nfe" }), newCall(clock))).toMatchObject({
      reason: "not_permitted",
      field: "type",
    });
    expect(await issue(service({ action: "amend", invoice_id: "x" }), newCall(clock))).toMatchObject({
      reason: "not_permitted",
      field: "action",
    });
    expect(received).toEqual([]);
  });
});

describe("refusals", () => {
  const refusing = (answer: Response) => async () => {
    const world = await start();
    world.instead.answer = () => answer.clone();
    return world.issue(service(), newCall(world.clock));
  };

  test.each([
    [
      "a bare string names its field first",
      Response.json("borrower.federalTaxNumber borrower federal tax number is not valid", { status: 400 }),
      {
        reason: "invalid_request",
        field: "recipient.document",
        message: "borrower.federalTaxNumber borrower federal tax number is not valid",
      },
    ],
    [
      "a list of errors",
      Response.json({ errors: [{ code: 40001, message: "cityServiceCode is not registered" }] }, { status: 400 }),
      { reason: "invalid_request", field: "items.0.service_code", message: "cityServiceCode is not registered" },
    ],
    [
      "errors by field under a title",
      Response.json(
        { title: "One or more validation errors occurred.", errors: { servicesAmount: ["The value is not valid."] } },
        { status: 400 },
      ),
      { reason: "invalid_request", field: "items.0.amount", message: "servicesAmount The value is not valid." },
    ],
    [
      "a company that is not theirs",
      Response.json("Company not found.", { status: 404 }),
      { reason: "not_permitted", message: "Company not found." },
    ],
    ["an empty 403", new Response(null, { status: 403 }), { reason: "unauthorized" }],
    [
      "a 400 that says nothing",
      new Response(null, { status: 400 }),
      { reason: "invalid_request", message: "NFe.io answered 400." },
    ],
  ])("%s", async (_what, answer, declined) => {
    expect(await refusing(answer)()).toMatchObject({ outcome: "declined", ...declined });
  });
});

describe("repeats and lookups", () => {
  test("a reference that exists is answered with its invoice, and there is one invoice", async () => {
    const { issue, clock, received } = await start();
    const first = await issue(service(), newCall(clock));
    const again = await issue(service(), newCall(clock));
    expect(again).toEqual(first);
    expect(received.map(({ method }) => method)).toEqual(["POST", "POST", "GET"]);
  });

  test("a reference that exists and cannot be read is an unknown outcome that acted, never a decline", async () => {
    const { issue, clock, instead } = await start();
    await issue(service(), newCall(clock));
    instead.answer = (request) => (request.method === "GET" ? new Response("bad gateway", { status: 502 }) : undefined);
    const call = newCall(clock);
    await expect(issue(service(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
  });

  test("a lookup asks by NFe.io's id, or by our reference", async () => {
    const { issue, lookup, clock, received, invoices } = await start();
    const outcome = await issue(service(), newCall(clock));
    const { ref } = outcome as { ref: string };
    expect(await lookup(newCall(clock), ref)).toMatchObject({ ref, state: "processing" });
    expect(await lookup(newCall(clock))).toMatchObject({ ref, state: "processing" });
    expect(received.slice(1).map(({ method, url }) => `${method} ${url}`)).toEqual([
      `GET ${invoices}/${ref}`, `GET ${invoices}/external/${REFERENCE}`,
    ]);
  });

  test("what was sent a moment ago and is not found yet is not declared lost", async () => {
    const { issue, lookup, clock, instead } = await start();
    instead.answer = () => new Response("gateway timeout", { status: 504 });
    const call = newCall(clock);
    await expect(issue(service(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    instead.answer = () => undefined;
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    await clock.advance(APPLIED_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
  });

  test("an invoice that NFe.io once named and does not show now is not declared lost either", async () => {
    const { lookup, clock } = await start();
    await expect(lookup(newCall(clock), "ffffffffffffffffffffffff")).rejects.toBeInstanceOf(Unanswered);
  });

  test("the document's own shape, one object instead of a list, is read too", async () => {
    const { lookup, clock, instead } = await start();
    instead.answer = () =>
      Response.json({ id: "6ac8000000000000000000aa", externalId: REFERENCE, flowStatus: "Issued", number: 7 });
    expect(await lookup(newCall(clock))).toMatchObject({
      ref: "6ac8000000000000000000aa",
      state: "authorized",
      result: { number: "7" },
    });
  });

  test("an invoice under another reference is not ours", async () => {
    const { lookup, clock, instead } = await start();
    instead.answer = () =>
      Response.json({ serviceInvoices: [{ id: "6ac8", externalId: "another", flowStatus: "Issued" }], page: 1 });
    expect(await lookup(newCall(clock))).toBeUndefined();
  });
});

describe("states", () => {
  test.each([
    ["WaitingCalculateTaxes", "processing", "processing"],
    ["WaitingDefineRpsNumber", "processing", "processing"],
    ["WaitingSend", "processing", "processing"],
    ["WaitingReturn", "processing", "processing"],
    ["WaitingDownload", "processing", "processing"],
    ["PullFromCityHall", "processing", "processing"],
    ["WaitingSendCancel", "processing", "processing"],
    ["Issued", "authorized", "autorizada"],
    ["CancelFailed", "authorized", "autorizada"],
    ["IssueFailed", "rejected", "rejeitada"],
    ["Cancelled", "cancelled", "cancelada"],
    ["SomethingNew", "processing", "processing"],
  ])("%s is %s", async (flowStatus, state, status) => {
    const { lookup, clock, instead } = await start();
    instead.answer = () => Response.json({ serviceInvoices: [{ id: "6ac8", externalId: REFERENCE, flowStatus }] });
    expect(await lookup(newCall(clock))).toMatchObject({ state, action: flowStatus, result: { status } });
  });

  test("an issued invoice has number, code, moment and the addresses of its files", async () => {
    const { issue, lookup, clock, rest, invoices } = await start();
    const { ref } = (await issue(service(), newCall(clock))) as { ref: string };
    await rest(1);
    expect(await lookup(newCall(clock), ref)).toMatchObject({ state: "processing", action: "WaitingReturn" });
    await rest(1);
    expect(await lookup(newCall(clock), ref)).toEqual({
      ref,
      state: "authorized",
      action: "Issued",
      occurredAt: new Date("2026-11-20T12:00:02.000Z"),
      amountMinor: 15_000n,
      currency: "BRL",
      result: {
        id: ref,
        status: "autorizada",
        number: "1001",
        verification_code: expect.stringMatching(/^[A-Z2-9]{4}-[A-Z2-9]{4}$/),
        pdf_url: `${invoices}/${ref}/pdf`,
        xml_url: `${invoices}/${ref}/xml`,
        issued_at: "2026-11-20T12:00:02.000Z",
      },
    });
  });

  test("a status read is the same, and an id that is not there names the field", async () => {
    const { issue, clock, rest } = await start();
    const { ref } = (await issue(service(), newCall(clock))) as { ref: string };
    await rest(2);
    const call = newCall(clock, "9c1b3c0a-98b1-4e93-8b9b-4cf47c7e2222");
    expect(await issue(service({ action: "status", invoice_id: ref }), call)).toMatchObject({
      outcome: "accepted", ref, state: "authorized", result: { status: "autorizada", number: "1001", amount: 15_000n },
    });
    expect(call.acted).toBe(false);
    const absent = service({ action: "status", invoice_id: "ffffffffffffffffffffffff" });
    expect(await issue(absent, call)).toMatchObject({ outcome: "declined", field: "invoice_id" });
    expect(await issue(service({ action: "status" }), call)).toMatchObject({
      outcome: "declined",
      field: "invoice_id",
    });
  });

  test("an amount ending in 13 centavos is refused by the city, which says why", async () => {
    const { issue, lookup, clock, rest, webhooks } = await start();
    const { ref } = (await issue(service({ items: [{ description: "A", amount: 10_013 }] }), newCall(clock))) as {
      ref: string;
    };
    await rest(2);
    expect(await lookup(newCall(clock), ref)).toMatchObject({
      state: "rejected", action: "IssueFailed", result: { status: "rejeitada", reason: /E160/ },
      failure: { reason: "refused", message: expect.stringContaining("E160") },
    });
    expect(webhooks.map(({ body }) => JSON.parse(body).action)).toEqual(["issued_failed"]);
  });

  test("an amount ending in 14 centavos waits for ever", async () => {
    const { issue, lookup, clock, rest } = await start();
    const { ref } = (await issue(service({ items: [{ description: "A", amount: 10_014 }] }), newCall(clock))) as {
      ref: string;
    };
    await rest(500);
    expect(await lookup(newCall(clock), ref)).toMatchObject({ state: "processing", action: "WaitingReturn" });
  });
});

describe("webhooks", () => {
  // A ping that NFe.io sent on 2026-06-11 and published (nfe/client-nodejs, MIT): its bytes and its signature.
  const SECRET = "probe-secret-32chars-minimum-length-1";
  const body =
    `{"action":"ping","webHook":{"Id":"ad1010b0f66441419454e5e283cce64b",` +
    `"Uri":"https://webhook.site/002aedc9-653d-49f9-8a81-9cc88dd741cb","Secret":"${SECRET}","ContentType":"json",` +
    `"InsecureSsl":false,"Status":"active","Filters":["service_invoice.issued_successfully"],` +
    `"CreatedOn":"2026-06-11T01:21:22.9932699+00:00","ModifiedOn":"2026-06-11T01:21:22.9932884+00:00"}}`;
  const SIGNATURE = "sha1=E7EA893E16D32963590D3BE3682D0DEAE69DBFE0";

  const message = (text: string, headers: Record<string, string>): InboundMessage => ({
    method: "POST",
    url: new URL(WEBHOOK_URL),
    headers: new Headers(headers),
    body: new TextEncoder().encode(text),
  });
  const verify = (text: string, signature: string | undefined, secrets = [SECRET]) =>
    nfeIo.notifications!.verify(message(text, signature === undefined ? {} : { "x-hub-signature": signature }), {
      secrets,
      settings: {},
      now: new Date(),
    });
  const read = (value: unknown, headers: Record<string, string> = {}) =>
    nfeIo.notifications!.read(message(JSON.stringify(value), headers));

  test("a delivery that NFe.io made verifies, in either case of its digits, whichever of the secrets signed it", () => {
    expect(verify(body, SIGNATURE)).toEqual({ ok: true });
    expect(verify(body, SIGNATURE.toLowerCase())).toEqual({ ok: true });
    expect(verify(body, SIGNATURE, ["the-next-secret", SECRET])).toEqual({ ok: true });
  });

  test.each([
    ["a changed byte", `${body} `, SIGNATURE, [SECRET]],
    ["no signature", body, undefined, [SECRET]],
    ["another secret", body, SIGNATURE, ["another-secret-32chars-minimum-len"]],
    ["no secret", body, SIGNATURE, []],
    ["a signature cut short", body, SIGNATURE.slice(0, -2), [SECRET]],
    ["another algorithm", body, SIGNATURE.replace("sha1", "sha256"), [SECRET]],
    ["bare digits", body, SIGNATURE.slice(5), [SECRET]],
  ])("%s is refused", (_what, text, signature, secrets) => {
    expect(verify(text, signature, secrets)).toEqual({ ok: false, reason: expect.any(String) });
  });

  test("an empty secret signs nothing", () => {
    const forged = createHmac("sha1", "").update(body).digest("hex");
    expect(verify(body, `sha1=${forged}`, [""])).toMatchObject({ ok: false });
  });

  test("a ping and other documents are of no concern", () => {
    expect(read(JSON.parse(body))).toEqual([]);
    expect(read({ action: "product_invoice.issued_successfully", payload: { id: "6ac8" } })).toEqual([]);
    expect(
      read({ action: "issued_successfully", payload: { id: "6ac8" } }, { "x-hook-event": "consumer_invoice" }),
    ).toEqual([]);
    expect(read({ action: "service_invoice.pulled", payload: { id: "6ac8" } })).toEqual([]);
  });

  test("the long name of an event and the short one with its header say the same", () => {
    const payload = { id: "6ac8", externalId: REFERENCE, flowStatus: "Issued", modifiedOn: "2026-11-20T12:00:02Z" };
    const long = read({ action: "service_invoice.issued_successfully", payload });
    expect(long).toMatchObject([
      { ref: "6ac8", reference: REFERENCE, observation: { state: "authorized", action: "Issued" } },
    ]);
    expect(read({ action: "issued_successfully", payload }, { "x-hook-event": "service_invoice" })).toEqual(long);
  });

  test.each([
    ["issued_successfully", "authorized"], ["issued_failed", "rejected"], ["issued_error", "rejected"],
    ["cancelled_successfully", "cancelled"], ["cancelled_failed", "authorized"], ["cancelled_error", "authorized"],
  ])("%s without an invoice's own word is %s", (action, state) => {
    expect(read({ action, payload: { id: "6ac8" } })).toMatchObject([{ ref: "6ac8", observation: { state } }]);
  });

  test("a delivery under a new x-hook-id is no new event: that header is not signed", () => {
    const value = { action: "issued_successfully", payload: { id: "6ac8", flowStatus: "Issued" } };
    expect(read(value, { "x-hook-id": "1" })[0]?.eventId).toBe(read(value, { "x-hook-id": "2" })[0]?.eventId);
  });

  test("the twin signs as NFe.io does: upper-case digits over the bytes", async () => {
    const { issue, clock, rest, webhooks, account } = await start();
    await issue(service(), newCall(clock));
    await rest(2);
    const digits = createHmac("sha1", account.webhookSecret).update(webhooks[0]!.body).digest("hex").toUpperCase();
    expect(webhooks).toMatchObject([
      { url: WEBHOOK_URL, headers: { "x-hook-event": "service_invoice", "x-hub-signature": `sha1=${digits}` } },
    ]);
    expect(JSON.parse(webhooks[0]!.body)).toMatchObject({
      action: "issued_successfully",
      payload: { externalId: REFERENCE, flowStatus: "Issued", number: 1001, servicesAmount: 150 },
    });
  });
});

describe("the twin", () => {
  test("takes the key raw, after Basic, in its own header or in the address, and as nothing else", async () => {
    const { ask, account } = await start();
    const key = account.credentials["api_key"]!;
    const found = "/external/none";
    expect((await ask("GET", found, { authorization: key })).status).toBe(200);
    expect((await ask("GET", found, { authorization: `Basic ${key}` })).status).toBe(200);
    expect((await ask("GET", found, { "x-nfe-apikey": key })).status).toBe(200);
    expect((await ask("GET", `${found}?apikey=${key}`, {})).status).toBe(200);
    const refused = await ask("GET", found, { authorization: `Bearer ${key}` });
    expect([refused.status, await refused.text()]).toEqual([401, ""]);
  });

  test("shows the files of an issued invoice behind a redirect that needs no key, and none before", async () => {
    const { issue, clock, rest, ask, twin } = await start();
    const { ref } = (await issue(service(), newCall(clock))) as { ref: string };
    expect((await ask("GET", `/${ref}/pdf`)).status).toBe(404);
    await rest(2);
    const redirect = await ask("GET", `/${ref}/pdf`);
    expect(redirect.status).toBe(302);
    const file = await twin.fetch(new Request(redirect.headers.get("location")!));
    expect(await file.text()).toMatch(/^%PDF-1\.4/);
    expect(new URL(redirect.headers.get("location")!).host).toBe("api.nfse.io");
  });

  test("cancels an issued invoice by and by, and tells of it", async () => {
    const { issue, lookup, clock, rest, ask, webhooks } = await start();
    const { ref } = (await issue(service(), newCall(clock))) as { ref: string };
    expect((await ask("DELETE", `/${ref}`)).status).toBe(400);
    await rest(2);
    expect((await ask("DELETE", `/${ref}`)).status).toBe(202);
    expect(await lookup(newCall(clock), ref)).toMatchObject({ action: "WaitingSendCancel" });
    await rest(1);
    expect(await lookup(newCall(clock), ref)).toMatchObject({
      state: "cancelled",
      result: { status: "cancelada", number: "1001" },
    });
    expect(webhooks.map(({ body }) => JSON.parse(body).action)).toEqual([
      "issued_successfully",
      "cancelled_successfully",
    ]);
  });

  test("a step that runs twice numbers an invoice once", async () => {
    const { issue, lookup, clock, rest, twin, companyId } = await start();
    const { ref } = (await issue(service(), newCall(clock))) as { ref: string };
    await rest(2);
    const before = await lookup(newCall(clock), ref);
    for (const name of ["send", "answer"]) await twin.run({ name, companyId, id: ref });
    expect(await lookup(newCall(clock), ref)).toEqual(before);
  });

  test("another account's company is not found", async () => {
    const { twin, companyId } = await start();
    const other = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
    const address = `https://api.nfe.io/v1/companies/${companyId}/serviceinvoices/external/${REFERENCE}`;
    const answer = await twin.fetch(
      new Request(address, { headers: { authorization: other.credentials["api_key"]! } }),
    );
    expect([answer.status, await answer.json()]).toEqual([404, "Company not found."]);
  });
});

describe("its own tools", () => {
  const service = { cityServiceCode: "2690", description: "Consultoria", servicesAmount: 150.5, borrower: { name: "Maria Silva", federalTaxNumber: 11144477735 } };
  const goods = (totalAmount: number) => ({
    operationNature: "Venda", operationType: "Outgoing", consumerType: "FinalConsumer",
    buyer: { name: "Maria Silva", federalTaxNumber: 11144477735 },
    items: [{ code: "1", description: "Caneca", ncm: "69120000", cfop: 5102, unit: "UN", quantity: 1, unitAmount: totalAmount, totalAmount }],
    payment: [{ paymentDetail: [{ method: "InstantPayment", amount: totalAmount }] }],
  });

  test("those for services are below the company, each one request", async () => {
    const { run, sent, account, rests } = await nativeWorld(nfeIo, nfeIoTwin);
    const { id, externalId } = await run("create_nfse", service);
    expect(externalId).toMatch(/^[0-9a-f-]{36}$/);
    await rests(2);
    expect(await run("get_nfse", { id })).toMatchObject({ flowStatus: "Issued", servicesAmount: 150.5 });
    expect(await run("list_nfse", { pageIndex: 1, pageCount: 10 })).toMatchObject({ serviceInvoices: [{ id }] });
    expect(await run("email_nfse", { id })).toBe("Email sent.");
    expect(await run("cancel_nfse", { id })).toMatchObject({ flowStatus: "WaitingSendCancel" });
    const below = `https://api.nfe.io/v1/companies/${account.settings["company_id"]}/serviceinvoices`;
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `POST ${below}`, `GET ${below}/${id}`, `GET ${below}?pageIndex=1&pageCount=10`, `PUT ${below}/${id}/sendemail`, `DELETE ${below}/${id}`,
    ]);
  });

  test("those for goods go to the other host, and an invoice is issued, corrected and cancelled", async () => {
    const { run, sent, account, rests, webhooks } = await nativeWorld(nfeIo, nfeIoTwin);
    const { id } = await run("create_nfe", goods(25.9));
    expect(await run("get_nfe", { id })).toMatchObject({ status: "Created" });
    await rests(2);
    const { status, authorization } = await run("get_nfe", { id });
    expect([status, authorization.accessKey]).toEqual(["Issued", expect.stringMatching(/^352611\d{14}55\d{22}$/)]);
    expect(await run("list_nfe", { environment: "Test" })).toMatchObject({ productInvoices: [{ id }], hasMore: false });
    expect(await run("get_nfe_pdf", { id })).toMatchObject({ uri: expect.stringMatching(/^https:/) });
    expect(await run("get_nfe_xml", { id })).toMatchObject({ uri: expect.stringMatching(/^https:/) });
    expect(await run("correct_nfe", { id, reason: "O complemento era outro" })).toEqual({});
    expect(await run("cancel_nfe", { id, reason: "A venda foi desfeita" })).toEqual({});
    await rests(1);
    expect(await run("get_nfe", { id })).toMatchObject({ status: "Cancelled" });
    const below = `https://api.nfse.io/v2/companies/${account.settings["company_id"]}/productinvoices`;
    expect(sent.every(({ url }) => url.startsWith(below))).toBe(true);
    expect(sent.find(({ method }) => method === "DELETE")!.url).toBe(`${below}/${id}?reason=A+venda+foi+desfeita`);
    expect(webhooks.map(({ body }) => JSON.parse(body).action)).toEqual(["product_invoice.issued_successfully", "product_invoice.cancelled_successfully"]);
  });

  test("goods that the state refuses end as an error, and cannot be cancelled", async () => {
    const { run, refusal, rests } = await nativeWorld(nfeIo, nfeIoTwin);
    const { id } = await run("create_nfe", goods(25.13));
    await rests(2);
    expect(await run("get_nfe", { id })).toMatchObject({ status: "Error" });
    expect(await refusal("cancel_nfe", { id, reason: "A venda foi desfeita" })).toMatchObject({ status: 400 });
    expect(await refusal("get_nfe_pdf", { id })).toMatchObject({ status: 404 });
  });

  test("a message about goods is read as nothing by the rail of services", async () => {
    const { run, rests, webhooks } = await nativeWorld(nfeIo, nfeIoTwin);
    await run("create_nfe", goods(25.9));
    await rests(2);
    const [{ url, body, headers }] = webhooks as [(typeof webhooks)[number]];
    expect(nfeIo.notifications!.read({ method: "POST", url: new URL(url), headers: new Headers(headers), body: new TextEncoder().encode(body) })).toEqual([]);
  });

  test.each(["api_key", "company_id"])("without %s there is no client", async (name) => {
    const { open, account } = await nativeWorld(nfeIo, nfeIoTwin);
    const without = (values: Record<string, string>) => ({ ...values, [name]: "" });
    expect(() => open({ credentials: without(account.credentials), settings: without(account.settings) })).toThrow(SetupMissing);
  });
});
