/** What verifiers hold in their hands: tokens, statements and DID documents, checked by code that shares none with the server. */
import { createHmac, createPublicKey, verify } from "node:crypto";
import { expect, test } from "vitest";
import { signingLine, type TokenFields } from "../../../src/mandates/token.ts";
import { startApp } from "../../support/app.ts";

const app = await startApp();

const fields: TokenFields = {
  format_version: 3, id: "cm_1", agent_id: "shopper", type: "payment", amount: "99.5", currency: "BRL", purposes: ["travel", "a,b", "back\\slash"], expires_at: 1_900_000_000,
  max_amount: "10", parent_id: "", denomination: "", secret_version: 1, principal_kyc_ref: "", agent_kid: "did:web:example.com:prj:shopper#1",
};

test("the signed line joins the fields in their order, purposes sorted and escaped, the key id last as it is", () => {
  expect(signingLine(fields)).toBe("3:cm_1:shopper:payment:99.5:BRL:a\\,b,back\\\\slash,travel:1900000000:10:::1::did:web:example.com:prj:shopper#1");
});

test.each(["id", "agent_id", "currency", "parent_id", "principal_kyc_ref"] as const)("a colon in %s could be read as two fields, so nothing is signed", (name) => {
  expect(() => signingLine({ ...fields, [name]: "a:b" })).toThrow(RangeError);
});

interface Document {
  id: string;
  verificationMethod: { id: string; publicKeyJwk: { kty: string; crv: string; x: string } }[];
}

/** As a verifier finds a key: at the location that did:web names, or at the published fallback. */
async function keyOf(kid: string, path: string) {
  const response = await app.http.fetch(new Request(`http://localhost${path}`));
  expect(response.headers.get("content-type")).toBe("application/did+json");
  const document = (await response.json()) as Document;
  const method = document.verificationMethod.find(({ id }) => id === kid)!;
  expect(method.publicKeyJwk).toMatchObject({ kty: "OKP", crv: "Ed25519", x: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/) });
  return createPublicKey({ key: method.publicKeyJwk, format: "jwk" });
}

const { token } = await app.call("consents.create", { agent_id: "shopper", intent: { purpose: "groceries, weekly", cap_minor: 50_050, per_tx_cap_minor: 20_000, currency: "BRL" } });
const { mandate } = await app.call("consents.submit", { token, consumer_id: "maria" });
const [agent, issuer] = mandate.signatures;
const agentDid = mandate.agent_did;
const host = agentDid.split(":")[2]!;

test("both signatures of a statement verify with nothing but the DID documents", async () => {
  const [, , , project, name] = agentDid.split(":");
  const keys = {
    agent: await keyOf(agent!.kid, `/v1/agents/${encodeURIComponent(agentDid)}/did.json`),
    issuer: await keyOf(issuer!.kid, `/v1/agents/${encodeURIComponent(`did:web:${host}`)}/did.json`),
  };
  expect(await keyOf(agent!.kid, `/${project}/${name}/did.json`)).toEqual(keys.agent);
  expect(await keyOf(issuer!.kid, "/.well-known/did.json")).toEqual(keys.issuer);
  for (const { role, signature } of mandate.signatures) {
    expect(verify(null, Buffer.from(mandate.statement), keys[role], Buffer.from(signature, "base64url"))).toBe(true);
    expect(verify(null, Buffer.from(mandate.statement.replace("50050", "50051")), keys[role], Buffer.from(signature, "base64url"))).toBe(false);
  }
});

/** The rule of the released verifiers, written once more from its description. */
function lineOf(decoded: Record<string, unknown>): string {
  const text = (name: string) => (decoded[name] === undefined || decoded[name] === null ? "" : String(decoded[name]));
  const purposes = (decoded["purposes"] as string[]).map((each) => each.split("\\").join("\\\\").split(",").join("\\,")).sort().join(",");
  const before = ["format_version", "id", "agent_id", "type", "amount", "currency"].map(text);
  const behind = ["expires_at", "max_amount", "parent_id", "denomination", "secret_version", "principal_kyc_ref", "agent_kid"].map(text);
  return [...before, purposes, ...behind].join(":");
}

test("the token verifies as released verifiers do it", async () => {
  const decoded = JSON.parse(Buffer.from(mandate.token, "base64url").toString()) as Record<string, unknown>;
  expect(decoded).toMatchObject({
    format_version: 3, id: mandate.id, agent_id: "shopper", type: "payment", amount: "500.5", max_amount: "200", currency: "BRL", purposes: ["groceries, weekly"], denomination: null,
    kid: agent!.kid, agent_kid: agent!.kid, secret_version: 1, signature: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  const line = lineOf(decoded);
  const agentKey = await keyOf(agent!.kid, `/v1/agents/${encodeURIComponent(agentDid)}/did.json`);
  const issuerKey = await keyOf(issuer!.kid, "/.well-known/did.json");
  expect(verify(null, Buffer.from(line), agentKey, Buffer.from(decoded["agent_sig"] as string, "base64url"))).toBe(true);
  expect(verify(null, Buffer.from(line), issuerKey, Buffer.from(decoded["issuer_sig"] as string, "base64url"))).toBe(true);
  expect(createHmac("sha256", "another secret").update(line).digest("hex")).not.toBe(decoded["signature"]);
});

test("a DID that no key was made for has no document, and none of another host's", async () => {
  for (const did of [`${agentDid}x`, "did:web:evil.example", "nonsense"])
    expect((await app.http.fetch(new Request(`http://localhost/v1/agents/${encodeURIComponent(did)}/did.json`))).status).toBe(404);
  expect((await app.http.fetch(new Request("http://localhost/.well-known/did.json", { method: "POST" }))).status).toBe(405);
});

test("a project's agents and another project's have other keys, although they have one name", async () => {
  const again = await app.call("consents.submit", {
    token: (await app.call("consents.create", { agent_id: "shopper", intent: { purpose: "x", cap_minor: 1, per_tx_cap_minor: 1, currency: "BRL" } })).token, consumer_id: "rui",
  });
  expect(again.mandate.agent_did).toBe(agentDid);
  expect(again.mandate.signatures[0]!.kid).toBe(agent!.kid);
});
