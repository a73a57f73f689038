/** The servers a session may name: ours, those we have an adapter for, and published ids that clients' presets send. */
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

/** Published server ids without an adapter yet: a session may name them, and they report as not connected. */
const published: readonly CatalogEntry[] = [
  { id: "nuvem-fiscal", name: "Nuvem Fiscal", category: "fiscal", country: "BR", authType: "oauth" },
  { id: "facturapi", name: "Facturapi", category: "fiscal", country: "MX", authType: "api_key" },
  { id: "afip", name: "AFIP", category: "fiscal", country: "AR", authType: "cert" },
];

/** All of them, by id. */
export function catalog({ providers }: Pick<Platform, "providers">): CatalogEntry[] {
  const adapted = providers.map(fromProvider);
  const served = new Set(adapted.map(({ id }) => id));
  return [own, ...adapted, ...published.filter(({ id }) => !served.has(id))].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

export function catalogEntry({ providers }: Pick<Platform, "providers">, id: string): CatalogEntry | undefined {
  const provider = providers.find((each) => each.id === id);
  return provider ? fromProvider(provider) : [own, ...published].find((entry) => entry.id === id);
}

export const knownServer = (platform: Pick<Platform, "providers">, id: string): boolean => catalogEntry(platform, id) !== undefined;

/** Reduced to the four words that released clients know of a session's servers. */
export const sessionAuthType = ({ authType }: CatalogEntry): "oauth" | "api_key" | "cert" | "none" =>
  authType === "oauth" || authType === "cert" || authType === "none" ? authType : "api_key";

const fromProvider = ({ id, title, category, country, authType }: ProviderDefinition): CatalogEntry =>
  ({ id, name: title, category, country, authType });
