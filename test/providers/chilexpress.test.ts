/** Chilexpress: a key for each product, comunas by their codes, whole pesos, orders refused inside a 200. The suite has the common faults. */
import { describe, expect, test } from "vitest";
import { chilexpress } from "../../providers/chilexpress/index.ts";
import { chilexpressTwin } from "../../providers/chilexpress/twin.ts";
import { OutcomeUnknown, SetupMissing, Unanswered, type CallContext, type Provider } from "../../providers/provider.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { ship, type ShipRequest } from "../../schema/meta-tools/ship.ts";
import { accepted, REFERENCE, startCarrier } from "../support/carrier.ts";
import { conformanceChecks, providerConformance } from "../support/provider-conformance.ts";

const WINE = { weight_g: 1_250.4, width_cm: 12, height_cm: 8.5, length_cm: 34, declared_value: 25_000, description: "Vino" };
const PILAR = {
  postal_code: "PROV", name: "Pilar Soto", phone: "+56 9 8765 4321", line_1: "Av. Providencia", number: "1234", city: "Providencia", state: "CL-RM", country: "CL",
};
const parcel = (change: Record<string, unknown> = {}): ShipRequest =>
  ship.input.parse({ action: "label", destination: PILAR, items: [WINE], ...change });
const to = (place: Record<string, unknown>): ShipRequest => parcel({ destination: { ...PILAR, ...place } });
const tracked = (code?: string): ShipRequest => parcel({ action: "track", tracking_code: code });

const subject = { definition: chilexpress, twin: chilexpressTwin };
const start = (settings?: Record<string, string>) => startCarrier(subject, settings);
const ORDERS = "/transport-orders/api/v1.0/transport-orders";

providerConformance({
  ...subject,
  verbs: {
    quote: { request: parcel({ action: "quote" }), declined: to({ postal_code: "XXAA" }) },
    label: { request: parcel(), declined: to({ postal_code: "XXBB" }), settles: { to: "delivered", withinSteps: 2 }, findsByReference: false },
  },
});

describe("chilexpress track", () => {
  const request = async (provider: Provider, call: CallContext) => tracked(accepted(await provider.label!(parcel(), call)).ref);
  for (const { name, run } of conformanceChecks({ ...subject, verbs: { track: { request } } }))
    if (/no answer|unauthorized|429|nothing is sent/.test(name)) test(name, run);

  test("an order has its events, and its state by the last word", async () => {
    const { label, track, rest } = await start();
    const { ref } = accepted(await label(parcel()));
    expect(await track(tracked(ref))).toMatchObject({ state: "label_ready", result: { events: [] } });
    await rest(2);
    expect(await track(tracked(` ${ref} `))).toMatchObject({
      outcome: "accepted", ref, state: "delivered", action: "ENTREGADO",
      result: {
        id: ref, status: "delivered", carrier: "Chilexpress", tracking_code: ref,
        events: [{ status: "EN TRANSITO", at: "2026-11-20 09:00" }, { status: "ENTREGADO", at: "2026-11-20 09:00" }],
      },
    });
  });

  test("is asked with the number as a number and the RUT without its check digit", async () => {
    const { track, bodyOf } = await start();
    await track(tracked("99726290001"));
    expect(bodyOf("/transport-orders/api/v1.0/tracking")).toEqual({ reference: "", transportOrderNumber: 99_726_290_001, rut: 76_086_428, showTrackingEvents: 1 });
  });

  test("an unknown order is one whether a 400 or a 200 says so; what is no number is not asked for", async () => {
    const { track, instead, received } = await start();
    expect(await track(tracked("99726299999"))).toMatchObject({ outcome: "declined", reason: "invalid_request", field: "tracking_code" });
    instead.answer = () => Response.json({ statusCode: -81, statusDescription: "La OT no existe", data: null });
    expect(await track(tracked("99726299999"))).toMatchObject({ outcome: "declined", reason: "invalid_request", field: "tracking_code" });
    const before = received.length;
    for (const code of ["OT-1", "9".repeat(20), undefined]) expect(await track(tracked(code))).toMatchObject({ outcome: "declined", field: "tracking_code" });
    expect(received).toHaveLength(before);
  });

  test("another refusal to track is not taken for an unknown order", async () => {
    const { track, instead } = await start();
    instead.answer = () => Response.json({ statusCode: 90, statusDescription: "JSON invalido" }, { status: 400 });
    expect(await track(tracked("99726290001"))).toEqual({ outcome: "declined", reason: "refused", message: "JSON invalido" });
  });

  test.each([
    ["ENTREGADO", 1, "delivered"],
    ["PIEZA ENTREGADA.", 1, "delivered"],
    ["NO ENTREGADO", 1, "posted"],
    ["ENTREGADA A REPARTO", 1, "posted"],
    ["EN DEVOLUCION", 1, "returned"],
    ["ANULADA", 0, "cancelled"],
    ["", 0, "label_ready"],
  ])("the state %j with %i events means %s", async (status, events, state) => {
    const { track, instead } = await start();
    const trackingEvents = Array.from({ length: events }, () => ({ description: "x", eventDate: "2026-11-20", eventHour: "09:00" }));
    instead.answer = () => Response.json({ statusCode: 0, data: { transportOrderData: { status }, trackingEvents } });
    expect(await track(tracked("99726290001"))).toMatchObject({ state });
  });
});

describe("places", () => {
  test("a comuna is found by its name in the list of its region, each product asked with its own key", async () => {
    const { label, received, account, bodyOf } = await start();
    accepted(await label(to({ postal_code: "7750000", city: "Nunoa" })));
    expect(received.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /georeference/api/v1.0/coverage-areas?RegionCode=RM&type=0", "POST /rating/api/v1.0/rates/courier", `POST ${ORDERS}`,
    ]);
    const { coverage_key, quote_key, order_key } = account.credentials;
    expect(received.map(({ headers }) => headers["ocp-apim-subscription-key"])).toEqual([coverage_key, quote_key, order_key]);
    expect(bodyOf("/rating")).toMatchObject({ originCountyCode: "STGO", destinationCountyCode: "NUNO" });
  });

  test.each([["CL-VS", "R5"], ["r10", "R10"], ["RM", "RM"], ["NB", "R16"]])("the region %s is %s", async (state, code) => {
    const { quote, received } = await start();
    await quote(to({ postal_code: "7750000", state }));
    expect(received[0]?.path).toContain(`RegionCode=${code}&`);
  });

  test("a comuna that the region does not have is declined, and no price is asked", async () => {
    const { quote, received } = await start();
    expect(await quote(to({ postal_code: "7750000", city: "Atlantis" }))).toMatchObject({ outcome: "declined", field: "destination.city" });
    expect(received).toHaveLength(1);
  });

  test.each([
    ["destination.city", { destination: undefined }],
    ["destination.city", { destination: { ...PILAR, postal_code: "7500000", city: undefined } }],
    ["destination.state", { destination: { ...PILAR, postal_code: "7500000", state: "R17" } }],
    ["destination.country", { destination: { ...PILAR, country: "AR" } }],
    ["origin.city", { origin: { postal_code: "8320000" } }],
  ])("what cannot be sent names %s, and nothing is asked", async (field, change) => {
    const { quote, label, received } = await start();
    for (const verb of [quote, label]) expect(await verb(parcel(change))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });
});

describe("quoting", () => {
  test("asks in kilograms, centimetres and whole pesos, all as text", async () => {
    const { quote, bodyOf } = await start();
    await quote(parcel());
    expect(bodyOf("/rating")).toEqual({
      originCountyCode: "STGO", destinationCountyCode: "PROV", package: { weight: "1.251", height: "9", width: "12", length: "34" },
      productType: 3, contentType: 5, declaredWorth: "25000", deliveryTime: 0,
    });
  });

  test("answers every service, the cheapest first, with the days that its name promises", async () => {
    const { quote } = await start();
    expect(accepted(await quote(parcel())).result.quotes).toEqual([
      { service_id: "4", carrier: "Chilexpress", service: "EXTENDIDO", cost_minor: 4_800n, delivery_days: 2 },
      { service_id: "3", carrier: "Chilexpress", service: "EXPRESS", cost_minor: 5_400n, delivery_days: 1 },
      { service_id: "2", carrier: "Chilexpress", service: "PRIORITARIO", cost_minor: 7_900n },
    ]);
  });

  test.each([["8569", 8_569n], [8569, 8_569n], ["8569.00", 8_569n]])("a value of %j is %d pesos, for the peso has no cents", async (serviceValue, cost) => {
    const { quote, instead } = await start();
    instead.answer = () => Response.json({ statusCode: 0, data: { courierServiceOptions: [{ serviceTypeCode: "3", serviceDescription: "EXPRESS", serviceValue }] } });
    expect(accepted(await quote(parcel())).result.quotes?.[0]?.cost_minor).toBe(cost);
  });

  test("a value that is no whole number is no answer, and a refusal inside a 200 is one", async () => {
    const { quote, instead } = await start();
    instead.answer = () => Response.json({ statusCode: 0, data: { courierServiceOptions: [{ serviceTypeCode: "3", serviceDescription: "EXPRESS", serviceValue: "8.569,5" }] } });
    await expect(quote(parcel())).rejects.toBeInstanceOf(Unanswered);
    instead.answer = () => Response.json({ statusCode: -3, statusDescription: "Peso fuera de rango", data: null });
    expect(await quote(parcel())).toMatchObject({ outcome: "declined", reason: "refused", message: expect.stringContaining("Peso fuera de rango") });
  });
});

describe("ordering", () => {
  test("names the card, both addresses, both people and one parcel that carries our reference", async () => {
    const { label, bodyOf } = await start();
    await label(parcel({ service_level: "fastest", metadata: { destination_email: "pilar@example.com" } }));
    expect(bodyOf(ORDERS)).toEqual({
      header: { certificateNumber: 0, customerCardNumber: "18578680", countyOfOriginCoverageCode: "STGO", labelType: 2, marketplaceRut: 76_086_428, sellerRut: "DEFAULT" },
      details: [{
        addresses: [
          { addressId: 0, countyCoverageCode: "PROV", streetName: "Av. Providencia", streetNumber: "1234", supplement: "", addressType: "DEST", deliveryOnCommercialOffice: false },
          { addressId: 0, countyCoverageCode: "STGO", streetName: "Alameda", streetNumber: "1000", supplement: "", addressType: "DEV", deliveryOnCommercialOffice: false },
        ],
        contacts: [
          { name: "Tienda de Prueba", phoneNumber: "223456789", mail: "sandbox@example.com", contactType: "R" },
          { name: "Pilar Soto", phoneNumber: "987654321", mail: "pilar@example.com", contactType: "D" },
        ],
        packages: [{
          weight: "1.251", height: "9", width: "12", length: "34", serviceDeliveryCode: "3", productCode: "3",
          deliveryReference: REFERENCE, groupReference: REFERENCE, declaredValue: "25000", declaredContent: "5",
        }],
      }],
    });
  });

  test("answers the number and the quoted price, and says that nothing was taken", async () => {
    const { label } = await start();
    expect(accepted(await label(parcel({ service_id: "3" })))).toEqual({
      outcome: "accepted", ref: "99726290001", state: "label_ready", action: "transport order made",
      result: {
        id: "99726290001", status: "label_ready", carrier: "Chilexpress", tracking_code: "99726290001", service: "EXPRESS",
        estimated_delivery: "working days after posting: 1", cost_minor: 5_400n,
      },
    });
  });

  test.each(["name", "phone", "line_1", "number"])("without a %s for the label nothing is asked", async (field) => {
    const { label, received } = await start();
    expect(await label(to({ [field]: undefined }))).toMatchObject({ outcome: "declined", field: `destination.${field}` });
    expect(received).toEqual([]);
  });

  test("a row that is refused made nothing, and gives its own reason", async () => {
    const { label, newCall } = await start();
    const call = newCall();
    expect(await label(to({ postal_code: "XXBB" }), call)).toEqual({ outcome: "declined", reason: "refused", message: "El servicio no esta habilitado para el destino" });
    expect(call.acted).toBe(false);
  });

  test.each([
    [{ statusCode: -1, statusDescription: "Error interno", data: null }],
    [{ statusCode: 0, data: { detail: [] } }],
    [{ statusCode: 0, data: { detail: [{ transportOrderNumber: null, statusCode: 0, statusDescription: "OK" }] } }],
  ])("%j tells neither an order nor the refusal of one", async (body) => {
    const { label, instead } = await start();
    instead.answer = (path) => (path === ORDERS ? Response.json(body) : undefined);
    await expect(label(parcel())).rejects.toBeInstanceOf(OutcomeUnknown);
  });

  test("an order that is annulled or goes back is seen by the lookup", async () => {
    for (const [place, state] of [["XXCC", "cancelled"], ["XXDD", "returned"]]) {
      const { label, lookup, rest, newCall } = await start();
      const { ref } = accepted(await label(to({ postal_code: place })));
      await rest(2);
      expect(await lookup(newCall(), ref)).toMatchObject({ ref, state });
    }
  });

  test("after silence the lookup says that it cannot know; what was never sent was not ordered", async () => {
    const { label, lookup, instead, newCall } = await start();
    instead.answer = async (path, apply) => {
      if (path !== ORDERS) return undefined;
      await apply();
      throw networkError("ECONNRESET");
    };
    const call = newCall();
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    expect(await lookup(newCall())).toBeUndefined();
  });
});

test.each([["rut", ""], ["rut", "76.086.428-6"], ["customer_card", ""]])("with a %s of %j an operator is asked, and nothing is sent", async (setting, value) => {
  const { quote, received } = await start({ [setting]: value });
  await expect(quote(parcel())).rejects.toBeInstanceOf(SetupMissing);
  expect(received).toEqual([]);
});
