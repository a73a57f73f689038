/**
 * Sift: how likely a user is to commit fraud, as a score from 0 to 1 that comes with the answer; the verdict is the operator's.
 * Reference: Sift Events API v205, Score API v205, Decisions webhooks and error codes, read 2026-11-20.
 * Quirks: an error may arrive as HTTP 200 with a `status` other than 0, negative when Sift itself failed; events carry the
 * key in their body; a score decides nothing until somebody says from where on.
 */
import { createHmac } from "node:crypto";
import { z } from "zod";
import type { KycRequest, KycResult } from "../../schema/meta-tools/kyc.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient, type RequestSpec } from "../http.ts";
import { completing } from "../native.ts";
import { basic, declined, jsonOf, required, riskSettings, sameSecret, verdictOn, type Declined } from "../parts.ts";
import {
  Rejected,
  type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage, type LookupSubject, type NotificationScheme,
  type Observation, type Outcome, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const sift: ProviderDefinition = {
  id: "sift",
  title: "Sift",
  category: "identity",
  country: "INTL",
  authType: "http_basic",
  // Sandbox or production is the key's own property; the host is one.
  hosts: { live: "https://api.sift.com", test: "https://api.sift.com" },
  credentials: [{ name: "api_key", label: "REST API key", secret: true, required: true }],
  settings: [
    { name: "account_id", label: "Account id", secret: false, required: false, hint: "For Sift's own decision tools." },
    { name: "abuse_type", label: "Abuse type", secret: false, required: false, hint: "payment_abuse unless told; account_abuse, promotion_abuse …" },
    ...riskSettings,
  ],
  repeats: "replays",
  connect(connection, fetch) {
    const http = client(connection, fetch);
    return {
      verify: (request, call) => score(http, connection.settings, request, call),
      lookup: (subject, call) => lookup(http, connection.settings, subject, call),
    };
  },
  native: { client, tools },
  notifications: { verify, read },
};

/** Events want the key in their body, everything else as HTTP Basic with an empty password; both are always there. */
function client({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = required(credentials, "api_key");
  const http = httpClient({
    provider: "sift", baseUrl, fetch, headers: { authorization: basic(key, "") },
    isRefusal: ({ body }) => (ApiStatus.safeParse(body).data?.status ?? 0) > 0,
  });
  return completing(http, (spec) => ({ ...spec, path: pathFor(spec.path, settings), ...keyed(spec, key) }));
}

/** `:aid` stands for the account in the paths of the tools. */
const pathFor = (path: string, settings: ConnectionConfig["settings"]): string =>
  path.includes("/:aid/") ? path.replace(":aid", encodeURIComponent(required(settings, "account_id"))) : path;

const keyed = ({ path, body }: RequestSpec, key: string): Pick<RequestSpec, "body"> =>
  path === EVENTS ? { body: { ...(body as object), $api_key: key } } : {};

const EVENTS = "/v205/events";

async function score(http: HttpClient, settings: Settings, request: KycRequest, call: CallContext): Promise<Outcome<KycResult>> {
  const { check_type: checkType } = request;
  if (checkType !== "risk-score")
    return declined("not_permitted", `Sift gives a risk-score; connect another provider for ${checkType}.`, "check_type");
  const userId = userIdOf(request) ?? call.reference;
  await call.note({ user_id: userId });
  try {
    const query = { return_score: "true", abuse_types: abuseTypeOf(settings) };
    const spec = { method: "POST", path: EVENTS, query, body: toEvent(request, userId, call.reference) } as const;
    const { score_response: scored } = await http.act(spec, Sent, call);
    return accepted(userId, scored ?? {}, settings);
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

type Settings = ConnectionConfig["settings"];

const abuseTypeOf = (settings: Settings): string => settings["abuse_type"] || "payment_abuse";

/** The merchant's own name for the user, under which Sift knows the user's history. Sift takes these characters in an id. */
function userIdOf({ metadata }: KycRequest): string | undefined {
  const id = metadata?.["user_id"];
  return typeof id === "string" && /^[\w=.\-#+@:&^%!$]{1,200}$/.test(id) ? id : undefined;
}

/** What is said of a new user. A name without `$` is a field of our own, which Sift keeps. */
const toEvent = ({ subject: { name, email, phone } }: KycRequest, userId: string, reference: string): object => ({
  $type: "$create_account", $user_id: userId, $name: name, ...(email && { $user_email: email }), ...(phone && { $phone: phone }),
  codespar_reference: reference,
});

// Only the fields we read, here and below.
const Scored = z.object({
  scores: z.record(z.string(), z.object({ score: z.number().min(0).max(1) })).optional(),
  latest_decisions: z.record(z.string(), z.object({ id: z.string(), category: z.string().optional() })).optional(),
});
type Scored = z.output<typeof Scored>;
const Sent = z.object({ status: z.literal(0), score_response: Scored.optional() });
const Standing = Scored.extend({ status: z.literal(0) });
const ApiStatus = z.object({ status: z.number(), error_message: z.string().optional() });

function accepted(userId: string, scored: Scored, settings: Settings): Outcome<KycResult> {
  const { state, action, score } = judged(scored, settings);
  return {
    outcome: "accepted", ref: userId, state, action,
    result: {
      id: userId, inquiry_id: userId, verification_id: userId, status: "pending", check_type: "risk-score", hosted_url: null,
      ...(score !== undefined && { score }),
    },
  };
}

interface Judged {
  state: StateOf<"verification">;
  action: string;
  score: number | undefined;
}

/** A decision made at Sift is the verdict; without one it follows from the score, as far as the operator has said from where on. */
function judged({ scores, latest_decisions: decisions }: Scored, settings: Settings): Judged {
  const abuseType = abuseTypeOf(settings);
  const score = scores?.[abuseType]?.score;
  const decision = decisions?.[abuseType];
  const decided = categories.get(decision?.category ?? "");
  if (decision && decided) return { state: decided, action: decision.id, score };
  return { state: verdictOn(score, settings), action: score === undefined ? "not scored" : "scored", score };
}

const categories = new Map<string, StateOf<"verification">>([["accept", "approved"], ["watch", "review"], ["block", "rejected"]]);

function declineOf({ status, body }: Rejected): Declined {
  const { status: code, error_message: why = `HTTP ${status}` } = ApiStatus.safeParse(body).data ?? {};
  return declined(declines.get(code ?? status) ?? "unspecified", `Sift refused the event: ${why}`);
}

/** By Sift's own status, else by the HTTP status. */
const declines = new Map<number, DeclineReason>([
  [51, "unauthorized"], [52, "invalid_request"], [53, "invalid_request"], [55, "invalid_request"], [56, "invalid_request"],
  [57, "invalid_request"], [60, "rate_limited"], [104, "invalid_request"], [105, "invalid_request"],
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [429, "rate_limited"],
]);

async function lookup(http: HttpClient, settings: Settings, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const userId = subject.ref ?? call.notes["user_id"] ?? subject.reference;
  try {
    const path = `/v205/users/${encodeURIComponent(userId)}/score`;
    const scored = await http.ask({ method: "GET", path, query: { abuse_types: abuseTypeOf(settings) } }, Standing, call);
    const { state, action, score } = judged(scored, settings);
    return {
      ref: userId, state, action, ...(score !== undefined && { result: { score } }),
      ...(state === "rejected" && { failure: { reason: "refused", message: `Sift: ${action}${score === undefined ? "" : `, risk ${score}`}.` } }),
    };
  } catch (error) {
    if (error instanceof Rejected && isUnheardOf(error)) return undefined;
    throw error;
  }
}

const isUnheardOf = ({ status, body }: Rejected): boolean => status === 404 || ApiStatus.safeParse(body).data?.status === NO_EVENTS;

/** Sift has no event of this user that it could score. */
const NO_EVENTS = 54;

/** `X-Sift-Science-Signature: sha1=<hex>` over the raw body; newer accounts write `sha256=` in front of that digest. */
function verify({ headers, body }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const header = headers.get("x-sift-science-signature");
  if (!header) return { ok: false, reason: "x-sift-science-signature is missing" };
  const [, algorithm, hex] = /^(sha1|sha256)=([0-9a-f]{40,64})$/i.exec(header) ?? [];
  if (!algorithm || !hex) return { ok: false, reason: "x-sift-science-signature is not sha1=<hex> or sha256=<hex>" };
  const isTheirs = secrets.some((secret) =>
    secret !== "" && sameSecret(hex.toLowerCase(), createHmac(algorithm.toLowerCase(), secret).update(body).digest("hex")));
  return isTheirs ? { ok: true } : { ok: false, reason: "x-sift-science-signature matches no secret" };
}

const DecisionEvent = z.object({
  entity: z.object({ type: z.literal("user"), id: z.string().min(1) }), decision: z.object({ id: z.string().min(1) }), time: z.number(),
});

/** Which verdict a decision is, only the operator's account knows: the score says it, and is asked. */
function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: event } = DecisionEvent.safeParse(jsonOf(body));
  if (!event) return [];
  const { entity: { id: ref }, decision: { id: action }, time } = event;
  return [{ eventId: `decision:${ref}:${action}:${time}`, ref, observation: { ref, action } }];
}
