import { bigint, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import postgres from "postgres";
import { describe, expect, test } from "vitest";
import { connectionUrl, openDatabase, transaction } from "../../../src/db/connect.ts";
import { testDatabase } from "../../support/database.ts";

const db = await testDatabase();

describe("values cross the wire unchanged", () => {
  test("an int8 beyond what a float can hold is exact in both directions", async () => {
    const [row] = await db.sql`
      select ${9_007_199_254_740_993n}::int8 as sent, 9007199254740993 - ${1n}::int8 as less, max(x) as largest
      from unnest(${db.sql.array([9_223_372_036_854_775_807n, 1n])}) x`;
    expect(row).toEqual({
      sent: 9_007_199_254_740_993n,
      less: 9_007_199_254_740_992n,
      largest: 9_223_372_036_854_775_807n,
    });
  });

  test("an array of int8 comes back as bigints", async () => {
    const [row] = await db.sql`select array[9007199254740993, -1]::int8[] as amounts`;
    expect(row).toEqual({ amounts: [9_007_199_254_740_993n, -1n] });
  });

  test("a timestamp is a Date and a numeric keeps its digits", async () => {
    const at = new Date("2026-11-20T12:00:00.123Z");
    const [row] = await db.sql`select ${at}::timestamptz as at, 0.1::numeric + 0.20 as sum`;
    expect(row).toEqual({ at, sum: "0.30" });
  });

  test("JSON goes through sql as the value it is, though drizzle is open on the same database", async () => {
    const object = { a: [1, "x"] };
    const [row] = await db.sql`select ${db.sql.json(object)}::jsonb as object, ${db.sql.json("1")}::jsonb as text`;
    expect(row).toEqual({ object, text: "1" });
  });

  test("drizzle reads what sql wrote", async () => {
    const notes = pgTable("notes", {
      id: text().primaryKey(),
      amount: bigint({ mode: "bigint" }),
      at: timestamp({ withTimezone: true, mode: "date" }),
      body: jsonb(),
    });
    const at = new Date("2026-11-20T12:00:00.000Z");
    const note = { id: "n1", amount: 9_007_199_254_740_993n, at, body: { a: "1" } };
    await db.sql`create table notes (id text primary key, amount int8, at timestamptz, body jsonb)`;
    await db.sql`insert into notes values (${note.id}, ${note.amount}, ${note.at}, ${db.sql.json(note.body)})`;
    await db.orm.insert(notes).values({ ...note, id: "n2" });
    expect(await db.orm.select().from(notes).orderBy(notes.id)).toEqual([note, { ...note, id: "n2" }]);
    expect(await db.sql`select * from notes where id = 'n2'`).toEqual([{ ...note, id: "n2" }]);
  });
});

describe("a connection", () => {
  test("carries its application's name and the bounds of its statements", async () => {
    const other = openDatabase({ url: db.url, maxConnections: 2, applicationName: "reader" });
    const [row] = await other.sql`
      select current_setting('application_name') as name, current_setting('statement_timeout') as statement,
        current_setting('idle_in_transaction_session_timeout') as idle`;
    await other.close();
    expect(row).toEqual({ name: "reader", statement: "30s", idle: "1min" });
  });

  test("never exceeds the connections it was given, drizzle's included", async () => {
    const other = openDatabase({ url: db.url, maxConnections: 4, applicationName: "bounded" });
    const busy = () => other.sql`select pg_sleep(0.05)`;
    const read = () => other.orm.execute("select pg_sleep(0.05)");
    await Promise.all([busy(), busy(), busy(), busy(), busy(), read(), read(), read()]);
    const [row] = await db.sql`select count(*) as open from pg_stat_activity where application_name = 'bounded'`;
    await other.close();
    expect(row).toEqual({ open: 4n });
  });

  test("has a URL that survives awkward names and passwords", () => {
    const names = { user: "o'neil@x", password: "p/w:1?", database: "d#1" };
    const url = connectionUrl({ host: "/var/run/a b", port: 5432, ...names });
    expect(url).toBe("postgres://o'neil%40x:p%2Fw%3A1%3F@%2Fvar%2Frun%2Fa%20b:5432/d%231");
  });
});

describe("transaction", () => {
  test("returns what the function returns, and undoes everything when it throws", async () => {
    await db.sql`create table kept (n int)`;
    expect(await transaction(db, async (tx) => [...(await tx`insert into kept values (1) returning n`)])).toEqual([
      { n: 1 },
    ]);
    const failing = transaction(db, async (tx) => {
      await tx`insert into kept values (2)`;
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await db.sql`select n from kept`).toEqual([{ n: 1 }]);
  });

  test("a deadlock's loser runs again, so both transactions happen", async () => {
    await db.sql`create table pair (id int primary key, n int not null)`;
    await db.sql`insert into pair values (1, 0), (2, 0)`;
    const bothHoldOne = meeting(2);
    let runs = 0;
    const add = (first: number, second: number) =>
      transaction(db, async (tx) => {
        runs += 1;
        await tx`set local deadlock_timeout = '20ms'`;
        await tx`update pair set n = n + 1 where id = ${first}`;
        await bothHoldOne();
        await tx`update pair set n = n + 1 where id = ${second}`;
      });
    await Promise.all([add(1, 2), add(2, 1)]);
    expect(await db.sql`select id, n from pair order by id`).toEqual([{ id: 1, n: 2 }, { id: 2, n: 2 }]);
    expect(runs).toBe(3);
  });

  test("a serialization failure is retried on the new state", async () => {
    await db.sql`create table counter (n int not null)`;
    await db.sql`insert into counter values (0)`;
    const bothHaveRead = meeting(2);
    const increment = () =>
      transaction(db, async (tx) => {
        await tx`set transaction isolation level serializable`;
        const [row] = await tx<{ n: number }[]>`select n from counter`;
        await bothHaveRead();
        await tx`update counter set n = ${row!.n + 1}`;
      });
    await Promise.all([increment(), increment()]);
    expect(await db.sql`select n from counter`).toEqual([{ n: 2 }]);
  });

  test("gives up after five attempts", async () => {
    let runs = 0;
    const losing = transaction(db, async (tx) => {
      runs += 1;
      await tx`do $$ begin raise exception 'lost again' using errcode = 'serialization_failure'; end $$`;
    });
    await expect(losing).rejects.toMatchObject({ code: "40001", message: "lost again" });
    expect(runs).toBe(5);
  });

  test("any other error is not retried", async () => {
    let runs = 0;
    const failing = transaction(db, async (tx) => {
      runs += 1;
      await tx`select 1 / 0`;
    });
    await expect(failing).rejects.toBeInstanceOf(postgres.PostgresError);
    expect(runs).toBe(1);
  });
});

/** Lets its first `size` callers go on together, and later ones at once. */
function meeting(size: number): () => Promise<void> {
  const { promise, open } = gate();
  let arrived = 0;
  return () => {
    arrived += 1;
    if (arrived === size) open();
    return promise;
  };
}

function gate(): { promise: Promise<void>; open: () => void } {
  let open = () => {};
  const promise = new Promise<void>((resolve) => (open = resolve));
  return { promise, open };
}
