/** Connections: made, replaced, listed, changed and revoked; whose sessions use them; and that nothing of a secret is ever read back. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Connection } from "../../../schema/connections.ts";
import type { Wire } from "../../../schema/operation.ts";
import { connectionConfig, liveConnection, projectConnection, webhookSecrets } from "../../../src/connections/connections.ts";
import { connectTestProjects } from "../../../src/server.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { newTenant, type Tenant } from "../../support/tenants.ts";

const app = await startApp();
const { platform } = app;
const KEY = "$aact_prod_0123456789SECRET";

let tenant: Tenant;
let live: Tenant;
beforeEach(async () => {
  tenant = await newTenant(app);
  live = await tenant.neighbour("live", {});
});

const ask = async (method: string, path: string, { key }: Tenant, body?: object) => {
  const response = await app.http.fetch(new Request(`http://localhost/v1${path}`, {
    method, headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, ...(body && { body: JSON.stringify(body) }),
  }));
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

const held = async ({ projectId }: Tenant, id: string) => {
  const row = (await projectConnection(platform, projectId, id))!;
  return { ...(await connectionConfig(platform, row)), webhookSecrets: await webhookSecrets(platform, row) };
};

const twinOf = async (serverId: string, userId: string | null = null) => (await liveConnection(platform, { projectId: tenant.projectId, serverId, userId }))!;

describe("connecting with credentials", () => {
  test("a server with one credential takes it as text, sealed, and nothing of it is answered", async () => {
    const { status, body } = await ask("POST", "/connections", live, { server_id: "asaas", secret: KEY, display_name: "Main" });
    expect([status, body]).toMatchObject([201, {
      id: expect.stringMatching(/^ca_/), server_id: "asaas", user_id: null, environment: "live", auth_type: "api_key", status: "connected", display_name: "Main",
      connection_metadata: {}, webhook_url: expect.stringMatching(/\/v1\/webhooks\/asaas\/ca_/), revoked_at: null, expires_at: null, rotated: false,
    }]);
    expect(JSON.stringify(body)).not.toContain("SECRET");
    expect((await held(live, String(body["id"]))).credentials).toEqual({ api_key: KEY });
    const [row] = await platform.db.sql`select to_jsonb(c)::text as text from connections c where id = ${String(body["id"])}`;
    expect(row!["text"]).not.toContain("SECRET");
  });

  test("connecting it again replaces the credentials, keeps the rest and answers 200", async () => {
    const first = await live.call("connections.create", { server_id: "asaas", secret: KEY, display_name: "Main" });
    await live.call("connections.setWebhookSecret", { connection_id: first.id, secret: "whsec_1" });
    const { status, body } = await ask("POST", "/connections", live, { server_id: "asaas", secret: { api_key: "$aact_new" } });
    expect([status, body]).toMatchObject([200, { id: first.id, display_name: "Main", rotated: true, created_at: first.created_at }]);
    expect(await held(live, first.id)).toMatchObject({ credentials: { api_key: "$aact_new" }, webhookSecrets: ["whsec_1"] });
  });

  test("a server with several credentials takes exactly those, each by its name", async () => {
    const made = await live.call("connections.create", { server_id: "bitso", secret: { api_key: "k", api_secret: "s" } });
    expect((await held(live, made.id)).credentials).toEqual({ api_key: "k", api_secret: "s" });
  });

  test.each([
    ["bitso", "k", {}, { field: "secret", expected: "an object with api_key, api_secret" }],
    ["bitso", { api_key: "k" }, {}, { field: "secret.api_secret", expected: "API secret" }],
    ["bitso", { api_key: "k", api_secret: "s", pin: "1" }, {}, { field: "secret.pin", expected: "api_key, api_secret" }],
    ["asaas", "", {}, { field: "secret" }],
    ["asaas", "k".repeat(4_097), {}, { field: "secret" }],
    ["asaas", 5, {}, { field: "secret" }],
    ["z-api", { token: "t", client_token: "c" }, {}, { field: "connection_metadata.instance_id", expected: "Instance ID" }],
    ["asaas", KEY, Object.fromEntries(Array.from({ length: 65 }, (_, key) => [`k${key}`, "v"])), { field: "connection_metadata", expected: "64 keys at most" }],
    ["asaas", KEY, { note: "x".repeat(33_000) }, { field: "connection_metadata", expected: "32768 bytes of JSON at most" }],
  ])("%s with unusable arguments is refused by the name of the field (%#)", async (server_id, secret, connection_metadata, at) => {
    const refused = live.call("connections.create", { server_id, secret, connection_metadata });
    await expect(refused).rejects.toMatchObject({ code: "validation_failed", http: 400, at });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining("aact") });
    expect((await live.call("connections.list", {})).connections).toEqual([]);
  });

  test.each([["nowhere", "server_not_found", 404], ["codespar", "server_not_connectable", 422]])("%s: %s", async (server_id, code, http) => {
    await expect(live.call("connections.create", { server_id, secret: KEY })).rejects.toMatchObject({ code, http });
    await expect(live.call("connections.start", { server_id, user_id: "u", redirect_uri: "https://app.example.com" })).rejects.toMatchObject({ code, http });
  });

  test("settings that are no secrets are kept beside them, and replaced only when given", async () => {
    const made = await live.call("connections.create", {
      server_id: "z-api", secret: { token: "t", client_token: "c" }, connection_metadata: { instance_id: "I1", note: "first" },
    });
    expect(made.connection_metadata).toEqual({ instance_id: "I1", note: "first" });
    const secret = { token: "t2", client_token: "c2" };
    expect(await live.call("connections.create", { server_id: "z-api", secret })).toMatchObject({ rotated: true, connection_metadata: { instance_id: "I1", note: "first" } });
    expect(await live.call("connections.create", { server_id: "z-api", secret, connection_metadata: { instance_id: "I2" } })).toMatchObject({ connection_metadata: { instance_id: "I2" } });
  });

  test("an account that a connection was given later is not believed when it denies an earlier call", async () => {
    const uncertain = async () => {
      app.twins!.setFault("asaas", { kind: "reset_before", method: "POST", path: "/payments$" });
      return (await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" })).tool_call_id!;
    };
    const [before, after] = [await uncertain(), await uncertain()];
    const [sent] = await platform.db.sql<{ at: Date }[]>`select max(started_at) as at from dispatches where tool_call_id = ${before}`;
    const { at } = sent!;
    await platform.db.sql`update connections set rotated_at = ${at} where id = ${(await twinOf("asaas")).id}`;
    await platform.db.sql`update dispatches set started_at = ${new Date(at.getTime() + 1)} where tool_call_id = ${after}`;
    await app.pass(90_000);
    expect(await tenant.call("toolCalls.get", { tool_call_id: before })).toMatchObject({ status: "running", outcome: "unknown", idempotency_key: expect.any(String) });
    expect(await tenant.call("toolCalls.get", { tool_call_id: after })).toMatchObject({ status: "error", outcome: "not_reached" });
  });

  test("only new credentials are a rotation", async () => {
    const { id: connection_id } = await live.call("connections.create", { server_id: "asaas", secret: KEY });
    const rotatedAt = async () => (await projectConnection(platform, live.projectId, connection_id))!.rotatedAt;
    await live.call("connections.updateMetadata", { connection_id, connection_metadata: { note: "1" } });
    await live.call("connections.setWebhookSecret", { connection_id, secret: "s" });
    expect(await rotatedAt()).toBeNull();
    await live.call("connections.create", { server_id: "asaas", secret: "$aact_new" });
    expect(await rotatedAt()).toEqual(app.clock.now());
  });

  test("of many at once one makes the connection and the others give it their credentials", async () => {
    const made = await Promise.all(Array.from({ length: 6 }, (_, index) => live.call("connections.create", { server_id: "asaas", secret: `key-${index}` })));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    expect(made.filter(({ rotated }) => !rotated)).toHaveLength(1);
    expect((await held(live, made[0]!.id)).credentials["api_key"]).toMatch(/^key-\d$/);
  });

  test("in test the twin's own keys are kept, so that what was connected works", async () => {
    const before = await twinOf("asaas");
    const made = await tenant.call("connections.create", { server_id: "asaas", secret: "any" });
    expect(made).toMatchObject({ id: before.id, rotated: true });
    expect((await held(tenant, made.id)).credentials).not.toEqual({ api_key: "any" });
    expect(await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" })).toMatchObject({ success: true });
  });
});

describe("users", () => {
  const charge = async (user_id: string) => {
    const { id: session_id } = await tenant.call("sessions.create", { user_id });
    const { tool_call_id, success, code } = await tenant.call("tools.execute", { session_id, tool: "codespar_charge", input: { ...mariaCharge, provider: "asaas" } });
    const [row] = await platform.db.sql<{ id: string | null }[]>`select connection_id as id from tool_calls where id = ${tool_call_id}`;
    return { connection: row!.id, success, code };
  };

  test("a user's own connection serves that user's sessions and no other's", async () => {
    const project = await twinOf("asaas");
    const ana = await tenant.call("connections.create", { server_id: "asaas", secret: "any", user_id: "ana" });
    expect(ana).toMatchObject({ user_id: "ana", rotated: false });
    expect((await charge("ana")).connection).toBe(ana.id);
    expect((await charge("rui")).connection).toBe(project.id);
    await tenant.call("connections.revoke", { connection_id: project.id });
    expect((await charge("ana")).connection).toBe(ana.id);
    expect(await charge("rui")).toMatchObject({ success: false, code: "provider_not_connected" });
  });

  test("what a user connected is connected in that user's sessions alone, whoever asks", async () => {
    await tenant.call("connections.revoke", { connection_id: (await twinOf("persona")).id });
    await tenant.call("connections.create", { server_id: "persona", secret: "any", user_id: "ana", connection_metadata: { inquiry_template_id: "itmpl_1" } });
    for (const [user_id, connected] of [["ana", true], ["rui", false]] as const) {
      const { id: session_id } = await tenant.call("sessions.create", { user_id, servers: ["persona"] });
      expect((await tenant.call("sessions.connections", { session_id })).servers).toMatchObject([{ id: "persona", connected }]);
      const { data } = await tenant.call("tools.execute", { session_id, tool: "codespar_manage_connections", input: { server_id: "persona" } });
      expect(data).toMatchObject({ current_status: connected ? "connected" : "disconnected" });
    }
  });

  test("a payment through a user's connection settles by its own notifications", async () => {
    await tenant.call("connections.create", { server_id: "asaas", secret: "any", user_id: "ana" });
    const { id: session_id } = await tenant.call("sessions.create", { user_id: "ana" });
    const { tool_call_id } = await tenant.call("tools.execute", { session_id, tool: "codespar_charge", input: { ...mariaCharge, provider: "asaas" } });
    await app.pass(10_000);
    expect(await tenant.call("payments.status", { tool_call_id: tool_call_id! })).toMatchObject({ status: "succeeded" });
  });
});

describe("notifications", () => {
  /** A message about this call as Asaas would send it, through any connection whose token is known. */
  const tell = async (connectionId: string, token: string, event: string, toolCallId: string) => {
    const { external_reference, output } = await tenant.call("toolCalls.get", { tool_call_id: toolCallId });
    const payment = { id: (output as { id: string }).id, externalReference: external_reference, status: "PENDING", value: 150, billingType: "PIX" };
    return notify(connectionId, token, { id: `evt_${connectionId}_${event}`, event, payment });
  };
  const told = async (tool_call_id: string) => (await tenant.call("payments.status", { tool_call_id })).events.map(({ provider_action }) => provider_action);

  test("through a user's own connection concern that user's calls alone", async () => {
    const project = await twinOf("asaas");
    const ana = await tenant.call("connections.create", { server_id: "asaas", secret: "any", user_id: "ana" });
    for (const [connection_id, secret] of [[ana.id, "of ana"], [project.id, "of the project"]]) await tenant.call("connections.setWebhookSecret", { connection_id, secret });
    const { tool_call_id } = await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" });
    expect((await tell(ana.id, "of ana", "PAYMENT_OVERDUE", tool_call_id!))[0]).toBe(200);
    expect((await tell(project.id, "of the project", "PAYMENT_UPDATED", tool_call_id!))[0]).toBe(200);
    await app.settle();
    expect(await told(tool_call_id!)).toContain("PAYMENT_UPDATED");
    expect(await told(tool_call_id!)).not.toContain("PAYMENT_OVERDUE");
  });

  test("of an earlier connection's call are not believed about money when nobody can be asked any more", async () => {
    const before = await twinOf("asaas");
    const { tool_call_id } = await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" });
    await tenant.call("connections.revoke", { connection_id: before.id });
    const { id } = await tenant.call("connections.create", { server_id: "asaas", secret: "any" });
    await tenant.call("connections.setWebhookSecret", { connection_id: id, secret: "new" });
    for (const event of ["PAYMENT_UPDATED", "PAYMENT_RECEIVED"]) expect((await tell(id, "new", event, tool_call_id!))[0]).toBe(200);
    await app.settle();
    expect(await told(tool_call_id!)).toContain("PAYMENT_UPDATED");
    expect(await tenant.call("payments.status", { tool_call_id: tool_call_id! })).not.toMatchObject({ status: "succeeded" });
  });
});

describe("lists", () => {
  test("are newest first, with filters and pages, in the shape that the command line reads", async () => {
    const made: Wire<typeof Connection>[] = [];
    for (const user_id of ["ana", "ana", "rui"]) {
      await app.clock.advance(1);
      made.push(await live.call("connections.create", { server_id: made.length === 1 ? "bitso" : "asaas", secret: made.length === 1 ? { api_key: "k", api_secret: "s" } : KEY, user_id }));
    }
    const [asaas, bitso, rui] = made.map(({ id }) => id);
    const { status, body } = await ask("GET", "/connections?limit=2", live);
    expect([status, body["next_before"]]).toEqual([200, bitso]);
    for (const row of body["connections"] as object[])
      expect(row).toMatchObject({
        id: expect.any(String), server_id: expect.any(String), user_id: expect.any(String), auth_type: expect.any(String), status: "connected",
        display_name: expect.any(String), connected_at: expect.stringMatching(/\.\d{3}Z$/), expires_at: null, created_at: expect.any(String), revoked_at: null,
        metadata: {}, connection_metadata: {},
      });
    expect((await live.call("connections.list", { before: bitso })).connections.map(({ id }) => id)).toEqual([asaas]);
    expect((await live.call("connections.list", { user_id: "rui" })).connections.map(({ id }) => id)).toEqual([rui]);
    expect((await live.call("connections.list", { server_id: "bitso", status: "connected" })).connections.map(({ id }) => id)).toEqual([bitso]);
    expect((await live.call("connections.list", { status: "revoked" })).connections).toEqual([]);
  });

  test("what `connect revoke <server>` does: find the user's live connection, and revoke it", async () => {
    await live.call("connections.create", { server_id: "asaas", secret: KEY, user_id: "cli-user" });
    const { body } = await ask("GET", "/connections?user_id=cli-user&server_id=asaas&status=connected", live);
    const [{ id }] = body["connections"] as [{ id: string }];
    expect(await ask("POST", `/connections/${id}/revoke`, live, {})).toEqual({ status: 200, body: { id, status: "revoked", already: false } });
    expect((await ask("GET", "/connections?user_id=cli-user&server_id=asaas&status=connected", live)).body["connections"]).toEqual([]);
  });
});

describe("revoking", () => {
  test("erases the credentials, and nothing is sent with the connection any more", async () => {
    const { id } = await twinOf("asaas");
    const { tool_call_id } = await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" });
    expect(await tenant.call("connections.revoke", { connection_id: id })).toEqual({ id, status: "revoked", already: false });
    expect(await projectConnection(platform, tenant.projectId, id)).toMatchObject({ status: "revoked", sealed: "", revokedAt: app.clock.now() });
    expect((await tenant.run("codespar_charge", mariaCharge)).provider).not.toBe("asaas");
    expect(await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" })).toMatchObject({ success: false, code: "provider_not_connected" });
    await app.pass(10_000);
    expect(await tenant.call("payments.status", { tool_call_id: tool_call_id! })).toMatchObject({ status: "pending" });
  });

  test("a second time changes nothing and says so; the row stays to be read", async () => {
    const { id } = await twinOf("asaas");
    await tenant.call("connections.revoke", { connection_id: id });
    const [before] = (await tenant.call("connections.list", { server_id: "asaas" })).connections;
    await app.clock.advance(1_000);
    expect(await tenant.call("connections.revoke", { connection_id: id })).toEqual({ id, status: "revoked", already: true });
    expect((await tenant.call("connections.list", { server_id: "asaas" })).connections).toEqual([before]);
    expect(before).toMatchObject({ status: "revoked", revoked_at: expect.any(String) });
  });

  test("a revoked server can be connected again, as a new connection", async () => {
    const { id } = await twinOf("asaas");
    await tenant.call("connections.revoke", { connection_id: id });
    const again = await tenant.call("connections.create", { server_id: "asaas", secret: "any" });
    expect(again).toMatchObject({ rotated: false, status: "connected" });
    expect(again.id).not.toBe(id);
    expect(await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" })).toMatchObject({ success: true });
  });

  test("a restart connects nothing that was disconnected", async () => {
    await tenant.call("connections.revoke", { connection_id: (await twinOf("asaas")).id });
    await tenant.call("connections.create", { server_id: "asaas", secret: "any", user_id: "ana" });
    await connectTestProjects(platform);
    expect(await twinOf("asaas")).toBeUndefined();
  });

  test("notifications of a revoked connection are not taken", async () => {
    const { id } = await twinOf("asaas");
    await tenant.call("connections.revoke", { connection_id: id });
    expect(await notify(id, "anything")).toEqual([404, "connection_not_found"]);
  });
});

describe("settings", () => {
  test("are set, removed and kept one by one", async () => {
    const { id: connection_id } = await live.call("connections.create", { server_id: "asaas", secret: KEY, connection_metadata: { a: "1", b: "2" } });
    const { status, body } = await ask("PATCH", `/connections/${connection_id}/metadata`, live, { connection_metadata: { a: null, c: "3" } });
    expect([status, body]).toMatchObject([200, { connection_metadata: { b: "2", c: "3" }, metadata: { b: "2", c: "3" } }]);
    expect((await held(live, connection_id)).credentials).toEqual({ api_key: KEY });
  });

  test("what the server cannot do without is not removed", async () => {
    const { id: connection_id } = await live.call("connections.create", {
      server_id: "z-api", secret: { token: "t", client_token: "c" }, connection_metadata: { instance_id: "I1" },
    });
    await expect(live.call("connections.updateMetadata", { connection_id, connection_metadata: { instance_id: null } }))
      .rejects.toMatchObject({ code: "validation_failed", at: { field: "connection_metadata.instance_id" } });
    expect((await live.call("connections.list", {})).connections[0]!.connection_metadata).toEqual({ instance_id: "I1" });
  });

  test("a connection that is over is not changed", async () => {
    const { id: connection_id } = await live.call("connections.create", { server_id: "asaas", secret: KEY });
    await live.call("connections.revoke", { connection_id });
    const over = { code: "connection_not_active", http: 409 };
    await expect(live.call("connections.updateMetadata", { connection_id, connection_metadata: {} })).rejects.toMatchObject(over);
    await expect(live.call("connections.setWebhookSecret", { connection_id, secret: "s" })).rejects.toMatchObject(over);
  });
});

const notify = async (id: string, token: string, message: object = { id: "evt_1", event: "PAYMENT_RECEIVED" }): Promise<[number, string | undefined]> => {
  const response = await app.http.fetch(new Request(`http://localhost/v1/webhooks/asaas/${id}`, {
    method: "POST", headers: { "content-type": "application/json", "asaas-access-token": token }, body: JSON.stringify(message),
  }));
  return [response.status, ((await response.json()) as { code?: string }).code];
};

describe("webhook secrets", () => {
  test("without one, and with a wrong one, notifications are refused", async () => {
    const { id: connection_id } = await live.call("connections.create", { server_id: "asaas", secret: KEY });
    expect(await notify(connection_id, "")).toEqual([401, "notification_rejected"]);
    expect(await notify(connection_id, "undefined")).toEqual([401, "notification_rejected"]);
    expect(await ask("PUT", `/connections/${connection_id}/webhook-secret`, live, { secret: "first" }))
      .toEqual({ status: 200, body: { connection_id, server_id: "asaas", updated: true } });
    expect(await notify(connection_id, "other")).toEqual([401, "notification_rejected"]);
    expect(await notify(connection_id, "first")).toEqual([200, undefined]);
  });

  test("a new one replaces the one before, which counts on only where that was asked for", async () => {
    const { id: connection_id } = await live.call("connections.create", { server_id: "asaas", secret: KEY });
    const set = (secret: string, keep_previous?: boolean) => live.call("connections.setWebhookSecret", { connection_id, secret, keep_previous });
    const taken = async () => Promise.all(["first", "second", "third", "fourth"].map(async (token) => (await notify(connection_id, token))[0] === 200));
    await set("first");
    await set("second");
    expect(await taken()).toEqual([false, true, false, false]);
    await set("third", true);
    expect(await taken()).toEqual([false, true, true, false]);
    await set("fourth");
    expect(await taken()).toEqual([false, false, false, true]);
  });

  test("in test the twin's own goes on counting, so that payments settle", async () => {
    const { id: connection_id } = await twinOf("asaas");
    for (const secret of ["mine", "mine too"]) await tenant.call("connections.setWebhookSecret", { connection_id, secret });
    expect((await notify(connection_id, "mine too"))[0]).toBe(200);
    expect((await notify(connection_id, "mine"))[0]).toBe(401);
    const { tool_call_id } = await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" });
    await app.pass(10_000);
    expect(await tenant.call("payments.status", { tool_call_id: tool_call_id! })).toMatchObject({ status: "succeeded", events: expect.arrayContaining([expect.objectContaining({ provider_action: "PAYMENT_RECEIVED" })]) });
  });

  test("a server that sends no notifications has none", async () => {
    const [row] = (await tenant.call("connections.list", { server_id: "zoop" })).connections;
    await expect(tenant.call("connections.setWebhookSecret", { connection_id: row!.id, secret: "s" })).rejects.toMatchObject({ code: "provider_has_no_inbound_webhooks", http: 400 });
  });
});

test("another project's connection does not exist for this one, and is not touched", async () => {
  const { id: connection_id } = await live.call("connections.create", { server_id: "asaas", secret: KEY });
  const missing = { code: "connection_not_found", http: 404 };
  for (const stranger of [tenant, await newTenant(app)]) {
    await expect(stranger.call("connections.revoke", { connection_id })).rejects.toMatchObject(missing);
    await expect(stranger.call("connections.updateMetadata", { connection_id, connection_metadata: {} })).rejects.toMatchObject(missing);
    await expect(stranger.call("connections.setWebhookSecret", { connection_id, secret: "s" })).rejects.toMatchObject(missing);
    expect((await stranger.call("connections.list", {})).connections.map(({ id }) => id)).not.toContain(connection_id);
  }
  expect((await live.call("connections.list", {})).connections).toMatchObject([{ id: connection_id, status: "connected" }]);
});

test("reading and writing are two scopes", async () => {
  const reader = await live.addKey({ scopes: ["connections:read"] });
  expect((await app.call("connections.list", {}, { credential: reader })).connections).toEqual([]);
  await expect(app.call("connections.create", { server_id: "asaas", secret: KEY }, { credential: reader })).rejects.toMatchObject({ code: "forbidden", at: { scope: "connections:write" } });
});
