/** The servers a session may name: ours, and those we have an adapter for. */
import type { AuthType, ProviderDefinition } from "../../providers/provider.ts";
import type { Platform } from "../platform.ts";

export interface CatalogEntry {
  id: string;
  name: string;
  category: string;
  country: string;
  authType: AuthType;
}

/** The server whose tools are the meta-tools. It needs no connection. */
const own: CatalogEntry = { id: "codespar", name: "CodeSpar", category: "commerce", country: "INTL", authType: "none" };

/** Needs no connection; a provider without credentials still has one, for its settings. */
export const isOurs = ({ id }: Pick<CatalogEntry, "id">): boolean => id === own.id;

/** All of them, by id. */
export const catalog = ({ providers }: Pick<Platform, "providers">): CatalogEntry[] =>
  [own, ...providers.map(fromProvider)].toSorted((a, b) => (a.id < b.id ? -1 : 1));

export function catalogEntry({ providers }: Pick<Platform, "providers">, id: string): CatalogEntry | undefined {
  const provider = providers.find((each) => each.id === id);
  return provider ? fromProvider(provider) : own.id === id ? own : undefined;
}

export const knownServer = (platform: Pick<Platform, "providers">, id: string): boolean => catalogEntry(platform, id) !== undefined;

/** Reduced to the four words that released clients know of a session's servers. */
export const sessionAuthType = ({ authType }: CatalogEntry): "oauth" | "api_key" | "cert" | "none" =>
  authType === "oauth" || authType === "cert" || authType === "none" ? authType : "api_key";

const fromProvider = ({ id, title, category, country, authType }: ProviderDefinition): CatalogEntry =>
  ({ id, name: title, category, country, authType });
