/**
 * Siigo: a Colombian ERP and issuer of electronic invoices, reached by its own tools only. Reference: Siigo API
 * (developers.siigo.com), "Autenticación", "Facturas de venta", "Clientes", "Productos", read 2026-11-20 through the
 * vendor's client and public ones.
 * Quirks: an access token is bought with the user's access key and lasts a day; every request names the partner;
 * catalogues (documents, taxes, ways to pay) must be read for their ids first.
 */
import { z } from "zod";
import { httpClient, type HttpClient } from "../http.ts";
import { SetupMissing, type CallContext, type ConnectionConfig, type Fetch, type ProviderDefinition } from "../provider.ts";
import { withBearer, type Granted } from "../tokens.ts";
import { tools } from "./tools.ts";

export const siigo: ProviderDefinition = {
  id: "siigo",
  title: "Siigo",
  category: "erp",
  country: "CO",
  authType: "api_key",
  // One host: a test connection is a user of a company made for tests.
  hosts: { live: "https://api.siigo.com", test: "https://api.siigo.com" },
  credentials: [
    { name: "username", label: "API user", secret: false, required: true, hint: "Siigo Nube > Alianzas > Mi credencial API" },
    { name: "access_key", label: "Access key", secret: true, required: true },
  ],
  settings: [{
    name: "partner_id", label: "Partner ID", secret: false, required: true,
    hint: "The name of your integration, 3 to 100 letters and digits; Siigo wants it in every request",
  }],
  repeats: "ignores",
  connect: () => ({}),
  native: { client, tools },
};

function client({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const { username, access_key } = credentials;
  const { partner_id: partnerId } = settings;
  if (!username) throw new SetupMissing("username");
  if (!access_key) throw new SetupMissing("access_key");
  if (!partnerId) throw new SetupMissing("partner_id");
  const http = httpClient({ provider: "siigo", baseUrl, fetch, headers: { "partner-id": partnerId } });
  return withBearer(http, { provider: "siigo", baseUrl, credentials }, (call) => grant(http, { username, access_key }, call));
}

const Token = z.object({ access_token: z.string().min(1), expires_in: z.number() });

async function grant(http: HttpClient, body: { username: string; access_key: string }, call: CallContext): Promise<Granted> {
  const { access_token: token, expires_in: expiresInSeconds } = await http.ask({ method: "POST", path: "/auth", body }, Token, call);
  return { token, expiresInSeconds };
}
