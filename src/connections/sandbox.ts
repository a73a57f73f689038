/** Connects every twin to a test project, so that a test key works at once (contradiction C-63). */
import { newId } from "../../schema/ids.ts";
import type { Platform } from "../platform.ts";
import { createConnection } from "./connections.ts";

/** Opens an account at each twin that the project was never connected to: what a test has disconnected stays so. */
export async function connectTwins(platform: Platform, { orgId, projectId }: { orgId: string; projectId: string }): Promise<void> {
  const known = await platform.db.sql<{ id: string }[]>`select distinct server_id as id from connections where project_id = ${projectId}`;
  const connectedOnce = new Set(known.map(({ id }) => id));
  for (const provider of platform.providers) {
    if (connectedOnce.has(provider.id)) continue;
    const id = newId("connection", platform.clock.now());
    const webhookUrl = `${platform.publicUrl}/v1/webhooks/${provider.id}/${id}`;
    const { credentials, settings, webhookSecret } = await platform.openTwinAccount(provider.id, { webhookUrl });
    await createConnection(platform, {
      id, orgId, projectId, environment: "test", serverId: provider.id, displayName: `${provider.title} (sandbox)`,
      settings, credentials, webhookSecrets: [webhookSecret],
    });
  }
}
