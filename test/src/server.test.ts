/** Putting the server together: what makes it refuse to start, and what several at once may not do twice. */
import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { openDatabase } from "../../src/db/connect.ts";
import { connectTestProjects, createServer, type Server } from "../../src/server.ts";
import { readSettings, SettingsError } from "../../src/settings.ts";
import { StartError } from "../../src/start-error.ts";
import { testKey } from "../support/app.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

const newMasterKey = (): string => randomBytes(32).toString("base64");
const given = { MASTER_KEY: newMasterKey(), BOOTSTRAP_TEST_KEY: testKey, PORT: "0" };
const db = await testDatabase();

const log = pino({ level: "silent" });

const create = (database: TestDatabase, changes: Record<string, string> = {}): Promise<Server> => {
  const settings = readSettings({ ...given, DATABASE_URL: database.url, ...changes });
  return createServer({ settings, log, database, background: false });
};

const createAlone = (settings: Record<string, string>): Promise<Server> =>
  createServer({ settings: readSettings({ ...given, ...settings }), log });

describe("a start is refused", () => {
  test("on a shared database without a master key, before anything connects to it", async () => {
    const failing = createAlone({ DATABASE_URL: "postgres://127.0.0.1:1/x", MASTER_KEY: "" });
    await expect(failing).rejects.toThrow(
      "MASTER_KEY: expected 32 bytes in base64, the same at every start of every process that shares DATABASE_URL",
    );
  });

  test("by a database that cannot be reached or entered, with its reason and no password", async () => {
    const because = (reason: string) =>
      new StartError(`The database cannot be reached: ${reason}. Check that it runs and that DATABASE_URL is right.`);
    const closed = createAlone({ DATABASE_URL: "postgres://me:hush@127.0.0.1:1/x" });
    await expect(closed).rejects.toThrow(because("connect ECONNREFUSED 127.0.0.1:1"));
    const missing = createAlone({ DATABASE_URL: db.url.replace(/[^/]*$/, "no_such_database") });
    await expect(missing).rejects.toThrow(because('database "no_such_database" does not exist'));
  });

  test("by a PostgreSQL that is too old", async () => {
    const old = await testDatabase();
    await old.sql.unsafe(`
      create schema claims;
      create function claims.current_setting(text) returns text language sql return '14.2'`);
    const failing = createAlone({ DATABASE_URL: `${old.url}?search_path=claims,pg_catalog,public` });
    await expect(failing).rejects.toThrow(/^The database is PostgreSQL 14\.2, /);
  });

  test("by an address that is not ours", async () => {
    const here = await create(db, { HOST: "192.0.2.1" });
    await expect(here.listen()).rejects.toThrow(
      new SettingsError(
        "HOST: expected an address of this machine; 192.0.2.1 is not one. Example: HOST=0.0.0.0 (all of them)",
      ),
    );
    await here.stop();
    const named = await create(db, { HOST: "nowhere.invalid" });
    await expect(named.listen()).rejects.toThrow(
      new SettingsError(
        "HOST: expected a name that has an address; nowhere.invalid has none. Example: HOST=0.0.0.0 (all addresses)",
      ),
    );
    await named.stop();
  });

  test("by a missing file of the twins' CA", async () => {
    const failing = create(db, { TWINS_URL: "https://localhost:1", TWINS_CA_FILE: "missing.pem" });
    await expect(failing).rejects.toThrow(
      new SettingsError(
        "TWINS_CA_FILE: expected the file the twins process wrote its CA to; missing.pem cannot be read (ENOENT). " +
          "Example: TWINS_CA_FILE=.twins/ca.pem",
      ),
    );
  });

  test("by a database that was sealed under another master key, and the right key still opens it", async () => {
    const sealed = await testDatabase();
    const first = await create(sealed);
    await connectTestProjects(first.platform);
    await first.stop();
    await expect(create(sealed, { MASTER_KEY: newMasterKey() })).rejects.toThrow(StartError);
    await (await create(sealed)).stop();
  });

  test("by whoever finds on listening that another has sealed first, under another key", async () => {
    const sealed = await testDatabase();
    const [one, two] = [await create(sealed), await create(sealed, { MASTER_KEY: newMasterKey() })];
    await one.listen();
    await expect(two.listen()).rejects.toThrow(/^MASTER_KEY is not the key under which .* were sealed/);
    await Promise.all([one.stop(), two.stop()]);
  });
});

test("servers that start at once connect a test project to each provider once between them", async () => {
  const shared = await testDatabase();
  const pools = Array.from({ length: 3 }, () => openDatabase({ url: shared.url, maxConnections: 4 }));
  const servers = await Promise.all(pools.map((pool) => create({ ...pool, url: shared.url })));
  await Promise.all(servers.map(({ platform }) => connectTestProjects(platform)));
  const counts = await shared.sql<{ connected: number }[]>`
    select count(*)::int as connected from connections group by server_id`;
  expect(counts).toHaveLength(servers[0]!.platform.providers.length);
  expect(counts.map(({ connected }) => connected)).toEqual(counts.map(() => 1));
  await Promise.all(servers.map((server) => server.stop()));
  await Promise.all(pools.map((pool) => pool.close()));
});
