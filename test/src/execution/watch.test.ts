/** Watching the tool calls of a session: every change once, from wherever the watcher left off. */
import { expect, test } from "vitest";
import { mariaCharge, startApp } from "../../support/app.ts";

const app = await startApp();

async function watched(session_id: string, after: string): Promise<string[]> {
  const cursors: string[] = [];
  for await (const { id } of await app.door.subscribe("toolCalls.watch", { session_id, after }, app.context())) cursors.push(id);
  return cursors;
}

test("a watcher that was away for more changes than are read at a time reads every one of them once, in order", async () => {
  const session_id = await app.session();
  const { tool_call_id: id } = await app.call("tools.execute", { session_id, tool: "codespar_charge", input: mariaCharge });
  await app.platform.db.sql`
    insert into outbox (org_id, project_id, topic, subject, session_id, created_at)
    select t.org_id, t.project_id, 'tool_call', t.id, t.session_id, t.called_at from tool_calls t, generate_series(1, 600) where t.id = ${id}`;
  await app.call("sessions.close", { session_id });
  const [{ changes }] = await app.platform.db.sql<[{ changes: number }]>`
    select count(*)::int as changes from outbox where session_id = ${session_id} and topic = 'tool_call'`;
  const all = await watched(session_id, "0.0");
  expect(all).toHaveLength(changes);
  expect(new Set(all).size).toBe(changes);
  expect(await watched(session_id, all[550]!)).toEqual(all.slice(551));
});
