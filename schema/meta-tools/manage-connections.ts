/** codespar_manage_connections: which providers are connected, and how to connect one. Sources: facts 3.9 and C-18. */
import { z } from "zod";
import { metaTool } from "./meta-tool.ts";

export const manageConnections = metaTool({
  name: "codespar_manage_connections",
  description: "List connected providers, or get the steps to connect one. Never takes credentials.",
  effect: "reads",
  shown: {
    action: z.enum(["list", "status", "initiate"]),
    server_id: z.string().max(64).optional().describe("for status, initiate"),
  },
  caller: {
    country: z.string().max(4).optional(),
    environment: z.enum(["live", "test"]).optional(),
    return_to: z.string().max(500).optional(),
  },
  aliases: [["operation", "action"]],
  reshape: (args) => ({ ...args, action: args["action"] ?? (args["server_id"] === undefined ? "list" : "status") }),
  output: z.object({
    action: z.string(),
    server_id: z.string().optional(),
    current_status: z.string().optional(),
    connections: z.array(z.record(z.string(), z.unknown())),
    status: z.record(z.string(), z.unknown()).nullable(),
    initiate: z.record(z.string(), z.unknown()).nullable(),
    dashboard_url: z.string().optional(),
    wizard_url: z.string().optional(),
    connect_url: z.string().optional(),
    required_fields: z.array(z.string()).optional(),
    connection_id: z.string().nullable().optional(),
  }),
});
export type ManageConnectionsRequest = z.output<typeof manageConnections.input>;
export type ManageConnectionsResult = z.output<typeof manageConnections.output>;
