/**
 * What becomes of a tool call after its answer: events of one kind fold into one state by a fixed priority, so that the
 * order of arrival never matters. Payment and verification states are published (contradiction C-16); the others follow suit.
 */
import { z } from "zod";
import { chargeId, verificationId } from "./examples/cast.ts";
import { approvedVerification, pendingPayment, pendingVerification, succeededPayment } from "./examples/settlement.ts";
import { MinorUnits } from "./money.ts";
import { operation, subscription, Timestamp } from "./operation.ts";

/**
 * Per kind: the event family, and its states with the highest priority first. `terminal` states end a watch.
 * A state earlier in the list wins over every later one, whenever either arrived.
 */
export const settlementKinds = {
  payment: {
    family: "commerce.payment",
    priority: ["refunded", "failed", "succeeded", "updated", "pending"],
    terminal: ["succeeded", "failed", "refunded"],
  },
  verification: {
    family: "commerce.kyc",
    priority: ["approved", "rejected", "review", "expired", "pending"],
    terminal: ["approved", "rejected", "expired"],
  },
  invoice: {
    family: "commerce.invoice",
    priority: ["cancelled", "rejected", "authorized", "processing"],
    terminal: ["authorized", "rejected", "cancelled"],
  },
  shipment: {
    family: "commerce.shipment",
    priority: ["delivered", "cancelled", "returned", "posted", "label_ready", "paid", "pending"],
    terminal: ["delivered", "cancelled", "returned"],
  },
  message: {
    family: "commerce.message",
    priority: ["failed", "read", "delivered", "sent", "queued"],
    terminal: ["delivered", "read", "failed"],
  },
} as const satisfies Record<string, { family: string; priority: readonly string[]; terminal: readonly string[] }>;

export type SettlementKind = keyof typeof settlementKinds;
export type StateOf<Kind extends SettlementKind> = (typeof settlementKinds)[Kind]["priority"][number];
export type SettlementState = { [Kind in SettlementKind]: StateOf<Kind> }[SettlementKind];

/**
 * The state that a set of event states folds to.
 *
 * states   in any order, repeats allowed; states of another kind are ignored
 * returns  the one of highest priority; the lowest of the kind (`pending`, `processing`, `queued`) when there is none
 */
export function foldState(kind: SettlementKind, states: readonly string[]): SettlementState {
  const priority: readonly SettlementState[] = settlementKinds[kind].priority;
  return priority.find((state) => states.includes(state)) ?? priority[priority.length - 1]!;
}

/** Whether a watch of this kind ends in `state`. */
export const isTerminal = (kind: SettlementKind, state: string): boolean =>
  (settlementKinds[kind].terminal as readonly string[]).includes(state);

/** At most this many events travel in an envelope, newest first. */
export const ENVELOPE_EVENTS_MAX = 20;

/** `unknown` is published for calls that have no idempotency key; an uncertain dispatch is `pending` with `outcome: "unknown"`. */
export const PaymentState = z.enum([...settlementKinds.payment.priority, "unknown"]).meta({ id: "PaymentState" });
export const VerificationState = z.enum([...settlementKinds.verification.priority, "unknown"]).meta({ id: "VerificationState" });

/** How a dispatch ended. `unknown` is being looked up at the provider. Absent while none has been made. */
export const DispatchOutcome = z.enum(["accepted", "declined", "not_reached", "unknown"]).meta({ id: "DispatchOutcome" });
export type DispatchOutcome = z.infer<typeof DispatchOutcome>;

const commonEnvelope = {
  tool_call_id: z.string(),
  idempotency_key: z.string().nullable(),
  external_reference: z.string().nullable().describe("What the provider was given to name this call by."),
  provider: z.string().nullable(),
  rail: z.string().nullable(),
  original_status: z.string().describe("How the call itself ended: success, error or running."),
  outcome: DispatchOutcome.nullable(),
  observed_at: Timestamp.describe("When this envelope was read."),
};

export const PaymentEvent = z.object({
  event_type: z.string(),
  received_at: Timestamp,
  provider: z.string().nullable(),
  provider_action: z.string().nullable(),
  payment_id: z.string().nullable(),
}).meta({ id: "PaymentEvent" });

export const PaymentStatus = z.object({
  status: PaymentState,
  state: PaymentState.describe("The same as `status`."),
  payment_status: PaymentState.describe("The same as `status`."),
  ...commonEnvelope,
  amount_minor: MinorUnits.nullable().describe("What was asked for."),
  final_amount_minor: MinorUnits.nullable().describe("What the provider settled."),
  currency: z.string().nullable(),
  settled_at: Timestamp.nullable(),
  events: z.array(PaymentEvent).describe(`Newest first, at most ${ENVELOPE_EVENTS_MAX}.`),
}).meta({ id: "PaymentStatus" });
export type PaymentStatus = z.output<typeof PaymentStatus>;

export const VerificationEvent = z.object({
  event_type: z.string(),
  received_at: Timestamp,
  provider: z.string().nullable(),
  provider_action: z.string().nullable(),
  verification_id: z.string().nullable(),
}).meta({ id: "VerificationEvent" });

export const VerificationStatus = z.object({
  status: VerificationState,
  state: VerificationState.describe("The same as `status`."),
  verification_status: VerificationState.describe("The same as `status`."),
  ...commonEnvelope,
  hosted_url: z.string().nullable(),
  events: z.array(VerificationEvent).describe(`Newest first, at most ${ENVELOPE_EVENTS_MAX}.`),
}).meta({ id: "VerificationStatus" });
export type VerificationStatus = z.output<typeof VerificationStatus>;

const byToolCall = z.object({ tool_call_id: z.string() });
const statusErrors = ["invalid_tool_call_id", "tool_call_not_found"] as const;

export const paymentStatus = operation({
  name: "payments.status",
  field: "paymentStatus",
  summary: "What became of a charge or a payout.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /tool-calls/{tool_call_id}/payment-status",
  input: byToolCall,
  output: PaymentStatus,
  errors: statusErrors,
  examples: [{ input: { tool_call_id: chargeId }, output: succeededPayment }],
});

export const watchPayment = subscription({
  name: "payments.watch",
  field: "paymentStatus",
  summary: "The payment status now and at every change, until it is final.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /tool-calls/{tool_call_id}/payment-status/stream",
  input: byToolCall,
  output: PaymentStatus,
  errors: statusErrors,
  examples: [{ input: { tool_call_id: chargeId }, items: [pendingPayment, succeededPayment] }],
});

export const verificationStatus = operation({
  name: "verifications.status",
  field: "verificationStatus",
  summary: "The verdict on an identity verification.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /tool-calls/{tool_call_id}/verification-status",
  input: byToolCall,
  output: VerificationStatus,
  errors: statusErrors,
  examples: [{ input: { tool_call_id: verificationId }, output: approvedVerification }],
});

export const watchVerification = subscription({
  name: "verifications.watch",
  field: "verificationStatus",
  summary: "The verification status now and at every change, until it is final.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /tool-calls/{tool_call_id}/verification-status/stream",
  input: byToolCall,
  output: VerificationStatus,
  errors: statusErrors,
  examples: [{ input: { tool_call_id: verificationId }, items: [pendingVerification, approvedVerification] }],
});
