/** The master key of a data folder: made once, kept beside the database whose secrets it seals, for its owner alone. */
import { randomBytes, randomUUID } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { dataFolder } from "../db/embedded/place.ts";
import { StartError } from "../start-error.ts";
import { KEY_BYTES } from "./vault.ts";

export async function masterKeyIn(dataDir: string): Promise<Uint8Array> {
  const file = join(await dataFolder(dataDir), "master.key");
  const text = (await read(file)) ?? (await make(file));
  const key = Buffer.from(text, "base64");
  if (key.byteLength === KEY_BYTES) return key;
  throw new StartError(
    `${file} does not hold a master key (${KEY_BYTES} bytes in base64). ` +
      "Restore it from a backup, or set MASTER_KEY to the key it held.",
  );
}

const read = (file: string): Promise<string | undefined> =>
  readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    const message = `${file} cannot be read (${error.code}): it has to belong to the user who runs the server.`;
    throw new StartError(message, { cause: error });
  });

/** Synced before it has its name: what it seals will be as durable. Processes at once all get the first one's. */
async function make(file: string): Promise<string> {
  const partial = `${file}.${randomUUID()}`;
  const handle = await open(partial, "wx", 0o600);
  try {
    await handle.writeFile(randomBytes(KEY_BYTES).toString("base64"));
    await handle.sync();
    await link(partial, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await handle.close();
    await rm(partial);
  }
  return readFile(file, "utf8");
}
