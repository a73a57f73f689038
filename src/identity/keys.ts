/**
 * Who signs: every agent has an Ed25519 key that this server keeps for it, and the server has one an environment as issuer.
 * Private keys are sealed in the vault and opened for one signature at a time. A key is made when it is first needed.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from "node:crypto";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Sql, TransactionSql } from "../db/connect.ts";
import type { Platform } from "../platform.ts";

export interface Signer {
  did: string;
  kid: string;
  /** Ed25519 over the text in UTF-8, base64url. */
  sign(text: string): string;
}

type Keeper = Pick<Platform, "db" | "vault" | "clock" | "publicUrl">;

interface Owner {
  orgId: string;
  projectId: string;
  owner: string;
  did: string;
  /** What a key is called behind its document's `#`, before its number. */
  namespace: string;
}

/** The server's own rows belong to no tenant. */
const PLATFORM = { orgId: "platform", projectId: "platform" };

export const agentSigner = (keeper: Keeper, tenant: { orgId: string; projectId: string }, agentId: string): Promise<Signer> =>
  signerOf(keeper, { ...tenant, owner: `agent:${agentId}`, did: agentDid(keeper, tenant.projectId, agentId), namespace: "" });

export const issuerSigner = (keeper: Keeper, environment: Environment): Promise<Signer> =>
  signerOf(keeper, { ...PLATFORM, owner: `issuer:${environment}`, did: issuerDid(keeper), namespace: `${environment}-` });

/** `did:web` of this server: its host, and a port percent-encoded. Source: did:web method specification. */
export const issuerDid = ({ publicUrl }: Pick<Keeper, "publicUrl">): string => `did:web:${encodeURIComponent(new URL(publicUrl).host)}`;

/** A project is named, not an organization: agents of a test project must not pass for live ones. */
export const agentDid = (keeper: Pick<Keeper, "publicUrl">, projectId: string, agentId: string): string =>
  `${issuerDid(keeper)}:${projectId}:${encodeURIComponent(agentId)}`;

interface KeyRow {
  did: string;
  kid: string;
  sealed: string;
}

async function signerOf(keeper: Keeper, owner: Owner): Promise<Signer> {
  const { did, kid, sealed } = (await activeKey(keeper, owner)) ?? (await makeKey(keeper, owner));
  const der = await keeper.vault.open(keeper.db.sql, placeOf(owner), sealed);
  const key = createPrivateKey({ key: Buffer.from(der, "base64url"), format: "der", type: "pkcs8" });
  return { did, kid, sign: (text) => sign(null, Buffer.from(text), key).toString("base64url") };
}

async function activeKey({ db }: Keeper, { projectId, owner }: Owner): Promise<KeyRow | undefined> {
  const [row] = await db.sql<KeyRow[]>`
    select did, kid, sealed from signing_keys
    where project_id = ${projectId} and owner = ${owner} and status = 'active' order by ordinal desc limit 1`;
  return row;
}

/** Of two that make the first key at once, the second finds the first one's. */
async function makeKey(keeper: Keeper, owner: Owner): Promise<KeyRow> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const x = publicKey.export({ format: "jwk" }).x!;
  const now = keeper.clock.now();
  const sealed = await keeper.vault.seal(keeper.db.sql, placeOf(owner), privateKey.export({ format: "der", type: "pkcs8" }).toString("base64url"), now);
  await keeper.db.sql`
    insert into signing_keys (org_id, project_id, owner, ordinal, did, kid, public_key, sealed, status, created_at)
    values (${owner.orgId}, ${owner.projectId}, ${owner.owner}, 1, ${owner.did}, ${`${owner.did}#${owner.namespace}1`}, ${x}, ${sealed}, 'active', ${now})
    on conflict do nothing`;
  return (await activeKey(keeper, owner))!;
}

const placeOf = ({ orgId, projectId, owner }: Pick<Owner, "orgId" | "projectId" | "owner">) =>
  ({ orgId, projectId, row: owner, column: "signing_keys.sealed" });

/** The project's shared secret for the signatures of released verifiers, as text. */
export async function mandateSecret(keeper: Keeper, tenant: { orgId: string; projectId: string }): Promise<{ secret: string; version: number }> {
  const owner = { ...tenant, owner: "mandates" };
  const find = async () => {
    const [row] = await keeper.db.sql<{ sealed: string; ordinal: number }[]>`
      select sealed, ordinal from signing_keys where project_id = ${tenant.projectId} and owner = 'mandates' and status = 'active' order by ordinal desc limit 1`;
    return row && { secret: await keeper.vault.open(keeper.db.sql, placeOf(owner), row.sealed), version: row.ordinal };
  };
  const known = await find();
  if (known) return known;
  const now = keeper.clock.now();
  const sealed = await keeper.vault.seal(keeper.db.sql, placeOf(owner), randomBytes(32).toString("hex"), now);
  await keeper.db.sql`
    insert into signing_keys (org_id, project_id, owner, ordinal, sealed, status, created_at)
    values (${tenant.orgId}, ${tenant.projectId}, 'mandates', 1, ${sealed}, 'active', ${now}) on conflict do nothing`;
  return (await find())!;
}

/** Keys by their kid, revoked ones left out: what they signed counts no more. */
export async function publicKeys(sql: Sql | TransactionSql, kids: readonly string[]): Promise<Map<string, KeyObject>> {
  const rows = await sql<{ kid: string; x: string }[]>`
    select kid, public_key as x from signing_keys where kid = any(${kids as string[]}::text[]) and status <> 'revoked'`;
  return new Map(rows.map(({ kid, x }) => [kid, createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })]));
}

export const isSignedBy = (key: KeyObject, text: string, signature: string): boolean =>
  verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url"));
