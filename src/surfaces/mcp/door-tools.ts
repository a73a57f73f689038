/** The tools of a session in this process: listed and called through the door, like everybody's. */
import { ProtocolError, ProtocolErrorCode, type CallToolResult, type ListToolsResult } from "@modelcontextprotocol/server";
import type { Clock } from "../../../schema/clock.ts";
import { asFailure, failureBody } from "../../../schema/failures.ts";
import type { CallerContext, Door } from "../../door.ts";
import type { Log } from "../rest/request.ts";
import type { Report, ToolSource, ToolUse } from "./protocol.ts";
import type { McpSession } from "./sessions.ts";
import { toMcpFailure, toMcpResult, toMcpTool } from "./tools.ts";

/** What serves a client's requests. */
export interface DoorTools {
  door: Door;
  log: Log;
  clock: Clock;
  caller: CallerContext;
  session: McpSession;
}

/** Between two words to a client that waits: well within the minute after which clients give up. */
const PROGRESS_EVERY_MS = 3_000;

/** What a model should know of every one of them. */
export const INSTRUCTIONS = "Tools that move money answer at once with a tool_call_id; settlement follows by itself. " +
  "An error names the argument at fault and whether a repeat is safe: never repeat a call whose outcome is unknown.";

export const doorTools = (from: DoorTools): ToolSource => ({
  instructions: INSTRUCTIONS,
  list: () => listTools(from),
  call: (use) => whileReporting(use, from.clock, callTool(from, use)),
});

async function listTools({ door, caller, session }: DoorTools): Promise<ListToolsResult> {
  try {
    const { tools } = await session.run((session_id) => door.call("sessions.connections", { session_id }, caller));
    return { tools: tools.map(toMcpTool) };
  } catch (error) {
    const failure = asFailure(error);
    throw new ProtocolError(ProtocolErrorCode.InternalError, failure.message, failureBody(failure, caller.requestId));
  }
}

async function callTool({ door, log, caller, session }: DoorTools, { name: tool, input, signal }: ToolUse): Promise<CallToolResult> {
  const context = { ...caller, signal };
  try {
    return toMcpResult(await session.run((session_id) => door.call("tools.execute", { session_id, tool, input }, context)));
  } catch (error) {
    const failure = asFailure(error);
    if (failure !== error) log.error({ err: error, request_id: caller.requestId }, "a surface failed");
    return toMcpFailure(failure, caller.requestId);
  }
}

/** The answer; until it is there, a client that asked is told at once and every few seconds that its call is under way. */
async function whileReporting({ name, signal, report }: ToolUse, clock: Clock, answer: Promise<CallToolResult>): Promise<CallToolResult> {
  if (!report) return answer;
  const answered = new AbortController();
  void reportUntil(AbortSignal.any([answered.signal, signal]), { name, clock, report });
  return answer.finally(() => answered.abort());
}

async function reportUntil(over: AbortSignal, { name, clock, report }: { name: string; clock: Clock; report: Report }): Promise<void> {
  for (let seconds = 0; !over.aborted; seconds += PROGRESS_EVERY_MS / 1000) {
    await report({ progress: seconds, message: seconds === 0 ? `${name} has begun.` : `${name} is under way for ${seconds} s.` });
    await clock.sleep(PROGRESS_EVERY_MS, over);
  }
}
