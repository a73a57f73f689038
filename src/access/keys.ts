/** Keys: made once, kept as hashes, and turned back into the principal that calls. */
import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "../../schema/clock.ts";
import { Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import type { Scope } from "../../schema/operation.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Database, Sql, TransactionSql } from "../db/connect.ts";
import type { ProjectSettings } from "./projects.ts";

/** Who a request acts as, once its key is known. */
export interface Principal {
  keyId: string;
  keyKind: KeyKind;
  orgId: string;
  orgName: string;
  projectId: string;
  projectName: string;
  environment: Environment;
  scopes: readonly string[];
  settings: ProjectSettings;
}

export type KeyKind = keyof typeof keyPrefixes;

export const keyPrefixes = { test: "csk_test_", live: "csk_live_", service: "cssk_internal_" } as const;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const SECRET_CHARS = 32;

/** A new key: its prefix and 32 characters of chance (190 bits). */
export function newKey(kind: KeyKind): string {
  // Bytes of 248 and above are dropped, or the first characters of the alphabet would come more often.
  const chars: string[] = [];
  while (chars.length < SECRET_CHARS)
    for (const byte of randomBytes(SECRET_CHARS))
      if (byte < 248 && chars.length < SECRET_CHARS) chars.push(ALPHABET[byte % ALPHABET.length]!);
  return keyPrefixes[kind] + chars.join("");
}

export const hashKey = (key: string): string => createHash("sha256").update(key).digest("hex");

/** What may be shown of a key. */
export const shownPrefix = (key: string): string => key.slice(0, key.lastIndexOf("_") + 5);

export const kindOfKey = (key: string): KeyKind | undefined =>
  (Object.keys(keyPrefixes) as KeyKind[]).find((kind) => key.startsWith(keyPrefixes[kind]));

/** Stores a new key, and tells its id. One that is known already stays as it is. */
export async function insertKey(
  sql: Sql | TransactionSql,
  row: { orgId: string; projectId: string | null; environment: Environment | null; key: string; name: string; scopes: readonly string[]; now: Date },
): Promise<string> {
  const id = newId("apiKey", row.now);
  await sql`
    insert into api_keys (org_id, project_id, id, name, prefix, hash, environment, scopes, created_at)
    values (${row.orgId}, ${row.projectId}, ${id}, ${row.name}, ${shownPrefix(row.key)}, ${hashKey(row.key)}, ${row.environment},
            ${[...row.scopes]}, ${row.now})
    on conflict (hash) do nothing`;
  return id;
}

interface KeyRow {
  key_id: string;
  kind_environment: Environment | null;
  scopes: string[];
  org_id: string;
  org_name: string;
  project_id: string | null;
  project_name: string | null;
  environment: Environment | null;
  settings: ProjectSettings | null;
  last_used_at: Date | null;
}

/** How coarsely a key's last use is kept: a busy key's row is written once in this time. */
const LAST_USED_STEP_MS = 60_000;

/**
 * The principal behind a credential, acting in `projectId` when the caller names one.
 *
 * throws  unauthorized; project_not_found for another tenant's project; project_environment_mismatch for a project of the
 *         other environment of this organization
 */
export async function authenticate(
  { db: { sql }, clock }: { db: Pick<Database, "sql">; clock: Clock },
  credential: string | undefined,
  projectId: string | undefined,
): Promise<Principal> {
  if (!credential) throw new Failure("unauthorized", { problem: "This request has no API key." });
  const kind = kindOfKey(credential);
  if (!kind) throw new Failure("unauthorized", { problem: "This is not an API key of ours." });
  const now = clock.now();
  // A service key takes its project from the header; a project key brings its own.
  const [row] = await sql<KeyRow[]>`
    select k.id as key_id, k.environment as kind_environment, k.scopes, k.last_used_at, o.id as org_id, o.name as org_name,
           p.id as project_id, p.name as project_name, p.environment, p.settings
    from api_keys k
    left join projects p on p.id = coalesce(k.project_id, ${projectId ?? null})
    join organizations o on o.id = coalesce(p.org_id, k.org_id)
    where k.hash = ${hashKey(credential)} and k.revoked_at is null and (k.expires_at is null or k.expires_at > ${now})`;
  if (!row) throw new Failure("unauthorized", { problem: "This API key is unknown, revoked or expired." });
  if (!row.project_id) {
    if (projectId) throw new Failure("project_not_found", { projectId });
    throw new Failure("validation_failed", { field: "x-codespar-project", problem: "a service key names its project in this header" });
  }
  if (projectId && projectId !== row.project_id) await refuseProject({ sql }, row, projectId);
  // A key and its project are made of one environment. Should they ever differ, a test key must not reach a live project.
  if (kind !== "service" && (row.kind_environment !== kind || row.environment !== kind))
    throw new Failure("project_environment_mismatch", { projectId: row.project_id, environment: kind });
  const usedBefore = new Date(now.getTime() - LAST_USED_STEP_MS);
  if (!row.last_used_at || row.last_used_at <= usedBefore)
    await sql`update api_keys set last_used_at = ${now} where id = ${row.key_id} and (last_used_at is null or last_used_at <= ${usedBefore})`;
  return {
    keyId: row.key_id, keyKind: kind, orgId: row.org_id, orgName: row.org_name, projectId: row.project_id, projectName: row.project_name!,
    environment: row.environment!, scopes: row.scopes, settings: row.settings!,
  };
}

async function refuseProject({ sql }: Pick<Database, "sql">, row: KeyRow, projectId: string): Promise<never> {
  const [other] = await sql`select 1 from projects where id = ${projectId} and org_id = ${row.org_id}`;
  if (!other) throw new Failure("project_not_found", { projectId });
  throw new Failure("project_environment_mismatch", { projectId, environment: row.environment! });
}

/** Throws forbidden unless the principal's key has the scope. */
export function authorize(principal: Principal, scope: Scope): void {
  if (scope === "none" || principal.scopes.includes("*") || principal.scopes.includes(scope)) return;
  throw new Failure("forbidden", { scope });
}
