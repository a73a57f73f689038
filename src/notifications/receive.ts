/**
 * The inbound route of providers: find the connection, verify the message, keep its bytes, acknowledge. Applying it is a job
 * of its own, so a provider never waits for us and nothing acknowledged can be lost.
 */
import { asFailure, Failure, failureBody } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import type { InboundMessage, NotificationScheme, ProviderDefinition } from "../../providers/provider.ts";
import { findConnection, webhookSecrets, type Connection } from "../connections/connections.ts";
import { transaction } from "../db/connect.ts";
import type { Platform } from "../platform.ts";

/** Headers worth keeping; the rest (and every credential) is not stored. */
const KEPT_HEADERS = /^(content-type|user-agent|x-request-id|.*event.*|.*id)$/i;

/** What of an address' query is worth keeping: our reference, for a provider that has no other field for it. Its secrets are not. */
const REFERENCE_IN_QUERY = "reference";

/** Answers a provider's webhook. Never throws. */
export async function receiveNotification(
  platform: Platform,
  request: Request,
  { serverId, connectionId }: { serverId: string; connectionId: string },
): Promise<Response> {
  try {
    const connection = await findConnection(platform, serverId, connectionId);
    const provider = platform.providers.find((each) => each.id === serverId);
    if (!connection || !provider?.notifications) throw new Failure("connection_not_found", { connectionId });
    const { handshake, byBrowser } = provider.notifications;
    if (request.method !== "POST" && !handshake && !byBrowser) throw notAllowed(request);
    const message: InboundMessage = {
      method: request.method, url: new URL(request.url), headers: request.headers, body: new Uint8Array(await request.arrayBuffer()),
    };
    if (message.method === "GET" && handshake) return shakeHands(provider.notifications, connection, message);
    await verify(platform, provider, connection, message);
    await keep(platform, connection, message);
    return provider.notifications.acknowledge?.(connection.settings) ?? Response.json({ received: true });
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === "internal") platform.log.error({ err: error, serverId }, "a notification could not be received");
    return Response.json(failureBody(failure, newId("request", platform.clock.now())), { status: failure.http });
  }
}

/** Some providers ask whether an address is ours before they post to it. Nothing is kept of that. */
function shakeHands({ handshake }: NotificationScheme, connection: Connection, message: InboundMessage): Response {
  const answer = handshake!(message, { settings: connection.settings });
  if (!answer) throw new Failure("notification_rejected", { problem: "the question is not the provider's" });
  return answer;
}

const notAllowed = ({ method, url }: Request): Failure =>
  new Failure("method_not_allowed", { method, path: new URL(url).pathname, allowed: "POST, OPTIONS" });

async function verify(platform: Platform, provider: ProviderDefinition, connection: Connection, message: InboundMessage): Promise<void> {
  const secrets = await webhookSecrets(platform, connection);
  const verdict = secrets.length === 0
    ? { ok: false as const, reason: "this connection has no webhook secret yet" }
    : provider.notifications!.verify(message, { secrets, settings: connection.settings, now: platform.clock.now() });
  if (verdict.ok) return;
  platform.log.warn({ serverId: provider.id, connectionId: connection.id, reason: verdict.reason }, "a notification was refused");
  throw new Failure("notification_rejected", { problem: verdict.reason });
}

async function keep({ db, clock, jobs }: Platform, connection: Connection, message: InboundMessage): Promise<void> {
  const now = clock.now();
  const id = newId("notification", now);
  const { orgId, projectId } = connection;
  const headers = [...message.headers].filter(([name]) => KEPT_HEADERS.test(name));
  await transaction(db, async (tx) => {
    await tx`
      insert into notifications (org_id, project_id, id, server_id, connection_id, method, target, headers, body, status, attempts, received_at)
      values (${orgId}, ${projectId}, ${id}, ${connection.serverId}, ${connection.id}, ${message.method}, ${targetOf(message.url)},
        ${tx.json(headers as never)}, ${Buffer.from(message.body)}, 'received', 0, ${now})`;
    await jobs.add(tx, { orgId, projectId, kind: "notification", key: id, payload: { notificationId: id }, runAt: now });
  });
  jobs.kick();
}

function targetOf({ pathname, searchParams }: URL): string {
  const reference = searchParams.get(REFERENCE_IN_QUERY);
  return reference === null ? pathname : `${pathname}?${new URLSearchParams({ [REFERENCE_IN_QUERY]: reference }).toString()}`;
}
