/** The charge of R$150.00: what `execute` answers, the row it leaves, and the other tools of the same order. */
import type { Wire } from "../operation.ts";
import type { ToolCall, ToolResult } from "../tool-calls.ts";
import { at, buyer, chargeId, idempotencyKey, inquiryId, inquiryUrl, paymentId, pixCode, reference, sessionId, verificationId } from "./cast.ts";

export const chargeInput = { amount: 15000, currency: "BRL", method: "pix", description: "Order 1042", buyer, reference };

export const chargeOutput = {
  id: paymentId,
  status: "pending",
  amount: 15000,
  currency: "BRL",
  method: "pix",
  pix_copy_paste: pixCode,
  charge_url: "https://sandbox.asaas.com/i/3l9bp60ill1l9wqu",
  expires_at: "2026-11-21T02:59:59.000Z",
  tool_call_id: chargeId,
  idempotency_key: idempotencyKey,
  provider: "asaas",
  rail: "asaas-pix",
};

export const charge: Wire<typeof ToolCall> = {
  id: chargeId,
  session_id: sessionId,
  run_id: null,
  origin: "direct",
  environment: "test",
  tool_name: "codespar_charge",
  server_id: "codespar",
  provider: "asaas",
  rail: "asaas-pix",
  status: "success",
  outcome: "accepted",
  state: "succeeded",
  amount_minor: 15000,
  currency: "BRL",
  idempotency_key: idempotencyKey,
  external_reference: idempotencyKey,
  input: chargeInput,
  output: chargeOutput,
  error_code: null,
  error_message: null,
  routing: [
    { rail: "asaas-pix", rank: 0, reason: "priority 1 of the rail, connected", verdict: "chosen", provider: "asaas" },
    { rail: "mercado-pago-pix", rank: 1, reason: "priority 2 of the rail, connected", verdict: "next", provider: "mercado-pago" },
  ],
  failover_trail: [],
  metadata: null,
  duration_ms: 126,
  called_at: at("12:00:10.250"),
  finished_at: at("12:00:10.376"),
};

/** The same call while Asaas has not answered yet. */
export const runningCharge: Wire<typeof ToolCall> = {
  ...charge, status: "running", outcome: null, state: null, output: null, duration_ms: null, finished_at: null,
};

interface ExecuteExample {
  shows: string;
  input: { session_id: string; tool: string; input: Record<string, unknown> };
  output: Wire<typeof ToolResult>;
}

interface Payload extends Record<string, unknown> {
  id: string;
  status: string;
  rail: string;
  inquiry_id?: string;
  tool_call_id: string;
  idempotency_key: string;
}

/** A call that a provider took. The envelope repeats what `mirroredKeys` names. */
function accepted({ shows, tool, provider, input, data }: {
  shows: string; tool: string; provider: string; input: Record<string, unknown>; data: Payload;
}): ExecuteExample {
  const { id, status, rail, inquiry_id, tool_call_id, idempotency_key } = data;
  return {
    shows,
    input: { session_id: sessionId, tool, input },
    output: {
      success: true, data, error: null, duration: 126, server: provider, tool, provider, tool_call_id, called_at: at("12:00:10.250"),
      outcome: "accepted", id, status, rail, ...(inquiry_id !== undefined && { inquiry_id }), idempotency_key,
    },
  };
}

export const executeExamples: ExecuteExample[] = [
  accepted({ shows: "Charge R$150.00 by Pix", tool: "codespar_charge", provider: "asaas", input: chargeInput, data: chargeOutput }),
  accepted({
    shows: "Pay R$150.00 out to a Pix key", tool: "codespar_pay", provider: "asaas",
    input: { amount: 15000, currency: "BRL", method: "pix", recipient: { pix_key: buyer.document, name: buyer.name }, description: "Refund of order 1042" },
    data: {
      id: "a60134fb-61b0-459e-a917-f32eab3a61bf", status: "pending", amount: 15000, currency: "BRL", method: "pix", settled: false,
      recipient: buyer.document, ...called("tc_01m7wde8d02g6h5b5pkfr0qn7x", "438edd0b-958e-4576-b794-130945152f46", "asaas", "asaas-pix"),
    },
  }),
  accepted({
    shows: "Tell the buyer on WhatsApp", tool: "codespar_notify", provider: "z-api",
    input: { channel: "whatsapp", to: "+5511999998888", message: "Your payment of R$150.00 for order 1042 has arrived." },
    data: {
      id: "C41CEA5A6A692E38D215", messageId: "C41CEA5A6A692E38D215", status: "queued", sent: true, channel: "whatsapp",
      ...called("tc_01m7wdg2z0wnhk2vx2g1mcj3sd", "3a90299a-6c3b-4950-9887-9f011f5c75b2", "z-api", "z-api-whatsapp"),
    },
  }),
  accepted({
    shows: "Verify who the buyer is", tool: "codespar_kyc", provider: "persona",
    input: { subject: { ...buyer, document_type: "cpf" }, check_type: "identity" },
    data: {
      id: inquiryId, inquiry_id: inquiryId, verification_id: inquiryId, status: "pending", check_type: "identity", inquiry_url: inquiryUrl,
      hosted_url: inquiryUrl, ...called(verificationId, "3f313249-dff0-4ce8-a964-5cfabb406789", "persona", "persona"),
    },
  }),
  {
    shows: "A tool of a provider's own, in its words",
    input: { session_id: sessionId, tool: "asaas/get_payment", input: { id: paymentId } },
    output: {
      success: true, data: { object: "payment", id: paymentId, customer: "cus_000000000001", billingType: "PIX", value: 150, netValue: 148.01, status: "RECEIVED" },
      error: null, duration: 8, server: "asaas", tool: "asaas/get_payment", provider: "asaas", tool_call_id: "tc_01m7wdhxh0h6wq1pmx7ebkfncz",
      called_at: at("12:02:00.000"), outcome: "accepted", id: paymentId, status: "RECEIVED",
    },
  },
  {
    shows: "A refusal: the tool did not run, and HTTP is 200 all the same",
    input: { session_id: sessionId, tool: "codespar_charge", input: { ...chargeInput, amount: 150.5 } },
    output: {
      success: false, data: null,
      error: "amount_fraction: `amount` is 150.5, but amounts are integers in minor units: R$150.00 is 15000. To write 150.00 instead, add amount_unit: \"major\".",
      code: "amount_fraction", field: "amount", expected: "an integer in minor units", retry: "never", duration: 0, server: "codespar",
      tool: "codespar_charge", provider: null, tool_call_id: "tc_01m7wdkr30c0mt2wb1nbzk8a4e", called_at: at("12:03:00.000"),
    },
  },
];

function called(tool_call_id: string, idempotency_key: string, provider: string, rail: string) {
  return { tool_call_id, idempotency_key, provider, rail };
}
