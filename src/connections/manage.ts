/** Connections as their owners manage them: made, listed, changed, revoked. Another project's do not exist here. */
import { and, desc, eq, lt } from "drizzle-orm";
import type { ProviderDefinition } from "../../providers/provider.ts";
import type {
  Connection as WireConnection, createConnection as createOperation, listConnections as listOperation, revokeConnection as revokeOperation,
  setConnectionWebhookSecret as secretOperation, updateConnectionMetadata as updateOperation,
} from "../../schema/connections.ts";
import { Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import type { Domain } from "../../schema/operation.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Principal } from "../access/keys.ts";
import { cursorId, page } from "../pages.ts";
import type { Platform } from "../platform.ts";
import { catalogEntry } from "../rails/catalog.ts";
import { connectableServer } from "../rails/servers.ts";
import { changeConnection, insertConnection, liveConnection, notificationUrl, projectConnection, type Connection } from "./connections.ts";
import { checkSettings, readSecret } from "./credentials.ts";
import { connectTwin } from "./sandbox.ts";
import { connections } from "./tables.ts";

export async function listConnections(
  platform: Platform,
  { projectId }: Principal,
  { user_id, server_id, status, limit, before }: Domain<(typeof listOperation)["input"]>,
): Promise<Domain<(typeof listOperation)["output"]>> {
  const cursor = cursorId("connection", before);
  const found = await platform.db.orm.select().from(connections)
    .where(and(
      eq(connections.projectId, projectId),
      user_id === undefined ? undefined : eq(connections.userId, user_id),
      server_id === undefined ? undefined : eq(connections.serverId, server_id),
      status === undefined ? undefined : eq(connections.status, status),
      cursor === undefined ? undefined : lt(connections.id, cursor),
    ))
    .orderBy(desc(connections.id)).limit(limit + 1);
  const { rows, next_before } = page(found, limit);
  return { connections: rows.map((row) => toWire(platform, row)), next_before };
}

export async function createConnection(
  platform: Platform,
  { orgId, projectId, environment }: Principal,
  { server_id, secret, display_name, user_id, connection_metadata }: Domain<(typeof createOperation)["input"]>,
): Promise<Domain<(typeof createOperation)["output"]>> {
  const provider = connectableServer(platform, server_id);
  const { connection, rotated } = await connect(platform, {
    orgId, projectId, environment, provider, userId: user_id ?? null, credentials: readSecret(provider, secret),
    displayName: display_name, settings: connection_metadata,
  });
  return { ...toWire(platform, connection), rotated };
}

export interface Wanted {
  orgId: string;
  projectId: string;
  environment: Environment;
  provider: ProviderDefinition;
  userId: string | null;
  credentials: Record<string, string>;
  /** Undefined leaves those of an earlier connection, and is the server's title for a new one. */
  displayName: string | undefined;
  /** Undefined leaves those of an earlier connection. */
  settings: Record<string, string> | undefined;
}

/**
 * Connects a server, or gives the live connection to it other credentials.
 *
 * throws  validation_failed for settings that the server cannot do without
 */
export async function connect(platform: Platform, wanted: Wanted): Promise<{ connection: Connection; rotated: boolean }> {
  // Whoever loses a race finds the winner's connection, or that it is gone again, and goes on from there.
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const live = await liveConnection(platform, { ...wanted, serverId: wanted.provider.id });
    const connection = live ? await rotate(platform, live, wanted) : await insert(platform, wanted);
    if (connection) return { connection, rotated: live !== undefined };
  }
  throw new Error(`the connection was made and revoked ${ATTEMPTS_MAX} times meanwhile`);
}

const ATTEMPTS_MAX = 5;

/** A test connection is to an account at the provider's twin, which knows only the keys that it gave out itself. */
const isSandbox = ({ environment }: { environment: Environment }): boolean => environment === "test";

function insert(
  platform: Platform,
  { orgId, projectId, environment, provider, userId, credentials, displayName = provider.title, settings = {} }: Wanted,
): Promise<Connection | undefined> {
  checkSettings(provider, settings);
  if (isSandbox({ environment })) return connectTwin(platform, { orgId, projectId, userId, provider, displayName, settings });
  const id = newId("connection", platform.clock.now());
  return insertConnection(platform, { orgId, projectId, id, environment, serverId: provider.id, userId, displayName, settings, credentials, webhookSecrets: [] });
}

function rotate(platform: Platform, live: Connection, { provider, credentials, displayName, settings }: Wanted): Promise<Connection | undefined> {
  if (settings) checkSettings(provider, settings);
  return changeConnection(platform, live, (_held, before) => ({
    ...(displayName !== undefined && { displayName }),
    ...(settings && { settings: isSandbox(live) ? { ...settings, ...before } : settings }),
    ...(!isSandbox(live) && { credentials }),
  }));
}

/** Throws connection_not_found. */
export async function revokeConnection(platform: Platform, principal: Principal, id: string): Promise<Domain<(typeof revokeOperation)["output"]>> {
  const { db, clock } = platform;
  const { projectId } = await ownConnection(platform, principal, id);
  const revoked = await db.sql`
    update connections set status = 'revoked', revoked_at = ${clock.now()}, sealed = ''
    where project_id = ${projectId} and id = ${id} and status <> 'revoked' returning id`;
  return { id, status: "revoked", already: revoked.length === 0 };
}

/** Throws connection_not_found, connection_not_active, and validation_failed for settings that the server cannot do without. */
export async function updateConnectionMetadata(
  platform: Platform,
  principal: Principal,
  { connection_id: id, connection_metadata: changes }: Domain<(typeof updateOperation)["input"]>,
): Promise<WireConnection> {
  const row = await ownConnection(platform, principal, id);
  const declared = platform.providers.find((provider) => provider.id === row.serverId)?.settings ?? [];
  const changed = await changeConnection(platform, row, (_held, before) => {
    const settings = Object.fromEntries(Object.entries({ ...before, ...changes }).filter((entry): entry is [string, string] => entry[1] !== null));
    checkSettings({ settings: declared }, settings);
    return { settings };
  });
  if (!changed) throw await notActive(platform, principal, id);
  return toWire(platform, changed);
}

/** Throws connection_not_found, connection_not_active, provider_has_no_inbound_webhooks. */
export async function setConnectionWebhookSecret(
  platform: Platform,
  principal: Principal,
  { connection_id: id, secret, keep_previous }: Domain<(typeof secretOperation)["input"]>,
): Promise<Domain<(typeof secretOperation)["output"]>> {
  const row = await ownConnection(platform, principal, id);
  const provider = platform.providers.find((each) => each.id === row.serverId);
  if (!provider?.notifications) throw new Failure("provider_has_no_inbound_webhooks", { serverId: row.serverId });
  const changed = await changeConnection(platform, row, ({ webhookSecrets: before }) => {
    // A twin goes on signing with the secret it gave out, which is always the oldest.
    const kept = isSandbox(row) ? before.slice(-1) : keep_previous ? before.slice(0, 1) : [];
    return { webhookSecrets: [secret, ...kept] };
  });
  if (!changed) throw await notActive(platform, principal, id);
  return { connection_id: id, server_id: row.serverId, updated: true };
}

async function ownConnection(platform: Platform, { projectId }: Principal, id: string): Promise<Connection> {
  const row = await projectConnection(platform, projectId, id);
  if (!row) throw new Failure("connection_not_found", { field: "connection_id", connectionId: id });
  return row;
}

const notActive = async (platform: Platform, principal: Principal, id: string): Promise<Failure> =>
  new Failure("connection_not_active", { connectionId: id, status: (await ownConnection(platform, principal, id)).status });

function toWire(platform: Platform, row: Connection): WireConnection {
  const { id, serverId, userId, environment, status, displayName, settings, createdAt, connectedAt, revokedAt } = row;
  const provider = platform.providers.find((each) => each.id === serverId);
  return {
    id, server_id: serverId, user_id: userId, environment, auth_type: catalogEntry(platform, serverId)?.authType ?? "api_key", status,
    display_name: displayName, connection_metadata: settings,
    webhook_url: provider?.notifications ? notificationUrl(platform, serverId, id) : null,
    created_at: createdAt, connected_at: connectedAt, revoked_at: revokedAt,
  };
}
