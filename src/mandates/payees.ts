/**
 * What a payee's spelling says: which currency it is paid in, how it is paid, and the name an allow-list knows it by. The
 * shape alone decides (M-210): a Pix key or code is BRL, a wallet address USDC, a URL x402.
 */
import { parseBrCode } from "../../schema/pix/brcode.ts";
import { parsePixKey } from "../../schema/pix/keys.ts";

export type Payee =
  | { kind: "pix_key"; currency: "BRL"; name: string }
  | { kind: "pix_code"; currency: "BRL"; name: string; code: string; amountMinor: bigint | undefined }
  | { kind: "address"; currency: "USDC"; name: string }
  | { kind: "url"; currency: "USDC"; name: string };

/** Returns the reason when it is none of these shapes. */
export function readPayee(text: string): { ok: true; payee: Payee } | { ok: false; reason: string } {
  const written = text.trim();
  if (/^0x[0-9a-fA-F]{40}$/.test(written)) return found({ kind: "address", currency: "USDC", name: written.toLowerCase() });
  if (/^https?:\/\//i.test(written)) return readUrl(written);
  if (written.startsWith("000201")) return readCode(written);
  const key = parsePixKey(written);
  return key.ok ? found({ kind: "pix_key", currency: "BRL", name: key.value }) : { ok: false, reason: "expected a Pix key, a Pix code, a wallet address or a URL" };
}

/** Whether an allow-list names the payee; `*` names every one. */
export const isAllowed = (payees: readonly string[], { name }: Payee): boolean =>
  payees.includes("*") || payees.some((allowed) => nameOf(allowed) === name);

/** The one spelling of a payee: what an allow-list keeps. What has none of the shapes stays as it was written, and matches nothing. */
export function nameOf(text: string): string {
  const read = readPayee(text);
  return read.ok ? read.payee.name : text.trim();
}

const found = (payee: Payee) => ({ ok: true, payee }) as const;

function readUrl(text: string): ReturnType<typeof readPayee> {
  if (!URL.canParse(text)) return { ok: false, reason: "expected a URL" };
  return found({ kind: "url", currency: "USDC", name: new URL(text).href });
}

/** A static code names its key, so it is the same payee as the key; a dynamic one only where it is fetched from. */
function readCode(text: string): ReturnType<typeof readPayee> {
  const read = parseBrCode(text);
  if (!read.ok) return { ok: false, reason: read.reason };
  const { code } = read;
  const key = "key" in code ? parsePixKey(code.key) : undefined;
  const name = key?.ok ? key.value : "location" in code ? code.location : text;
  return found({ kind: "pix_code", currency: "BRL", name, code: text, amountMinor: code.amountMinor });
}
