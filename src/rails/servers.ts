/** The catalogue as its readers see it: servers, and what a connection to one is made of. */
import { rails, type Rail } from "../../providers/rails.ts";
import type { AuthType, ConnectionField, ProviderDefinition } from "../../providers/provider.ts";
import type { AuthField, listServers as listOperation, Server, serverAuthSchema as authOperation } from "../../schema/catalog.ts";
import { Failure } from "../../schema/failures.ts";
import type { Domain } from "../../schema/operation.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Platform } from "../platform.ts";
import { catalog, catalogEntry, type CatalogEntry } from "./catalog.ts";
import { META, toolsOf, type CatalogTool } from "./tools.ts";

type Catalogue = Pick<Platform, "providers">;

export function listServers(platform: Catalogue, filter: Domain<(typeof listOperation)["input"]>): Domain<(typeof listOperation)["output"]> {
  const all = catalog(platform);
  const fitting = all.map((entry) => toServer(platform, entry)).filter((server) => fits(server, filter));
  const { limit, offset } = filter;
  return { servers: fitting.slice(offset, offset + limit), total: all.length, filtered: fitting.length, limit, offset };
}

/** Throws server_not_found. */
export function getServer(platform: Catalogue, id: string): Server & { tools: CatalogTool[] } {
  const entry = entryOf(platform, id);
  return { ...toServer(platform, entry), tools: toolsOf(platform, entry.id) };
}

/** Throws server_not_found. */
export function listServerTools(platform: Catalogue, id: string): { server_id: string; total: number; tools: CatalogTool[] } {
  const tools = toolsOf(platform, entryOf(platform, id).id);
  return { server_id: id, total: tools.length, tools };
}

/** Throws server_not_found, server_not_connectable. */
export function serverAuthSchema(platform: Catalogue, environment: Environment, id: string): Domain<(typeof authOperation)["output"]> {
  const { authType, hosts, credentials, settings } = connectableServer(platform, id);
  const kind = fieldKinds[authType] ?? "api_key";
  return {
    server_id: id, auth_type: authType, environment, base_url: hosts[environment], oauth_authorize_url: null,
    fields: credentials.map((field) => ({ ...shown(field), kind })), settings: settings.map(shown),
  };
}

/** The adapter behind a server that a connection can be made to. Throws server_not_found, server_not_connectable. */
export function connectableServer(platform: Catalogue, id: string): ProviderDefinition {
  const entry = entryOf(platform, id);
  const definition = platform.providers.find((provider) => provider.id === id);
  if (definition) return definition;
  throw new Failure("server_not_connectable", { field: "server_id", serverId: entry.id, reason: "it needs no connection" });
}

function entryOf(platform: Catalogue, id: string): CatalogEntry {
  const entry = catalogEntry(platform, id);
  if (!entry) throw new Failure("server_not_found", { field: "server_id", serverId: id });
  return entry;
}

function toServer(platform: Catalogue, entry: CatalogEntry): Server {
  const { id, name, category, country, authType } = entry;
  const served = rails.filter((rail) => rail.provider === id);
  const isAdapted = platform.providers.some((provider) => provider.id === id);
  const tools = toolsOf(platform, id);
  return {
    id, name, category, country, auth_type: authType, status: isAdapted ? "beta" : "live",
    description: describe(id, served, tools), capabilities: [...new Set(served.map(({ tool }) => tool))], tools_count: tools.length,
    connectable: isAdapted, sandbox_available: isAdapted,
  };
}

/** What it can do, read from the rails it is on and the tools it has. */
function describe(id: string, served: readonly Rail[], tools: readonly CatalogTool[]): string {
  if (id === META) return "The meta-tools: they choose the rail and the provider.";
  const capabilities = [...new Set(served.map(({ tool }) => tool))];
  const abilities = capabilities.map((tool) => `${tool} (${served.filter((rail) => rail.tool === tool).map(({ method }) => method).join(", ")})`);
  if (tools.length > 0) abilities.push(`tools of its own (${tools.length})`);
  return `Serves ${abilities.join("; ")}.`;
}

function fits(server: Server, { category, country, q, status, auth_type }: Domain<(typeof listOperation)["input"]>): boolean {
  const text = `${server.id} ${server.name} ${server.description}`.toLowerCase();
  return (category === undefined || server.category === category.toLowerCase())
    && (country === undefined || server.country === country.toUpperCase())
    && (status === undefined || server.status === status)
    && (auth_type === undefined || server.auth_type === auth_type)
    && (q === undefined || q.toLowerCase().split(/\s+/).every((word) => text.includes(word)));
}

/** The published word for what an operator types; every other way to prove oneself is a key of some kind to its form. */
const fieldKinds: { [Type in AuthType]?: AuthField["kind"] } = { path_secret: "path_secret", two_header: "header", cert: "cert" };

const shown = ({ name, label, hint, required }: ConnectionField) => ({ name, label, hint: hint ?? null, required });
