/**
 * The client certificate that a bank's twin issues with an account: X.509 v1, self-signed, ECDSA P-256, written in DER by
 * hand because a running server has no library that makes certificates. Source: RFC 5280, section 4.1.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

const VALID_YEARS = 10;

export function newClientCertificate(commonName: string, now: Date): { certificate: string; privateKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const until = new Date(now);
  until.setUTCFullYear(until.getUTCFullYear() + VALID_YEARS);
  const name = sequence(set(sequence(COMMON_NAME, der(UTF8_STRING, Buffer.from(commonName)))));
  const validity = sequence(timeOf(now), timeOf(until));
  const serial = der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(15)]));
  const toSign = sequence(serial, ECDSA_SHA256, name, validity, name, publicKey.export({ type: "spki", format: "der" }));
  const signature = der(BIT_STRING, Buffer.concat([Buffer.from([0]), sign("sha256", toSign, privateKey)]));
  return {
    certificate: pemOf("CERTIFICATE", sequence(toSign, ECDSA_SHA256, signature)),
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

const [INTEGER, BIT_STRING, UTF8_STRING, UTC_TIME, SEQUENCE, SET] = [0x02, 0x03, 0x0c, 0x17, 0x30, 0x31];

/** Tag, length, content. Nothing here is longer than two bytes of length can say. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Buffer[]): Buffer => der(SEQUENCE, Buffer.concat(parts));
const set = (...parts: Buffer[]): Buffer => der(SET, Buffer.concat(parts));

/** `261120120000Z`: two digits of the year serve until 2049. */
const timeOf = (at: Date): Buffer => der(UTC_TIME, Buffer.from(`${at.toISOString().replace(/\D/g, "").slice(2, 14)}Z`));

/** 2.5.4.3 */
const COMMON_NAME = Buffer.from("0603550403", "hex");
/** 1.2.840.10045.4.3.2 */
const ECDSA_SHA256 = sequence(Buffer.from("06082a8648ce3d040302", "hex"));

const pemOf = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString("base64").replace(/.{64}(?=.)/g, "$&\n")}\n-----END ${label}-----\n`;
