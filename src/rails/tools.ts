/** The tools of the catalogue: the meta-tools, and what each adapter offers of its provider's own. */
import { z } from "zod";
import type { getTool as getOperation, listTools as listOperation, Tool } from "../../schema/catalog.ts";
import { Failure } from "../../schema/failures.ts";
import type { MetaTool } from "../../schema/meta-tools/meta-tool.ts";
import type { Domain } from "../../schema/operation.ts";
import { inputSchemaOf, toolDefinitions } from "../../schema/tool-definitions.ts";
import { readName, resolveTool } from "../execution/resolve.ts";
import type { Platform } from "../platform.ts";
import { catalog, knownServer } from "./catalog.ts";

export type CatalogTool = Tool;

/** The server of the meta-tools. */
export const META = "codespar";

export function toolsOf({ providers }: Pick<Platform, "providers">, serverId: string): CatalogTool[] {
  if (serverId === META) return toolDefinitions("minor", "all").map(({ name, description }) => ({ name, server: META, description }));
  const native = providers.find((provider) => provider.id === serverId)?.native?.tools ?? [];
  return native.map(({ name, description }) => ({ name: `${serverId}/${name}`, server: serverId, description }));
}

/** Throws server_not_found for a filter that names none. */
export function listTools(
  platform: Pick<Platform, "providers">,
  { server, limit, offset }: Domain<(typeof listOperation)["input"]>,
): Domain<(typeof listOperation)["output"]> {
  if (server !== undefined && !knownServer(platform, server)) throw new Failure("server_not_found", { field: "server", serverId: server });
  const servers = [META, ...catalog(platform).map(({ id }) => id).filter((id) => id !== META)];
  const all = servers.flatMap((id) => toolsOf(platform, id));
  const fitting = server === undefined ? all : all.filter((tool) => tool.server === server);
  return { tools: fitting.slice(offset, offset + limit), total: all.length, filtered: fitting.length, limit, offset };
}

/**
 * By any name that `execute` takes; `unit` is the one in which the project writes amounts that may be in either.
 *
 * throws  tool_not_registered
 */
export function getTool(platform: Pick<Platform, "providers">, name: string, unit?: "minor" | "major"): Domain<(typeof getOperation)["output"]> {
  const resolved = resolveTool(platform, readName(platform, name));
  if (resolved.kind === "meta") {
    const { tool } = resolved;
    const shown = toolDefinitions(unit, "all").find((each) => each.name === tool.name)!;
    return { ...shown, server: META, effect: tool.effect, output_schema: outputSchemaOf(tool) };
  }
  const { tool, server } = resolved;
  return {
    name: resolved.name, server: server.id, description: tool.description, effect: tool.effect,
    input_schema: inputSchemaOf(tool.input), output_schema: null,
  };
}

/** As a caller reads the result: the wire side. */
function outputSchemaOf({ output }: MetaTool): object {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(output, { io: "input", unrepresentable: "any" });
  return schema;
}
