/**
 * Sessions: a caller's scoped, expiring permission to use some servers' tools. They end after 30 idle minutes (C-43).
 */
import { z } from "zod";
import { earlierSessionId, sessionId, userId } from "./examples/cast.ts";
import { closedSession, session } from "./examples/sessions.ts";
import { operation, pageInput, Timestamp } from "./operation.ts";
import { Environment } from "./tool-calls.ts";

/** Idle time after which a session closes by itself. Source: seed FAQ, M-049. */
export const SESSION_IDLE_MS = 30 * 60_000;
/** How many servers a session may name. */
export const SESSION_SERVERS_MAX = 20;
/** Largest `mocks`, in bytes of its JSON. Source: facts C-57. */
export const MOCKS_BYTES_MAX = 64 * 1024;

export const SessionStatus = z.enum(["active", "closed", "error"]).meta({ id: "SessionStatus" });

export const Session = z.object({
  id: z.string(),
  org_id: z.string(),
  project_id: z.string(),
  environment: Environment,
  user_id: z.string(),
  servers: z.array(z.string()),
  strict_servers: z.boolean().describe("Whether direct calls, too, reach only the servers named here."),
  status: SessionStatus,
  metadata: z.record(z.string(), z.string()).nullable(),
  tool_call_count: z.int(),
  created_at: Timestamp,
  expires_at: Timestamp.nullable().describe("When it will close if nothing is called; null once closed."),
  closed_at: Timestamp.nullable(),
  close_reason: z.string().nullable(),
}).meta({ id: "Session" });
export type Session = z.output<typeof Session>;

export const createSession = operation({
  name: "sessions.create",
  field: "createSession",
  summary: "Open a session for a user.",
  effect: "writes",
  scope: "sessions:create",
  route: "POST /sessions",
  successStatus: 201,
  input: z.object({
    user_id: z.string().min(1).max(128),
    servers: z.array(z.string().min(1).max(64)).max(SESSION_SERVERS_MAX).default([]).describe("Catalogue ids; may be empty."),
    strict_servers: z.boolean().default(false).describe("Binds direct calls of providers' own tools to `servers`, as agents and MCP always are."),
    metadata: z.record(z.string(), z.string().max(1000)).optional(),
    mocks: z.record(z.string(), z.unknown()).optional().describe("Test keys only: answers by tool, returned verbatim."),
  }),
  output: Session,
  errors: ["unknown_servers", "mocks_invalid", "mocks_not_permitted", "mocks_payload_too_large"],
  examples: [
    {
      shows: "A session with three servers",
      input: { user_id: userId, servers: session.servers, metadata: { channel: "web" } },
      output: { ...session, tool_call_count: 0 },
    },
    {
      shows: "A session that answers from mocks",
      input: { user_id: userId, servers: ["asaas"], mocks: { "asaas/get_payment": { id: "pay_1", status: "RECEIVED" } } },
      output: { ...session, servers: ["asaas"], metadata: null, tool_call_count: 0 },
    },
  ],
});

export const getSession = operation({
  name: "sessions.get",
  field: "session",
  summary: "One session.",
  effect: "reads",
  scope: "sessions:read",
  route: "GET /sessions/{session_id}",
  input: z.object({ session_id: z.string() }),
  output: Session,
  errors: ["session_not_found"],
  examples: [{ input: { session_id: sessionId }, output: session }],
});

export const listSessions = operation({
  name: "sessions.list",
  field: "sessions",
  summary: "Sessions, newest first.",
  effect: "reads",
  scope: "sessions:read",
  route: "GET /sessions",
  input: z.object({ status: SessionStatus.optional(), user_id: z.string().optional(), ...pageInput }),
  output: z.object({ sessions: z.array(Session), next_before: z.string().nullable() }).meta({ id: "SessionPage" }),
  errors: ["cursor_invalid"],
  examples: [{
    input: { status: "active", user_id: userId, limit: 20, before: earlierSessionId },
    output: { sessions: [session], next_before: null },
  }],
});

export const closeSession = operation({
  name: "sessions.close",
  field: "closeSession",
  summary: "Close a session. Closing it again changes nothing.",
  effect: "writes",
  scope: "sessions:create",
  route: "DELETE /sessions/{session_id}",
  input: z.object({ session_id: z.string() }),
  output: Session,
  errors: ["session_not_found"],
  examples: [{ input: { session_id: sessionId }, output: closedSession }],
});
