/**
 * WhatsApp Cloud: messages through Meta's own API. Reference: WhatsApp Business Platform, Cloud API, "Messages" and "Webhooks",
 * as guides and public clients show it, read 2026-11-20.
 * Quirks: free text only within 24 hours of the person's last message, else a template; `biz_opaque_callback_data` is ours and
 * comes back in statuses; a message cannot be looked up; Meta asks with a GET before it posts to an address.
 */
import { createHmac } from "node:crypto";
import { z } from "zod";
import { normalizePhone } from "../../schema/documents.ts";
import type { NotifyRequest, NotifyResult } from "../../schema/meta-tools/notify.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { completing } from "../native.ts";
import { declined, jsonOf, required, sameSecret, type Declined } from "../parts.ts";
import {
  Rejected, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage, type NotificationScheme, type Outcome,
  type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

/** Meta keeps a version for two years at least; a newer one is a setting away. */
const GRAPH_VERSION = "v23.0";

export const whatsappCloud: ProviderDefinition = {
  id: "whatsapp-cloud",
  title: "WhatsApp Cloud",
  category: "messaging",
  country: "INTL",
  authType: "api_key",
  // A test number of Meta's is on the same host.
  hosts: { live: "https://graph.facebook.com", test: "https://graph.facebook.com" },
  credentials: [{ name: "access_token", label: "Access token", secret: true, required: true, hint: "Of a system user, permanent." }],
  settings: [
    { name: "phone_number_id", label: "Phone number id", secret: false, required: true, hint: "Not the number itself." },
    { name: "business_account_id", label: "WhatsApp Business account id", secret: false, required: false, hint: "For the templates' tools." },
    { name: "verify_token", label: "Verify token", secret: false, required: false, hint: "Of your choosing; typed again where Meta is told our address." },
    { name: "template_language", label: "Language of templates", secret: false, required: false, hint: "pt_BR unless told" },
    { name: "graph_version", label: "Graph API version", secret: false, required: false, hint: `${GRAPH_VERSION} unless told` },
  ],
  repeats: "ignores",
  connect(connection, fetch) {
    const http = client(connection, fetch);
    const { settings } = connection;
    required(settings, "phone_number_id");
    return { notify: (request, call) => notify(http, settings, request, call) };
  },
  native: { client, tools },
  notifications: { verify, read, handshake },
};

/** `:phone` and `:account` stand for the connection's own in every path. */
function client({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const headers = { authorization: `Bearer ${required(credentials, "access_token")}` };
  const http = httpClient({ provider: "whatsapp-cloud", baseUrl, fetch, headers });
  const own = { ":phone": "phone_number_id", ":account": "business_account_id" } as const;
  return completing(http, (spec) => {
    const path = spec.path.replace(/:phone|:account/, (name) => encodeURIComponent(required(settings, own[name as keyof typeof own])));
    return { ...spec, path: `/${settings["graph_version"] || GRAPH_VERSION}${path}` };
  });
}

type Settings = ConnectionConfig["settings"];

async function notify(http: HttpClient, settings: Settings, request: NotifyRequest, call: CallContext): Promise<Outcome<NotifyResult>> {
  const content = toContent(request, settings);
  if ("outcome" in content) return content;
  const phone = normalizePhone(request.to, "BR");
  if (!phone.ok) return declined("invalid_request", phone.reason, "to");
  const body = {
    messaging_product: "whatsapp", recipient_type: "individual", to: phone.value.slice(1), ...content, biz_opaque_callback_data: call.reference,
  };
  try {
    const { messages: [message] } = await http.act({ method: "POST", path: "/:phone/messages", body }, Sent, call);
    const { id, message_status: action = "accepted" } = message!;
    return { outcome: "accepted", ref: id, state: "queued", action, result: { id, messageId: id, status: "queued", sent: true, channel: "whatsapp" } };
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

const Sent = z.object({ messages: z.array(z.object({ id: z.string().min(1), message_status: z.string().optional() })).min(1) });

type Content = { type: "text"; text: object } | { type: "template"; template: object };

function toContent({ channel, message, template, variables = {} }: NotifyRequest, settings: Settings): Content | Declined {
  if (channel !== "whatsapp") return declined("not_permitted", `WhatsApp Cloud sends WhatsApp messages, not ${channel}.`, "channel");
  if (!template) return message ? { type: "text", text: { body: message } } : declined("invalid_request", "A message needs a text or a template.", "message");
  const parameters = parametersOf(variables);
  const components = parameters.length > 0 ? [{ type: "body", parameters }] : [];
  return { type: "template", template: { name: template, language: { code: settings["template_language"] || "pt_BR" }, components } };
}

/** `{"1": "Maria"}` fills a template by place, `{"name": "Maria"}` by name. */
function parametersOf(variables: Record<string, unknown>): object[] {
  const entries = Object.entries(variables).map(([name, value]) => [name, String(value)] as const);
  const isPlaced = entries.every(([name]) => /^\d{1,3}$/.test(name));
  if (isPlaced) return entries.toSorted(([a], [b]) => Number(a) - Number(b)).map(([, text]) => ({ type: "text", text }));
  return entries.map(([name, text]) => ({ type: "text", parameter_name: name, text }));
}

const GraphError = z.object({
  code: z.number(), message: z.string().catch(""), title: z.string().optional(), error_data: z.object({ details: z.string().optional() }).optional(),
});

function declineOf({ status, body }: Rejected): Declined {
  const { data } = z.object({ error: GraphError }).safeParse(body);
  const { code, message, error_data } = data?.error ?? { code: 0, message: `HTTP ${status}` };
  const why = `WhatsApp refused the message${code ? ` (${code})` : ""}: ${error_data?.details ?? message}`;
  const [reason, field] = refusals.get(code) ?? [byStatus.get(status) ?? "unspecified"];
  return declined(reason, why, field);
}

const refusals = new Map<number, readonly [DeclineReason, field?: string]>([
  [4, ["rate_limited"]], [10, ["not_permitted"]], [100, ["invalid_request"]], [190, ["unauthorized"]], [80007, ["rate_limited"]],
  [130429, ["rate_limited"]], [131008, ["invalid_request"]], [131009, ["invalid_request"]], [131026, ["refused", "to"]],
  [131030, ["not_permitted", "to"]], [131047, ["not_permitted", "template"]], [131056, ["rate_limited"]], [132000, ["invalid_request", "variables"]],
  [132001, ["invalid_request", "template"]],
]);
const byStatus = new Map<number, DeclineReason>([[400, "invalid_request"], [401, "unauthorized"], [403, "not_permitted"], [404, "invalid_request"], [429, "rate_limited"]]);

/** Hex HMAC-SHA256 by the app's secret, over the bytes as they came. */
function verify({ headers, body }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const [, hex] = /^sha256=([0-9a-f]{64})$/i.exec(headers.get("x-hub-signature-256") ?? "") ?? [];
  if (!hex) return { ok: false, reason: "x-hub-signature-256 is missing, or is not sha256=<hex>" };
  const isTheirs = secrets.some((secret) => secret !== "" && sameSecret(hex.toLowerCase(), createHmac("sha256", secret).update(body).digest("hex")));
  return isTheirs ? { ok: true } : { ok: false, reason: "x-hub-signature-256 matches no secret" };
}

/** Meta asks whether the address is ours before it posts there: who knows the verify token gets the challenge back. */
function handshake({ url }: InboundMessage, { settings }: { settings: Settings }): Response | undefined {
  const asked = (name: string) => url.searchParams.get(`hub.${name}`) ?? "";
  const isOurs = asked("mode") === "subscribe" && sameSecret(asked("verify_token"), settings["verify_token"] ?? "");
  return isOurs && /^[\w-]{1,200}$/.test(asked("challenge")) ? new Response(asked("challenge"), { headers: { "content-type": "text/plain" } }) : undefined;
}

const Status = z.object({
  id: z.string(), status: z.string(), timestamp: z.string().optional(), errors: z.array(GraphError).optional().catch(undefined),
  biz_opaque_callback_data: z.string().optional(),
});
const Message = z.object({
  entry: z.array(z.object({ changes: z.array(z.object({ value: z.object({ statuses: z.array(z.unknown()).optional() }) })) })).max(1_000),
});

const states = new Map<string, StateOf<"message">>([["sent", "sent"], ["delivered", "delivered"], ["read", "read"], ["failed", "failed"]]);

function read({ body }: InboundMessage): ProviderEvent[] {
  const { entry = [] } = Message.safeParse(jsonOf(body)).data ?? {};
  const statuses = entry.flatMap(({ changes }) => changes.flatMap(({ value }) => value.statuses ?? []));
  return statuses.flatMap((status): ProviderEvent[] => {
    const { data } = Status.safeParse(status);
    const state = states.get(data?.status ?? "");
    return data && state ? [toEvent(data, state)] : [];
  });
}

function toEvent({ id: ref, status: action, timestamp, errors, biz_opaque_callback_data: reference }: z.output<typeof Status>, state: StateOf<"message">): ProviderEvent {
  const at = new Date(Number(timestamp) * 1_000);
  const [error] = errors ?? [];
  const message = error?.error_data?.details ?? error?.title ?? error?.message ?? "the message could not be delivered";
  return {
    eventId: `${ref}:${action}`, ref, ...(reference && { reference }),
    observation: { ref, state, action, ...(!Number.isNaN(at.getTime()) && { occurredAt: at }), ...(state === "failed" && { failure: { reason: "refused", message } }) },
  };
}
