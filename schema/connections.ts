/**
 * What a session can reach: servers with their connection status, and the tools it may call.
 */
import { z } from "zod";
import { Json, operation } from "./operation.ts";

export const ServerConnection = z.object({
  id: z.string(),
  name: z.string(),
  category: z.string(),
  country: z.string(),
  auth_type: z.enum(["oauth", "api_key", "cert", "none"]).describe("Reduced to the four words released clients know."),
  connected: z.boolean(),
}).meta({ id: "ServerConnection" });

export const ToolDefinition = z.object({
  name: z.string(),
  description: z.string(),
  input_schema: Json.describe("JSON Schema of the arguments."),
  server: z.string(),
}).meta({ id: "ToolDefinition" });
export type ToolDefinition = z.output<typeof ToolDefinition>;

export const sessionConnections = operation({
  name: "sessions.connections",
  field: "sessionConnections",
  summary: "The servers of a session and the tools it may call.",
  effect: "reads",
  scope: "connections:read",
  route: "GET /sessions/{session_id}/connections",
  input: z.object({ session_id: z.string() }),
  output: z.object({ servers: z.array(ServerConnection), tools: z.array(ToolDefinition) }).meta({ id: "SessionConnections" }),
  errors: ["session_not_found"],
});
