/** The tool calls of a session as a stream: each as it is now, then each again whenever it changes, until the session closes. */
import { Failure } from "../../schema/failures.ts";
import { PAGE_LIMIT_MAX } from "../../schema/operation.ts";
import type { ToolCall } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import type { Streamed } from "../door.ts";
import type { Change } from "../events/hub.ts";
import type { Platform } from "../platform.ts";
import { getSession } from "../sessions/sessions.ts";
import { findToolCall, listToolCalls, toToolCall } from "./rows.ts";

type Item = Streamed<{ cursor: string; tool_call: ToolCall }>;

/** Throws session_not_found, and cursor_invalid for an `after` that no stream gave out. */
export async function watchToolCalls(
  platform: Platform,
  principal: Principal,
  { session_id: sessionId, after }: { session_id: string; after?: string | undefined },
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Item>> {
  const session = await getSession(platform, principal, sessionId);
  const filter = { projectId: principal.projectId, sessionId };
  // Listening begins before the present is read, so that no change falls between the two.
  const changes = platform.hub.listen(filter, signal);
  try {
    const start = after ?? (await platform.hub.head());
    const past = after === undefined ? undefined : await changesSince(platform, filter, after);
    return follow(platform, principal, { filter, closed: session.status !== "active", start, past, changes });
  } catch (error) {
    await changes.return?.();
    throw error;
  }
}

interface Watch {
  filter: { projectId: string; sessionId: string };
  closed: boolean;
  start: string;
  /** The first changes behind `after`; undefined for a watch that begins with the present. */
  past: Change[] | undefined;
  changes: AsyncIterableIterator<Change>;
}

async function* follow(platform: Platform, principal: Principal, { filter, closed, start, past, changes }: Watch): AsyncGenerator<Item> {
  try {
    let position = start;
    if (past === undefined) {
      const { tool_calls } = await listToolCalls(platform, principal, { session_id: filter.sessionId, limit: PAGE_LIMIT_MAX });
      for (const call of tool_calls.toReversed()) yield { id: start, item: { cursor: start, tool_call: call } };
    }
    // The outbox is read a part at a time: to its end, before what is heard live is told.
    for (let part = past ?? []; part.length > 0; part = await platform.hub.since(filter, position))
      for (const change of part) {
        position = change.cursor;
        if (change.topic === "tool_call") yield await itemOf(platform, principal, change);
      }
    if (closed) return;
    for await (const change of changes) {
      if (!isBehind(change.cursor, position)) continue;
      if (change.topic === "tool_call") yield await itemOf(platform, principal, change);
      if (change.topic === "session") return;
    }
  } finally {
    await changes.return?.();
  }
}

async function itemOf(platform: Platform, { projectId }: Principal, { cursor, subject }: Change): Promise<Item> {
  return { id: cursor, item: { cursor, tool_call: toToolCall(await findToolCall(platform, projectId, subject)) } };
}

async function changesSince(platform: Platform, filter: { projectId: string; sessionId: string }, after: string): Promise<Change[]> {
  try {
    return await platform.hub.since(filter, after);
  } catch (error) {
    if (error instanceof RangeError) throw new Failure("cursor_invalid", { field: "after" });
    throw error;
  }
}

/** Whether `cursor` comes after `position` in the outbox. */
function isBehind(cursor: string, position: string): boolean {
  const [a, b] = [cursor, position].map((text) => text.split(".").map(BigInt) as [bigint, bigint]) as [[bigint, bigint], [bigint, bigint]];
  return a[0] === b[0] ? a[1] > b[1] : a[0] > b[0];
}
