/** What a session can reach: its servers, and the tools its caller (or its agent) may call. */
import type { z } from "zod";
import type { ProviderDefinition } from "../../providers/provider.ts";
import type { ServerConnection, ToolDefinition } from "../../schema/connections.ts";
import type { Principal } from "../access/keys.ts";
import type { ProjectSettings } from "../access/projects.ts";
import { listConnected } from "../connections/connections.ts";
import type { Platform } from "../platform.ts";
import { catalogEntry, isOurs, sessionAuthType } from "../rails/catalog.ts";
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
    const { name, category, country } = entry;
    return [{ id, name, category, country, auth_type: sessionAuthType(entry), connected: isOurs(entry) || connected.has(id) }];
  });
  return { servers, tools: sessionTools(platform, session.servers, principal.settings) };
}

/**
 * The tools a session's callers are shown: the meta-tools, and the own tools of the servers it names. Made once per set and unit, for
 * every session that has them; callers do not change them.
 *
 * settings  of the project: in which unit charge amounts are written, and which meta-tools are shown
 */
export function sessionTools(
  { providers }: Pick<Platform, "providers">, servers: readonly string[], { chargeAmountUnit = "minor", toolSet = "core9" }: Pick<ProjectSettings, "chargeAmountUnit" | "toolSet">,
): ToolDefinition[] {
  const named = providers.filter((provider) => provider.native && servers.includes(provider.id));
  const made = listed.get(providers) ?? new Map<string, ToolDefinition[]>();
  listed.set(providers, made);
  const key = [chargeAmountUnit, toolSet, ...named.map((provider) => provider.id)].join(" ");
  const tools = made.get(key) ?? [...toolDefinitions(chargeAmountUnit, toolSet).map((tool) => ({ ...tool, server: "codespar" })), ...named.flatMap(nativeTools)];
  if (made.size < SETS_KEPT_MAX) made.set(key, tools);
  return tools;
}

/** By the providers there are: a test may bring its own. */
const listed = new WeakMap<readonly ProviderDefinition[], Map<string, ToolDefinition[]>>();

/** Callers choose the sets, so what is kept of them is bounded; projects use a handful. */
const SETS_KEPT_MAX = 500;

const nativeTools = ({ id, native }: ProviderDefinition): ToolDefinition[] =>
  (native?.tools ?? []).map(({ name, description, input }) => ({ name: modelName(id, name), description, input_schema: inputSchemaOf(input), server: id }));
