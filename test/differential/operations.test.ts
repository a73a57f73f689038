/** Every operation through every door, from equal state: the same answer or the same failure, and the same rows left behind. */
import { describe, expect, test } from "vitest";
import { operations, type OperationName } from "../../schema/index.ts";
import { mariaCharge, serviceKey, startApp } from "../support/app.ts";
import { compared, everyDoor, throughEveryDoor, type Case, type Scene } from "../support/every-door.ts";

const NOWHERE = "ses_01jd5v0000000000000000none";
const NO_CALL = "tc_01jd5v0000000000000000none";
const NO_CONNECTION = "ca_01jd5v0000000000000000none";

const app = await startApp({ limits: { inFlightWaitMs: 0 } });
const doors = everyDoor(app);

/** What a door says that checks arguments by its own types, before there is a call. */
const byGraphql = { graphql: { code: "GRAPHQL_VALIDATION_FAILED" } } as const;

const noSession = { code: "session_not_found", field: "session_id", retry: "never", http: 404 };
const noToolCall = { code: "tool_call_not_found", field: "tool_call_id", retry: "never", http: 404 };
const noToolCallId = { code: "invalid_tool_call_id", field: "tool_call_id", retry: "never", http: 400 };
const noKey = { code: "key_not_found", field: "key_id", retry: "never", http: 404 };
const noProject = { code: "project_not_found", field: "project_id", retry: "never", http: 404 };
const noServer = { code: "server_not_found", field: "server_id", retry: "never", http: 404 };
const notConnectable = { code: "server_not_connectable", field: "server_id", retry: "never", http: 422 };
const noConnection = { code: "connection_not_found", field: "connection_id", retry: "never", http: 404 };
const connectionOver = { code: "connection_not_active", retry: "never", http: 409 };
const noCursor = { code: "cursor_invalid", field: "before", retry: "never", http: 400 };

const label = {
  action: "label",
  destination: {
    postal_code: "01310-100", name: "Maria Silva", document: "111.444.777-35", phone: "+5511999998888", line_1: "Avenida Paulista",
    number: "1000", city: "Sao Paulo", state: "SP",
  },
};

const verification = { subject: { name: "Maria Silva", document: "111.444.777-35", document_type: "cpf" }, check_type: "identity" };

const asService = ({ projectId }: Scene) => ({ key: serviceKey, project: projectId });

/** A key of the tenant's beside its own, a moment younger. */
async function issuedKey(scene: Scene, input: object = {}): Promise<string> {
  await scene.pass(1);
  return (await scene.call("keys.create", { name: "Shop", ...input })).id;
}

/** A charge in a new session. */
const charged = async (scene: Scene, input: object = mariaCharge) => (await scene.run("codespar_charge", input)).tool_call_id;

/** A call of a tool in a new session. */
const executing = (tool: string, input: object, options: object = {}) => async (scene: Scene) =>
  ({ input: { session_id: await scene.session(), tool, input }, ...options });

async function closedSession(scene: Scene): Promise<string> {
  const id = await scene.session();
  await scene.call("sessions.close", { session_id: id });
  return id;
}

/** Three sessions, the last one closed, each a moment after the one before. */
async function threeSessions(scene: Scene): Promise<string[]> {
  const ids = [];
  for (const user_id of ["ana", "ana", "rui"]) {
    ids.push(await scene.session({ user_id }));
    await scene.pass(1);
  }
  await scene.call("sessions.close", { session_id: ids[2] });
  return ids;
}

/** Three calls of one session, each a moment after the one before; the last one refused. */
async function threeCalls(scene: Scene): Promise<{ session_id: string; ids: string[] }> {
  const session_id = await scene.session();
  const ids = [];
  for (const [tool, input] of [["codespar_charge", mariaCharge], ["codespar_discover", { use_case: "ship a parcel" }], ["codespar_charge", {}]] as const) {
    ids.push((await scene.call("tools.execute", { session_id, tool, input })).tool_call_id!);
    await scene.pass(1);
  }
  return { session_id, ids };
}

/** A user's own connection, and then another's. */
async function twoConnections(scene: Scene): Promise<[string, string]> {
  const connect = async (user_id: string) => {
    const { id } = await scene.call("connections.create", { server_id: "persona", secret: "any", user_id, connection_metadata: { inquiry_template_id: "itmpl_1", note: "mine" } });
    await scene.pass(1);
    return id;
  };
  return [await connect("ana"), await connect("rui")];
}

async function revokedConnection(scene: Scene): Promise<string> {
  const [connection_id] = await twoConnections(scene);
  await scene.call("connections.revoke", { connection_id });
  return connection_id;
}

/** A charge under this key whose first call has not ended. */
async function unfinishedCharge(scene: Scene, key: string): Promise<void> {
  const id = await charged(scene, { ...mariaCharge, idempotency_key: key });
  const leaseUntil = new Date(app.clock.now().getTime() + 30_000);
  await app.platform.db.sql`
    update tool_calls set status = 'running', outcome = null, lease_until = ${leaseUntil} where project_id = ${scene.projectId} and id = ${id}`;
}

/** `sessions.send` is in send.test.ts. */
const cases: Partial<Record<OperationName, Case[]>> = {
  "sessions.create": [
    {
      title: "opens a session",
      call: () => ({ input: { user_id: "maria", servers: ["asaas", "asaas", "nfe-io"], metadata: { order_id: "1234", some_Key: "kept" } } }),
      answer: { environment: "test", servers: ["asaas", "nfe-io"], status: "active", metadata: { order_id: "1234", some_Key: "kept" }, tool_call_count: 0 },
    },
    {
      title: "keeps declared mocks with their keys as they were written",
      call: () => ({ input: { user_id: "maria", mocks: { codespar_charge: { pix_copy_paste: "MOCK", nestedKey: { some_key: 1 } } } } }),
      answer: { status: "active", servers: [] },
    },
    {
      title: "refuses servers nobody knows",
      call: () => ({ input: { user_id: "maria", servers: ["asaas", "nowhere"] } }),
      failure: { code: "unknown_servers", field: "servers", retry: "never", http: 400 },
    },
    {
      title: "refuses a mock of what is no tool",
      call: () => ({ input: { user_id: "maria", mocks: { "asaas__create_payment": {} } } }),
      failure: { code: "mocks_invalid", field: "mocks.asaas__create_payment", retry: "never", http: 400 },
    },
    {
      title: "refuses mocks with a live key",
      call: async (scene) => ({ key: (await scene.neighbour("live")).key, input: { user_id: "maria", mocks: { codespar_charge: {} } } }),
      failure: { code: "mocks_not_permitted", retry: "never", http: 403 },
    },
    {
      title: "refuses mocks beyond 64 KiB",
      call: () => ({ input: { user_id: "maria", mocks: { codespar_charge: { text: "a".repeat(65_536) } } } }),
      failure: { code: "mocks_payload_too_large", retry: "never", http: 413 },
    },
    {
      title: "refuses to open a session for nobody",
      call: () => ({ input: {} }),
      failure: { code: "validation_failed", field: "user_id", expected: "expected string", retry: "never", http: 400 },
      own: byGraphql,
    },
    {
      title: "refuses a user id longer than it may be",
      call: () => ({ input: { user_id: "m".repeat(129) } }),
      failure: { code: "validation_failed", field: "user_id", expected: "Too big: expected string to have <=128 characters", retry: "never", http: 400 },
    },
  ],

  "sessions.get": [
    {
      title: "reads a session with what was called in it",
      call: async (scene) => ({ input: { session_id: (await threeCalls(scene)).session_id } }),
      answer: { status: "active", user_id: "maria", tool_call_count: 3, closed_at: null, close_reason: null },
    },
    {
      title: "reads one that has idled out as closed",
      call: async (scene) => {
        const session_id = await scene.session();
        await scene.app.platform.db.sql`
          update sessions set last_active_at = ${new Date(app.clock.now().getTime() - 1_800_000)} where project_id = ${scene.projectId}`;
        return { input: { session_id } };
      },
      answer: { status: "closed", close_reason: "idle_timeout", expires_at: null },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
  ],

  "sessions.list": [
    {
      title: "lists every session, newest first",
      call: async (scene) => {
        await threeSessions(scene);
        return { input: {} };
      },
      answer: { sessions: [{ user_id: "rui", status: "closed" }, { user_id: "ana", status: "active" }, { user_id: "ana" }], next_before: null },
    },
    {
      title: "filters by status and user, and pages",
      call: async (scene) => {
        const [, second] = await threeSessions(scene);
        return { input: { status: "active", user_id: "ana", limit: 1, before: second } };
      },
      answer: { sessions: [{ user_id: "ana", status: "active" }], next_before: null },
    },
    {
      title: "names where the next page begins",
      call: async (scene) => {
        await threeSessions(scene);
        return { input: { limit: 2 } };
      },
      answer: { sessions: [{ user_id: "rui" }, { user_id: "ana" }], next_before: expect.stringMatching(/^ses_/) },
    },
    {
      title: "refuses a cursor that it never gave",
      call: () => ({ input: { before: "yesterday" } }),
      failure: noCursor,
    },
  ],

  "sessions.close": [
    {
      title: "closes a session",
      call: async (scene) => ({ input: { session_id: await scene.session() } }),
      answer: { status: "closed", close_reason: "closed_by_caller", expires_at: null },
    },
    {
      title: "changes nothing the second time",
      call: async (scene) => {
        const session_id = await closedSession(scene);
        await scene.pass(1_000);
        return { input: { session_id } };
      },
      answer: { status: "closed", close_reason: "closed_by_caller" },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
  ],

  "sessions.connections": [
    {
      title: "lists every connected server of a session that names none",
      call: async (scene) => ({ input: { session_id: await scene.session() } }),
      answer: { servers: expect.arrayContaining([expect.objectContaining({ id: "asaas", auth_type: "api_key", connected: true })]) },
    },
    {
      title: "lists the servers that a session names, connected or not",
      call: async (scene) => ({ input: { session_id: await scene.session({ servers: ["zoop", "asaas"] }) } }),
      answer: { servers: [{ id: "zoop", connected: false }, { id: "asaas", connected: true }] },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
  ],

  "tools.execute": [
    {
      title: "charges by Pix",
      call: executing("codespar_charge", { ...mariaCharge, metadata: { order_id: "1234", deep: { someKey: [1, { other_key: null }] } } }),
      answer: { success: true, error: null, provider: "asaas", rail: "asaas-pix", status: "pending", outcome: "accepted" },
    },
    {
      title: "charges in major units when told so",
      call: executing("codespar_charge", { ...mariaCharge, amount: 150.25, amount_unit: "major" }),
      answer: { success: true, data: { amount: 15_025 } },
    },
    {
      title: "reports what the provider declined",
      call: executing("codespar_charge", { ...mariaCharge, amount: 15_013 }),
      refusal: { code: "provider_declined", field: "amount", retry: "never" },
    },
    {
      title: "follows a charge that is refunded after it was paid",
      call: executing("codespar_charge", { ...mariaCharge, amount: 15_017 }),
      answer: { success: true, status: "pending" },
    },
    {
      title: "pays out by Pix",
      call: executing("codespar_pay", { amount: 2_500, recipient: { pix_key: "maria@example.com", name: "Maria Silva" } }),
      answer: { success: true, provider: "asaas", status: "pending", data: { settled: false, recipient: "maria@example.com" } },
    },
    {
      title: "reads what became of a payout",
      call: async (scene) => {
        const paid = await scene.run("codespar_pay", { amount: 2_500, recipient: { pix_key: "maria@example.com" } });
        await scene.pass(10_000);
        return { input: { session_id: await scene.session(), tool: "codespar_pay", input: { payment_id: paid.tool_call_id } } };
      },
      answer: { success: true, server: "codespar", data: { status: "succeeded", settled: true, amount: 2_500, currency: "BRL" } },
    },
    {
      title: "issues an NFS-e",
      call: executing("codespar_invoice", { type: "nfse", recipient: { name: "Maria Silva", document: "111.444.777-35" }, items: [{ amount: 15_000 }] }),
      answer: { success: true, provider: "nfe-io", rail: "nfse" },
    },
    {
      title: "buys a label",
      call: executing("codespar_ship", label),
      answer: { success: true, provider: "melhor-envio", status: "label_ready", data: { carrier: "Correios" } },
    },
    {
      title: "quotes a parcel",
      call: executing("codespar_ship", { action: "quote", destination: { postal_code: "01310-100" } }),
      answer: { success: true, status: "quoted" },
    },
    {
      title: "sends a message",
      call: executing("codespar_notify", { channel: "whatsapp", to: "+5511999998888", message: "Olá, Maria" }),
      answer: { success: true, provider: "z-api", data: { sent: true, channel: "whatsapp" } },
    },
    {
      title: "sends a stablecoin",
      call: executing("codespar_crypto_pay", {
        amount: "29.90", currency: "USDC", direction: "send", network: "polygon", recipient: { wallet_address: "0x52908400098527886E0F7030069857D2E4169EE7" },
      }),
      answer: { success: true, provider: "bitso", status: "pending", data: { amount: "29.9" } },
    },
    {
      title: "verifies a person",
      call: executing("codespar_kyc", verification),
      answer: { success: true, provider: "persona", status: "pending", inquiry_id: expect.stringMatching(/^inq_/) },
    },
    {
      title: "finds a tool",
      call: executing("codespar_discover", { use_case: "send a parcel by post", limit: 2 }),
      answer: { success: true, provider: null, data: { search_strategy: "trigram" } },
    },
    {
      title: "lists connections",
      call: executing("codespar_manage_connections", { action: "list", country: "BR" }),
      answer: { success: true, data: { action: "list", status: null, initiate: null } },
    },
    {
      title: "answers a declared mock verbatim",
      call: async (scene) => {
        const mocks = { codespar_charge: [{ pix_copy_paste: "MOCK", some_key: { someKey: null } }, { second: true }] };
        return { input: { session_id: await scene.session({ mocks }), tool: "codespar_charge", input: { amount: "anything" } } };
      },
      answer: { success: true, server: "mock", data: { pix_copy_paste: "MOCK", some_key: { someKey: null } } },
    },
    {
      title: "repeats the first answer under the same key in the arguments",
      call: async (scene) => {
        const input = { ...mariaCharge, idempotency_key: "order-1" };
        await scene.run("codespar_charge", input);
        return { input: { session_id: await scene.session(), tool: "codespar_charge", input } };
      },
      answer: { success: true, replayed: true, idempotency_key: "order-1" },
    },
    {
      title: "repeats the first answer under the same key in the header",
      without: ["mcp"],
      call: async (scene) => {
        await scene.run("codespar_charge", { ...mariaCharge, idempotency_key: "order-1" });
        return { idempotencyKey: "order-1", input: { session_id: await scene.session(), tool: "codespar_charge", input: mariaCharge } };
      },
      answer: { success: true, replayed: true, idempotency_key: "order-1" },
    },
    {
      title: "knows no other session",
      call: () => ({ input: { session_id: NOWHERE, tool: "codespar_discover", input: { use_case: "ship" } } }),
      failure: noSession,
    },
    {
      title: "runs nothing in a closed session",
      // An MCP client never closes its session, so a successor is opened for it (contradiction C-62).
      without: ["mcp"],
      call: async (scene) => ({ input: { session_id: await closedSession(scene), tool: "codespar_charge", input: mariaCharge } }),
      failure: { code: "session_not_active", retry: "never", http: 409 },
    },
    {
      title: "refuses a key in the header that is none",
      without: ["mcp"],
      call: executing("codespar_charge", mariaCharge, { idempotencyKey: "k".repeat(256) }),
      failure: { code: "idempotency_key_invalid", field: "idempotency_key", retry: "never", http: 400 },
    },
    {
      title: "refuses a key in the header that names another effect",
      without: ["mcp"],
      call: async (scene) => {
        await charged(scene, { ...mariaCharge, idempotency_key: "order-1" });
        const input = { ...mariaCharge, amount: 15_001 };
        return { idempotencyKey: "order-1", input: { session_id: await scene.session(), tool: "codespar_charge", input } };
      },
      failure: { code: "idempotency_conflict", field: "idempotency_key", retry: "never", http: 422 },
    },
    {
      title: "does not wait for ever for the first call under a key in the header",
      without: ["mcp"],
      call: async (scene) => {
        await unfinishedCharge(scene, "order-1");
        return { idempotencyKey: "order-1", input: { session_id: await scene.session(), tool: "codespar_charge", input: mariaCharge } };
      },
      failure: { code: "idempotency_in_flight", retry: "same_key", http: 409 },
    },
  ],

  "toolCalls.get": [
    {
      title: "reads a charge that has settled",
      call: async (scene) => {
        const tool_call_id = await charged(scene);
        await scene.pass(10_000);
        return { input: { tool_call_id } };
      },
      answer: { status: "success", outcome: "accepted", state: "succeeded", amount_minor: 15_000, currency: "BRL", provider: "asaas", origin: "direct" },
    },
    {
      title: "reads a refusal",
      call: async (scene) => ({ input: { tool_call_id: (await threeCalls(scene)).ids[2] } }),
      answer: { status: "error", error_code: "invalid_args", output: null, provider: null, outcome: null },
    },
    { title: "knows no other call", call: () => ({ input: { tool_call_id: NO_CALL } }), failure: noToolCall },
    {
      title: "refuses what is no id",
      call: () => ({ input: { tool_call_id: "asaas/1 %2F?" } }),
      failure: noToolCallId,
    },
  ],

  "toolCalls.list": [
    {
      title: "lists every call, newest first",
      call: async (scene) => {
        await threeCalls(scene);
        return { input: {} };
      },
      answer: { tool_calls: [{ status: "error" }, { tool_name: "codespar_discover" }, { tool_name: "codespar_charge", status: "success" }], next_before: null },
    },
    {
      title: "filters by everything there is, and pages",
      call: async (scene) => {
        const { session_id, ids } = await threeCalls(scene);
        const since = "2026-11-20T12:00:00.000Z";
        return { input: { session_id, tool: "codespar_charge", provider: "asaas", status: "success", since, limit: 1, before: ids[2] } };
      },
      answer: { tool_calls: [{ tool_name: "codespar_charge", provider: "asaas", status: "success" }], next_before: null },
    },
    {
      title: "lists nothing since a moment to come",
      call: async (scene) => {
        await threeCalls(scene);
        return { input: { since: "2036-11-20T12:00:00.000Z" } };
      },
      answer: { tool_calls: [], next_before: null },
    },
    {
      title: "refuses a cursor that it never gave",
      call: () => ({ input: { before: "ses_01jd5v0000000000000000none" } }),
      failure: noCursor,
    },
  ],

  "payments.status": [
    {
      title: "reads a charge that is waiting",
      call: async (scene) => ({ input: { tool_call_id: await charged(scene) } }),
      answer: { status: "pending", state: "pending", payment_status: "pending", amount_minor: 15_000, final_amount_minor: null, settled_at: null },
    },
    {
      title: "reads a charge that was paid",
      call: async (scene) => {
        const tool_call_id = await charged(scene);
        await scene.pass(10_000);
        return { input: { tool_call_id } };
      },
      answer: { status: "succeeded", final_amount_minor: 15_000, outcome: "accepted", original_status: "success" },
    },
    {
      title: "says unknown of a call that moves no money",
      call: async (scene) => ({ input: { tool_call_id: (await scene.run("codespar_discover", { use_case: "ship" })).tool_call_id } }),
      answer: { status: "unknown", idempotency_key: null, events: [] },
    },
    { title: "knows no other call", call: () => ({ input: { tool_call_id: NO_CALL } }), failure: noToolCall },
    { title: "refuses what is no id", call: () => ({ input: { tool_call_id: "1" } }), failure: noToolCallId },
  ],

  "verifications.status": [
    {
      title: "reads a verification that was approved",
      call: async (scene) => {
        const { tool_call_id } = await scene.run("codespar_kyc", verification);
        await scene.pass(10_000);
        return { input: { tool_call_id } };
      },
      answer: { status: "approved", state: "approved", verification_status: "approved", provider: "persona" },
    },
    {
      title: "reads a verification that is waiting, with where to finish it",
      call: async (scene) => ({ input: { tool_call_id: (await scene.run("codespar_kyc", verification)).tool_call_id } }),
      answer: { status: "pending", hosted_url: expect.stringMatching(/^https:/) },
    },
    { title: "knows no other call", call: () => ({ input: { tool_call_id: NO_CALL } }), failure: noToolCall },
    { title: "refuses what is no id", call: () => ({ input: { tool_call_id: "1" } }), failure: noToolCallId },
  ],

  "sessions.logs": [
    {
      title: "lists the calls of a session, newest first",
      call: async (scene) => ({ input: { session_id: (await threeCalls(scene)).session_id } }),
      answer: { logs: [{ tool: "codespar_charge", status: "error" }, { tool: "codespar_discover", server: "codespar" }, { tool: "codespar_charge", status: "success" }], next_before: null },
    },
    {
      title: "pages",
      call: async (scene) => {
        const { session_id, ids } = await threeCalls(scene);
        return { input: { session_id, limit: 1, before: ids[2] } };
      },
      answer: { logs: [{ tool: "codespar_discover" }], next_before: expect.stringMatching(/^tc_/) },
    },
    { title: "knows no other session", call: () => ({ input: { session_id: NOWHERE } }), failure: noSession },
    {
      title: "refuses a cursor that it never gave",
      call: async (scene) => ({ input: { session_id: await scene.session(), before: "1" } }),
      failure: noCursor,
    },
  ],

  "servers.list": [
    {
      title: "lists the catalogue",
      call: () => ({ input: {} }),
      answer: { servers: expect.arrayContaining([expect.objectContaining({ id: "asaas", connectable: true })]), offset: 0 },
    },
    {
      title: "filters by everything there is, and pages",
      call: () => ({ input: { category: "messaging", country: "BR", q: "api", status: "live", auth_type: "path_secret", limit: 1, offset: 0 } }),
      answer: { servers: [{ id: "z-api" }], filtered: 1, limit: 1 },
    },
  ],

  "servers.get": [
    {
      title: "reads one with its tools",
      call: () => ({ input: { server_id: "codespar" } }),
      answer: { id: "codespar", tools: expect.arrayContaining([expect.objectContaining({ name: "codespar_charge" })]) },
    },
    { title: "knows no other", call: () => ({ input: { server_id: "nowhere" } }), failure: noServer },
  ],

  "servers.tools": [
    {
      title: "lists the tools of one",
      call: () => ({ input: { server_id: "codespar" } }),
      answer: { server_id: "codespar", tools: expect.arrayContaining([expect.objectContaining({ name: "codespar_pay" })]) },
    },
    { title: "knows no other", call: () => ({ input: { server_id: "nowhere" } }), failure: noServer },
  ],

  "servers.authSchema": [
    {
      title: "says what a connection is made of",
      call: () => ({ input: { server_id: "z-api" } }),
      answer: { auth_type: "path_secret", environment: "test", fields: [{ name: "token", kind: "path_secret" }, {}], settings: [{ name: "instance_id" }] },
    },
    { title: "knows no other", call: () => ({ input: { server_id: "nowhere" } }), failure: noServer },
    {
      title: "says of one without an adapter that it cannot be connected",
      call: () => ({ input: { server_id: "zoop" } }),
      failure: notConnectable,
    },
  ],

  "tools.list": [
    {
      title: "lists every tool",
      call: () => ({ input: {} }),
      answer: { tools: expect.arrayContaining([expect.objectContaining({ name: "codespar_charge", server: "codespar" })]) },
    },
    {
      title: "lists those of one server",
      call: () => ({ input: { server: "codespar", limit: 2, offset: 1 } }),
      answer: { tools: [{ server: "codespar" }, {}], limit: 2, offset: 1 },
    },
    {
      title: "knows no other server",
      call: () => ({ input: { server: "nowhere" } }),
      failure: { ...noServer, field: "server" },
    },
  ],

  "tools.get": [
    {
      title: "reads one with its schemas",
      call: () => ({ input: { tool: "codespar_kyc" } }),
      answer: { server: "codespar", effect: "writes", input_schema: { type: "object" }, output_schema: { type: "object" } },
    },
    {
      title: "knows no other",
      call: () => ({ input: { tool: "asaas/do everything?" } }),
      failure: { code: "tool_not_registered", retry: "never", http: 404 },
    },
  ],

  "connections.list": [
    {
      title: "lists every connection, newest first",
      call: () => ({ input: {} }),
      answer: { connections: expect.arrayContaining([expect.objectContaining({ server_id: "asaas", status: "connected", user_id: null })]), next_before: null },
    },
    {
      title: "filters by everything there is, and pages",
      call: async (scene) => {
        const [first] = await twoConnections(scene);
        await scene.call("connections.revoke", { connection_id: first });
        return { input: { user_id: "ana", server_id: "persona", status: "revoked", limit: 1, before: "ca_zzzzzzzzzzzzzzzzzzzzzzzzzz" } };
      },
      answer: { connections: [{ user_id: "ana", server_id: "persona", status: "revoked", connection_metadata: {} }], next_before: null },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],

  "connections.create": [
    {
      title: "connects a server for a user",
      call: () => ({ input: { server_id: "persona", secret: { api_key: "any" }, user_id: "ana", display_name: "Ana's", connection_metadata: { inquiry_template_id: "itmpl_1", some_Key: "kept" } } }),
      answer: { server_id: "persona", user_id: "ana", display_name: "Ana's", status: "connected", rotated: false, connection_metadata: { some_Key: "kept" } },
    },
    {
      title: "gives a connection that is there other credentials",
      call: () => ({ input: { server_id: "asaas", secret: "any" } }),
      answer: { server_id: "asaas", user_id: null, rotated: true },
    },
    {
      title: "refuses credentials under other names",
      call: () => ({ input: { server_id: "asaas", secret: { key: "any" } } }),
      failure: { code: "validation_failed", field: "secret.key", expected: "api_key", retry: "never", http: 400 },
    },
    {
      title: "knows no other server",
      call: () => ({ input: { server_id: "nowhere", secret: "any" } }),
      failure: noServer,
    },
    {
      title: "connects nothing without an adapter",
      call: () => ({ input: { server_id: "zoop", secret: "any" } }),
      failure: notConnectable,
    },
  ],

  "connections.revoke": [
    {
      title: "revokes a connection",
      call: async (scene) => ({ input: { connection_id: (await twoConnections(scene))[0] } }),
      answer: { status: "revoked", already: false },
    },
    {
      title: "changes nothing the second time",
      call: async (scene) => {
        const [connection_id] = await twoConnections(scene);
        await scene.call("connections.revoke", { connection_id });
        return { input: { connection_id } };
      },
      answer: { status: "revoked", already: true },
    },
    {
      title: "knows no other connection",
      call: () => ({ input: { connection_id: NO_CONNECTION } }),
      failure: noConnection,
    },
  ],

  "connections.updateMetadata": [
    {
      title: "sets and removes settings",
      call: async (scene) => ({ input: { connection_id: (await twoConnections(scene))[0], connection_metadata: { note: null, some_Key: "kept" } } }),
      answer: { connection_metadata: { some_Key: "kept", inquiry_template_id: expect.any(String) } },
    },
    {
      title: "knows no other connection",
      call: () => ({ input: { connection_id: NO_CONNECTION, connection_metadata: {} } }),
      failure: noConnection,
    },
    {
      title: "changes nothing of a revoked one",
      call: async (scene) => ({ input: { connection_id: await revokedConnection(scene), connection_metadata: {} } }),
      failure: connectionOver,
    },
  ],

  "connections.setWebhookSecret": [
    {
      title: "sets the secret that notifications are signed with",
      call: async (scene) => ({ input: { connection_id: (await twoConnections(scene))[0], secret: "whsec_1", keep_previous: true } }),
      answer: { server_id: "persona", updated: true },
    },
    {
      title: "knows no other connection",
      call: () => ({ input: { connection_id: NO_CONNECTION, secret: "s" } }),
      failure: noConnection,
    },
    {
      title: "changes nothing of a revoked one",
      call: async (scene) => ({ input: { connection_id: await revokedConnection(scene), secret: "s" } }),
      failure: connectionOver,
    },
    {
      title: "refuses one for a server that sends no notifications",
      call: async (scene) => {
        const [connection_id] = await twoConnections(scene);
        await scene.app.platform.db.sql`update connections set server_id = 'zoop' where id = ${connection_id}`;
        return { input: { connection_id, secret: "s" } };
      },
      failure: { code: "provider_has_no_inbound_webhooks", retry: "never", http: 400 },
    },
  ],

  "connections.start": [
    {
      title: "makes a link for a user",
      call: () => ({ input: { server_id: "asaas", user_id: "ana", redirect_uri: "https://app.example.com/done", scopes: "payments" } }),
      answer: { link_token: expect.stringMatching(/^lnk_/), authorize_url: expect.stringMatching(/\/connect\/lnk_/) },
    },
    {
      title: "refuses to lead anywhere but to a page",
      call: () => ({ input: { server_id: "asaas", user_id: "ana", redirect_uri: "javascript:alert(1)" } }),
      failure: { code: "validation_failed", field: "redirect_uri", expected: "expected an http(s) URL", retry: "never", http: 400 },
    },
    {
      title: "knows no other server",
      call: () => ({ input: { server_id: "nowhere", user_id: "ana", redirect_uri: "https://app.example.com" } }),
      failure: noServer,
    },
    {
      title: "links to nothing without an adapter",
      call: () => ({ input: { server_id: "zoop", user_id: "ana", redirect_uri: "https://app.example.com" } }),
      failure: notConnectable,
    },
  ],

  "rails.list": [
    {
      title: "lists every rail with how it has been doing",
      call: async (scene) => {
        await charged(scene);
        return { input: {} };
      },
      answer: { rails: expect.arrayContaining([expect.objectContaining({ id: "asaas-pix", tool: "codespar_charge", health: "healthy", attempts: 1, successes: 1 })]) },
    },
    {
      title: "lists the rails of one tool",
      call: () => ({ input: { tool: "codespar_invoice" } }),
      answer: { rails: [{ id: "nfse", connected: true, health: "untried", p50_ms: null, last_error: null }] },
    },
    {
      title: "lists nothing for what is no tool",
      call: () => ({ input: { tool: "codespar_nothing" } }),
      answer: { rails: [] },
    },
  ],

  "ledger.trialBalance": [
    {
      title: "sums the books",
      call: async (scene) => {
        await charged(scene);
        await scene.run("codespar_pay", { amount: 2_500, recipient: { pix_key: "maria@example.com" } });
        await scene.pass(10_000);
        return { input: {} };
      },
      answer: { balanced: true, accounts: expect.arrayContaining([expect.objectContaining({ currency: "BRL", debits_minor: expect.stringMatching(/^\d+$/) })]) },
    },
    {
      title: "balances when nothing was posted",
      call: () => ({ input: {} }),
      answer: { balanced: true, accounts: [] },
    },
  ],

  "ledger.transactions": [
    {
      title: "lists what was posted for a call",
      call: async (scene) => {
        const tool_call_id = await charged(scene);
        await charged(scene, { ...mariaCharge, amount: 100 });
        await scene.pass(10_000);
        return { input: { tool_call_id, limit: 5 } };
      },
      answer: { transactions: [{ key: expect.stringMatching(/^charge_settled:tc_/) }], next_before: null },
    },
    {
      title: "pages",
      call: async (scene) => {
        await charged(scene);
        await scene.pass(5_000);
        await charged(scene, { ...mariaCharge, amount: 100 });
        await scene.pass(10_000);
        const { next_before } = await scene.call("ledger.transactions", { limit: 1 });
        return { input: { before: next_before } };
      },
      answer: { transactions: [{ entries: expect.arrayContaining([expect.objectContaining({ amount_minor: "15000" })]) }], next_before: null },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],

  "keys.whoami": [
    {
      title: "names the organization, the project and the key",
      call: () => ({ input: {} }),
      answer: { organization: { name: "Tenant" }, project: { name: "Project 1" }, key: { environment: "test", scopes: ["*"] } },
    },
    {
      title: "names what a narrow key may do",
      call: async (scene) => ({ key: await scene.addKey({ scopes: ["rails:read", "sessions:read"] }), input: {} }),
      answer: { key: { scopes: ["rails:read", "sessions:read"] } },
    },
    {
      title: "refuses who has no key",
      call: () => ({ key: null, input: {} }),
      failure: { code: "unauthorized", retry: "never", http: 401 },
    },
  ],

  "keys.create": [
    {
      title: "issues a key of the project",
      call: () => ({ input: { name: "Shop", env: "test", scopes: ["rails:read", "sessions:read"] } }),
      answer: {
        name: "Shop", environment: "test", scopes: ["rails:read", "sessions:read"], full_key: expect.stringMatching(/^csk_test_/),
        expires_at: null, last_used_at: null, revoked_at: null,
      },
    },
    {
      title: "issues a service key to a service key",
      call: (scene) => ({ ...asService(scene), input: { name: "Operator", service: true } }),
      answer: { environment: null, project_id: null, scopes: ["*"], full_key: expect.stringMatching(/^cssk_internal_/) },
    },
    {
      title: "issues no service key to another key",
      call: () => ({ input: { name: "Operator", service: true } }),
      failure: { code: "service_key_required", field: "service", retry: "never", http: 403 },
    },
    {
      title: "refuses another environment than the project's",
      call: () => ({ input: { name: "Shop", env: "live" } }),
      failure: { code: "project_environment_mismatch", field: "env", retry: "never", http: 403 },
    },
    {
      title: "hands out no scope that the issuing key lacks",
      call: async (scene) => ({ key: await scene.addKey({ scopes: ["keys:write"] }), input: { name: "Shop", scopes: ["tools:execute"] } }),
      failure: { code: "forbidden", field: "scopes", retry: "never", http: 403 },
    },
    {
      title: "refuses a name longer than it may be",
      call: () => ({ input: { name: "n".repeat(129) } }),
      failure: { code: "validation_failed", field: "name", expected: "Too big: expected string to have <=128 characters", retry: "never", http: 400 },
    },
  ],

  "keys.list": [
    {
      title: "lists keys, newest first",
      call: async (scene) => {
        await issuedKey(scene, { name: "Shop" });
        return { input: {} };
      },
      answer: { keys: [{ name: "Shop", last_used_at: null }, { name: "Key" }], next_before: null },
    },
    {
      title: "pages",
      call: async (scene) => {
        const before = await issuedKey(scene);
        return { input: { before, limit: 1 } };
      },
      answer: { keys: [{ name: "Key" }], next_before: null },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],

  "keys.revoke": [
    {
      title: "revokes a key",
      call: async (scene) => ({ input: { key_id: await issuedKey(scene) } }),
      answer: { name: "Shop", revoked_at: expect.any(String) },
    },
    {
      title: "changes nothing the second time",
      call: async (scene) => {
        const key_id = await issuedKey(scene);
        await scene.call("keys.revoke", { key_id });
        await scene.pass(1_000);
        return { input: { key_id } };
      },
      answer: { revoked_at: expect.any(String) },
    },
    { title: "knows no other key", call: () => ({ input: { key_id: "key_none" } }), failure: noKey },
  ],

  "keys.rotate": [
    {
      title: "issues a successor beside the key",
      call: async (scene) => ({ input: { key_id: await issuedKey(scene, { scopes: ["rails:read"] }), grace_seconds: 60 } }),
      answer: { name: "Shop", scopes: ["rails:read"], full_key: expect.stringMatching(/^csk_test_/), previous: { name: "Shop", expires_at: expect.any(String) } },
    },
    {
      title: "rotates no key that is revoked",
      call: async (scene) => {
        const key_id = await issuedKey(scene);
        await scene.call("keys.revoke", { key_id });
        return { input: { key_id } };
      },
      failure: { code: "key_not_active", field: "key_id", retry: "never", http: 409 },
    },
    {
      title: "rotates no key that may do more than the one that asks",
      call: async (scene) => ({ key: await scene.addKey({ scopes: ["keys:write"] }), input: { key_id: await issuedKey(scene) } }),
      failure: { code: "forbidden", field: "scopes", retry: "never", http: 403 },
    },
    {
      title: "refuses a grace of more than 30 days",
      call: async (scene) => ({ input: { key_id: await issuedKey(scene), grace_seconds: 2_592_001 } }),
      failure: { code: "validation_failed", field: "grace_seconds", expected: "Too big: expected number to be <=2592000", retry: "never", http: 400 },
    },
    { title: "knows no other key", call: () => ({ input: { key_id: "key_none" } }), failure: noKey },
  ],

  "projects.create": [
    {
      title: "creates a live project",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "loja", environment: "live" } }),
      answer: { name: "Loja", slug: "loja", environment: "live", is_default: true, settings: { charge_amount_unit: null, failover_when_not_reached: false, merchant: null } },
    },
    {
      title: "creates a test project with its twins",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "loja" } }),
      answer: { environment: "test", is_default: false, settings: { merchant: { name: "Loja Exemplo Ltda" } } },
    },
    {
      title: "creates none for a project's own key",
      call: () => ({ input: { name: "Loja", slug: "loja" } }),
      failure: { code: "service_key_required", retry: "never", http: 403 },
    },
    {
      title: "refuses a slug of other characters",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "Loja!" } }),
      failure: { code: "slug_invalid", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a reserved slug",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "default" } }),
      failure: { code: "slug_reserved", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a slug that is taken",
      call: (scene) => ({ ...asService(scene), input: { name: "Loja", slug: "project-1" } }),
      failure: { code: "slug_conflict", field: "slug", retry: "never", http: 409 },
    },
  ],

  "projects.list": [
    {
      title: "lists the key's own project",
      call: () => ({ input: {} }),
      answer: { projects: [{ slug: "project-1", is_default: true }], next_before: null },
    },
    {
      title: "lists all of the organization's to a service key, and pages",
      call: async (scene) => {
        await scene.pass(1);
        await scene.neighbour("live");
        return { ...asService(scene), input: { limit: 1 } };
      },
      answer: { projects: [{ slug: "project-2", environment: "live" }], next_before: expect.stringMatching(/^prj_/) },
    },
    { title: "refuses a cursor that it never gave", call: () => ({ input: { before: "1" } }), failure: noCursor },
  ],

  "projects.get": [
    {
      title: "reads a project with its settings",
      call: (scene) => ({ input: { project_id: scene.projectId } }),
      answer: { slug: "project-1", settings: { charge_amount_unit: null, merchant: { tax_id: "11222333000181", default_service: { service_code: "2690" } } } },
    },
    {
      title: "knows no other project",
      call: async (scene) => ({ input: { project_id: (await scene.neighbour()).projectId } }),
      failure: noProject,
    },
  ],

  "projects.update": [
    {
      title: "changes settings and leaves the rest",
      call: (scene) => ({ input: { project_id: scene.projectId, settings: { charge_amount_unit: "major", merchant: null } } }),
      answer: { name: "Project 1", settings: { charge_amount_unit: "major", failover_when_not_reached: false, merchant: null } },
    },
    {
      title: "makes a project the default of its environment",
      call: async (scene) => ({ ...asService(scene), input: { project_id: (await scene.neighbour()).projectId, is_default: true, name: "Main", slug: "main" } }),
      answer: { name: "Main", slug: "main", is_default: true },
    },
    {
      title: "lets no project's own key choose the default",
      call: (scene) => ({ input: { project_id: scene.projectId, is_default: true } }),
      failure: { code: "service_key_required", field: "is_default", retry: "never", http: 403 },
    },
    {
      title: "moves no project to the other environment",
      call: (scene) => ({ input: { project_id: scene.projectId, environment: "live" } }),
      failure: { code: "environment_immutable", field: "environment", retry: "never", http: 400 },
    },
    {
      title: "refuses a slug of other characters",
      call: (scene) => ({ input: { project_id: scene.projectId, slug: "" } }),
      failure: { code: "slug_invalid", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a reserved slug",
      call: (scene) => ({ input: { project_id: scene.projectId, slug: "default" } }),
      failure: { code: "slug_reserved", field: "slug", retry: "never", http: 400 },
    },
    {
      title: "refuses a slug that is taken",
      call: async (scene) => {
        await scene.neighbour("live");
        return { input: { project_id: scene.projectId, slug: "project-2" } };
      },
      failure: { code: "slug_conflict", field: "slug", retry: "never", http: 409 },
    },
    {
      title: "refuses to change nothing",
      call: (scene) => ({ input: { project_id: scene.projectId } }),
      failure: { code: "validation_failed", expected: "name, slug, is_default or settings", retry: "never", http: 400 },
    },
    {
      title: "knows no other project",
      call: async (scene) => ({ input: { project_id: (await scene.neighbour()).projectId, name: "Mine" } }),
      failure: noProject,
    },
  ],
};

const names = (Object.keys(operations) as OperationName[]).filter((name) => name !== "sessions.send");

describe.each(names)("%s", (name) => {
  test.each(cases[name] ?? [])("$title", async (each) => {
    const runs = await throughEveryDoor(app, doors, name, each);
    const { actual, expected } = compared(each, runs);
    expect(actual).toEqual(expected);
    expect(runs[0]!.outcome).toMatchObject(each.answer ? { ok: true, value: each.answer } : {});
  });

  test("has a case that succeeds, and one for every failure that it declares", () => {
    const ends = (cases[name] ?? []).map(({ answer, failure }) => (answer ? "an answer" : failure?.code));
    expect(["an answer", ...operations[name].errors].filter((end) => !ends.includes(end))).toEqual([]);
  });
});
