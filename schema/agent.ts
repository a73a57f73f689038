/**
 * `send`: a message in plain words, answered by a tool-use loop on the server. One run per message.
 */
import { z } from "zod";
import { sessionId } from "./examples/cast.ts";
import { events, message as sentence, result } from "./examples/agent.ts";
import { Json, operation, subscription } from "./operation.ts";

/** Longest message, in characters. */
export const MESSAGE_CHARS_MAX = 32_000;

export const ToolCallRecord = z.object({
  id: z.string(),
  tool_name: z.string(),
  server_id: z.string(),
  status: z.enum(["success", "error"]),
  duration_ms: z.int(),
  input: Json,
  output: Json.nullable(),
  error_code: z.string().nullable(),
}).meta({ id: "ToolCallRecord" });
export type ToolCallRecord = z.output<typeof ToolCallRecord>;

export const SendResult = z.object({
  run_id: z.string(),
  message: z.string().describe("The agent's final words."),
  tool_calls: z.array(ToolCallRecord),
  iterations: z.int().describe("How many times the model answered."),
}).meta({ id: "SendResult" });
export type SendResult = z.output<typeof SendResult>;

const place = { cursor: z.string().describe("Give it as `after` to resume behind this event.") };

/** What happens in a run, in order: the user's message, then per iteration text and tool calls, then `done` or `error`. */
export const SendEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("user_message"), ...place, content: z.string() }).meta({ id: "UserMessageEvent" }),
  z.object({ type: z.literal("text_delta"), ...place, text: z.string(), iteration: z.int() }).meta({ id: "TextDeltaEvent" }),
  z.object({ type: z.literal("assistant_text"), ...place, content: z.string(), iteration: z.int() }).meta({ id: "AssistantTextEvent" }),
  z.object({ type: z.literal("tool_use"), ...place, id: z.string(), name: z.string(), input: Json }).meta({ id: "ToolUseEvent" }),
  z.object({ type: z.literal("tool_result"), ...place, tool_call: ToolCallRecord }).meta({ id: "ToolResultEvent" }),
  z.object({ type: z.literal("done"), ...place, result: SendResult }).meta({ id: "DoneEvent" }),
  z.object({ type: z.literal("error"), ...place, error: z.string(), message: z.string() }).meta({ id: "ErrorEvent" }),
]).meta({ id: "SendEvent" });
export type SendEvent = z.output<typeof SendEvent>;

const message = z.string().min(1).max(MESSAGE_CHARS_MAX);
const sendErrors = ["session_not_found", "session_not_active", "anthropic_not_configured", "model_failed", "run_limit_reached", "idempotency_key_invalid", "idempotency_conflict"] as const;

export const send = operation({
  name: "sessions.send",
  field: "send",
  summary: "Say what you want; the agent calls the tools and answers.",
  effect: "moves_money",
  scope: "tools:execute",
  route: "POST /sessions/{session_id}/send",
  input: z.object({ session_id: z.string(), message }),
  output: SendResult,
  errors: sendErrors,
  examples: [{ input: { session_id: sessionId, message: sentence }, output: result }],
});

export const sendStream = subscription({
  name: "sessions.sendStream",
  field: "send",
  summary: "The same as send, with every event as it happens.",
  effect: "moves_money",
  scope: "tools:execute",
  route: "POST /sessions/{session_id}/send/stream",
  input: z.object({
    session_id: z.string(),
    message,
    after: z.string().optional().describe("A cursor of an earlier stream: attaches to that run instead of starting one."),
  }),
  output: SendEvent,
  errors: [...sendErrors, "cursor_invalid"],
  examples: [{ input: { session_id: sessionId, message: sentence }, items: events }],
});
