import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { createVault } from "../../../src/connections/vault.ts";
import { startApp } from "../../support/app.ts";
import { testDatabase } from "../../support/database.ts";

const db = await testDatabase();
const app = await startApp();
const now = new Date("2026-11-20T12:00:00Z");
const place = { orgId: "org_1", projectId: "prj_1", row: "ca_1", column: "connections.sealed" };

test("what is sealed opens again in its place, and is never the same ciphertext twice", async () => {
  const vault = createVault(randomBytes(32));
  const [one, two] = [await vault.seal(db.sql, place, "s3cret", now), await vault.seal(db.sql, place, "s3cret", now)];
  expect(one).not.toBe(two);
  expect(one).not.toContain("s3cret");
  expect(await vault.open(db.sql, place, one)).toBe("s3cret");
});

test("a ciphertext moved to another row, column or tenant does not open", async () => {
  const vault = createVault(randomBytes(32));
  const here = { ...place, projectId: "prj_2" };
  const sealed = await vault.seal(db.sql, here, "s3cret", now);
  await vault.seal(db.sql, { ...here, projectId: "prj_3" }, "another", now);
  for (const elsewhere of [{ row: "ca_2" }, { column: "other" }, { orgId: "org_2" }, { projectId: "prj_3" }])
    await expect(vault.open(db.sql, { ...here, ...elsewhere }, sealed)).rejects.toThrow(/./);
});

test("a changed ciphertext and another master key do not open", async () => {
  const masterKey = randomBytes(32);
  const there = { ...place, projectId: "prj_4" };
  const sealed = await createVault(masterKey).seal(db.sql, there, "s3cret", now);
  const flipped = sealed.slice(0, -2) + (sealed.endsWith("AA") ? "BB" : "AA");
  await expect(createVault(masterKey).open(db.sql, there, flipped)).rejects.toThrow(/./);
  await expect(createVault(randomBytes(32)).open(db.sql, there, sealed)).rejects.toThrow(/./);
  expect(await createVault(masterKey).open(db.sql, there, sealed)).toBe("s3cret");
});

test("a check passes on an empty database and under the key that sealed, and under no other", async () => {
  const empty = await testDatabase();
  const masterKey = randomBytes(32);
  await createVault(masterKey).check(empty.sql);
  await createVault(masterKey).seal(empty.sql, place, "s3cret", now);
  await createVault(masterKey).check(empty.sql);
  await expect(createVault(randomBytes(32)).check(empty.sql)).rejects.toThrow(/^MASTER_KEY is not the key under which .* were sealed/);
});

test("a dump of the connections holds no credential of the sandbox accounts", async () => {
  const rows = await app.platform.db.sql<{ org_id: string; project_id: string; id: string; sealed: string }[]>`select * from connections`;
  const dump = JSON.stringify(rows);
  for (const { org_id: orgId, project_id: projectId, id, sealed } of rows) {
    const opened = await app.platform.vault.open(app.platform.db.sql, { orgId, projectId, row: id, column: "connections.sealed" }, sealed);
    const { credentials, webhookSecrets } = JSON.parse(opened) as { credentials: Record<string, string>; webhookSecrets: string[] };
    expect([...Object.values(credentials), ...webhookSecrets].length).toBeGreaterThan(0);
    // An account without webhooks has no secret for them.
    for (const secret of [...Object.values(credentials), ...webhookSecrets].filter(Boolean)) expect(dump.includes(secret), id).toBe(false);
  }
});
