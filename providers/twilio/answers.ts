/** What Twilio answers, and what it means here: a message, its states, refusals. */
import { z } from "zod";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

export const Message = z.object({
  sid: z.string().min(1),
  status: z.string(),
  error_code: z.number().nullish(),
  error_message: z.string().nullish(),
});

type MessageState = StateOf<"message">;

/** A word that is not here says nothing new of a message that we sent. */
export const messageStates: ReadonlyMap<string, MessageState> = new Map([
  ["accepted", "queued"], ["scheduled", "queued"], ["queued", "queued"], ["sending", "queued"], ["sent", "sent"],
  ["delivered", "delivered"], ["read", "read"], ["undelivered", "failed"], ["failed", "failed"], ["canceled", "failed"],
]);

export function observe({ sid: ref, status: action, error_code: code, error_message: said }: z.output<typeof Message>): Observation {
  const state = messageStates.get(action) ?? "queued";
  return { ref, state, action, ...(state === "failed" && { failure: failureOf(action, code, said) }) };
}

/** Source: "Error and warning dictionary": 21610 and 63024 are the recipient's own wish, 63016 the closed WhatsApp window. */
export function failureOf(action: string, code: number | null | undefined, said?: string | null): NonNullable<Observation["failure"]> {
  const reason = code === 21610 || code === 63016 ? "not_permitted" : "refused";
  const message = said || (code ? `the message ended as ${action}, Twilio error ${code}` : `the message ended as ${action}`);
  return { reason, message };
}

const Refusal = z.object({ code: z.number().optional(), message: z.string().optional() });

export function readRefusal({ status, body }: Rejected): Declined {
  const { code = 0, message = `Twilio answered ${status}` } = Refusal.safeParse(body).data ?? {};
  const field = refusedFields.get(code);
  return { outcome: "declined", reason: reasonOf(status, code), message, ...(field && { field }) };
}

function reasonOf(status: number, code: number): DeclineReason {
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 429) return "rate_limited";
  // 21408: the region is switched off; 21610: the recipient has opted out.
  if (code === 21408 || code === 21610) return "not_permitted";
  return status === 400 ? "invalid_request" : "unspecified";
}

const refusedFields = new Map([
  [21211, "to"], [21214, "to"], [21217, "to"], [21408, "to"], [21604, "to"], [21610, "to"], [21612, "to"], [21614, "to"],
  [21602, "message"], [21617, "message"], [21619, "message"], [21655, "template"], [21656, "variables"],
]);
