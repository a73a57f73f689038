/**
 * The small cast of all examples: one shop on one day, and Maria Souza, who pays R$150.00 for order 1042 by Pix. Plain values, so that
 * an example reads like an answer of the server; nothing here is anybody's, and no key works.
 *
 * An operation names its examples in its definition. What is long, or shown by several operations, is a value in this folder.
 */

/** A moment of that day: `at("12:00:10.250")`. */
export const at = (time: string): string => `2026-11-20T${time}Z`;

export const orgId = "org_01m7w2y7m0y4n132t4fa7rz6xg";
export const projectId = "prj_xebg6f3TG3cbu4hg";
export const keyId = "key_01m7w2y7m0v6zstkpdfxbsgt1j";
export const connectionId = "ca_01m7w2y7m0x75dkwm086x5yzst";
export const sessionId = "ses_01m7wd7tg0j8merbfqa45qk1w7";
export const runId = "run_01m7wd7zc8948b1ve8ax375wyt";
/** The charge of R$150.00, and the verification of Maria. */
export const chargeId = "tc_01m7wd848gxe4bsyqy9y6nghsh";
export const verificationId = "tc_01m7wd9n30bhn4rf740hms750h";
/** What the page before ended with, where a list is read on. */
export const earlierSessionId = "ses_01m7w9syw0zx8qdxdtnk7x4mng";
export const earlierCallId = "tc_01m7wdbfp0qksbw0wa287b9w9x";

export const userId = "maria";
export const buyer = { name: "Maria Souza", document: "12345678909" };
export const reference = "order-1042";
export const idempotencyKey = "7be3d2f1-db36-4c09-9b24-8f40da1def08";
export const pixCode =
  "00020101021226780014br.gov.bcb.pix2556pix-h.asaas.com/qr/cobv/943f21c20c18646af7aa633ef8327e1f5204000053039865406150.005802BR5913Loja de Teste6009Joinville62070503***6304BF82";
export const paymentId = "pay_3l9bp60ill1l9wqu";
export const inquiryId = "inq_vrWj3AFzwHaYUPviShfnPUMh";
export const inquiryUrl = "https://withpersona.com/verify?code=example";
