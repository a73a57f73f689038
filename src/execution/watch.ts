/** The tool calls of a session as a stream: each as it is now, then each again whenever it changes, until the session closes. */
import { PAGE_LIMIT_MAX } from "../../schema/operation.ts";
import type { ToolCall } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import type { Streamed } from "../door.ts";
import { followChanges, type Followed } from "../events/follow.ts";
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
  const followed = await followChanges(platform.hub, { projectId: principal.projectId, sessionId }, after, signal);
  return items(platform, principal, { sessionId, isClosed: session.status !== "active", isResumed: after !== undefined, followed });
}

interface Watch {
  sessionId: string;
  isClosed: boolean;
  /** A resumed watch does not begin with the calls as they are: its reader has them. */
  isResumed: boolean;
  followed: Followed;
}

async function* items(platform: Platform, principal: Principal, { sessionId, isClosed, isResumed, followed }: Watch): AsyncGenerator<Item> {
  const { start } = followed;
  try {
    if (!isResumed) {
      const { tool_calls } = await listToolCalls(platform, principal, { session_id: sessionId, limit: PAGE_LIMIT_MAX });
      for (const call of tool_calls.toReversed()) yield { id: start, item: { cursor: start, tool_call: call } };
    }
    for await (const change of followed.past()) if (change.topic === "tool_call") yield await itemOf(platform, principal, change);
    if (isClosed) return;
    for await (const change of followed.live()) {
      if (change.topic === "tool_call") yield await itemOf(platform, principal, change);
      if (change.topic === "session") return;
    }
  } finally {
    await followed.close();
  }
}

async function itemOf(platform: Platform, { projectId }: Principal, { cursor, subject }: Change): Promise<Item> {
  return { id: cursor, item: { cursor, tool_call: toToolCall(await findToolCall(platform, projectId, subject)) } };
}
