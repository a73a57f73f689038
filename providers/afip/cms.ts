/**
 * CMS SignedData (RFC 5652), as WSAA wants a ticket request: the content inside, one signer, RSA with SHA-256. There are no
 * signed attributes, which section 5.3 allows for plain data: the signature is then over the content itself.
 */
import { createPrivateKey, sign, X509Certificate, type KeyObject } from "node:crypto";
import {
  CertificateChoices, CertificateSet, CMSVersion, ContentInfo, DigestAlgorithmIdentifiers, EncapsulatedContent, EncapsulatedContentInfo, id_data,
  id_signedData, IssuerAndSerialNumber, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
} from "@peculiar/asn1-cms";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import { AlgorithmIdentifier, Certificate } from "@peculiar/asn1-x509";

const SHA_256 = "2.16.840.1.101.3.4.2.1";
const RSA = "1.2.840.113549.1.1.1";

export interface Identity {
  certificate: X509Certificate;
  key: KeyObject;
}

/** The two as an operator pasted them; undefined when they cannot be read, or are not one another's, or the key is no RSA key. */
export function readIdentity({ certificate, key }: { certificate: string; key: string }): Identity | undefined {
  try {
    const identity = { certificate: new X509Certificate(certificate), key: createPrivateKey(key) };
    return identity.key.asymmetricKeyType === "rsa" && identity.certificate.checkPrivateKey(identity.key) ? identity : undefined;
  } catch {
    return undefined; // no PEM, or another's syntax: what exactly, OpenSSL says in words that may quote the key
  }
}

/** DER of a ContentInfo. */
export function signedData(content: Buffer, { certificate, key }: Identity): Buffer {
  const signer = AsnConvert.parse(certificate.raw, Certificate);
  const { issuer, serialNumber } = signer.tbsCertificate;
  const digest = new AlgorithmIdentifier({ algorithm: SHA_256, parameters: null });
  const signed = new SignedData({
    version: CMSVersion.v1,
    digestAlgorithms: new DigestAlgorithmIdentifiers([digest]),
    encapContentInfo: new EncapsulatedContentInfo({ eContentType: id_data, eContent: new EncapsulatedContent({ single: new OctetString(content) }) }),
    certificates: new CertificateSet([new CertificateChoices({ certificate: signer })]),
    signerInfos: new SignerInfos([new SignerInfo({
      version: CMSVersion.v1,
      sid: new SignerIdentifier({ issuerAndSerialNumber: new IssuerAndSerialNumber({ issuer, serialNumber }) }),
      digestAlgorithm: digest,
      signatureAlgorithm: new AlgorithmIdentifier({ algorithm: RSA, parameters: null }),
      signature: new OctetString(sign("sha256", content, key)),
    })]),
  });
  return Buffer.from(AsnConvert.serialize(new ContentInfo({ contentType: id_signedData, content: AsnConvert.serialize(signed) })));
}
