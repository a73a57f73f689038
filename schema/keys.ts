/** Keys: who a key is, and how keys are issued, listed, rotated and revoked. */
import { z } from "zod";
import { apiKey, newKey, project } from "./examples/access.ts";
import { at, keyId, orgId, projectId } from "./examples/cast.ts";
import { operation, pageInput, scopes, Timestamp } from "./operation.ts";
import { Environment } from "./tool-calls.ts";

/** For how long a rotated key goes on working beside its successor, unless told (C-49), and at most. */
export const GRACE_SECONDS_DEFAULT = 24 * 60 * 60;
export const GRACE_SECONDS_MAX = 30 * 24 * 60 * 60;
const SCOPES_MAX = 64;

export const Identity = z.object({
  organization: z.object({ id: z.string(), name: z.string() }).meta({ id: "IdentityOrganization" }),
  project: z.object({ id: z.string(), name: z.string() }).meta({ id: "IdentityProject" }),
  key: z.object({ id: z.string(), environment: Environment, scopes: z.array(z.string()) }).meta({ id: "IdentityKey" }),
}).meta({ id: "Identity" });

export const ApiKey = z.object({
  id: z.string(),
  name: z.string(),
  prefix: z.string().describe("Its first characters, to recognize it by."),
  project_id: z.string().nullable().describe("Null for a service key, which is of no one project."),
  environment: Environment.nullable().describe("Null for a service key."),
  scopes: z.array(z.string()).describe("What it may do; `*` is everything."),
  created_at: Timestamp,
  last_used_at: Timestamp.nullable().describe("To the minute."),
  expires_at: Timestamp.nullable().describe("From when on it is refused, where it was rotated."),
  revoked_at: Timestamp.nullable(),
}).meta({ id: "ApiKey" });
export type ApiKey = z.output<typeof ApiKey>;

export const IssuedApiKey = ApiKey.extend({
  full_key: z.string().describe("The key itself. It is told here and never again."),
  warning: z.string(),
}).meta({ id: "IssuedApiKey" });
export type IssuedApiKey = z.output<typeof IssuedApiKey>;

export const RotatedApiKey = IssuedApiKey.extend({
  previous: ApiKey.describe("The key that was rotated; it works until its `expires_at`."),
}).meta({ id: "RotatedApiKey" });
export type RotatedApiKey = z.output<typeof RotatedApiKey>;

const isScope = (text: string): boolean => text === "*" || (scopes as readonly string[]).includes(text);

export const whoami = operation({
  name: "keys.whoami",
  field: "whoami",
  summary: "The organization, project and key behind this request.",
  effect: "reads",
  scope: "none",
  route: "GET /whoami",
  input: z.object({}),
  output: Identity,
  errors: [],
  examples: [{
    input: {},
    output: {
      organization: { id: orgId, name: "Loja de Teste Ltda" },
      project: { id: projectId, name: project.name },
      key: { id: keyId, environment: "test", scopes: apiKey.scopes },
    },
  }],
});

export const createApiKey = operation({
  name: "keys.create",
  field: "createApiKey",
  summary: "Issue a key of this project. It can do no more than the key that issues it.",
  effect: "writes",
  scope: "keys:write",
  route: "POST /api-keys",
  successStatus: 201,
  input: z.object({
    name: z.string().min(1).max(128),
    env: Environment.optional().describe("The project's environment, where you want to be sure of it."),
    scopes: z.array(z.string().refine(isScope, `expected * or scopes of ${scopes.join(", ")}`)).min(1).max(SCOPES_MAX).optional()
      .describe("What the key may do; the issuing key's own scopes unless told."),
    service: z.boolean().optional().describe("Issue a service key, which works in every organization. Only a service key may."),
  }),
  output: IssuedApiKey,
  errors: ["project_environment_mismatch", "forbidden", "service_key_required"],
  examples: [{ input: { name: newKey.name, env: "test", scopes: newKey.scopes }, output: newKey }],
});

export const listApiKeys = operation({
  name: "keys.list",
  field: "apiKeys",
  summary: "Keys of this project, newest first. A service key sees service keys too.",
  effect: "reads",
  scope: "keys:read",
  route: "GET /api-keys",
  input: z.object({ ...pageInput }),
  output: z.object({ keys: z.array(ApiKey), next_before: z.string().nullable() }).meta({ id: "ApiKeyPage" }),
  errors: ["cursor_invalid"],
  examples: [{ input: { limit: 20, before: newKey.id }, output: { keys: [apiKey], next_before: null } }],
});

export const revokeApiKey = operation({
  name: "keys.revoke",
  field: "revokeApiKey",
  summary: "Revoke a key. Its next request is refused, its open streams end within seconds. Revoking it again changes nothing.",
  effect: "writes",
  scope: "keys:write",
  route: "DELETE /api-keys/{key_id}",
  input: z.object({ key_id: z.string() }),
  output: ApiKey,
  errors: ["key_not_found"],
  examples: [{ input: { key_id: keyId }, output: { ...apiKey, revoked_at: at("12:10:00.000") } }],
});

export const rotateApiKey = operation({
  name: "keys.rotate",
  field: "rotateApiKey",
  summary: "Issue a second key with the same scopes. The first one goes on working for a while.",
  effect: "writes",
  scope: "keys:write",
  route: "POST /api-keys/{key_id}/rotate",
  successStatus: 201,
  input: z.object({
    key_id: z.string(),
    grace_seconds: z.int().min(0).max(GRACE_SECONDS_MAX).default(GRACE_SECONDS_DEFAULT)
      .describe("How long the first key goes on working: 24 hours unless told, at most 30 days."),
  }),
  output: RotatedApiKey,
  errors: ["key_not_found", "key_not_active", "forbidden"],
  examples: [{
    input: { key_id: keyId, grace_seconds: 3600 },
    output: { ...newKey, previous: { ...apiKey, expires_at: at("11:10:00.000") } },
  }],
});
