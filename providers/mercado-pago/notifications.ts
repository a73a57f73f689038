/**
 * Mercado Pago's webhooks: a type and an id, signed. `POST ?data.id=…&type=payment` with `{id, type, action,
 * data: {id}}`; what became of the object must be asked for.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";

type Verdict = ReturnType<NotificationScheme["verify"]>;

/** A signature made longer ago, or further ahead, is a replay. */
const WINDOW_MS = 5 * 60_000;

/**
 * `x-signature: ts=<unix>,v1=<hex>`: HMAC-SHA256 of `id:<data.id>;request-id:<x-request-id>;ts:<ts>;`, absent parts
 * left out. It covers no byte of the body, so the id in the body must be the one that is signed.
 */
export function verify(message: InboundMessage, { secrets, now }: { secrets: readonly string[]; now: Date }): Verdict {
  const header = message.headers.get("x-signature");
  if (!header) return no("x-signature is missing");
  const [, ts] = /(?:^|,)\s*ts=(\d{1,15})\s*(?:,|$)/.exec(header) ?? [];
  const [, v1] = /(?:^|,)\s*v1=([0-9a-f]{64})\s*(?:,|$)/i.exec(header) ?? [];
  if (!ts || !v1) return no("x-signature is not ts=<unix>,v1=<hex>");
  const isFresh = Math.abs(now.getTime() - millisecondsOf(ts)) <= WINDOW_MS;
  if (!isFresh) return no("x-signature is not of the last five minutes");
  const signedId = message.url.searchParams.get("data.id");
  const told = read(message)[0]?.ref;
  if (told !== undefined && told.toLowerCase() !== signedId?.toLowerCase()) return no("the body has another data.id");
  const requestId = message.headers.get("x-request-id");
  const manifests = spellings(signedId).map((id) => manifest({ id, requestId, ts }));
  const isTheirs = secrets.filter(Boolean).some((secret) =>
    manifests.some((text) => timingSafeEqual(digest(secret, text), Buffer.from(v1, "hex"))));
  return isTheirs ? { ok: true } : no("x-signature matches no secret");
}

const no = (reason: string): Verdict => ({ ok: false, reason });

/** The guide says milliseconds; its older example has seconds. */
const millisecondsOf = (ts: string): number => (ts.length <= 11 ? Number(ts) * 1000 : Number(ts));

/** The guide has the id in lower case; the vendor's own libraries take it as it comes. */
const spellings = (id: string | null): (string | null)[] => [...new Set([id?.toLowerCase() ?? null, id])];

const manifest = ({ id, requestId, ts }: { id: string | null; requestId: string | null; ts: string }): string =>
  `${id ? `id:${id};` : ""}${requestId ? `request-id:${requestId};` : ""}ts:${ts};`;

const digest = (secret: string, text: string): Buffer => createHmac("sha256", secret).update(text).digest();

const Notification = z.object({
  id: z.union([z.number(), z.string()]).transform(String).nullish(),
  type: z.enum(["payment", "transaction_intent"]),
  action: z.string().nullish(),
  data: z.object({ id: z.union([z.number(), z.string()]).transform(String) }),
});

/** A claim without a state. The word for a state that some messages carry is not signed, so it is not read. */
export function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: notification } = Notification.safeParse(jsonOf(body));
  if (!notification) return [];
  const { id, type, data: { id: ref } } = notification;
  const action = notification.action?.startsWith(`${type}.`) ? notification.action : `${type}.updated`;
  return [{ eventId: id ?? `${action}:${ref}`, ref, observation: { ref, action } }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
