/** The durable queue on a clock that the test moves. */
import { pino } from "pino";
import { expect, test } from "vitest";
import { createJobs, type JobHandler } from "../../../src/jobs/jobs.ts";
import { testDatabase } from "../../support/database.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const db = await testDatabase();
const log = pino({ level: "silent" });

function queue(handler: JobHandler, clock = new FakeClock()) {
  const jobs = createJobs({ db, clock, log });
  jobs.handle("work", handler);
  const add = (payload: unknown, { key, inMs = 0 }: { key?: string; inMs?: number } = {}) =>
    jobs.add(db.sql, { orgId: "o", projectId: "p", kind: "work", payload, runAt: new Date(clock.now().getTime() + inMs), ...(key && { key }) });
  return { jobs, clock, add };
}

const empty = async () => {
  await db.sql`delete from jobs`;
};

test("a job runs when it is due, once, and is gone", async () => {
  await empty();
  const ran: unknown[] = [];
  const { jobs, clock, add } = queue(async ({ payload }) => void ran.push(payload));
  await add({ n: 1 }, { inMs: 5_000 });
  expect(await jobs.runDue()).toBe(0);
  await clock.advance(5_000);
  expect(await jobs.runDue()).toBe(1);
  expect(await jobs.runDue()).toBe(0);
  expect(ran).toEqual([{ n: 1 }]);
});

test("a second job under the key of a waiting one is not added", async () => {
  await empty();
  const ran: unknown[] = [];
  const { jobs, add } = queue(async ({ payload }) => void ran.push(payload));
  await add(1, { key: "a" });
  await add(2, { key: "a" });
  await add(3, { key: "b" });
  await jobs.runDue();
  expect(ran).toEqual([1, 3]);
});

test("a job that fails is run again, each time later, and keeps its error", async () => {
  await empty();
  const attempts: number[] = [];
  const { jobs, clock, add } = queue(async (job) => {
    attempts.push(job.attempts);
    if (job.attempts < 4) throw new Error("not yet");
  });
  await add({});
  await jobs.runDue();
  expect(await db.sql`select last_error, attempts from jobs`).toEqual([{ last_error: "not yet", attempts: 1 }]);
  for (const waitMs of [1_000, 2_000, 4_000]) {
    await clock.advance(waitMs - 1);
    expect(await jobs.runDue()).toBe(0);
    await clock.advance(1);
    expect(await jobs.runDue()).toBe(1);
  }
  expect(attempts).toEqual([1, 2, 3, 4]);
  expect(await db.sql`select 1 from jobs`).toEqual([]);
});

test("a job may ask to be run again at a time of its own", async () => {
  await empty();
  const { jobs, clock, add } = queue(async (job) => (job.attempts === 1 ? new Date(clock.now().getTime() + 60_000) : undefined));
  await add({});
  await jobs.runDue();
  await clock.advance(59_999);
  expect(await jobs.runDue()).toBe(0);
  await clock.advance(1);
  expect(await jobs.runDue()).toBe(1);
  expect(await db.sql`select 1 from jobs`).toEqual([]);
});

test("two processes share the queue: every job runs in exactly one of them", async () => {
  await empty();
  const ran: number[] = [];
  const handler: JobHandler = async ({ payload }) => void ran.push((payload as { n: number }).n);
  const clock = new FakeClock();
  const [one, two] = [queue(handler, clock), queue(handler, clock)];
  for (let n = 0; n < 100; n++) await one.add({ n });
  await Promise.all([one.jobs.runDue(), two.jobs.runDue()]);
  expect(ran.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n));
});

test("a job taken by a process that died is taken again when its lease is over", async () => {
  await empty();
  let ran = 0;
  const { jobs, clock, add } = queue(async () => void ran++);
  await add({});
  await db.sql`update jobs set lease_until = ${new Date(clock.now().getTime() + 60_000)}, attempts = 1`;
  expect(await jobs.runDue()).toBe(0);
  await clock.advance(60_001);
  expect(await jobs.runDue()).toBe(1);
  expect(ran).toBe(1);
});

test("a job of a kind nobody handles stays, with the reason", async () => {
  await empty();
  const { jobs, clock } = queue(async () => {});
  await jobs.add(db.sql, { orgId: "o", projectId: "p", kind: "elsewhere", payload: {}, runAt: clock.now() });
  await jobs.runDue();
  expect(await db.sql`select last_error from jobs`).toEqual([{ last_error: "no handler for jobs of kind elsewhere" }]);
});

/** A handler that is held back until the test lets it go, for jobs whose payload is `slow`. */
function slowly() {
  let release = () => {};
  const until = new Promise<void>((resolve) => (release = resolve));
  const began: unknown[] = [];
  const handler: JobHandler = async ({ payload }) => {
    began.push(payload);
    if (payload === "slow") await until;
  };
  return { handler, began, release };
}

test("a slow job holds up no other, however many there are", async () => {
  await empty();
  const { handler, began, release } = slowly();
  const { jobs, add } = queue(handler);
  await add("slow");
  const all = jobs.runDue();
  for (let n = 1; n <= 40; n++) await add(n);
  void jobs.runDue();
  await expect.poll(() => began.length).toBe(41);
  release();
  expect(await all).toBe(41);
  expect(await db.sql`select 1 from jobs`).toEqual([]);
});

test("a process does not take a job again that it is still at", async () => {
  await empty();
  const { handler, began, release } = slowly();
  const { jobs, clock, add } = queue(handler);
  await add("slow");
  const all = jobs.runDue();
  await expect.poll(() => began.length).toBe(1);
  await clock.advance(61_000);
  await add("other");
  void jobs.runDue();
  await expect.poll(() => began).toEqual(["slow", "other"]);
  release();
  expect(await all).toBe(2);
});

test("a process that was too slow does not end a job that another has put off", async () => {
  await empty();
  const clock = new FakeClock();
  const { handler, began, release } = slowly();
  const [late, other] = [queue(handler, clock), queue(async () => new Date(clock.now().getTime() + 3_600_000), clock)];
  await late.add("slow");
  const ended = late.jobs.runDue();
  await expect.poll(() => began.length).toBe(1);
  await clock.advance(61_000);
  expect(await other.jobs.runDue()).toBe(1);
  release();
  await ended;
  expect(await db.sql`select attempts from jobs`).toEqual([{ attempts: 2 }]);
});

test("stopping does not wait for a job that does not end", async () => {
  await empty();
  const { handler, began, release } = slowly();
  const { jobs, add } = queue(handler);
  await add("slow");
  const all = jobs.runDue();
  await expect.poll(() => began.length).toBe(1);
  const startedAt = performance.now();
  await jobs.stop();
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  release();
  await all;
});
