/** Tool calls as their readers see them: the row as a `ToolCall`, and as the answer of the call that made it. */
import { and, desc, eq, gte, lt } from "drizzle-orm";
import { Failure, type FailureCode, type Retry } from "../../schema/failures.ts";
import { idPattern } from "../../schema/ids.ts";
import { isObject } from "../../schema/meta-tools/meta-tool.ts";
import type { Domain } from "../../schema/operation.ts";
import { type listToolCalls as listOperation, mirroredKeys, type ToolCall, type ToolResult } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import { columnsOf } from "../db/columns.ts";
import { cursorId, page } from "../pages.ts";
import type { Platform } from "../platform.ts";
import { toolCalls } from "./tables.ts";

export type ToolCallRow = typeof toolCalls.$inferSelect;

/** What of a row its answer is made of. */
export type AnsweredRow = Pick<
  ToolCallRow,
  "id" | "toolName" | "serverId" | "provider" | "rail" | "status" | "outcome" | "output" | "error" | "durationMs" | "calledAt" | "idempotencyKey"
>;

const columns = columnsOf(toolCalls);

/** A call of this project; throws invalid_tool_call_id or tool_call_not_found (another project's too). */
export async function findToolCall({ db }: Pick<Platform, "db">, projectId: string, id: string): Promise<ToolCallRow> {
  if (!idPattern("toolCall").test(id)) throw new Failure("invalid_tool_call_id", { field: "tool_call_id", toolCallId: id });
  const [row] = await db.sql<ToolCallRow[]>`select ${db.sql.unsafe(columns)} from tool_calls where project_id = ${projectId} and id = ${id}`;
  if (!row) throw new Failure("tool_call_not_found", { field: "tool_call_id", toolCallId: id });
  return row;
}

export async function listToolCalls(
  { db }: Pick<Platform, "db">,
  principal: Principal,
  { session_id, tool, provider, status, since, limit, before }: Domain<(typeof listOperation)["input"]>,
): Promise<{ tool_calls: ToolCall[]; next_before: string | null }> {
  const cursor = cursorId("toolCall", before);
  const found = await db.orm.select().from(toolCalls)
    .where(and(
      eq(toolCalls.projectId, principal.projectId),
      session_id === undefined ? undefined : eq(toolCalls.sessionId, session_id),
      tool === undefined ? undefined : eq(toolCalls.toolName, tool),
      provider === undefined ? undefined : eq(toolCalls.provider, provider),
      status === undefined ? undefined : eq(toolCalls.status, status),
      since === undefined ? undefined : gte(toolCalls.calledAt, since),
      cursor === undefined ? undefined : lt(toolCalls.id, cursor),
    ))
    .orderBy(desc(toolCalls.id)).limit(limit + 1);
  const { rows, next_before } = page(found, limit);
  return { tool_calls: rows.map(toToolCall), next_before };
}

export const toToolCall = (row: ToolCallRow): ToolCall => ({
  id: row.id, session_id: row.sessionId, run_id: row.runId, origin: row.origin, environment: row.environment, tool_name: row.toolName,
  server_id: row.serverId, provider: row.provider, rail: row.rail, status: row.status, outcome: row.outcome, state: row.state,
  amount_minor: row.amountMinor, currency: row.currency, idempotency_key: row.idempotencyKey, external_reference: row.externalReference,
  input: row.input, output: row.output ?? null, error_code: row.errorCode, error_message: row.error?.message ?? null,
  routing: row.routing, failover_trail: row.failoverTrail, metadata: row.metadata, duration_ms: row.durationMs,
  called_at: row.calledAt, finished_at: row.finishedAt,
});

/** The answer of a call, from its row: the first time and at every replay alike. */
export function toToolResult(row: AnsweredRow, replayed = false): ToolResult {
  const envelope = {
    duration: row.durationMs ?? 0, server: row.provider ?? row.serverId, tool: row.toolName, provider: row.provider, tool_call_id: row.id,
    called_at: row.calledAt, ...(row.status === "running" ? { outcome: "unknown" as const } : row.outcome && { outcome: row.outcome }), ...(replayed && { replayed }),
  };
  if (row.status === "error") {
    const { code = "internal", message = "", field, expected, retry } = row.error ?? {};
    return {
      success: false, data: row.output ?? null, error: code === "tool_not_registered" ? message : `${code}: ${message}`, code,
      ...(field !== undefined && { field }), ...(expected !== undefined && { expected }), retry: retry as Retry, ...envelope,
    };
  }
  const data = row.status === "running" ? uncertain(row) : row.output;
  return { success: true, data, error: null, ...(row.serverId === MOCKED ? {} : mirrored(data)), ...envelope };
}

/** The failure that a call ended in, in the words that were written down then. */
export function failureOf({ error }: Pick<AnsweredRow, "error">): Failure {
  const { code = "internal", message, field, expected } = error ?? {};
  const failure = new Failure(code as FailureCode, { ...(field !== undefined && { field }), ...(expected !== undefined && { expected }) } as never);
  return message === undefined ? failure : Object.assign(failure, { message });
}

/** The server id of a mocked call: its payload is the caller's own and is never touched. */
export const MOCKED = "mock";

/** An uncertain dispatch is pending, never failed; the caller follows it instead of sending it again. */
const uncertain = (row: AnsweredRow) => ({
  ...(isObject(row.output) ? row.output : {}),
  tool_call_id: row.id, idempotency_key: row.idempotencyKey, status: "pending", outcome: "unknown", provider: row.provider, rail: row.rail,
  message: new Failure("outcome_unknown", { provider: row.provider ?? "The provider", toolCallId: row.id }).message,
});

const mirrored = (data: unknown): Record<string, unknown> =>
  isObject(data) ? Object.fromEntries(mirroredKeys.filter((key) => isScalar(data[key])).map((key) => [key, data[key]])) : {};

const isScalar = (value: unknown): boolean => ["string", "number", "boolean"].includes(typeof value);
