/**
 * Twilio: SMS and WhatsApp anywhere, by templates where WhatsApp wants one. Reference: Twilio REST API 2010-04-01
 * "Message resource", "Outbound message status in status callbacks", "Webhooks security", "Error and warning
 * dictionary", read 2026-11-20.
 * Quirks: bodies are forms; a message has no field for our reference, so it stands in the address of its status
 * callback; nothing finds a message by it, so a lookup without the SID cannot say; test credentials send nothing.
 */
import { normalizePhone } from "../../schema/documents.ts";
import type { NotifyRequest, NotifyResult } from "../../schema/meta-tools/notify.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { completing } from "../native.ts";
import { basic } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation,
  type Outcome, type Provider, type ProviderDefinition,
} from "../provider.ts";
import { Message, observe, readRefusal, refuse, type Declined } from "./answers.ts";
import { read, REFERENCE, verify } from "./notifications.ts";
import { tools } from "./tools.ts";

const sender = (name: string, label: string, hint: string) => ({ name, label, secret: false, required: false, hint });

export const twilio: ProviderDefinition = {
  id: "twilio",
  title: "Twilio",
  category: "messaging",
  country: "INTL",
  authType: "http_basic",
  // One host: test credentials are another account's SID and token, and what they send goes nowhere.
  hosts: { live: "https://api.twilio.com", test: "https://api.twilio.com" },
  credentials: [
    { name: "auth_token", label: "Auth token", secret: true, required: true, hint: "Of the account; or the secret of the API key below" },
    { name: "api_key_sid", label: "API key SID", secret: false, required: false, hint: "SK..., where an API key is used in place of the auth token" },
  ],
  settings: [
    { name: "account_sid", label: "Account SID", secret: false, required: true, hint: "AC..." },
    sender("sms_from", "SMS sender", "+14155550100: for SMS, unless a messaging service sends them"),
    sender("whatsapp_from", "WhatsApp sender", "+14155550100: for WhatsApp, unless a messaging service sends it"),
    sender("messaging_service_sid", "Messaging service SID", "MG...: sends where no sender is given"),
    sender("notification_url", "Status callback URL", "This connection's webhook address; without it the state of a message is not told"),
  ],
  repeats: "ignores",
  connect,
  native: { client: nativeClient, tools },
  notifications: { verify, read },
};

type Settings = ConnectionConfig["settings"];

/** Its paths are below the account's. */
function clientFor({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const { auth_token: secret, api_key_sid: keySid } = credentials;
  const { account_sid: accountSid } = settings;
  if (!accountSid) throw new SetupMissing("account_sid");
  if (!secret) throw new SetupMissing("auth_token");
  const authorization = basic(keySid || accountSid, secret);
  const account = `${baseUrl}/2010-04-01/Accounts/${encodeURIComponent(accountSid)}`;
  return httpClient({ provider: "twilio", baseUrl: account, fetch, headers: { authorization } });
}

/** A message that names no sender is the connection's. */
function nativeClient(connection: ConnectionConfig, fetch: Fetch): HttpClient {
  return completing(clientFor(connection, fetch), (spec) => {
    const { path, method, form } = spec;
    if (path !== MESSAGES || method !== "POST" || !form || form["From"] || form["MessagingServiceSid"]) return spec;
    const channel = form["To"]?.startsWith(WHATSAPP) ? "whatsapp" : "sms";
    return { ...spec, form: { ...form, ...senderOf(connection.settings, channel) } };
  });
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  return {
    notify: async (request, call) => notify(clientFor(connection, fetch), connection.settings, request, call),
    lookup: async (subject, call) => lookup(clientFor(connection, fetch), subject, call),
  };
}

const MESSAGES = "/Messages.json";
const WHATSAPP = "whatsapp:";

async function notify(
  http: HttpClient, settings: Settings, request: NotifyRequest, call: CallContext,
): Promise<Outcome<NotifyResult>> {
  const { channel } = request;
  const content = toContent(request);
  if ("outcome" in content) return content;
  const phone = toPhone(request.to);
  if (typeof phone !== "string") return phone;
  const form = {
    To: channel === "whatsapp" ? WHATSAPP + phone : phone,
    ...senderOf(settings, channel),
    ...content.fields,
    StatusCallback: callbackFor(settings, call.reference),
  };
  try {
    const message = await http.act({ method: "POST", path: MESSAGES, form }, Message, call);
    const { state, action } = observe(message);
    const result = { id: message.sid, messageId: message.sid, status: state, sent: true, channel };
    return { outcome: "accepted", ref: message.sid, state, action, result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error);
    throw error;
  }
}

/** A text, or a content template (`HX...`) and its variables. */
function toContent({ channel, message, template, variables = {} }: NotifyRequest): { fields: Record<string, string> } | Declined {
  if (channel === "email") return refuse("not_permitted", "channel", "Twilio sends SMS and WhatsApp here, not e-mail");
  if (!template) return message ? { fields: { Body: message } } : refuse("invalid_request", "message", "a message needs a text or a template");
  if (!/^HX[0-9a-f]{32}$/i.test(template)) return refuse("invalid_request", "template", "a template of Twilio is named by its content SID, HX...");
  const values = Object.entries(variables).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]);
  return { fields: { ContentSid: template, ...(values.length > 0 && { ContentVariables: JSON.stringify(Object.fromEntries(values)) }) } };
}

/** Twilio sends anywhere, so a number says its own country. */
function toPhone(to: string): string | Declined {
  if (!to.trim().startsWith("+")) return refuse("invalid_request", "to", "expected + and the calling code first: +5511999998888");
  const phone = normalizePhone(to, "BR");
  return phone.ok ? phone.value : refuse("invalid_request", "to", phone.reason);
}

/** The channel's own sender, else the messaging service. */
function senderOf(settings: Settings, channel: "whatsapp" | "sms" | "email"): Record<string, string> {
  const name = channel === "whatsapp" ? "whatsapp_from" : "sms_from";
  const { [name]: from, messaging_service_sid: service } = settings;
  if (from) return { From: channel === "whatsapp" && !from.startsWith(WHATSAPP) ? WHATSAPP + from : from };
  if (service) return { MessagingServiceSid: service };
  throw new SetupMissing(name);
}

/** The one place that Twilio gives back untouched, and signs. */
function callbackFor({ notification_url: url }: Settings, reference: string): string | undefined {
  if (!url) return undefined;
  const address = new URL(url);
  address.searchParams.set(REFERENCE, reference);
  return address.href;
}

async function lookup(http: HttpClient, { ref, told }: LookupSubject, call: CallContext): Promise<Observation> {
  const sid = ref ?? told;
  if (!sid) throw new Unanswered("twilio: a message is found by its SID only, and its answer was lost");
  // A 404 is no proof that it never was: the record of a message can be deleted.
  return observe(await http.ask({ method: "GET", path: `/Messages/${encodeURIComponent(sid)}.json` }, Message, call));
}
