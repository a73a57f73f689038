/** Connects every twin to a test project, so that a test key works at once (contradiction C-63). */
import { newId } from "../../schema/ids.ts";
import type { Platform } from "../platform.ts";
import { createConnection, listConnected } from "./connections.ts";

/** Opens an account at each twin that the project is not connected to. Running it again connects only what is new. */
export async function connectTwins(platform: Platform, { orgId, projectId }: { orgId: string; projectId: string }): Promise<void> {
  const connected = new Set((await listConnected(platform, projectId)).map((connection) => connection.serverId));
  for (const provider of platform.providers) {
    if (connected.has(provider.id)) continue;
    const id = newId("connection", platform.clock.now());
    const webhookUrl = `${platform.publicUrl}/v1/webhooks/${provider.id}/${id}`;
    const { credentials, settings, webhookSecret } = await platform.openTwinAccount(provider.id, { webhookUrl });
    await createConnection(platform, {
      id, orgId, projectId, environment: "test", serverId: provider.id, displayName: `${provider.title} (sandbox)`,
      settings, credentials, webhookSecrets: [webhookSecret],
    });
  }
}
