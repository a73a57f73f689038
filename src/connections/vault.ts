/**
 * Encryption of stored credentials: AES-256-GCM under a data key per project, itself sealed by the master key. What is
 * sealed is bound to its place (project, row, column), so a ciphertext moved to another row or tenant does not open.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Database, TransactionSql } from "../db/connect.ts";
import { StartError } from "../start-error.ts";

/** Where a sealed value lives. It is authenticated with the value. */
export interface Place {
  orgId: string;
  projectId: string;
  row: string;
  column: string;
}

type Tenant = Pick<Place, "orgId" | "projectId">;

export interface Vault {
  seal(sql: Database["sql"] | TransactionSql, place: Place, text: string, now: Date): Promise<string>;
  /** Throws when the text was not sealed for this place, or under another master key. */
  open(sql: Database["sql"] | TransactionSql, place: Place, sealed: string): Promise<string>;
  /** Throws StartError when what this database holds was sealed under another master key. */
  check(sql: Database["sql"]): Promise<void>;
}

export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Creates a vault under a master key of 32 bytes. Opened data keys stay in memory for the life of the process. */
export function createVault(masterKey: Uint8Array): Vault {
  if (masterKey.byteLength !== KEY_BYTES) throw new RangeError(`the master key must have ${KEY_BYTES} bytes`);
  const opened = new Map<string, Buffer>();

  function unwrap(place: Tenant, version: number, wrapped: string): Buffer {
    try {
      return decrypt(masterKey, wrapped, wrapContext(place, version));
    } catch (cause) {
      throw new StartError(OTHER_MASTER_KEY, { cause });
    }
  }

  async function dataKey(sql: Database["sql"] | TransactionSql, place: Place, version: number): Promise<Buffer | undefined> {
    const name = `${place.projectId}.${version}`;
    const known = opened.get(name);
    if (known) return known;
    const [row] = await sql<{ wrapped: string }[]>`
      select wrapped from data_keys where project_id = ${place.projectId} and version = ${version}`;
    if (!row) return undefined;
    const key = unwrap(place, version, row.wrapped);
    opened.set(name, key);
    return key;
  }

  async function currentKey(sql: Database["sql"] | TransactionSql, place: Place, now: Date): Promise<Buffer> {
    const known = await dataKey(sql, place, CURRENT_VERSION);
    if (known) return known;
    const wrapped = encrypt(masterKey, randomBytes(KEY_BYTES), wrapContext(place, CURRENT_VERSION));
    await sql`
      insert into data_keys (org_id, project_id, version, wrapped, created_at)
      values (${place.orgId}, ${place.projectId}, ${CURRENT_VERSION}, ${wrapped}, ${now}) on conflict do nothing`;
    return (await dataKey(sql, place, CURRENT_VERSION))!;
  }

  return {
    async seal(sql, place, text, now) {
      const key = await currentKey(sql, place, now);
      return `v${CURRENT_VERSION}.${encrypt(key, Buffer.from(text), context(place))}`;
    },
    async open(sql, place, sealed) {
      const [, version, body] = /^v(\d+)\.(.+)$/.exec(sealed) ?? [];
      const key = version && (await dataKey(sql, place, Number(version)));
      if (!key || !body) throw new Error(`no data key opens ${place.column} of ${place.row}`);
      return decrypt(key, body, context(place)).toString();
    },
    /** Any data key will do: all are wrapped by the one master key. */
    async check(sql) {
      const [row] = await sql<{ orgId: string; projectId: string; version: number; wrapped: string }[]>`
        select org_id as "orgId", project_id as "projectId", version, wrapped from data_keys limit 1`;
      if (row) unwrap(row, row.version, row.wrapped);
    },
  };
}

/** Data keys are versioned so that one can be rotated while values sealed under the last still open. */
const CURRENT_VERSION = 1;

const OTHER_MASTER_KEY =
  "MASTER_KEY is not the key under which this database's credentials were sealed, so none of them can be opened. " +
  "Start with that key again; a server that was started without MASTER_KEY keeps it in the file master.key " +
  "of its DATA_DIR.";

const context = ({ orgId, projectId, row, column }: Place): string => [orgId, projectId, row, column].join("/");
const wrapContext = ({ orgId, projectId }: Tenant, version: number): string =>
  ["data-key", orgId, projectId, version].join("/");

function encrypt(key: Uint8Array, plain: Uint8Array, boundTo: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(boundTo));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString("base64url");
}

function decrypt(key: Uint8Array, sealed: string, boundTo: string): Buffer {
  const bytes = Buffer.from(sealed, "base64url");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(boundTo)).setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
}
