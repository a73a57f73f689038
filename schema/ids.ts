/**
 * Ids a caller can meet: a prefix that says what it names, then 26 characters that sort by creation time (ULID).
 * Projects keep the published form, `prj_` and 16 alphanumerics, because released clients check it.
 */
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import { ulid } from "ulid";

export const idPrefixes = {
  organization: "org",
  project: "prj",
  apiKey: "key",
  session: "ses",
  run: "run",
  toolCall: "tc",
  connection: "ca",
  notification: "ntf",
  ledgerTransaction: "ltx",
  request: "req",
  mandate: "cm",
  fundingSource: "fs",
  checkout: "cks",
} as const;

export type IdKind = keyof typeof idPrefixes;

/** A new id of this kind, dated `at` so that ids sort in the order of their creation. */
export function newId(kind: IdKind, at: Date): string {
  if (kind === "project") return `${idPrefixes.project}_${alphanumerics(16)}`;
  return `${idPrefixes[kind]}_${ulid(at.getTime(), chance).toLowerCase()}`;
}

/** Matches what `newId(kind)` makes; tool calls of other origins (`tc_` and digits) match too. */
export const idPattern = (kind: IdKind): RegExp => new RegExp(`^${idPrefixes[kind]}_[A-Za-z0-9]{1,64}$`);

/** The key that goes with a provider request and comes back in its webhook: a UUID v4. */
export const newIdempotencyKey = (): string => randomUUID();

/** Bytes of chance are drawn many at a time: the library asks for one number a character, and each draw costs microseconds. */
const POOL_BYTES = 4096;
let pool: Buffer = Buffer.alloc(0);
let used = 0;

/** A number from 0 to 1 with 256 steps; the library makes one of 32 characters of it, evenly. */
function chance(): number {
  if (used >= pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  return pool[used++]! / 256;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

function alphanumerics(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}
