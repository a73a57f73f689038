/**
 * MCP over Streamable HTTP, in both protocol eras and without state: each request is served by itself, in the session
 * its URL names. Tools are the session's own, and every call goes through the door.
 */
import { randomUUID } from "node:crypto";
import {
  createMcpHandler,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  originValidationResponse,
} from "@modelcontextprotocol/server";
import type { Clock } from "../../../schema/clock.ts";
import { Failure } from "../../../schema/failures.ts";
import { isObject } from "../../../schema/meta-tools/meta-tool.ts";
import type { Door } from "../../door.ts";
import { parseJson } from "../rest/body.ts";
import { callerOf, type Inbound, type Log } from "../rest/request.ts";
import { createCancellation } from "./cancellation.ts";
import { doorTools } from "./door-tools.ts";
import { toolServer, type ToolSource } from "./protocol.ts";
import { anySession, namedSession } from "./sessions.ts";

export interface McpOptions {
  door: Door;
  log: Log;
  clock: Clock;
  /** Host names under which clients reach us, beside localhost. */
  trustedHosts?: readonly string[] | undefined;
  /** Host names of pages that may call us, beside those. */
  trustedOrigins?: readonly string[] | undefined;
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

export function createMcp({ door, log, clock, trustedHosts = [], trustedOrigins = [] }: McpOptions): Mcp {
  const hosts = [...localhostAllowedHostnames(), ...trustedHosts];
  const origins = [...hosts, ...trustedOrigins];
  const cancellation = createCancellation();
  const handler = createMcpHandler(({ authInfo }) => toolServer(authInfo?.extra?.["tools"] as ToolSource), {
    onerror: (error) => log.debug({ err: error }, "an MCP request was refused"),
  });
  return {
    handle: async (inbound, sessionId) => {
      const { request } = inbound;
      const refusal = hostHeaderValidationResponse(request, hosts) ?? originValidationResponse(request, origins);
      if (refusal) return refusal;
      const caller = callerOf(request, "mcp");
      const { credential } = caller;
      if (!credential) throw new Failure("unauthorized", { problem: "MCP needs a key." });
      const session = sessionId === undefined ? anySession(door, caller) : namedSession(door, caller, sessionId);
      const client = { credential, name: request.headers.get(CLIENT_HEADER) ?? undefined };
      const tools = cancellation.cancellable(doorTools({ door, log, clock, caller, session }), client);
      const parsedBody = parseJson(inbound.body);
      const { method, params } = messageOf(parsedBody);
      // The first message of a client, in either era. A bad key or session is told here, by the status it has in REST.
      if (method === "initialize" || method === "server/discover") await session.check();
      if (method === "notifications/cancelled") cancellation.cancel(client, params?.requestId);
      const response = await handler.fetch(request, { parsedBody, authInfo: { token: credential, clientId: "", scopes: [], extra: { tools } } });
      if (method === "initialize") response.headers.set(CLIENT_HEADER, randomUUID());
      return response;
    },
    close: () => handler.close(),
  };
}

/** Names the client to us, and no state of ours: any name is taken, at any process. */
const CLIENT_HEADER = "mcp-session-id";

/** What is read of a message here, whatever was sent: the library refuses what is none. */
const messageOf = (body: unknown): { method?: unknown; params?: { requestId?: unknown } } => (isObject(body) ? body : {});
