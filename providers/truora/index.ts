/**
 * Truora: identity processes behind a link, and background checks by document number, in seven Latin American countries.
 * Reference: Truora developer guides "Create a Web Integration Token", "Get Results", "Creating a Background Check",
 * "Subscribe a Webhook to get Web process results", and the Checks API, read 2026-11-20.
 * Quirks: forms in, JSON out, three hosts; the token of a link names the process it will start, which the API does not know
 * before the person opens the link; a check's score is 1 where there is no risk; a webhook's body is a signed JWT.
 */
import { createHmac } from "node:crypto";
import { z } from "zod";
import type { KycRequest, KycResult } from "../../schema/meta-tools/kyc.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { declined, jsonOf, required, riskSettings, sameSecret, verdictOn, type Declined } from "../parts.ts";
import {
  Rejected, Unanswered,
  type CallContext, type ConnectionConfig, type DeclineReason, type InboundMessage, type LookupSubject, type NotificationScheme, type Observation,
  type Outcome, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";

const ACCOUNT = "https://api.account.truora.com/v1";
const CHECKS = "https://api.checks.truora.com/v1";

export const truora: ProviderDefinition = {
  id: "truora",
  title: "Truora",
  category: "identity",
  country: "LATAM",
  authType: "api_key",
  // No sandbox is documented: a test account is an account with a key of its own. Tokens and checks have hosts beside this one.
  hosts: { live: "https://api.identity.truora.com/v1", test: "https://api.identity.truora.com/v1" },
  credentials: [{ name: "api_key", label: "API key", secret: true, required: true, hint: "Of type backend, version 1." }],
  settings: [
    { name: "flow_id", label: "Identity flow", secret: false, required: false, hint: "The flow a person goes through; identity and document checks need it." },
    { name: "redirect_url", label: "Where the person ends", secret: false, required: false, hint: "https://…; identity and document checks need it." },
    { name: "country", label: "Country", secret: false, required: false, hint: "BR, CO, MX … where a call names none." },
    { name: "user_authorized", label: "Persons agreed", secret: false, required: false, hint: "yes: whoever is checked in the background has agreed to it." },
    ...riskSettings,
  ],
  repeats: "replays",
  connect({ credentials, settings, baseUrl }, fetch) {
    const http = httpClient({ provider: "truora", baseUrl, fetch, headers: { "truora-api-key": required(credentials, "api_key") } });
    return {
      verify: async (request, call) => {
        try {
          return isBackground(request) ? await startCheck(http, settings, request, call) : await startProcess(http, settings, request, call);
        } catch (error) {
          if (error instanceof Rejected) return declineOf(error);
          throw error;
        }
      },
      lookup: (subject, call) => lookup(http, settings, subject, call),
    };
  },
  notifications: { verify, read },
};

type Settings = ConnectionConfig["settings"];

/** Scores and sanctions are looked up behind the person's back; an identity and a document the person shows. */
const isBackground = ({ check_type: checkType }: KycRequest): boolean => checkType === "risk-score" || checkType === "sanctions";

// Identity processes

/** A link that nobody opens starts nothing, so asking for one has no effect and may be repeated. */
async function startProcess(http: HttpClient, settings: Settings, { subject, check_type }: KycRequest, call: CallContext): Promise<Outcome<KycResult>> {
  const form = {
    key_type: "web", grant: "digital-identity", api_key_version: "1", country: "ALL", flow_id: required(settings, "flow_id"),
    redirect_url: required(settings, "redirect_url"), account_id: call.reference, phone: subject.phone, emails: subject.email,
  };
  const { api_key: token } = await http.ask({ method: "POST", path: `${ACCOUNT}/api-keys`, form }, WebToken, call);
  const id = processOf(token);
  if (!id) throw new Unanswered("truora: its token names no process");
  const url = `https://identity.truora.com/?token=${encodeURIComponent(token)}`;
  return {
    outcome: "accepted", ref: id, state: "pending", action: "created",
    result: { id, inquiry_id: id, verification_id: id, status: "pending", check_type, inquiry_url: url, hosted_url: url },
  };
}

const WebToken = z.object({ api_key: z.string() });
const Payload = z.object({ additional_data: z.union([z.string().transform((text) => jsonOf(text)), z.record(z.string(), z.unknown())]) });
const Additional = z.object({ process_id: z.string().min(1) });

const processOf = (token: string): string | undefined =>
  Additional.safeParse(Payload.safeParse(payloadOf(token)).data?.additional_data).data?.process_id;

/** Unverified: whoever reads it has it from Truora's own answer, or has verified it. */
const payloadOf = (jwt: string): unknown => jsonOf(Buffer.from(jwt.split(".")[1] ?? "", "base64url"));

// Background checks

async function startCheck(http: HttpClient, settings: Settings, request: KycRequest, call: CallContext): Promise<Outcome<KycResult>> {
  const { subject: { document }, check_type } = request;
  const country = countryOf(request, settings);
  if (!document) return declined("invalid_request", "Truora wants the document number of whom it checks.", "subject.document");
  if (!country) return declined("invalid_request", `Truora wants the country of the document: ${countries.join(", ")}.`, "subject.country");
  if (!/^(yes|true)$/i.test(required(settings, "user_authorized")))
    return declined("not_permitted", "This connection does not say that persons agreed to background checks (setting user_authorized).");
  const form = { national_id: document.replace(/[^0-9A-Za-z]/g, ""), country, type: "person", user_authorized: "true" };
  const { check } = await http.act({ method: "POST", path: `${CHECKS}/checks`, form }, Checked, call);
  const { state, score } = judged(check, settings);
  const { check_id: id, status: action } = check;
  return {
    outcome: "accepted", ref: id, state, action,
    result: { id, inquiry_id: id, verification_id: id, status: "pending", check_type, hosted_url: null, ...(score !== undefined && { score }) },
  };
}

/** Where Truora checks persons. */
const countries = ["BR", "CL", "CO", "CR", "MX", "PE", "SV"];

function countryOf({ subject }: KycRequest, settings: Settings): string | undefined {
  const named = subject.country ?? (/^(cpf|cnpj)$/i.test(subject.document_type ?? "") ? "BR" : settings["country"]);
  return countries.find((country) => country === named?.toUpperCase());
}

const Check = z.object({ check_id: z.string(), status: z.string(), score: z.number().nullish() });
type Check = z.output<typeof Check>;
const Checked = z.object({ check: Check });

/** Their score is 1 where there is no risk, ours 0; before a check is complete it is no score. */
function judged({ status, score }: Check, settings: Settings): { state: StateOf<"verification">; score: number | undefined } {
  if (status !== "completed") return { state: status === "error" ? "review" : "pending", score: undefined };
  const risk = score != null && score >= 0 && score <= 1 ? Math.round((1 - score) * 10_000) / 10_000 : undefined;
  return { state: verdictOn(risk, settings), score: risk };
}

// Reading back

const ApiError = z.object({ message: z.string().optional() });

function declineOf({ status, body }: Rejected): Declined {
  const why = ApiError.safeParse(body).data?.message ?? `HTTP ${status}`;
  return declined(declines.get(status) ?? "unspecified", `Truora refused the request: ${why}`);
}

const declines = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "unauthorized"], [404, "invalid_request"], [409, "duplicate"], [422, "invalid_request"],
  [429, "rate_limited"],
]);

/** Neither of the two can be found by our reference: a process is known by its own id, a check by what it is about. */
async function lookup(http: HttpClient, settings: Settings, { ref }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  if (ref === undefined) throw new Unanswered("truora: only its own id finds a process or a check");
  return ref.startsWith("CHK") ? checkOf(http, settings, ref, call) : processResult(http, ref, call);
}

async function checkOf(http: HttpClient, settings: Settings, ref: string, call: CallContext): Promise<Observation | undefined> {
  const { check } = await http.ask({ method: "GET", path: `${CHECKS}/checks/${encodeURIComponent(ref)}` }, Checked, call);
  const { state, score } = judged(check, settings);
  return {
    ref, state, action: check.status, ...(score !== undefined && { result: { score } }),
    ...(state === "rejected" && { failure: { reason: "refused", message: `Truora: risk ${score}.` } }),
  };
}

const ProcessResult = z.object({ status: z.string(), failure_status: z.string().nullish(), declined_reason: z.string().nullish() });

async function processResult(http: HttpClient, ref: string, call: CallContext): Promise<Observation> {
  try {
    const result = await http.ask({ method: "GET", path: `/processes/${encodeURIComponent(ref)}/result` }, ProcessResult, call);
    const { status, failure_status, declined_reason } = result;
    const state = failure_status === "expired" ? "expired" : (states.get(status) ?? "pending");
    const why = declined_reason ?? failure_status ?? status;
    return { ref, state, action: status, ...(state === "rejected" && { failure: { reason: "refused", message: `Truora: ${why}.` } }) };
  } catch (error) {
    // The link was given, and has not been opened yet.
    if (error instanceof Rejected && error.status === 404) return { ref, state: "pending", action: "not started" };
    throw error;
  }
}

const states = new Map<string, StateOf<"verification">>([["success", "approved"], ["failure", "rejected"], ["pending", "pending"]]);

// Notifications

/** A JWT as the body. Its algorithm is fixed here: what a token says of itself proves nothing. */
function verify({ body }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const [, signed, signature] = /^"?([\w-]+\.[\w-]+)\.([\w-]+)"?\s*$/.exec(new TextDecoder().decode(body)) ?? [];
  if (!signed || !signature) return { ok: false, reason: "the body is not a JWT" };
  const { data: header } = Header.safeParse(jsonOf(Buffer.from(signed.split(".")[0]!, "base64url")));
  if (!header) return { ok: false, reason: "the JWT is not signed with HS256" };
  const isTheirs = secrets.some((secret) => secret !== "" && sameSecret(signature, createHmac("sha256", secret).update(signed).digest("base64url")));
  return isTheirs ? { ok: true } : { ok: false, reason: "the JWT's signature matches no secret" };
}

const Header = z.object({ alg: z.literal("HS256") });
const Event = z.object({
  event_action: z.string(),
  object: z.object({ identity_process_id: z.string().optional(), process_id: z.string().optional(), check_id: z.string().optional() }),
});
const Events = z.object({ events: z.array(z.unknown()).max(100) });

/** The layout of the claims is known from public clients alone, so a message says only that something changed. */
function read({ body }: InboundMessage): ProviderEvent[] {
  const { events = [] } = Events.safeParse(payloadOf(new TextDecoder().decode(body))).data ?? {};
  return events.flatMap((event): ProviderEvent[] => {
    const { data } = Event.safeParse(event);
    const ref = data?.object.identity_process_id ?? data?.object.process_id ?? data?.object.check_id;
    return data && ref ? [{ eventId: `${ref}:${data.event_action}`, ref, observation: { ref, action: data.event_action } }] : [];
  });
}
