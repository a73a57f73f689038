/**
 * Which session an MCP request works in. An MCP client idles for hours and never closes, so a session that has ended is
 * followed by a successor for the same user instead of an error (contradiction C-62).
 */
import { Failure } from "../../../schema/failures.ts";
import { PAGE_LIMIT_MAX, type Wire } from "../../../schema/operation.ts";
import type { Session } from "../../../schema/sessions.ts";
import type { CallerContext, Door } from "../../door.ts";

/** Whose session `/mcp` works in. */
export const MCP_USER = "mcp-user";
/** Marks in a session's metadata by which it is found again. */
const OPENED_BY = "opened_by";
const SUCCESSOR_OF = "successor_of";

export interface McpSession {
  /** Throws the Failure that a call in the session would meet, before anything is called. */
  check(): Promise<void>;
  /**
   * Runs in the session, and once more in its successor where it has ended. Safe for calls that move money: one that is
   * refused for its session has done nothing.
   */
  run<Result>(task: (sessionId: string) => Promise<Result>): Promise<Result>;
}

/** The session of `/v1/sessions/{id}/mcp`. */
export function namedSession(door: Door, caller: CallerContext, sessionId: string): McpSession {
  const get = () => door.call("sessions.get", { session_id: sessionId }, caller);
  const succeed = async () => {
    const { user_id, servers, metadata } = await get();
    const wanted = { user_id, servers, metadata: { ...metadata, [SUCCESSOR_OF]: sessionId } };
    return findOrOpen(door, caller, wanted, SUCCESSOR_OF);
  };
  return { check: async () => void (await get()), run: (task) => runOrSucceed(task, sessionId, succeed) };
}

/** The session of `/mcp`: found or opened. */
export function anySession(door: Door, caller: CallerContext): McpSession {
  const wanted = { user_id: MCP_USER, servers: [], metadata: { [OPENED_BY]: "/mcp" } };
  const find = () => findOrOpen(door, caller, wanted, OPENED_BY);
  return { check: async () => void (await find()), run: async (task) => runOrSucceed(task, await find(), find) };
}

async function runOrSucceed<Result>(
  task: (sessionId: string) => Promise<Result>,
  sessionId: string,
  succeed: () => Promise<string>,
): Promise<Result> {
  try {
    return await task(sessionId);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== "session_not_active") throw error;
    return task(await succeed());
  }
}

type Wanted = Pick<Wire<typeof Session>, "user_id" | "servers"> & { metadata: Record<string, string> };

/** The user's newest active session with this mark, else a new one. Two askers at once may open two; either serves. */
async function findOrOpen(door: Door, caller: CallerContext, wanted: Wanted, mark: string): Promise<string> {
  const { user_id, metadata } = wanted;
  const { sessions } = await door.call("sessions.list", { user_id, status: "active", limit: PAGE_LIMIT_MAX }, caller);
  const found = sessions.find((session) => session.metadata?.[mark] === metadata[mark]);
  return (found ?? (await door.call("sessions.create", wanted, caller))).id;
}
