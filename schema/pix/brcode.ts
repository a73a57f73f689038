/**
 * BR Code, the text of a Pix QR code, also pasted by hand ("copia e cola"): build and parse.
 *
 * The text is a flat list of fields, each a 2-digit id, a 2-digit length in characters and a value; some values are
 * such lists themselves. It is plain ASCII, and ends with a CRC. Sources: EMV QRCPS Merchant-Presented Mode 1.1;
 * Central Bank of Brazil, "Manual do BR Code", "Manual de Padrões para Iniciação do Pix" 2.2.1 and API Pix 2.9.0.
 */
import { fromDecimal, toDecimal } from "../money.ts";
import { isTxid, parsePixKey } from "./keys.ts";

/** What the code does when paid. */
export type Target =
  /** Pays `key` (as printed: `parsePixKey` says what it is). Never expires. */
  | { kind: "static"; key: string; description?: string }
  /** Pays the charge found at `https://` and this location. */
  | { kind: "dynamic"; location: string }
  /** Authorizes the recurrence found at this location (Pix Automático); pays nothing now. */
  | { kind: "recurrence"; recurrenceLocation: string }
  /** Pays the charge and authorizes the recurrence. */
  | { kind: "composite"; location: string; recurrenceLocation: string };

export type BrCode = Target & {
  /** What the payer will see; at most 25 and 15 characters. */
  merchantName: string;
  merchantCity: string;
  /** Four digits (ISO 18245); 0000 when the merchant has none. */
  merchantCategory: string;
  postalCode?: string;
  /** Centavos. Absent: the payer types it, or it is at the location, where a dynamic code's true amount always is. */
  amountMinor?: bigint;
  /** As printed; absent for `***`. A dynamic code's true txid is at the location. */
  txid?: string;
  /** The code says it is good for one payment. Some banks leave this out of dynamic codes. */
  singleUse: boolean;
};

export interface CodeFields {
  /** Written without accents, in ASCII, and cut to 25 characters. */
  merchantName: string;
  /** Likewise, cut to 15. */
  merchantCity: string;
  /** Centavos, 1 to 999_999_999_999. Leave out to let the payer type it. */
  amountMinor?: bigint;
}

/**
 * Writes a static code: one that pays a key, any number of times.
 *
 * key          any spelling that `parsePixKey` reads; written in its canonical one
 * txid         1 to 25 letters or digits, to recognize the payment by; `***` when absent
 * description  shown to the payer; in ASCII, cut to what the key leaves: 73 characters less its length, or nothing
 * throws       RangeError naming the field: a key of no kind, an amount or txid out of range, a name or city without
 *              ASCII text
 */
export function buildStaticCode(fields: CodeFields & { key: string; txid?: string; description?: string }): string {
  const key = parsePixKey(fields.key);
  if (!key.ok) throw new RangeError(`key: ${key.reason}`);
  if (fields.txid !== undefined && !isTxid(fields.txid, "static")) {
    throw new RangeError("txid: expected 1 to 25 letters or digits; leave it out when there is none");
  }
  const account = field("00", PIX_GUI) + field("01", key.value);
  const room = Math.max(0, VALUE_LENGTH_MAX - account.length - HEADER_LENGTH);
  const description = optionalField("02", toAscii(fields.description ?? "", room));
  return assemble(fields, { account: account + description, txid: fields.txid });
}

/**
 * Writes a dynamic code: one that pays, once, the charge that the receiver's bank serves at a location.
 *
 * location     host and path as the bank answered them, without `https://`; at most 77 characters
 * amountMinor  only informs; the amount at the location wins
 * throws       RangeError naming the field: a location of another form, an amount out of range, a name or city without
 *              ASCII text
 */
export function buildDynamicCode(fields: CodeFields & { location: string }): string {
  if (!LOCATION.test(fields.location)) throw new RangeError(`location: expected ${LOCATION_EXPECTED}`);
  const account = field("00", PIX_GUI) + field("25", fields.location);
  return assemble(fields, { account, pointOfInitiation: SINGLE_USE });
}

/**
 * Reads a code, strictly: layout and CRC must both hold, for neither proves the other. Between the first field (00) and
 * the last (63) any order will do, and unknown fields are passed over. White space around the code is not part of it.
 *
 * returns  the code, or the first thing wrong with it; a reason names the field and never repeats values
 */
export function parseBrCode(text: string): { ok: true; code: BrCode } | { ok: false; reason: string } {
  try {
    return { ok: true, code: readCode(text.trim()) };
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, reason: error.message };
    throw error;
  }
}

/** CRC-16/CCITT-FALSE of an ASCII text, as 4 upper-case hexadecimal digits: `crc16("123456789")` is `29B1`. */
export function crc16(text: string): string {
  let crc = 0xffff;
  for (let at = 0; at < text.length; at++) {
    crc ^= text.charCodeAt(at) << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc.toString(16).toUpperCase().padStart(4, "0");
}

/** The manual's bound for what a QR code of usable size holds. */
const CODE_LENGTH_MAX = 512;
/** What two digits of length can say. */
const VALUE_LENGTH_MAX = 99;
const HEADER_LENGTH = 4;

const PIX_GUI = "br.gov.bcb.pix";
const SINGLE_USE = "12";
const NO_TXID = "***";
const AMOUNT_MINOR_MAX = 999_999_999_999n;

const LOCATION = /^(?=.{1,77}$)[a-z0-9.-]+(?::\d{1,5})?\/[\w.~%/?=&+-]+$/i;
const LOCATION_EXPECTED = "host and path without https://, at most 77 characters";

function assemble(
  { merchantName, merchantCity, amountMinor }: CodeFields,
  { account, pointOfInitiation = "", txid = NO_TXID }: { account: string; pointOfInitiation?: string; txid?: string },
): string {
  const unsealed = [
    field("00", "01"),
    optionalField("01", pointOfInitiation),
    field("26", account),
    field("52", "0000"),
    field("53", "986"),
    optionalField("54", amountMinor === undefined ? "" : writeAmount(amountMinor)),
    field("58", "BR"),
    field("59", requiredText("merchantName", merchantName, 25)),
    field("60", requiredText("merchantCity", merchantCity, 15)),
    field("62", field("05", txid)),
    "6304",
  ].join("");
  return unsealed + crc16(unsealed);
}

const field = (id: string, value: string): string => id + String(value.length).padStart(2, "0") + value;
const optionalField = (id: string, value: string): string => (value === "" ? "" : field(id, value));

function writeAmount(amountMinor: bigint): string {
  if (amountMinor < 1n || amountMinor > AMOUNT_MINOR_MAX) {
    throw new RangeError(`amountMinor: expected 1 to ${AMOUNT_MINOR_MAX} centavos; without it the payer types one`);
  }
  return toDecimal({ amountMinor, currency: "BRL" });
}

function requiredText(name: string, text: string, lengthMax: number): string {
  const ascii = toAscii(text, lengthMax);
  if (ascii === "") throw new RangeError(`${name}: expected a text with letters or digits of the Latin alphabet`);
  return ascii;
}

/** Lengths count characters and the CRC counts bytes; only in ASCII do all banks agree on both. */
const toAscii = (text: string, lengthMax: number): string =>
  text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^!-~]+/g, " ")
    .trim()
    .slice(0, lengthMax)
    .trimEnd();

/** Thrown by the readers below and caught in `parseBrCode`; its message is the reason. */
class Malformed extends Error {}

type Fields = ReadonlyMap<string, string>;

/** The top-level fields with a fixed form. Templates (26-51, 62, 80-99) are read below. */
const layout: { id: string; name: string; shape: RegExp; expected: string; isOptional?: true }[] = [
  { id: "00", name: "payload format", shape: /^01$/, expected: "01" },
  { id: "01", name: "point of initiation", shape: /^1[12]$/, expected: "11 or 12", isOptional: true },
  { id: "52", name: "merchant category", shape: /^\d{4}$/, expected: "4 digits" },
  { id: "53", name: "currency", shape: /^986$/, expected: "986 (BRL)" },
  // EMV lets 10.00 be written 10 or 10.0; a comma, a sign or a thousands separator could be misread.
  {
    id: "54",
    name: "amount",
    shape: /^(?![0.]+$)\d{1,10}(?:\.\d{1,2})?$/,
    expected: "reais as 1234.56, above zero",
    isOptional: true,
  },
  { id: "58", name: "country", shape: /^BR$/, expected: "BR" },
  { id: "59", name: "merchant name", shape: /^.{1,25}$/, expected: "1 to 25 characters" },
  { id: "60", name: "merchant city", shape: /^.{1,15}$/, expected: "1 to 15 characters" },
];

function readCode(text: string): BrCode {
  checkSeal(text);
  const fields = readFields(text, "the code");
  const ids = [...fields.keys()];
  if (ids[0] !== "00") throw new Malformed("field 00 (payload format) must come first");
  if (ids.at(-1) !== "63") throw new Malformed("field 63 (CRC) must come last");
  for (const row of layout) checkField(fields, row);
  const amount = fields.get("54");
  const txid = readTxid(fields);
  return {
    merchantName: fields.get("59") ?? "",
    merchantCity: fields.get("60") ?? "",
    merchantCategory: fields.get("52") ?? "",
    postalCode: fields.get("61"),
    amountMinor: amount === undefined ? undefined : fromDecimal(amount, "BRL"),
    txid: txid === NO_TXID ? undefined : txid,
    singleUse: fields.get("01") === SINGLE_USE,
    ...readTarget(fields),
  };
}

/** What holds for the text as a whole, before any field is believed. */
function checkSeal(text: string): void {
  if (text.length > CODE_LENGTH_MAX) throw new Malformed(`the code is longer than ${CODE_LENGTH_MAX} characters`);
  const foreign = text.search(/[^ -~]/);
  if (foreign !== -1) throw new Malformed(`character ${foreign + 1} is not printable ASCII`);
  if (!/6304[0-9a-f]{4}$/i.test(text)) {
    throw new Malformed("expected field 63 (6304 and 4 hexadecimal digits) at the end; this is cut, or no BR Code");
  }
  if (crc16(text.slice(0, -4)) !== text.slice(-4).toUpperCase()) {
    throw new Malformed("field 63 (CRC) does not match the text: a character was changed, lost or added");
  }
}

function readFields(text: string, where: string): Fields {
  const fields = new Map<string, string>();
  // Ends within text.length / 5 rounds: each consumes a header and at least one character.
  for (let at = 0; at < text.length; ) {
    const header = text.slice(at, at + HEADER_LENGTH);
    if (!/^\d{4}$/.test(header)) {
      throw new Malformed(`${where}: expected a 2-digit id and a 2-digit length at character ${at + 1}`);
    }
    const id = header.slice(0, 2);
    const length = Number(header.slice(2));
    const value = text.slice(at + HEADER_LENGTH, at + HEADER_LENGTH + length);
    if (value.length < length) {
      throw new Malformed(`${where}: field ${id} declares ${length} characters, but ${value.length} are left`);
    }
    if (value === "") throw new Malformed(`${where}: field ${id} is empty`);
    if (fields.has(id)) throw new Malformed(`${where}: field ${id} appears twice`);
    fields.set(id, value);
    at += HEADER_LENGTH + value.length;
  }
  return fields;
}

function checkField(fields: Fields, { id, name, shape, expected, isOptional }: (typeof layout)[number]): void {
  const value = fields.get(id);
  if (value === undefined) {
    if (isOptional) return;
    throw new Malformed(`field ${id} (${name}) is missing`);
  }
  if (!shape.test(value)) throw new Malformed(`field ${id} (${name}): expected ${expected}`);
}

function readTxid(fields: Fields): string | undefined {
  const txid = readFields(fields.get("62") ?? "", "field 62").get("05");
  if (txid !== undefined && txid !== NO_TXID && !isTxid(txid, "static")) {
    throw new Malformed("field 62-05 (txid): expected *** or 1 to 25 letters or digits");
  }
  return txid;
}

/** Told by the templates alone: the point of initiation (01) is missing from some dynamic codes. */
function readTarget(fields: Fields): Target {
  const account = pixTemplate(fields, 26, 51);
  if (!account) throw new Malformed(`none of the fields 26 to 51 is for Pix (sub-field 00 = ${PIX_GUI})`);
  const key = account.get("01");
  const location = readLocation(account, "26-25");
  const recurrenceLocation = readLocation(pixTemplate(fields, 80, 99), "80-25");
  if (key !== undefined && location !== undefined) {
    throw new Malformed("the Pix template has both a key (01) and a location (25), so whom it pays is open");
  }
  if (key !== undefined) return { kind: "static", key, description: account.get("02") };
  if (location !== undefined) {
    return recurrenceLocation === undefined
      ? { kind: "dynamic", location }
      : { kind: "composite", location, recurrenceLocation };
  }
  if (recurrenceLocation !== undefined) return { kind: "recurrence", recurrenceLocation };
  throw new Malformed("the code has no key (26-01), no location (26-25) and no recurrence (80-25)");
}

/** The first template between two ids that names Pix as its owner. */
function pixTemplate(fields: Fields, first: number, last: number): Fields | undefined {
  for (const [id, value] of fields) {
    if (Number(id) < first || Number(id) > last) continue;
    const template = readFields(value, `field ${id}`);
    if (template.get("00")?.toLowerCase() === PIX_GUI) return template;
  }
  return undefined;
}

function readLocation(template: Fields | undefined, name: string): string | undefined {
  const location = template?.get("25");
  if (location !== undefined && !LOCATION.test(location)) {
    throw new Malformed(`field ${name} (location): expected ${LOCATION_EXPECTED}`);
  }
  return location;
}
