/**
 * A connection's client certificate, for hosts that ask who calls while the connection is made (mutual TLS). A definition
 * with `mutualTls` has these credentials, all PEM; the platform presents them (`Platform.transport`), adapters never do.
 */
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import type { ConnectionField } from "./provider.ts";

export interface ClientCertificate {
  /** PEM: the certificate, and its chain after it. */
  cert: string;
  /** PEM, without a passphrase. */
  key: string;
  /** PEM: trusted for the host's own certificate, instead of the public authorities. */
  ca?: string;
}

export const certificateFields: readonly ConnectionField[] = [
  {
    name: "certificate", label: "Client certificate (PEM)", secret: true, required: true,
    hint: "Begins with -----BEGIN CERTIFICATE-----; where the provider wants the chain, it follows",
  },
  { name: "private_key", label: "Private key of the certificate (PEM)", secret: true, required: true, hint: "Without a passphrase" },
  {
    name: "certificate_authority", label: "Authority of the provider's servers (PEM)", secret: true, required: false,
    hint: "Only where the servers are certified by an authority of their own; it is then trusted instead of the public ones",
  },
];

type Credentials = Readonly<Record<string, string>>;

/** What the connection presents; undefined where it lacks the certificate or the key. */
export function clientCertificate(credentials: Credentials): ClientCertificate | undefined {
  const { certificate, private_key: key, certificate_authority: ca } = credentials;
  if (!certificate || !key) return undefined;
  return { cert: pem(certificate), key: pem(key), ...(ca && { ca: pem(ca) }) };
}

/** Why the connection's certificate cannot be presented, in words that quote nothing of it; undefined when it can. */
export function certificateProblem(credentials: Credentials, now: Date): string | undefined {
  const presented = clientCertificate(credentials);
  if (!presented) return "the connection has no client certificate";
  const certificate = read(presented.cert);
  if (!certificate) return "the connection's client certificate is not readable PEM";
  if (presented.key.includes("ENCRYPTED")) return "the private key of the client certificate has a passphrase";
  if (!isKeyOf(certificate, presented.key)) return "the private key is not that of the client certificate";
  const expiry = new Date(certificate.validTo);
  return expiry < now ? `the connection's client certificate ended on ${expiry.toISOString().slice(0, 10)}` : undefined;
}

/** Until when the (first) certificate is valid; undefined when it cannot be read. */
export function certificateExpiry(certificate: string): Date | undefined {
  const found = read(pem(certificate));
  return found && new Date(found.validTo);
}

/** SHA-256 of the (first) certificate, lower-case hex; undefined when it cannot be read. */
export function certificateFingerprint(certificate: string): string | undefined {
  const found = read(pem(certificate));
  return found && createHash("sha256").update(found.raw).digest("hex");
}

/** The same blocks with their lines as they should be: forms and JSON files lose them. */
function pem(text: string): string {
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g)];
  if (blocks.length === 0) return text;
  return blocks.map(([, label, body = ""]) => {
    const base64 = body.replace(/\s|\\[rn]/g, "").replace(/.{64}(?=.)/g, "$&\n");
    return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
  }).join("");
}

function read(certificate: string): X509Certificate | undefined {
  try {
    return new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}

function isKeyOf(certificate: X509Certificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
