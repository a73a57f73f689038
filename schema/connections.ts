/**
 * What a session can reach: servers with their connection status, and the tools it may call. And connections themselves: a project's
 * stored credentials for one server, of the project or of one of its users. What they seal is written, never read back.
 */
import { z } from "zod";
import { AuthType } from "./catalog.ts";
import { connection } from "./examples/access.ts";
import { at, connectionId, sessionId, userId as maria } from "./examples/cast.ts";
import { sessionServer, sessionTools } from "./examples/sessions.ts";
import { Json, operation, pageInput, Timestamp } from "./operation.ts";
import { Environment } from "./tool-calls.ts";

export const ServerConnection = z.object({
  id: z.string(),
  name: z.string(),
  category: z.string(),
  country: z.string(),
  auth_type: z.enum(["oauth", "api_key", "cert", "none"]).describe("Reduced to the four words released clients know."),
  connected: z.boolean(),
}).meta({ id: "ServerConnection" });

export const ToolDefinition = z.object({
  name: z.string(),
  description: z.string(),
  input_schema: Json.describe("JSON Schema of the arguments."),
  server: z.string(),
}).meta({ id: "ToolDefinition" });
export type ToolDefinition = z.output<typeof ToolDefinition>;

export const sessionConnections = operation({
  name: "sessions.connections",
  field: "sessionConnections",
  summary: "The servers of a session and the tools it may call.",
  effect: "reads",
  scope: "connections:read",
  route: "GET /sessions/{session_id}/connections",
  input: z.object({ session_id: z.string() }),
  output: z.object({ servers: z.array(ServerConnection), tools: z.array(ToolDefinition) }).meta({ id: "SessionConnections" }),
  errors: ["session_not_found"],
  examples: [{ input: { session_id: sessionId }, output: { servers: [sessionServer], tools: sessionTools } }],
});

/** Longest secret given alone, and longest secret of a webhook. Source: facts 4.3. */
export const SECRET_CHARS_MAX = 4_096;
const WEBHOOK_SECRET_CHARS_MAX = 1_024;
/** Longest of several credentials: a certificate with its chain. */
export const CREDENTIAL_CHARS_MAX = 16_384;
/** Largest `connection_metadata`. Source: facts 4.3. */
export const METADATA_KEYS_MAX = 64;
export const METADATA_BYTES_MAX = 32 * 1024;
/** For how long a connect link can be used, once. */
export const LINK_MS = 30 * 60_000;

export const ConnectionStatus = z.enum(["pending", "connected", "revoked", "expired"]).meta({ id: "ConnectionStatus" });

export const Connection = z.object({
  id: z.string(),
  server_id: z.string(),
  user_id: z.string().nullable().describe("Whose it is: only sessions of this user use it. Null is everybody's of the project."),
  environment: Environment,
  auth_type: AuthType,
  status: ConnectionStatus,
  display_name: z.string(),
  connection_metadata: z.record(z.string(), z.string()).describe("Its settings that are no secrets."),
  webhook_url: z.string().nullable().describe("Where the provider has to send its notifications; null where it sends none."),
  created_at: Timestamp,
  connected_at: Timestamp.nullable(),
  revoked_at: Timestamp.nullable(),
}).meta({ id: "Connection" });
export type Connection = z.output<typeof Connection>;

const serverId = z.string().min(1).max(64);
const userId = z.string().min(1).max(128);
const secret = z.string().min(1).max(SECRET_CHARS_MAX);
const credential = z.string().min(1).max(CREDENTIAL_CHARS_MAX);
const SECRETS = `expected text of 1 to ${SECRET_CHARS_MAX} characters, or an object of texts of at most ${CREDENTIAL_CHARS_MAX} by the names of the server's fields`;

export const listConnections = operation({
  name: "connections.list",
  field: "connections",
  summary: "Connections of this project, newest first, revoked ones too.",
  effect: "reads",
  scope: "connections:read",
  route: "GET /connections",
  input: z.object({
    user_id: userId.optional(),
    server_id: serverId.optional(),
    status: ConnectionStatus.optional(),
    ...pageInput,
  }),
  output: z.object({ connections: z.array(Connection), next_before: z.string().nullable() }).meta({ id: "ConnectionPage" }),
  errors: ["cursor_invalid"],
  examples: [{
    input: { user_id: maria, server_id: "asaas", status: "connected", limit: 20, before: "ca_01m7wdbfp0qksbw0wa287b9w9x" },
    output: { connections: [{ ...connection, user_id: maria }], next_before: null },
  }],
});

export const createConnection = operation({
  name: "connections.create",
  field: "createConnection",
  summary: "Connect a server with credentials; where the project (or this user) is connected to it already, replace them.",
  effect: "writes",
  scope: "connections:write",
  route: "POST /connections",
  successStatus: 201,
  input: z.object({
    server_id: serverId,
    secret: z.union([secret, z.record(z.string(), credential)], { error: SECRETS })
      .describe("The credential where the server takes one, else all of them by the names in its auth schema. A test key's are not kept: its twin has its own."),
    display_name: z.string().min(1).max(128).optional(),
    user_id: userId.optional().describe("Connects it for this user alone."),
    connection_metadata: z.record(z.string(), z.string()).optional().describe("Settings that are no secrets; those given replace all there were."),
  }),
  output: Connection.extend({ rotated: z.boolean().describe("True when an earlier connection got other credentials.") }).meta({ id: "CreatedConnection" }),
  errors: ["server_not_found", "server_not_connectable"],
  examples: [
    {
      shows: "The first connection",
      input: { server_id: "asaas", secret: "$aact_hmlg_example", display_name: "Asaas of the shop", connection_metadata: { wallet: "loja" } },
      output: { ...connection, rotated: false },
    },
    {
      shows: "Other credentials for it, by the names of the auth schema",
      input: { server_id: "asaas", secret: { api_key: "$aact_hmlg_another" } },
      output: { ...connection, rotated: true },
    },
  ],
});

export const revokeConnection = operation({
  name: "connections.revoke",
  field: "revokeConnection",
  summary: "Revoke a connection: its credentials are erased and nothing is sent with it any more. Again it changes nothing.",
  effect: "writes",
  scope: "connections:write",
  route: "POST /connections/{connection_id}/revoke",
  input: z.object({ connection_id: z.string() }),
  output: z.object({
    id: z.string(),
    status: ConnectionStatus,
    already: z.boolean().describe("True when it had been revoked before."),
  }).meta({ id: "RevokedConnection" }),
  errors: ["connection_not_found"],
  examples: [{ input: { connection_id: connectionId }, output: { id: connectionId, status: "revoked", already: false } }],
});

export const updateConnectionMetadata = operation({
  name: "connections.updateMetadata",
  field: "updateConnectionMetadata",
  summary: "Change settings of a connection that are no secrets.",
  effect: "writes",
  scope: "connections:write",
  route: "PATCH /connections/{connection_id}/metadata",
  input: z.object({
    connection_id: z.string(),
    connection_metadata: z.record(z.string(), z.string().nullable()).describe("What is given is set, null is removed, everything else stays."),
  }),
  output: Connection,
  errors: ["connection_not_found", "connection_not_active"],
  examples: [{
    input: { connection_id: connectionId, connection_metadata: { wallet: "loja", color: null } },
    output: connection,
  }],
});

export const setConnectionWebhookSecret = operation({
  name: "connections.setWebhookSecret",
  field: "setConnectionWebhookSecret",
  summary: "Set the secret that the provider signs its notifications with. Until there is one they are refused.",
  effect: "writes",
  scope: "connections:write",
  route: "PUT /connections/{connection_id}/webhook-secret",
  input: z.object({
    connection_id: z.string(),
    secret: z.string().min(1).max(WEBHOOK_SECRET_CHARS_MAX),
    keep_previous: z.boolean().default(false).describe("Whether the secret before this one still counts, until the next is set."),
  }),
  output: z.object({ connection_id: z.string(), server_id: z.string(), updated: z.literal(true) }).meta({ id: "WebhookSecretSet" }),
  errors: ["connection_not_found", "connection_not_active", "provider_has_no_inbound_webhooks"],
  examples: [{
    input: { connection_id: connectionId, secret: "whsec_example", keep_previous: true },
    output: { connection_id: connectionId, server_id: "asaas", updated: true },
  }],
});

export const startConnection = operation({
  name: "connections.start",
  field: "startConnection",
  summary: "Make a link under which a user connects a server themselves, at a page of ours.",
  effect: "writes",
  scope: "connections:write",
  route: "POST /connect/start",
  successStatus: 201,
  input: z.object({
    server_id: serverId,
    user_id: userId,
    redirect_uri: z.url({ protocol: /^https?$/, error: "expected an http(s) URL" }).max(2_048)
      .describe("Where the user goes on, with `status=connected` and `connection_id` added."),
    scopes: z.string().max(2_000).optional().describe("Read for the sake of released clients: what a key may do is decided where it was made."),
  }),
  output: z.object({
    link_token: z.string().describe("Whoever has it can connect the server, once."),
    authorize_url: z.string(),
    expires_at: Timestamp,
  }).meta({ id: "ConnectLink" }),
  errors: ["server_not_found", "server_not_connectable"],
  examples: [{
    input: { server_id: "asaas", user_id: maria, redirect_uri: "https://app.example.com/connected" },
    output: { link_token: "lnk_example", authorize_url: "https://pay.example.com/connect/lnk_example", expires_at: at("12:30:00.000") },
  }],
});
