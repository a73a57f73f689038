/** What the README promises, checked against the thing itself. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { metaToolList } from "../schema/meta-tools/index.ts";
import { settingNames } from "../src/settings.ts";

const root = resolve(import.meta.dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const scripts = Object.keys((JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> }).scripts);

test("every setting is in the table, and every row of it is a setting", () => {
  const table = readme.slice(readme.indexOf("## Settings"), readme.indexOf("## Map of the house"));
  const rows = [...table.matchAll(/^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|/gm)].flatMap(([, names]) => names!.split(", ").map((name) => name.slice(1, -1)));
  expect(rows.sort()).toEqual([...settingNames].sort());
});

test("every command it names exists", () => {
  const named = [...readme.matchAll(/npm run ([a-z:]+)/g)].map(([, script]) => script!);
  expect(named.length).toBeGreaterThan(4);
  for (const script of named) expect(scripts).toContain(script);
});

test("every file and folder it links to or names exists", () => {
  const links = [...readme.matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, path]) => path!);
  for (const path of links) expect(readdirSync(join(root, path, ".."))).toContain(path.split("/").at(-1));
});

test("every meta-tool has its row", () => {
  for (const { name } of metaToolList) expect(readme).toContain(`| \`${name}\` |`);
});

test("every provider folder has an adapter, a twin and a README", () => {
  const folders = readdirSync(join(root, "providers"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.length).toBeGreaterThan(5);
  for (const { name } of folders) expect(readdirSync(join(root, "providers", name))).toEqual(expect.arrayContaining(["README.md", "index.ts", "twin.ts"]));
});
