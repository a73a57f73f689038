/** Tool calls as a log: one line each, in the words of the released command line. */
import { z } from "zod";
import { earlierCallId, sessionId } from "./examples/cast.ts";
import { logEntry } from "./examples/sessions.ts";
import { operation, pageInput, subscription, Timestamp } from "./operation.ts";
import { ToolCallStatus } from "./tool-calls.ts";

/** What a line cannot say yet is left out: the released command line prints what it finds. */
export const LogEntry = z.object({
  id: z.string(),
  session_id: z.string(),
  tool: z.string(),
  server: z.string().describe("The provider that took it, else the server the tool is of."),
  status: ToolCallStatus,
  duration_ms: z.int().optional(),
  called_at: Timestamp,
  error: z.string().optional(),
}).meta({ id: "LogEntry" });
export type LogEntry = z.output<typeof LogEntry>;

export const sessionLogs = operation({
  name: "sessions.logs",
  field: "sessionLogs",
  summary: "The log of a session, newest first.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /sessions/{session_id}/logs",
  input: z.object({ session_id: z.string(), ...pageInput }),
  output: z.object({ logs: z.array(LogEntry), next_before: z.string().nullable() }).meta({ id: "LogPage" }),
  errors: ["session_not_found", "cursor_invalid"],
  examples: [{ input: { session_id: sessionId, limit: 20, before: earlierCallId }, output: { logs: [logEntry], next_before: null } }],
});

/** How many earlier lines a watch may begin with, and how many it begins with unless told. */
export const BACKFILL_MAX = 100;
const BACKFILL_DEFAULT = 10;

export const WatchedLogEntry = LogEntry.extend({ cursor: z.string().describe("Give it as `after` to resume behind this line.") }).meta({ id: "WatchedLogEntry" });
export type WatchedLogEntry = z.output<typeof WatchedLogEntry>;

export const watchLogs = subscription({
  name: "logs.watch",
  field: "logs",
  summary: "The log of the whole project as it is written: some earlier lines, oldest first, then each call when it begins and when it ends.",
  effect: "reads",
  scope: "tool-calls:read",
  route: "GET /logs/stream",
  input: z.object({
    server: z.string().max(64).optional(),
    status: ToolCallStatus.optional(),
    tool: z.string().max(200).optional(),
    limit: z.coerce.number<number | string>().int().min(0).max(BACKFILL_MAX).default(BACKFILL_DEFAULT).describe("How many earlier lines to begin with."),
    after: z.string().optional().describe("A cursor of an earlier stream: what was written behind it is told instead of earlier lines."),
  }),
  output: WatchedLogEntry,
  errors: ["cursor_invalid"],
  examples: [{ input: { server: "asaas", status: "success", tool: "codespar_charge", limit: 10, after: "7412.91" }, items: [{ ...logEntry, cursor: "7413.2" }] }],
});
