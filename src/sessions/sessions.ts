/** Sessions: opened, listed, closed, and ended by themselves after idle time. */
import { and, desc, eq, lt, sql } from "drizzle-orm";
import { Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import type { Domain } from "../../schema/operation.ts";
import { SESSION_IDLE_MS, type createSession as createSessionOperation, type listSessions as listSessionsOperation, type Session } from "../../schema/sessions.ts";
import type { Principal } from "../access/keys.ts";
import { transaction } from "../db/connect.ts";
import { columnsOf } from "../db/columns.ts";
import { orderedJson } from "../json.ts";
import { cursorId, page } from "../pages.ts";
import type { Platform } from "../platform.ts";
import { knownServer } from "../rails/catalog.ts";
import { parseMocks } from "./mocks.ts";
import { sessions } from "./tables.ts";

export type SessionRow = typeof sessions.$inferSelect;

const columns = columnsOf(sessions);

export async function createSession(
  platform: Platform,
  principal: Principal,
  input: Domain<(typeof createSessionOperation)["input"]>,
): Promise<Session> {
  const { db, clock } = platform;
  const mocks = parseMocks(input.mocks, principal.environment);
  const unknown = input.servers.filter((server) => !knownServer(platform, server));
  if (unknown.length > 0) throw new Failure("unknown_servers", { field: "servers", unknown });
  const now = clock.now();
  const row: SessionRow = {
    orgId: principal.orgId, projectId: principal.projectId, id: newId("session", now), userId: input.user_id,
    environment: principal.environment, servers: [...new Set(input.servers)], strictServers: input.strict_servers, status: "active", metadata: input.metadata ?? null, mocks,
    createdAt: now, lastActiveAt: now, closedAt: null, closeReason: null,
  };
  await db.sql`
    insert into sessions (org_id, project_id, id, user_id, environment, servers, strict_servers, status, metadata, mocks, created_at, last_active_at)
    values (${row.orgId}, ${row.projectId}, ${row.id}, ${row.userId}, ${row.environment}, ${row.servers}, ${row.strictServers}, 'active',
            ${row.metadata && db.sql.json(row.metadata)}, ${mocks && orderedJson(db.sql, mocks)}, ${now}, ${now})`;
  return toSession(row, 0, now);
}

/** The session as its caller sees it; one past its idle time is closed by the asking. */
export async function getSession(platform: Platform, principal: Principal, id: string): Promise<Session> {
  const { row, calls } = await findSession(platform, principal, id);
  return toSession(row, calls, platform.clock.now());
}

export async function listSessions(
  { db, clock }: Platform,
  principal: Principal,
  { status, user_id, limit, before }: Domain<(typeof listSessionsOperation)["input"]>,
): Promise<{ sessions: Session[]; next_before: string | null }> {
  const cursor = cursorId("session", before);
  const idleSince = new Date(clock.now().getTime() - SESSION_IDLE_MS);
  const stillActive = sql<boolean>`(${sessions.status} = 'active' and ${sessions.lastActiveAt} > ${idleSince.toISOString()}::timestamptz)`;
  const rows = await db.orm.select({ row: sessions, calls: callCount }).from(sessions)
    .where(and(
      eq(sessions.projectId, principal.projectId),
      user_id === undefined ? undefined : eq(sessions.userId, user_id),
      status === "active" ? stillActive : status && sql`not ${stillActive} and ${status} = case when ${sessions.status} = 'error' then 'error' else 'closed' end`,
      cursor === undefined ? undefined : lt(sessions.id, cursor),
    ))
    .orderBy(desc(sessions.id)).limit(limit + 1);
  const { rows: kept, next_before } = page(rows.map(({ row, calls }) => ({ id: row.id, row, calls })), limit);
  return { sessions: kept.map(({ row, calls }) => toSession(row, calls, clock.now())), next_before };
}

export async function closeSession(platform: Platform, principal: Principal, id: string): Promise<Session> {
  await findSession(platform, principal, id);
  await end(platform, principal.projectId, id, "closed_by_caller");
  return getSession(platform, principal, id);
}

/**
 * The session a call is made in, marked as active now.
 *
 * throws  session_not_found (another project's too), session_not_active once closed or idle for too long
 */
export async function activeSession(platform: Platform, principal: Principal, id: string): Promise<SessionRow> {
  const { db, clock } = platform;
  const now = clock.now();
  const idleSince = new Date(now.getTime() - SESSION_IDLE_MS);
  const touched = await db.sql<{ user_id: string; servers: string[]; strict_servers: boolean; metadata: Record<string, string> | null; mocks: SessionRow["mocks"]; created_at: Date }[]>`
    update sessions set last_active_at = ${now}
    where project_id = ${principal.projectId} and id = ${id} and status = 'active' and last_active_at > ${idleSince}
    returning user_id, servers, strict_servers, metadata, mocks, created_at`;
  const [row] = touched;
  if (row)
    return {
      orgId: principal.orgId, projectId: principal.projectId, id, userId: row.user_id, environment: principal.environment,
      servers: row.servers, strictServers: row.strict_servers, status: "active", metadata: row.metadata, mocks: row.mocks, createdAt: row.created_at,
      lastActiveAt: now, closedAt: null, closeReason: null,
    };
  const { row: ended } = await findSession(platform, principal, id);
  throw new Failure("session_not_active", { sessionId: id, reason: ended.closeReason ?? "idle_timeout" });
}

/** Closes every session that has been idle for too long, in batches; any process may run it at any time. */
export async function closeIdleSessions(platform: Platform): Promise<number> {
  const { db, clock } = platform;
  const idleSince = new Date(clock.now().getTime() - SESSION_IDLE_MS);
  const idle = await db.sql<{ project_id: string; id: string }[]>`
    select project_id, id from sessions where status = 'active' and last_active_at <= ${idleSince} limit ${REAP_MAX}`;
  for (const { project_id, id } of idle) await end(platform, project_id, id, "idle_timeout");
  return idle.length;
}

const REAP_MAX = 200;

/** Spelled out because drizzle drops table names in a select of one table, and the inner `project_id` would mean itself. */
const callCount = sql<number>`(select count(*)::int from tool_calls c where c.project_id = sessions.project_id and c.session_id = sessions.id)`;

async function findSession(platform: Platform, principal: Principal, id: string): Promise<{ row: SessionRow; calls: number }> {
  const { db } = platform;
  const [read] = await db.sql<(SessionRow & { calls: number })[]>`
    select ${db.sql.unsafe(columns)}, (select count(*)::int from tool_calls c where c.project_id = sessions.project_id and c.session_id = sessions.id) as calls
    from sessions where project_id = ${principal.projectId} and id = ${id}`;
  const found = read && { row: read, calls: read.calls };
  if (!found) throw new Failure("session_not_found", { field: "session_id", sessionId: id });
  if (!isIdle(found.row, platform.clock.now())) return found;
  await end(platform, principal.projectId, id, "idle_timeout");
  return { ...found, row: { ...found.row, status: "closed", closeReason: "idle_timeout", closedAt: idleUntil(found.row) } };
}

/** Ends a session once, and tells whoever watches it. One that idled out ended when its idle time did. */
async function end({ db, clock, hub }: Platform, projectId: string, id: string, reason: string): Promise<void> {
  const now = clock.now();
  await transaction(db, async (tx) => {
    const [row] = await tx<{ org_id: string }[]>`
      update sessions set status = 'closed', close_reason = ${reason},
        closed_at = ${reason === "idle_timeout" ? tx`last_active_at + ${SESSION_IDLE_MS} * interval '1 millisecond'` : now}
      where project_id = ${projectId} and id = ${id} and status = 'active' returning org_id`;
    if (row) await hub.record(tx, { orgId: row.org_id, projectId, topic: "session", subject: id, sessionId: id, data: { status: "closed" }, at: now });
  });
  hub.wake();
}

const idleUntil = (row: SessionRow): Date => new Date(row.lastActiveAt.getTime() + SESSION_IDLE_MS);
const isIdle = (row: SessionRow, now: Date): boolean => row.status === "active" && idleUntil(row) <= now;

function toSession(row: SessionRow, calls: number, now: Date): Session {
  const idle = isIdle(row, now);
  return {
    id: row.id, org_id: row.orgId, project_id: row.projectId, environment: row.environment, user_id: row.userId, servers: row.servers,
    strict_servers: row.strictServers,    status: idle ? "closed" : row.status, metadata: row.metadata, tool_call_count: calls, created_at: row.createdAt,
    expires_at: !idle && row.status === "active" ? idleUntil(row) : null,
    closed_at: idle ? idleUntil(row) : row.closedAt,
    close_reason: idle ? "idle_timeout" : row.closeReason,
  };
}
