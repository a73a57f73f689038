/**
 * Executions of tools: the operation that makes one, the rows they leave, and the stream of their changes.
 */
import { z } from "zod";
import { at, chargeId, earlierCallId, sessionId } from "./examples/cast.ts";
import { charge, executeExamples, runningCharge } from "./examples/tool-calls.ts";
import { Retry } from "./failures.ts";
import { MinorUnits } from "./money.ts";
import { Json, operation, pageInput, subscription, Timestamp } from "./operation.ts";
import { DispatchOutcome } from "./settlement.ts";

export const Environment = z.enum(["test", "live"]).meta({ id: "Environment", description: "Chosen by the key's prefix." });
export type Environment = z.infer<typeof Environment>;

/** Who asked: a caller with a key, the agent loop, or an MCP client. Agents and MCP are bound to the session's servers. */
export const Origin = z.enum(["direct", "agent", "mcp"]).meta({ id: "Origin" });
export type Origin = z.infer<typeof Origin>;

export const ToolCallStatus = z.enum(["running", "success", "error"]).meta({ id: "ToolCallStatus" });

export const ToolCall = z.object({
  id: z.string(),
  session_id: z.string(),
  run_id: z.string().nullable().describe("The agent run that made it."),
  origin: Origin,
  environment: Environment,
  tool_name: z.string(),
  server_id: z.string(),
  provider: z.string().nullable(),
  rail: z.string().nullable(),
  status: ToolCallStatus.describe("How the call itself ended."),
  outcome: DispatchOutcome.nullable().describe("How its one dispatch ended."),
  state: z.string().nullable().describe("What became of it since: a settlement state."),
  amount_minor: MinorUnits.nullable(),
  currency: z.string().nullable(),
  idempotency_key: z.string().nullable(),
  external_reference: z.string().nullable(),
  input: Json,
  output: Json.nullable(),
  error_code: z.string().nullable(),
  error_message: z.string().nullable(),
  routing: Json.nullable().describe("The candidates, ranked, each with its reason."),
  failover_trail: Json.nullable().describe("Providers passed over before dispatch, each with its reason."),
  metadata: Json.nullable(),
  duration_ms: z.int().nullable(),
  called_at: Timestamp,
  finished_at: Timestamp.nullable(),
}).meta({ id: "ToolCall" });
export type ToolCall = z.output<typeof ToolCall>;

/**
 * The answer of one execution. Refusals and failures of the tool are values here, never HTTP errors (contradiction C-60):
 * `success` is false, `error` is a sentence and `code` names it. Scalar keys of the payload are mirrored (C-58).
 */
export const ToolResult = z.object({
  success: z.boolean(),
  data: Json.nullable().describe("The tool's result; on success never null."),
  error: z.string().nullable(),
  code: z.string().optional(),
  field: z.string().optional(),
  expected: z.string().optional(),
  retry: Retry.optional(),
  duration: z.int().describe("Milliseconds."),
  server: z.string(),
  tool: z.string(),
  provider: z.string().nullable(),
  tool_call_id: z.string().nullable().describe("Null only for a tool that is not registered."),
  called_at: Timestamp,
  outcome: DispatchOutcome.optional(),
  replayed: z.boolean().optional().describe("True when an earlier call under the same key or intent gave this answer."),
  id: Json.optional(),
  status: Json.optional(),
  rail: Json.optional(),
  inquiry_id: Json.optional(),
  idempotency_key: z.string().optional(),
}).meta({ id: "ToolResult" });
export type ToolResult = z.output<typeof ToolResult>;

/** Keys of a payload that the envelope repeats, unless the envelope has its own (C-58). */
export const mirroredKeys = ["id", "status", "rail", "inquiry_id", "idempotency_key"] as const;

export const execute = operation({
  name: "tools.execute",
  field: "execute",
  summary: "Run one tool: a meta-tool by its name, or a provider's own as server/tool.",
  effect: "moves_money",
  scope: "tools:execute",
  route: "POST /sessions/{session_id}/execute",
  input: z.object({
    session_id: z.string(),
    tool: z.string().min(1).max(200),
    input: z.record(z.string(), z.unknown()).default({}),
  }),
  output: ToolResult,
  errors: ["session_not_found", "session_not_active", "idempotency_key_invalid", "idempotency_conflict", "idempotency_in_flight"],
  examples: executeExamples,
});

export const getToolCall = operation({
  name: "toolCalls.get",
  field: "toolCall",
  summary: "One tool call.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /tool-calls/{tool_call_id}",
  input: z.object({ tool_call_id: z.string() }),
  output: ToolCall,
  errors: ["invalid_tool_call_id", "tool_call_not_found"],
  examples: [{ input: { tool_call_id: chargeId }, output: charge }],
});

export const listToolCalls = operation({
  name: "toolCalls.list",
  field: "toolCalls",
  summary: "Tool calls, newest first.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /tool-calls",
  input: z.object({
    session_id: z.string().optional(),
    tool: z.string().optional(),
    provider: z.string().optional(),
    status: ToolCallStatus.optional(),
    since: Timestamp.optional().describe("Only calls made at or after this moment."),
    ...pageInput,
  }),
  output: z.object({ tool_calls: z.array(ToolCall), next_before: z.string().nullable() }).meta({ id: "ToolCallPage" }),
  errors: ["cursor_invalid"],
  examples: [{
    input: {
      session_id: sessionId, tool: "codespar_charge", provider: "asaas", status: "success", since: at("00:00:00.000"), limit: 20, before: earlierCallId,
    },
    output: { tool_calls: [charge], next_before: null },
  }],
});

export const ToolCallChange = z.object({
  cursor: z.string().describe("Give it as `after` to resume behind this change."),
  tool_call: ToolCall,
}).meta({ id: "ToolCallChange" });

export const watchToolCalls = subscription({
  name: "toolCalls.watch",
  field: "toolCalls",
  summary: "The tool calls of a session, each as it is now and again at every change, until the session closes.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /sessions/{session_id}/tool-calls/stream",
  input: z.object({ session_id: z.string(), after: z.string().optional() }),
  output: ToolCallChange,
  errors: ["session_not_found", "cursor_invalid"],
  examples: [{
    input: { session_id: sessionId, after: "7411.90" },
    items: [{ cursor: "7412.91", tool_call: runningCharge }, { cursor: "7413.92", tool_call: charge }],
  }],
});

