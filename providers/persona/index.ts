/**
 * Persona: identity verification by hosted inquiry; the person finishes it behind a one-time link.
 * Reference: Persona API 2023-01-05, "Inquiries", "Inquiry One-Time Links", "Inquiry Model Lifecycle", "Idempotence",
 * "Errors" and "Webhooks", read 2026-11-20.
 * Quirks: JSON:API with kebab-case keys; a key replays its first answer, whatever that was, for at least 24 hours.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { KycRequest, KycResult } from "../../schema/meta-tools/kyc.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type DeclineReason, type InboundMessage, type LookupSubject,
  type Observation, type Outcome, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";

/** Pinned, so that a change of the account's default version cannot change what we read. */
const PERSONA_VERSION = "2023-01-05";

export const persona: ProviderDefinition = {
  id: "persona",
  title: "Persona",
  category: "identity",
  country: "INTL",
  authType: "api_key",
  // Sandbox or production is the key's own property (`persona_sandbox_…`, `persona_production_…`); the host is one.
  hosts: { live: "https://api.withpersona.com/api/v1", test: "https://api.withpersona.com/api/v1" },
  credentials: [{ name: "api_key", label: "API key", secret: true, required: true }],
  settings: [
    { name: "inquiry_template_id", label: "Inquiry template", secret: false, required: true, hint: "itmpl_…" },
    {
      name: "document_field", label: "Field for the document number", secret: false, required: false,
      hint: "The template's own name for it, such as identification-number. Without it the number is not sent.",
    },
    {
      name: "completed_is_approved", label: "Completed means approved", secret: false, required: false,
      hint: "yes, where nothing at Persona approves or declines afterwards. Otherwise completed is shown as review.",
    },
  ],
  repeats: "replays",
  connect(connection, fetch) {
    const http = httpClient({
      provider: "persona",
      baseUrl: connection.baseUrl,
      fetch,
      headers: {
        authorization: `Bearer ${required(connection.credentials, "api_key")}`,
        "persona-version": PERSONA_VERSION,
      },
    });
    return {
      verify: (request, call) => startInquiry(http, connection, request, call),
      lookup: (subject, call) => lookup(http, connection, subject, call),
    };
  },
  notifications: { verify: (message, { secrets, now }) => verify(message, secrets, now), read },
};

function required(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name];
  if (!value) throw new SetupMissing(name);
  return value;
}

const checkTypes: readonly KycRequest["check_type"][] = ["identity", "document"];

async function startInquiry(
  http: HttpClient, { settings }: ConnectionConfig, request: KycRequest, call: CallContext,
): Promise<Outcome<KycResult>> {
  const { check_type: checkType } = request;
  if (!checkTypes.includes(checkType)) {
    const message = `Persona runs ${checkTypes.join(" and ")} checks here; connect another provider for ${checkType}.`;
    return { outcome: "declined", reason: "not_permitted", message, field: "check_type" };
  }
  const inquiry = await create(http, toAttributes(settings, request, call.reference), call);
  if ("outcome" in inquiry) return inquiry;
  const link = await oneTimeLink(http, inquiry.id, call);
  return {
    outcome: "accepted",
    ref: inquiry.id,
    state: stateOf(inquiry, settings),
    action: inquiry.attributes.status,
    result: {
      id: inquiry.id,
      inquiry_id: inquiry.id,
      verification_id: inquiry.id,
      status: "pending",
      check_type: checkType,
      inquiry_url: link,
      hosted_url: link,
    },
  };
}

type Settings = ConnectionConfig["settings"];

/** `fields` prefill the person's form: those of Persona's own examples, and the one the operator's template names. */
function toAttributes(settings: Settings, { subject }: KycRequest, reference: string): object {
  const [first, ...others] = subject.name.trim().split(/\s+/);
  const documentField = settings["document_field"];
  return {
    "inquiry-template-id": required(settings, "inquiry_template_id"),
    "reference-id": reference,
    fields: {
      "name-first": first,
      ...(others.length > 0 && { "name-last": others.join(" ") }),
      ...(subject.email && { "email-address": subject.email }),
      ...(subject.phone && { "phone-number": subject.phone }),
      ...(documentField && subject.document && { [documentField]: subject.document }),
    },
  };
}

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

async function create(http: HttpClient, attributes: object, call: CallContext): Promise<Inquiry | Declined> {
  try {
    const headers = { "idempotency-key": call.reference };
    const spec = { method: "POST", path: "/inquiries", headers, body: { data: { attributes } } } as const;
    const { data } = await http.act(spec, z.object({ data: Inquiry }), call);
    return data;
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

async function oneTimeLink(http: HttpClient, inquiryId: string, call: CallContext): Promise<string> {
  const path = `/inquiries/${encodeURIComponent(inquiryId)}/generate-one-time-link`;
  const { meta } = await http.ask({ method: "POST", path }, Linked, call);
  return meta["one-time-link"];
}

// Only the fields we read, here and below.
const Inquiry = z.object({
  id: z.string(),
  attributes: z.object({ status: z.string(), "reference-id": z.string().nullish() }),
});
type Inquiry = z.output<typeof Inquiry>;
const Linked = z.object({ meta: z.object({ "one-time-link": z.url() }) });

const ErrorBody = z.object({
  errors: z.array(z.object({
    title: z.string().nullish(),
    details: z.string().nullish(),
    source: z.object({ pointer: z.string().nullish() }).nullish(),
  })).min(1),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

function declineOf({ status, body }: Rejected): Declined {
  const parsed = ErrorBody.safeParse(body);
  const first = parsed.success ? parsed.data.errors[0] : undefined;
  const why = (first?.details ?? first?.title ?? `HTTP ${status}`).slice(0, REFUSAL_CHARS_MAX);
  const field = fields[first?.source?.pointer?.split("/").at(-1) ?? ""];
  const message = `Persona refused the inquiry: ${why}`;
  return { outcome: "declined", reason: declines[status] ?? "unspecified", message, ...(field && { field }) };
}

/** By HTTP status, which Persona documents; it does not say which `code` stands for what. */
const declines: Partial<Record<number, DeclineReason>> = {
  400: "invalid_request",
  401: "unauthorized",
  403: "unauthorized",
  404: "invalid_request",
  409: "duplicate",
  422: "invalid_request",
  429: "rate_limited",
};

/** Our name for an attribute that Persona points at. */
const fields: Partial<Record<string, string>> = {
  "inquiry-template-id": "inquiry_template_id",
  "name-first": "subject.name",
  "name-last": "subject.name",
  "email-address": "subject.email",
  "phone-number": "subject.phone",
};

const states: Partial<Record<string, StateOf<"verification">>> = {
  created: "pending",
  pending: "pending",
  completed: "review",
  needs_review: "review",
  approved: "approved",
  declined: "rejected",
  failed: "rejected",
  expired: "expired",
};

/** A word we do not know ends nothing. */
function stateOf({ attributes }: Inquiry, settings: Settings = {}): StateOf<"verification"> {
  const isFinal = /^(yes|true)$/i.test(settings["completed_is_approved"] ?? "");
  if (attributes.status === "completed" && isFinal) return "approved";
  return states[attributes.status] ?? "pending";
}

async function lookup(
  http: HttpClient, { settings }: ConnectionConfig, subject: LookupSubject, call: CallContext,
): Promise<Observation | undefined> {
  const named = subject.ref ? await byId(http, subject.ref, call) : undefined;
  const inquiry = named ?? (await byReference(http, subject.reference, call));
  if (!inquiry) return undefined;
  // Without an id from the first answer the caller has no link either.
  const link = named || inquiry.attributes.status !== "created" ? undefined : await linkIfGiven(http, inquiry.id, call);
  return {
    ref: inquiry.id,
    state: stateOf(inquiry, settings),
    action: inquiry.attributes.status,
    ...(link && { result: { inquiry_url: link, hosted_url: link } }),
    ...failureOf(inquiry),
  };
}

async function byId(http: HttpClient, id: string, call: CallContext): Promise<Inquiry | undefined> {
  try {
    const path = `/inquiries/${encodeURIComponent(id)}`;
    const { data } = await http.ask({ method: "GET", path }, z.object({ data: Inquiry }), call);
    return data;
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined; // the list has the last word
    throw error;
  }
}

/** Only an empty list proves that Persona never had it; a list of others would mean that it did not read the filter. */
async function byReference(http: HttpClient, reference: string, call: CallContext): Promise<Inquiry | undefined> {
  const query = { "filter[reference-id]": reference };
  const answer = z.object({ data: z.array(Inquiry) });
  const { data } = await http.ask({ method: "GET", path: "/inquiries", query }, answer, call);
  const found = data.find(({ attributes }) => attributes["reference-id"] === reference);
  if (!found && data.length > 0) throw new Unanswered("persona: its list does not name our reference");
  return found;
}

async function linkIfGiven(http: HttpClient, inquiryId: string, call: CallContext): Promise<string | undefined> {
  try {
    return await oneTimeLink(http, inquiryId, call);
  } catch (error) {
    if (error instanceof Rejected) return undefined; // the inquiry is there all the same
    throw error;
  }
}

function failureOf({ attributes }: Inquiry): Pick<Observation, "failure"> {
  if (states[attributes.status] !== "rejected") return {};
  return { failure: { reason: "refused", message: `Persona: the inquiry was ${attributes.status}.` } };
}

/** A signature made longer ago, or further ahead, is a replay. */
const WINDOW_MS = 5 * 60_000;
/** While a secret is being rotated Persona signs with two. */
const SIGNATURES_MAX = 4;

/** `Persona-Signature: t=<unix>,v1=<hex>`, pairs apart by a space: HMAC-SHA256 of `t + "." + body`. */
function verify(
  { headers, body }: InboundMessage, secrets: readonly string[], now: Date,
): { ok: true } | { ok: false; reason: string } {
  const header = headers.get("persona-signature");
  if (!header) return { ok: false, reason: "persona-signature is missing" };
  const signatures = [...header.matchAll(/\bt=(\d{1,12}),v1=([0-9a-f]{64})\b/g)].slice(0, SIGNATURES_MAX);
  if (signatures.length === 0) return { ok: false, reason: "persona-signature is not t=<unix>,v1=<hex>" };
  const fresh = signatures.filter(([, t]) => Math.abs(now.getTime() - Number(t) * 1000) <= WINDOW_MS);
  if (fresh.length === 0) return { ok: false, reason: "persona-signature is not of the last five minutes" };
  const isTheirs = fresh.some(([, t, hex]) => secrets.some((secret) => {
    const expected = createHmac("sha256", secret).update(`${t}.`).update(body).digest();
    return timingSafeEqual(expected, Buffer.from(hex!, "hex"));
  }));
  return isTheirs ? { ok: true } : { ok: false, reason: "persona-signature matches no secret" };
}

const InquiryEvent = z.object({
  data: z.object({
    id: z.string(),
    attributes: z.object({
      name: z.string().startsWith("inquiry."),
      "created-at": z.iso.datetime({ offset: true }).optional().catch(undefined),
      payload: z.object({ data: Inquiry }),
    }),
  }),
});

/** `completed` is read as `review` here: only a connection knows whether it is final, and its lookup says so. */
function read({ body }: InboundMessage): ProviderEvent[] {
  const event = InquiryEvent.safeParse(jsonOf(body));
  if (!event.success) return [];
  const { id, attributes } = event.data.data;
  const inquiry = attributes.payload.data;
  const reference = inquiry.attributes["reference-id"];
  return [{
    eventId: id,
    ref: inquiry.id,
    ...(reference && { reference }),
    observation: {
      ref: inquiry.id,
      state: stateOf(inquiry),
      action: inquiry.attributes.status,
      ...(attributes["created-at"] && { occurredAt: new Date(attributes["created-at"]) }),
      ...failureOf(inquiry),
    },
  }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
