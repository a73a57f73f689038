/** What became of the charge and of the verification. */
import type { Wire } from "../operation.ts";
import type { PaymentStatus, VerificationStatus } from "../settlement.ts";
import { at, chargeId, idempotencyKey, inquiryId, inquiryUrl, paymentId, verificationId } from "./cast.ts";

const created = {
  event_type: "commerce.payment.pending", received_at: at("12:00:10.376"), provider: "asaas", provider_action: "PENDING", payment_id: paymentId,
};
const received = {
  event_type: "commerce.payment.succeeded", received_at: at("12:00:40.120"), provider: "asaas", provider_action: "PAYMENT_RECEIVED", payment_id: paymentId,
};

export const pendingPayment: Wire<typeof PaymentStatus> = {
  status: "pending",
  state: "pending",
  payment_status: "pending",
  tool_call_id: chargeId,
  idempotency_key: idempotencyKey,
  external_reference: idempotencyKey,
  provider: "asaas",
  rail: "asaas-pix",
  original_status: "success",
  outcome: "accepted",
  observed_at: at("12:00:12.000"),
  amount_minor: 15000,
  final_amount_minor: null,
  currency: "BRL",
  settled_at: null,
  events: [created],
};

export const succeededPayment: Wire<typeof PaymentStatus> = {
  ...pendingPayment,
  status: "succeeded",
  state: "succeeded",
  payment_status: "succeeded",
  observed_at: at("12:00:40.155"),
  final_amount_minor: 15000,
  settled_at: at("12:00:40.000"),
  events: [received, created],
};

const asked = {
  event_type: "commerce.kyc.pending", received_at: at("12:01:00.100"), provider: "persona", provider_action: "created", verification_id: inquiryId,
};

export const pendingVerification: Wire<typeof VerificationStatus> = {
  status: "pending",
  state: "pending",
  verification_status: "pending",
  tool_call_id: verificationId,
  idempotency_key: "3f313249-dff0-4ce8-a964-5cfabb406789",
  external_reference: "3f313249-dff0-4ce8-a964-5cfabb406789",
  provider: "persona",
  rail: "persona",
  original_status: "success",
  outcome: "accepted",
  observed_at: at("12:01:05.000"),
  hosted_url: inquiryUrl,
  events: [asked],
};

export const approvedVerification: Wire<typeof VerificationStatus> = {
  ...pendingVerification,
  status: "approved",
  state: "approved",
  verification_status: "approved",
  observed_at: at("12:04:30.040"),
  events: [
    { event_type: "commerce.kyc.approved", received_at: at("12:04:30.000"), provider: "persona", provider_action: "approved", verification_id: inquiryId },
    asked,
  ],
};
