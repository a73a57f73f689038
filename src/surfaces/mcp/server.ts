/**
 * MCP over Streamable HTTP, in both protocol eras and without state: each request is served by itself, in the session
 * its URL names. Tools are the session's own, and every call goes through the door.
 */
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  originValidationResponse,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type CallToolResult,
  type ListToolsResult,
} from "@modelcontextprotocol/server";
import { asFailure, Failure, failureBody } from "../../../schema/failures.ts";
import type { CallerContext, Door } from "../../door.ts";
import { parseJson } from "../rest/body.ts";
import { CONTRACT_VERSION } from "../rest/openapi.ts";
import { callerOf, type Inbound, type Log } from "../rest/request.ts";
import { anySession, namedSession, type McpSession } from "./sessions.ts";
import { toMcpFailure, toMcpResult, toMcpTool } from "./tools.ts";

export interface McpOptions {
  door: Door;
  log: Log;
  /** Host names under which browsers may reach us, beside localhost. */
  trustedHosts?: readonly string[] | undefined;
}

export interface Mcp {
  /**
   * Answers a request at an MCP route.
   *
   * sessionId  of the route; absent at `/mcp`
   * throws     Failure
   */
  handle(inbound: Inbound, sessionId: string | undefined): Promise<Response>;
  /** Ends every stream. */
  close(): Promise<void>;
}

/** What one request brings to the handlers. */
interface Call {
  door: Door;
  log: Log;
  caller: CallerContext;
  session: McpSession;
}

export function createMcp({ door, log, trustedHosts = [] }: McpOptions): Mcp {
  const hosts = [...localhostAllowedHostnames(), ...trustedHosts];
  const handler = createMcpHandler(({ authInfo }) => serve(authInfo?.extra?.["call"] as Call), {
    onerror: (error) => log.debug({ err: error }, "an MCP request was refused"),
  });
  return {
    handle: async (inbound, sessionId) => {
      const { request } = inbound;
      const refusal = hostHeaderValidationResponse(request, hosts) ?? originValidationResponse(request, hosts);
      if (refusal) return refusal;
      const caller = callerOf(request, "mcp");
      if (!caller.credential) throw new Failure("unauthorized", { problem: "MCP needs a key." });
      const session = sessionId === undefined ? anySession(door, caller) : namedSession(door, caller, sessionId);
      const parsedBody = parseJson(inbound.body);
      if (opensConnection(parsedBody)) await session.check();
      const call: Call = { door, log, caller, session };
      const authInfo = { token: caller.credential, clientId: "", scopes: [], extra: { call } };
      return handler.fetch(request, { authInfo, parsedBody });
    },
    close: () => handler.close(),
  };
}

/** The first message of a client, in either era. A bad key or session is told here, by the status it has in REST. */
const opensConnection = (message: unknown): boolean =>
  typeof message === "object" && message !== null && "method" in message &&
  (message.method === "initialize" || message.method === "server/discover");

const INSTRUCTIONS = "Tools that move money answer at once with a tool_call_id; settlement follows by itself. " +
  "An error names the argument at fault and whether a repeat is safe: never repeat a call whose outcome is unknown.";

function serve(call: Call): Server {
  const server = new Server(
    { name: "codespar-server", version: CONTRACT_VERSION },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  );
  server.setRequestHandler("tools/list", () => listTools(call));
  server.setRequestHandler("tools/call", ({ params: { name, arguments: input = {} } }, { mcpReq }) =>
    callTool(call, { tool: name, input, signal: mcpReq.signal }));
  return server;
}

async function listTools({ door, caller, session }: Call): Promise<ListToolsResult> {
  try {
    const { tools } = await session.run((session_id) => door.call("sessions.connections", { session_id }, caller));
    return { tools: tools.map(toMcpTool) };
  } catch (error) {
    const failure = asFailure(error);
    throw new ProtocolError(ProtocolErrorCode.InternalError, failure.message, failureBody(failure, caller.requestId));
  }
}

async function callTool(
  { door, log, caller, session }: Call,
  { tool, input, signal }: { tool: string; input: Record<string, unknown>; signal: AbortSignal },
): Promise<CallToolResult> {
  const context = { ...caller, signal };
  const execute = (session_id: string) => door.call("tools.execute", { session_id, tool, input }, context);
  try {
    return toMcpResult(await session.run(execute));
  } catch (error) {
    const failure = asFailure(error);
    if (failure !== error) log.error({ err: error, request_id: caller.requestId }, "a surface failed");
    return toMcpFailure(failure, caller.requestId);
  }
}
