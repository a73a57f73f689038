/** Keys as their holders manage them: issued, listed, rotated, revoked; none hands out more than it may do. */
import { expect, test } from "vitest";
import { KEY_CHECK_MS } from "../../../src/access/key-watch.ts";
import { bootstrap } from "../../../src/access/bootstrap.ts";
import { hashKey, newKey } from "../../../src/access/keys.ts";
import { subscriptions, type SubscriptionName } from "../../../schema/index.ts";
import { mariaCharge, serviceKey, startApp, testKey } from "../../support/app.ts";
import { inProcess, streamingDoors } from "../../support/doors.ts";
import { newTenant } from "../../support/tenants.ts";

const app = await startApp();
const own = await app.call("keys.whoami", {});
const service = { credential: serviceKey, projectId: own.project.id };
const HOUR = 3_600_000;

const issue = (input: object = {}, as: object = {}) => app.call("keys.create", { name: "shop", ...input }, as);
const whoami = (credential: string) => app.call("keys.whoami", {}, { credential });
const refused = { code: "unauthorized", http: 401 };

test("a new key works at once, and is shown whole only this once", async () => {
  const key = await issue({ name: "Loja, produção", env: "test" });
  expect(key).toMatchObject({
    name: "Loja, produção", environment: "test", project_id: own.project.id, scopes: ["*"], created_at: "2026-11-20T12:00:00.000Z",
    last_used_at: null, expires_at: null, revoked_at: null, warning: expect.stringContaining("cannot be shown again"),
  });
  expect(key.full_key).toMatch(/^csk_test_[A-Za-z0-9]{32}$/);
  expect(key.full_key.startsWith(key.prefix)).toBe(true);
  expect(key.prefix).toHaveLength("csk_test_".length + 4);
  expect(await whoami(key.full_key)).toMatchObject({ key: { id: key.id }, project: own.project });
  const everything = JSON.stringify([await app.call("keys.list", {}), await app.call("keys.revoke", { key_id: key.id }), await app.platform.db.sql`select * from api_keys`]);
  expect(everything).not.toContain(key.full_key);
  expect(everything).not.toContain(key.full_key.slice(-16));
});

test.each([
  [{ name: "" }, "name"], [{ name: "n".repeat(129) }, "name"], [{ scopes: [] }, "scopes"], [{ scopes: ["sessions:create", "everything"] }, "scopes.1"],
  [{ env: "staging" }, "env"],
])("%j is refused by name", async (input, field) => {
  await expect(issue(input)).rejects.toMatchObject({ code: "validation_failed", at: { field } });
});

test("a key is of its project's environment, whatever is asked for", async () => {
  await expect(issue({ env: "live" })).rejects.toMatchObject({ code: "project_environment_mismatch", http: 403, at: { field: "env" } });
});

test("no key hands out more than it may do: not by issuing, not by rotating", async () => {
  const narrow = { credential: (await issue({ scopes: ["keys:write", "keys:read", "rails:read"] })).full_key };
  expect((await issue({ scopes: ["rails:read", "rails:read"] }, narrow)).scopes).toEqual(["rails:read"]);
  expect((await issue({}, narrow)).scopes).toEqual(["keys:write", "keys:read", "rails:read"]);
  for (const scopes of [["*"], ["rails:read", "tools:execute"]])
    await expect(issue({ scopes }, narrow)).rejects.toMatchObject({ code: "forbidden", http: 403, at: { field: "scopes", scope: scopes.at(-1) } });
  const wide = await issue();
  await expect(app.call("keys.rotate", { key_id: wide.id }, narrow)).rejects.toMatchObject({ code: "forbidden", at: { scope: "*" } });
  expect(await whoami(wide.full_key)).toMatchObject({ key: { id: wide.id } });
});

test("only a service key issues service keys, and sees them", async () => {
  await expect(issue({ service: true })).rejects.toMatchObject({ code: "service_key_required", http: 403 });
  const key = await issue({ service: true, scopes: ["sessions:read", "keys:read"] }, service);
  expect(key).toMatchObject({ environment: null, project_id: null, full_key: expect.stringMatching(/^cssk_internal_[A-Za-z0-9]{32}$/) });
  const sees = async (as: object) => (await app.call("keys.list", {}, as)).keys.some(({ id }) => id === key.id);
  expect([await sees({}), await sees(service), await sees({ ...service, credential: key.full_key })]).toEqual([false, true, true]);
  for (const operation of ["keys.revoke", "keys.rotate"] as const)
    await expect(app.call(operation, { key_id: key.id })).rejects.toMatchObject({ code: "key_not_found", http: 404 });
  await expect(app.call("sessions.create", { user_id: "u" }, { ...service, credential: key.full_key })).rejects.toMatchObject({ code: "forbidden" });
  const { full_key } = await app.call("keys.rotate", { key_id: key.id, grace_seconds: 0 }, service);
  await expect(app.call("keys.whoami", {}, { ...service, credential: key.full_key })).rejects.toMatchObject(refused);
  expect(await app.call("keys.whoami", {}, { ...service, credential: full_key })).toMatchObject({ key: { scopes: ["sessions:read", "keys:read"] } });
});

test("a service key works in the projects of every organization; a project key in its own alone", async () => {
  const other = await newTenant(app);
  const session_id = await other.session();
  expect(await app.call("sessions.get", { session_id }, { credential: serviceKey, projectId: other.projectId })).toMatchObject({ org_id: other.orgId });
  await expect(app.call("sessions.get", { session_id }, service)).rejects.toMatchObject({ code: "session_not_found" });
  await expect(app.call("sessions.get", { session_id }, { projectId: other.projectId })).rejects.toMatchObject({ code: "project_not_found" });
});

test("a rotated key and its successor both work until the grace is over", async () => {
  const old = await issue({ scopes: ["rails:read"] });
  const rotated = await app.call("keys.rotate", { key_id: old.id });
  expect(rotated).toMatchObject({ name: "shop", scopes: ["rails:read"], expires_at: null, previous: { id: old.id, expires_at: "2026-11-21T12:00:00.000Z" } });
  expect(rotated.id).not.toBe(old.id);
  await app.clock.advance(24 * HOUR - 1);
  expect((await whoami(old.full_key)).key.id).toBe(old.id);
  expect((await whoami(rotated.full_key)).key.id).toBe(rotated.id);
  await app.clock.advance(1);
  await expect(whoami(old.full_key)).rejects.toMatchObject(refused);
  expect((await whoami(rotated.full_key)).key.id).toBe(rotated.id);
  await expect(app.call("keys.rotate", { key_id: old.id })).rejects.toMatchObject({ code: "key_not_active", http: 409, at: { reason: "expired" } });
});

test("a grace is 30 days at most, and rotating again never prolongs a life", async () => {
  const { id: key_id } = await issue();
  const rotate = (grace_seconds: number) => app.call("keys.rotate", { key_id, grace_seconds });
  await expect(rotate(30 * 86_400 + 1)).rejects.toMatchObject({ code: "validation_failed", at: { field: "grace_seconds" } });
  await expect(rotate(-1)).rejects.toMatchObject({ code: "validation_failed" });
  const { previous } = await rotate(3600);
  expect((await rotate(30 * 86_400)).previous.expires_at).toBe(previous.expires_at);
  expect((await rotate(60)).previous.expires_at! < previous.expires_at!).toBe(true);
});

test("a revoked key is refused from its next request on, and revoking it again changes nothing", async () => {
  const { id: key_id, full_key } = await issue();
  await whoami(full_key);
  const first = await app.call("keys.revoke", { key_id });
  await expect(whoami(full_key)).rejects.toMatchObject(refused);
  await app.clock.advance(1000);
  expect(await app.call("keys.revoke", { key_id })).toEqual(first);
  expect(first.revoked_at).not.toBeNull();
  await expect(app.call("keys.rotate", { key_id })).rejects.toMatchObject({ code: "key_not_active", at: { reason: "revoked" } });
});

test("another project's keys do not exist for this one", async () => {
  const other = await newTenant(app);
  const { keys: [theirs] } = await other.call("keys.list", {});
  for (const operation of ["keys.revoke", "keys.rotate"] as const)
    for (const as of [{}, service])
      await expect(app.call(operation, { key_id: theirs!.id }, as)).rejects.toMatchObject({ code: "key_not_found", http: 404, at: { field: "key_id" } });
  expect((await app.call("keys.list", {}, service)).keys.map(({ id }) => id)).not.toContain(theirs!.id);
});

test("pages walk every key once, newest first", async () => {
  const tenant = await newTenant(app);
  for (const name of ["one", "two", "three"]) {
    await app.clock.advance(1);
    await tenant.call("keys.create", { name });
  }
  const first = await tenant.call("keys.list", { limit: 3 });
  expect(first.keys.map(({ name }) => name)).toEqual(["three", "two", "one"]);
  expect(await tenant.call("keys.list", { limit: 3, before: first.next_before })).toMatchObject({ keys: [{ name: "Key" }], next_before: null });
});

test("the last use is kept to the minute: a busy key's row is written once in it", async () => {
  const { id, full_key } = await issue();
  const seen = async () => {
    const [row] = await app.platform.db.sql<{ at: Date | null; version: string }[]>`select last_used_at as at, xmin::text as version from api_keys where id = ${id}`;
    return row!;
  };
  expect((await seen()).at).toBeNull();
  const firstUse = app.clock.now();
  await Promise.all(Array.from({ length: 5 }, () => whoami(full_key)));
  const first = await seen();
  expect(first.at).toEqual(firstUse);
  await app.clock.advance(59_999);
  await whoami(full_key);
  expect(await seen()).toEqual(first);
  await app.clock.advance(1);
  await whoami(full_key);
  expect((await seen()).at).toEqual(app.clock.now());
  const { keys } = await app.call("keys.list", { limit: 100 });
  expect(keys.find((key) => key.id === id)!.last_used_at).toBe(app.clock.now().toISOString());
});

test.each(streamingDoors(inProcess(app)).map((door) => [door.name, door] as const))(
  "a stream through %s ends within seconds of its key being revoked, and another key's goes on",
  async (_name, door) => {
    const { id: key_id, full_key } = await issue();
    const { tool_call_id } = await app.run("codespar_charge", { ...mariaCharge, idempotency_key: key_id });
    const [revoked, other] = [full_key, testKey].map((key) => door.watch("payments.watch", { tool_call_id }, { key }));
    await expect.poll(() => [revoked!.items.length, other!.items.length]).toEqual([1, 1]);
    let ended = false;
    void other!.ended.then(() => (ended = true));
    await app.call("keys.revoke", { key_id });
    await app.clock.advance(KEY_CHECK_MS);
    expect(await revoked!.ended).toMatchObject({ code: "unauthorized" });
    await app.clock.advance(KEY_CHECK_MS);
    expect(ended).toBe(false);
    await other!.stop();
  },
);

test("every watch of the contract ends with its key", async () => {
  const { id: key_id, full_key: credential } = await issue();
  const { id: session_id } = await app.call("sessions.create", { user_id: "u" });
  const started = async (tool: string, input: object) => (await app.call("tools.execute", { session_id, tool, input })).tool_call_id!;
  const charge = await started("codespar_charge", { ...mariaCharge, idempotency_key: "watched" });
  const verification = await started("codespar_kyc", { subject: { name: "Maria Silva" } });
  const watches = (Object.keys(subscriptions) as SubscriptionName[]).filter((name) => subscriptions[name].effect === "reads");
  const streams = await Promise.all(watches.map((name) => {
    const input = { session_id, tool_call_id: name.startsWith("verifications") ? verification : charge };
    return app.door.subscribe(name, input, app.context({ credential }));
  }));
  const ends = streams.map(async (stream) => {
    for await (const _item of stream);
  });
  const settled = Promise.allSettled(ends);
  await app.call("keys.revoke", { key_id });
  await app.clock.advance(KEY_CHECK_MS);
  expect(await settled).toMatchObject(watches.map(() => ({ status: "rejected", reason: { code: "unauthorized" } })));
  expect(watches.length).toBeGreaterThanOrEqual(3);
});

test("a stream ends when the grace of its key is over", async () => {
  const { id: key_id, full_key } = await issue();
  const session_id = await app.session();
  const stream = await app.door.subscribe("toolCalls.watch", { session_id }, app.context({ credential: full_key }));
  const ended = (async () => {
    for await (const _item of stream);
  })();
  ended.catch(() => {});
  await app.call("keys.rotate", { key_id, grace_seconds: 1 });
  await app.clock.advance(KEY_CHECK_MS);
  await expect(ended).rejects.toMatchObject({ code: "unauthorized" });
});

test("a service key that the operator sets later is added; one that was revoked stays so", async () => {
  const key = newKey("service");
  const start = () => bootstrap(app.platform.db, { keys: { service: key, test: newKey("test"), live: newKey("live") }, now: app.clock.now() });
  const count = async () => (await app.platform.db.sql`select id from api_keys`).length;
  const before = await count();
  await start();
  await start();
  expect(await count()).toBe(before + 1);
  expect(await app.call("keys.whoami", {}, { ...service, credential: key })).toMatchObject({ key: { scopes: ["*"] } });
  await app.platform.db.sql`update api_keys set revoked_at = now() where hash = ${hashKey(key)}`;
  await start();
  await expect(app.call("keys.whoami", {}, { ...service, credential: key })).rejects.toMatchObject(refused);
});

test("REST has the published routes, statuses and containers", async () => {
  const rest = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${testKey}`, "content-type": "application/json" };
    const response = await app.http.fetch(new Request(`http://localhost/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) }));
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const created = await rest("POST", "/api-keys", { name: "cli", env: "test" });
  expect(created).toMatchObject({ status: 201, body: { name: "cli", full_key: expect.stringMatching(/^csk_test_/), revoked_at: null, last_used_at: null } });
  const { id } = created.body;
  const listed = await rest("GET", "/api-keys?limit=1");
  expect(listed).toMatchObject({ status: 200, body: { keys: [expect.not.objectContaining({ full_key: expect.anything() })] } });
  expect(await rest("POST", `/api-keys/${id as string}/rotate`)).toMatchObject({ status: 201, body: { previous: { id, expires_at: expect.any(String) } } });
  const revoked = await rest("DELETE", `/api-keys/${id as string}`);
  expect(revoked).toMatchObject({ status: 200, body: { id, revoked_at: expect.any(String) } });
  expect(await rest("POST", `/api-keys/${id as string}/revoke`, {})).toEqual(revoked);
  const { body: { projects: [project], data } } = (await rest("GET", "/projects")) as unknown as { body: { projects: object[]; data: object[] } };
  expect(project).toMatchObject({ id: own.project.id, org_id: own.organization.id, slug: "test", is_default: true, environment: "test" });
  expect(data).toEqual([project]);
  expect(await rest("PATCH", `/projects/${own.project.id}`, { settings: { charge_amount_unit: "minor" }, name: null })).toMatchObject({ status: 200, body: { settings: { charge_amount_unit: "minor" } } });
});
