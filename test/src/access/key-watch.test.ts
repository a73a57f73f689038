/** What watching keys costs: one question for all streams, and none when nobody reads. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createKeyWatch, KEY_CHECK_MS } from "../../../src/access/key-watch.ts";
import { createDoor } from "../../../src/call.ts";
import type { Database } from "../../../src/db/connect.ts";
import { startApp } from "../../support/app.ts";

const app = await startApp();
const { sql, ...rest } = app.platform.db;
let asked = 0;
let isDown = false;
const counted = ((...query: Parameters<Database["sql"]>) => {
  if (!String(query[0]).includes("id = any(")) return sql(...query);
  asked += 1;
  return isDown ? Promise.reject(new Error("the database is down")) : sql(...query);
}) as Database["sql"];
const platform = { ...app.platform, db: { ...rest, sql: Object.assign(counted, { json: sql.json, begin: sql.begin, unsafe: sql.unsafe }) as Database["sql"] } };
const [key] = await sql<{ id: string }[]>`select id from api_keys where environment = 'test'`;

/** Real time in which the database has answered. */
const ANSWERED_MS = 50;

/** How many questions are asked while some intervals go by. */
async function askedWithin(intervals: number): Promise<number> {
  const before = asked;
  for (let passed = 0; passed < intervals; passed += 1) {
    await app.clock.advance(KEY_CHECK_MS);
    await sleep(ANSWERED_MS);
  }
  return asked - before;
}

test("any number of streams are covered by one question, and none is asked when the last one ends", async () => {
  const keys = createKeyWatch(platform);
  expect(await askedWithin(2)).toBe(0);
  const watched = [keys.watch(key!.id), keys.watch(key!.id), keys.watch("key_other")];
  expect(await askedWithin(3)).toBe(3);
  expect(watched.map(({ refused }) => refused.aborted)).toEqual([false, false, true]);
  for (const { release } of watched) release();
  expect(await askedWithin(2)).toBe(0);
  const again = keys.watch(key!.id);
  expect(await askedWithin(1)).toBe(1);
  again.release();
  again.release();
});

test("a database that does not answer ends no stream, and is asked again", async () => {
  const keys = createKeyWatch(platform);
  const watched = keys.watch(key!.id);
  isDown = true;
  expect(await askedWithin(2)).toBe(2);
  isDown = false;
  expect(watched.refused.aborted).toBe(false);
  expect(await askedWithin(1)).toBe(1);
  watched.release();
});

test.each(["before it was let in", "before it began to read"])("a reader that leaves %s is not watched for ever", async (when) => {
  const door = createDoor(platform, { writes: 0, reads: 0 });
  const session_id = await app.session();
  const left = new AbortController();
  if (when === "before it was let in") left.abort();
  await door.subscribe("toolCalls.watch", { session_id }, app.context({ signal: left.signal }));
  left.abort();
  expect(await askedWithin(2)).toBe(0);
});
