/** Coordinadora: procedures over JSON-RPC, DANE codes, whole pesos, states by their words. The suite has the common faults. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { coordinadora } from "../../providers/coordinadora/index.ts";
import { coordinadoraTwin } from "../../providers/coordinadora/twin.ts";
import { OutcomeUnknown, SetupMissing, Unanswered } from "../../providers/provider.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { ship, type ShipRequest } from "../../schema/meta-tools/ship.ts";
import { accepted, REFERENCE, startCarrier, type Received } from "../support/carrier.ts";
import { conformanceChecks, providerConformance } from "../support/provider-conformance.ts";

const COFFEE = { weight_g: 1_200, width_cm: 15, height_cm: 8, length_cm: 20, declared_value: 6_000_000, description: "Café" };
const LUZ = {
  postal_code: "05001", name: "Luz Pérez", document: "43.123.456", phone: "3011234567", line_1: "Calle 10", number: "# 43-20", city: "Medellín", country: "CO",
};
const parcel = (change: Record<string, unknown> = {}): ShipRequest =>
  ship.input.parse({ action: "label", destination: LUZ, items: [COFFEE], ...change });
const to = (postalCode: string): ShipRequest => parcel({ destination: { ...LUZ, postal_code: postalCode } });
const toCity = (city: string, state?: string): ShipRequest => parcel({ destination: { ...LUZ, postal_code: "050021", city, state } });
const tracked = (code?: string): ShipRequest => parcel({ action: "track", tracking_code: code });

const subject = { definition: coordinadora, twin: coordinadoraTwin };
const start = (settings?: Record<string, string>) => startCarrier(subject, settings);
const methodsOf = (received: readonly Received[]) => received.map(({ body }) => (body as { method: string }).method);
const paramsOf = (received: readonly Received[], method: string): unknown =>
  (received.find(({ body }) => (body as { method: string }).method === method)?.body as { params: unknown } | undefined)?.params;

providerConformance({
  ...subject,
  verbs: {
    quote: { request: parcel({ action: "quote" }), declined: to("00001") },
    label: { request: parcel(), declined: to("00002"), settles: { to: "delivered", withinSteps: 2 }, findsByReference: false },
  },
});

describe("coordinadora track", () => {
  for (const { name, run } of conformanceChecks({ ...subject, verbs: { track: { request: tracked("73400009001") } } }))
    if (/no answer|unauthorized|429|nothing is sent/.test(name)) test(name, run);

  test("a waybill has its events in the order they came", async () => {
    const { label, track, rest } = await start();
    const { ref } = accepted(await label(parcel()));
    expect(await track(tracked(ref))).toMatchObject({ state: "label_ready", action: "GUIA GENERADA", result: { events: [] } });
    await rest(2);
    expect(await track(tracked(ref))).toMatchObject({
      outcome: "accepted", ref, state: "delivered", action: "ENTREGADA",
      result: {
        id: ref, status: "delivered", carrier: "Coordinadora", tracking_code: ref,
        events: [{ status: "EN TERMINAL ORIGEN", at: "2026-11-20 07:00" }, { status: "ENTREGADA", at: "2026-11-20 07:00" }],
      },
    });
  });

  test("a number that they answer with an empty row is unknown, and what is no number is not asked for", async () => {
    const { track, received } = await start();
    expect(await track(tracked("73400009999"))).toMatchObject({ outcome: "declined", field: "tracking_code" });
    const before = received.length;
    for (const code of ["ABC", undefined]) expect(await track(tracked(code))).toMatchObject({ outcome: "declined", field: "tracking_code" });
    expect(received).toHaveLength(before);
  });

  test.each([
    [{ descripcion_estado: "A RECOGER" }, "label_ready"],
    [{ descripcion_estado: "EN REPARTO", fecha_recogida: "2026-11-20" }, "posted"],
    [{ descripcion_estado: "NO ENTREGADA", fecha_recogida: "2026-11-20" }, "posted"],
    [{ descripcion_estado: "ENTREGADA" }, "delivered"],
    [{ descripcion_estado: "DIGITALIZADA", fecha_entrega: "2026-11-21" }, "delivered"],
    [{ descripcion_estado: "DEVOLUCION", fecha_entrega: "2026-11-21" }, "returned"],
    [{ descripcion_estado: "ANULADA" }, "cancelled"],
  ])("%j means %s", async (row, state) => {
    const { track, instead } = await start();
    instead.answer = () => Response.json({ jsonrpc: "2.0", id: 0, result: [{ codigo_remision: "73400009001", ...row }], error: null });
    expect(await track(tracked("73400009001"))).toMatchObject({ state });
  });
});

describe("the wire", () => {
  test("waybills are signed in with the hash of the password, quotes with a key and a password of their own, each at its server", async () => {
    const { label, received, account } = await start({ nit: "800123456" });
    await label(parcel());
    const { user, password, quote_api_key, quote_password } = account.credentials;
    expect(received.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /ags/1.5/server.php", "POST /agw/ws/guias/1.6/server.php"]);
    expect(received[0]?.body).toMatchObject({ jsonrpc: "2.0", method: "Cotizador.cotizar", params: { apikey: quote_api_key, clave: quote_password, nit: "800123456", div: "" } });
    const clave = createHash("sha256").update(password!).digest("hex");
    expect(received[1]?.body).toMatchObject({ jsonrpc: "2.0", method: "Guias.generarGuia", params: { usuario: user, clave } });
  });

  test("live, each service has a host of its own", async () => {
    const { connection, twin, newCall } = await start();
    const hosts: string[] = [];
    const provider = coordinadora.connect({ ...connection, baseUrl: coordinadora.hosts.live }, (request) => (hosts.push(new URL(request.url).host), twin.fetch(request)));
    accepted(await provider.label!(parcel(), newCall()));
    expect(hosts).toEqual(["ws.coordinadora.com", "guias.coordinadora.com"]);
  });

  test("a refusal inside a 200 did nothing, and is a decline", async () => {
    const { label, instead, newCall } = await start();
    instead.answer = (path) => (path.startsWith("/agw") ? Response.json({ jsonrpc: "2.0", id: 0, result: null, error: "Error, Sin saldo" }) : undefined);
    const call = newCall();
    expect(await label(parcel(), call)).toEqual({ outcome: "declined", reason: "refused", message: "Error, Sin saldo" });
    expect(call.acted).toBe(false);
  });

  test("an answer with neither a result nor an error is none", async () => {
    const { label, instead } = await start();
    instead.answer = (path) => (path.startsWith("/agw") ? Response.json({ jsonrpc: "2.0", id: 0, result: null, error: null }) : undefined);
    await expect(label(parcel())).rejects.toBeInstanceOf(OutcomeUnknown);
  });
});

describe("quoting", () => {
  test("one parcel is asked for in kilograms, centimetres, whole pesos and DANE codes", async () => {
    const { quote, received } = await start();
    await quote(parcel());
    expect(paramsOf(received, "Cotizador.cotizar")).toMatchObject({
      cuenta: 2, producto: 0, origen: "11001000", destino: "05001000", valoracion: 60_000, nivel_servicio: [{ item: 1 }],
      detalle: [{ ubl: 0, alto: 8, ancho: 15, largo: 20, peso: 1.2, unidades: 1 }],
    });
  });

  test("pesos become centavos, with the days it takes", async () => {
    const { quote } = await start();
    expect(accepted(await quote(parcel())).result.quotes).toEqual([
      { service_id: "1", carrier: "Coordinadora", service: "Estándar", cost_minor: 1_220_000n, delivery_days: 2 },
    ]);
  });

  test.each([
    ["Bogotá, D.C.", undefined, "11001000"],
    ["medellin", undefined, "05001000"],
    ["Armenia", "Quindío", "63001000"],
  ])("%s is found by its name, accents and department aside", async (city, state, code) => {
    const { quote, received } = await start();
    accepted(await quote(toCity(city, state)));
    expect(paramsOf(received, "Cotizador.cotizar")).toMatchObject({ destino: code });
  });

  test.each([["Macondo", undefined, "destination.city"], ["Armenia", undefined, "destination.state"], ["Armenia", "Tolima", "destination.state"]])(
    "%s of %s cannot be told, so %s is asked for", async (city, state, field) => {
      const { quote, received } = await start();
      expect(await quote(toCity(city, state))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
      expect(methodsOf(received)).toEqual(["Guias.ciudades"]);
    },
  );

  test.each([
    ["destination.city", { destination: undefined }],
    ["destination.city", { destination: { ...LUZ, postal_code: "050021", city: undefined } }],
    ["destination.country", { destination: { ...LUZ, country: "MX" } }],
    ["items", { items: [{ ...COFFEE, declared_value: 6_000_050 }] }],
  ])("what cannot be sent names %s, and nothing is asked", async (field, change) => {
    const { quote, label, received } = await start();
    for (const verb of [quote, label]) expect(await verb(parcel(change))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });
});

describe("making a waybill", () => {
  test("names both parties, the parcel and our reference, and leaves empty what Coordinadora wants empty", async () => {
    const { label, received } = await start();
    await label(parcel());
    expect(paramsOf(received, "Guias.generarGuia")).toMatchObject({
      codigo_remision: "", fecha: "", id_cliente: 29_444, id_remitente: 0, nit_remitente: "", nombre_remitente: "Tienda de Prueba",
      direccion_remitente: "Carrera 7 # 71-21", telefono_remitente: "6015550000", ciudad_remitente: "11001000", nit_destinatario: "43123456",
      div_destinatario: "", nombre_destinatario: "Luz Pérez", direccion_destinatario: "Calle 10 # 43-20", ciudad_destinatario: "05001000",
      telefono_destinatario: "3011234567", valor_declarado: 60_000, codigo_cuenta: 2, codigo_producto: 0, nivel_servicio: 1, contenido: "Café",
      referencia: REFERENCE, estado: "IMPRESO",
      detalle: [{ ubl: 0, alto: 8, ancho: 15, largo: 20, peso: 1.2, unidades: 1, referencia: "", nombre_empaque: "Caja" }],
    });
  });

  test("answers its number and the quoted price, and says that nothing was taken", async () => {
    const { label } = await start();
    expect(await label(parcel())).toEqual({
      outcome: "accepted", ref: "73400009001", state: "label_ready", action: "IMPRESO",
      result: {
        id: "73400009001", status: "label_ready", carrier: "Coordinadora", tracking_code: "73400009001", service: "Estándar",
        estimated_delivery: "within 2 days of posting", cost_minor: 1_220_000n,
      },
    });
  });

  test.each(["name", "line_1", "phone"])("without a %s for the waybill nothing is asked", async (field) => {
    const { label, received } = await start();
    expect(await label(parcel({ destination: { ...LUZ, [field]: undefined } }))).toMatchObject({ outcome: "declined", field: `destination.${field}` });
    expect(received).toEqual([]);
  });

  test.each([["00003", 1, "cancelled"], ["00004", 2, "returned"]])("to %s it ends, after %i rests, %s", async (code, rests, state) => {
    const { label, lookup, rest, newCall } = await start();
    const { ref } = accepted(await label(to(code)));
    await rest(rests);
    expect(await lookup(newCall(), ref)).toMatchObject({ ref, state });
  });

  test("after silence the lookup says that it cannot know; what was never sent was not made", async () => {
    const { label, lookup, instead, newCall } = await start();
    instead.answer = async (path, apply) => {
      if (!path.startsWith("/agw")) return undefined;
      await apply();
      throw networkError("ECONNRESET");
    };
    const call = newCall();
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    expect(await lookup(newCall())).toBeUndefined();
    instead.answer = undefined;
    await expect(lookup(call, "73400009999")).rejects.toBeInstanceOf(Unanswered);
  });

  test.each(["client_id", "account_code", "origin_city_code"])("without %s an operator is asked, and nothing is sent", async (name) => {
    const { label, received } = await start({ [name]: "" });
    await expect(label(parcel())).rejects.toBeInstanceOf(SetupMissing);
    expect(received).toEqual([]);
  });
});

test("rates, waybill, tracking, cities and annulling are tools of its own, and a refusal of theirs is one", async () => {
  const { native, rest } = await start();
  const box = { alto: 10, ancho: 10, largo: 10, peso: 1 };
  expect(await native("get_rates", { origin_city: "11001000", destination_city: "76001000", packages: [box] })).toMatchObject({ flete_total: 10_250, dias_entrega: 2 });
  const made = await native("create_shipment", {
    id_cliente: 29_444, codigo_cuenta: 2, nombre_remitente: "A", direccion_remitente: "Calle 1", telefono_remitente: "60155500", ciudad_remitente: "11001000",
    nombre_destinatario: "B", direccion_destinatario: "Calle 2", telefono_destinatario: "60155501", ciudad_destinatario: "76001000", valor_declarado: 10_000,
    contenido: "Libros", packages: [box],
  });
  expect(await native("track_shipment", { guideNumber: made.codigo_remision })).toMatchObject([{ referencia: REFERENCE, descripcion_estado: "GUIA GENERADA" }]);
  expect(await native("list_cities", {})).toHaveLength(5);
  expect(await native("cancel_shipment", { guideNumber: made.codigo_remision })).toBe(true);
  await rest(2);
  expect(await native("track_shipment", { guideNumber: made.codigo_remision })).toMatchObject([{ descripcion_estado: "ANULADA" }]);
  await expect(native("cancel_shipment", { guideNumber: "73400009999" })).rejects.toMatchObject({ name: "Rejected", body: "Error, La guia no se puede anular" });
});
