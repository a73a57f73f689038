/**
 * iugu's triggers: a form, `event=invoice.status_changed&data[id]=…&data[status]=…`, with the `authorization` that was given
 * when the trigger was made. Nothing is signed, so a message is a hint, and the server asks what became of the invoice.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";

export function verify(
  message: InboundMessage, { secrets }: { secrets: readonly string[] },
): ReturnType<NotificationScheme["verify"]> {
  const given = message.headers.get("authorization");
  if (!given) return { ok: false, reason: "the header authorization is missing" };
  const isOurs = secrets.filter(Boolean).some((secret) => timingSafeEqual(digest(secret), digest(given)));
  return isOurs ? { ok: true } : { ok: false, reason: "the header authorization is not the trigger's" };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const events = new Set(["invoice.created", "invoice.status_changed", "invoice.refund"]);

/** Messages have no id of their own: an invoice enters each status once. */
export function read({ body }: InboundMessage): ProviderEvent[] {
  const form = new URLSearchParams(new TextDecoder().decode(body));
  const [event, ref, status] = [form.get("event"), form.get("data[id]"), form.get("data[status]")];
  if (!event || !ref || !events.has(event)) return [];
  return [{ eventId: `${event}:${ref}:${status ?? ""}`, ref, observation: { ref, action: status ? `${event} ${status}` : event } }];
}
