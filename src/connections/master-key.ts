/** The master key of a data folder: made once, kept beside the database whose secrets it seals. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { dataFolder } from "../db/embedded/place.ts";
import { secretIn } from "../secret-file.ts";
import { StartError } from "../start-error.ts";
import { KEY_BYTES } from "./vault.ts";

export async function masterKeyIn(dataDir: string): Promise<Uint8Array> {
  const file = join(await dataFolder(dataDir), "master.key");
  const text = await secretIn(file, () => randomBytes(KEY_BYTES).toString("base64"));
  const key = Buffer.from(text, "base64");
  if (key.byteLength === KEY_BYTES) return key;
  throw new StartError(
    `${file} does not hold a master key (${KEY_BYTES} bytes in base64). ` +
      "Restore it from a backup, or set MASTER_KEY to the key it held.",
  );
}
