/** A project's connections: which servers it can reach, and with what credentials. */
import { and, asc, eq } from "drizzle-orm";
import type { ConnectionConfig, Provider } from "../../providers/provider.ts";
import { newId } from "../../schema/ids.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Platform } from "../platform.ts";
import { connections } from "./tables.ts";

export type Connection = typeof connections.$inferSelect;

/** What a connection seals. */
interface Sealed {
  credentials: Record<string, string>;
  /** More than one while a webhook secret is being rotated. */
  webhookSecrets: string[];
}

/** Connects a server with credentials; they are sealed before they are stored. */
export async function createConnection(
  { db, vault, clock }: Pick<Platform, "db" | "vault" | "clock">,
  connection: {
    orgId: string;
    projectId: string;
    id?: string;
    environment: Environment;
    serverId: string;
    displayName: string;
    settings: Record<string, string>;
  } & Sealed,
): Promise<string> {
  const now = clock.now();
  const id = connection.id ?? newId("connection", now);
  const { orgId, projectId, environment, serverId, displayName, settings, credentials, webhookSecrets } = connection;
  const sealed = await vault.seal(db.sql, sealedAt({ orgId, projectId, id }), JSON.stringify({ credentials, webhookSecrets }), now);
  await db.sql`
    insert into connections (org_id, project_id, id, server_id, environment, status, display_name, sealed, settings, created_at, connected_at)
    values (${orgId}, ${projectId}, ${id}, ${serverId}, ${environment}, 'connected', ${displayName}, ${sealed},
            ${db.sql.json(settings)}, ${now}, ${now})`;
  return id;
}

/** The connected ones of a project, oldest first. */
export async function listConnected({ db }: Pick<Platform, "db">, projectId: string): Promise<Connection[]> {
  return db.orm.select().from(connections)
    .where(and(eq(connections.projectId, projectId), eq(connections.status, "connected")))
    .orderBy(asc(connections.id));
}

/** A connection by its id alone: an inbound notification knows nothing else. */
export async function findConnection({ db }: Pick<Platform, "db">, serverId: string, id: string): Promise<Connection | undefined> {
  const [row] = await db.orm.select().from(connections).where(and(eq(connections.id, id), eq(connections.serverId, serverId))).limit(1);
  return row?.status === "connected" ? row : undefined;
}

/** Binds a connection's credentials to its provider. They live in memory for as long as the call does. */
export async function openProvider(platform: Platform, connection: Connection): Promise<Provider> {
  const definition = platform.providers.find((provider) => provider.id === connection.serverId);
  if (!definition) throw new Error(`no adapter for ${connection.serverId}`);
  return definition.connect(await connectionConfig(platform, connection), platform.transport(connection.environment));
}

/** What an adapter is given of a connection, opened for one call. */
export async function connectionConfig(platform: Platform, connection: Connection): Promise<ConnectionConfig> {
  const definition = platform.providers.find((provider) => provider.id === connection.serverId);
  if (!definition) throw new Error(`no adapter for ${connection.serverId}`);
  const { credentials } = await unseal(platform, connection);
  return { credentials, settings: connection.settings, baseUrl: definition.hosts[connection.environment] };
}

/** The secrets that may sign this connection's notifications. */
export async function webhookSecrets(platform: Pick<Platform, "db" | "vault">, connection: Connection): Promise<string[]> {
  return (await unseal(platform, connection)).webhookSecrets;
}

async function unseal({ db, vault }: Pick<Platform, "db" | "vault">, connection: Connection): Promise<Sealed> {
  return JSON.parse(await vault.open(db.sql, sealedAt(connection), connection.sealed)) as Sealed;
}

const sealedAt = ({ orgId, projectId, id }: { orgId: string; projectId: string; id: string }) =>
  ({ orgId, projectId, row: id, column: "connections.sealed" });
