/** Maria's session, and what it reaches. */
import type { ServerConnection, ToolDefinition } from "../connections.ts";
import type { LogEntry } from "../logs.ts";
import type { Wire } from "../operation.ts";
import type { Session } from "../sessions.ts";
import { at, chargeId, orgId, projectId, sessionId, userId } from "./cast.ts";

export const session: Wire<typeof Session> = {
  id: sessionId,
  org_id: orgId,
  project_id: projectId,
  environment: "test",
  user_id: userId,
  servers: ["asaas", "persona", "z-api"],
  strict_servers: false,
  status: "active",
  metadata: { channel: "web" },
  tool_call_count: 1,
  created_at: at("12:00:00.000"),
  expires_at: at("12:30:10.250"),
  closed_at: null,
  close_reason: null,
};

export const closedSession: Wire<typeof Session> = {
  ...session, status: "closed", expires_at: null, closed_at: at("12:05:00.000"), close_reason: "closed_by_caller",
};

export const sessionServer: Wire<typeof ServerConnection> = {
  id: "asaas", name: "Asaas", category: "payments", country: "BR", auth_type: "api_key", connected: true,
};

export const sessionTools: Wire<typeof ToolDefinition>[] = [
  {
    name: "codespar_discover",
    description: "Find a tool for a need that the other tools do not cover.",
    input_schema: {
      type: "object",
      properties: { use_case: { type: "string" }, category: { type: "string" }, country: { type: "string" }, limit: { type: "number" } },
      required: ["use_case"],
    },
    server: "codespar",
  },
  {
    name: "asaas__get_payment",
    description: "Read a charge at Asaas.",
    input_schema: { type: "object", properties: { id: { type: "string" } }, required: ["id"] },
    server: "asaas",
  },
];

export const logEntry: Wire<typeof LogEntry> = {
  id: chargeId, session_id: sessionId, tool: "codespar_charge", server: "asaas", status: "success", duration_ms: 126, called_at: at("12:00:10.250"),
};
