/** Links under which a user connects a server themselves: who has one can use it once, within its time. */
import { createHash, randomBytes } from "node:crypto";
import { LINK_MS, type startConnection as startOperation } from "../../schema/connections.ts";
import type { Domain } from "../../schema/operation.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import type { Platform } from "../platform.ts";
import { connectableServer } from "../rails/servers.ts";

export interface ConnectLink {
  orgId: string;
  projectId: string;
  serverId: string;
  userId: string;
  environment: Environment;
  redirectUri: string;
  /** Who asks, in the words of the organization. */
  orgName: string;
  projectName: string;
}

/** Throws server_not_found, server_not_connectable. */
export async function startConnection(
  platform: Platform,
  { orgId, projectId, environment }: Principal,
  { server_id, user_id, redirect_uri }: Domain<(typeof startOperation)["input"]>,
): Promise<Domain<(typeof startOperation)["output"]>> {
  const { db, clock, publicUrl } = platform;
  connectableServer(platform, server_id);
  const now = clock.now();
  const token = newToken();
  const expiresAt = new Date(now.getTime() + LINK_MS);
  await db.sql`delete from connect_links where project_id = ${projectId} and expires_at <= ${now}`;
  await db.sql`
    insert into connect_links (org_id, project_id, token_hash, server_id, user_id, environment, redirect_uri, created_at, expires_at)
    values (${orgId}, ${projectId}, ${hash(token)}, ${server_id}, ${user_id}, ${environment}, ${redirect_uri}, ${now}, ${expiresAt})`;
  return { link_token: token, authorize_url: `${publicUrl}/connect/${token}`, expires_at: expiresAt };
}

/** The link behind a token that can still be used. */
export async function findLink({ db, clock }: Pick<Platform, "db" | "clock">, token: string): Promise<ConnectLink | undefined> {
  const [link] = await db.sql<ConnectLink[]>`
    select l.org_id as "orgId", l.project_id as "projectId", l.server_id as "serverId", l.user_id as "userId", l.environment,
      l.redirect_uri as "redirectUri", o.name as "orgName", p.name as "projectName"
    from connect_links l join projects p on p.id = l.project_id join organizations o on o.id = l.org_id
    where l.token_hash = ${hash(token)} and l.used_at is null and l.expires_at > ${clock.now()}`;
  return link;
}

/**
 * Runs `use` for whoever is the first to use the link. One whose use failed can be used again.
 *
 * returns  undefined when somebody was first
 */
export async function useLink<Result>(
  { db, clock }: Pick<Platform, "db" | "clock">,
  token: string,
  use: () => Promise<Result>,
): Promise<Result | undefined> {
  const now = clock.now();
  const taken = await db.sql`
    update connect_links set used_at = ${now} where token_hash = ${hash(token)} and used_at is null and expires_at > ${now} returning 1`;
  if (taken.length === 0) return undefined;
  try {
    return await use();
  } catch (error) {
    await db.sql`update connect_links set used_at = null where token_hash = ${hash(token)}`;
    throw error;
  }
}

/** 32 letters and digits that cannot be mistaken for one another. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
/** 130 bits of chance. */
const TOKEN_CHARS = 26;

const newToken = (): string => `lnk_${[...randomBytes(TOKEN_CHARS)].map((byte) => ALPHABET[byte % ALPHABET.length]).join("")}`;

const hash = (token: string): string => createHash("sha256").update(token).digest("hex");
