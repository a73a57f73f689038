/** Asaas webhooks: `POST {id, event, dateCreated, payment | transfer}`, with the webhook's token in a header. */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { InboundMessage, NotificationScheme, Observation, ProviderEvent } from "../provider.ts";
import { observePayment, observeTransfer, Payment, paymentEvents, Transfer, transferEvents } from "./answers.ts";
import { referenceIn } from "./pix-codes.ts";
import { momentOf } from "./sao-paulo.ts";

const TOKEN_HEADER = "asaas-access-token";

/** The webhook's `authToken`, sent as it is with every message: no signature, no time. */
export function verify(
  message: InboundMessage,
  { secrets }: { secrets: readonly string[] },
): ReturnType<NotificationScheme["verify"]> {
  const token = message.headers.get(TOKEN_HEADER);
  if (!token) return { ok: false, reason: `the header ${TOKEN_HEADER} is missing` };
  const isOurs = secrets.some((secret) => timingSafeEqual(digest(secret), digest(token)));
  return isOurs ? { ok: true } : { ok: false, reason: `the header ${TOKEN_HEADER} is not the webhook's token` };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const Notification = z.object({
  id: z.string().nullish(),
  event: z.string(),
  dateCreated: z.string().nullish(),
  payment: Payment.nullish(),
  transfer: Transfer.nullish(),
});
type Notification = z.output<typeof Notification>;

export function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: notification } = Notification.safeParse(jsonOf(body));
  const observation = notification && observe(notification);
  if (!observation) return [];
  const { id, event, dateCreated, payment, transfer } = notification;
  // A code that was paid has our reference nowhere but in its description.
  const reference = (payment ?? transfer)?.externalReference || referenceIn(transfer?.description);
  const occurredAt = momentOf(dateCreated);
  return [{
    eventId: id ?? `${event}:${observation.ref}`,
    ref: observation.ref,
    ...(reference && { reference }),
    observation: { ...observation, ...(occurredAt && { occurredAt }) },
  }];
}

function observe({ event, payment, transfer }: Notification): Observation | undefined {
  const paymentState = paymentEvents.get(event);
  if (payment && paymentState) return observePayment(payment, paymentState, event);
  const transferState = transferEvents.get(event);
  return transfer && transferState ? observeTransfer(transfer, transferState, event) : undefined;
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
