/** Andreani: a token in a header of its own, the tariff of a contract, orders that become shipments. The suite has the common faults. */
import { describe, expect, test } from "vitest";
import { andreani } from "../../providers/andreani/index.ts";
import { andreaniTwin } from "../../providers/andreani/twin.ts";
import { OutcomeUnknown, SetupMissing, Unanswered } from "../../providers/provider.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { ship, type ShipRequest } from "../../schema/meta-tools/ship.ts";
import { accepted, REFERENCE, startCarrier } from "../support/carrier.ts";
import { conformanceChecks, providerConformance } from "../support/provider-conformance.ts";

const MATE = { weight_g: 850.2, width_cm: 20, height_cm: 9.5, length_cm: 25, declared_value: 2_500_050, description: "Mate" };
const JUANA = {
  postal_code: "S3000", name: "Juana González", document: "30.123.456", phone: "+54 342 455-1234", line_1: "25 de Mayo", number: "3340", city: "Santa Fe", state: "AR-S", country: "AR",
};
const parcel = (change: Record<string, unknown> = {}): ShipRequest =>
  ship.input.parse({ action: "label", destination: JUANA, items: [MATE], ...change });
const to = (postalCode: string): ShipRequest => parcel({ destination: { ...JUANA, postal_code: postalCode } });
const tracked = (code?: string): ShipRequest => parcel({ action: "track", tracking_code: code });

const subject = { definition: andreani, twin: andreaniTwin };
const start = (settings?: Record<string, string>) => startCarrier(subject, settings);

providerConformance({
  ...subject,
  verbs: {
    quote: { request: parcel({ action: "quote" }), declined: to("0001") },
    label: { request: parcel(), declined: to("0002"), settles: { to: "delivered", withinSteps: 3 }, findsByReference: false },
  },
});

describe("andreani track", () => {
  for (const { name, run } of conformanceChecks({ ...subject, verbs: { track: { request: tracked("360000102000001") } } }))
    if (/no answer|unauthorized|429|nothing is sent/.test(name)) test(name, run);

  test("a shipment has its events, oldest first, with the reason of a visit in vain", async () => {
    const { label, track, rest } = await start();
    const { ref } = accepted(await label(to("0004")));
    await rest(2);
    expect(await track(tracked(` ${ref} `))).toMatchObject({ outcome: "accepted", ref, state: "posted", action: "Ingreso al circuito operativo" });
    await rest(1);
    expect(accepted(await track(tracked(ref))).result).toEqual({
      id: ref, status: "returned", carrier: "Andreani", tracking_code: ref,
      events: [
        { status: "OrdenDeEnvioCreada", at: "2026-11-20T09:00:01" },
        { status: "Pendiente de ingreso", at: "2026-11-20T09:00:01" },
        { status: "Ingreso al circuito operativo", at: "2026-11-20T09:00:02" },
        { status: "Visita: No se encuentra el titular", at: "2026-11-20T09:00:03" },
        { status: "Entregado", at: "2026-11-20T09:00:03" },
      ],
    });
  });

  test("an order that is not accepted yet has none, and what is no number is not asked for", async () => {
    const { label, track, received } = await start();
    const { ref } = accepted(await label(parcel()));
    expect(await track(tracked(ref))).toMatchObject({ outcome: "declined", field: "tracking_code" });
    const before = received.length;
    for (const code of ["API0000000479719", undefined]) expect(await track(tracked(code))).toMatchObject({ outcome: "declined", field: "tracking_code" });
    expect(received).toHaveLength(before);
  });

  test.each([
    [[{ EstadoId: 1 }], "label_ready"],
    [[{ EstadoId: 6 }], "posted"],
    [[{ Evento: "Distribucion" }], "posted"],
    [[{ EstadoId: 6 }, { EstadoId: 18 }], "delivered"],
    [[{ EstadoId: 18 }, { EstadoId: 30, Evento: "RemitoDigitalizado" }], "delivered"],
    [[{ EstadoId: 18, Ciclo: "DEVOLUCION" }], "returned"],
    [[{ EstadoId: 1 }, { Evento: "EnvioAnulado" }], "cancelled"],
  ])("events %j mean %s, in a list or wrapped in one", async (events, state) => {
    const { track, instead } = await start();
    const eventos = events.map((event, at) => ({ Fecha: `2026-11-20T09:00:0${at}`, ...event }));
    for (const body of [eventos, { eventos }]) {
      instead.answer = (path) => (path.endsWith("/trazas") ? Response.json(body) : undefined);
      expect(await track(tracked("360000102000001"))).toMatchObject({ state });
    }
  });
});

describe("the token", () => {
  test("comes in a header of the login and goes out in the same, once a day", async () => {
    const { quote, received, account, clock } = await start();
    await quote(parcel());
    await quote(parcel());
    const { username, password } = account.credentials;
    expect(received.map(({ path }) => path.split("?")[0])).toEqual(["/login", "/v1/tarifas", "/v1/tarifas"]);
    expect(received[0]?.headers).toMatchObject({ authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}` });
    expect(received[1]?.headers).toMatchObject({ "x-authorization-token": expect.stringMatching(/^.{40,}$/) });
    expect(received[1]?.headers).not.toHaveProperty("authorization");
    await clock.advance(24 * 3_600_000);
    accepted(await quote(parcel()));
    expect(received.filter(({ path }) => path === "/login")).toHaveLength(2);
  });

  test("is taken from the body of an account that answers so", async () => {
    const { quote, instead, received } = await start();
    instead.answer = (path) => (path === "/login" ? Response.json({ token: "from-the-body", refreshToken: "x" }) : undefined);
    expect(await quote(parcel())).toMatchObject({ outcome: "declined", reason: "unauthorized" });
    expect(received.at(-1)?.headers["x-authorization-token"]).toBe("from-the-body");
    instead.answer = (path) => (path === "/login" ? Response.json({ ok: true }) : undefined);
    await expect(quote(parcel())).rejects.toBeInstanceOf(Unanswered);
  });
});

describe("quoting", () => {
  test("asks for the contract's tariff in kilograms, centimetres and pesos", async () => {
    const { quote, received } = await start({ origin_branch: "PSD" });
    await quote(parcel());
    expect(Object.fromEntries(new URL(received[1]!.path, "https://x.example").searchParams)).toEqual({
      cpDestino: "3000", contrato: "400006709", cliente: "CL0003750", sucursalOrigen: "PSD",
      "bultos[0][kilos]": "0.851", "bultos[0][largoCm]": "25", "bultos[0][anchoCm]": "20", "bultos[0][altoCm]": "10",
      "bultos[0][volumen]": "5000", "bultos[0][valorDeclarado]": "25000.50",
    });
  });

  test("answers one service, its price with VAT, and no days, for nothing says them", async () => {
    const { quote } = await start();
    expect(accepted(await quote(parcel())).result.quotes).toEqual([
      { service_id: "400006709", carrier: "Andreani", service: "contract 400006709", cost_minor: 785_169n },
    ]);
  });

  test.each([[7041.21, 704_121n], ["7041.2", 704_120n]])("a total of %s is exact", async (total, cost) => {
    const { quote, instead } = await start();
    instead.answer = (path) => (path.startsWith("/v1/tarifas") ? Response.json({ tarifaConIva: { total } }) : undefined);
    expect(accepted(await quote(parcel())).result.quotes?.[0]?.cost_minor).toBe(cost);
  });

  test("a total that is no amount is no answer", async () => {
    const { quote, instead } = await start();
    instead.answer = (path) => (path.startsWith("/v1/tarifas") ? Response.json({ tarifaConIva: { total: "7.041,21" } }) : undefined);
    await expect(quote(parcel())).rejects.toBeInstanceOf(Unanswered);
  });

  test.each([
    ["destination.postal_code", { destination: undefined }],
    ["destination.postal_code", { destination: { ...JUANA, postal_code: "30001" } }],
    ["destination.document", { destination: { ...JUANA, document: "20-12345678-0" } }],
    ["destination.country", { destination: { ...JUANA, country: "CL" } }],
  ])("what cannot be sent names %s, and nothing is asked", async (field, change) => {
    const { quote, label, received } = await start();
    for (const verb of [quote, label]) expect(await verb(parcel(change))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });
});

describe("ordering", () => {
  test("names the contract, both places, both people and one parcel that carries our reference", async () => {
    const { label, bodyOf } = await start();
    await label(parcel({ metadata: { destination_email: "juana@example.com" } }));
    expect(bodyOf("/v2/ordenes-de-envio")).toEqual({
      contrato: "400006709",
      idPedido: REFERENCE,
      origen: { postal: { codigoPostal: "1425", calle: "Avenida Santa Fe", numero: "3000", localidad: "C.A.B.A.", region: "AR-C", pais: "Argentina" } },
      destino: { postal: { codigoPostal: "3000", calle: "25 de Mayo", numero: "3340", localidad: "Santa Fe", region: "AR-S", pais: "Argentina" } },
      remitente: {
        nombreCompleto: "Tienda de Prueba", email: "sandbox@example.com", documentoTipo: "CUIT", documentoNumero: "20123456786",
        telefonos: [{ tipo: 1, numero: "1140000000" }],
      },
      destinatario: [{
        nombreCompleto: "Juana González", email: "juana@example.com", documentoTipo: "DNI", documentoNumero: "30123456",
        telefonos: [{ tipo: 1, numero: "+543424551234" }],
      }],
      bultos: [{
        kilos: 0.851, largoCm: 25, anchoCm: 20, altoCm: 10, volumenCm: 5_000, valorDeclaradoSinImpuestos: 25_000.5,
        referencias: [{ meta: "idCliente", contenido: REFERENCE }], descripcion: "Mate",
      }],
    });
  });

  test("answers the number and the quoted price, and says that nothing was taken", async () => {
    const { label } = await start();
    const outcome = accepted(await label(parcel()));
    expect(outcome).toEqual({
      outcome: "accepted", ref: "360000102000001", state: "pending", action: "Solicitada",
      result: {
        id: "360000102000001", status: "pending", carrier: "Andreani", tracking_code: "360000102000001", service: "Estándar a domicilio",
        cost_minor: 785_169n,
      },
    });
  });

  test.each(["name", "line_1", "city"])("without a %s for the label nothing is asked", async (field) => {
    const { label, received } = await start();
    expect(await label(parcel({ destination: { ...JUANA, [field]: undefined } }))).toMatchObject({ outcome: "declined", field: `destination.${field}` });
    expect(received).toEqual([]);
  });

  test("a refused property is named in the words of the tool", async () => {
    const { label, instead } = await start();
    expect(await label(to("0002"))).toEqual({
      outcome: "declined", reason: "invalid_request", message: "No existe localidad o código postal destino", field: "destination.postal_code",
    });
    instead.answer = (path) => (path.endsWith("/ordenes-de-envio")
      ? Response.json([{ code: "x", property: "bultos[0].kilos", message: "Kilos inválidos" }], { status: 400 })
      : undefined);
    expect(await label(parcel())).toMatchObject({ field: "items", message: "Kilos inválidos" });
  });

  test("another service than the contract's is declined", async () => {
    const { label } = await start();
    expect(await label(parcel({ service_id: "express" }))).toMatchObject({ outcome: "declined", field: "service_id", message: expect.stringContaining("400006709") });
    expect(await label(parcel({ carrier: "oca" }))).toMatchObject({ outcome: "declined", field: "carrier" });
  });

  test("it is asked for, accepted, taken in and delivered, each time in Andreani's words", async () => {
    const { label, lookup, rest, newCall } = await start();
    const { ref } = accepted(await label(parcel()));
    const seen: unknown[] = [];
    for (let step = 0; step < 4; step++) {
      const { state, action } = (await lookup(newCall(), ref))!;
      seen.push([state, action]);
      await rest(1);
    }
    expect(seen).toEqual([
      ["pending", "Solicitada"], ["label_ready", "Pendiente de ingreso"], ["posted", "Ingreso al circuito operativo"], ["delivered", "Entregado"],
    ]);
  });

  test("an order that is rejected afterwards is cancelled, with Andreani's reason", async () => {
    const { label, lookup, rest, newCall } = await start();
    const { ref } = accepted(await label(to("0003")));
    await rest(3);
    expect(await lookup(newCall(), ref)).toMatchObject({ state: "cancelled", action: "Rechazada", failure: { reason: "refused", message: /código postal/ } });
  });

  test("after silence the lookup says that it cannot know; what was never sent was not ordered", async () => {
    const { label, lookup, instead, newCall } = await start();
    instead.answer = async (path, apply) => {
      if (!path.endsWith("/ordenes-de-envio")) return undefined;
      await apply();
      throw networkError("ECONNRESET");
    };
    const call = newCall();
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    expect(await lookup(newCall())).toBeUndefined();
  });
});

test("tariff, order, state, events and branches are tools of their own", async () => {
  const { native, rest } = await start();
  const rates = { contract: "400006709", client: "CL0003750", destination_postal_code: "3000", weight: 1, volume: 6_000 };
  expect(await native("get_rates", rates)).toMatchObject({ pesoAforado: "1.00", tarifaSinIva: { total: "6239.00" }, tarifaConIva: { total: "7549.19" } });
  const postal = { codigoPostal: "3000", calle: "25 de Mayo", numero: "3340", localidad: "Santa Fe" };
  const made = await native("create_shipment", {
    contrato: "400006709", origen: { postal }, destino: { postal }, remitente: { nombreCompleto: "A" }, destinatario: [{ nombreCompleto: "B" }],
    bultos: [{ kilos: 1, volumenCm: 6_000 }],
  });
  const number = made.bultos[0].numeroDeEnvio;
  await expect(native("get_shipment", { shipmentId: number })).rejects.toMatchObject({ status: 404 });
  await rest(2);
  expect(await native("get_shipment", { shipmentId: number })).toMatchObject({ numeroDeTracking: number, estadoId: 5 });
  expect((await native("track_shipment", { trackingNumber: number })).eventos).toHaveLength(3);
  expect(await native("list_branches", { codigoPostal: "3000" })).toMatchObject([{ codigo: "SFN" }]);
});

test("without a contract an operator is asked, and nothing is sent", async () => {
  const { quote, received } = await start({ contract: "" });
  await expect(quote(parcel())).rejects.toBeInstanceOf(SetupMissing);
  expect(received).toEqual([]);
});
