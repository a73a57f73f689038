/**
 * Stripe: card payments in USD on Stripe's own page (Checkout Sessions). Two servers of the catalogue are this one company:
 * `stripe`, and `stripe-acp`, which agents' checkouts are published under. One key serves both.
 * Reference: docs.stripe.com/api, "Checkout Sessions", "Idempotent requests", "Search", "Webhooks", read 2026-11-20.
 * Quirks: requests are forms with bracketed names; there is one host, and the key decides whether money is real; a session
 * lives 24 hours, and has no payment until the buyer pays.
 */
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { httpClient, type HttpClient } from "../http.ts";
import type { NativeTool } from "../native.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject,
  type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { EXPANDED, observe, readRefusal, refuse, Session, SessionPage, type Declined } from "./answers.ts";
import { formOf } from "./form.ts";
import { read, REFERENCE_KEY, verify } from "./notifications.ts";
import { acpTools, stripeTools } from "./tools.ts";

export const stripe: ProviderDefinition = definitionOf("stripe", "Stripe", stripeTools);
export const stripeAcp: ProviderDefinition = definitionOf("stripe-acp", "Stripe ACP", acpTools);

/** Pinned, so that a change of the account's default version cannot change what we read. */
export const STRIPE_VERSION = "2025-03-31.basil";

function definitionOf(id: string, title: string, tools: readonly NativeTool[]): ProviderDefinition {
  const client = (connection: ConnectionConfig, fetch: Fetch) => clientFor(id, connection, fetch);
  return {
    id,
    title,
    category: "payments",
    country: "US",
    authType: "api_key",
    hosts: { live: "https://api.stripe.com/v1", test: "https://api.stripe.com/v1" },
    credentials: [{
      name: "api_key", label: "Secret or restricted key", secret: true, required: true,
      hint: "Developers > API keys; sk_… or rk_…, which may write Checkout Sessions and read PaymentIntents and Charges",
    }],
    settings: [
      { name: "success_url", label: "Page after payment", secret: false, required: true, hint: "Where Stripe sends a buyer who has paid" },
      { name: "cancel_url", label: "Page after giving up", secret: false, required: false, hint: "Where the back button of Stripe's page leads" },
    ],
    repeats: "replays",
    connect: (connection, fetch) => connect(client(connection, fetch), connection),
    native: { client, tools },
    notifications: { verify, read },
  };
}

function clientFor(provider: string, { credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = credentials["api_key"];
  if (!key) throw new SetupMissing("api_key");
  return httpClient({ provider, baseUrl, fetch, headers: { authorization: `Bearer ${key}`, "stripe-version": STRIPE_VERSION } });
}

const connect = (http: HttpClient, { settings }: ConnectionConfig): Provider => ({
  charge: (request, call) => charge(http, settings, request, call),
  lookup: (subject, call) => lookup(http, subject, call),
  referenceOf: (event, call) => referenceOf(http, event, call),
});

const SESSIONS = "/checkout/sessions";

async function charge(
  http: HttpClient, settings: ConnectionConfig["settings"], request: ChargeRequest, call: CallContext,
): Promise<Outcome<ChargeResult>> {
  const { amount, currency, method } = request;
  if (method !== "card") return refuse("not_permitted", "method", `a charge by ${method} is not served through Stripe`);
  if (currency !== "USD") return refuse("invalid_request", "currency", "Stripe charges in USD here");
  const form = toForm(settings, request, call.reference);

  // Sessions can be listed by the time they were made, and not by our reference.
  await call.note({ requested_at: String(unixSeconds(call)) });
  const headers = { "idempotency-key": call.reference };
  const session = await orDeclined(() => http.act({ method: "POST", path: SESSIONS, headers, form }, Session, call));
  if ("outcome" in session) return session;

  const { ref, state, action } = observe(session);
  const result = { id: ref, status: "pending" as const, amount, currency, method, ...instructions(session) };
  return { outcome: "accepted", ref, state, action, result };
}

/** Nothing in it depends on the clock: a repeat under the same key must be the same request. */
function toForm(settings: ConnectionConfig["settings"], { amount, currency, description, buyer }: ChargeRequest, reference: string) {
  const successUrl = settings["success_url"];
  if (!successUrl) throw new SetupMissing("success_url");
  const metadata = { [REFERENCE_KEY]: reference };
  return formOf({
    mode: "payment",
    payment_method_types: ["card"],
    line_items: [{
      quantity: 1,
      price_data: { currency: currency.toLowerCase(), unit_amount: amount, product_data: { name: description?.trim() || "Payment" } },
    }],
    client_reference_id: reference,
    metadata,
    // The charge takes it over, and with it every event about the charge.
    payment_intent_data: { metadata },
    customer_email: buyer.email,
    success_url: successUrl,
    cancel_url: settings["cancel_url"] || undefined,
  });
}

/** What the buyer pays with. */
const instructions = ({ url, expires_at: expiresAt }: Session): Partial<ChargeResult> => ({
  checkout_url: url ?? undefined,
  charge_url: url ?? undefined,
  expires_at: expiresAt == null ? undefined : new Date(expiresAt * 1_000).toISOString(),
});

async function lookup(http: HttpClient, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const { ref, told, reference } = subject;
  const id = ref ?? told;
  const named = id === undefined ? undefined : await sessionNamed(http, id, call);
  // An id that came in from outside may be of another session.
  const session = named?.client_reference_id === reference ? named : await search(http, reference, call);
  if (!session && id !== undefined) throw new Unanswered("stripe: it does not know its own checkout session");
  if (!session) return undefined;
  const observation = observe(session);
  if (observation.state !== "pending") return observation;
  return { ...observation, result: { id: session.id, ...instructions(session) } };
}

/** By the session's id, or by that of its payment, which is all that the event of a refund or a dispute names. */
async function sessionNamed(http: HttpClient, id: string, call: CallContext): Promise<Session | undefined> {
  if (id.startsWith("pi_")) {
    const query = formOf({ payment_intent: id, expand: [`data.${EXPANDED}`] });
    return (await http.ask({ method: "GET", path: SESSIONS, query }, SessionPage, call)).data[0];
  }
  try {
    const query = formOf({ expand: [EXPANDED] });
    return await http.ask({ method: "GET", path: `${SESSIONS}/${encodeURIComponent(id)}`, query }, Session, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

/** The most rows Stripe puts on a page. */
const PAGE_ROWS = 100;
/** Two thousand sessions of two hours are searched; past that, an operator must look. */
const PAGES_MAX = 20;
/** How far their clock and ours may be apart, on either side. */
const CLOCKS_APART_SECONDS = 3_600;

/** Lists are consistent; Stripe's search lags by a minute or more, and has no sessions. */
async function search(http: HttpClient, reference: string, call: CallContext): Promise<Session | undefined> {
  const at = call.notes["requested_at"];
  const created = at ? { gte: Number(at) - CLOCKS_APART_SECONDS, lte: Number(at) + CLOCKS_APART_SECONDS } : undefined;
  let startingAfter: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const query = formOf({ created, limit: PAGE_ROWS, starting_after: startingAfter, expand: [`data.${EXPANDED}`] });
    const { data, has_more: hasMore } = await http.ask({ method: "GET", path: SESSIONS, query }, SessionPage, call);
    const found = data.find((session) => session.client_reference_id === reference);
    if (found) return found;
    startingAfter = data.at(-1)?.id;
    if (!hasMore || startingAfter === undefined) return undefined;
  }
  throw new Unanswered("stripe: its list is too long to search for one reference");
}

async function referenceOf(http: HttpClient, { ref }: ProviderEvent, call: CallContext): Promise<string | undefined> {
  const session = ref === undefined ? undefined : await sessionNamed(http, ref, call);
  return session?.client_reference_id ?? undefined;
}

const unixSeconds = ({ clock }: CallContext): number => Math.floor(clock.now().getTime() / 1_000);

/** Sends what Stripe may refuse; a refusal is an answer. */
async function orDeclined<Value>(send: () => Promise<Value>): Promise<Value | Declined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}
