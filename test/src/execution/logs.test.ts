/** The log of tool calls: of a session in pages, of a project as a stream, in the lines that the released command line reads. */
import { describe, expect, onTestFinished, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";
import { newTenant, type Tenant } from "../../support/tenants.ts";

const app = await startApp();
const NOWHERE = "ses_01jd5v0000000000000000none";

const get = (path: string, { key }: Tenant, signal?: AbortSignal) =>
  app.http.fetch(new Request(`http://localhost/v1${path}`, { headers: { authorization: `Bearer ${key}`, accept: "text/event-stream" }, ...(signal && { signal }) }));

/** What a reader of lines that begin with `data: ` gets, as it comes. */
async function tail(path: string, tenant: Tenant) {
  const gone = new AbortController();
  onTestFinished(() => gone.abort());
  const response = await get(path, tenant, gone.signal);
  const lines: Record<string, unknown>[] = [];
  let text = "";
  let ended = false;
  void (async () => {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
  })().catch(() => {}).finally(() => (ended = true));
  const read = () => {
    lines.splice(0, lines.length, ...text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)) as Record<string, unknown>));
    return lines;
  };
  return { response, read, text: () => text, isOver: () => ended, stop: () => gone.abort() };
}

const until = (read: () => unknown) => expect.poll(read, { timeout: 10_000 });

describe("a session's log", () => {
  test("is newest first, with what the command line prints of each call", async () => {
    const tenant = await newTenant(app);
    const session_id = await tenant.session();
    const run = async (tool: string, input: object) => {
      await app.clock.advance(1);
      return (await tenant.call("tools.execute", { session_id, tool, input })).tool_call_id;
    };
    const ids = [await run("codespar_charge", { ...mariaCharge, provider: "asaas" }), await run("codespar_charge", {}), await run("codespar_discover", { use_case: "ship" })];
    await tenant.run("codespar_discover", { use_case: "another session" });

    const response = await get(`/sessions/${session_id}/logs`, tenant);
    const { data, logs, next_before } = (await response.json()) as Record<string, Record<string, unknown>[]>;
    expect([response.status, next_before]).toEqual([200, null]);
    expect(logs).toEqual(data);
    expect(data!.map(({ id }) => id)).toEqual(ids.toReversed());
    expect(data).toMatchObject([
      { tool: "codespar_discover", server: "codespar", status: "success" },
      { tool: "codespar_charge", server: "codespar", status: "error", error: expect.stringContaining("amount") },
      { tool: "codespar_charge", server: "asaas", status: "success" },
    ]);
    for (const line of data!) expect(line).toMatchObject({ session_id, duration_ms: expect.any(Number), called_at: expect.stringMatching(/\.\d{3}Z$/) });
  });

  test("leaves out what a call under way cannot say", async () => {
    const tenant = await newTenant(app);
    const session_id = await tenant.session();
    await tenant.call("tools.execute", { session_id, tool: "codespar_charge", input: mariaCharge });
    await app.platform.db.sql`update tool_calls set status = 'running', duration_ms = null where session_id = ${session_id}`;
    const { logs } = await tenant.call("sessions.logs", { session_id });
    expect(logs).toMatchObject([{ status: "running" }]);
    expect(Object.keys(logs[0]!).sort()).toEqual(["called_at", "id", "server", "session_id", "status", "tool"]);
  });

  test("is read in pages", async () => {
    const tenant = await newTenant(app);
    const session_id = await tenant.session();
    for (let count = 0; count < 3; count++) {
      await app.clock.advance(1);
      await tenant.call("tools.execute", { session_id, tool: "codespar_discover", input: { use_case: "ship" } });
    }
    const first = await tenant.call("sessions.logs", { session_id, limit: 2 });
    const second = await tenant.call("sessions.logs", { session_id, limit: 2, before: first.next_before! });
    expect([first.logs.length, second.logs.length, second.next_before]).toEqual([2, 1, null]);
    await expect(tenant.call("sessions.logs", { session_id, before: "yesterday" })).rejects.toMatchObject({ code: "cursor_invalid" });
  });

  test("of another project, or of no session, is none", async () => {
    const tenant = await newTenant(app);
    const session_id = await tenant.session();
    const stranger = await newTenant(app);
    await expect(stranger.call("sessions.logs", { session_id })).rejects.toMatchObject({ code: "session_not_found", http: 404 });
    expect((await get(`/sessions/${NOWHERE}/logs`, tenant)).status).toBe(404);
  });
});

describe("the stream", () => {
  test("begins with the last ten lines unless told, oldest first", async () => {
    const tenant = await newTenant(app);
    const ids: (string | null)[] = [];
    for (let count = 0; count < 12; count++) {
      await app.clock.advance(1);
      ids.push((await tenant.run("codespar_discover", { use_case: "ship" })).tool_call_id);
    }
    const [ten, three, none] = [await tail("/logs/stream", tenant), await tail("/logs/stream?limit=3", tenant), await tail("/logs/stream?limit=0", tenant)];
    await until(() => ten.read().length).toBe(10);
    await until(() => three.read().length).toBe(3);
    expect(ten.read().map(({ id }) => id)).toEqual(ids.slice(2));
    expect(three.read().map(({ id }) => id)).toEqual(ids.slice(9));
    await tenant.run("codespar_discover", { use_case: "pay" });
    await until(() => none.read().length).toBe(1);
  });

  test("tells the calls of every session of the project and of no other, and settlement is no line of it", async () => {
    const tenant = await newTenant(app);
    const stranger = await newTenant(app);
    const neighbour = await tenant.neighbour();
    const { read } = await tail("/logs/stream", tenant);
    for (const other of [stranger, neighbour]) await other.run("codespar_charge", mariaCharge);
    const { tool_call_id } = await tenant.run("codespar_charge", { ...mariaCharge, provider: "asaas" });
    await until(() => read().at(-1)).toMatchObject({ id: tool_call_id, status: "success" });
    await app.pass(10_000);
    expect(await tenant.call("payments.status", { tool_call_id: tool_call_id! })).toMatchObject({ status: "succeeded" });
    const last = await tenant.run("codespar_discover", { use_case: "ship" });
    await until(() => read().at(-1)).toMatchObject({ id: last.tool_call_id });
    expect(new Set(read().map(({ id }) => id))).toEqual(new Set([tool_call_id, last.tool_call_id]));
    expect(read().filter(({ id, status }) => id === tool_call_id && status === "success")).toHaveLength(1);
    for (const line of read()) expect(line).toMatchObject({ id: expect.any(String), tool: expect.any(String), server: expect.any(String), status: expect.any(String), called_at: expect.any(String), session_id: expect.any(String) });
  });

  test("tells a call when it begins and again when it ends", async () => {
    const tenant = await newTenant(app);
    const { tool_call_id } = await tenant.run("codespar_discover", { use_case: "ship" });
    await app.platform.db.sql`update tool_calls set status = 'running', outcome = null, duration_ms = null where id = ${tool_call_id}`;
    const { read } = await tail("/logs/stream", tenant);
    await until(() => read()).toMatchObject([{ id: tool_call_id, status: "running" }]);
    await app.platform.db.sql`update tool_calls set status = 'success', outcome = 'accepted', duration_ms = 5 where id = ${tool_call_id}`;
    await app.platform.hub.record(app.platform.db.sql, {
      orgId: tenant.orgId, projectId: tenant.projectId, topic: "tool_call", subject: tool_call_id!, sessionId: null, data: { outcome: "accepted" }, at: app.clock.now(),
    });
    app.platform.hub.wake();
    await until(() => read()).toMatchObject([{ status: "running" }, { status: "success", duration_ms: 5 }]);
  });

  test("filters by server, status and tool, by whichever name the tool was called", async () => {
    const tenant = await newTenant(app);
    const mocks = { "asaas/create_payment": { id: "pay_1" } };
    const execute = async (tool: string) => tenant.call("tools.execute", { session_id: await tenant.session({ mocks }), tool, input: {} });
    const before = await execute("asaas__create_payment");
    const tool = await tail(`/logs/stream?tool=${encodeURIComponent("asaas/create_payment")}&server=mock`, tenant);
    const failed = await tail("/logs/stream?status=error&limit=5", tenant);
    const after = await execute("asaas/create_payment");
    const refused = await execute("codespar_charge");
    await until(() => tool.read().map(({ id }) => id)).toEqual([before.tool_call_id, after.tool_call_id]);
    await until(() => failed.read().map(({ id }) => id)).toEqual([refused.tool_call_id]);
    expect((await get("/logs/stream?status=lost", tenant)).status).toBe(400);
  });

  test("has nothing but lines in its data: a heartbeat and its end are comments", async () => {
    const tenant = await newTenant(app);
    const { response, text, isOver } = await tail("/logs/stream", tenant);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    await until(text).toBe(": open\n\n");
    await until(async () => {
      await app.clock.advance(15_000);
      return text();
    }).toContain(": heartbeat ");
    await until(async () => {
      await app.clock.advance(4 * 60 * 60_000);
      return isOver();
    }).toBe(true);
    expect(text()).toMatch(/: max_duration\n\n$/);
    expect(text()).not.toContain("data:");
  });

  test("needs a key that may read tool calls", async () => {
    const tenant = await newTenant(app);
    const narrow = { ...tenant, key: await tenant.addKey({ scopes: ["sessions:read"] }) };
    expect((await get("/logs/stream", narrow)).status).toBe(403);
    expect((await get("/logs/stream", { ...tenant, key: "csk_test_nobody0000000000" })).status).toBe(401);
  });
});
