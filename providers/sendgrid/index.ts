/**
 * SendGrid: e-mail. Reference: SendGrid v3 "Mail Send" and "Event Webhook" with its security features, as Twilio's documentation and
 * its OpenAPI documents show them, read 2026-11-20.
 * Quirks: the answer has no body, its id is in a header; an event's message id is that id and more; a message cannot be looked
 * up by it; events come many to a message, in an array.
 */
import { createPublicKey, verify as verifySignature, type KeyObject } from "node:crypto";
import { z } from "zod";
import type { NotifyRequest, NotifyResult } from "../../schema/meta-tools/notify.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { completing } from "../native.ts";
import { declined, jsonOf, required, type Declined } from "../parts.ts";
import {
  Rejected, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage, type NotificationScheme, type Outcome,
  type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { MAIL_SEND, tools } from "./tools.ts";

export const sendgrid: ProviderDefinition = {
  id: "sendgrid",
  title: "SendGrid",
  category: "messaging",
  country: "INTL",
  authType: "api_key",
  // No host for tests: who may be written to is a matter of the account.
  hosts: { live: "https://api.sendgrid.com/v3", test: "https://api.sendgrid.com/v3" },
  credentials: [{ name: "api_key", label: "API key", secret: true, required: true, hint: "SG.…" }],
  settings: [
    { name: "from_email", label: "Sender's address", secret: false, required: true, hint: "A verified sender." },
    { name: "from_name", label: "Sender's name", secret: false, required: false },
    { name: "default_subject", label: "Subject where a message has none", secret: false, required: false },
  ],
  repeats: "ignores",
  connect(connection, fetch) {
    const http = client(connection, fetch);
    return { notify: (request, call) => notify(http, connection.settings, request, call) };
  },
  native: { client, tools },
  notifications: { verify, read },
};

type Settings = ConnectionConfig["settings"];

/** Mail that names no sender has the connection's. */
function client({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const http = httpClient({ provider: "sendgrid", baseUrl, fetch, headers: { authorization: `Bearer ${required(credentials, "api_key")}` } });
  const from = { email: required(settings, "from_email"), ...(settings["from_name"] && { name: settings["from_name"] }) };
  return completing(http, (spec) => (spec.path === MAIL_SEND ? { ...spec, body: { from, ...(spec.body as object) } } : spec));
}

async function notify(http: HttpClient, settings: Settings, request: NotifyRequest, call: CallContext): Promise<Outcome<NotifyResult>> {
  const body = toMail(request, settings, call.reference);
  if ("outcome" in body) return body;
  try {
    const { headers } = await http.act({ method: "POST", path: MAIL_SEND, body, answerHeaders: [MESSAGE_ID] }, Sent, call);
    const id = headers[MESSAGE_ID];
    return { outcome: "accepted", ref: id, state: "queued", action: "accepted", result: { id, messageId: id, status: "queued", sent: true, channel: "email" } };
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

const MESSAGE_ID = "x-message-id";
const Sent = z.object({ headers: z.object({ [MESSAGE_ID]: z.string().min(1) }) });

/** As long as a line of a header may well be. */
const SUBJECT_CHARS_MAX = 78;

function toMail({ channel, to, message, template, variables, subject }: NotifyRequest, settings: Settings, reference: string): object | Declined {
  if (channel !== "email") return declined("not_permitted", `SendGrid sends e-mail, not ${channel}.`, "channel");
  if (!z.email().safeParse(to).success) return declined("invalid_request", "Expected an e-mail address.", "to");
  const person = { to: [{ email: to }], custom_args: { [REFERENCE]: reference } };
  if (template) return { personalizations: [{ ...person, ...(variables && { dynamic_template_data: variables }) }], template_id: template, ...(subject && { subject }) };
  if (!message) return declined("invalid_request", "An e-mail needs a text or a template.", "message");
  const firstLine = message.trim().split("\n")[0]!.slice(0, SUBJECT_CHARS_MAX);
  return { personalizations: [person], subject: subject ?? (settings["default_subject"] || firstLine), content: [{ type: "text/plain", value: message }] };
}

/** Custom arguments stand beside an event's own fields. */
const REFERENCE = "codespar_reference";

const ErrorBody = z.object({ errors: z.array(z.object({ message: z.string().catch(""), field: z.string().nullish() })).min(1) });

function declineOf({ status, body }: Rejected): Declined {
  const { message, field } = ErrorBody.safeParse(body).data?.errors[0] ?? { message: `HTTP ${status}`, field: undefined };
  return declined(declines.get(status) ?? "unspecified", `SendGrid refused the e-mail: ${message}`, fieldOf(field ?? ""));
}

const declines = new Map<number, DeclineReason>([
  [400, "invalid_request"], [401, "unauthorized"], [403, "not_permitted"], [413, "invalid_request"], [429, "rate_limited"],
]);

/** Our name for a field that SendGrid points at: `personalizations.0.to.0.email`. */
const fieldOf = (theirs: string): string | undefined =>
  /\.to(\.|$)/.test(theirs) ? "to" : theirs.startsWith("content") ? "message" : theirs === "template_id" ? "template" : theirs === "subject" ? theirs : undefined;

/** SendGrid offers events for a day; an older one is a replay, which the event's id would show, too. */
const WINDOW_MS = 25 * 3_600_000;

/** ECDSA P-256 over timestamp and body. A secret is the public key that SendGrid shows: base64 of its DER. */
function verify({ headers, body }: InboundMessage, { secrets, now }: { secrets: readonly string[]; now: Date }): ReturnType<NotificationScheme["verify"]> {
  const signature = headers.get("x-twilio-email-event-webhook-signature");
  const timestamp = headers.get("x-twilio-email-event-webhook-timestamp") ?? "";
  if (!signature) return { ok: false, reason: "x-twilio-email-event-webhook-signature is missing" };
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now.getTime() - Number(timestamp) * 1_000) > WINDOW_MS)
    return { ok: false, reason: "x-twilio-email-event-webhook-timestamp is not of the last day" };
  const signed = Buffer.concat([Buffer.from(timestamp), body]);
  const isTheirs = secrets.flatMap(keyOf).some((key) => verifySignature("sha256", signed, key, Buffer.from(signature, "base64")));
  return isTheirs ? { ok: true } : { ok: false, reason: "no pinned public key verifies the signature" };
}

function keyOf(secret: string): KeyObject[] {
  try {
    const key = createPublicKey({ key: Buffer.from(secret, "base64"), format: "der", type: "spki" });
    return key.asymmetricKeyType === "ec" ? [key] : [];
  } catch {
    return [];
  }
}

const Event = z.object({
  event: z.string(), sg_event_id: z.string(), sg_message_id: z.string(), timestamp: z.number().optional().catch(undefined), reason: z.string().optional(),
  [REFERENCE]: z.string().optional(),
});

const states = new Map<string, StateOf<"message">>([
  ["processed", "sent"], ["deferred", "sent"], ["delivered", "delivered"], ["open", "read"], ["click", "read"], ["bounce", "failed"], ["dropped", "failed"],
]);

function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: events = [] } = z.array(z.unknown()).max(10_000).safeParse(jsonOf(body));
  return events.flatMap((event): ProviderEvent[] => {
    const { data } = Event.safeParse(event);
    const state = states.get(data?.event ?? "");
    return data && state ? [toEvent(data, state)] : [];
  });
}

function toEvent(event: z.output<typeof Event>, state: StateOf<"message">): ProviderEvent {
  const { event: action, sg_event_id: eventId, timestamp, reason, [REFERENCE]: reference } = event;
  // `14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0`: the id that the answer gave, then where it went through.
  const ref = event.sg_message_id.split(".")[0]!;
  return {
    eventId, ref, ...(reference && { reference }),
    observation: {
      ref, state, action, ...(timestamp && { occurredAt: new Date(timestamp * 1_000) }),
      ...(state === "failed" && { failure: { reason: "refused", message: reason ?? `the e-mail ended as ${action}` } }),
    },
  };
}
