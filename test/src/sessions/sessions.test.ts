import { expect, test } from "vitest";
import { liveKey, mariaCharge, startApp } from "../../support/app.ts";

const app = await startApp();
const MINUTE = 60_000;

test("a session is active, and says when it would close", async () => {
  const session = await app.call("sessions.create", { user_id: "maria", servers: ["asaas", "asaas", "zoop"], metadata: { cart: "1" } });
  expect(session).toMatchObject({ status: "active", environment: "test", user_id: "maria", servers: ["asaas", "zoop"], metadata: { cart: "1" }, tool_call_count: 0, closed_at: null });
  expect(new Date(session.expires_at!).getTime() - new Date(session.created_at).getTime()).toBe(30 * MINUTE);
  expect(session.created_at).toMatch(/\.\d{3}Z$/);
});

test("an idle session closes by itself after 30 minutes; activity at 29 keeps it open", async () => {
  const idle = await app.session();
  const used = await app.session();
  await app.clock.advance(29 * MINUTE);
  await app.call("tools.execute", { session_id: used, tool: "codespar_manage_connections", input: {} });
  await app.clock.advance(MINUTE);
  await app.settle();
  expect(await app.call("sessions.get", { session_id: idle })).toMatchObject({ status: "closed", close_reason: "idle_timeout", expires_at: null });
  expect(await app.call("sessions.get", { session_id: used })).toMatchObject({ status: "active", tool_call_count: 1 });
  await expect(app.call("tools.execute", { session_id: idle, tool: "codespar_charge", input: mariaCharge })).rejects.toMatchObject({ code: "session_not_active", http: 409 });
});

test("a session that nobody reaped is closed by the first who asks", async () => {
  const idle = await app.session();
  await app.clock.advance(31 * MINUTE);
  await expect(app.call("tools.execute", { session_id: idle, tool: "codespar_charge", input: mariaCharge })).rejects.toMatchObject({ code: "session_not_active" });
  expect(await app.call("sessions.list", { status: "active" })).toMatchObject({ sessions: expect.not.arrayContaining([expect.objectContaining({ id: idle })]) });
});

test("closing is idempotent", async () => {
  const id = await app.session();
  const first = await app.call("sessions.close", { session_id: id });
  await app.clock.advance(1000);
  expect(await app.call("sessions.close", { session_id: id })).toEqual(first);
  expect(first).toMatchObject({ status: "closed", close_reason: "closed_by_caller" });
});

test("another project's session does not exist for this one", async () => {
  const id = await app.session();
  for (const operation of ["sessions.get", "sessions.close", "sessions.connections"] as const)
    await expect(app.call(operation, { session_id: id }, { credential: liveKey })).rejects.toMatchObject({ code: "session_not_found", http: 404 });
});

test("pages walk every session once, newest first", async () => {
  for (let count = 0; count < 5; count++) {
    await app.clock.advance(1);
    await app.call("sessions.create", { user_id: "pages" });
  }
  const seen: string[] = [];
  let before: string | undefined;
  do {
    const page = await app.call("sessions.list", { user_id: "pages", limit: 2, ...(before && { before }) });
    seen.push(...page.sessions.map(({ id }) => id));
    before = page.next_before ?? undefined;
  } while (before);
  expect(seen).toHaveLength(5);
  expect(seen).toEqual([...new Set(seen)].sort().reverse());
});

test("unknown servers are named", async () => {
  await expect(app.call("sessions.create", { user_id: "u", servers: ["asaas", "nope"] })).rejects.toMatchObject({ code: "unknown_servers", at: { unknown: ["nope"] } });
});

test("a test session's connections are all connected, and its tools are the nine meta-tools", async () => {
  const { servers, tools } = await app.call("sessions.connections", { session_id: await app.session() });
  expect(servers.map(({ id }) => id).sort()).toEqual(app.platform.providers.map(({ id }) => id).sort());
  expect(servers.every(({ connected }) => connected)).toBe(true);
  expect(tools.map(({ name }) => name)).toHaveLength(9);
});

test("mocks answer verbatim, in their order, and make the session strict", async () => {
  const mocks = { codespar_pay: { zeta: 1, alpha: { b: 2, a: 1 } }, "asaas/create_payment": [{ id: "1" }, { id: "2" }] };
  const { id: session_id } = await app.call("sessions.create", { user_id: "u", mocks });
  const run = (tool: string) => app.call("tools.execute", { session_id, tool, input: {} });
  const paid = await run("codespar_pay");
  expect(JSON.stringify(paid.data)).toBe('{"zeta":1,"alpha":{"b":2,"a":1}}');
  expect(paid).toMatchObject({ success: true, error: null });
  expect((await run("asaas__create_payment")).data).toEqual({ id: "1" });
  expect((await run("asaas/create_payment")).data).toEqual({ id: "2" });
  expect(await run("asaas/create_payment")).toMatchObject({ success: false, code: "mocks_exhausted", data: { code: "mocks_exhausted" } });
  expect(await run("codespar_charge")).toMatchObject({ success: false, data: { code: "tool_not_mocked", tool_name: "codespar_charge" } });
  expect(await run("codespar_discover")).toMatchObject({ success: false, code: "invalid_args" });
  expect(app.twins!.requests("asaas").filter(({ method, path }) => method === "POST" && path === "/v3/payments")).toEqual([]);
});

test.each([
  [{ "asaas__create_payment": {} }, "mocks_invalid"],
  [{ codespar_pay: "paid" }, "mocks_invalid"],
  [{ codespar_pay: { filler: "x".repeat(64 * 1024) } }, "mocks_payload_too_large"],
])("unusable mocks are refused (%#)", async (mocks, code) => {
  await expect(app.call("sessions.create", { user_id: "u", mocks })).rejects.toMatchObject({ code });
});

test("a live key may not declare mocks; a map without any declares none", async () => {
  const create = (mocks: object) => app.call("sessions.create", { user_id: "u", mocks }, { credential: liveKey });
  await expect(create({ codespar_pay: {} })).rejects.toMatchObject({ code: "mocks_not_permitted", http: 403 });
  expect(await create({})).toMatchObject({ status: "active", environment: "live" });
});
