/** Secrets that are made once and kept in a file of the data folder, for its owner alone. */
import { randomUUID } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { StartError } from "./start-error.ts";

/** The file's text; `create` gives it when there is no file. Processes at once all get the first one's. */
export const secretIn = async (file: string, create: () => string): Promise<string> => (await read(file)) ?? make(file, create());

const read = (file: string): Promise<string | undefined> =>
  readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    const message = `${file} cannot be read (${error.code}): it has to belong to the user who runs the server.`;
    throw new StartError(message, { cause: error });
  });

/** Synced before it has its name: what depends on it will be as durable. */
async function make(file: string, text: string): Promise<string> {
  const partial = `${file}.${randomUUID()}`;
  const handle = await open(partial, "wx", 0o600);
  try {
    await handle.writeFile(text);
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
