/**
 * Clip: cards on a page of Clip's own (Checkout), MXN. Reference: developer.clip.mx, "Checkout Webhook", read 2026-11-20;
 * the request, its answer and the words for its states stand in public integrations only (README.md).
 * Quirks: amounts are decimals; a checkout is found by Clip's own id alone; webhooks are not signed, so their address, given
 * with each checkout, holds a secret.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { ChargeRequest, ChargeResult } from "../../schema/meta-tools/charge.ts";
import { fromDecimal, isCurrency, toDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { basic } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type LookupSubject, type NotificationScheme, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";

export const clip: ProviderDefinition = {
  id: "clip",
  title: "Clip",
  category: "payments",
  country: "MX",
  authType: "http_basic",
  hosts: { live: "https://api.payclip.com", test: "https://api.payclip.com" },
  credentials: [
    { name: "api_key", label: "API key", secret: true, required: true, hint: "Portal for developers > the application > Clave API" },
    { name: "secret_key", label: "Secret key", secret: true, required: true, hint: "Portal for developers > the application > Clave secreta" },
    {
      name: "notification_url", label: "Notification URL", secret: true, required: true,
      hint: "This connection's webhook address with ?token=<webhook secret>",
    },
  ],
  settings: [
    { name: "redirect_url", label: "Return page", secret: false, required: true, hint: "Where Clip sends the buyer back to, however it ends" },
  ],
  repeats: "ignores",
  connect,
  notifications: { verify, read },
};

interface Connected {
  http: HttpClient;
  redirectUrl: string;
  notificationUrl: string;
}

function open({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): Connected {
  const { api_key: apiKey, secret_key: secretKey, notification_url: notificationUrl } = credentials;
  const { redirect_url: redirectUrl } = settings;
  if (!apiKey) throw new SetupMissing("api_key");
  if (!secretKey) throw new SetupMissing("secret_key");
  if (!notificationUrl) throw new SetupMissing("notification_url");
  if (!redirectUrl) throw new SetupMissing("redirect_url");
  const headers = { authorization: basic(apiKey, secretKey) };
  return { http: httpClient({ provider: "clip", baseUrl, fetch, headers }), redirectUrl, notificationUrl };
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const connected = (): Connected => open(connection, fetch);
  return {
    charge: async (request, call) => charge(connected(), request, call),
    lookup: async (subject, call) => lookup(connected().http, subject, call),
    referenceOf: async ({ ref }, call) => ref && referenceIn(await checkoutOf(connected().http, ref, call)),
  };
}

async function charge({ http, ...addresses }: Connected, request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>> {
  const unserved = refuseUnserved(request, call);
  if (unserved) return unserved;
  const { amount, method } = request;
  const spec = { method: "POST", path: "/v2/checkout", body: checkoutFor(request, addresses, call) } as const;
  try {
    const { payment_request_id: id, payment_request_url: url, status, expires_at } = await http.act(spec, Made, call);
    const result = {
      id, status: "pending" as const, amount, currency: "MXN", method, checkout_url: url, expires_at: expires_at ?? undefined,
    };
    return { outcome: "accepted", ref: id, state: stateOf(status), action: status ?? "CHECKOUT_CREATED", result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** A double holds any fifteen digits; no card is charged so much. */
const CENTAVOS_MAX = 999_999_999_999_999n;

function refuseUnserved({ amount, currency, method, due_date }: ChargeRequest, { clock }: CallContext): Declined | undefined {
  if (method !== "card") return refuse("not_permitted", "method", `a charge by ${method} is not served through Clip`);
  if (currency !== "MXN") return refuse("invalid_request", "currency", "Clip takes MXN only");
  if (amount > CENTAVOS_MAX) return refuse("invalid_request", "amount", "the amount is too large for Clip");
  if (due_date !== undefined && endOfDay(due_date) <= clock.now()) return refuse("invalid_request", "due_date", "that day is over");
  return undefined;
}

const DESCRIPTION_CHARS_MAX = 250;

/** Only cards, no tip: what was asked is what is paid. Both names of the reference are Clip's, one by its messages, one by its answers. */
function checkoutFor(
  { amount, description, buyer: { name, email }, due_date }: ChargeRequest,
  { redirectUrl, notificationUrl }: Omit<Connected, "http">,
  { reference }: CallContext,
): object {
  return {
    amount: Number(toDecimal({ amountMinor: amount, currency: "MXN" })),
    currency: "MXN",
    purchase_description: (description || "Pago").slice(0, DESCRIPTION_CHARS_MAX),
    redirection_url: { success: redirectUrl, error: redirectUrl, default: redirectUrl },
    metadata: { me_reference_id: reference, external_reference: reference, customer_info: { name, email } },
    webhook_url: notificationUrl,
    ...(due_date !== undefined && { expires_at: endOfDay(due_date).toISOString() }),
    custom_payment_options: { payment_method_types: ["debit", "credit"] },
    override_settings: { tip_enabled: false },
  };
}

/** The last second of a day in Mexico City, which keeps no summer time since 2022. */
const endOfDay = (day: string): Date => new Date(`${day}T23:59:59-06:00`);

// Reading back

const Made = z.object({
  payment_request_id: z.string().min(1),
  payment_request_url: z.string().min(1),
  status: z.string().nullish(),
  expires_at: z.string().nullish(),
});

const Pesos = z.union([z.number(), z.string()]).transform((value, context) => {
  const amountMinor = fromDecimal(value, "MXN");
  if (amountMinor !== undefined) return amountMinor;
  context.addIssue({ code: "custom", message: "not an amount" });
  return z.NEVER;
});

const Checkout = z.object({
  payment_request_id: z.string().nullish(),
  payment_request_url: z.string().nullish(),
  status: z.string(),
  amount: Pesos,
  currency: z.string().nullish(),
  expires_at: z.string().nullish(),
  metadata: z.object({ me_reference_id: z.string().nullish(), external_reference: z.string().nullish() }).nullish(),
});
type Checkout = z.output<typeof Checkout>;

/** Both spellings of cancelled are in use. It comes after five refused cards; before that, a refused card leaves it pending. */
const states = new Map<string, StateOf<"payment">>([
  ["CREATED", "pending"], ["PENDING", "pending"], ["COMPLETED", "succeeded"],
  ["CANCELLED", "failed"], ["CANCELED", "failed"], ["EXPIRED", "failed"],
]);

const stateOf = (status: string | null | undefined) => states.get(status?.replace(/^CHECKOUT_/, "") ?? "CREATED") ?? "pending";

const referenceIn = (checkout: Checkout | undefined): string | undefined =>
  checkout?.metadata?.me_reference_id ?? checkout?.metadata?.external_reference ?? undefined;

async function lookup(http: HttpClient, { ref, told, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const id = ref ?? told;
  if (!id) throw new Unanswered("clip: a checkout can be asked for only by its own id, which is not known");
  const checkout = await checkoutOf(http, id, call);
  const theirs = referenceIn(checkout);
  // An id that came in from outside may be of another payment; one that answered our own request is ours.
  if (checkout && (theirs === reference || (ref && theirs === undefined))) return observe(id, checkout);
  if (!ref) throw new Unanswered("clip: the checkout that was told is not this one, and no other can be asked for");
  return undefined;
}

function observe(id: string, { status, amount, currency, payment_request_url: url, expires_at }: Checkout): Observation {
  const state = stateOf(status);
  return {
    ref: id, state, action: status, amountMinor: amount,
    ...(currency && isCurrency(currency) && { currency }),
    result: { id, ...(url && { checkout_url: url }), ...(expires_at && { expires_at }) },
    ...(state === "failed" && { failure: { reason: "unspecified", message: `the checkout ended as ${status}` } }),
  };
}

async function checkoutOf(http: HttpClient, id: string, call: CallContext): Promise<Checkout | undefined> {
  try {
    return await http.ask({ method: "GET", path: `/v2/checkout/${encodeURIComponent(id)}` }, Checkout, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

const Refusal = z.object({ message: z.string().nullish().catch(undefined), name: z.string().nullish().catch(undefined) });

function readRefusal({ status, body }: Rejected): Declined {
  const { message, name } = Refusal.safeParse(body).data ?? {};
  return { outcome: "declined", reason: refusedStatuses.get(status) ?? "unspecified", message: message || name || `Clip answered ${status}` };
}

const refusedStatuses = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [422, "invalid_request"], [429, "rate_limited"],
]);

// Notifications

/** The address we gave carries `?token=`, a secret of the connection; nothing of the message is signed. */
function verify({ url }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const token = url.searchParams.get("token");
  if (!token) return { ok: false, reason: "the address has no token" };
  const isOurs = secrets.filter(Boolean).some((secret) => timingSafeEqual(digest(secret), digest(token)));
  return isOurs ? { ok: true } : { ok: false, reason: "the token in the address is not the webhook's" };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const Notification = z.object({
  id: z.string().nullish(),
  payment_request_id: z.string().min(1),
  resource: z.literal("CHECKOUT"),
  resource_status: z.string(),
});

/** A claim without a state: who knows the address could write one. Refunds are told too, but no lookup is known to show them. */
function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: notification } = Notification.safeParse(jsonOf(body));
  if (!notification) return [];
  const { id, payment_request_id: ref, resource_status: action } = notification;
  return [{ eventId: `${id ?? ref}:${action}`, ref, observation: { ref, action } }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
