/** Keys as their holders manage them: issued, listed, rotated and revoked. None hands out more than it may do itself. */
import { and, desc, eq, isNull, lt, or } from "drizzle-orm";
import { Failure } from "../../schema/failures.ts";
import type {
  ApiKey, createApiKey as createOperation, IssuedApiKey, listApiKeys as listOperation, RotatedApiKey, rotateApiKey as rotateOperation,
} from "../../schema/keys.ts";
import type { Domain } from "../../schema/operation.ts";
import { transaction, type Sql, type TransactionSql } from "../db/connect.ts";
import { cursorId, page } from "../pages.ts";
import type { Platform } from "../platform.ts";
import { insertKey, newKey, shownPrefix, type Principal } from "./keys.ts";
import { apiKeys } from "./tables.ts";

type KeyRow = typeof apiKeys.$inferSelect;

/** throws  service_key_required, project_environment_mismatch, or forbidden for a scope that the issuing key lacks */
export async function createApiKey(
  { db, clock }: Platform,
  principal: Principal,
  { name, env, scopes = [...principal.scopes], service = false }: Domain<(typeof createOperation)["input"]>,
): Promise<IssuedApiKey> {
  const { orgId, projectId, environment } = principal;
  if (service && principal.keyKind !== "service") throw new Failure("service_key_required", { field: "service", what: "issue service keys" });
  if (env !== undefined && (service || env !== environment))
    throw new Failure("project_environment_mismatch", { field: "env", projectId, environment: env });
  refuseMore(principal, scopes);
  const owner = service ? { projectId: null, environment: null } : { projectId, environment };
  return issue(db.sql, { ...owner, orgId, name, scopes: [...new Set(scopes)], now: clock.now() });
}

export async function listApiKeys(
  { db }: Platform,
  principal: Principal,
  { limit, before }: Domain<(typeof listOperation)["input"]>,
): Promise<{ keys: ApiKey[]; next_before: string | null }> {
  const cursor = cursorId("apiKey", before);
  const rows = await db.orm.select().from(apiKeys)
    .where(and(manageable(principal), cursor === undefined ? undefined : lt(apiKeys.id, cursor)))
    .orderBy(desc(apiKeys.id)).limit(limit + 1);
  const { rows: kept, next_before } = page(rows, limit);
  return { keys: kept.map(toApiKey), next_before };
}

/** Throws key_not_found. */
export async function revokeApiKey(platform: Platform, principal: Principal, id: string): Promise<ApiKey> {
  await findKey(platform, principal, id);
  await platform.db.sql`update api_keys set revoked_at = ${platform.clock.now()} where id = ${id} and revoked_at is null`;
  return toApiKey(await findKey(platform, principal, id));
}

/**
 * A successor with the same scopes; the rotated key expires after its grace. Rotating it again, because the first answer was lost
 * or the grace is too long, never prolongs its life.
 *
 * throws  key_not_found, key_not_active, or forbidden where the rotated key may do more than the one that asks
 */
export async function rotateApiKey(
  platform: Platform,
  principal: Principal,
  { key_id: id, grace_seconds: graceSeconds }: Domain<(typeof rotateOperation)["input"]>,
): Promise<RotatedApiKey> {
  const { orgId, projectId, environment, name, scopes } = await findKey(platform, principal, id);
  refuseMore(principal, scopes);
  const now = platform.clock.now();
  const expiresAt = new Date(now.getTime() + graceSeconds * 1000);
  const successor = await transaction(platform.db, async (tx) => {
    const [old] = await tx`
      update api_keys set expires_at = least(expires_at, ${expiresAt})
      where id = ${id} and revoked_at is null and (expires_at is null or expires_at > ${now}) returning 1`;
    return old && issue(tx, { orgId, projectId, environment, name, scopes, now });
  });
  const previous = await findKey(platform, principal, id);
  if (!successor) throw new Failure("key_not_active", { field: "key_id", keyId: id, reason: previous.revokedAt ? "revoked" : "expired" });
  return { ...successor, previous: toApiKey(previous) };
}

/** What a principal may see and change: the keys of its project, and service keys if it is one. */
const manageable = (principal: Principal) =>
  or(
    and(eq(apiKeys.orgId, principal.orgId), eq(apiKeys.projectId, principal.projectId)),
    principal.keyKind === "service" ? isNull(apiKeys.projectId) : undefined,
  );

async function findKey({ db }: Platform, principal: Principal, id: string): Promise<KeyRow> {
  const [row] = await db.orm.select().from(apiKeys).where(and(eq(apiKeys.id, id), manageable(principal))).limit(1);
  if (!row) throw new Failure("key_not_found", { field: "key_id", keyId: id });
  return row;
}

function refuseMore(principal: Principal, scopes: readonly string[]): void {
  const lacking = principal.scopes.includes("*") ? undefined : scopes.find((scope) => !principal.scopes.includes(scope));
  if (lacking !== undefined) throw new Failure("forbidden", { field: "scopes", scope: lacking });
}

const WARNING = "Keep this key now: it is stored as a hash and cannot be shown again.";

async function issue(
  sql: Sql | TransactionSql,
  row: Pick<KeyRow, "orgId" | "projectId" | "environment" | "name" | "scopes"> & { now: Date },
): Promise<IssuedApiKey> {
  const key = newKey(row.environment ?? "service");
  const id = await insertKey(sql, { ...row, key });
  return {
    id, name: row.name, prefix: shownPrefix(key), project_id: row.projectId, environment: row.environment, scopes: row.scopes,
    created_at: row.now, last_used_at: null, expires_at: null, revoked_at: null, full_key: key, warning: WARNING,
  };
}

const toApiKey = (row: KeyRow): ApiKey => ({
  id: row.id, name: row.name, prefix: row.prefix, project_id: row.projectId, environment: row.environment, scopes: row.scopes,
  created_at: row.createdAt, last_used_at: row.lastUsedAt, expires_at: row.expiresAt, revoked_at: row.revokedAt,
});
