/** What a session can reach: its servers, and the tools its caller (or its agent) may call. */
import type { z } from "zod";
import type { ServerConnection, ToolDefinition } from "../../schema/connections.ts";
import type { Principal } from "../access/keys.ts";
import type { ProjectSettings } from "../access/projects.ts";
import { listConnected } from "../connections/connections.ts";
import type { Platform } from "../platform.ts";
import { catalogEntry, sessionAuthType } from "../rails/catalog.ts";
import { inputSchemaOf, toolDefinitions } from "../../schema/tool-definitions.ts";
import { modelName } from "../execution/resolve.ts";
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
  return { servers, tools: sessionTools(platform, session.servers, principal.settings) };
}

/**
 * The tools a session's callers are shown: the meta-tools, and the own tools of the servers it names.
 *
 * settings  of the project: in which unit charge amounts are written, and which meta-tools are shown
 */
export function sessionTools(
  { providers }: Pick<Platform, "providers">, servers: readonly string[], { chargeAmountUnit, toolSet }: Pick<ProjectSettings, "chargeAmountUnit" | "toolSet">,
): ToolDefinition[] {
  const meta = toolDefinitions(chargeAmountUnit, toolSet).map((tool) => ({ ...tool, server: "codespar" }));
  const native = providers.filter((provider) => servers.includes(provider.id)).flatMap((provider) =>
    (provider.native?.tools ?? []).map(({ name, description, input }) =>
      ({ name: modelName(provider.id, name), description, input_schema: inputSchemaOf(input), server: provider.id })));
  return [...meta, ...native];
}
