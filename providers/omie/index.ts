/**
 * Omie: a Brazilian ERP, reached by its own tools only. Reference: developer.omie.com.br, the services "Clientes",
 * "Produtos", "Pedidos de venda", "Contas a pagar", "Contas a receber", read 2026-11-20 through public clients.
 * Quirks: every request is a POST of `{call, param}` to the service's address, with the application's key and secret in
 * the body; a refusal is a SOAP fault in JSON, under status 500 or even 200; days are written dd/mm/aaaa.
 */
import { z } from "zod";
import { httpClient, type HttpClient } from "../http.ts";
import { completing } from "../native.ts";
import { SetupMissing, type ConnectionConfig, type Fetch, type ProviderDefinition } from "../provider.ts";
import { tools } from "./tools.ts";

export const omie: ProviderDefinition = {
  id: "omie",
  title: "Omie",
  category: "erp",
  country: "BR",
  authType: "api_key",
  // One host: a test connection is an application of a company made for tests.
  hosts: { live: "https://app.omie.com.br/api/v1", test: "https://app.omie.com.br/api/v1" },
  credentials: [
    { name: "app_key", label: "App key", secret: true, required: true, hint: "developer.omie.com.br > Aplicativos" },
    { name: "app_secret", label: "App secret", secret: true, required: true },
  ],
  settings: [],
  repeats: "rejects",
  connect: () => ({}),
  native: { client, tools },
};

function client({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const { app_key, app_secret } = credentials;
  if (!app_key) throw new SetupMissing("app_key");
  if (!app_secret) throw new SetupMissing("app_secret");
  const http = httpClient({ provider: "omie", baseUrl, fetch, isRefusal: ({ body }) => Fault.safeParse(body).success });
  return completing(http, (spec) => ({ ...spec, body: { ...(spec.body as object), app_key, app_secret } }));
}

/** By SOAP a client's fault means that the message was not processed; a server's says nothing, and stays unknown. */
const Fault = z.object({ faultstring: z.string(), faultcode: z.string().startsWith("SOAP-ENV:Client") });
