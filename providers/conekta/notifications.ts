/**
 * Conekta's webhooks: `POST {id, type, created_at, data: {object}}`, signed. Of orders the `order.*` events are read; the
 * `charge.*` events of the same payments say nothing more, and would be told twice.
 */
import { createPublicKey, verify as verifySignature, type KeyObject } from "node:crypto";
import { z } from "zod";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";
import { observeOrder, Order, orderStates, referenceOf } from "./answers.ts";

/**
 * `DIGEST` is the base64 of an RSA-SHA256 signature of the body, made with the private half of a key of `/webhook_keys`.
 * A secret is the public half, PEM; no time is signed.
 */
export function verify(
  message: InboundMessage,
  { secrets }: { secrets: readonly string[] },
): ReturnType<NotificationScheme["verify"]> {
  const digest = message.headers.get("digest");
  if (!digest) return { ok: false, reason: "the header DIGEST is missing" };
  const signature = Buffer.from(digest, "base64");
  const isTheirs = secrets.flatMap(keyOf).some((key) => verifySignature("RSA-SHA256", message.body, key, signature));
  return isTheirs ? { ok: true } : { ok: false, reason: "DIGEST is not verified by the webhook key" };
}

/** As it is pasted from Conekta's JSON answer, its line ends may still be written as `\n`. */
function keyOf(secret: string): KeyObject[] {
  try {
    const key = createPublicKey(secret.replaceAll("\\n", "\n"));
    return key.asymmetricKeyType === "rsa" ? [key] : [];
  } catch {
    return [];
  }
}

const Notification = z.object({
  id: z.string().nullish(),
  type: z.string(),
  created_at: z.number().nullish(),
  data: z.object({ object: z.unknown() }),
});

/** Of a cash withdrawal only that something happened is read: what its events carry is not documented. */
const Withdrawal = z.object({ id: z.string(), payout_order_id: z.string().nullish(), metadata: Order.shape.metadata });

export function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: notification } = Notification.safeParse(jsonOf(body));
  if (!notification) return [];
  const { id, type, created_at, data: { object } } = notification;
  const told = type.startsWith("order.") ? ofOrder(type, object) : type.startsWith("cashout.") ? ofWithdrawal(type, object) : undefined;
  if (!told) return [];
  const occurredAt = created_at ? { occurredAt: new Date(created_at * 1000) } : {};
  return [{ eventId: id ?? `${type}:${told.ref}`, ...told, observation: { ...occurredAt, ...told.observation } }];
}

type Told = Required<Pick<ProviderEvent, "ref" | "observation">> & Pick<ProviderEvent, "reference">;

function ofOrder(type: string, object: unknown): Told | undefined {
  const { data: order } = Order.safeParse(object);
  const state = orderStates.get(type.slice("order.".length));
  if (!order || !state) return undefined;
  const reference = referenceOf(order);
  return { ref: order.id, ...(reference && { reference }), observation: observeOrder(order, state, type) };
}

function ofWithdrawal(type: string, object: unknown): Told | undefined {
  const { data: withdrawal } = Withdrawal.safeParse(object);
  if (!withdrawal) return undefined;
  const ref = withdrawal.payout_order_id ?? withdrawal.id;
  const reference = referenceOf(withdrawal);
  return { ref, ...(reference && { reference }), observation: { ref, action: type } };
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
