import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { masterKeyIn } from "../../../src/connections/master-key.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "codespar-key-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("of several processes that make the key at once all get the same, kept for its owner alone", async () => {
  const dataDir = join(folder, "new");
  const keys = await Promise.all(Array.from({ length: 8 }, () => masterKeyIn(dataDir)));
  expect(keys[0]).toHaveLength(32);
  for (const key of [...keys, await masterKeyIn(dataDir)]) expect(key).toEqual(keys[0]);
  expect(await readdir(dataDir)).toEqual(["master.key"]);
  expect((await stat(join(dataDir, "master.key"))).mode & 0o777).toBe(0o600);
});

test("a file that holds no key is refused and left as it is", async () => {
  for (const text of ["", "c2hvcnQ="]) {
    await writeFile(join(folder, "master.key"), text);
    await expect(masterKeyIn(folder)).rejects.toThrow(/master\.key does not hold a master key \(32 bytes in base64\)\. Restore it from a backup, or set MASTER_KEY/);
    expect(await readFile(join(folder, "master.key"), "utf8")).toBe(text);
  }
});

test("a data folder that cannot be one is refused by name", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(masterKeyIn(join(folder, "file", "data"))).rejects.toThrow(/^DATA_DIR: expected a folder that this user may make and write; .*file\/data is not \(ENOTDIR\)\.$/);
});

test("a folder that may not be written is refused by name", async (context) => {
  if (process.getuid?.() === 0) return context.skip("root may write everywhere");
  const closed = await mkdtemp(join(folder, "closed-"));
  await chmod(closed, 0o500);
  await expect(masterKeyIn(closed)).rejects.toThrow(/^DATA_DIR: expected a folder .* is not \(EACCES\)\.$/);
});
