/**
 * Skydropx: quotes, labels and tracking of several Mexican carriers (Estafeta, DHL, FedEx, …), paid from prepaid credits.
 * Reference: Skydropx PRO API v1 (pro.skydropx.com/es-MX/api-docs) as public projects quote and measured it; see README.md.
 * Quirks: a quotation fills in while it is read and may never call itself complete; a shipment is paid at once and gets
 * its label later; with `unique_shipment` a purchase at the same rate is answered with the first one for 96 hours.
 */
import { z } from "zod";
import type { ShipRequest, ShipResult } from "../../schema/meta-tools/ship.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider,
  type ProviderDefinition,
} from "../provider.ts";
import {
  choose, declined, invalid, ofCarrier, optional, parcelSettings, quoted, senderSettings, type Declined, type Offer,
} from "../shipping.ts";
import { withBearer } from "../tokens.ts";
import { read, stateOfStatus, verify } from "./notifications.ts";
import { toQuotation, toShipment, toPurchase, type Shipment } from "./shipment.ts";
import { tools } from "./tools.ts";

export const skydropx: ProviderDefinition = {
  id: "skydropx",
  title: "Skydropx",
  category: "logistics",
  country: "MX",
  authType: "oauth",
  hosts: { live: "https://pro.skydropx.com/api/v1", test: "https://sb-pro.skydropx.com/api/v1" },
  credentials: [
    { name: "client_id", label: "Client ID", secret: false, required: true, hint: "Conexiones > API" },
    { name: "client_secret", label: "Client secret", secret: true, required: true, hint: "Conexiones > API" },
  ],
  settings: [
    { name: "contact_email", label: "Contact e-mail", secret: false, required: true, hint: "Both parties need one; metadata.destination_email replaces the recipient's." },
    {
      name: "consignment_note", label: "Carta Porte code", secret: false, required: true,
      hint: "Of what is sent, from the SAT's catalogue: 53102400. metadata.consignment_note replaces it.",
    },
    optional("package_type", "Packaging code", "4G, a cardboard box, when empty."),
    optional("origin_district", "Sender's colonia"),
    ...senderSettings({ postalCode: "código postal", document: "RFC", state: "state" }),
    ...parcelSettings,
  ],
  repeats: "replays",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

/** How often and at what pace a quotation is read that is not complete: what has a price by then is the offer. */
const READINGS_MAX = 8;
const READING_PAUSE_MS = 1_000;
/** A shipment made so long before it was asked for is another call's: further than their clock and ours are apart. */
const REPLAY_AGE_MS = 60_000;

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
  const http = httpClient({ provider: "skydropx", baseUrl, fetch });
  return withBearer(http, { provider: "skydropx", baseUrl, credentials }, async (call) => {
    const form = { grant_type: "client_credentials", client_id: credentials["client_id"], client_secret: credentials["client_secret"] };
    const granted = await http.ask({ method: "POST", path: "/oauth/token", form }, Token, call);
    return { token: granted.access_token, expiresInSeconds: granted.expires_in };
  });
}

function requireSetup({ credentials, settings }: ConnectionConfig): void {
  for (const name of ["client_id", "client_secret"]) if (!credentials[name]) throw new SetupMissing(name);
  for (const name of ["contact_email", "consignment_note"]) if (!settings[name]) throw new SetupMissing(name);
}

async function quote({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const offers = ofCarrier(await calculate(http, shipment, call), request.carrier);
  return "outcome" in offers ? offers : quoted(offers, call);
}

async function label({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const offer = choose(ofCarrier(await calculate(http, shipment, call), request.carrier), request);
  if ("outcome" in offer) return offer;
  const body = toPurchase(shipment, { rateId: offer.rateId, reference: call.reference });
  if ("outcome" in body) return body;
  await call.note({ rate_id: offer.rateId });
  const askedAt = call.clock.now();
  const made = await buy(http, body, call);
  if (made.createdAt && askedAt.getTime() - made.createdAt.getTime() > REPLAY_AGE_MS) {
    call.acted = false; // this call bought nothing
    return declined("duplicate", `Skydropx answers with shipment ${made.id}, bought before this call: it sells the same parcel once within 96 hours.`);
  }
  const state = stateOf(made);
  const costMinor = made.totalMinor ?? offer.costMinor;
  return {
    outcome: "accepted",
    ref: made.id,
    state,
    action: wordOf(made),
    ...(made.totalMinor !== undefined && { cost: { amountMinor: made.totalMinor, currency: "MXN" as const } }),
    result: {
      ...toResult(made, state),
      carrier: offer.carrier,
      service: offer.service,
      ...(offer.days !== undefined && { estimated_delivery: `within ${offer.days} days of posting` }),
      cost_minor: costMinor,
    },
  };
}

/** Pays the label from the credits. The rate in the request makes a repeat find the first purchase. */
async function buy(http: HttpClient, body: object, call: CallContext): Promise<Made> {
  try {
    return await http.act({ method: "POST", path: "/shipments", body }, Made, call);
  } catch (error) {
    // Another request for the same rate is being worked on there: one that we sent.
    if (error instanceof Rejected && error.status === 409) throw new OutcomeUnknown("skydropx: the purchase is being worked on");
    throw error;
  }
}

interface RateOffer extends Offer {
  rateId: string;
}

async function calculate(http: HttpClient, shipment: Shipment, call: CallContext): Promise<{ offers: RateOffer[]; refusals: string[] }> {
  let quotation = await http.ask({ method: "POST", path: "/quotations", body: toQuotation(shipment, call) }, Quotation, call);
  for (let reading = 1; isOpen(quotation) && reading <= READINGS_MAX; reading++) {
    if (reading > 1) await call.clock.sleep(READING_PAUSE_MS, call.signal);
    quotation = await http.ask({ method: "GET", path: `/quotations/${encodeURIComponent(quotation.id)}` }, Quotation, call);
  }
  const offers: RateOffer[] = [];
  const refusals: string[] = [];
  for (const rate of quotation.rates) {
    const { id, provider_name: code, provider_display_name: carrier, provider_service_name: service, days } = rate;
    const name = carrier ?? code;
    if (rate.success && rate.total !== undefined && rate.currency_code === "MXN")
      offers.push({ id: `${code}:${rate.provider_service_code ?? service}`, rateId: id, service, carrier: name, costMinor: rate.total, days: days ?? undefined });
    else refusals.push(`${name} ${service}: ${rate.status ?? "no price"}`);
  }
  return { offers, refusals };
}

/** `is_completed` may never come: what counts is whether any rate is still being asked for. */
const isOpen = ({ is_completed: isCompleted, rates }: Quotation): boolean =>
  !isCompleted && (rates.length === 0 || rates.some(({ status }) => status === "pending"));

async function track({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const code = request.tracking_code?.trim();
  if (!code) return invalid("tracking_code", "Expected the carrier's tracking code, or the id that a label's purchase returned.");
  const known = UUID.test(code) ? await shipmentById(http, code, call) : undefined;
  const number = known ? known.trackingNumber : code;
  const carrier = known?.carrier ?? request.carrier?.trim().toLowerCase();
  if (!number) return invalid("tracking_code", "Skydropx knows no tracking code of this shipment yet.");
  if (!carrier) return invalid("carrier", "Expected the carrier beside its tracking code: estafeta, dhl, fedex.");
  const query = { tracking_number: number, carrier_name: carrier };
  const { data } = await http.ask({ method: "GET", path: "/shipments/tracking", query }, Tracked, call);
  const events = data.map(({ attributes }) => attributes).toSorted((a, b) => a.date.localeCompare(b.date));
  const last = events.at(-1);
  if (!last) return invalid("tracking_code", "The carrier has reported nothing under this tracking code yet.");
  const state = stateOfStatus(last.status) ?? "pending";
  return {
    outcome: "accepted", ref: known?.id ?? number, state, action: last.status,
    result: {
      id: known?.id ?? number, status: state, carrier, tracking_code: number,
      events: events.map(({ status, description, event_description: text, date }) => ({ status: description || text || status, at: date })),
    },
  };
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function shipmentById(http: HttpClient, id: string, call: CallContext): Promise<Made> {
  return http.ask({ method: "GET", path: `/shipments/${encodeURIComponent(id)}` }, Made, call);
}

// Only the fields we read, in every answer below. Amounts come as numbers in one rate and as text in the next.
const Amount = z.union([z.string(), z.number()]).nullish()
  .transform((decimal) => (decimal == null ? undefined : fromDecimal(decimal, "MXN")));
const Token = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });
const Rate = z.object({
  id: z.string(),
  success: z.boolean().nullish(),
  status: z.string().nullish(),
  provider_name: z.string(),
  provider_display_name: z.string().nullish(),
  provider_service_name: z.string(),
  provider_service_code: z.string().nullish(),
  currency_code: z.string().nullish(),
  total: Amount,
  days: z.int().nullish(),
});
const Quotation = z.object({
  id: z.string().min(1), is_completed: z.boolean().nullish(), rates: z.array(Rate).nullish().transform((rates) => rates ?? []),
});
type Quotation = z.output<typeof Quotation>;
const Package = z.object({
  tracking_number: z.string().nullish(), tracking_status: z.string().nullish(), status: z.string().nullish(), label_url: z.string().nullish(),
});
const Made = z.object({
  data: z.object({
    id: z.string().min(1),
    attributes: Package.extend({
      carrier_name: z.string().nullish(),
      workflow_status: z.string().nullish(),
      payment_status: z.string().nullish(),
      master_tracking_number: z.string().nullish(),
      total: Amount,
      created_at: z.string().nullish(),
    }),
  }),
  included: z.array(z.object({ type: z.string(), attributes: Package.nullish() })).nullish(),
}).transform(({ data: { id, attributes }, included }) => {
  const parcel = included?.find(({ type }) => /^packages?$/.test(type))?.attributes;
  const labelUrl = parcel?.label_url || attributes.label_url;
  return {
    id,
    carrier: attributes.carrier_name || undefined,
    workflow: attributes.workflow_status || undefined,
    payment: attributes.payment_status || undefined,
    status: parcel?.tracking_status || parcel?.status || attributes.tracking_status || attributes.status || undefined,
    trackingNumber: parcel?.tracking_number || attributes.master_tracking_number || attributes.tracking_number || undefined,
    labelUrl: labelUrl?.startsWith("https://") ? labelUrl : undefined,
    totalMinor: attributes.total,
    createdAt: attributes.created_at ? new Date(attributes.created_at) : undefined,
  };
});
type Made = z.output<typeof Made>;
const Tracked = z.object({
  data: z.array(z.object({
    attributes: z.object({
      status: z.string(), description: z.string().nullish(), event_description: z.string().nullish(), date: z.string(),
    }),
  })),
});

type ShipmentState = StateOf<"shipment">;

/** What was given back is over; else the carrier's word counts once the parcel moves, and before that how far the label is. */
function stateOf({ workflow, payment, status, trackingNumber }: Made): ShipmentState {
  if (payment === "refunded" || /^cancell?ed$/.test(workflow ?? "")) return "cancelled";
  const moved = status === "created" ? undefined : stateOfStatus(status);
  return moved ?? (trackingNumber ? "label_ready" : payment === "paid" ? "paid" : "pending");
}

const wordOf = ({ status, workflow, payment }: Made): string => status ?? workflow ?? payment ?? "unknown";

const toResult = ({ id, carrier, trackingNumber, labelUrl }: Made, state: ShipmentState): ShipResult => ({
  id,
  status: state,
  ...(carrier && { carrier }),
  ...(trackingNumber && { tracking_code: trackingNumber }),
  ...(labelUrl && { label_url: labelUrl }),
});

/** A shipment is found by its id alone. The rate is written down before the purchase is sent: a call without one has bought nothing. */
async function lookup({ http, connection }: Api, { ref }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  requireSetup(connection);
  if (ref === undefined && call.notes["rate_id"] === undefined) return undefined;
  if (ref === undefined) throw new Unanswered("skydropx: it finds a shipment by its id alone");
  const made = await shipmentById(http, ref, call);
  const state = stateOf(made);
  return {
    ref,
    state,
    action: wordOf(made),
    ...(made.totalMinor !== undefined && { amountMinor: made.totalMinor, currency: "MXN" as const }),
    result: { ...toResult(made, state) },
  };
}

function toDecline({ status, body }: Rejected): Declined {
  if (status === 401 || status === 403) return declined("unauthorized", "Skydropx refused the client, or it lacks a permission this needs.");
  if (status === 429) return declined("rate_limited", "Skydropx takes two requests a second, and had more.");
  const problems = problemsOf(body);
  const message = problems.map(({ text }) => text).join(" ") || `Skydropx answered ${status}.`;
  if (/crédito/i.test(message)) return declined("insufficient_funds", message);
  const field = problems.map(({ path }) => fieldOf(path)).find((name) => name !== undefined);
  return status === 400 || status === 422 ? declined("invalid_request", message, field) : declined("refused", message);
}

interface Problem {
  path: string[];
  text: string;
}

/** They come as `{ errors: { field: [text] } }`, as `{ address_to: { phone: [text] } }`, and as a text alone. */
function problemsOf(body: unknown, path: string[] = []): Problem[] {
  if (typeof body === "string") return [{ path, text: path.length > 0 ? `${path.at(-1)} ${body}` : body }];
  if (Array.isArray(body)) return body.flatMap((one) => problemsOf(one, path));
  if (typeof body !== "object" || body === null || path.length > 4) return [];
  return Object.entries(body).flatMap(([name, value]) => problemsOf(value, WRAPPERS.has(name) ? path : [...path, name]));
}

const WRAPPERS = new Set(["errors", "error", "message", "base", "shipment", "quotation"]);

/** `address_to.phone` is `destination.phone` in the arguments of the tool. */
function fieldOf(path: readonly string[]): string | undefined {
  const [head = "", name = ""] = path;
  const place = { address_from: "origin", address_to: "destination" }[head];
  if (place) return [place, placeFields[name] ?? name].filter(Boolean).join(".");
  return ["parcels", "packages"].includes(head) ? "items" : undefined;
}

const placeFields: Partial<Record<string, string>> = { street1: "line_1", area_level1: "state", area_level2: "city", country_code: "country" };
