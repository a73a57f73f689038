/**
 * PagBank's messages: the object itself, in the shape its API answers. Proof is `x-authenticity-token`, the SHA-256 of the
 * account's token, a dash and the body (developer.pagbank.com.br, "Confirmar autenticidade da notificação", read 2026-11-20).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";

export function verify({ headers, body }: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = headers.get("x-authenticity-token")?.trim().toLowerCase();
  if (!given) return { ok: false, reason: "the header x-authenticity-token is missing" };
  const isOurs = secrets.filter(Boolean).some((secret) => isSame(authenticityOf(secret, body), given));
  return isOurs ? { ok: true } : { ok: false, reason: "x-authenticity-token does not match the token and the body" };
}

export const authenticityOf = (token: string, body: Uint8Array | string): string =>
  createHash("sha256").update(`${token}-`).update(body).digest("hex");

const isSame = (ours: string, given: string): boolean => timingSafeEqual(digest(ours), digest(given));
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

const Message = z.object({
  id: z.string().regex(/^(CHEC|ORDE|CHAR)_/),
  reference_id: z.string().min(1),
  status: z.string().nullish(),
  charges: z.array(z.object({ status: z.string().nullish(), amount: z.object({ summary: z.object({ refunded: z.number().nullish() }).nullish() }).nullish() }))
    .nullish(),
});

/** A claim without a state: what the charges come to, a lookup says. Messages have no id, so the event is named by what it tells. */
export function read({ body }: InboundMessage): ProviderEvent[] {
  const { data } = Message.safeParse(jsonOf(body));
  if (!data) return [];
  const { id, reference_id: reference, status, charges } = data;
  const told = charges?.map((charge) => `${charge.status ?? ""}${charge.amount?.summary?.refunded || ""}`).join();
  const action = status ?? charges?.at(-1)?.status ?? "notified";
  const names = id.startsWith("CHAR_") ? {} : { ref: id };
  return [{ eventId: `${id}:${status ?? told ?? ""}`, reference, ...names, observation: { ref: id, action } }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
