/** A certificate authority for the twins' process alone: made at its start, told in a file, gone when it ends. */
import "reflect-metadata"; // which @peculiar/x509 needs and does not bring
import type { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

export interface TestTls {
  /** What a client trusts: the authority's certificate, PEM. Its key is not kept. */
  caPem: string;
  /** What the server shows: a certificate for localhost, 127.0.0.1 and ::1, and its key, PEM. */
  certPem: string;
  keyPem: string;
}

const VALID_DAYS = 30;
const DAY_MS = 86_400_000;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

export async function newTestTls(now: Date): Promise<TestTls> {
  const [authority, server] = [await newKeys(), await newKeys()];
  const [notBefore, notAfter] = [new Date(now.getTime() - DAY_MS), new Date(now.getTime() + VALID_DAYS * DAY_MS)];
  const common = { notBefore, notAfter, signingAlgorithm: algorithm };
  const issuer = "CN=Test CA of the twins";
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...common, name: issuer, keys: authority,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const certificate = await x509.X509CertificateGenerator.create({
    ...common, subject: "CN=localhost", issuer, publicKey: server.publicKey, signingKey: authority.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: "dns", value: "localhost" }, { type: "ip", value: "127.0.0.1" }, { type: "ip", value: "::1" },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const keyPem = await privatePem(server.privateKey);
  return { caPem: ca.toString("pem"), certPem: certificate.toString("pem"), keyPem };
}

const newKeys = async (): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  const base64 = Buffer.from(await crypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${base64.replace(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`;
}
