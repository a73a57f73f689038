/** The outbox as its readers meet it: in order, once, across processes, whatever commits late. */
import { pino } from "pino";
import { afterAll, expect, test } from "vitest";
import { transaction } from "../../../src/db/connect.ts";
import { createHub, LISTENER_QUEUE_MAX, type Change } from "../../../src/events/hub.ts";
import { testDatabase } from "../../support/database.ts";

const db = await testDatabase();
const log = pino({ level: "silent" });
const [here, there] = [createHub({ db, log }), createHub({ db, log })];
await here.start();
await there.start();
afterAll(() => Promise.all([here.stop(), there.stop()]));

const change = (subject: string, projectId = "prj_1") =>
  ({ orgId: "org_1", projectId, topic: "tool_call" as const, subject, sessionId: "ses_1", at: new Date() });

async function take(from: AsyncIterator<Change>, count: number): Promise<string[]> {
  const subjects: string[] = [];
  while (subjects.length < count) subjects.push((await from.next()).value!.subject);
  return subjects;
}

test("a change recorded by one process is heard by a listener of another", async () => {
  const heard = there.listen({ projectId: "prj_1" });
  await here.record(db.sql, change("tc_a"));
  here.wake();
  expect(await take(heard, 1)).toEqual(["tc_a"]);
  await heard.return?.();
});

test("a transaction that commits late is neither skipped nor overtaken", async () => {
  const heard = here.listen({ projectId: "prj_2" });
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  let opened = () => {};
  const isOpen = new Promise<void>((resolve) => (opened = resolve));
  const slow = transaction(db, async (tx) => {
    await here.record(tx, change("slow", "prj_2"));
    opened();
    await held;
  });
  await isOpen;
  await here.record(db.sql, change("fast", "prj_2"));
  here.wake();
  const first = take(heard, 2);
  await new Promise((resolve) => setTimeout(resolve, 150));
  release();
  await slow;
  here.wake();
  expect(await first).toEqual(["slow", "fast"]);
  await heard.return?.();
});

test("a listener hears only what it asked for", async () => {
  const heard = here.listen({ projectId: "prj_3", subject: "tc_2" });
  for (const subject of ["tc_1", "tc_2", "tc_3"]) await here.record(db.sql, change(subject, "prj_3"));
  await here.record(db.sql, change("tc_2", "prj_4"));
  await here.record(db.sql, change("tc_2", "prj_3"));
  here.wake();
  expect(await take(heard, 2)).toEqual(["tc_2", "tc_2"]);
  const next = heard.next();
  await heard.return?.();
  expect((await next).done).toBe(true);
});

test("what came after a cursor can be read again, and nothing before it", async () => {
  for (const subject of ["one", "two", "three"]) await here.record(db.sql, change(subject, "prj_5"));
  const all = await here.since({ projectId: "prj_5" }, "0.0");
  expect(all.map(({ subject }) => subject)).toEqual(["one", "two", "three"]);
  const rest = await here.since({ projectId: "prj_5" }, all[0]!.cursor);
  expect(rest.map(({ subject }) => subject)).toEqual(["two", "three"]);
  expect(await here.since({ projectId: "prj_5" }, await here.head())).toEqual([]);
});

test.each(["", "1", "a.b", "1.2.3", "1.99999999999999999999", "99999999999999999999.1"])("%s is no cursor", async (cursor) => {
  await expect(here.since({ projectId: "prj_5" }, cursor)).rejects.toThrow(RangeError);
});

test("a listener that never reads is let go instead of filling memory", async () => {
  const [slow, fast] = [here.listen({ projectId: "prj_6" }), here.listen({ projectId: "prj_6" })];
  await transaction(db, async (tx) => {
    for (let count = 0; count <= LISTENER_QUEUE_MAX; count++) await here.record(tx, change(`tc_${count}`, "prj_6"));
  });
  here.wake();
  await take(fast, LISTENER_QUEUE_MAX + 1);
  await fast.return?.();
  let read = 0;
  for await (const _change of slow) read += 1;
  expect(read).toBe(LISTENER_QUEUE_MAX + 1);
});

test("old changes are forgotten, and the rest is read as before", async () => {
  const at = (day: number) => new Date(`2026-11-0${day}T12:00:00.000Z`);
  for (const day of [1, 2, 3]) await here.record(db.sql, { ...change(`day_${day}`, "prj_8"), at: at(day) });
  await here.prune(at(3));
  expect((await here.since({ projectId: "prj_8" }, "0.0")).map(({ subject }) => subject)).toEqual(["day_3"]);
});

test("an aborted listener ends", async () => {
  const gone = new AbortController();
  const heard = here.listen({ projectId: "prj_7" }, gone.signal);
  const next = heard.next();
  gone.abort();
  expect((await next).done).toBe(true);
});
