/** One sentence to the agent, and what comes of it. */
import type { SendEvent, SendResult, ToolCallRecord } from "../agent.ts";
import type { Wire } from "../operation.ts";
import { buyer, chargeId, pixCode, runId } from "./cast.ts";
import { chargeOutput } from "./tool-calls.ts";

export const message = "Charge R$150 via Pix to Maria Souza, CPF 123.456.789-09, for order-1042";

const input = { amount: 15000, currency: "BRL", method: "pix", buyer };

const record: Wire<typeof ToolCallRecord> = {
  id: chargeId, tool_name: "codespar_charge", server_id: "asaas", status: "success", duration_ms: 126, input, output: chargeOutput, error_code: null,
};

export const result: Wire<typeof SendResult> = {
  run_id: runId, message: `Maria Souza can pay R$150.00 with this Pix code: ${pixCode}`, tool_calls: [record], iterations: 2,
};

const cursor = (seq: number): string => `${runId}.${seq}`;

export const events: Wire<typeof SendEvent>[] = [
  { type: "user_message", cursor: cursor(1), content: message },
  { type: "tool_use", cursor: cursor(2), id: "toolu_01A09q90qw90lq917835lq9", name: "codespar_charge", input },
  { type: "tool_result", cursor: cursor(3), tool_call: record },
  { type: "text_delta", cursor: cursor(4), text: "Maria Souza can pay", iteration: 2 },
  { type: "assistant_text", cursor: cursor(5), content: result.message, iteration: 2 },
  { type: "done", cursor: cursor(6), result },
];
