/**
 * Z-API: WhatsApp text from Brazil, over a WhatsApp Web session (no official channel). Reference: developer.z-api.io,
 * "Send plain text", "Message status", "On send", "Account security token", read 2026-11-20.
 * Quirks: the instance's token stands in the path; a message carries no reference of ours and cannot be looked up, so a
 * send without an answer stays unknown; callbacks are not signed, so their address holds a secret.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { normalizePhone } from "../../schema/documents.ts";
import type { NotifyRequest, NotifyResult } from "../../schema/meta-tools/notify.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch, type InboundMessage,
  type NotificationScheme, type Observation, type Outcome, type Provider, type ProviderDefinition, type ProviderEvent,
} from "../provider.ts";
import { tools } from "./tools.ts";

export const zApi: ProviderDefinition = {
  id: "z-api",
  title: "Z-API",
  category: "messaging",
  country: "BR",
  authType: "path_secret",
  // There is no sandbox: what reaches this host reaches a person.
  hosts: { live: "https://api.z-api.io", test: "https://api.z-api.io" },
  credentials: [
    { name: "token", label: "Instance token", secret: true, required: true, hint: "Instances > the instance > Token" },
    { name: "client_token", label: "Account security token", secret: true, required: true, hint: "Security" },
  ],
  settings: [
    { name: "instance_id", label: "Instance ID", secret: false, required: true, hint: "Instances > the instance > ID" },
  ],
  repeats: "ignores",
  connect,
  native: { client: (connection, fetch) => senderOf(connection, fetch).http, tools },
  notifications: { verify, read },
};

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  return { notify: async (request, call) => notify(senderOf(connection, fetch), request, call) };
}

interface Sender {
  /** Its paths are below the instance's, which ends in its token. */
  http: HttpClient;
  /** A text of theirs without our credentials: they repeat a wrong one in their errors. */
  redact(text: string): string;
}

function senderOf({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): Sender {
  const { token, client_token: clientToken } = credentials;
  const { instance_id: instanceId } = settings;
  if (!instanceId) throw new SetupMissing("instance_id");
  if (!token) throw new SetupMissing("token");
  if (!clientToken) throw new SetupMissing("client_token");
  const instance = `${baseUrl}/instances/${encodeURIComponent(instanceId)}/token/${encodeURIComponent(token)}`;
  return {
    http: httpClient({ provider: "z-api", baseUrl: instance, fetch, headers: { "client-token": clientToken } }),
    redact: (text) => text.replaceAll(token, "***").replaceAll(clientToken, "***"),
  };
}

async function notify(
  { http, redact }: Sender,
  { channel, to, message, template }: NotifyRequest,
  call: CallContext,
): Promise<Outcome<NotifyResult>> {
  if (channel !== "whatsapp") return refuse("not_permitted", "channel", `Z-API sends WhatsApp, not ${channel}`);
  if (template) return refuse("not_permitted", "template", "Z-API has no templates; write the text in `message`");
  if (!message) return refuse("invalid_request", "message", "a message needs a text");
  const phone = normalizePhone(to, "BR");
  if (!phone.ok) return refuse("invalid_request", "to", phone.reason);
  const spec = { method: "POST", path: "/send-text", body: { phone: phone.value.slice(1), message } } as const;
  try {
    const { messageId } = await http.act(spec, Queued, call);
    // Published callers take `sent: false` for a failure; that it is still on its way is what `status` says.
    const result = { id: messageId, messageId, status: "queued", sent: true, channel };
    return { outcome: "accepted", ref: messageId, state: "queued", action: "QUEUED", result };
  } catch (error) {
    if (error instanceof Rejected) return readRefusal(error, redact);
    throw error;
  }
}

// Reading back

/** The answer has no word for the state: the message waits in the instance's queue. */
const Queued = z.object({ messageId: z.string().min(1) });

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

const Refusal = z.object({ error: z.string().optional(), message: z.string().optional() });

function readRefusal({ status, body }: Rejected, redact: Sender["redact"]): Declined {
  const { error = "", message = "" } = Refusal.safeParse(body).data ?? {};
  const said = redact(message || error || `Z-API answered ${status}`);
  const reason = refusalReason(status, `${error} ${message}`);
  const isAboutPhone = reason === "invalid_request" && /phone/i.test(said);
  return { outcome: "declined", reason, message: said, ...(isAboutPhone && { field: "to" }) };
}

/** A missing security token is answered with 400 and "null not allowed". */
function refusalReason(status: number, said: string): DeclineReason {
  if (status === 401 || status === 403) return "unauthorized";
  if (/client-token|null not allowed|instance not found/i.test(said)) return "unauthorized";
  if (status === 429) return "rate_limited";
  return status === 400 ? "invalid_request" : "unspecified";
}

// Notifications

/** The address we gave carries `?token=`, a secret of the connection; the body must be of the connection's instance. */
function verify(
  message: InboundMessage,
  { secrets, settings }: { secrets: readonly string[]; settings: Readonly<Record<string, string>> },
): ReturnType<NotificationScheme["verify"]> {
  const token = message.url.searchParams.get("token");
  if (!token) return { ok: false, reason: "the address has no token" };
  const isOurs = secrets.some((secret) => timingSafeEqual(digest(secret), digest(token)));
  if (!isOurs) return { ok: false, reason: "the token in the address is not the webhook's" };
  const instanceId = Callback.safeParse(jsonOf(message.body)).data?.instanceId;
  if (instanceId !== undefined && instanceId === settings["instance_id"]) return { ok: true };
  return { ok: false, reason: "the message is not of the connected instance" };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

type MessageState = StateOf<"message">;

/** `READ_BY_ME` is our own phone reading the chat: it says nothing of the recipient. */
const messageStates = new Map<string, MessageState>([
  ["SENT", "sent"], ["RECEIVED", "delivered"], ["READ", "read"], ["PLAYED", "read"],
]);

const Callback = z.object({
  type: z.string().optional(),
  instanceId: z.string().optional(),
  status: z.string().optional(),
  ids: z.array(z.string()).optional(),
  messageId: z.string().optional(),
  error: z.string().nullish(),
  /** Milliseconds. The spelling is theirs. */
  momment: z.number().nullish(),
});
type Callback = z.output<typeof Callback>;

function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: callback } = Callback.safeParse(jsonOf(body));
  if (callback?.type === "MessageStatusCallback") return readStatus(callback);
  if (callback?.type === "DeliveryCallback") return readDelivery(callback);
  return [];
}

function readStatus({ status = "", ids = [], momment }: Callback): ProviderEvent[] {
  const state = messageStates.get(status);
  return state ? ids.map((ref) => eventOf({ ref, state, action: status }, momment)) : [];
}

/** Comes once the queue has handed the message to WhatsApp, or could not. */
function readDelivery({ type: action = "", messageId: ref, error, momment }: Callback): ProviderEvent[] {
  if (!ref) return [];
  if (!error) return [eventOf({ ref, state: "sent", action }, momment)];
  return [eventOf({ ref, state: "failed", action, failure: { reason: "refused", message: error } }, momment)];
}

/** They number no events, but a message reaches each status once. */
function eventOf(observation: Observation, momment: number | null | undefined): ProviderEvent {
  const { ref, action, state } = observation;
  const occurredAt = momment == null ? {} : { occurredAt: new Date(momment) };
  return { eventId: `${ref}:${action}:${state}`, ref, observation: { ...observation, ...occurredAt } };
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
