import { expect, test } from "vitest";
import { hashKey, newKey } from "../../../src/access/keys.ts";
import { liveKey, serviceKey, startApp, testKey } from "../../support/app.ts";

const app = await startApp();

test("a new key has its kind's prefix and 32 characters of chance, and is never the same twice", () => {
  const keys = new Set(Array.from({ length: 1000 }, () => newKey("test")));
  expect(keys.size).toBe(1000);
  for (const key of keys) expect(key).toMatch(/^csk_test_[A-Za-z0-9]{32}$/);
});

test("keys are stored as hashes: a dump of the table holds none of them", async () => {
  const dump = JSON.stringify(await app.platform.db.sql`select * from api_keys`);
  for (const key of [testKey, liveKey, serviceKey]) {
    expect(dump).not.toContain(key);
    expect(dump).toContain(hashKey(key));
  }
});

test.each([
  ["no key", undefined],
  ["a key of nobody", "csk_test_00000000000000000000000000000000"],
  ["a key with its prefix changed", testKey.replace("test", "live")],
  ["something that is no key", "hunter2"],
])("%s is refused, and the refusal does not repeat it", async (_what, credential) => {
  const refusal = app.call("keys.whoami", {}, { credential });
  await expect(refusal).rejects.toMatchObject({ code: "unauthorized", http: 401 });
  if (credential) await expect(refusal).rejects.not.toMatchObject({ message: expect.stringContaining(credential) });
});

test("a revoked key is refused from the next call on", async () => {
  const key = newKey("test");
  const [owner] = await app.platform.db.sql`select org_id, project_id from api_keys where hash = ${hashKey(testKey)}`;
  await app.platform.db.sql`
    insert into api_keys (org_id, project_id, id, name, prefix, hash, environment, scopes, created_at)
    values (${owner!["org_id"]}, ${owner!["project_id"]}, 'key_1', 'k', 'csk_test_', ${hashKey(key)}, 'test', ${["rails:read"]}, now())`;
  expect(await app.call("rails.list", {}, { credential: key })).toMatchObject({ rails: expect.any(Array) });
  await expect(app.call("sessions.create", { user_id: "u" }, { credential: key })).rejects.toMatchObject({ code: "forbidden", message: expect.stringContaining("sessions:create") });
  await app.platform.db.sql`update api_keys set revoked_at = now() where id = 'key_1'`;
  await expect(app.call("rails.list", {}, { credential: key })).rejects.toMatchObject({ code: "unauthorized" });
});

test("a key's prefix decides the environment, and each environment has its own default project", async () => {
  const test = await app.call("keys.whoami", {});
  const live = await app.call("keys.whoami", {}, { credential: liveKey });
  expect(test.key.environment).toBe("test");
  expect(live.key.environment).toBe("live");
  expect(test.organization).toEqual(live.organization);
  expect(test.project.id).toMatch(/^prj_[A-Za-z0-9]{16}$/);
  expect(test.project.id).not.toBe(live.project.id);
});

test("the project header of another project is never ignored", async () => {
  const live = await app.call("keys.whoami", {}, { credential: liveKey });
  await expect(app.call("keys.whoami", {}, { projectId: live.project.id })).rejects.toMatchObject({ code: "project_environment_mismatch", http: 403 });
  await expect(app.call("keys.whoami", {}, { projectId: "prj_0000000000000000" })).rejects.toMatchObject({ code: "project_not_found", http: 404 });
  const own = await app.call("keys.whoami", {});
  expect(await app.call("keys.whoami", {}, { projectId: own.project.id })).toEqual(own);
});

test("a test key that was given to a live project opens nothing", async () => {
  const key = newKey("test");
  const [live] = await app.platform.db.sql`select org_id, project_id from api_keys where hash = ${hashKey(liveKey)}`;
  await app.platform.db.sql`
    insert into api_keys (org_id, project_id, id, name, prefix, hash, environment, scopes, created_at)
    values (${live!["org_id"]}, ${live!["project_id"]}, 'key_2', 'k', 'csk_test_', ${hashKey(key)}, 'test', ${["*"]}, now())`;
  await expect(app.call("sessions.create", { user_id: "u" }, { credential: key })).rejects.toMatchObject({ code: "project_environment_mismatch", http: 403 });
});

test("a service key works in the project it names, and must name one", async () => {
  const { project } = await app.call("keys.whoami", {});
  expect(await app.call("keys.whoami", {}, { credential: serviceKey, projectId: project.id })).toMatchObject({ project, key: { environment: "test" } });
  await expect(app.call("keys.whoami", {}, { credential: serviceKey })).rejects.toMatchObject({ code: "validation_failed", at: { field: "x-codespar-project" } });
});

test("a second start on the same database creates nothing and shows no key", async () => {
  const { bootstrap } = await import("../../../src/access/bootstrap.ts");
  const before = await app.platform.db.sql`select count(*)::int as keys from api_keys`;
  expect(await bootstrap(app.platform.db, { keys: { test: newKey("test") }, now: app.clock.now() })).toEqual({ testProjects: [] });
  expect(await app.platform.db.sql`select count(*)::int as keys from api_keys`).toEqual(before);
});

test("a key of this machine opens the default test project of a database that has others, and once revoked it stays so", async () => {
  const { bootstrap } = await import("../../../src/access/bootstrap.ts");
  const local = newKey("test");
  const start = () => bootstrap(app.platform.db, { keys: { local }, now: app.clock.now() });
  expect(await start()).toEqual({ testProjects: [] });
  const { project } = await app.call("keys.whoami", {});
  const { key } = await app.call("keys.whoami", {}, { credential: local });
  expect(await app.call("keys.whoami", {}, { credential: local })).toMatchObject({ project, key: { environment: "test" } });
  await app.call("keys.revoke", { key_id: key.id });
  await start();
  await expect(app.call("keys.whoami", {}, { credential: local })).rejects.toMatchObject({ code: "unauthorized" });
});

test("a later start states the unit of charges where none was stated, and never changes one", async () => {
  const { bootstrap } = await import("../../../src/access/bootstrap.ts");
  const unitOf = async (credential: string) => {
    const [row] = await app.platform.db.sql`
      select p.settings->>'chargeAmountUnit' as unit from projects p join api_keys k on k.project_id = p.id where k.hash = ${hashKey(credential)}`;
    return row!["unit"] as string | null;
  };
  expect(await unitOf(liveKey)).toBeNull();
  await bootstrap(app.platform.db, { keys: {}, chargeAmountUnit: "minor", now: app.clock.now() });
  expect([await unitOf(liveKey), await unitOf(testKey)]).toEqual(["minor", "minor"]);
  await bootstrap(app.platform.db, { keys: {}, chargeAmountUnit: "major", now: app.clock.now() });
  expect([await unitOf(liveKey), await unitOf(testKey)]).toEqual(["minor", "minor"]);
});
