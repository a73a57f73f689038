/**
 * Names in Pix: the key that stands for an account, the txid that stands for a charge, and the 32-character ids of
 * payments and returns. Source: Central Bank of Brazil, API Pix 2.9.0, and "Manual de Padrões para Iniciação do Pix".
 */
import { normalizePhone, parseDocument, type Parsed } from "../documents.ts";

export type PixKeyKind = "cpf" | "cnpj" | "phone" | "email" | "evp";

export const PIX_KEY_LENGTH_MAX = 77;

/**
 * Tells what kind of key `text` is, and spells it as the key directory (DICT) does: tax ids without punctuation, phones
 * in E.164, e-mails and random keys (EVP) in lower case.
 *
 * A phone is a phone only with its `+`. Eleven bare digits could be a CPF or a phone, and money sent to the wrong guess
 * is gone: they are a CPF if the check digits hold, and nothing otherwise.
 */
export function parsePixKey(text: string): Parsed<PixKeyKind> {
  const key = text.trim();
  if (key.length > PIX_KEY_LENGTH_MAX) return refuse(`expected a Pix key of at most ${PIX_KEY_LENGTH_MAX} characters`);
  if (key.includes("@")) return parseEmail(key);
  if (key.startsWith("+")) return normalizePhone(key, "BR");
  if (EVP.test(key)) return { ok: true, kind: "evp", value: key.toLowerCase() };
  const taxId = parseDocument(key, ["cpf", "cnpj"]);
  if (taxId.ok) return taxId;
  return refuse(`${taxId.reason}; a phone begins with +55, an e-mail has an @, a random key is a UUID`);
}

const EVP = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const EMAIL = /^[a-z0-9.!#$&'*+/=?^_`{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+$/i;

// Tested before its case changes: lower-casing would turn a look-alike (the Kelvin sign) into an ASCII letter.
const parseEmail = (email: string): Parsed<"email"> =>
  EMAIL.test(email)
    ? { ok: true, kind: "email", value: email.toLowerCase() }
    : refuse("expected an e-mail such as name@example.com");

const refuse = (reason: string) => ({ ok: false, reason }) as const;

/** Where a txid is met decides its length: on a charge we create, in a static code, on a Pix received from anyone. */
const txids = {
  dynamic: /^[a-zA-Z0-9]{26,35}$/,
  static: /^[a-zA-Z0-9]{1,25}$/,
  received: /^[a-zA-Z0-9]{1,35}$/,
} as const;

export const isTxid = (text: string, use: keyof typeof txids): boolean => txids[use].test(text);

/**
 * The txid of a dynamic charge, from the id that the charge has with us: `tc_01jd…` becomes `tc01jd…`. The same id
 * always gives the same txid, so a repeated `PUT /cob/{txid}` cannot create a second charge, and support can read one
 * from the other.
 *
 * id      one of our prefixed ids, or a UUID: 26 to 35 letters and digits, and `_` or `-`
 * throws  RangeError for any other id
 */
export function makeTxid(id: string): string {
  const txid = id.replace(/[_-]/g, "");
  if (!isTxid(txid, "dynamic")) throw new RangeError("id: expected 26 to 35 letters and digits, besides _ and -");
  return txid;
}

/**
 * The id that names one Pix from end to end: `E`, the ISPB of the payer's bank, the minute in UTC, 11 characters.
 *
 * ispb    8 characters, [0-9A-Z]
 * at      when the payment was ordered; the payment system refuses one far from its own clock
 * unique  11 letters or digits, not used by this ISPB in this minute: the end of one of our ids will do, and then
 *         a repeat with the same `at` carries the same id
 * throws  RangeError when `ispb` or `unique` has another form
 */
export const makeEndToEndId = (parts: PixIdParts): string => makeId("E", parts);

/** The id of a return (`rtrId`), in the same layout with a leading `D`. */
export const makeReturnId = (parts: PixIdParts): string => makeId("D", parts);

/** Whether `text` has that layout and a real minute; the API itself asks only for 32 letters or digits. */
export const isEndToEndId = (text: string): boolean => isId("E", text);
export const isReturnId = (text: string): boolean => isId("D", text);

export interface PixIdParts {
  ispb: string;
  at: Date;
  unique: string;
}

function makeId(letter: "E" | "D", { ispb, at, unique }: PixIdParts): string {
  if (!/^[0-9A-Z]{8}$/.test(ispb)) throw new RangeError("ispb: expected 8 digits or upper-case letters");
  if (!/^[a-zA-Z0-9]{11}$/.test(unique)) throw new RangeError("unique: expected 11 letters or digits");
  return letter + ispb + minuteOf(at) + unique;
}

function isId(letter: "E" | "D", text: string): boolean {
  const [, found, minute = ""] = /^([ED])[0-9A-Z]{8}(\d{12})[a-zA-Z0-9]{11}$/.exec(text) ?? [];
  const at = new Date(minute.replace(/^(....)(..)(..)(..)(..)$/, "$1-$2-$3T$4:$5Z"));
  // A 31st of February parses as the 3rd of March, so the minute must also survive the way back.
  return found === letter && !Number.isNaN(at.getTime()) && minuteOf(at) === minute;
}

/** yyyyMMddHHmm, UTC */
const minuteOf = (at: Date): string => at.toISOString().slice(0, 16).replace(/\D/g, "");
