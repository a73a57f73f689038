/** Stripe's webhooks: `POST {id, type, created, data: {object}}`, signed with the endpoint's own secret. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { Claim, InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";
import { observe, Session } from "./answers.ts";

type Verdict = ReturnType<NotificationScheme["verify"]>;

/** A signature made longer ago, or further ahead, is a replay. Source: the default of Stripe's own libraries. */
const WINDOW_SECONDS = 5 * 60;
/** More signatures than this are not looked at: while a secret is rolled there are two. */
const SIGNATURES_MAX = 10;

/** What a charge's metadata carries our reference under. */
export const REFERENCE_KEY = "codespar_reference";

/** `stripe-signature: t=<unix>,v1=<hex>[,v1=…]`: HMAC-SHA256 of `<t>.<body>`. Other schemes (`v0`) are passed over. */
export function verify(message: InboundMessage, { secrets, now }: { secrets: readonly string[]; now: Date }): Verdict {
  const header = message.headers.get("stripe-signature");
  if (!header) return no("stripe-signature is missing");
  const parts = header.split(",").map((part) => part.trim());
  const [, t] = /^t=(\d{1,12})$/.exec(parts.find((part) => part.startsWith("t=")) ?? "") ?? [];
  const given = parts.filter((part) => /^v1=[0-9a-f]{64}$/.test(part)).slice(0, SIGNATURES_MAX).map((part) => Buffer.from(part.slice(3), "hex"));
  if (t === undefined || given.length === 0) return no("stripe-signature is not t=<unix>,v1=<hex>");
  if (Math.abs(now.getTime() / 1_000 - Number(t)) > WINDOW_SECONDS) return no("stripe-signature is not of the last five minutes");
  const expected = secrets.filter(Boolean).map((secret) => createHmac("sha256", secret).update(`${t}.`).update(message.body).digest());
  const isTheirs = expected.some((digest) => given.some((signature) => timingSafeEqual(digest, signature)));
  return isTheirs ? { ok: true } : no("stripe-signature matches no secret");
}

const no = (reason: string): Verdict => ({ ok: false, reason });

const Notification = z.object({
  id: z.string(),
  type: z.string(),
  created: z.int().nullish(),
  data: z.object({ object: z.unknown() }),
});

/** A refund or a dispute: of a payment that is named by its own id, not by the session's. */
const Followed = z.object({
  payment_intent: z.string(),
  refunded: z.boolean().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});

export function read({ body }: InboundMessage): ProviderEvent[] {
  const { data: notification } = Notification.safeParse(jsonOf(body));
  if (!notification) return [];
  const { id, type, created, data } = notification;
  const told = type.startsWith("checkout.session.") ? ofSession(type, data.object) : ofCharge(type, data.object);
  if (!told) return [];
  const { reference, observation } = told;
  const occurredAt = created == null ? {} : { occurredAt: new Date(created * 1_000) };
  return [{ eventId: id, ref: observation.ref, ...(reference && { reference }), observation: { ...observation, ...occurredAt, action: type } }];
}

interface Told {
  reference: string | undefined;
  observation: Claim;
}

const sessionEvents = new Set([
  "checkout.session.completed", "checkout.session.expired", "checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
]);

/** A session without a reference was not made by us. */
function ofSession(type: string, object: unknown): Told | undefined {
  const { data: session } = Session.safeParse(object);
  if (!session?.client_reference_id || !sessionEvents.has(type)) return undefined;
  const { failure: _unsaid, ...observation } = observe(session);
  // The payment that failed is in the event as an id alone.
  const state = type === "checkout.session.async_payment_failed" ? "failed" : observation.state;
  return { reference: session.client_reference_id, observation: { ...observation, state } };
}

function ofCharge(type: string, object: unknown): Told | undefined {
  const { data: followed } = Followed.safeParse(object);
  if (!followed) return undefined;
  const { payment_intent: ref, refunded, metadata } = followed;
  const reference = metadata?.[REFERENCE_KEY];
  switch (type) {
    case "charge.refunded":
      return { reference, observation: { ref, state: refunded ? "refunded" : "updated", action: type } };
    case "charge.dispute.created":
    case "charge.dispute.closed":
      return { reference, observation: { ref, state: "updated", action: type } };
    default:
      return undefined;
  }
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
