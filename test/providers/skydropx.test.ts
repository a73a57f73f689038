/** Skydropx: quotations that fill in, one purchase a rate, labels that come later, HMAC-SHA512. The suite has the common faults. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { OutcomeUnknown, SetupMissing, Unanswered, type InboundMessage } from "../../providers/provider.ts";
import { skydropx } from "../../providers/skydropx/index.ts";
import { skydropxTwin } from "../../providers/skydropx/twin.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { ship, type ShipRequest } from "../../schema/meta-tools/ship.ts";
import { accepted, REFERENCE, startCarrier } from "../support/carrier.ts";
import { conformanceChecks, providerConformance } from "../support/provider-conformance.ts";

const BOOTS = { weight_g: 1_450, width_cm: 30, height_cm: 12.5, length_cm: 32, description: "Botas" };
const ANA = {
  postal_code: "06700", name: "Ana López", phone: "+52 1 55 1234 5678", line_1: "Calle Orizaba", number: "22", city: "Cuauhtémoc",
  state: "Ciudad de México", country: "MX",
};
const parcel = (change: Record<string, unknown> = {}): ShipRequest =>
  ship.input.parse({ action: "label", destination: ANA, items: [BOOTS], ...change });
const to = (postalCode: string): ShipRequest => parcel({ destination: { ...ANA, postal_code: postalCode } });
const tracked = (code?: string, carrier?: string): ShipRequest => parcel({ action: "track", tracking_code: code, carrier });

const subject = { definition: skydropx, twin: skydropxTwin };
const start = (settings?: Record<string, string>) => startCarrier(subject, settings);

providerConformance({
  ...subject,
  verbs: {
    quote: { request: parcel({ action: "quote" }), declined: to("00901") },
    label: {
      request: parcel(), declined: to("00902"), settles: { to: "delivered", withinSteps: 3 },
      carriesReference: false, findsByReference: false,
    },
  },
});

describe("skydropx track", () => {
  const track = { request: tracked("8123456789", "dhl") };
  for (const { name, run } of conformanceChecks({ ...subject, verbs: { track } }))
    if (/no answer|unauthorized|429|nothing is sent/.test(name)) test(name, run);

  test("a parcel is tracked by its carrier's code, events oldest first", async () => {
    const { label, lookup, track, rest, newCall, received } = await start();
    const { ref } = accepted(await label(parcel()));
    await rest(3);
    const code = (await lookup(newCall(), ref))!.result!["tracking_code"] as string;
    expect(accepted(await track(tracked(code, "Estafeta"))).result).toEqual({
      id: code, status: "delivered", carrier: "estafeta", tracking_code: code,
      events: [{ status: "picked_up", at: "2026-11-20T12:00:02.000Z" }, { status: "delivered", at: "2026-11-20T12:00:03.000Z" }],
    });
    expect(received.at(-1)?.path).toBe(`/api/v1/shipments/tracking?tracking_number=${code}&carrier_name=estafeta`);
    expect(accepted(await track(tracked(ref))).result).toMatchObject({ id: ref, tracking_code: code, carrier: "estafeta" });
  });

  test("without a code, a carrier or any event there is nothing to say, and the field is named", async () => {
    const { label, track, rest } = await start();
    expect(await track(tracked())).toMatchObject({ outcome: "declined", field: "tracking_code" });
    expect(await track(tracked("8123456789"))).toMatchObject({ outcome: "declined", field: "carrier" });
    const { ref } = accepted(await label(parcel()));
    expect(await track(tracked(ref))).toMatchObject({ outcome: "declined", field: "tracking_code" });
    await rest(1);
    expect(await track(tracked(ref))).toMatchObject({ outcome: "declined", message: expect.stringContaining("nothing") });
  });
});

describe("quoting", () => {
  test("a token is granted for the client, and one quotation asks every carrier for one parcel in kilograms", async () => {
    const { quote, received, account, paths } = await start();
    await quote(parcel({ metadata: { destination_district: "Roma Norte" } }));
    expect(paths().map((path) => path.replace(/[0-9a-f-]{36}/, "ID"))).toEqual([
      "POST /api/v1/oauth/token", "POST /api/v1/quotations", "GET /api/v1/quotations/ID",
    ]);
    expect(received[0]).toMatchObject({ headers: { "content-type": "application/x-www-form-urlencoded" } });
    expect(Object.fromEntries(new URLSearchParams(received[0]?.body as string))).toEqual({ grant_type: "client_credentials", ...account.credentials });
    expect(received[1]?.body).toEqual({
      quotation: {
        address_from: { country_code: "MX", postal_code: "64000", area_level1: "Nuevo León", area_level2: "Monterrey", area_level3: "Centro", reference: REFERENCE.slice(0, 30) },
        address_to: { country_code: "MX", postal_code: "06700", area_level1: "Ciudad de México", area_level2: "Cuauhtémoc", area_level3: "Roma Norte" },
        parcels: [{ length: 32, width: 30, height: 13, weight: 1.45, package_protected: false }],
      },
    });
  });

  test("every carrier with a price is offered at its total, by a name that outlives the quotation", async () => {
    const { quote } = await start();
    expect(accepted(await quote(parcel())).result.quotes).toEqual([
      { service_id: "estafeta:estafeta_ground", carrier: "Estafeta", service: "Terrestre", cost_minor: 14_330n, delivery_days: 4 },
      { service_id: "dhl:dhl_standard", carrier: "DHL", service: "Standard", cost_minor: 15_260n, delivery_days: 3 },
      { service_id: "fedex:fedex_express_saver", carrier: "FedEx", service: "Express Saver", cost_minor: 23_190n, delivery_days: 1 },
    ]);
  });

  test("a quotation that never completes is read for a while, and what has a price by then is offered", async () => {
    const { quote, clock, paths } = await start();
    const asked = quote(to("00905"));
    for (let second = 0; second < 10; second++) await clock.advance(1_000);
    expect(accepted(await asked).result.quotes?.map(({ carrier }) => carrier)).toEqual(["Estafeta", "FedEx"]);
    expect(paths().filter((path) => path.startsWith("GET /api/v1/quotations/"))).toHaveLength(8);
  });

  test("amounts may be numbers or text, and a rate in another currency or without a price is left out", async () => {
    const { quote, instead } = await start();
    const rate = (provider_name: string, change: object) => ({ id: provider_name, success: true, provider_name, provider_service_name: "S", currency_code: "MXN", ...change });
    instead.answer = (path) => (path.endsWith("/quotations")
      ? Response.json({ id: "q", is_completed: true, rates: [
        rate("a", { total: 94.5 }), rate("b", { total: "174.70" }), rate("c", { total: "10", currency_code: "USD" }),
        rate("d", { total: null }), rate("e", { total: "1.00", success: false, status: "not_applicable" }),
      ] })
      : undefined);
    expect(accepted(await quote(parcel())).result.quotes?.map(({ carrier, cost_minor }) => [carrier, cost_minor])).toEqual([["a", 9_450n], ["b", 17_470n]]);
  });

  test("a declared value is insured, in the quotation and in the purchase", async () => {
    const { label, bodyOf } = await start();
    await label(parcel({ items: [{ ...BOOTS, declared_value: 129_990, quantity: 2 }] }));
    const insurance = { package_protected: true, declared_value: 2_599.8 };
    expect(bodyOf("/api/v1/quotations")).toMatchObject({ quotation: { parcels: [insurance] } });
    expect(bodyOf("/api/v1/shipments")).toMatchObject({ shipment: { packages: [insurance] } });
  });

  test.each([
    ["destination.postal_code", { destination: undefined }],
    ["destination.postal_code", { destination: { ...ANA, postal_code: "067000" } }],
    ["destination.state", { destination: { ...ANA, state: undefined } }],
    ["destination.city", { destination: { ...ANA, city: undefined } }],
    ["destination.country", { destination: { ...ANA, country: "BR" } }],
    ["metadata.consignment_note", { metadata: { consignment_note: "boots" } }],
  ])("what cannot be sent names %s, and nothing is asked", async (field, change) => {
    const { quote, label, received } = await start();
    for (const verb of [quote, label]) expect(await verb(parcel(change))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });
});

describe("buying a label", () => {
  test("names the rate once for all, both parties and the Carta Porte code", async () => {
    const { label, bodyOf } = await start();
    await label(parcel({ metadata: { destination_email: "ana@example.com", consignment_note: "53111600" } }));
    expect(bodyOf("/api/v1/shipments")).toEqual({
      shipment: {
        rate_id: expect.stringMatching(/^[0-9a-f-]{36}$/), unique_shipment: true, printing_format: "standard",
        address_from: {
          name: "Tienda de Prueba", company: "Tienda de Prueba", street1: "Avenida Constitución 100", phone: "8181234567",
          email: "sandbox@example.com", reference: REFERENCE.slice(0, 30),
        },
        address_to: { name: "Ana López", company: "Ana López", street1: "Calle Orizaba 22", phone: "5512345678", email: "ana@example.com" },
        packages: [{ package_number: "1", package_type: "4G", consignment_note: "53111600", package_protected: false }],
      },
    });
  });

  test("is paid at once, at the total of the answer, and labelled later", async () => {
    const { label, lookup, rest, newCall } = await start();
    const outcome = accepted(await label(parcel({ service_id: "dhl:dhl_standard" })));
    expect(outcome).toEqual({
      outcome: "accepted", ref: expect.any(String), state: "paid", action: "created", cost: { amountMinor: 15_260n, currency: "MXN" },
      result: { id: outcome.ref, status: "paid", carrier: "DHL", service: "Standard", estimated_delivery: "within 3 days of posting", cost_minor: 15_260n },
    });
    await rest(1);
    expect(await lookup(newCall(), outcome.ref)).toEqual({
      ref: outcome.ref, state: "label_ready", action: "created", amountMinor: 15_260n, currency: "MXN",
      result: {
        id: outcome.ref, status: "label_ready", carrier: "dhl", tracking_code: expect.stringMatching(/^8\d{9}$/),
        label_url: expect.stringMatching(/^https:/),
      },
    });
  });

  test.each([
    ["name", { name: undefined }], ["line_1", { line_1: undefined }], ["phone", { phone: "12345" }], ["phone", { phone: undefined }],
  ])("without a %s for the label nothing is bought", async (field, change) => {
    const { label, paths } = await start();
    expect(await label(parcel({ destination: { ...ANA, ...change } }))).toMatchObject({ outcome: "declined", field: `destination.${field}` });
    expect(paths().some((path) => path.endsWith("/shipments"))).toBe(false);
  });

  test("credits that do not pay it are insufficient funds", async () => {
    const { label } = await start();
    expect(await label(to("00902"))).toMatchObject({ outcome: "declined", reason: "insufficient_funds" });
  });

  test.each([
    [{ errors: { address_to: { phone: ["no es válido"] } } }, "destination.phone", "phone no es válido"],
    [{ address_from: { street1: ["es demasiado largo"] } }, "origin.line_1", "street1 es demasiado largo"],
    [{ errors: { packages: [{ consignment_note: ["no está incluido en la lista"] }] } }, "items", "consignment_note no está incluido en la lista"],
    [{ errors: { declared_amount: ["es obligatorio"] } }, undefined, "declared_amount es obligatorio"],
    [{ error: "Paquetería no disponible" }, undefined, "Paquetería no disponible"],
  ])("a refusal %j is told in the words of the tool", async (body, field, message) => {
    const { label, instead } = await start();
    instead.answer = (path) => (path.endsWith("/shipments") ? Response.json(body, { status: 422 }) : undefined);
    expect(await label(parcel())).toEqual({ outcome: "declined", reason: "invalid_request", message, ...(field && { field }) });
  });

  test("an older purchase that comes back in place of a new one is a duplicate, not a sale", async () => {
    const { label, clock, newCall } = await start();
    const { ref } = accepted(await label(parcel()));
    await clock.advance(120_000);
    const call = newCall();
    expect(await label(parcel(), call)).toMatchObject({ outcome: "declined", reason: "duplicate", message: expect.stringContaining(ref) });
    expect(call.acted).toBe(false);
  });

  test.each([408, 409])("a %i says that it is being worked on, so the outcome is unknown", async (status) => {
    const { label, instead } = await start();
    instead.answer = (path) => (path.endsWith("/shipments") ? Response.json({ error: "Tiempo de espera excedido" }, { status }) : undefined);
    await expect(label(parcel())).rejects.toBeInstanceOf(OutcomeUnknown);
  });

  test("a lookup cannot find a purchase without its id, and says so; one that was never sent bought nothing", async () => {
    const { label, lookup, instead, newCall } = await start();
    instead.answer = async (path, apply) => {
      if (!path.endsWith("/shipments")) return undefined;
      await apply();
      throw networkError("ECONNRESET");
    };
    const call = newCall();
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    expect(await lookup(newCall())).toBeUndefined();
  });

  test.each([["00903", "cancelled"], ["00904", "returned"]])("to %s it ends %s", async (code, state) => {
    const { label, lookup, rest, newCall } = await start();
    const { ref } = accepted(await label(to(code)));
    await rest(3);
    expect(await lookup(newCall(), ref)).toMatchObject({ ref, state });
  });

  test("without a Carta Porte code an operator is asked, and nothing is sent", async () => {
    const { label, received } = await start({ consignment_note: "" });
    await expect(label(parcel())).rejects.toBeInstanceOf(SetupMissing);
    expect(received).toEqual([]);
  });
});

describe("webhooks", () => {
  const { verify, read } = skydropx.notifications!;
  const body = JSON.stringify({
    data: {
      id: "p-1", type: "packages", attributes: { status: "in_return", tracking_number: "8123", label_url: "https://x.example/l.pdf", returned: true, returned_status: "in_transit" },
      relationships: { shipment: { data: { id: "s-1" } } },
    },
  });
  const message = (authorization: string, text = body): InboundMessage => ({
    method: "POST", url: new URL("https://shop.example/"), headers: new Headers({ authorization }), body: new TextEncoder().encode(text),
  });
  const context = { secrets: ["s3cret"], settings: {}, now: new Date() };
  const signed = (algorithm: string) => createHmac(algorithm, "s3cret").update(body).digest("hex");

  test("HMAC-SHA512 in hex after the word HMAC is theirs, anything else is not", () => {
    expect(verify(message(`HMAC ${signed("sha512")}`), context)).toEqual({ ok: true });
    for (const header of ["", signed("sha512"), `Bearer ${signed("sha512")}`, `HMAC ${signed("sha256")}`, "HMAC "])
      expect(verify(message(header), context)).toMatchObject({ ok: false });
  });

  test("a parcel's event names the shipment, and a step of its way back is another event", () => {
    expect(read(message("x"))).toEqual([{
      eventId: "p-1:in_return:in_transit:8123:label", ref: "s-1",
      observation: { ref: "s-1", state: "returned", action: "in_return", result: { tracking_code: "8123", label_url: "https://x.example/l.pdf" } },
    }]);
    expect(read(message("x", body.replace('"in_transit"', '"delivered"')))[0]?.eventId).toBe("p-1:in_return:delivered:8123:label");
  });

  test("events of other things, and words that nobody knows, claim no state", () => {
    expect(read(message("x", body.replace("packages", "orders")))).toEqual([]);
    expect(read(message("x", body.replace("in_return", "teleported")))[0]?.observation).not.toHaveProperty("state");
  });
});

describe("its own tools", () => {
  test("rates, purchase, reading, tracking and cancelling reach Skydropx", async () => {
    const { native, rest } = await start();
    const area = { postal_code: "06700", area_level1: "CDMX", area_level2: "Cuauhtémoc" };
    const question = { address_from: area, address_to: area, parcel: { length: 10, width: 10, height: 10, weight: 1 } };
    const { id } = await native("get_rates", question);
    const { rates, ...again } = await native("get_rates", question);
    expect(again).toMatchObject({ id, is_completed: true });
    const contact = { name: "Ana", company: "Ana", street1: "Orizaba 22", phone: "5512345678", email: "ana@example.com" };
    const purchase = {
      rate_id: rates[0].id, address_from: contact, address_to: contact,
      packages: [{ package_number: "1", package_type: "4G", consignment_note: "53102400" }],
    };
    const { data } = await native("create_shipment", purchase);
    expect((await native("create_shipment", purchase)).data.id).toBe(data.id);
    expect(await native("list_shipments", {})).toMatchObject({ data: [{ id: data.id }] });
    expect((await native("list_carriers", {})).data.map((one: { carrier_name: string }) => one.carrier_name)).toEqual(["estafeta", "dhl", "fedex"]);
    await rest(2);
    const shown = await native("get_shipment", { shipmentId: data.id });
    const tracking_number = shown.data.attributes.master_tracking_number;
    expect(await native("track_shipment", { tracking_number, carrier: "estafeta" })).toMatchObject({ data: [{ attributes: { status: "picked_up" } }] });
    await expect(native("cancel_shipment", { shipmentId: data.id })).rejects.toMatchObject({ status: 422 });
  });

  test("a shipment that has not moved can be cancelled, and is paid back", async () => {
    const { native, label, lookup, newCall } = await start();
    const { ref } = accepted(await label(parcel()));
    expect(await native("cancel_shipment", { shipmentId: ref })).toMatchObject({ data: { attributes: { shipment_id: ref } } });
    expect(await lookup(newCall(), ref)).toMatchObject({ state: "cancelled" });
  });
});
