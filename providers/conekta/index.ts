/**
 * Conekta: OXXO cash, SPEI and hosted cards in, MXN. Reference: Conekta API 2.3.0 (github.com/conekta/openapi) and
 * developers.conekta.com, "Verificar firmas", "Eventos: order", "Reembolsar una orden", read 2026-11-20.
 * Quirks: amounts are centavos; one host serves test and live, the key decides; the list of orders cannot be filtered by
 * a reference; money goes out only as cash to be picked up, so the payout rows are refused live and only simulated.
 */
import type { z } from "zod";
import { normalizePhone } from "../../schema/documents.ts";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { basic } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject,
  type Observation, type Outcome, type Provider, type ProviderDefinition,
} from "../provider.ts";
import {
  actionOf, Customer, instructions, observeOrder, observePayout, Order, page, PayoutOrder, readRefusal, referenceOf, refuse,
  stateOfOrder, stateOfPayout, type Declined,
} from "./answers.ts";
import { read, verify } from "./notifications.ts";
import { tools } from "./tools.ts";

export const conekta: ProviderDefinition = {
  id: "conekta",
  title: "Conekta",
  category: "payments",
  country: "MX",
  authType: "http_basic",
  hosts: { live: "https://api.conekta.io", test: "https://api.conekta.io" },
  credentials: [{
    name: "api_key", label: "Private API key", secret: true, required: true,
    hint: "Panel > Desarrolladores > API keys, the private one; it begins with key_ and is of test or of production",
  }],
  settings: [],
  repeats: "replays",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

/** Whom a simulated payout pays when nobody is named: Conekta makes no payout order without a customer. */
export const SYNTHETIC_PAYEE = { name: "Beneficiario de prueba", email: "beneficiario@example.com" };

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = credentials["api_key"];
  if (!key) throw new SetupMissing("api_key");
  const headers = {
    accept: "application/vnd.conekta-v2.3.0+json",
    authorization: basic(key, ""),
  };
  return httpClient({ provider: "conekta", baseUrl, fetch, headers });
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const client = (): HttpClient => clientFor(connection, fetch);
  return {
    charge: async (request, call) => charge(client(), request, call),
    payout: async (request, call) => payout(client(), request, call),
    lookup: async (subject, call) =>
      subject.verb === "payout" ? lookupPayout(client(), subject, call) : lookupOrder(client(), subject, call),
  };
}

// Charges

async function charge(http: HttpClient, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const { amount, method, description = "Pago" } = request;
  const unpayable = refuseAmount(request);
  if (unpayable) return unpayable;
  const customer = customerInfo(request.buyer);
  if ("outcome" in customer) return customer;
  const now = secondsOf(call.clock.now());
  const expiry = request.due_date === undefined ? {} : { expires_at: endOfDay(request.due_date) };
  if (expiry.expires_at !== undefined && expiry.expires_at <= now) return refuse("invalid_request", "due_date", "that day is over");
  const asked = paymentOf(method, { amount: Number(amount), expiry, reference: call.reference });
  if (!asked) return refuse("not_permitted", "method", `a charge by ${method} is not served through Conekta`);

  // The list of orders has no filter by reference, but one by time.
  await call.note({ requested_at: String(now) });
  const body = {
    currency: "MXN",
    customer_info: customer,
    line_items: [{ name: description, unit_price: Number(amount), quantity: 1 }],
    metadata: { reference: call.reference },
    ...asked,
  };
  const order = await orDeclined(() => http.act({ ...keyed(call), method: "POST", path: "/orders", body }, Order, call));
  if ("outcome" in order) return order;
  const result = { id: order.id, status: "pending" as const, amount, currency: "MXN", method, ...instructions(order) };
  return { outcome: "accepted", ref: order.id, state: stateOfOrder(order), action: actionOf(order), result };
}

/** "Idempotency-Key": a repeated key returns the first response (openapi, parameters/commons/headers). */
const keyed = ({ reference }: CallContext) => ({ headers: { "idempotency-key": reference } });

/** Conekta's three ways to be paid: a cash reference, an account to transfer to, a page of its own for cards. */
function paymentOf(
  method: ChargeRequest["method"],
  { amount, expiry, reference }: { amount: number; expiry: { expires_at?: number }; reference: string },
): object | undefined {
  const charged = (type: string) => ({ charges: [{ amount, reference_id: reference, payment_method: { type, ...expiry } }] });
  switch (method) {
    case "oxxo": return charged("cash");
    case "spei": return charged("spei");
    case "card": return { checkout: { type: "HostedPayment", allowed_payment_methods: ["card"], ...expiry } };
    default: return undefined;
  }
}

function customerInfo({ name, email, phone }: ChargeRequest["buyer"]): { name: string; email: string; phone: string } | Declined {
  if (!email) return refuse("invalid_request", "buyer.email", "Conekta needs the buyer's e-mail");
  if (!phone) return refuse("invalid_request", "buyer.phone", "Conekta needs the buyer's phone");
  const dialled = normalizePhone(phone, "MX");
  if (!dialled.ok) return refuse("invalid_request", "buyer.phone", dialled.reason);
  return { name, email, phone: dialled.value };
}

/** The last second of a day in Mexico City, which keeps no summer time since 2022. */
const endOfDay = (day: string): number => secondsOf(new Date(`${day}T23:59:59-06:00`));
const secondsOf = (at: Date): number => Math.floor(at.getTime() / 1000);

/** An hour on both sides, should their clock be another. */
const SLACK_SECONDS = 3_600;

async function lookupOrder(http: HttpClient, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const at = Number(call.notes["requested_at"]);
  const query: Record<string, string> = at ? { "created_at.gte": String(at - SLACK_SECONDS), "created_at.lte": String(at + SLACK_SECONDS) } : {};
  const order = await find(http, { path: "/orders", row: Order, subject, query }, call);
  if (!order) return undefined;
  return { ...observeOrder(order, stateOfOrder(order), actionOf(order)), result: { id: order.id, ...instructions(order) } };
}

// Payouts, in test only

const SIMULATED: readonly string[] = ["card", "spei"];

/**
 * The one payout that Conekta makes: cash, picked up at a shop with a reference. It stands in for the two payout rails that the
 * published table gives Conekta and Conekta does not have; the rail table lets no live call come here.
 */
async function payout(http: HttpClient, request: PayoutRequest, call: CallContext): Promise<Outcome<PayoutResult>> {
  const { amount, currency, method, recipient, description = "Pago" } = request;
  if (!SIMULATED.includes(method)) return refuse("not_permitted", "method", `a payout by ${method} is not served through Conekta`);
  if (amount === undefined) return refuse("invalid_request", "amount", "a payout needs an amount");
  const unpayable = refuseAmount({ amount, currency });
  if (unpayable) return unpayable;
  const payee = { ...SYNTHETIC_PAYEE, ...(recipient?.name && { name: recipient.name }) };

  const payoutOrder = await orDeclined(async () => {
    const customer = await http.ask({ method: "POST", path: "/customers", body: payee }, Customer, call);
    const body = {
      allowed_payout_methods: ["cashout"],
      amount: Number(amount),
      currency: "MXN",
      customer_info: { customer_id: customer.id },
      payout: { payout_method: { type: "cashout" } },
      reason: description,
      metadata: { reference: call.reference },
    };
    return http.act({ method: "POST", path: "/payout_orders", body }, PayoutOrder, call);
  });
  if ("outcome" in payoutOrder) return payoutOrder;
  const { ref, state, action } = observePayout(payoutOrder);
  const result = { ...payoutResult(payoutOrder), amount, currency: "MXN", method, recipient: payee.name };
  return { outcome: "accepted", ref, state, action, result };
}

const payoutResult = (payoutOrder: PayoutOrder) => {
  const state = stateOfPayout(payoutOrder);
  return { id: payoutOrder.id, status: state, settled: state === "succeeded" };
};

async function lookupPayout(http: HttpClient, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const found = await find(http, { path: "/payout_orders", row: PayoutOrder, subject }, call);
  return found && { ...observePayout(found), result: payoutResult(found) };
}

// Both

/** `unit_price` is an int32. */
const CENTAVOS_MAX = 2_147_483_647n;

function refuseAmount({ amount, currency }: { amount: bigint; currency: string }): Declined | undefined {
  if (currency !== "MXN") return refuse("invalid_request", "currency", "Conekta moves MXN only");
  if (amount <= CENTAVOS_MAX) return undefined;
  return refuse("invalid_request", "amount", `Conekta takes at most ${CENTAVOS_MAX} centavos`);
}

/** Sends what Conekta may refuse; a refusal is an answer. */
async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** The most rows Conekta puts on a page. */
const PAGE_ROWS = 250;
/** Five thousand orders in two hours are searched; past that, an operator must look. */
const PAGES_MAX = 20;

interface Search<Row> {
  path: string;
  row: Row;
  subject: LookupSubject;
  query?: Record<string, string>;
}

/**
 * The object of ours that Conekta has under `subject`. A row counts only if it carries our reference: an id that came in from
 * outside may be of another payment.
 */
async function find<Row extends z.ZodType<{ metadata?: Record<string, unknown> | null | undefined }>>(
  http: HttpClient,
  { path, row, subject: { ref, told, reference }, query }: Search<Row>,
  call: CallContext,
): Promise<z.output<Row> | undefined> {
  const id = ref ?? told;
  const named = id && await askForOne(http, { path: `${path}/${encodeURIComponent(id)}`, row }, call);
  if (named && referenceOf(named) === reference) return named;
  let next: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const spec = { method: "GET", path, query: { limit: String(PAGE_ROWS), ...query, next } } as const;
    const { data, has_more, next_page_url } = await http.ask(spec, page(row), call);
    const found = data.find((candidate) => referenceOf(candidate) === reference);
    if (found) return found;
    if (!has_more) return undefined;
    next = cursorOf(next_page_url);
    if (!next) break;
  }
  throw new Unanswered("conekta: its list is too long to search for one reference");
}

const cursorOf = (nextPageUrl: string | null | undefined): string | undefined =>
  new URLSearchParams(nextPageUrl?.split("?")[1]).get("next") ?? undefined;

async function askForOne<Row extends z.ZodType>(
  http: HttpClient,
  { path, row }: { path: string; row: Row },
  call: CallContext,
): Promise<z.output<Row> | undefined> {
  try {
    return await http.ask({ method: "GET", path }, row, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
