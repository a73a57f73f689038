/**
 * Wompi's events, of payments and of payouts alike: `POST {event, data, signature: {properties, checksum}, timestamp}`. What is
 * signed is named by the message itself, so a claim has no state: the server asks what became of it.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";

type Verdict = ReturnType<NotificationScheme["verify"]>;

const Checksum = z.string().regex(/^[0-9a-f]{64}$/i);
const Signed = z.object({
  event: z.string(),
  data: z.record(z.string(), z.unknown()),
  signature: z.object({ properties: z.array(z.string().max(200)).min(1).max(20), checksum: Checksum.nullish() }),
  timestamp: z.int(),
});

/**
 * SHA-256 over the values that `properties` names, in its order, the timestamp and the events secret; hex in either case, in
 * `X-Event-Checksum` and in the body. Each that is there must match. Not an HMAC, and the timestamp may be a day old: a message
 * that was not taken comes again after 30 minutes, 3 and 24 hours.
 *
 * secrets  of payments and of payouts, which have each their own; one secret may hold both, a line each
 */
export function verify(message: InboundMessage, { secrets }: { secrets: readonly string[] }): Verdict {
  const { data: body } = Signed.safeParse(jsonOf(message.body));
  if (!body) return no("the body is not signed");
  const { event, data, signature: { properties, checksum }, timestamp } = body;
  const header = message.headers.get("x-event-checksum");
  const told = [header, checksum].filter((one) => one != null);
  if (told.length === 0) return no("there is no checksum");
  if (!told.every((one) => Checksum.safeParse(one).success)) return no("the checksum is not 64 hex digits");
  // Without these two a message could sign one object and claim another.
  const [kind] = event.split(".");
  if (!properties.includes(`${kind}.id`) || !properties.includes(`${kind}.status`)) return no("id and status are not signed");
  const values = properties.map((path) => valueAt(data, path));
  if (values.includes(undefined)) return no("a signed property is missing");
  const text = `${values.join("")}${timestamp}`;
  const isTheirs = secrets.flatMap((secret) => secret.split(/\s+/)).filter(Boolean)
    .some((secret) => told.every((one) => timingSafeEqual(digest(text + secret), Buffer.from(one, "hex"))));
  return isTheirs ? { ok: true } : no("the checksum matches no secret");
}

const no = (reason: string): Verdict => ({ ok: false, reason });

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

function valueAt(data: Record<string, unknown>, path: string): string | undefined {
  const value = path.split(".").reduce<unknown>((at, name) =>
    typeof at === "object" && at !== null && Object.hasOwn(at, name) ? (at as Record<string, unknown>)[name] : undefined, data);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

const Transaction = z.object({ id: z.string(), status: z.string(), reference: z.string().nullish(), payoutId: z.string().nullish() });
const Notification = z.discriminatedUnion("event", [
  z.object({ event: z.literal("transaction.updated"), data: z.object({ transaction: Transaction }), timestamp: z.int() }),
  z.object({ event: z.literal("payout.updated"), data: z.object({ payout: Transaction.omit({ payoutId: true }) }), timestamp: z.int() }),
]);

export function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: told } = Notification.safeParse(jsonOf(body));
  if (!told) return [];
  const object = told.event === "payout.updated" ? { ...told.data.payout, payoutId: undefined } : told.data.transaction;
  const { id, status, reference, payoutId } = object;
  // A transaction of a batch is known here by its batch, and its own reference is not told.
  const ref = payoutId ?? id;
  return [{
    eventId: `${told.event}:${id}:${status}:${told.timestamp}`,
    ref,
    ...(reference && !payoutId && { reference }),
    observation: { ref, action: status },
  }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
