/**
 * Andreani: quotes, orders (the label) and tracking of the Argentine carrier, on the merchant's own contract.
 * Reference: Andreani API, "Cotizador v1", "Órdenes de envío v2", "Tracking v2" as public projects quote its sheets; see README.md.
 * Quirks: the token travels in a header of its own, both ways; an order is asked for and accepted or rejected later; the
 * contract is billed, so an order takes no money and its answer no price.
 */
import { z } from "zod";
import type { ShipRequest, ShipResult } from "../../schema/meta-tools/ship.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider,
  type ProviderDefinition,
} from "../provider.ts";
import {
  choose, declined, invalid, ofCarrier, optional, parcelSettings, quoted, senderSettings, type Declined, type Offer,
} from "../shipping.ts";
import { withBearer } from "../tokens.ts";
import { toOrder, toShipment, type Shipment } from "./shipment.ts";
import { tools } from "./tools.ts";

const required = (name: string, label: string, hint: string) => ({ name, label, secret: false, required: true, hint });

export const andreani: ProviderDefinition = {
  id: "andreani",
  title: "Andreani",
  category: "logistics",
  country: "AR",
  authType: "http_basic",
  hosts: { live: "https://apis.andreani.com", test: "https://apisqa.andreani.com" },
  credentials: [
    required("username", "API user", "Given by Andreani's account executive; not the one of the web site."),
    { name: "password", label: "API password", secret: true, required: true },
  ],
  settings: [
    required("contract", "Contract", "Of the service that is sold: home delivery has one of its own."),
    required("client", "Client code", "CL0003750"),
    optional("origin_branch", "Branch of origin", "Its code, where parcels are handed in: SFN."),
    optional("origin_email", "Sender's e-mail"),
    ...senderSettings({ postalCode: "código postal", document: "CUIT or DNI", state: "province, as AR-B" }),
    ...parcelSettings,
  ],
  repeats: "ignores",
  connect,
  native: { client: clientFor, tools },
};

/** What a token is good for. */
const TOKEN_VALID_SECONDS = 24 * 3_600;

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

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const http = httpClient({ provider: "andreani", baseUrl, fetch: (request) => fetch(withTheirHeader(request)) });
  return withBearer(http, { provider: "andreani", baseUrl, credentials }, async (call) => {
    let token: string | null = null;
    const login = httpClient({
      provider: "andreani",
      baseUrl,
      fetch: async (request) => {
        const response = await fetch(request);
        token = response.headers.get("x-authorization-token");
        return response;
      },
    });
    const basic = Buffer.from(`${credentials["username"] ?? ""}:${credentials["password"] ?? ""}`).toString("base64");
    const body = await login.ask({ method: "GET", path: "/login", headers: { authorization: `Basic ${basic}` } }, Login, call);
    const granted = token ?? body.token;
    if (!granted) throw new Unanswered("andreani: its login gave no token");
    return { token: granted, expiresInSeconds: TOKEN_VALID_SECONDS };
  });
}

/** Andreani reads the token from a header of its own. */
function withTheirHeader(request: Request): Request {
  const headers = new Headers(request.headers);
  headers.set("x-authorization-token", headers.get("authorization")?.replace("Bearer ", "") ?? "");
  headers.delete("authorization");
  return new Request(request, { headers });
}

function requireSetup({ credentials, settings }: ConnectionConfig): void {
  for (const name of ["username", "password"]) if (!credentials[name]) throw new SetupMissing(name);
  for (const name of ["contract", "client"]) if (!settings[name]) throw new SetupMissing(name);
}

async function quote({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const offers = ofCarrier({ offers: [await calculate(http, shipment, connection, call)], refusals: [] }, request.carrier);
  return "outcome" in offers ? offers : quoted(offers, call);
}

async function label({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const body = toOrder(shipment, { contract: connection.settings["contract"] ?? "", reference: call.reference });
  if ("outcome" in body) return body;
  const offer = choose(ofCarrier({ offers: [await calculate(http, shipment, connection, call)], refusals: [] }, request.carrier), request);
  if ("outcome" in offer) return offer;
  await call.note({ sent_at: call.clock.now().toISOString() });
  const order = await http.act({ method: "POST", path: "/v2/ordenes-de-envio", body }, Order, call);
  const state = stateOfOrder(order);
  return {
    outcome: "accepted",
    ref: order.number,
    state,
    action: order.estado,
    result: {
      ...toResult(order.number, state),
      service: order.descripcionServicio ?? offer.service,
      ...(order.fechaEstimadaDeEntrega && { estimated_delivery: order.fechaEstimadaDeEntrega }),
      cost_minor: offer.costMinor,
    },
  };
}

/** A contract is one service at one price, taxes included; nothing says how long it takes. */
async function calculate(http: HttpClient, { to, parcel }: Shipment, { settings }: ConnectionConfig, call: CallContext): Promise<Offer> {
  const contract = settings["contract"] ?? "";
  const query = {
    cpDestino: to.postal_code,
    contrato: contract,
    cliente: settings["client"],
    sucursalOrigen: settings["origin_branch"] || undefined,
    "bultos[0][kilos]": String(Math.ceil(parcel.weightG) / 1_000),
    "bultos[0][largoCm]": String(parcel.lengthCm),
    "bultos[0][anchoCm]": String(parcel.widthCm),
    "bultos[0][altoCm]": String(parcel.heightCm),
    "bultos[0][volumen]": String(parcel.lengthCm * parcel.widthCm * parcel.heightCm),
    "bultos[0][valorDeclarado]": toDecimal({ amountMinor: parcel.declaredMinor, currency: "ARS" }),
  };
  const { tarifaConIva } = await http.ask({ method: "GET", path: "/v1/tarifas", query }, Tariff, call);
  return { id: contract, service: `contract ${contract}`, carrier: "Andreani", costMinor: tarifaConIva.total, days: undefined };
}

async function track({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const code = request.tracking_code?.replaceAll(/\s/g, "") ?? "";
  if (!SHIPMENT_NUMBER.test(code)) return invalid("tracking_code", "Expected the number of a shipment: digits alone.");
  const events = await eventsOf(http, code, call);
  const last = events?.at(-1);
  if (!events || !last) return invalid("tracking_code", "Andreani has no events of a shipment under this number yet.");
  const state = stateOfEvents(events);
  return {
    outcome: "accepted", ref: code, state, action: wordOf(last),
    result: { ...toResult(code, state), events: events.map((event) => ({ status: wordOf(event), at: event.Fecha })) },
  };
}

const SHIPMENT_NUMBER = /^\d{8,20}$/;

/** Oldest first; undefined while there is no shipment, which an order becomes when it is accepted. */
async function eventsOf(http: HttpClient, number: string, call: CallContext): Promise<TrackingEvent[] | undefined> {
  try {
    const events = await http.ask({ method: "GET", path: `/v2/envios/${number}/trazas` }, Events, call);
    return events.toSorted((a, b) => a.Fecha.localeCompare(b.Fecha));
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

// Only the fields we read, in every answer below.
const Login = z.object({ token: z.string().nullish() });
const Tariff = z.object({
  tarifaConIva: z.object({
    total: z.union([z.string(), z.number()]).transform((total, context) => {
      const minor = fromDecimal(total, "ARS");
      if (minor === undefined) context.addIssue({ code: "custom", message: "expected a decimal" });
      return minor ?? z.NEVER;
    }),
  }),
});
const Order = z.object({
  estado: z.string().min(1),
  motivo: z.string().nullish(),
  descripcionServicio: z.string().nullish().transform((text) => text || undefined),
  fechaEstimadaDeEntrega: z.string().nullish(),
  bultos: z.array(z.object({ numeroDeEnvio: z.string().min(1) })).min(1),
}).transform(({ bultos, ...order }) => ({ ...order, number: bultos[0]!.numeroDeEnvio }));
type Order = z.output<typeof Order>;
const TrackingEvent = z.object({
  Fecha: z.string(),
  Evento: z.string().nullish(),
  Estado: z.string().nullish(),
  EstadoId: z.int().nullish(),
  Ciclo: z.string().nullish(),
  Motivo: z.string().nullish(),
});
type TrackingEvent = z.output<typeof TrackingEvent>;
const Events = z.union([z.array(TrackingEvent), z.object({ eventos: z.array(TrackingEvent) }).transform(({ eventos }) => eventos)]);

type ShipmentState = StateOf<"shipment">;

/** `Solicitado` and `Solicitada` are one word. */
const stateOfOrder = ({ estado }: Order): ShipmentState =>
  /^cread[oa]$/i.test(estado) ? "label_ready" : /^rechazad[oa]$/i.test(estado) ? "cancelled" : "pending";

const wordOf = ({ Estado, Evento, Motivo }: TrackingEvent): string => [Estado || Evento || "sin estado", Motivo].filter(Boolean).join(": ");

/** The way back is a cycle of its own, in which a delivery is one to the sender. From state 5 on Andreani has the parcel. */
function stateOfEvents(events: readonly TrackingEvent[]): ShipmentState {
  const is = (id: number, name: string) => (event: TrackingEvent) => event.EstadoId === id || event.Evento === name;
  if (events.some(({ Ciclo }) => Ciclo === "DEVOLUCION")) return "returned";
  if (events.some(is(18, "EnvioEntregado"))) return "delivered";
  if (events.some(({ Evento }) => Evento === "EnvioAnulado" || Evento === "OrdenDeEnvioRechazada")) return "cancelled";
  return events.some(({ EstadoId, Evento }) => (EstadoId ?? 0) >= 5 || MOVED.has(Evento ?? "")) ? "posted" : "label_ready";
}

const MOVED = new Set(["Admision", "Distribucion", "Visita", "EnvioDespachado", "RecepcionEnSucursalDestino", "ComienzoCustodiaEnSucursal"]);

const toResult = (number: string, state: ShipmentState): ShipResult => ({ id: number, status: state, carrier: "Andreani", tracking_code: number });

/** An order is found by its number alone. The attempt is written down before it is sent: a call without one has made none. */
async function lookup({ http, connection }: Api, { ref }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  requireSetup(connection);
  if (ref === undefined && call.notes["sent_at"] === undefined) return undefined;
  if (ref === undefined) throw new Unanswered("andreani: it finds an order by its number alone");
  const order = await http.ask({ method: "GET", path: `/v2/ordenes-de-envio/${encodeURIComponent(ref)}` }, Order, call);
  const events = stateOfOrder(order) === "label_ready" ? await eventsOf(http, ref, call) : undefined;
  const last = events?.at(-1);
  const state = events && last ? stateOfEvents(events) : stateOfOrder(order);
  return {
    ref,
    state,
    action: last ? wordOf(last) : order.estado,
    result: { ...toResult(ref, state) },
    ...(state === "cancelled" && order.motivo && { failure: { reason: "refused" as const, message: order.motivo } }),
  };
}

function toDecline({ status, body }: Rejected): Declined {
  if (status === 401 || status === 403) return declined("unauthorized", "Andreani refused the user, or the contract is none of theirs.");
  if (status === 429) return declined("rate_limited", "Andreani is limiting our requests.");
  const problem = Problems.safeParse(body).data?.[0];
  const { detail, title, message } = Problem.safeParse(body).data ?? {};
  const text = problem?.message ?? detail ?? message ?? title ?? `Andreani answered ${status}.`;
  return status === 400 ? declined("invalid_request", text, fieldOf(problem?.property ?? undefined)) : declined("refused", text);
}

const Problems = z.array(z.object({ property: z.string().nullish(), message: z.string() }));
const Problem = z.object({ detail: z.string().nullish(), title: z.string().nullish(), message: z.string().nullish() });

/** `destino.postal.codigoPostal` is `destination.postal_code` in the arguments of the tool. */
function fieldOf(property: string | undefined): string | undefined {
  const parts = property?.split(/[.[\]]+/).filter(Boolean) ?? [];
  const place = { origen: "origin", remitente: "origin", destino: "destination", destinatario: "destination" }[parts[0]?.toLowerCase() ?? ""];
  if (place) return [place, placeFields[parts.at(-1)?.toLowerCase() ?? ""]].filter(Boolean).join(".");
  return parts[0]?.toLowerCase() === "bultos" ? "items" : undefined;
}

const placeFields: Partial<Record<string, string>> = {
  codigopostal: "postal_code", calle: "line_1", numero: "number", localidad: "city", region: "state", nombrecompleto: "name", documentonumero: "document",
};
