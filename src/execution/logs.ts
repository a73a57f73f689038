/** Tool calls as a log: of a session in pages, of a whole project as a stream. */
import { and, desc, eq, inArray, lt, sql } from "drizzle-orm";
import type { LogEntry, sessionLogs as logsOperation, watchLogs as watchOperation, WatchedLogEntry } from "../../schema/logs.ts";
import type { Domain } from "../../schema/operation.ts";
import type { Principal } from "../access/keys.ts";
import type { Streamed } from "../door.ts";
import { followChanges, type Followed } from "../events/follow.ts";
import type { Change } from "../events/hub.ts";
import { cursorId, page } from "../pages.ts";
import type { Platform } from "../platform.ts";
import { getSession } from "../sessions/sessions.ts";
import { canonicalName } from "./resolve.ts";
import { findToolCall, type ToolCallRow } from "./rows.ts";
import { toolCalls } from "./tables.ts";

/** Throws session_not_found. */
export async function sessionLogs(
  platform: Platform,
  principal: Principal,
  { session_id: sessionId, limit, before }: Domain<(typeof logsOperation)["input"]>,
): Promise<Domain<(typeof logsOperation)["output"]>> {
  const cursor = cursorId("toolCall", before);
  await getSession(platform, principal, sessionId);
  const { rows, next_before } = page(await readLog(platform, { projectId: principal.projectId, sessionId, cursor }, limit + 1), limit);
  return { logs: rows.map(toEntry), next_before };
}

type Filter = Pick<Domain<(typeof watchOperation)["input"]>, "server" | "status" | "tool">;

/** Some earlier lines, or what was written behind `after`; then each call when it begins and when it ends. Throws cursor_invalid. */
export async function watchLogs(
  platform: Platform,
  principal: Principal,
  { after, ...asked }: Domain<(typeof watchOperation)["input"]>,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Streamed<WatchedLogEntry>>> {
  const followed = await followChanges(platform.hub, { projectId: principal.projectId, topic: "tool_call" }, after, signal);
  return lines(platform, principal, followed, { ...asked, ...(after !== undefined && { limit: 0 }) });
}

async function* lines(
  platform: Platform, { projectId }: Principal, followed: Followed, { limit, ...filter }: Filter & { limit: number },
): AsyncGenerator<Streamed<WatchedLogEntry>> {
  const told = new ToldCalls();
  const newsOf = async (change: Change) => {
    const row = await findToolCall(platform, projectId, change.subject);
    return tellsOf(row, change) && told.isNews(row) && fits(row, filter) ? [lineOf(row, change.cursor)] : [];
  };
  try {
    const backfill = limit === 0 ? [] : await readLog(platform, { projectId, ...filter }, limit);
    for (const row of backfill.toReversed()) if (told.isNews(row)) yield lineOf(row, followed.start);
    for await (const change of followed.past()) yield* await newsOf(change);
    for await (const change of followed.live()) yield* await newsOf(change);
  } finally {
    await followed.close();
  }
}

/** Of how many calls a watch remembers what it has said. */
const REMEMBERED_MAX = 1_000;

/** What a watch has said of each call, so that a change between listening and reading the earlier lines is not told twice. */
class ToldCalls {
  readonly #statuses = new Map<string, ToolCallRow["status"]>();

  isNews({ id, status }: Pick<ToolCallRow, "id" | "status">): boolean {
    if (this.#statuses.get(id) === status) return false;
    this.#statuses.set(id, status);
    if (this.#statuses.size > REMEMBERED_MAX) this.#statuses.delete(this.#statuses.keys().next().value!);
    return true;
  }
}

/**
 * Whether a change brought a call to where it is now: settlement changes no line, and of two changes that are read late only the
 * second is told, so that a reader who resumes behind the first is not told twice.
 */
function tellsOf(row: Pick<ToolCallRow, "outcome">, { data }: Change): boolean {
  return data?.state === undefined && (data?.outcome ?? null) === row.outcome;
}

async function readLog(
  { db }: Pick<Platform, "db">,
  { projectId, sessionId, cursor, server, status, tool }: Filter & { projectId: string; sessionId?: string; cursor?: string | undefined },
  limit: number,
): Promise<ToolCallRow[]> {
  return db.orm.select().from(toolCalls)
    .where(and(
      eq(toolCalls.projectId, projectId),
      sessionId === undefined ? undefined : eq(toolCalls.sessionId, sessionId),
      cursor === undefined ? undefined : lt(toolCalls.id, cursor),
      server === undefined ? undefined : sql`coalesce(${toolCalls.provider}, ${toolCalls.serverId}) = ${server}`,
      status === undefined ? undefined : eq(toolCalls.status, status),
      tool === undefined ? undefined : inArray(toolCalls.toolName, spellings(tool)),
    ))
    .orderBy(desc(toolCalls.id)).limit(limit);
}

const fits = (row: ToolCallRow, { server, status, tool }: Filter): boolean =>
  (server === undefined || serverOf(row) === server) && (status === undefined || row.status === status) && (tool === undefined || spellings(tool).includes(row.toolName));

/** A row has the name that its caller wrote. */
const spellings = (tool: string): string[] => [canonicalName(tool), canonicalName(tool).replace("/", "__")];

const serverOf = ({ provider, serverId }: ToolCallRow): string => provider ?? serverId;

const lineOf = (row: ToolCallRow, cursor: string): Streamed<WatchedLogEntry> => ({ id: cursor, item: { ...toEntry(row), cursor } });

function toEntry(row: ToolCallRow): LogEntry {
  const error = row.error?.message ?? row.errorCode;
  return {
    id: row.id, session_id: row.sessionId, tool: row.toolName, server: serverOf(row), status: row.status, called_at: row.calledAt,
    ...(row.durationMs !== null && { duration_ms: row.durationMs }), ...(error !== null && { error }),
  };
}
