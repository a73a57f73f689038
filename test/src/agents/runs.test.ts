/** `send` and `sendStream` over the whole server, answered by the offline planner through the real SDK. */
import { expect, test } from "vitest";
import { liveKey, startApp } from "../../support/app.ts";
import { holdWrites, waitingForLocks } from "../../support/locks.ts";

const app = await startApp();

const CHECKOUT =
  "Charge R$150 via Pix to Maria Silva, CPF 111.444.777-35, then issue the NFS-e, create a Correios label to 01310-100 and tell her on WhatsApp +5511999998888";

async function events(session_id: string, message: string, after?: string) {
  const items = [];
  for await (const { id, item } of await app.door.subscribe("sessions.sendStream", { session_id, message, ...(after && { after }) }, app.context())) items.push({ id, item });
  return items;
}

test("one sentence becomes four tool calls, in order, through the same pipeline", async () => {
  const session_id = await app.session();
  const result = await app.call("sessions.send", { session_id, message: CHECKOUT });
  expect(result.tool_calls.map(({ tool_name, server_id, status }) => [tool_name, server_id, status])).toEqual([
    ["codespar_charge", "asaas", "success"], ["codespar_invoice", "nfe-io", "success"], ["codespar_ship", "melhor-envio", "success"], ["codespar_notify", "z-api", "success"],
  ]);
  expect(result.iterations).toBe(5);
  const { tool_calls } = await app.call("toolCalls.list", { session_id });
  expect(tool_calls.map(({ id }) => id).sort()).toEqual(result.tool_calls.map(({ id }) => id).sort());
  expect(tool_calls.every(({ origin, run_id }) => origin === "agent" && run_id === result.run_id)).toBe(true);
});

test("the stream tells the same run event by event, and ends with done", async () => {
  const session_id = await app.session();
  const told = await events(session_id, "Charge R$ 20,00 via Pix to Maria Silva, CPF 111.444.777-35");
  const types = told.map(({ item }) => item.type).filter((type) => type !== "text_delta");
  expect(types[0]).toBe("user_message");
  expect(types.at(-1)).toBe("done");
  expect(types.filter((type) => type === "tool_use" || type === "tool_result")).toEqual(["tool_use", "tool_result"]);
  const done = told.at(-1)!.item;
  expect(done).toMatchObject({ type: "done", result: { tool_calls: [{ tool_name: "codespar_charge", status: "success" }] } });
});

test("a stream that was cut reads on from its cursor, without gap or repeat, and starts no second run", async () => {
  const session_id = await app.session();
  const told = (await events(session_id, "Charge R$ 30,00 via Pix to Maria Silva, CPF 111.444.777-35")).filter(({ item }) => item.type !== "text_delta");
  const cut = told[2]!;
  const rest = await events(session_id, "(ignored: this attaches)", cut.item.cursor);
  expect(rest).toEqual(told.slice(3));
  expect(app.twins!.requests("asaas").filter(({ method, path, body }) => method === "POST" && path === "/v3/payments" && body.includes('"value":30,'))).toHaveLength(1);
});

test("who reads on while a run ends is told its end", async () => {
  const session_id = await app.session();
  const { sql } = app.platform.db;
  const stream = (await app.door.subscribe("sessions.sendStream", { session_id, message: "hello" }, app.context()))[Symbol.asyncIterator]();
  let cursor = "";
  for (let type = ""; type !== "assistant_text"; ) ({ type, cursor } = (await stream.next()).value!.item);
  const release = await holdWrites(sql, "run_events");
  const end = stream.next();
  await expect.poll(() => waitingForLocks(sql)).toBe(1);
  const readOn = events(session_id, "(ignored: this attaches)", cursor);
  await new Promise((resolve) => setTimeout(resolve, 100));
  await release();
  expect(await readOn).toEqual([(await end).value]);
});

test.each(["run_00000000000000000000000000.1", "nonsense", ""])("a cursor that is of no run of this session is refused (%s)", async (after) => {
  const session_id = await app.session();
  await expect(app.door.subscribe("sessions.sendStream", { session_id, message: "x", after: after || "x" }, app.context())).rejects.toMatchObject({ code: "cursor_invalid" });
});

test("a message sent again under its key reads the first run, and charges once", async () => {
  const session_id = await app.session();
  const before = app.twins!.requests("asaas").filter(({ method, path }) => method === "POST" && path === "/v3/payments").length;
  const send = () => app.call("sessions.send", { session_id, message: "Charge R$ 41,00 via Pix to Maria Silva, CPF 111.444.777-35" }, { idempotencyKey: "message-41" });
  const [first, again] = await Promise.all([send(), send()]);
  expect(again).toEqual(first);
  expect(await send()).toEqual(first);
  expect(app.twins!.requests("asaas").filter(({ method, path }) => method === "POST" && path === "/v3/payments")).toHaveLength(before + 1);
  await expect(app.call("sessions.send", { session_id, message: "Charge R$ 42,00" }, { idempotencyKey: "message-41" })).rejects.toMatchObject({ code: "idempotency_conflict", http: 422 });
});

test("a message the planner cannot read is answered plainly, by something that says what it is", async () => {
  const result = await app.call("sessions.send", { session_id: await app.session(), message: "hello" });
  expect(result.tool_calls).toEqual([]);
  expect(result.message).toMatch(/not a language model/i);
  expect(result.message).toMatch(/ANTHROPIC_API_KEY/);
});

test("a live key without a model is told what to set, and nothing is planned offline", async () => {
  const { id: session_id } = await app.call("sessions.create", { user_id: "u" }, { credential: liveKey });
  await expect(app.call("sessions.send", { session_id, message: CHECKOUT }, { credential: liveKey })).rejects.toMatchObject({ code: "anthropic_not_configured", http: 503 });
});

test("a listener that leaves stops the run before its next tool", async () => {
  const session_id = await app.session();
  const gone = new AbortController();
  const stream = await app.door.subscribe("sessions.sendStream", { session_id, message: CHECKOUT }, app.context({ signal: gone.signal }));
  for await (const { item } of stream) if (item.type === "tool_result") break;
  gone.abort();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { tool_calls } = await app.call("toolCalls.list", { session_id });
  expect(tool_calls.map(({ tool_name }) => tool_name)).toEqual(["codespar_charge"]);
  const [run] = await app.platform.db.sql`select status, error_code from runs where session_id = ${session_id}`;
  expect(run).toEqual({ status: "failed", error_code: "run_cancelled" });
});

test("a run whose process died is ended, and whoever waits for it is let go", async () => {
  const session_id = await app.session();
  const [first] = await events(session_id, "hello");
  await app.platform.db.sql`update runs set status = 'running' where session_id = ${session_id}`;
  await app.platform.db.sql`delete from run_events where event ->> 'type' in ('done', 'assistant_text') and run_id = ${first!.item.cursor.split(".")[0]!}`;
  const waiting = events(session_id, "x", first!.item.cursor);
  await app.clock.advance(10 * 60_000);
  await app.settle();
  expect(await waiting).toEqual([]);
});
