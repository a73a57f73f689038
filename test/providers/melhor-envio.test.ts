/** Melhor Envio: the wire of its labels, their states, its signatures. The suite has the common faults. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { melhorEnvio, PAID_WITHIN_MS } from "../../providers/melhor-envio/index.ts";
import { melhorEnvioTwin, s10CheckDigit } from "../../providers/melhor-envio/twin.ts";
import {
  NotReached,
  OutcomeUnknown,
  SetupMissing,
  Unanswered,
  type CallContext,
  type InboundMessage,
  type Outcome,
  type Provider,
} from "../../providers/provider.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinWebhook } from "../../providers/twin.ts";
import { checkDigits } from "../../schema/documents.ts";
import { ship, type ShipRequest, type ShipResult } from "../../schema/meta-tools/ship.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { conformanceChecks, providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0e6c1e-6d0f-4f6d-9a53-2f6a52b7c222";
const WEBHOOK_URL = "https://shop.example/v1/webhooks/melhor-envio/ca_1";
const MUG = {
  weight_g: 450,
  width_cm: 12,
  height_cm: 10.2,
  length_cm: 14,
  declared_value: 8_990,
  description: "Caneca",
};

const parcel = (change: Record<string, unknown> = {}): ShipRequest =>
  ship.input.parse({
    action: "label",
    destination: {
      postal_code: "20040-020",
      name: "Maria Silva",
      document: "529.982.247-25",
      phone: "21999998888",
      line_1: "Avenida Rio Branco",
      number: "156",
      city: "Rio de Janeiro",
      state: "RJ",
    },
    items: [MUG],
    ...change,
  });
const to = (postalCode: string): ShipRequest => parcel({ destination: { postal_code: postalCode } });

const subject = { definition: melhorEnvio, twin: melhorEnvioTwin };

providerConformance({
  ...subject,
  verbs: {
    quote: { request: parcel({ action: "quote" }), declined: to("00999001") },
    label: { request: parcel(), declined: to("00999002"), settles: { to: "delivered", withinSteps: 3 } },
  },
});

/** A parcel is bought before it can be tracked, which the check that counts requests from zero does not allow for. */
describe("melhor-envio track conforms", () => {
  const track = {
    request: async (provider: Provider, call: CallContext) => {
      const { result } = bought(await provider.label!(parcel(), call));
      return parcel({ action: "track", tracking_code: result.tracking_code });
    },
    declined: parcel({ action: "track", tracking_code: "AA123456785BR" }),
  };
  for (const { name, run } of conformanceChecks({ ...subject, verbs: { track } }))
    if (!name.includes("nothing is sent")) test(name, run);
});

interface Received {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: unknown;
}

async function start({ settings = {} }: { settings?: Record<string, string> } = {}) {
  const clock = new FakeClock();
  const store = new MemoryTwinStore(clock);
  const received: Received[] = [];
  const webhooks: TwinWebhook[] = [];
  const deliver = async (webhook: TwinWebhook) => void webhooks.push(webhook);
  const twin = melhorEnvioTwin.create({ store, clock, settleAfterMs: 1_000, deliver });
  const account = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
  /** Answers in the twin's place, or throws, while it is set. */
  const instead: {
    answer?: (path: string, apply: () => Promise<Response>) => Response | undefined | Promise<Response | undefined>;
  } = {};
  const connection = {
    credentials: account.credentials,
    settings: { ...account.settings, ...settings },
    baseUrl: melhorEnvio.hosts.test,
  };
  const provider = melhorEnvio.connect(connection, async (request) => {
    const { pathname, search } = new URL(request.url);
    const text = await request.clone().text();
    const path = pathname + search;
    received.push({
      method: request.method,
      path,
      headers: Object.fromEntries(request.headers),
      body: text && JSON.parse(text),
    });
    return (await instead.answer?.(path, () => twin.fetch(request))) ?? twin.fetch(request);
  });
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = {
      authorization: `Bearer ${account.credentials["access_token"]}`,
      "user-agent": "test (test@example.com)",
    };
    const address = `https://sandbox.melhorenvio.com.br/api/v2${path}`;
    const answer = await twin.fetch(
      new Request(address, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }),
    );
    return { status: answer.status, body: await answer.json() };
  };
  return {
    clock, received, webhooks, account, instead, twin, ask,
    quote: (request: ShipRequest, call: CallContext = newCall(clock)) => provider.quote!(request, call),
    label: (request: ShipRequest, call: CallContext = newCall(clock)) => provider.label!(request, call),
    track: (code?: string) => provider.track!(parcel({ action: "track", tracking_code: code }), newCall(clock)),
    lookup: (call: CallContext, ref?: string) =>
      provider.lookup!({ verb: "label", reference: call.reference, ref, currency: undefined }, call),
    paths: () => received.map(({ method, path }) => `${method} ${path}`),
    bodyOf: (path: string) => received.find((request) => request.path === `/api/v2${path}`)?.body,
    balance: async () => (await ask("GET", "/me/balance")).body.balance as number,
    async rest(steps: number) {
      await clock.advance(steps * 1_000);
      await store.runDue((step) => twin.run(step));
    },
  };
}

function newCall(clock: FakeClock): CallContext {
  const call: CallContext = {
    reference: REFERENCE, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

function bought(outcome: Outcome<ShipResult>) {
  if (outcome.outcome !== "accepted") throw new Error(`declined: ${outcome.message}`);
  return outcome;
}

describe("quoting", () => {
  test("one question carries the token, who asks, and one parcel in kilograms, centimetres and reais", async () => {
    const { quote, received, account } = await start();
    await quote(parcel({ action: "quote" }));
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({ method: "POST", path: "/api/v2/me/shipment/calculate" });
    expect(received[0]?.headers).toMatchObject({
      authorization: `Bearer ${account.credentials["access_token"]}`,
      "user-agent": "codespar-server (sandbox@example.com)",
    });
    expect(received[0]?.body).toEqual({
      from: { postal_code: "01310100" },
      to: { postal_code: "20040020" },
      products: [{ id: "1", width: 12, height: 11, length: 14, weight: 0.45, insurance_value: 89.9, quantity: 1 }],
      options: { receipt: false, own_hand: false },
    });
  });

  test("every service that takes the parcel is quoted, cheapest first, at what the wallet pays", async () => {
    const { quote } = await start();
    expect(bought(await quote(parcel({ action: "quote" }))).result).toEqual({
      id: REFERENCE,
      status: "quoted",
      quotes: [
        { service_id: "1", carrier: "Correios", service: "PAC", cost_minor: 2_809n, delivery_days: 9 },
        { service_id: "3", carrier: "Jadlog", service: ".Package", cost_minor: 2_869n, delivery_days: 8 },
        { service_id: "31", carrier: "Loggi", service: "Express", cost_minor: 3_209n, delivery_days: 7 },
        { service_id: "4", carrier: "Jadlog", service: ".Com", cost_minor: 3_659n, delivery_days: 4 },
        { service_id: "2", carrier: "Correios", service: "SEDEX", cost_minor: 4_699n, delivery_days: 3 },
      ],
    });
  });

  test("several items travel as one box: widest, longest, and one on the other", async () => {
    const { quote, bodyOf } = await start();
    await quote(
      parcel({
        action: "quote",
        items: [
          { ...MUG, quantity: 2 },
          { weight_g: 1_250, width_cm: 30, height_cm: 4, length_cm: 9.5 },
        ],
      }),
    );
    expect(bodyOf("/me/shipment/calculate")).toMatchObject({
      products: [{ width: 30, height: 25, length: 14, weight: 2.15, insurance_value: 179.8, quantity: 1 }],
    });
  });

  test("the usual parcel stands in for items, its measures for theirs, else the least Correios takes", async () => {
    const usual = await start();
    await usual.quote(parcel({ action: "quote", items: undefined }));
    expect(usual.bodyOf("/me/shipment/calculate")).toMatchObject({
      products: [{ width: 16, height: 6, length: 22, weight: 0.5, insurance_value: 0 }],
    });
    const none = await start({
      settings: { parcel_width_cm: "", parcel_height_cm: "", parcel_length_cm: "", parcel_weight_g: "" },
    });
    await none.quote(parcel({ action: "quote", items: [{ weight_g: 100 }] }));
    expect(none.bodyOf("/me/shipment/calculate")).toMatchObject({
      products: [{ width: 11, height: 2, length: 16, weight: 0.1 }],
    });
    expect(await none.quote(parcel({ action: "quote", items: undefined }))).toMatchObject({
      outcome: "declined",
      field: "items",
    });
  });

  test("a named origin replaces the merchant's", async () => {
    const { quote, bodyOf } = await start();
    await quote(parcel({ action: "quote", origin: { postal_code: "80010-000" } }));
    expect(bodyOf("/me/shipment/calculate")).toMatchObject({ from: { postal_code: "80010000" } });
  });

  test.each([
    ["destination.postal_code", { destination: undefined }],
    ["destination.postal_code", { destination: { postal_code: "2004-020" } }],
    ["destination.document", { destination: { postal_code: "20040020", document: "529.982.247-24" } }],
    ["origin.postal_code", { origin: { postal_code: "00000-000" } }],
    ["metadata.nfe_key", { metadata: { nfe_key: "35" } }],
  ])("what cannot be sent names %s, and nothing is asked", async (field, change) => {
    const { quote, label, received } = await start();
    expect(await quote(parcel(change))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(await label(parcel(change))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });

  test("without any origin the caller learns both ways to give one", async () => {
    const { quote } = await start({ settings: { origin_postal_code: "" } });
    expect(await quote(parcel())).toMatchObject({
      field: "origin.postal_code",
      message: expect.stringContaining("origin_postal_code on the connection"),
    });
  });

  test("a route that nobody serves is declined with the carriers' reasons", async () => {
    const { quote } = await start();
    expect(await quote(to("00999001"))).toMatchObject({
      outcome: "declined",
      reason: "refused",
      message: expect.stringContaining("Correios PAC: Transportadora não atende este trecho."),
    });
  });

  test("prices may come as numbers, and a service with an error or without a price is left out", async () => {
    const { quote, instead } = await start();
    instead.answer = () =>
      Response.json([
        { id: 1, name: "PAC", price: 37.79, delivery_time: 8, company: { name: "Correios" } },
        { id: 2, name: "SEDEX", price: "45.1", company: { name: "Correios" } },
        {
          id: 3,
          name: ".Package",
          price: "20.00",
          error: "Serviço indisponível para o trecho.",
          company: { name: "Jadlog" },
        },
        { id: 4, name: ".Com", price: null, company: { name: "Jadlog" } },
      ]);
    expect(bought(await quote(parcel())).result.quotes).toEqual([
      { service_id: "1", carrier: "Correios", service: "PAC", cost_minor: 3_779n, delivery_days: 8 },
      { service_id: "2", carrier: "Correios", service: "SEDEX", cost_minor: 4_510n },
    ]);
  });
});

describe("buying a label", () => {
  test("it is calculated, put in the cart, paid, generated, read and printed, in that order", async () => {
    const { label, paths } = await start();
    const { ref } = bought(await label(parcel()));
    expect(paths()).toEqual([
      "POST /api/v2/me/shipment/calculate",
      "POST /api/v2/me/cart",
      "POST /api/v2/me/shipment/checkout",
      "POST /api/v2/me/shipment/generate",
      `GET /api/v2/me/orders/${ref}`,
      "POST /api/v2/me/shipment/print",
    ]);
  });

  test("the cart names both parties, the content, the box and our reference", async () => {
    const { label, bodyOf } = await start();
    await label(parcel({ items: [{ ...MUG, quantity: 2 }] }));
    expect(bodyOf("/me/cart")).toEqual({
      service: 1,
      from: {
        name: "Loja de Teste",
        company_document: "11222333000181",
        phone: "1130000000",
        address: "Avenida Paulista",
        number: "1000",
        city: "São Paulo",
        state_abbr: "SP",
        country_id: "BR",
        postal_code: "01310100",
      },
      to: {
        name: "Maria Silva",
        document: "52998224725",
        phone: "21999998888",
        address: "Avenida Rio Branco",
        number: "156",
        city: "Rio de Janeiro",
        state_abbr: "RJ",
        country_id: "BR",
        postal_code: "20040020",
      },
      products: [{ name: "Caneca", quantity: 2, unitary_value: 89.9 }],
      volumes: [{ width: 12, height: 21, length: 14, weight: 0.9 }],
      options: {
        insurance_value: 179.8, receipt: false, own_hand: false, non_commercial: true, platform: "codespar-server",
        tags: [{ tag: REFERENCE }],
      },
    });
  });

  test("with the key of an NF-e it travels as a sale, without one under a declaration of content", async () => {
    const base = "3526111122233300018155001000000123112345678".padEnd(43, "0");
    const key = base + checkDigits("nfe_key", base)!;
    const { label, bodyOf } = await start();
    await label(parcel({ metadata: { nfe_key: key } }));
    expect(bodyOf("/me/cart")).toMatchObject({ options: { non_commercial: false, invoice: { key } } });
  });

  test("each later step names the order alone, and the printing address opens without a login", async () => {
    const { label, bodyOf } = await start();
    const { ref } = bought(await label(parcel()));
    expect(bodyOf("/me/shipment/checkout")).toEqual({ orders: [ref] });
    expect(bodyOf("/me/shipment/generate")).toEqual({ orders: [ref] });
    expect(bodyOf("/me/shipment/print")).toEqual({ mode: "public", orders: [ref] });
  });

  test("the answer has the label, its code and what the wallet paid", async () => {
    const { label, balance } = await start();
    expect(await label(parcel())).toEqual({
      outcome: "accepted",
      ref: expect.stringMatching(/^[0-9a-f-]{36}$/),
      state: "label_ready",
      action: "generated",
      cost: { amountMinor: 2_809n, currency: "BRL" },
      result: {
        id: expect.any(String),
        status: "label_ready",
        carrier: "Correios",
        service: "PAC",
        tracking_code: expect.stringMatching(/^[A-Z]{2}\d{9}BR$/),
        label_url: expect.stringMatching(/^https:\/\/sandbox\.melhorenvio\.com\.br\/imprimir\/.{12}$/),
        estimated_delivery: "within 9 days of posting",
        cost_minor: 2_809n,
      },
    });
    expect(await balance()).toBe(9_971.91);
  });

  test.each([
    ["cheapest", {}, "1", "PAC"],
    ["fastest", { service_level: "fastest" }, "2", "SEDEX"],
    ["the middle one by price", { service_level: "standard" }, "31", "Express"],
    ["the cheapest of a carrier", { carrier: "jadlog" }, "3", ".Package"],
    ["the fastest of a carrier", { carrier: "JADLOG", service_level: "fastest" }, "4", ".Com"],
    ["the one of a quote", { service_id: "2" }, "2", "SEDEX"],
  ])("%s is bought where asked for", async (_what, change, id, service) => {
    const { label, bodyOf } = await start();
    expect(bought(await label(parcel(change))).result.service).toBe(service);
    expect(bodyOf("/me/cart")).toMatchObject({ service: Number(id) });
  });

  test.each([
    ["carrier", { carrier: "fedex" }, "Available: Correios, Jadlog, Loggi."],
    ["service_id", { service_id: "99" }, "Available: 1 (Correios PAC), 3 (Jadlog .Package)"],
    ["service_id", { service_id: "17" }, "Available: 1 (Correios PAC)"],
  ])("a %s that does not take the parcel is declined with those that do", async (field, change, available) => {
    const { label, paths } = await start();
    expect(await label(parcel(change))).toMatchObject({
      outcome: "declined", reason: "invalid_request", field, message: expect.stringContaining(available),
    });
    expect(paths()).toEqual(["POST /api/v2/me/shipment/calculate"]);
  });

  test("the order's id is written down before the money is asked for", async () => {
    const { label, clock, instead } = await start();
    const call = newCall(clock);
    let atCheckout: Readonly<Record<string, string>> = {};
    instead.answer = (path) => void (path.endsWith("/checkout") && (atCheckout = call.notes));
    const { ref } = bought(await label(parcel(), call));
    expect(atCheckout).toEqual({ order_id: ref, checkout_at: "2026-11-20T12:00:00.000Z" });
  });

  test.each(["access_token", "contact_email"])("without %s an operator is asked, and nothing is sent", async (name) => {
    const { account, clock } = await start();
    const sent: Request[] = [];
    const provider = melhorEnvio.connect(
      {
        credentials: { ...account.credentials, [name]: "" },
        settings: { ...account.settings, [name]: "" },
        baseUrl: melhorEnvio.hosts.test,
      },
      async (request) => (sent.push(request), Response.json([])),
    );
    const call = newCall(clock);
    await expect(provider.quote!(parcel(), call)).rejects.toMatchObject({ name: "SetupMissing", setting: name });
    await expect(provider.label!(parcel(), call)).rejects.toBeInstanceOf(SetupMissing);
    await expect(provider.track!(parcel({ tracking_code: "X" }), call)).rejects.toBeInstanceOf(SetupMissing);
    await expect(provider.lookup!({ verb: "label", reference: REFERENCE, ref: undefined, currency: undefined }, call))
      .rejects.toBeInstanceOf(SetupMissing);
    expect(sent).toEqual([]);
  });
});

describe("refusals", () => {
  test("a wallet that cannot pay is insufficient funds, and nothing is taken", async () => {
    const { label, balance } = await start();
    expect(await label(to("00999002"))).toMatchObject({ outcome: "declined", reason: "insufficient_funds" });
    expect(await balance()).toBe(10_000);
  });

  test.each([
    ["to.address", "destination.line_1"],
    ["to.state_abbr", "destination.state"],
    ["from.company_document", "origin.document"],
    ["to.document", "destination.document"],
    ["service", "service_id"],
    ["volumes.0.weight", "items"],
    ["options.invoice.key", "options.invoice.key"],
  ])("a refused %s is %s to the caller", async (theirs, field) => {
    const { label, instead } = await start();
    instead.answer = (path) =>
      path.endsWith("/cart")
        ? Response.json(
            { message: "The given data was invalid.", errors: { [theirs]: ["O campo é obrigatório."] } },
            { status: 422 },
          )
        : undefined;
    expect(await label(parcel())).toEqual({
      outcome: "declined",
      reason: "invalid_request",
      message: "O campo é obrigatório.",
      field,
    });
  });

  test.each([
    [401, { message: "Unauthenticated." }, "unauthorized"],
    [403, { message: "This action is unauthorized." }, "unauthorized"],
    [422, { message: "E-CRT-0001: Valor alto." }, "refused"],
    [400, {}, "refused"],
  ])("a %i of the checkout is a decline: nothing was paid", async (status, body, reason) => {
    const { label, instead, clock } = await start();
    instead.answer = (path) => (path.endsWith("/checkout") ? Response.json(body, { status }) : undefined);
    const call = newCall(clock);
    expect(await label(parcel(), call)).toMatchObject({ outcome: "declined", reason });
    expect(call.acted).toBe(false);
  });
});

describe("when an answer is lost", () => {
  test("an order that turns out to be paid already is an unknown outcome, never a decline", async () => {
    const { label, lookup, instead, clock, balance } = await start();
    instead.answer = async (path, apply) => {
      if (!path.endsWith("/checkout")) return undefined;
      await apply();
      return Response.json({ message: "One or more orders have already been paid." }, { status: 422 });
    };
    const call = newCall(clock);
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(await lookup(call)).toMatchObject({ ref: call.notes["order_id"], amountMinor: 2_809n, currency: "BRL" });
    expect(await balance()).toBe(9_971.91);
  });

  test("the empty 204 seen for an order paid before confirms nothing", async () => {
    const { label, instead, clock } = await start();
    instead.answer = (path) => (path.endsWith("/checkout") ? new Response(null, { status: 204 }) : undefined);
    const call = newCall(clock);
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
  });

  test("a lookup of a label that was paid and not generated generates and prints it", async () => {
    const { label, lookup, instead, clock, paths } = await start();
    instead.answer = async (path, apply) => {
      if (!path.endsWith("/checkout")) return undefined;
      await apply();
      throw networkError("ECONNRESET");
    };
    const call = newCall(clock);
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    const found = await lookup(call);
    expect(found).toMatchObject({
      ref: call.notes["order_id"],
      state: "label_ready",
      action: "generated",
      result: {
        status: "label_ready",
        carrier: "Correios",
        service: "PAC",
        tracking_code: /BR$/,
        label_url: /^https:/,
      },
    });
    expect(paths().slice(3)).toEqual([
      `GET /api/v2/me/orders/${found?.ref}`, "POST /api/v2/me/shipment/generate", `GET /api/v2/me/orders/${found?.ref}`,
      "POST /api/v2/me/shipment/print",
    ]);
  });

  test("an order still in the cart is declared unpaid only when a late checkout can no longer pay it", async () => {
    const { label, lookup, instead, clock } = await start();
    instead.answer = (path) =>
      path.endsWith("/checkout") ? new Response("gateway timeout", { status: 504 }) : undefined;
    const call = newCall(clock);
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    await clock.advance(PAID_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
  });

  test("an order that only the cart shows is unpaid, and one that neither shows is not declared so", async () => {
    const { label, lookup, instead, clock } = await start();
    instead.answer = (path) => {
      if (path.endsWith("/checkout")) return new Response("gateway timeout", { status: 504 });
      return path.includes("/me/orders/") ? Response.json({ message: "Not found." }, { status: 404 }) : undefined;
    };
    const call = newCall(clock);
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await clock.advance(PAID_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
    instead.answer = () => Response.json({ message: "Not found." }, { status: 404 });
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
  });

  test.each([
    ["paid and then cancelled was bought", "2026-11-20 09:00:00", "cancelled"],
    ["cancelled in the cart was not", null, undefined],
  ])("an order %s", async (_what, paidAt, state) => {
    const { lookup, instead, clock } = await start();
    instead.answer = () => Response.json({ id: REFERENCE, status: "canceled", paid_at: paidAt });
    const call = { ...newCall(clock), notes: { order_id: REFERENCE, checkout_at: "2026-11-20T11:00:00.000Z" } };
    expect((await lookup(call))?.state).toBe(state);
  });

  test("a checkout that never left takes nothing, and its order stays unpaid", async () => {
    const { label, instead, clock, balance } = await start();
    instead.answer = (path) => {
      if (path.endsWith("/checkout")) throw networkError("ECONNREFUSED");
      return undefined;
    };
    const call = newCall(clock);
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(NotReached);
    expect(call.acted).toBe(false);
    expect(await balance()).toBe(10_000);
  });

  test.each(["/generate", "/orders/", "/print"])(
    "what fails at %s after the payment does not hide it",
    async (broken) => {
      const { label, instead } = await start();
      instead.answer = (path) => (path.includes(broken) ? new Response("bad gateway", { status: 502 }) : undefined);
      const { state, result } = bought(await label(parcel()));
      expect([state, result.status, result.cost_minor]).toEqual([
        broken === "/print" ? "label_ready" : "paid",
        state,
        2_809n,
      ]);
      expect(result.label_url).toBeUndefined();
    },
  );

  test("a label whose generation is refused is paid all the same", async () => {
    const { label, lookup, rest, clock } = await start();
    const { ref, state, action } = bought(await label(to("00999005")));
    expect([state, action]).toEqual(["paid", "released"]);
    await rest(5);
    expect(await lookup(newCall(clock), ref)).toMatchObject({ state: "paid", action: "released" });
  });
});

describe("states", () => {
  const order = (change: Record<string, unknown>) =>
    Response.json({ id: REFERENCE, status: "released", paid_at: "2026-11-20 09:00:00", ...change });

  test.each([
    ["pending", { status: "pending", paid_at: null }, "pending"],
    ["released", {}, "paid"],
    ["generated", { status: "generated" }, "label_ready"],
    ["released, with the date of its generation", { generated_at: "2026-11-20 09:01:00" }, "label_ready"],
    ["received at a drop-off point", { status: "received" }, "posted"],
    ["posted", { status: "posted" }, "posted"],
    ["paused on its way", { status: "paused", posted_at: "2026-11-20 10:00:00" }, "posted"],
    ["delivered", { status: "delivered" }, "delivered"],
    ["undelivered", { status: "undelivered" }, "returned"],
    ["canceled", { status: "canceled" }, "cancelled"],
    ["released, with the date of its cancellation", { canceled_at: "2026-11-20 10:00:00" }, "cancelled"],
    ["expired", { status: "expired" }, "cancelled"],
  ])("%s", async (_what, change, state) => {
    const { lookup, instead, clock } = await start();
    instead.answer = (path) => (path.includes("/me/orders/") ? order(change) : Response.json({}));
    expect(await lookup(newCall(clock), REFERENCE)).toMatchObject({ ref: REFERENCE, state, result: { status: state } });
  });

  test.each([
    ["00999003", "cancelled", "canceled", ["order.created", "order.released", "order.generated", "order.cancelled"]],
    [
      "00999004",
      "returned",
      "undelivered",
      ["order.created", "order.released", "order.generated", "order.posted", "order.undelivered"],
    ],
    [
      "20040020",
      "delivered",
      "delivered",
      ["order.created", "order.released", "order.generated", "order.posted", "order.delivered"],
    ],
  ])("a label to %s ends %s", async (destination, state, action, events) => {
    const { label, lookup, rest, webhooks, clock } = await start();
    const { ref } = bought(await label(to(destination)));
    await rest(1);
    await rest(1);
    expect(await lookup(newCall(clock), ref)).toMatchObject({ state, action });
    expect(webhooks.map(({ body }) => JSON.parse(body).event)).toEqual(events);
  });
});

describe("tracking", () => {
  test("a code is searched, and the order it names tells its milestones as Melhor Envio dates them", async () => {
    const { label, track, rest, paths } = await start();
    const { ref, result } = bought(await label(parcel()));
    await rest(1);
    const before = paths().length;
    expect(bought(await track(result.tracking_code))).toEqual({
      outcome: "accepted",
      ref,
      state: "posted",
      action: "posted",
      result: {
        id: ref,
        status: "posted",
        carrier: "Correios",
        service: "PAC",
        tracking_code: result.tracking_code,
        events: [
          { status: "pending", at: "2026-11-20 09:00:00" },
          { status: "paid", at: "2026-11-20 09:00:00" },
          { status: "label_ready", at: "2026-11-20 09:00:00" },
          { status: "posted", at: "2026-11-20 09:00:01" },
        ],
      },
    });
    expect(paths().slice(before)).toEqual([
      `GET /api/v2/me/orders/search?q=${result.tracking_code}`,
      `GET /api/v2/me/orders/${ref}`,
    ]);
  });

  test("the id of the purchase tracks too, and a carrier without a code of its own has Melhor Envio's", async () => {
    const { label, track } = await start();
    const { ref, result } = bought(await label(parcel({ carrier: "loggi" })));
    expect(result.tracking_code).toMatch(/^ME\d{5}[A-Z]{4}BR$/);
    expect(bought(await track(ref)).result).toMatchObject({
      id: ref,
      carrier: "Loggi",
      tracking_code: result.tracking_code,
    });
    expect(bought(await track(result.tracking_code)).ref).toBe(ref);
  });

  test("a search that finds something else, or answers nothing at all, finds nothing", async () => {
    const { track, instead } = await start();
    instead.answer = () => Response.json({ data: [{ id: REFERENCE, status: "posted", tracking: "BB000000005BR" }] });
    expect(await track("AA123456785BR")).toMatchObject({ outcome: "declined", field: "tracking_code" });
    instead.answer = () => new Response(null, { status: 204 });
    expect(await track("AA123456785BR")).toMatchObject({ outcome: "declined", field: "tracking_code" });
    expect(await track(undefined)).toMatchObject({ outcome: "declined", field: "tracking_code" });
  });
});

describe("webhooks", () => {
  const SECRET = "application-secret-of-forty-characters-xx";
  const body =
    `{"event":"order.posted","data":{"id":"a2dd0000-0000-4000-8000-000000000001",` +
    `"status":"posted","tracking":"AA123456785BR"}}`;
  // Made with `openssl dgst -sha256 -hmac`.
  const HEX = "530da5e3f199d21cdff714695857194185568c5c787a7bcaad28b09f8b79bb08";
  const BASE64 = "Uw2l4/GZ0hzf9xRpWFcZQYVWjFx4envKrSiwn4t5uwg=";

  const message = (text: string, headers: Record<string, string> = {}): InboundMessage => ({
    method: "POST",
    url: new URL(WEBHOOK_URL),
    headers: new Headers(headers),
    body: new TextEncoder().encode(text),
  });
  const verify = (text: string, signature: string | undefined, secrets = [SECRET]) =>
    melhorEnvio.notifications!.verify(message(text, signature === undefined ? {} : { "X-ME-Signature": signature }), {
      secrets,
      settings: {},
      now: new Date(),
    });
  const read = (value: unknown) => melhorEnvio.notifications!.read(message(JSON.stringify(value)));

  test("hex of either case and base64 are the same signature, and any of the secrets may have made it", () => {
    expect(verify(body, HEX)).toEqual({ ok: true });
    expect(verify(body, HEX.toUpperCase())).toEqual({ ok: true });
    expect(verify(body, BASE64)).toEqual({ ok: true });
    expect(verify(body, BASE64, ["the-next-secret", SECRET])).toEqual({ ok: true });
  });

  test.each([
    ["a changed byte", `${body} `, HEX, [SECRET]],
    ["no signature", body, undefined, [SECRET]],
    ["an empty signature", body, "", [SECRET]],
    ["another secret", body, HEX, ["another"]],
    ["no secret", body, HEX, []],
    ["hex cut short", body, HEX.slice(0, -2), [SECRET]],
    ["base64 of something shorter", body, "AAAA", [SECRET]],
    ["an empty secret", body, createHmac("sha256", "").update(body).digest("hex"), [""]],
  ])("%s is refused", (_what, text, signature, secrets) => {
    expect(verify(text, signature, secrets)).toEqual({ ok: false, reason: expect.any(String) });
  });

  test("an event names the order and, by its tag, our call", () => {
    const tags = [{ tag: "natal" }, { tag: REFERENCE, url: null }];
    const data = { id: "a2dd", protocol: "ORD-1", status: "posted", tracking: "AA123456785BR", tags };
    expect(read({ event: "order.posted", data })).toEqual([
      {
        eventId: "order.posted:a2dd:AA123456785BR",
        ref: "a2dd",
        reference: REFERENCE,
        observation: {
          ref: "a2dd",
          state: "posted",
          action: "posted",
          result: { id: "a2dd", status: "posted", tracking_code: "AA123456785BR" },
        },
      },
    ]);
  });

  test("an event without a status is read by its name, and a code that comes later is news", () => {
    const first = read({ event: "order.delivered", data: { id: "a2dd" } });
    expect(first).toMatchObject([{ ref: "a2dd", observation: { state: "delivered", action: "delivered" } }]);
    const later = read({ event: "order.delivered", data: { id: "a2dd", tracking: "AA123456785BR" } });
    expect(later[0]?.eventId).not.toBe(first[0]?.eventId);
  });

  test.each([
    ["the trial of a new address", { event: "ping", data: {} }],
    ["an order in the cart", { event: "order.created", data: { id: "a2dd", status: "pending" } }],
    ["something that is no order's", { event: "wallet.credited", data: { id: "a2dd" } }],
    ["an order without an id", { event: "order.posted", data: { status: "posted" } }],
  ])("%s is of no concern", (_what, value) => {
    expect(read(value)).toEqual([]);
  });

  test("the twin's events carry our reference and verify", async () => {
    const { label, rest, webhooks, account } = await start();
    const { ref } = bought(await label(parcel()));
    await rest(2);
    const { secrets, settings } = { secrets: [account.webhookSecret], settings: account.settings };
    const events = webhooks
      .map(({ url, body: text, headers }) => {
        expect(url).toBe(WEBHOOK_URL);
        expect(
          melhorEnvio.notifications!.verify(message(text, headers), { secrets, settings, now: new Date() }),
        ).toEqual({ ok: true });
        return melhorEnvio.notifications!.read(message(text));
      })
      .flat();
    expect(events.map(({ observation }) => observation.state)).toEqual(["paid", "label_ready", "posted", "delivered"]);
    for (const event of events) expect(event).toMatchObject({ ref, reference: REFERENCE });
  });
});

describe("the twin", () => {
  test("a token that is wrong, absent or a year old is not taken, nor a request without a contact", async () => {
    const { twin, account, clock } = await start();
    const status = async (headers: Record<string, string>) =>
      (await twin.fetch(new Request("https://melhorenvio.com.br/api/v2/me/balance", { headers }))).status;
    const authorization = `Bearer ${account.credentials["access_token"]}`;
    const userAgent = "test (test@example.com)";
    expect(await status({ authorization, "user-agent": userAgent })).toBe(200);
    expect(await status({ authorization, "user-agent": "test" })).toBe(400);
    expect(await status({ authorization: `${authorization}x`, "user-agent": userAgent })).toBe(401);
    expect(await status({ "user-agent": userAgent })).toBe(401);
    await clock.advance(365 * 86_400_000);
    expect(await status({ authorization, "user-agent": userAgent })).toBe(401);
  });

  test("an order is paid once, however many checkouts name it", async () => {
    const { ask, balance, label } = await start();
    const { ref } = bought(await label(parcel()));
    const again = await Promise.all([1, 2, 3].map(() => ask("POST", "/me/shipment/checkout", { orders: [ref] })));
    for (const answer of again)
      expect(answer).toEqual({ status: 422, body: { message: "One or more orders have already been paid." } });
    expect(await balance()).toBe(9_971.91);
  });

  test("orders are paid together or not at all", async () => {
    const { ask, label, bodyOf, balance } = await start();
    const { ref } = bought(await label(parcel()));
    const { body: waiting } = await ask("POST", "/me/cart", bodyOf("/me/cart"));
    expect((await ask("POST", "/me/shipment/checkout", { orders: [waiting.id, ref] })).status).toBe(422);
    expect((await ask("GET", `/me/cart/${waiting.id}`)).body.status).toBe("pending");
    expect(await balance()).toBe(9_971.91);
  });

  test("the wallet never goes below zero", async () => {
    const { ask, label, bodyOf, balance } = await start();
    await label(parcel());
    const cart = { ...(bodyOf("/me/cart") as object), options: { insurance_value: 600_000, tags: [] } };
    const orders = [(await ask("POST", "/me/cart", cart)).body.id, (await ask("POST", "/me/cart", cart)).body.id];
    expect((await ask("POST", "/me/shipment/checkout", { orders: [orders[0]] })).status).toBe(200);
    expect((await ask("POST", "/me/shipment/checkout", { orders: [orders[1]] })).status).toBe(422);
    expect(await balance()).toBe(3_944.71);
  });

  test("a missing field is named as theirs are", async () => {
    const { ask } = await start();
    expect(
      await ask("POST", "/me/shipment/calculate", { to: { postal_code: "20040020" }, products: [] }),
    ).toMatchObject({
      status: 422,
      body: { message: "The given data was invalid.", errors: { from: [expect.any(String)] } },
    });
    expect(await ask("POST", "/me/shipment/checkout", { orders: [] })).toMatchObject({
      status: 422,
      body: { errors: { orders: ["O campo orders é obrigatório."] } },
    });
  });

  test("another account's orders are not there", async () => {
    const { label, twin } = await start();
    const { ref } = bought(await label(parcel()));
    const other = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
    const headers = {
      authorization: `Bearer ${other.credentials["access_token"]}`,
      "user-agent": "test (test@example.com)",
    };
    const answer = await twin.fetch(new Request(`https://melhorenvio.com.br/api/v2/me/orders/${ref}`, { headers }));
    expect(answer.status).toBe(404);
  });

  test("a step that runs twice changes nothing", async () => {
    const { label, lookup, rest, twin, clock } = await start();
    const { ref } = bought(await label(parcel()));
    await rest(2);
    const before = await lookup(newCall(clock), ref);
    await clock.advance(5_000);
    for (const name of ["post", "arrive"]) await twin.run({ name, id: ref });
    expect(await lookup(newCall(clock), ref)).toEqual(before);
  });

  test("a quote is what the cart then costs, and more weight never costs less", async () => {
    const { ask } = await start();
    const from = { postal_code: "01310100" };
    const price = async (weight: number) => {
      const measures = { width: 11, height: 2, length: 16, weight };
      const quoted = await ask("POST", "/me/shipment/calculate",
        { from, to: { postal_code: "69005070" }, products: [{ ...measures, insurance_value: 10, quantity: 1 }] });
      const cart = await ask("POST", "/me/cart",
        { service: 1, from, to: { postal_code: "69005070" }, volumes: [measures], options: { insurance_value: 10 } });
      expect(cart.body.price).toBe(Number(quoted.body[0].price));
      return cart.body.price as number;
    };
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 29_000 }), fc.integer({ min: 0, max: 1_000 }), async (grams, more) => {
        expect(await price((grams + more) / 1000)).toBeGreaterThanOrEqual(await price(grams / 1000));
      }),
      { numRuns: 50 },
    );
  });

  // 47312482 is the example of UPU S10; the zeros and the single 5 leave the two remainders that have a digit by rule.
  test.each([
    ["47312482", 9],
    ["12345678", 5],
    ["00000000", 5],
    ["00000050", 0],
  ])("the check digit of S10 number %s is %i", (digits, digit) => {
    expect(s10CheckDigit(digits)).toBe(digit);
  });
});

describe("its own tools", () => {
  const place = { name: "Loja", address: "Avenida Paulista", city: "São Paulo", state_abbr: "SP", postal_code: "01310100" };
  const box = { width: 16, height: 6, length: 22, weight: 0.5 };
  const inCart = { service: 1, from: place, to: { ...place, name: "Maria" }, volumes: [box], options: { insurance_value: 50 } };

  test("walk from a price to a label, each in one request", async () => {
    const { run, unrun, sent, rests } = await nativeWorld(melhorEnvio, melhorEnvioTwin);
    const route = { from: { postal_code: "01310100" }, to: { postal_code: "20040002" } };
    const offers = await run("calculate_shipping", { ...route, products: [{ ...box, insurance_value: 50, quantity: 1 }] });
    expect(offers[0]).toMatchObject({ id: expect.any(Number), price: expect.stringMatching(/^\d+\.\d{2}$/) });
    const { id, status, price } = await run("create_shipment", inCart);
    expect(status).toBe("pending");
    expect(await run("checkout_cart", { orders: [id] })).toMatchObject({ purchase: { total: price } });
    expect(await run("generate_label", { orders: [id] })).toMatchObject({ [id]: { status: true } });
    expect(await run("print_label", { orders: [id], mode: "public" })).toMatchObject({ url: expect.stringMatching(/^https:/) });
    await rests(2);
    expect(await run("track_shipment", { orders: [id] })).toMatchObject({ [id]: { status: "delivered" } });
    expect(await run("get_shipment", { id })).toMatchObject({ id, status: "delivered" });
    const second = await run("create_shipment", inCart);
    await run("checkout_cart", { orders: [second.id] });
    expect(await run("cancel_shipment", { id: second.id, reason_id: "2", description: "Desistiu" })).toEqual({ [second.id]: { canceled: true } });
    expect(await run("get_balance")).toMatchObject({ balance: 10_000 - price });
    expect(unrun()).toEqual([]);
    const cart = sent.find(({ url }) => url.endsWith("/me/cart"))!;
    expect(JSON.parse(cart.body)).toEqual({
      ...inCart, options: { insurance_value: 50, tags: [{ tag: expect.stringMatching(/^[0-9a-f-]{36}$/) }] },
    });
  });

  test("a parcel that was posted cannot be cancelled, and a cancelled one is not posted", async () => {
    const { run, refusal, rests } = await nativeWorld(melhorEnvio, melhorEnvioTwin);
    const [posted, cancelled] = [await run("create_shipment", inCart), await run("create_shipment", inCart)];
    await run("checkout_cart", { orders: [posted.id, cancelled.id] });
    await run("cancel_shipment", { id: cancelled.id, reason_id: "2", description: "Desistiu" });
    await rests(2);
    expect(await refusal("cancel_shipment", { id: posted.id, reason_id: "2", description: "Desistiu" })).toMatchObject({ status: 422 });
    expect(await run("get_shipment", { id: cancelled.id })).toMatchObject({ status: "canceled", posted_at: null });
  });

  test("without the contact e-mail that it wants in every request there is no client", async () => {
    const { open } = await nativeWorld(melhorEnvio, melhorEnvioTwin);
    expect(() => open({ settings: {} })).toThrow(SetupMissing);
  });
});
