/**
 * Coordinadora: quotes, waybills (the label) and tracking of the Colombian carrier, on the merchant's own agreement.
 * Reference: its web services "Guías 1.6" and "AGS 1.5", whose procedures answer as SOAP and as JSON-RPC; here as
 * JSON-RPC, as a public project runs them live; see README.md. The REST API that circulates under its name is nowhere else.
 * Quirks: refusals come with status 200; places are DANE codes; pesos are whole; the words of the states are its only ones.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import type { ShipRequest, ShipResult } from "../../schema/meta-tools/ship.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient, type RequestSpec } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider,
  type ProviderDefinition,
} from "../provider.ts";
import {
  choose, declined, invalid, ofCarrier, optional, parcelSettings, quoted, senderSettings, type Declined, type Offer,
} from "../shipping.ts";
import { cityOf, toQuestion, toShipment, toWaybill, type City, type Shipment } from "./shipment.ts";
import { tools } from "./tools.ts";

const required = (name: string, label: string, hint?: string) => ({ name, label, secret: false, required: true, ...(hint && { hint }) });
const secret = (name: string, label: string, hint?: string) => ({ ...required(name, label, hint), secret: true });

export const coordinadora: ProviderDefinition = {
  id: "coordinadora",
  title: "Coordinadora",
  category: "logistics",
  country: "CO",
  authType: "api_key",
  hosts: { live: "https://guias.coordinadora.com/ws/guias/1.6", test: "https://sandbox.coordinadora.com/agw/ws/guias/1.6" },
  credentials: [
    required("user", "User of the waybill service", "Ends in .ws"),
    secret("password", "Password of the waybill service"),
    secret("quote_api_key", "API key of the quote service"),
    secret("quote_password", "Password of the quote service"),
  ],
  settings: [
    required("client_id", "Client number", "id_cliente, of the agreement."),
    required("account_code", "Account", "1 current account, 2 weekly agreement."),
    required("origin_city_code", "City of origin", "Its DANE code: 11001000."),
    optional("nit", "NIT of the agreement", "For prices of the agreement."),
    ...senderSettings({ postalCode: "DANE code", document: "NIT", state: "department" }).filter(({ name }) => name !== "origin_postal_code"),
    ...parcelSettings,
  ],
  repeats: "ignores",
  connect,
  native: { client: clientFor, tools },
};

/** The quote service is a server of its own beside the one of the waybills. */
const QUOTES = { live: "https://ws.coordinadora.com/ags/1.5/server.php", test: "https://sandbox.coordinadora.com/ags/1.5/server.php" };

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const api = { http: clientFor(connection, fetch), connection };
  return {
    quote: orDeclined((request, call) => quote(api, request, call), toDecline),
    label: orDeclined((request, call) => label(api, request, call), toDecline),
    track: orDeclined((request, call) => track(api, request, call), toDecline),
    lookup: (subject, call) => lookup(api, subject, call),
  };
}

interface Api {
  http: HttpClient;
  connection: ConnectionConfig;
}

/** Takes a procedure for the path and its parameters for the body, signs in with them, and gives the result of the answer. */
function clientFor({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const http = httpClient({ provider: "coordinadora", baseUrl, fetch });
  const dressed = ({ path: procedure, body }: RequestSpec): RequestSpec => {
    const isQuote = procedure.startsWith("Cotizador.");
    const login = isQuote
      ? { apikey: credentials["quote_api_key"], clave: credentials["quote_password"], nit: settings["nit"] ?? "", div: "" }
      : { usuario: credentials["user"], clave: createHash("sha256").update(credentials["password"] ?? "").digest("hex") };
    const path = isQuote ? (baseUrl === coordinadora.hosts.live ? QUOTES.live : QUOTES.test) : "/server.php";
    return { method: "POST", path, body: { jsonrpc: "2.0", id: 0, method: procedure, params: { ...(body as object), ...login } } };
  };
  const send = (verb: "ask" | "act"): HttpClient["ask"] => async (spec, answer, call) => {
    const actedBefore = call.acted;
    const given = await http[verb](dressed(spec), enveloped(answer), call);
    if ("value" in given) return given.value;
    // An error in place of a result says that nothing was done, as a 400 would.
    call.acted = actedBefore;
    throw new Rejected("coordinadora", 400, given.refusal);
  };
  // A caller's own request names the procedure as its path.
  return { ask: send("ask"), act: send("act"), pass: (spec, call) => http.pass(dressed({ ...spec, path: spec.path.replace(/^\//, "") }), call) };
}

function requireSetup({ credentials, settings }: ConnectionConfig): void {
  for (const { name } of coordinadora.credentials) if (!credentials[name]) throw new SetupMissing(name);
  for (const { name, required: isRequired } of coordinadora.settings) if (isRequired && !settings[name]) throw new SetupMissing(name);
}

async function quote({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = await locate(http, toShipment(request, connection.settings), call);
  if ("outcome" in shipment) return shipment;
  const offers = ofCarrier({ offers: [await calculate(http, shipment, connection, call)], refusals: [] }, request.carrier);
  return "outcome" in offers ? offers : quoted(offers, call);
}

async function label({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = await locate(http, toShipment(request, connection.settings), call);
  if ("outcome" in shipment) return shipment;
  const body = toWaybill(shipment, connection.settings, call.reference);
  if ("outcome" in body) return body;
  const offer = choose(ofCarrier({ offers: [await calculate(http, shipment, connection, call)], refusals: [] }, request.carrier), request);
  if ("outcome" in offer) return offer;
  await call.note({ sent_at: call.clock.now().toISOString() });
  const { codigo_remision: number } = await http.act({ method: "POST", path: "Guias.generarGuia", body }, Made, call);
  return {
    outcome: "accepted",
    ref: number,
    state: "label_ready",
    action: "IMPRESO",
    result: {
      ...toResult(number, "label_ready"),
      service: offer.service,
      ...(offer.days !== undefined && { estimated_delivery: `within ${offer.days} days of posting` }),
      cost_minor: offer.costMinor,
    },
  };
}

/** Places are DANE codes; a call that has none names a city, which the list of cities knows. */
async function locate(http: HttpClient, shipment: Shipment | Declined, call: CallContext): Promise<Shipment | Declined> {
  if ("outcome" in shipment || (shipment.from.cityCode && shipment.to.cityCode)) return shipment;
  const cities = await http.ask({ method: "POST", path: "Guias.ciudades", body: {} }, z.array(Listed), call);
  const from = cityOf("origin", shipment.from, cities);
  if ("outcome" in from) return from;
  const to = cityOf("destination", shipment.to, cities);
  return "outcome" in to ? to : { ...shipment, from, to };
}

async function calculate(http: HttpClient, shipment: Shipment, { settings }: ConnectionConfig, call: CallContext): Promise<Offer> {
  const body = toQuestion(shipment, settings);
  const { flete_total: pesos, dias_entrega: days } = await http.ask({ method: "POST", path: "Cotizador.cotizar", body }, Price, call);
  return { id: "1", service: "Estándar", carrier: "Coordinadora", costMinor: BigInt(pesos) * 100n, days: days || undefined };
}

async function track({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const code = request.tracking_code?.replaceAll(/\s/g, "") ?? "";
  if (!NUMBER.test(code)) return invalid("tracking_code", "Expected the number of a waybill: eleven digits.");
  const found = await tracked(http, code, call);
  if (!found) return invalid("tracking_code", "Coordinadora has no waybill of this user under this number.");
  const state = stateOf(found);
  return {
    outcome: "accepted", ref: code, state, action: wordOf(found),
    result: {
      ...toResult(code, state),
      events: found.detalle_estados.map(({ descripcion, fecha, hora }) => ({ status: descripcion, at: [fecha, hora].filter(Boolean).join(" ") })),
    },
  };
}

const NUMBER = /^\d{9,13}$/;

/** A waybill that they do not know comes back empty. */
async function tracked(http: HttpClient, number: string, call: CallContext): Promise<Tracked | undefined> {
  const found = await http.ask({ method: "POST", path: "Guias.rastreoExtendido", body: { codigos_remision: [number] } }, z.array(Tracked), call);
  return found.find(({ codigo_remision: code }) => code === number);
}

// Only the fields we read, in every answer below.
const Problem = z.union([z.string(), z.object({ message: z.string() }).transform(({ message }) => message)]);
const enveloped = <Schema extends z.ZodType>(answer: Schema): z.ZodType<{ refusal: string } | { value: z.output<Schema> }> => z.union([
  z.object({ error: Problem }).transform(({ error }) => ({ refusal: error })),
  z.object({ result: answer }).transform((envelope) => ({ value: (envelope as { result: z.output<Schema> }).result })),
]);
const Price = z.object({ flete_total: z.coerce.number().int().positive(), dias_entrega: z.coerce.number().int().nonnegative().nullish() });
const Made = z.object({ codigo_remision: z.string().min(1) });
const Listed = z.object({ codigo: z.string(), nombre: z.string(), nombre_departamento: z.string() }) satisfies z.ZodType<City>;
const Text = z.string().nullish().transform((text) => text ?? "");
const Tracked = z.object({
  codigo_remision: Text,
  descripcion_estado: Text,
  fecha_recogida: Text,
  fecha_entrega: Text,
  detalle_estados: z
    .array(z.object({ descripcion: z.string(), fecha: Text, hora: Text }))
    .nullish()
    .transform((events) => events ?? []),
});
type Tracked = z.output<typeof Tracked>;

type ShipmentState = StateOf<"shipment">;

/** No source lists the numbers of the states, so their words are read, and the dates of pick-up and delivery. */
function stateOf({ descripcion_estado: word, fecha_recogida: pickedUp, fecha_entrega: delivered }: Tracked): ShipmentState {
  if (/devuelt|devoluci/i.test(word)) return "returned";
  if (/anulad/i.test(word)) return "cancelled";
  if (/^entregad/i.test(word) || delivered) return "delivered";
  return pickedUp ? "posted" : "label_ready";
}

const wordOf = ({ descripcion_estado: word }: Tracked): string => word || "IMPRESO";

const toResult = (number: string, state: ShipmentState): ShipResult => ({ id: number, status: state, carrier: "Coordinadora", tracking_code: number });

/** A waybill is found by its number alone. The attempt is written down before it is sent: a call without one has made none. */
async function lookup({ http, connection }: Api, { ref }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  requireSetup(connection);
  if (ref === undefined && call.notes["sent_at"] === undefined) return undefined;
  if (ref === undefined) throw new Unanswered("coordinadora: it finds a waybill by its number alone");
  const found = await tracked(http, ref, call);
  if (!found) throw new Unanswered("coordinadora: it does not show the waybill");
  const state = stateOf(found);
  return { ref, state, action: wordOf(found), result: { ...toResult(ref, state) } };
}

function toDecline({ status, body }: Rejected): Declined {
  if (status === 429) return declined("rate_limited", "Coordinadora is limiting our requests.");
  const message = typeof body === "string" && body !== "" ? body : `Coordinadora answered ${status}.`;
  if (status === 401 || status === 403 || /usuario|clave|apikey/i.test(message)) return declined("unauthorized", "Coordinadora refused the user, the key or a password.");
  return declined("refused", message);
}
