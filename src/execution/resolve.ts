/** From a tool's name to the tool: ours, or a provider's own as `server/tool` (`server__tool` where a slash cannot stand). */
import type { NativeTool } from "../../providers/native.ts";
import type { ProviderDefinition } from "../../providers/provider.ts";
import { Failure } from "../../schema/failures.ts";
import { isMetaTool, metaToolList, metaTools } from "../../schema/meta-tools/index.ts";
import type { MetaTool } from "../../schema/meta-tools/meta-tool.ts";
import type { Platform } from "../platform.ts";

export type ResolvedTool =
  /** `provider` where the name says through whom: `asaas/codespar_charge`. */
  | { kind: "meta"; name: string; tool: MetaTool; provider?: string }
  | { kind: "native"; name: string; server: ProviderDefinition; tool: NativeTool };

/** `asaas__create_payment` and `asaas/create_payment` are one tool. */
export const canonicalName = (name: string): string => (isMetaTool(name) ? name : name.replace("__", "/"));

/** The same for a name as a caller wrote it; older pages join server and tool by one underscore: `mercadopago_create_preference`. */
export function readName({ providers }: Pick<Platform, "providers">, name: string): string {
  const canonical = canonicalName(name);
  if (canonical.includes("/") || isMetaTool(canonical)) return canonical;
  for (const { id, native } of providers) {
    const prefix = `${id.replaceAll("-", "")}_`;
    const tool = name.startsWith(prefix) ? native?.tools.find((each) => each.name === name.slice(prefix.length)) : undefined;
    if (tool) return `${id}/${tool.name}`;
  }
  return canonical;
}

/** What a mock is declared under: a meta-tool by its own name, whoever it goes through. */
export function mockedName(canonical: string): string {
  const tool = canonical.split("/")[1];
  return tool !== undefined && isMetaTool(tool) ? tool : canonical;
}

/** The server of the meta-tools. */
export const OURS = "codespar";

/** The name a model or an MCP client calls it by. */
export const modelName = (serverId: string, tool: string): string => `${serverId}__${tool}`;

/** Throws tool_not_registered, with what was probably meant. */
export function resolveTool({ providers }: Pick<Platform, "providers">, name: string): ResolvedTool {
  if (isMetaTool(name)) return { kind: "meta", name, tool: metaTools[name] as unknown as MetaTool };
  const [serverId, toolName] = name.split("/");
  const server = providers.find((provider) => provider.id === serverId);
  if (toolName !== undefined && isMetaTool(toolName) && (server || serverId === OURS)) {
    const tool = metaTools[toolName] as unknown as MetaTool;
    return { kind: "meta", name: toolName, tool, ...(server && { provider: server.id }) };
  }
  const tool = server?.native?.tools.find((each) => each.name === toolName);
  if (server && tool) return { kind: "native", name, server, tool };
  const similar = metaToolList.find((each) => each.name === `codespar_${name}`)?.name;
  throw new Failure("tool_not_registered", { tool: name, ...(similar && { suggestion: similar }) });
}
