/**
 * Zoop: card, boleto and Pix on behalf of the sellers of a marketplace (BR). Native tools alone: it pays nobody but a seller's own
 * bank account, and no rail names it.
 * Reference: docs.zoop.co (reference v1, "Métodos de cobrança", "Criando uma transação Pix online") and ajuda.zoop.com.br,
 * read 2026-11-20. Quirks: amounts go out as integer centavos and come back as decimal text; the path carries the marketplace.
 */
import { httpClient, type HttpClient } from "../http.ts";
import { basic } from "../parts.ts";
import { SetupMissing, type ConnectionConfig, type Fetch, type ProviderDefinition } from "../provider.ts";
import { tools } from "./tools.ts";

export const zoop: ProviderDefinition = {
  id: "zoop",
  title: "Zoop",
  category: "payments",
  country: "BR",
  authType: "http_basic",
  // Test or production is the key's own property (`zpk_test_…`); the host is one.
  hosts: { live: "https://api.zoop.ws/v1/marketplaces", test: "https://api.zoop.ws/v1/marketplaces" },
  credentials: [{ name: "api_key", label: "API key", secret: true, required: true, hint: "zpk_test_… or zpk_prod_…" }],
  settings: [{ name: "marketplace_id", label: "Marketplace", secret: false, required: true, hint: "32 hexadecimal digits" }],
  repeats: "ignores",
  connect: () => ({}),
  native: { client: clientFor, tools },
};

function clientFor({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const key = required(credentials, "api_key");
  const marketplace = encodeURIComponent(required(settings, "marketplace_id"));
  const authorization = basic(key, "");
  return httpClient({ provider: "zoop", baseUrl: `${baseUrl}/${marketplace}`, fetch, headers: { authorization } });
}

function required(values: Readonly<Record<string, string>>, name: string): string {
  const value = values[name];
  if (!value) throw new SetupMissing(name);
  return value;
}
