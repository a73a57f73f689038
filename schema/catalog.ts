/**
 * The catalogue: servers (a provider each, and `codespar` with the meta-tools) and the tools they offer. It is the same for every
 * tenant; what a project is connected to is said by `connections.ts`.
 */
import { z } from "zod";
import { asaas, asaasTools, catalogPage, getPayment } from "./examples/catalog.ts";
import { Json, operation } from "./operation.ts";
import { Environment } from "./tool-calls.ts";

/** How a connection proves itself. Source: facts C-31. */
export const AuthType = z.enum(["api_key", "path_secret", "oauth", "cert", "hmac_signed", "jwt_ecdsa", "two_header", "http_basic", "none"])
  .meta({ id: "AuthType", description: "How a connection proves itself to the provider." });

export const ServerStatus = z.enum(["live", "beta", "coming-soon"])
  .meta({ id: "ServerStatus", description: "`beta`: proven against its twin, and not yet run against the provider itself. `coming-soon` is published and not used here." });

export const Server = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  category: z.string(),
  country: z.string().describe("Where it works, ISO 3166-1 alpha-2, or INTL."),
  auth_type: AuthType,
  status: ServerStatus,
  capabilities: z.array(z.string()).describe("The meta-tools it can serve."),
  tools_count: z.int().describe("How many tools of its own it offers."),
  connectable: z.boolean().describe("Whether a connection to it can be made here."),
  sandbox_available: z.boolean().describe("Whether a test key reaches a stand-in of it."),
}).meta({ id: "Server" });
export type Server = z.output<typeof Server>;

export const Tool = z.object({
  name: z.string().describe("As `execute` takes it: `codespar_charge`, `asaas/create_payment`."),
  server: z.string(),
  description: z.string(),
}).meta({ id: "Tool" });
export type Tool = z.output<typeof Tool>;

const ServerDetail = Server.extend({ tools: z.array(Tool) }).meta({ id: "ServerDetail" });

const ToolDetail = Tool.extend({
  effect: z.enum(["reads", "writes", "moves_money"]).meta({ id: "ToolEffect" }),
  input_schema: Json.describe("JSON Schema of the arguments; every property has one type."),
  output_schema: Json.nullable().describe("JSON Schema of the result; null where the provider's answer is passed on as it came."),
}).meta({ id: "ToolDetail" });

/** The catalogue is code, so one page can hold all of it; a released client asks for no further one. */
export const CATALOG_LIMIT_MAX = 5_000;

const wholePage = {
  limit: z.coerce.number<number | string>().int().min(1).max(CATALOG_LIMIT_MAX).default(CATALOG_LIMIT_MAX).describe("How many rows; all of them unless said."),
  offset: z.coerce.number<number | string>().int().min(0).max(CATALOG_LIMIT_MAX).default(0).describe("How many rows to pass over."),
};

const page = { total: z.int().describe("Rows in the catalogue."), filtered: z.int().describe("Rows that fit the filters."), limit: z.int(), offset: z.int() };

export const listServers = operation({
  name: "servers.list",
  field: "servers",
  summary: "The servers of the catalogue, by id.",
  effect: "reads",
  scope: "servers:read",
  route: "GET /servers",
  input: z.object({
    category: z.string().max(64).optional(),
    country: z.string().max(8).optional().describe("ISO 3166-1 alpha-2, or INTL."),
    q: z.string().max(200).optional().describe("Words to find in id, name or description."),
    status: ServerStatus.optional(),
    auth_type: AuthType.optional(),
    ...wholePage,
  }),
  output: z.object({ servers: z.array(Server), ...page }).meta({ id: "ServerPage" }),
  errors: [],
  examples: [{
    input: { category: "payments", country: "BR", q: "pix", status: "live", auth_type: "api_key", limit: 20, offset: 0 },
    output: { servers: [asaas], ...catalogPage },
  }],
});

export const getServer = operation({
  name: "servers.get",
  field: "server",
  summary: "One server with its tools.",
  effect: "reads",
  scope: "servers:read",
  route: "GET /servers/{server_id}",
  input: z.object({ server_id: z.string() }),
  output: ServerDetail,
  errors: ["server_not_found"],
  examples: [{ input: { server_id: "asaas" }, output: { ...asaas, tools: asaasTools } }],
});

export const listServerTools = operation({
  name: "servers.tools",
  field: "serverTools",
  summary: "The tools of one server.",
  effect: "reads",
  scope: "servers:read",
  route: "GET /servers/{server_id}/tools",
  input: z.object({ server_id: z.string() }),
  output: z.object({ server_id: z.string(), total: z.int(), tools: z.array(Tool) }).meta({ id: "ServerTools" }),
  errors: ["server_not_found"],
  examples: [{ input: { server_id: "asaas" }, output: { server_id: "asaas", total: 2, tools: asaasTools } }],
});

const fieldShape = {
  name: z.string(),
  label: z.string(),
  hint: z.string().nullable(),
  required: z.boolean(),
};

const AuthField = z.object({
  ...fieldShape,
  kind: z.enum(["api_key", "path_secret", "header", "cert"]).meta({ id: "AuthFieldKind" }),
}).meta({ id: "AuthField" });
export type AuthField = z.output<typeof AuthField>;

const AuthSetting = z.object(fieldShape).meta({ id: "AuthSetting" });

export const serverAuthSchema = operation({
  name: "servers.authSchema",
  field: "serverAuthSchema",
  summary: "What a connection to this server is made of.",
  effect: "reads",
  scope: "servers:read",
  route: "GET /servers/{server_id}/auth-schema",
  input: z.object({ server_id: z.string() }),
  output: z.object({
    server_id: z.string(),
    auth_type: AuthType,
    environment: Environment,
    base_url: z.string().describe("Where the provider is reached in this environment."),
    oauth_authorize_url: z.string().nullable().describe("Null: connections are made with keys, or at the page that `connections.start` gives."),
    fields: z.array(AuthField).describe("What `secret` holds, each under its name."),
    settings: z.array(AuthSetting).describe("What `connection_metadata` may hold: no secrets."),
  }).meta({ id: "AuthSchema" }),
  errors: ["server_not_found", "server_not_connectable"],
  examples: [{
    input: { server_id: "asaas" },
    output: {
      server_id: "asaas", auth_type: "api_key", environment: "test", base_url: "https://api-sandbox.asaas.com/v3", oauth_authorize_url: null,
      fields: [{ name: "api_key", label: "API key", hint: "It begins with $aact_", required: true, kind: "api_key" }],
      settings: [],
    },
  }],
});

export const listTools = operation({
  name: "tools.list",
  field: "tools",
  summary: "The tools of the catalogue: the meta-tools, then each server's own.",
  effect: "reads",
  scope: "servers:read",
  route: "GET /tools",
  input: z.object({ server: z.string().max(64).optional().describe("Only the tools of this server."), ...wholePage }),
  output: z.object({ tools: z.array(Tool), ...page }).meta({ id: "ToolPage" }),
  errors: ["server_not_found"],
  examples: [{ input: { server: "asaas", limit: 20, offset: 0 }, output: { tools: asaasTools, ...catalogPage, filtered: 2 } }],
});

export const getTool = operation({
  name: "tools.get",
  field: "tool",
  summary: "One tool with the schema of its arguments.",
  effect: "reads",
  scope: "servers:read",
  route: "GET /tools/{tool}",
  input: z.object({ tool: z.string().min(1).max(200).describe("`codespar_charge`, `asaas/create_payment` or `asaas__create_payment`.") }),
  output: ToolDetail,
  errors: ["tool_not_registered"],
  examples: [{
    input: { tool: "asaas/get_payment" },
    output: {
      ...getPayment, effect: "reads", output_schema: null,
      input_schema: { type: "object", properties: { id: { type: "string" } }, required: ["id"] },
    },
  }],
});
