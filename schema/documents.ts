/**
 * Documents of Latin America: tax ids, bank account numbers and invoice keys that carry check digits, and postal codes
 * and phone numbers that have only a shape. A parser answers the one spelling we store, or says what was expected.
 *
 * A check digit catches typing errors, not forgeries, and not even every typing error: in the Brazilian rule two
 * remainders share the digit 0, and letters 11 apart weigh the same. Nothing here says that a document was issued.
 */

/** The canonical spelling, or why not. A reason never repeats the document: it is personal, and reasons reach logs. */
export type Parsed<Kind extends string> = { ok: true; kind: Kind; value: string } | { ok: false; reason: string };

export type DocumentKind = "cpf" | "cnpj" | "cuit" | "rut" | "nit" | "clabe" | "nfe_key" | "cep";

const taxIdKinds = {
  BR: ["cpf", "cnpj"],
  AR: ["cuit"],
  CL: ["rut"],
  CO: ["nit"],
} as const satisfies Record<string, readonly DocumentKind[]>;

export type TaxCountry = keyof typeof taxIdKinds;
export type TaxIdKind = (typeof taxIdKinds)[TaxCountry][number];

/**
 * Reads a tax id in any usual spelling: `111.444.777-35`, `11144477735` and `111 444 777 35` are one CPF.
 *
 * country      whose tax ids to expect; BR (a CPF or a CNPJ, told apart by length) unless told
 * environment  `test` also takes the documented sample, see `isSampleTaxId`; `live` unless told
 * returns      the value without punctuation, in upper case, check digits included; a RUT or NIT without leading zeros
 */
export function parseTaxId(
  text: string,
  { country = "BR", environment = "live" }: { country?: TaxCountry; environment?: "live" | "test" } = {},
): Parsed<TaxIdKind> {
  if (environment === "test" && country === "BR" && isSampleTaxId(text)) {
    return { ok: true, kind: "cpf", value: SAMPLE_CPF };
  }
  return parseDocument<TaxIdKind>(text, taxIdKinds[country]);
}

/**
 * Published samples send this CPF, whose check digits are wrong (a true one would end in 09). Test projects take it so
 * that the samples run as printed; every other bad number is refused in test too (contradiction C-53).
 */
const SAMPLE_CPF = "12345678900";

/** Whether `text` spells the one tax id that test projects take despite its check digits. */
export const isSampleTaxId = (text: string): boolean => compact(text) === SAMPLE_CPF;

/**
 * Reads a document of one of `kinds`, check digits verified. Only `.`, `/`, `-` and spaces are stripped.
 *
 * `parseDocument(text, ["clabe"])` reads a CLABE and nothing else. Kinds given together must differ in shape, as CPF
 * (11) and CNPJ (14) do: the first whose shape fits decides.
 */
export function parseDocument<Kind extends DocumentKind>(text: string, kinds: readonly Kind[]): Parsed<Kind> {
  const written = compact(text);
  for (const kind of kinds) {
    const rule = rules[kind];
    const value = rule.layout ? written : written.replace(/^0+/, "");
    if (!rule.shape.test(value)) continue;
    if (hasItsCheckDigits(value, rule)) return { ok: true, kind, value };
    return { ok: false, reason: `expected ${rule.name} whose check digits match; a character of this one is wrong` };
  }
  const expected = kinds.map((kind) => `${rules[kind].name} (${rules[kind].expected})`).join(" or ");
  return { ok: false, reason: `expected ${expected}, got ${written.length} characters` };
}

/** A parsed document as people write it: `111.444.777-35`, `12.ABC.345/01DE-35`, `60.805.000-0`. */
export function formatDocument({ kind, value }: { kind: DocumentKind; value: string }): string {
  const { layout } = rules[kind];
  if (!layout) return `${value.slice(0, -1).replace(/\B(?=(?:\d{3})+$)/g, ".")}-${value.slice(-1)}`;
  let at = 0;
  return layout.replaceAll("#", () => value[at++] ?? "");
}

/**
 * The check digits that complete `base`: `checkDigits("nfe_key", first43Characters)` is one digit.
 *
 * base     everything before the check digits, in the spelling that `parseDocument` returns
 * returns  undefined where the rule has none: a CUIT with remainder 1 is issued under another prefix
 * throws   RangeError when no document of this kind begins with `base`
 */
export function checkDigits(kind: DocumentKind, base: string): string | undefined {
  const { check, shape, name } = rules[kind];
  const completed = base + "0".repeat(check?.count ?? 0);
  if (!shape.test(completed)) throw new RangeError(`base: expected the beginning of ${name}`);
  return check ? computeDigits(base, check) : "";
}

interface Rule {
  name: string;
  /** What `shape` asks, in words. */
  expected: string;
  shape: RegExp;
  check?: Check;
  /** How people group the characters. A rule without one has no fixed length, and leading zeros are padding. */
  layout?: string;
}

/** How check digits follow from what precedes them: a sum weighted from the right, whose remainder picks the digit. */
interface Check {
  count: number;
  /** From the right, over and over. */
  weights: readonly number[];
  /** The digit of each remainder; the length is the modulus. `_` marks a remainder without one. */
  digits: string;
}

const BRAZIL = "00987654321";
const weightsTo = (last: number): number[] => Array.from({ length: last - 1 }, (_, index) => index + 2);

const rules: Record<DocumentKind, Rule> = {
  // Source: Receita Federal. The ten numbers of one repeated digit pass the check and are refused by rule.
  cpf: {
    name: "a CPF",
    expected: "11 digits, not all the same",
    shape: /^(?!(\d)\1{10})\d{11}$/,
    check: { count: 2, weights: weightsTo(11), digits: BRAZIL },
    layout: "###.###.###-##",
  },
  // Source: IN RFB 2229/2024, Nota Técnica Conjunta 2025.001. Letters since July 2026, each its ASCII code less 48.
  cnpj: {
    name: "a CNPJ",
    expected: "12 letters or digits and 2 digits, not all zero",
    shape: /^(?!0{14})[0-9A-Z]{12}\d{2}$/,
    check: { count: 2, weights: weightsTo(9), digits: BRAZIL },
    layout: "##.###.###/####-##",
  },
  // Source: AFIP (now ARCA). A CUIL, the workers' number, has the same form. 20 to 27 are people, 30 to 34 companies.
  cuit: {
    name: "a CUIT",
    expected: "11 digits that begin with 20, 23 to 27, 30, 33 or 34",
    shape: /^(?:2[03-7]|3[034])\d{9}$/,
    check: { count: 1, weights: weightsTo(7), digits: "0_987654321" },
    layout: "##-########-#",
  },
  // Source: Servicio de Impuestos Internos.
  rut: {
    name: "a RUT",
    expected: "1 to 8 digits, then the check digit, 0 to 9 or K",
    shape: /^[1-9]\d{0,7}[\dK]$/,
    check: { count: 1, weights: weightsTo(7), digits: "0K987654321" },
  },
  // Source: DIAN. One number in eleven also passes without its check digit, so ask for it in the field's description.
  nit: {
    name: "a NIT",
    expected: "1 to 15 digits, then the check digit",
    shape: /^[1-9]\d{1,15}$/,
    check: { count: 1, weights: [3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71], digits: "01987654321" },
  },
  // Source: Banco de México. Bank 3, branch 3, account 11, check digit; weights 3, 7, 1 from the left.
  clabe: {
    name: "a CLABE",
    expected: "18 digits, the first 3 the bank",
    shape: /^(?!000)\d{18}$/,
    // Seventeen digits are weighted, so 3, 7, 1 from the left is 7, 3, 1 from the right.
    check: { count: 1, weights: [7, 3, 1], digits: "0987654321" },
    layout: "### ### ########### #",
  },
  // Source: Manual de Orientação do Contribuinte; for NF-e, NFC-e, CT-e and MDF-e. State 2, month 4, issuer 14,
  // model 2, series 3, number 9, type of issue 1, code 8, check digit. The issuer may be a farmer, whose CPF stands
  // there behind zeros, so the issuer's own check digits are not verified.
  nfe_key: {
    name: "an NF-e access key",
    expected: "44 characters: digits, and letters only within the issuer's CNPJ",
    shape: /^\d{6}[0-9A-Z]{12}\d{26}$/,
    check: { count: 1, weights: weightsTo(9), digits: BRAZIL },
    layout: Array.from({ length: 11 }, () => "####").join(" "),
  },
  cep: { name: "a CEP", expected: "8 digits", shape: /^(?!0{8})\d{8}$/, layout: "#####-###" },
};

// Only ASCII letters change case: a wider upper-casing would turn look-alikes (ı, ſ) into letters the shapes accept.
const compact = (text: string): string =>
  text.replace(/[./\- ]/g, "").replace(/[a-z]/g, (letter) => letter.toUpperCase());

function hasItsCheckDigits(value: string, { check }: Rule): boolean {
  if (!check) return true;
  const base = value.slice(0, -check.count);
  return value.slice(-check.count) === computeDigits(base, check);
}

function computeDigits(base: string, check: Check): string | undefined {
  let digits = "";
  for (let count = 0; count < check.count; count++) {
    const digit = check.digits[weightedSum(base + digits, check.weights) % check.digits.length];
    if (digit === undefined || digit === "_") return undefined;
    digits += digit;
  }
  return digits;
}

const weightedSum = (text: string, weights: readonly number[]): number =>
  [...text].reverse().reduce((sum, character, index) => {
    const weight = weights[index % weights.length] ?? 0;
    return sum + weight * (character.charCodeAt(0) - 48);
  }, 0);

/** National numbers without trunk prefix, as of 2026. */
const phonePlans = {
  BR: {
    callingCode: "55",
    expected: "area code and 9 digits (mobile) or 8 (landline)",
    national: /^[1-9]{2}(?:9\d{8}|[2-5]\d{7})$/,
  },
  MX: { callingCode: "52", expected: "10 digits", national: /^[1-9]\d{9}$/ },
  AR: { callingCode: "54", expected: "10 digits, a mobile with 9 before them", national: /^9?[1-3]\d{9}$/ },
  CL: { callingCode: "56", expected: "9 digits", national: /^[2-9]\d{8}$/ },
  CO: { callingCode: "57", expected: "10 digits", national: /^(?:3\d{9}|60\d{8})$/ },
} as const;

export type PhoneCountry = keyof typeof phonePlans;

/**
 * Reads a phone number as E.164: `+55 11 99999-8888`, `5511999998888` and `(11) 99999-8888` in BR are `+5511999998888`.
 *
 * country  read without `+` as a number of this country, its calling code optional (the lengths differ, so nothing is
 *          guessed); with `+` the number says its own country, and outside the table above only the E.164 shape (7 to
 *          15 digits) is asked
 * source   ITU-T E.164; numbering plans of Anatel, IFT, ENACOM, Subtel and CRC
 */
export function normalizePhone(text: string, country: PhoneCountry): Parsed<"phone"> {
  const dialled = text.replace(/[\s().-]/g, "");
  const digits = dialled.replace(/^\+/, "");
  const isInternational = dialled !== digits;
  const plan = isInternational
    ? Object.values(phonePlans).find(({ callingCode }) => digits.startsWith(callingCode))
    : phonePlans[country];
  if (!plan) {
    if (/^[1-9]\d{6,14}$/.test(digits)) return { ok: true, kind: "phone", value: `+${digits}` };
    return { ok: false, reason: "expected a phone number: + and 7 to 15 digits, the calling code first" };
  }
  const withoutCode = digits.startsWith(plan.callingCode) ? digits.slice(plan.callingCode.length) : digits;
  const readings = isInternational ? [withoutCode] : [digits, withoutCode];
  const national = readings.map((reading) => reading.replace(/^0/, "")).find((reading) => plan.national.test(reading));
  if (national) return { ok: true, kind: "phone", value: `+${plan.callingCode}${national}` };
  return { ok: false, reason: `expected a phone number of +${plan.callingCode}: ${plan.expected}` };
}
