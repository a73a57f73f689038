/**
 * Chilexpress: quotes, transport orders (the label) and tracking of the Chilean carrier, on the merchant's own account.
 * Reference: developers.wschilexpress.com, as its official shop plug-ins and public projects use it; see README.md.
 * Quirks: three products, three keys; places are its own codes of comunas; an order that fails may answer with status 200;
 * the account is billed, so an order takes no money and its answer no price.
 */
import { z } from "zod";
import { parseTaxId } from "../../schema/documents.ts";
import type { ShipRequest, ShipResult } from "../../schema/meta-tools/ship.ts";
import { fromDecimal } from "../../schema/money.ts";
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
import { countyOf, missingIn, toOrder, toQuestion, toShipment, type County, type Located, type Sender, type Shipment } from "./shipment.ts";

const required = (name: string, label: string, hint: string) => ({ name, label, secret: false, required: true, hint });
const key = (name: string, label: string, hint: string) => ({ name, label, secret: true, required: true, hint });

export const chilexpress: ProviderDefinition = {
  id: "chilexpress",
  title: "Chilexpress",
  category: "logistics",
  country: "CL",
  authType: "api_key",
  hosts: { live: "https://services.wschilexpress.com", test: "https://testservices.wschilexpress.com" },
  credentials: [
    key("quote_key", "Subscription key of quotes", "Product Cotizador of the developer portal."),
    key("coverage_key", "Subscription key of coverage", "Product Coberturas of the developer portal."),
    key("order_key", "Subscription key of orders", "Product Envíos of the developer portal."),
  ],
  settings: [
    required("customer_card", "Customer card (TCC)", "Of the account that shipments are billed to."),
    required("rut", "RUT of the account", "76.086.428-5"),
    required("origin_county_code", "Comuna of origin", "Chilexpress' code: STGO."),
    optional("origin_email", "Sender's e-mail"),
    ...senderSettings({ postalCode: "comuna", document: "RUT", state: "region, as CL-RM" }).filter(({ name }) => name !== "origin_postal_code"),
    ...parcelSettings,
  ],
  repeats: "ignores",
  connect,
};

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

/** A product is the first part of a path, and has a key of its own. */
const clientFor = ({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient =>
  httpClient({
    provider: "chilexpress",
    baseUrl,
    fetch,
    sign: ({ url }) => ({ "ocp-apim-subscription-key": credentials[KEYS[url.pathname.split("/")[1] ?? ""] ?? ""] ?? "" }),
  });

const KEYS: Partial<Record<string, string>> = { rating: "quote_key", georeference: "coverage_key", "transport-orders": "order_key" };

function setupOf({ credentials, settings }: ConnectionConfig): Sender {
  for (const { name } of chilexpress.credentials) if (!credentials[name]) throw new SetupMissing(name);
  for (const { name, required: isRequired } of chilexpress.settings) if (isRequired && !settings[name]) throw new SetupMissing(name);
  const rut = parseTaxId(settings["rut"] ?? "", { country: "CL" });
  if (!rut.ok) throw new SetupMissing("rut");
  return { customerCard: settings["customer_card"] ?? "", rut: Number(rut.value.slice(0, -1)) };
}

async function quote({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  setupOf(connection);
  const shipment = await locate(http, toShipment(request, connection.settings), call);
  if ("outcome" in shipment) return shipment;
  const offers = ofCarrier(await calculate(http, shipment, call), request.carrier);
  return "outcome" in offers ? offers : quoted(offers, call);
}

async function label({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  const sender = setupOf(connection);
  const asked = toShipment(request, connection.settings);
  const incomplete = "outcome" in asked ? asked : missingIn(asked);
  if (incomplete) return incomplete;
  const shipment = await locate(http, asked, call);
  if ("outcome" in shipment) return shipment;
  const offer = choose(ofCarrier(await calculate(http, shipment, call), request.carrier), request);
  if ("outcome" in offer) return offer;
  await call.note({ sent_at: call.clock.now().toISOString() });
  const actedBefore = call.acted;
  const body = toOrder(shipment, offer.id, sender, call.reference);
  const order = await http.act({ method: "POST", path: "/transport-orders/api/v1.0/transport-orders", body }, Ordered, call);
  if ("refusal" in order) {
    // No order of the one we asked for was made, as a 400 would say.
    call.acted = actedBefore;
    return declined("refused", order.refusal);
  }
  return {
    outcome: "accepted",
    ref: order.number,
    state: "label_ready",
    action: "transport order made",
    result: {
      ...toResult(order.number, "label_ready"),
      service: offer.service,
      ...(offer.days !== undefined && { estimated_delivery: `working days after posting: ${offer.days}` }),
      cost_minor: offer.costMinor,
    },
  };
}

/** Places are Chilexpress' codes; a call that has none names a comuna and its region, whose list is asked for. */
async function locate(http: HttpClient, shipment: Shipment | Declined, call: CallContext): Promise<Shipment | Declined> {
  if ("outcome" in shipment) return shipment;
  const from = await located(http, "origin", shipment.from, call);
  if ("outcome" in from) return from;
  const to = await located(http, "destination", shipment.to, call);
  return "outcome" in to ? to : { ...shipment, from, to };
}

async function located(http: HttpClient, field: "origin" | "destination", place: Located, call: CallContext): Promise<Located | Declined> {
  if (place.countyCode) return place;
  const query = { RegionCode: place.regionCode, type: "0" };
  const { coverageAreas } = await http.ask({ method: "GET", path: "/georeference/api/v1.0/coverage-areas", query }, Coverage, call);
  return countyOf(field, place, coverageAreas);
}

async function calculate(http: HttpClient, shipment: Shipment, call: CallContext): Promise<{ offers: Offer[]; refusals: string[] }> {
  const { options, refusal } = await http.ask({ method: "POST", path: "/rating/api/v1.0/rates/courier", body: toQuestion(shipment) }, Rates, call);
  return {
    offers: options.map(({ serviceTypeCode: id, serviceDescription: service, serviceValue: costMinor }) => (
      { id, service, carrier: "Chilexpress", costMinor, days: DAYS[id] }
    )),
    refusals: refusal ? [refusal] : [],
  };
}

/** Working days that the services promise by their names; source: the official shop plug-in. */
const DAYS: Partial<Record<string, number>> = { "3": 1, "4": 2, "5": 3 };

async function track({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  const sender = setupOf(connection);
  const code = request.tracking_code?.replaceAll(/\s/g, "") ?? "";
  if (!ORDER_NUMBER.test(code)) return invalid("tracking_code", "Expected the number of a transport order: digits alone.");
  const found = await tracked(http, code, sender, call);
  if (!found) return invalid("tracking_code", "Chilexpress knows no transport order under this number.");
  const state = stateOf(found);
  return {
    outcome: "accepted", ref: code, state, action: found.word,
    result: {
      ...toResult(code, state),
      events: found.events.map(({ description: status, eventDate, eventHour }) => ({ status, at: `${eventDate} ${eventHour}`.trim() })),
    },
  };
}

/** It travels as a JSON number, so it must be one that a JSON number carries exactly. */
const ORDER_NUMBER = /^[1-9]\d{7,14}$/;

/** Undefined when there is no such order in this environment. */
async function tracked(http: HttpClient, number: string, { rut }: Sender, call: CallContext): Promise<Tracked | undefined> {
  const body = { reference: "", transportOrderNumber: Number(number), rut, showTrackingEvents: 1 };
  try {
    return await http.ask({ method: "POST", path: "/transport-orders/api/v1.0/tracking", body }, Tracking, call);
  } catch (error) {
    if (error instanceof Rejected && Refusal.safeParse(error.body).data?.statusCode === NO_SUCH_ORDER) return undefined;
    throw error;
  }
}

const NO_SUCH_ORDER = -81;

// Only the fields we read, in every answer below.
const Pesos = z.union([z.string(), z.number()]).transform((value, context) => {
  const minor = fromDecimal(value, "CLP");
  if (minor === undefined) context.addIssue({ code: "custom", message: "expected whole pesos" });
  return minor ?? z.NEVER;
});
const Listed = z.object({ countyCode: z.string(), countyName: z.string(), coverageName: z.string().nullish() }) satisfies z.ZodType<County>;
const Coverage = z.object({ coverageAreas: z.array(Listed) });
const Code = z.union([z.string().min(1), z.int().positive()]).transform(String);
const Failed = z.int().refine((code) => code !== 0);
const Option = z.object({ serviceTypeCode: Code, serviceDescription: z.string(), serviceValue: Pesos });
const Rates = z.union([
  z.object({ data: z.object({ courierServiceOptions: z.array(Option) }) })
    .transform(({ data }) => ({ options: data.courierServiceOptions, refusal: "" })),
  z.object({ statusCode: Failed, statusDescription: z.string() })
    .transform(({ statusDescription }) => ({ options: [], refusal: statusDescription })),
]);
/** An order is refused in its own row, with the reason; what stands above the rows only counts them. */
const Row = z.union([
  z.object({ transportOrderNumber: Code }).transform(({ transportOrderNumber: number }) => ({ number })),
  z.object({ transportOrderNumber: z.literal(["", 0, null]).optional(), statusCode: Failed, statusDescription: z.string().min(1) })
    .transform(({ statusDescription: refusal }) => ({ refusal })),
]);
const Ordered = z.object({ data: z.object({ detail: z.tuple([Row]) }) }).transform(({ data }) => data.detail[0]);
const Text = z.string().nullish().transform((text) => text ?? "");
const Tracking = z.union([
  z.object({
    data: z.object({
      transportOrderData: z.object({ status: Text }).nullish(),
      trackingEvents: z.array(z.object({ description: Text, eventDate: Text, eventHour: Text })).nullish().transform((events) => events ?? []),
    }),
  }).transform(({ data }) => ({ word: data.transportOrderData?.status || "transport order made", events: data.trackingEvents })),
  z.object({ statusCode: z.literal(NO_SUCH_ORDER) }).transform(() => undefined),
]);
type Tracked = NonNullable<z.output<typeof Tracking>>;
const Refusal = z.object({ statusCode: z.number().nullish(), statusDescription: z.string().nullish(), message: z.string().nullish() });

type ShipmentState = StateOf<"shipment">;

/** No source lists the states, so their words are read. */
function stateOf({ word, events }: Tracked): ShipmentState {
  if (/devuelt|devoluci/i.test(word)) return "returned";
  if (/anulad/i.test(word)) return "cancelled";
  if (/\bentregad[oa]\W*$/i.test(word) && !/\bno\b/i.test(word)) return "delivered";
  return events.length > 0 ? "posted" : "label_ready";
}

const toResult = (number: string, state: ShipmentState): ShipResult => ({ id: number, status: state, carrier: "Chilexpress", tracking_code: number });

/** An order is found by its number alone. The attempt is written down before it is sent: a call without one has made none. */
async function lookup({ http, connection }: Api, { ref }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const sender = setupOf(connection);
  if (ref === undefined && call.notes["sent_at"] === undefined) return undefined;
  if (ref === undefined) throw new Unanswered("chilexpress: it finds a transport order by its number alone");
  const found = await tracked(http, ref, sender, call);
  if (!found) throw new Unanswered("chilexpress: it does not show the transport order");
  const state = stateOf(found);
  return { ref, state, action: found.word, result: { ...toResult(ref, state) } };
}

function toDecline({ status, body }: Rejected): Declined {
  if (status === 401 || status === 403) return declined("unauthorized", "Chilexpress refused the subscription key of this product.");
  if (status === 429) return declined("rate_limited", "Chilexpress is limiting our requests.");
  const { statusDescription, message } = Refusal.safeParse(body).data ?? {};
  return declined("refused", statusDescription || message || `Chilexpress answered ${status}.`);
}
