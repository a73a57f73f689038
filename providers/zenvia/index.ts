/**
 * Zenvia: SMS and WhatsApp in Brazil and its neighbours. Reference: the vendor's OpenAPI documents
 * (zenvia/zenvia-openapi-spec), "Send message", "Subscriptions", "Message status event", read 2026-11-20.
 * Quirks: what is said is a list of contents; `externalId` is ours and comes back in status events; a message cannot
 * be looked up; callbacks are proven by a header that the subscription was told to send.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { normalizePhone } from "../../schema/documents.ts";
import type { NotifyRequest, NotifyResult } from "../../schema/meta-tools/notify.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type NotificationScheme, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const zenvia: ProviderDefinition = {
  id: "zenvia",
  title: "Zenvia",
  category: "messaging",
  country: "BR",
  authType: "api_key",
  // There is no host for tests: what a token may send is a matter of its account.
  hosts: { live: "https://api.zenvia.com/v2", test: "https://api.zenvia.com/v2" },
  credentials: [{ name: "api_token", label: "API token", secret: true, required: true, hint: "Desenvolvedores > Tokens & Webhooks" }],
  settings: [
    { name: "sms_from", label: "SMS sender", secret: false, required: false, hint: "The sender id of the SMS channel" },
    { name: "whatsapp_from", label: "WhatsApp sender", secret: false, required: false, hint: "The sender id of the WhatsApp channel" },
  ],
  repeats: "ignores",
  connect,
  native: { client, tools },
  notifications: { verify, read },
};

function client({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const token = credentials["api_token"];
  if (!token) throw new SetupMissing("api_token");
  return httpClient({ provider: "zenvia", baseUrl, fetch, headers: { "x-api-token": token } });
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  return { notify: async (request, call) => notify(client(connection, fetch), connection.settings, request, call) };
}

async function notify(
  http: HttpClient, settings: ConnectionConfig["settings"], request: NotifyRequest, call: CallContext,
): Promise<Outcome<NotifyResult>> {
  const { channel, to } = request;
  const content = toContent(request);
  if ("outcome" in content) return content;
  const phone = normalizePhone(to, "BR");
  if (!phone.ok) return refuse("invalid_request", "to", phone.reason);
  const sender = `${channel}_from`;
  const from = settings[sender];
  if (!from) throw new SetupMissing(sender);
  const body = { from, to: phone.value.slice(1), contents: [content], externalId: call.reference };
  try {
    const { id } = await http.act({ method: "POST", path: `/channels/${channel}/messages`, body }, Accepted, call);
    // The answer has no word for the state: the message waits for its channel.
    return { outcome: "accepted", ref: id, state: "queued", action: "ACCEPTED", result: { id, messageId: id, status: "queued", sent: true, channel } };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

type Content = { type: "text"; text: string } | { type: "template"; templateId: string; fields: object };

function toContent({ channel, message, template, variables = {} }: NotifyRequest): Content | Declined {
  if (channel === "email") return refuse("not_permitted", "channel", "Zenvia sends SMS and WhatsApp here, not e-mail");
  if (template && channel !== "whatsapp") return refuse("not_permitted", "template", "Zenvia's templates are for WhatsApp; write the text in `message`");
  if (template) return { type: "template", templateId: template, fields: variables };
  return message ? { type: "text", text: message } : refuse("invalid_request", "message", "a message needs a text or a template");
}

// Reading back

const Accepted = z.object({ id: z.string().min(1) });

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const refuse = (reason: DeclineReason, field: string, message: string): Declined => ({ outcome: "declined", reason, message, field });

const Refusal = z.object({
  code: z.string().optional(), message: z.string().optional(),
  details: z.array(z.object({ path: z.string().optional(), message: z.string().optional() })).optional(),
});

function readRefusal({ status, body }: Rejected): Declined {
  const { code = "", message = `Zenvia answered ${status}`, details: [detail] = [] } = Refusal.safeParse(body).data ?? {};
  const field = /(^|\.)to$/.test(detail?.path ?? "") ? "to" : /contents/.test(detail?.path ?? "") ? "message" : undefined;
  const said = detail?.message ? `${message}: ${detail.message}` : message;
  return { outcome: "declined", reason: reasonOf(status, code), message: said, ...(field && { field }) };
}

function reasonOf(status: number, code: string): DeclineReason {
  if (status === 401 || status === 403 || code === "AUTHENTICATION_ERROR") return "unauthorized";
  if (status === 429) return "rate_limited";
  if (code === "DUPLICATED") return "duplicate";
  return code === "VALIDATION_ERROR" ? "invalid_request" : "unspecified";
}

// Notifications

/** The header that the subscription is to send: of our own choosing, as its documents have it. */
const SECRET_HEADER = "x-webhook-secret";

function verify({ headers }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = headers.get(SECRET_HEADER);
  if (!given) return { ok: false, reason: `the header ${SECRET_HEADER} is missing` };
  const isOurs = secrets.some((secret) => secret !== "" && timingSafeEqual(digest(secret), digest(given)));
  return isOurs ? { ok: true } : { ok: false, reason: `the header ${SECRET_HEADER} is not the webhook's secret` };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const messageStates = new Map<string, StateOf<"message">>([
  ["SENT", "sent"], ["DELIVERED", "delivered"], ["READ", "read"], ["CLICKED", "read"], ["VERIFIED", "read"],
  ["REJECTED", "failed"], ["NOT_DELIVERED", "failed"],
]);

const StatusEvent = z.object({
  id: z.string(),
  type: z.literal("MESSAGE_STATUS"),
  message: z.object({ id: z.string(), externalId: z.string().nullish() }),
  messageStatus: z.object({
    code: z.string(), timestamp: z.string().nullish(), description: z.string().nullish(), causes: z.array(z.object({ reason: z.string().nullish() })).nullish(),
  }),
});

function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: event } = StatusEvent.safeParse(jsonOf(body));
  const state = messageStates.get(event?.messageStatus.code ?? "");
  if (!event || !state) return [];
  const { id: ref, externalId: reference } = event.message;
  const { code: action, timestamp, description, causes } = event.messageStatus;
  const at = new Date(timestamp ?? "");
  const message = causes?.[0]?.reason ?? description ?? `the message ended as ${action}`;
  return [{
    eventId: event.id, ref, ...(reference && { reference }),
    observation: {
      ref, state, action, ...(!Number.isNaN(at.getTime()) && { occurredAt: at }), ...(state === "failed" && { failure: { reason: "refused", message } }),
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
