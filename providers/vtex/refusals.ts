/** What a store's refusal means. Their sentences may name the shopper, so only their codes are passed on. */
import { z } from "zod";
import { Rejected, type DeclineReason, type Outcome } from "../provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

export const refuse = (field: string, message: string, reason: DeclineReason = "invalid_request"): Declined =>
  ({ outcome: "declined", reason, message, field });

/** The shopper would have to log in there: the e-mail address has a profile, or the cart is not open to guests. */
export const IDENTITY = refuse("buyer.email", "The store wants the holder of this e-mail address to log in there.", "not_permitted");

const Refusal = z.object({ error: z.object({ code: z.string().max(40).nullish() }) });

const identityCodes = new Set(["CHK003", "CHK0087", "ORD062"]);

export function declineOf({ status, body }: Rejected, what: string): Declined {
  const code = Refusal.safeParse(body).data?.error.code;
  if (code != null && identityCodes.has(code)) return IDENTITY;
  const message = `The store refused ${what} (${code && /^[A-Z]{2,4}\d{2,5}$/.test(code) ? code : `HTTP ${status}`}).`;
  return { outcome: "declined", reason: reasons[status] ?? "unspecified", message };
}

const reasons: Partial<Record<number, DeclineReason>> = { 400: "refused", 401: "unauthorized", 403: "refused", 404: "refused", 429: "rate_limited" };
