/** What a session can reach: its servers, and the tools its caller (or its agent) may call. */
import type { z } from "zod";
import type { ServerConnection, ToolDefinition } from "../../schema/connections.ts";
import type { Principal } from "../access/keys.ts";
import { listConnected } from "../connections/connections.ts";
import type { Platform } from "../platform.ts";
import { catalogEntry, sessionAuthType } from "../rails/catalog.ts";
import { toolDefinitions } from "../../schema/tool-definitions.ts";
import { getSession } from "./sessions.ts";

/** A session that names no server reports every connected one, so that a client waiting for connections is not kept waiting. */
export async function sessionConnections(
  platform: Platform,
  principal: Principal,
  sessionId: string,
): Promise<{ servers: z.output<typeof ServerConnection>[]; tools: ToolDefinition[] }> {
  const session = await getSession(platform, principal, sessionId);
  const connected = new Set((await listConnected(platform, principal.projectId, session.user_id)).map((connection) => connection.serverId));
  const ids = session.servers.length > 0 ? session.servers : [...connected];
  const servers = ids.flatMap((id) => {
    const entry = catalogEntry(platform, id);
    if (!entry) return [];
    const { name, category, country, authType } = entry;
    return [{ id, name, category, country, auth_type: sessionAuthType(entry), connected: authType === "none" || connected.has(id) }];
  });
  return { servers, tools: toolDefinitions(principal.settings.chargeAmountUnit).map((tool) => ({ ...tool, server: "codespar" })) };
}
