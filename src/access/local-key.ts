/**
 * The test key of a data folder, for programs on this machine that are started without one: a key is kept as a hash, so a start that
 * is not the first could not know any other. Whoever reads the file can read the whole database beside it.
 */
import { join } from "node:path";
import { dataFolder } from "../db/embedded/place.ts";
import { secretIn } from "../secret-file.ts";
import { newKey } from "./keys.ts";

export interface LocalKey {
  key: string;
  file: string;
}

export async function localKeyIn(dataDir: string): Promise<LocalKey> {
  const file = join(await dataFolder(dataDir), "mcp.key");
  return { key: (await secretIn(file, () => newKey("test"))).trim(), file };
}
