/** A project's connections: which servers it can reach, and with what credentials. */
import { clientCertificate } from "../../providers/client-certificate.ts";
import type { ConnectionConfig, Fetch, Provider, ProviderDefinition } from "../../providers/provider.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import { transaction, type Database, type TransactionSql } from "../db/connect.ts";
import { columnsOf } from "../db/columns.ts";
import type { Platform } from "../platform.ts";
import { connections } from "./tables.ts";

export type Connection = typeof connections.$inferSelect;

const columns = columnsOf(connections);

/** What a connection seals. */
export interface Sealed {
  credentials: Record<string, string>;
  /** More than one while a webhook secret is being rotated. */
  webhookSecrets: string[];
}

export interface NewConnection extends Sealed {
  orgId: string;
  projectId: string;
  id: string;
  environment: Environment;
  serverId: string;
  userId: string | null;
  displayName: string;
  settings: Record<string, string>;
}

/** Stores a connection, its credentials sealed. Undefined when this project or user has a live one for the server already. */
export async function insertConnection(
  { db, vault, clock }: Pick<Platform, "db" | "vault" | "clock">,
  { orgId, projectId, id, environment, serverId, userId, displayName, settings, credentials, webhookSecrets }: NewConnection,
): Promise<Connection | undefined> {
  const now = clock.now();
  const sealed = await seal({ vault }, db.sql, { orgId, projectId, id }, { credentials, webhookSecrets }, now);
  const stored = await db.sql`
    insert into connections (org_id, project_id, id, server_id, user_id, environment, status, display_name, sealed, settings, created_at, connected_at)
    values (${orgId}, ${projectId}, ${id}, ${serverId}, ${userId}, ${environment}, 'connected', ${displayName}, ${sealed},
            ${db.sql.json(settings)}, ${now}, ${now})
    on conflict do nothing returning id`;
  return stored.length > 0 ? projectConnection({ db }, projectId, id) : undefined;
}

type Changes = Partial<Sealed & Pick<NewConnection, "displayName" | "settings">>;

/** Changes what a live connection holds, one change after another. Undefined when it is not connected any more. */
export async function changeConnection(
  { db, vault, clock }: Pick<Platform, "db" | "vault" | "clock">,
  { orgId, projectId, id }: Pick<Connection, "orgId" | "projectId" | "id">,
  change: (held: Sealed, settings: Record<string, string>) => Changes,
): Promise<Connection | undefined> {
  await transaction(db, async (tx) => {
    const [row] = await tx<{ sealed: string; settings: Record<string, string>; displayName: string }[]>`
      select sealed, settings, display_name as "displayName" from connections
      where project_id = ${projectId} and id = ${id} and status = 'connected' for update`;
    if (!row) return;
    const held = await unseal({ vault }, tx, { orgId, projectId, id, sealed: row.sealed });
    const { displayName = row.displayName, settings = row.settings, ...changed } = change(held, row.settings);
    const now = clock.now();
    const sealed = await seal({ vault }, tx, { orgId, projectId, id }, { ...held, ...changed }, now);
    await tx`
      update connections set sealed = ${sealed}, settings = ${tx.json(settings)}, display_name = ${displayName},
        rotated_at = ${changed.credentials ? now : tx`rotated_at`}
      where project_id = ${projectId} and id = ${id}`;
  });
  const row = await projectConnection({ db }, projectId, id);
  return row?.status === "connected" ? row : undefined;
}

/** A connection of this project, whatever its status. */
export async function projectConnection({ db }: Pick<Platform, "db">, projectId: string, id: string): Promise<Connection | undefined> {
  const [row] = await db.sql<Connection[]>`select ${db.sql.unsafe(columns)} from connections where project_id = ${projectId} and id = ${id}`;
  return row;
}

/** The live connection that is this user's own; the project's own where there is no user. */
export async function liveConnection(
  { db }: Pick<Platform, "db">,
  { projectId, serverId, userId }: Pick<NewConnection, "projectId" | "serverId" | "userId">,
): Promise<Connection | undefined> {
  const [row] = await db.sql<Connection[]>`
    select ${db.sql.unsafe(columns)} from connections
    where project_id = ${projectId} and server_id = ${serverId} and status = 'connected' and coalesce(user_id, '') = ${userId ?? ""}`;
  return row;
}

/** What a session of this user can use, one connection a server: the user's own before the project's, never another user's. */
export async function listConnected({ db }: Pick<Platform, "db">, projectId: string, userId?: string): Promise<Connection[]> {
  const rows = await db.sql<Connection[]>`
    select ${db.sql.unsafe(columns)} from connections
    where project_id = ${projectId} and status = 'connected' and (user_id is null or user_id = ${userId ?? null}) order by id`;
  const own = new Set(rows.filter((row) => row.userId !== null).map((row) => row.serverId));
  return rows.filter((row) => row.userId !== null || !own.has(row.serverId));
}

/** Where the provider of a connection sends its notifications. */
export const notificationUrl = ({ publicUrl }: Pick<Platform, "publicUrl">, serverId: string, id: string): string =>
  `${publicUrl}/v1/webhooks/${serverId}/${id}`;

/** A connection by its id alone: an inbound notification knows nothing else. */
export async function findConnection({ db }: Pick<Platform, "db">, serverId: string, id: string): Promise<Connection | undefined> {
  const [row] = await db.sql<Connection[]>`
    select ${db.sql.unsafe(columns)} from connections where id = ${id} and server_id = ${serverId} and status = 'connected'`;
  return row;
}

/** Binds a connection's credentials to its provider. They live in memory for as long as the call does. */
export async function openProvider(platform: Platform, connection: Connection): Promise<Provider> {
  const definition = platform.providers.find((provider) => provider.id === connection.serverId);
  if (!definition) throw new Error(`no adapter for ${connection.serverId}`);
  const config = await connectionConfig(platform, connection);
  return definition.connect(config, reach(platform, definition, connection, config));
}

/** How an opened connection's requests go out: with its client certificate, where the provider asks for one. */
export const reach = (
  platform: Pick<Platform, "transport">, { mutualTls }: Pick<ProviderDefinition, "mutualTls">,
  { environment }: Pick<Connection, "environment">, { credentials }: Pick<ConnectionConfig, "credentials">,
): Fetch => platform.transport(environment, mutualTls ? clientCertificate(credentials) : undefined);

/** What an adapter is given of a connection, opened for one call. */
export async function connectionConfig(platform: Platform, connection: Connection): Promise<ConnectionConfig> {
  const definition = platform.providers.find((provider) => provider.id === connection.serverId);
  if (!definition) throw new Error(`no adapter for ${connection.serverId}`);
  const { credentials } = await unseal(platform, platform.db.sql, connection);
  return { credentials, settings: connection.settings, baseUrl: definition.hosts[connection.environment] };
}

/** The secrets that may sign this connection's notifications. */
export async function webhookSecrets(platform: Pick<Platform, "db" | "vault">, connection: Connection): Promise<string[]> {
  return (await unseal(platform, platform.db.sql, connection)).webhookSecrets;
}

type Owned = Pick<Connection, "orgId" | "projectId" | "id">;
type Sql = Database["sql"] | TransactionSql;

const seal = ({ vault }: Pick<Platform, "vault">, sql: Sql, connection: Owned, held: Sealed, now: Date): Promise<string> =>
  vault.seal(sql, sealedAt(connection), JSON.stringify(held), now);

const unseal = async ({ vault }: Pick<Platform, "vault">, sql: Sql, connection: Owned & Pick<Connection, "sealed">): Promise<Sealed> =>
  JSON.parse(await vault.open(sql, sealedAt(connection), connection.sealed)) as Sealed;

const sealedAt = ({ orgId, projectId, id }: Owned) => ({ orgId, projectId, row: id, column: "connections.sealed" });
