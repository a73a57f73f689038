/**
 * Melhor Envio: quotes, labels and tracking of several Brazilian carriers, paid from a prepaid wallet.
 * Reference: Melhor Envio API v2 (docs.melhorenvio.com.br) and public clients of it, read 2026-11-20; see README.md.
 * Quirks: a label is an order that walks from the cart through checkout, which takes the money, to generation and
 * print; no step has an idempotency key, but an order can be paid once only. Amounts come as numbers or as text.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { ShipRequest, ShipResult } from "../../schema/meta-tools/ship.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type InboundMessage, type LookupSubject, type Observation,
  type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import {
  choose, declined, invalid, ofCarrier, parcelSettings, quoted, senderSettings, softly, type Declined, type Offer,
} from "../shipping.ts";
import { toCart, toQuestion, toShipment, type Shipment } from "./shipment.ts";
import { tools } from "./tools.ts";

export const melhorEnvio: ProviderDefinition = {
  id: "melhor-envio",
  title: "Melhor Envio",
  category: "logistics",
  country: "BR",
  authType: "oauth",
  hosts: { live: "https://melhorenvio.com.br/api/v2", test: "https://sandbox.melhorenvio.com.br/api/v2" },
  credentials: [
    {
      name: "access_token",
      label: "Access token",
      secret: true,
      required: true,
      hint: "Of the OAuth application, or a personal token.",
    },
  ],
  settings: [
    {
      name: "contact_email",
      label: "Contact e-mail",
      secret: false,
      required: true,
      hint: "Melhor Envio wants it in every request.",
    },
    ...senderSettings({ postalCode: "CEP", document: "CPF or CNPJ", state: "state, two letters: SP" }),
    ...parcelSettings,
  ],
  repeats: "ignores",
  connect,
  native: { client: nativeClient, tools },
  notifications: { verify, read },
};

/** A checkout that has not taken the money by then will not: three times what we wait for its answer. */
export const PAID_WITHIN_MS = 60_000;

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

const clientFor = ({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient => httpClient({
  provider: "melhor-envio",
  baseUrl,
  fetch,
  headers: {
    authorization: `Bearer ${credentials["access_token"] ?? ""}`,
    "user-agent": `codespar-server (${settings["contact_email"] ?? ""})`,
  },
});

function requireSetup({ credentials, settings }: ConnectionConfig): void {
  if (!credentials["access_token"]) throw new SetupMissing("access_token");
  if (!settings["contact_email"]) throw new SetupMissing("contact_email");
}

function nativeClient(connection: ConnectionConfig, fetch: Fetch): HttpClient {
  requireSetup(connection);
  return clientFor(connection, fetch);
}

async function quote({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const offers = ofCarrier(await calculate(http, shipment, call), request.carrier);
  if ("outcome" in offers) return offers;
  return quoted(offers, call);
}

/** Cart, note, checkout, and only then whatever makes the paid label printable. */
async function label({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const offer = choose(ofCarrier(await calculate(http, shipment, call), request.carrier), request);
  if ("outcome" in offer) return offer;
  const cart = toCart(shipment, { serviceId: Number(offer.id), reference: call.reference });
  const made = await http.ask({ method: "POST", path: "/me/cart", body: cart }, Order, call);
  const costMinor = (await pay(http, made.id, call)) ?? made.price ?? offer.costMinor;
  await generate(http, made.id, call);
  const order = await softly(() => http.ask(orderAt(made.id), Order, call)) ?? made;
  const labelUrl = await labelUrlOf(http, order, call);
  // Paid it is, whatever a reading that lags behind says.
  const state = stateOf(order) === "pending" ? "paid" : stateOf(order);
  return {
    outcome: "accepted",
    ref: made.id,
    state,
    action: state === "paid" ? "released" : order.status,
    cost: { amountMinor: costMinor, currency: "BRL" },
    result: {
      ...toResult(order),
      status: state,
      carrier: offer.carrier,
      service: offer.service,
      ...(labelUrl && { label_url: labelUrl }),
      ...(offer.days !== undefined && { estimated_delivery: `within ${offer.days} days of posting` }),
      cost_minor: costMinor,
    },
  };
}

/**
 * Takes the price out of the wallet.
 *
 * returns  what was taken; undefined when the answer does not say
 */
async function pay(http: HttpClient, orderId: string, call: CallContext): Promise<bigint | undefined> {
  await call.note({ order_id: orderId, checkout_at: call.clock.now().toISOString() });
  try {
    const body = { orders: [orderId] };
    const { purchase } = await http.act({ method: "POST", path: "/me/shipment/checkout", body }, Checkout, call);
    return purchase.total;
  } catch (error) {
    // The order was made for this call a moment ago: that it is paid means that this very checkout arrived before.
    if (error instanceof Rejected && isPaidAlready(error))
      throw new OutcomeUnknown("melhor-envio: the order is paid already");
    throw error;
  }
}

const isPaidAlready = ({ body }: Rejected): boolean => /already been paid/i.test(messageOf(body) ?? "");

const orderAt = (id: string, place: "orders" | "cart" = "orders") =>
  ({ method: "GET", path: `/me/${place}/${encodeURIComponent(id)}` }) as const;

/** Tells the carrier of a paid order, which makes a label of it. */
async function generate(http: HttpClient, orderId: string, call: CallContext): Promise<void> {
  await softly(() =>
    http.ask({ method: "POST", path: "/me/shipment/generate", body: { orders: [orderId] } }, z.unknown(), call),
  );
}

/** Where to print a label that is not posted yet. Whoever has the address can open it. */
async function labelUrlOf(http: HttpClient, order: Order, call: CallContext): Promise<string | undefined> {
  if (stateOf(order) !== "label_ready") return undefined;
  const body = { mode: "public", orders: [order.id] };
  const print = await softly(() => http.ask({ method: "POST", path: "/me/shipment/print", body }, Print, call));
  return print?.url;
}

async function track({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const code = request.tracking_code?.trim();
  if (!code) return invalid("tracking_code", "Expected the tracking code of a label, or the id its purchase returned.");
  const order = UUID.test(code) ? await orderById(http, code, call) : await orderByCode(http, code, call);
  if (!order) return invalid("tracking_code", "Melhor Envio has no shipment of this account under this code.");
  const state = stateOf(order);
  return {
    outcome: "accepted",
    ref: order.id,
    state,
    action: order.status,
    result: { ...toResult(order), events: eventsOf(order) },
  };
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

async function orderByCode(http: HttpClient, code: string, call: CallContext): Promise<Order | undefined> {
  const found = await http.ask({ method: "GET", path: "/me/orders/search", query: { q: code } }, Found, call);
  const order = found.find((one) =>
    [one.tracking, one.self_tracking, one.protocol].some((text) => text?.toUpperCase() === code.toUpperCase()),
  );
  return order && orderById(http, order.id, call);
}

async function orderById(http: HttpClient, id: string, call: CallContext, place?: "cart"): Promise<Order | undefined> {
  try {
    return await http.ask(orderAt(id, place), Order, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

interface Offers {
  offers: Offer[];
  /** Why each of the others is not offered: `Correios PAC: ...`. */
  refusals: string[];
}

async function calculate(http: HttpClient, shipment: Shipment, call: CallContext): Promise<Offers> {
  const body = toQuestion(shipment);
  const services = await http.ask({ method: "POST", path: "/me/shipment/calculate", body }, z.array(Service), call);
  const offers: Offer[] = [];
  const refusals: string[] = [];
  for (const { id, name, company, price, delivery_time: days, error } of services) {
    const carrier = company?.name ?? "";
    if (!error && price !== undefined) offers.push({ id: String(id), service: name, carrier, costMinor: price, days: days ?? undefined });
    else refusals.push(`${carrier} ${name}: ${error ?? "no price"}`.trim());
  }
  return { offers, refusals };
}

// Only the fields we read, in every answer below.
const Price = z.union([z.string(), z.number()]).nullish()
  .transform((decimal) => (decimal == null ? undefined : fromDecimal(decimal, "BRL")));

const Service = z.object({
  id: z.number(),
  name: z.string(),
  // What the wallet pays. `custom_price` is what the account's own surcharge makes of it, for a shop to show.
  price: Price,
  delivery_time: z.int().nullish(),
  error: z.string().nullish(),
  company: z.object({ name: z.string() }).nullish(),
});

const Order = z.object({
  id: z.string().min(1),
  status: z.string().nullish().transform((status) => status ?? ""),
  protocol: z.string().nullish(),
  price: Price,
  tracking: z.string().nullish(),
  self_tracking: z.string().nullish(),
  service: z.object({ name: z.string(), company: z.object({ name: z.string() }).nullish() }).nullish(),
  tags: z.array(z.object({ tag: z.string() })).nullish(),
  created_at: z.string().nullish(),
  paid_at: z.string().nullish(),
  generated_at: z.string().nullish(),
  posted_at: z.string().nullish(),
  delivered_at: z.string().nullish(),
  canceled_at: z.string().nullish(),
  expired_at: z.string().nullish(),
});
type Order = z.output<typeof Order>;

/** An answer without a purchase, such as the empty one seen for an order paid before, confirms nothing. */
const Checkout = z.object({ purchase: z.object({ total: Price }) });
const Print = z.object({ url: z.url({ protocol: /^https$/ }) });
const Found = z.union([z.array(Order), z.object({ data: z.array(Order).default([]) }).transform(({ data }) => data)]);

type ShipmentState = StateOf<"shipment">;

/** The latest milestone passed, by its word or its date: a generated order may still be called `released`. */
const milestones: readonly { state: ShipmentState; words: readonly string[]; date?: keyof Order }[] = [
  { state: "delivered", words: ["delivered"], date: "delivered_at" },
  { state: "cancelled", words: ["canceled", "cancelled"], date: "canceled_at" },
  { state: "cancelled", words: ["expired"], date: "expired_at" },
  { state: "returned", words: ["undelivered"] },
  { state: "posted", words: ["posted", "received"], date: "posted_at" },
  { state: "label_ready", words: ["generated"], date: "generated_at" },
  { state: "paid", words: ["released"], date: "paid_at" },
  { state: "pending", words: ["pending", "created"], date: "created_at" },
];

const stateOf = (order: Order): ShipmentState =>
  milestones.find(({ words, date }) => words.includes(order.status) || (date && order[date]))?.state ?? "pending";

/** Its milestones, at their times as Melhor Envio writes them, oldest first; only the carrier has the scans between. */
const eventsOf = (order: Order): { status: string; at: string }[] =>
  [...milestones].reverse().flatMap(({ state, date }) => {
    const at = date && order[date];
    return typeof at === "string" ? [{ status: state, at }] : [];
  });

/** The carrier's code, or Melhor Envio's own until there is one. */
const codeOf = ({ tracking, self_tracking: own }: Order): string | undefined => tracking || own || undefined;

function toResult(order: Order): ShipResult {
  const { service } = order;
  const code = codeOf(order);
  return {
    id: order.id,
    status: stateOf(order),
    ...(service?.company && { carrier: service.company.name }),
    ...(service && { service: service.name }),
    ...(code && { tracking_code: code }),
  };
}

/** An order's id is written down before its checkout is sent: a call without one has paid for nothing. */
async function lookup(
  { http, connection }: Api,
  { ref }: LookupSubject,
  call: CallContext,
): Promise<Observation | undefined> {
  requireSetup(connection);
  const id = ref ?? call.notes["order_id"];
  if (!id) return undefined;
  const order = await orderById(http, id, call) ?? await orderById(http, id, call, "cart");
  if (!order) throw new Unanswered("melhor-envio: it shows the order neither as paid nor in the cart");
  if (ref === undefined && !isPaid(order)) {
    if (isUnderWay(call)) throw new Unanswered("melhor-envio: the payment may still be on its way");
    return undefined;
  }
  if (stateOf(order) !== "paid") return toObservation(order, await labelUrlOf(http, order, call));
  await generate(http, id, call);
  const now = await softly(() => http.ask(orderAt(id), Order, call)) ?? order;
  return toObservation(now, await labelUrlOf(http, now, call));
}

const isPaid = (order: Order): boolean => Boolean(order.paid_at) || !["pending", "cancelled"].includes(stateOf(order));

function isUnderWay({ notes, clock }: CallContext): boolean {
  const sentAt = notes["checkout_at"];
  return sentAt !== undefined && clock.now().getTime() - new Date(sentAt).getTime() < PAID_WITHIN_MS;
}

/** No time is claimed: Melhor Envio writes its times without a zone. */
function toObservation(order: Order, labelUrl?: string): Observation {
  return {
    ref: order.id,
    state: stateOf(order),
    action: order.status,
    ...(order.price !== undefined && { amountMinor: order.price, currency: "BRL" as const }),
    result: { ...toResult(order), ...(labelUrl && { label_url: labelUrl }) },
  };
}

function toDecline({ status, body }: Rejected): Declined {
  if (status === 401 || status === 403)
    return declined("unauthorized", "Melhor Envio refused the access token, or it lacks a permission this needs.");
  if (status === 429) return declined("rate_limited", "Melhor Envio is limiting our requests.");
  const message = messageOf(body) ?? `Melhor Envio answered ${status}.`;
  if (/saldo/i.test(message)) return declined("insufficient_funds", message);
  const theirs = Object.keys(ErrorBody.safeParse(body).data?.errors ?? {})[0];
  return theirs ? invalid(fieldOf(theirs), message) : declined("refused", message);
}

/** `to.address` is `destination.line_1` in the arguments of the tool. */
function fieldOf(theirs: string): string {
  const [head = "", ...rest] = theirs.split(".");
  const place = { from: "origin", to: "destination" }[head];
  if (place) return [place, ...rest.map((name) => placeFields[name] ?? name)].join(".");
  if (head === "service") return "service_id";
  return ["products", "volumes"].includes(head) ? "items" : theirs;
}

const placeFields: Partial<Record<string, string>> = {
  address: "line_1",
  state_abbr: "state",
  company_document: "document",
};

const ErrorBody = z.object({
  message: z.string().optional(),
  error: z.string().optional(),
  errors: z.record(z.string(), z.array(z.string())).optional(),
});

function messageOf(body: unknown): string | undefined {
  const { message, error, errors } = ErrorBody.safeParse(body).data ?? {};
  return Object.values(errors ?? {})[0]?.[0] ?? message ?? error;
}

type Verdict = { ok: true } | { ok: false; reason: string };

/** `X-ME-Signature`: HMAC-SHA256 of the body under the application's secret, as hex or base64. It holds no time. */
function verify(message: InboundMessage, { secrets }: { secrets: readonly string[] }): Verdict {
  const signature = message.headers.get("x-me-signature")?.trim();
  if (!signature) return { ok: false, reason: "x-me-signature is missing" };
  const theirs = Buffer.from(signature, /^[0-9a-f]{64}$/i.test(signature) ? "hex" : "base64");
  const isOurs = (secret: string) => {
    const ours = createHmac("sha256", secret).update(message.body).digest();
    return ours.length === theirs.length && timingSafeEqual(ours, theirs);
  };
  return secrets.some((secret) => secret !== "" && isOurs(secret))
    ? { ok: true }
    : { ok: false, reason: "x-me-signature does not match the body" };
}

const Event = z.object({ event: z.string().regex(/^order\./), data: Order });

/** An order that waits in the cart is no concern of anyone's: only what is paid was asked for. */
function read(message: InboundMessage): ProviderEvent[] {
  const parsed = Event.safeParse(jsonOf(message));
  if (!parsed.success) return [];
  const { event, data } = parsed.data;
  const order = { ...data, status: data.status || event.slice("order.".length) };
  if (stateOf(order) === "pending") return [];
  const reference = order.tags?.map(({ tag }) => tag).find((tag) => UUID.test(tag));
  return [{
    // They send no id of an event; a tracking code that comes later makes it another one.
    eventId: `${event}:${order.id}:${codeOf(order) ?? ""}`,
    ref: order.id,
    ...(reference && { reference }),
    observation: toObservation(order),
  }];
}

function jsonOf({ body }: InboundMessage): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
