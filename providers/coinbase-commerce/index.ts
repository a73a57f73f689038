/**
 * Coinbase Commerce: a charge on a page of Coinbase's, paid in a stablecoin. The product was closed on 2026-03-31, so its rails are
 * refused live; what stands here serves the sandbox, and reads what an old account still tells.
 * Reference: Coinbase Commerce API 2018-03-22, "Charges", "Payment status", "Webhooks fields", read 2026-11-20.
 * Quirks: a charge's state is the last word of its timeline; nothing protects from a second charge, so ours is found by metadata.
 */
import { createHmac } from "node:crypto";
import { z } from "zod";
import type { CryptoRequest, CryptoResult } from "../../schema/meta-tools/crypto-pay.ts";
import { fromDecimal, isCurrency, type Currency } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { declined, jsonOf, required, sameSecret, shortDecimal, type Declined } from "../parts.ts";
import {
  Rejected, Unanswered,
  type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage, type LookupSubject, type NotificationScheme,
  type Observation, type Outcome, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const coinbaseCommerce: ProviderDefinition = {
  id: "coinbase-commerce",
  title: "Coinbase Commerce",
  category: "crypto",
  country: "INTL",
  authType: "api_key",
  hosts: { live: "https://api.commerce.coinbase.com", test: "https://api.commerce.coinbase.com" },
  credentials: [{ name: "api_key", label: "API key", secret: true, required: true }],
  settings: [],
  repeats: "ignores",
  connect(connection, fetch) {
    const http = client(connection, fetch);
    return {
      crypto: (request, call) => charge(http, request, call),
      lookup: (subject, call) => lookup(http, subject, call),
    };
  },
  native: { client, tools },
  notifications: { verify, read },
};

function client({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const headers = { "x-cc-api-key": required(credentials, "api_key"), "x-cc-version": "2018-03-22" };
  return httpClient({ provider: "coinbase-commerce", baseUrl, fetch, headers });
}

/** Coinbase cuts neither: it refuses what is longer. */
const NAME_CHARS_MAX = 100;
const DESCRIPTION_CHARS_MAX = 200;

/** One call is one payment, so a checkout is a charge too: a page that is paid twice would have no call for the second. */
async function charge(http: HttpClient, request: CryptoRequest, call: CallContext): Promise<Outcome<CryptoResult>> {
  const { direction, currency, amount, description = "Payment" } = request;
  if (direction !== "receive") return declined("not_permitted", "Coinbase Commerce only receives crypto.", "direction");
  const amountMinor = fromDecimal(amount, currency);
  if (amountMinor === undefined || amountMinor <= 0n) return declined("invalid_request", `Expected more than zero ${currency}.`, "amount");
  const price = { amount: shortDecimal({ amountMinor, currency }), currency };
  const body = {
    name: description.slice(0, NAME_CHARS_MAX), description: description.slice(0, DESCRIPTION_CHARS_MAX), pricing_type: "fixed_price", local_price: price,
    metadata: { [REFERENCE]: call.reference },
  };
  try {
    const { data } = await http.act({ method: "POST", path: "/charges", body }, z.object({ data: Charge }), call);
    return { outcome: "accepted", ref: data.id, state: stateOf(data), action: actionOf(data), result: { id: data.id, status: "pending", ...price, ...pageOf(data) } };
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

const REFERENCE = "codespar_reference";

// Only the fields we read.
const Charge = z.object({
  id: z.string(),
  hosted_url: z.url().optional(),
  expires_at: z.string().nullish(),
  timeline: z.array(z.object({ status: z.string(), time: z.iso.datetime({ offset: true }).optional().catch(undefined) })).min(1),
  pricing: z.object({ local: z.object({ amount: z.string(), currency: z.string() }) }).optional().catch(undefined),
  metadata: z.record(z.string(), z.unknown()).nullish().catch(undefined),
});
type Charge = z.output<typeof Charge>;

const pageOf = ({ hosted_url: url, expires_at: expires }: Charge) => ({ ...(url && { hosted_url: url, payment_url: url }), ...(expires && { expires_at: expires }) });

const actionOf = ({ timeline }: Charge): string => timeline.at(-1)!.status;

/** A payment that is on chain (`PENDING`) may still fail; a word we do not know ends nothing. */
const stateOf = (charge: Charge): StateOf<"payment"> => states.get(actionOf(charge)) ?? "pending";

const states = new Map<string, StateOf<"payment">>([
  ["NEW", "pending"], ["SIGNED", "pending"], ["PENDING", "pending"], ["UNRESOLVED", "updated"], ["COMPLETED", "succeeded"], ["RESOLVED", "succeeded"],
  ["EXPIRED", "failed"], ["FAILED", "failed"], ["CANCELED", "failed"],
]);

const ErrorBody = z.object({ error: z.object({ type: z.string().catch(""), message: z.string().catch("") }) });

function declineOf({ status, body }: Rejected): Declined {
  const { type, message } = ErrorBody.safeParse(body).data?.error ?? { type: "", message: "" };
  const reason = type === "rate_limit_exceeded" ? "rate_limited" : (declines.get(status) ?? "unspecified");
  return declined(reason, `Coinbase Commerce refused the charge: ${message || `HTTP ${status}`}`);
}

const declines = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [404, "invalid_request"], [429, "rate_limited"],
]);

const PAGE_MAX = 100;

async function lookup(http: HttpClient, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const found = ref ? await byId(http, ref, call) : await byReference(http, reference, call);
  return found && toObservation(found);
}

async function byId(http: HttpClient, id: string, call: CallContext): Promise<Charge> {
  const { data } = await http.ask({ method: "GET", path: `/charges/${encodeURIComponent(id)}` }, z.object({ data: Charge }), call);
  return data;
}

/** The newest charges; not to be among them proves something only when there are no others. */
async function byReference(http: HttpClient, reference: string, call: CallContext): Promise<Charge | undefined> {
  const query = { limit: String(PAGE_MAX), order: "desc" };
  const { data } = await http.ask({ method: "GET", path: "/charges", query }, z.object({ data: z.array(Charge) }), call);
  const found = data.find(({ metadata }) => metadata?.[REFERENCE] === reference);
  if (!found && data.length >= PAGE_MAX) throw new Unanswered("coinbase-commerce: there are more charges than it lists");
  return found;
}

function toObservation(charge: Charge): Observation {
  const [state, { time } = {}] = [stateOf(charge), charge.timeline.at(-1)];
  const { amount = "", currency = "" } = charge.pricing?.local ?? {};
  const amountMinor = isCurrency(currency) ? fromDecimal(amount, currency) : undefined;
  return {
    ref: charge.id, state, action: actionOf(charge), result: pageOf(charge), ...(time && { occurredAt: new Date(time) }),
    ...(amountMinor !== undefined && { amountMinor, currency: currency as Currency }),
    ...(state === "failed" && { failure: { reason: "unspecified", message: `Coinbase Commerce: the charge ended as ${actionOf(charge)}.` } }),
  };
}

/** Hex HMAC-SHA256 of the raw body. The scheme has no time in it. */
function verify({ headers, body }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = headers.get("x-cc-webhook-signature");
  if (!given) return { ok: false, reason: "x-cc-webhook-signature is missing" };
  const isTheirs = secrets.some((secret) => secret !== "" && sameSecret(given.toLowerCase(), createHmac("sha256", secret).update(body).digest("hex")));
  return isTheirs ? { ok: true } : { ok: false, reason: "x-cc-webhook-signature matches no secret" };
}

const Message = z.object({ event: z.object({ id: z.string(), type: z.string().startsWith("charge:"), data: Charge }) });

function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: message } = Message.safeParse(jsonOf(body));
  if (!message) return [];
  const { id: eventId, data: charge } = message.event;
  const reference = charge.metadata?.[REFERENCE];
  return [{ eventId, ref: charge.id, ...(typeof reference === "string" && { reference }), observation: toObservation(charge) }];
}
