/**
 * Konduto: fraud analysis of an order, Brazil. Reference: Konduto API v1, "Enviar um pedido", as the vendor's PHP, Ruby and
 * .NET clients write it, read 2026-11-20.
 * Quirks: what is analysed is an order, so its amount must be told; its id is ours; the recommendation comes with the answer,
 * and a review is decided later by a person, of which nobody tells us.
 */
import { z } from "zod";
import type { KycRequest, KycResult } from "../../schema/meta-tools/kyc.ts";
import { AMOUNT_MINOR_MAX, isCurrency, toDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { basic, declined, required, type Declined } from "../parts.ts";
import {
  Rejected,
  type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type LookupSubject, type Observation, type Outcome, type ProviderDefinition,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const konduto: ProviderDefinition = {
  id: "konduto",
  title: "Konduto",
  category: "identity",
  country: "BR",
  authType: "http_basic",
  // Test or production is the key's own property (`T…`, `P…`); the host is one.
  hosts: { live: "https://api.konduto.com/v1", test: "https://api.konduto.com/v1" },
  credentials: [{ name: "api_key", label: "Private key", secret: true, required: true, hint: "T… or P…, 21 characters" }],
  settings: [],
  repeats: "rejects",
  connect(connection, fetch) {
    const http = client(connection, fetch);
    return {
      verify: (request, call) => analyse(http, request, call),
      lookup: (subject, call) => lookup(http, subject, call),
    };
  },
  native: { client, tools },
};

function client({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  return httpClient({ provider: "konduto", baseUrl, fetch, headers: { authorization: basic(required(credentials, "api_key"), "") } });
}

async function analyse(http: HttpClient, request: KycRequest, call: CallContext): Promise<Outcome<KycResult>> {
  const body = toOrder(request, call.reference);
  if ("outcome" in body) return body;
  try {
    const { order } = await http.act({ method: "POST", path: "/orders", body }, Analysed, call);
    return accepted(order, call.reference);
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

/** What an order needs beside the person, in `metadata`; the amount is in minor units. */
const OrderFacts = z.object({
  amount: z.union([z.int(), z.string().regex(/^\d{1,16}$/)]).transform(BigInt).refine((amount) => amount > 0n && amount <= AMOUNT_MINOR_MAX),
  currency: z.string().refine(isCurrency).catch("BRL"),
  installments: z.int().min(1).max(999).catch(1),
  visitor: z.string().max(40).optional().catch(undefined),
  ip: z.union([z.ipv4(), z.ipv6()]).optional().catch(undefined),
});

function toOrder({ subject, check_type: checkType, metadata = {} }: KycRequest, reference: string): object | Declined {
  if (checkType !== "risk-score")
    return declined("not_permitted", `Konduto gives a risk-score; connect another provider for ${checkType}.`, "check_type");
  if (!subject.document) return declined("invalid_request", "Konduto wants the tax id of whom it scores.", "subject.document");
  const facts = OrderFacts.safeParse(metadata);
  if (!facts.success) return declined("invalid_request", "Konduto scores an order: give its amount in minor units.", "metadata.amount");
  const { amount: amountMinor, currency, ...more } = facts.data;
  return {
    id: reference,
    ...more,
    total_amount: Number(toDecimal({ amountMinor, currency })),
    currency,
    analyze: true,
    customer: {
      name: subject.name, tax_id: subject.document, ...(subject.email && { email: subject.email }), ...(subject.phone && { phone1: subject.phone }),
    },
  };
}

// Only the fields we read, here and below.
const Order = z.object({
  id: z.string(),
  status: z.string().nullish(),
  recommendation: z.string().nullish(),
  score: z.number().nullish(),
});
type Order = z.output<typeof Order>;
const Analysed = z.object({ status: z.literal("ok"), order: Order });

function accepted(order: Order, reference: string): Outcome<KycResult> {
  return {
    outcome: "accepted", ref: order.id, state: stateOf(order), action: actionOf(order),
    result: { id: order.id, inquiry_id: order.id, verification_id: reference, status: "pending", check_type: "risk-score", hosted_url: null, ...scoreOf(order) },
  };
}

const actionOf = ({ recommendation, status }: Order): string => recommendation ?? status ?? "sent";

/** From 0 to 1, higher is worse. Anything else is no risk that we could name. */
const scoreOf = ({ score }: Order): { score?: number } => (score != null && score >= 0 && score <= 1 ? { score } : {});

/** What became of the order is more than what was recommended; a word we do not know ends nothing. */
const stateOf = ({ status, recommendation }: Order): StateOf<"verification"> =>
  states.get(status?.toLowerCase() ?? "") ?? states.get(recommendation?.toLowerCase() ?? "") ?? "pending";

/** Words of an order's status and of a recommendation. An order that is cancelled or not authorized by a bank says nothing of its buyer. */
const states = new Map<string, StateOf<"verification">>([
  ["approved", "approved"], ["declined", "rejected"], ["fraud", "rejected"],
  ["approve", "approved"], ["decline", "rejected"], ["review", "review"],
]);

async function lookup(http: HttpClient, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  try {
    const path = `/orders/${encodeURIComponent(subject.ref ?? subject.reference)}`;
    const { order } = await http.ask({ method: "GET", path }, Analysed, call);
    const state = stateOf(order);
    return {
      ref: order.id, state, action: order.status && states.has(order.status) ? order.status : actionOf(order), result: scoreOf(order),
      ...(state === "rejected" && { failure: { reason: "refused", message: `Konduto: ${order.status ?? order.recommendation}.` } }),
    };
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined; // an order's id is our reference
    throw error;
  }
}

const Why = z.object({ expected: z.unknown().optional(), found: z.unknown().optional() });
const ErrorBody = z.object({ message: z.union([z.string(), z.object({ where: z.string().catch(""), why: z.union([z.string(), Why]).optional() })]) });

function declineOf({ status, body }: Rejected): Declined {
  const { data } = ErrorBody.safeParse(body);
  const said = data === undefined ? `HTTP ${status}` : typeof data.message === "string" ? data.message : sentence(data.message);
  if (/already|duplicat|exist/i.test(said)) return declined("duplicate", "Konduto has an order under this reference already; a lookup tells its state.");
  const where = typeof data?.message === "object" ? data.message.where : "";
  return declined(declines.get(status) ?? "unspecified", `Konduto refused the order: ${said}`, fields.get(where));
}

function sentence({ where, why }: { where: string; why?: string | z.output<typeof Why> | undefined }): string {
  const reason = typeof why === "object" ? `expected ${String(why.expected)}, found ${String(why.found)}` : (why ?? "no reason given");
  return where === "" || where === "/" ? reason : `${where}: ${reason}`;
}

const declines = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [404, "invalid_request"], [422, "invalid_request"], [429, "rate_limited"],
]);

/** Our name for a field that Konduto points at. */
const fields = new Map([
  ["/customer/name", "subject.name"], ["/customer/tax_id", "subject.document"], ["/customer/email", "subject.email"],
  ["/customer/phone1", "subject.phone"], ["/total_amount", "metadata.amount"], ["/currency", "metadata.currency"],
]);
