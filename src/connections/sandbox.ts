/** Connects twins to test projects: all of them to a new one, so that a test key works at once (contradiction C-63). */
import type { ProviderDefinition } from "../../providers/provider.ts";
import { newId } from "../../schema/ids.ts";
import type { Platform } from "../platform.ts";
import { insertConnection, notificationUrl, type Connection } from "./connections.ts";

/** Opens an account at each twin that the project was never connected to: what a test has disconnected stays so. */
export async function connectTwins(platform: Platform, project: { orgId: string; projectId: string }): Promise<void> {
  const known = await platform.db.sql<{ id: string }[]>`
    select distinct server_id as id from connections where project_id = ${project.projectId} and user_id is null`;
  const connectedOnce = new Set(known.map(({ id }) => id));
  const unconnected = platform.providers.filter(({ id }) => !connectedOnce.has(id));
  await Promise.all(unconnected.map((provider) =>
    connectTwin(platform, { ...project, provider, userId: null, displayName: `${provider.title} (sandbox)`, settings: {} })));
}

/**
 * Connects an account that is opened for it at the provider's twin.
 *
 * settings  of the caller; those of the account win, because the twin knows no other
 * returns   undefined when this project or user has a live connection to the server already
 */
export async function connectTwin(
  platform: Platform,
  { provider, settings, ...wanted }: {
    orgId: string; projectId: string; userId: string | null; provider: ProviderDefinition; displayName: string; settings: Record<string, string>;
  },
): Promise<Connection | undefined> {
  const id = newId("connection", platform.clock.now());
  const account = await platform.openTwinAccount(provider.id, { webhookUrl: notificationUrl(platform, provider.id, id) });
  return insertConnection(platform, {
    ...wanted, id, environment: "test", serverId: provider.id, settings: { ...settings, ...account.settings },
    credentials: account.credentials, webhookSecrets: [account.webhookSecret],
  });
}
