/** DID documents: the public keys of agents and of this server, for whoever verifies a signature offline. Source: DID Core 1.0, did:web. */
import type { Platform } from "../platform.ts";

/** A bare host's document is of the server; one with a path is of an agent. Undefined for a DID that no key was made for. */
export async function didDocument({ db }: Pick<Platform, "db">, did: string): Promise<object | undefined> {
  const keys = await db.sql<{ kid: string; x: string }[]>`
    select kid, public_key as x from signing_keys where did = ${did} and status <> 'revoked' order by kid`;
  if (keys.length === 0) return undefined;
  const ids = keys.map(({ kid }) => kid);
  return {
    "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
    id: did,
    verificationMethod: keys.map(({ kid, x }) => ({
      id: kid, type: "JsonWebKey2020", controller: did, publicKeyJwk: { kty: "OKP", crv: "Ed25519", x, alg: "EdDSA", use: "sig", kid },
    })),
    assertionMethod: ids,
    authentication: ids,
  };
}
