/** Imports run one way: test, bench, demo → src → agent, providers → schema; and inside src: surfaces → the door → subjects → db. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");

/** Which rooms a room may import from, beside itself. */
const rooms: Record<string, readonly string[]> = {
  schema: [],
  providers: ["schema"],
  agent: ["schema"],
  src: ["schema", "providers", "agent"],
  demo: ["schema", "src"],
  bench: ["schema", "providers", "agent", "src", "test"],
  test: ["schema", "providers", "agent", "src", "demo", "bench"],
};

/** Inside src: files that only put things together may see everything; a surface sees the door and nothing behind it. */
const composition = ["src/main.ts", "src/mcp-command.ts", "src/server.ts", "src/published.ts"];
const doorFiles = ["src/door.ts"];

interface Import {
  file: string;
  target: string;
}

const files = Object.keys(rooms).flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts")).map((file) => join(room, file)));

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(root, file), "utf8");
  const found = text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g);
  return [...found].map(([, path]) => ({ file, target: normalize(relative(root, resolve(root, dirname(file), path!))) }));
});

const roomOf = (file: string): string => file.split("/")[0]!;
const inSurfaces = (file: string): boolean => file.startsWith("src/surfaces/");

test("the test sees the imports of every room", () => {
  for (const room of ["schema", "providers", "agent", "src", "test"]) expect(imports.filter(({ file }) => roomOf(file) === room).length).toBeGreaterThan(5);
});

test("a room imports only from the rooms below it", () => {
  const offenders = imports.filter(({ file, target }) => roomOf(file) !== roomOf(target) && !rooms[roomOf(file)]!.includes(roomOf(target)));
  expect(offenders).toEqual([]);
});

test("a surface sees the door, and no subject behind it", () => {
  const offenders = imports.filter(({ file, target }) =>
    inSurfaces(file) && roomOf(target) === "src" && !inSurfaces(target) && !doorFiles.includes(target));
  expect(offenders).toEqual([]);
});

test("no subject sees a surface", () => {
  const offenders = imports.filter(({ file, target }) => roomOf(file) === "src" && !inSurfaces(file) && inSurfaces(target) && !composition.includes(file));
  expect(offenders).toEqual([]);
});

test("no file of the product names the workplace's folders", () => {
  const offenders = files.filter((file) => roomOf(file) !== "test" && /["'`/]\.\.\/shared\/|\/work\//.test(readFileSync(join(root, file), "utf8")));
  expect(offenders).toEqual([]);
});
