/**
 * What banks tell by webhook. The standard authenticates the bank by mutual TLS and signs nothing; whatever terminates TLS
 * before us may check that certificate, and we cannot see that it did. So the address carries `?token=`, a secret of the
 * connection, and a message is only a hint: what became of the payment is asked.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";

/** `field` names the payment in a message. */
export const noticesOf = (field: string): NotificationScheme => ({ verify, read: (message) => read(message, field) });

function verify(message: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = message.url.searchParams.get("token");
  if (!given) return { ok: false, reason: "the address has no token" };
  const isOurs = secrets.filter(Boolean).some((secret) => timingSafeEqual(digest(secret), digest(given)));
  return isOurs ? { ok: true } : { ok: false, reason: "the token in the address is not the webhook's" };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** One payment, a list of them, or a list under `pix` as the standard has it. They number no events. */
function read({ body }: InboundMessage, field: string): ProviderEvent[] {
  const message = jsonOf(body);
  const listed = isRecord(message) && Array.isArray(message["pix"]) ? message["pix"] : message;
  const items: unknown[] = Array.isArray(listed) ? listed : [listed];
  return items.flatMap((item): ProviderEvent[] => {
    const ref = isRecord(item) ? item[field] : undefined;
    if (typeof ref !== "string" || ref === "") return [];
    return [{ eventId: `${ref}:${digest(JSON.stringify(item)).toString("hex").slice(0, 16)}`, ref, observation: { ref, action: "notified" } }];
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
