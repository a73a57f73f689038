/**
 * What a text says that a tool can use: amounts, documents, phones, postal codes, names. Each reader takes its finds
 * out of the text before the next one looks, so that a phone number is not also read as a document or an amount.
 */
import { isSampleTaxId, normalizePhone, parseDocument } from "../../schema/documents.ts";
import type { Money } from "../../schema/money.ts";
import { parseBrCode } from "../../schema/pix/brcode.ts";
import { findNames, PLACES } from "./names.ts";
import { AMOUNT, readAmount } from "./numbers.ts";
import * as patterns from "./patterns.ts";

export interface Found<Value> {
  value: Value;
  /** Where it stands in the text, in UTF-16 units. */
  at: number;
}

export interface TaxId {
  kind: "cpf" | "cnpj";
  /** Digits and letters only. */
  value: string;
  /** False when the check digits say that a character is wrong. */
  isValid: boolean;
}

export interface Reading {
  /** The text with everything that was read taken out, and as long as before: what is left are words. */
  words: string;
  amounts: Found<Money>[];
  taxIds: Found<TaxId>[];
  phones: Found<string>[];
  emails: Found<string>[];
  /** Random Pix keys (UUIDs). */
  randomKeys: Found<string>[];
  /** Pix codes to copy and paste. */
  pixCodes: Found<string>[];
  /** What begins like a Pix code and is none, or not a whole one. */
  brokenPixCodes: Found<string>[];
  wallets: Found<string>[];
  postalCodes: Found<string>[];
  trackingCodes: Found<string>[];
  names: Found<string>[];
  dates: Found<string>[];
  weightsG: Found<number>[];
  /** What the user wants said to somebody, in the user's words. */
  messages: Found<string>[];
  /** Quoted words that are no message of their own. */
  quotes: Found<string>[];
}

/** dayFirst  how to read 10/12/2026; a date that could be two is not read unless this is known */
export function read(text: string, { dayFirst = false }: { dayFirst?: boolean } = {}): Reading {
  const from = new Taker(text);
  const pixCodes = from.take(patterns.pixCode, ([code]) => (parseBrCode(code).ok ? code : undefined));
  const brokenPixCodes = from.take(patterns.pixCodeStart, ([code]) => code);
  const emails = from.take(patterns.email, ([email]) => email.toLowerCase());
  const randomKeys = from.take(patterns.uuid, ([key]) => key.toLowerCase());
  const wallets = from.take(patterns.wallet, ([address]) => address);
  const messages = from.takeGroup(patterns.said, (said) => said.trim());
  const quotes = from.take(patterns.quote, (match) => match[1]?.trim());
  const dates = from.take(patterns.date, (match) => isoDate(match, dayFirst));
  const trackingCodes = from.take(patterns.tracking, (match) => (match[1] ?? match[2])?.toUpperCase());
  const labelled = from.takeGroup(patterns.labelledTaxId, readTaxId);
  const formatted = from.take(patterns.formattedTaxId, ([document]) => readTaxId(document));
  const international = from.take(patterns.internationalPhone, ([number]) => readPhone(number));
  const postalCodes = from.takeGroup(patterns.postalCode, (digits) => digits.replace(/\D/g, ""));
  const national = from.take(patterns.nationalPhone, ([number]) => readPhone(number));
  const bare = from.take(patterns.bareDigits, ([digits]) => readBareDigits(digits));
  const amounts = from.take(AMOUNT, readAmount);
  const weightsG = from.take(patterns.weight, readWeight);
  from.take(PLACES, ([place]) => place);
  return {
    pixCodes,
    brokenPixCodes,
    emails,
    randomKeys,
    wallets,
    messages,
    quotes,
    dates,
    trackingCodes,
    postalCodes,
    amounts,
    weightsG,
    taxIds: inOrder([...labelled, ...formatted, ...bare.filter(isTaxIdFound)]),
    phones: inOrder([
      ...international,
      ...national,
      ...bare.filter((found) => typeof found.value === "string"),
    ]) as Found<string>[],
    names: findNames(from.rest),
    words: from.rest,
  };
}

class Taker {
  rest: string;

  constructor(text: string) {
    this.rest = text;
  }

  /** Every match that `readMatch` makes something of, taken out whole. */
  take<Value>(pattern: RegExp, readMatch: (match: RegExpMatchArray) => Value | undefined): Found<Value>[] {
    return this.#takeSpans(pattern, (match) => [match[0], readMatch(match)]);
  }

  /** The same for what stands in the first group that matched: the words around it, such as `CPF`, stay. */
  takeGroup<Value>(pattern: RegExp, readText: (text: string) => Value | undefined): Found<Value>[] {
    return this.#takeSpans(pattern, (match) => {
      const group = match.slice(1).find((text) => text !== undefined) ?? "";
      return [group, readText(group)];
    });
  }

  #takeSpans<Value>(
    pattern: RegExp,
    readMatch: (match: RegExpMatchArray) => [string, Value | undefined],
  ): Found<Value>[] {
    const found: Found<Value>[] = [];
    for (const match of this.rest.matchAll(pattern)) {
      const [span, value] = readMatch(match);
      if (value === undefined) continue;
      const at = match.index + match[0].lastIndexOf(span);
      this.rest = this.rest.slice(0, at) + patterns.TAKEN.repeat(span.length) + this.rest.slice(at + span.length);
      found.push({ value, at });
    }
    return found;
  }
}

const inOrder = <Value>(found: Found<Value>[]): Found<Value>[] => found.sort((a, b) => a.at - b.at);

function readTaxId(text: string): TaxId | undefined {
  const value = text.replace(/[^0-9A-Za-z]/g, "").toUpperCase();
  const kind = value.length > 11 ? "cnpj" : "cpf";
  // The server decides whether this project takes the sample, so it is not ours to question.
  return { kind, value, isValid: isSampleTaxId(value) || parseDocument(value, ["cpf", "cnpj"]).ok };
}

function readPhone(text: string): string | undefined {
  const phone = normalizePhone(text, "BR");
  return phone.ok ? phone.value : undefined;
}

/** Without punctuation, a CPF and a mobile number are both eleven digits; the check digits tell them apart. */
function readBareDigits(digits: string): TaxId | string | undefined {
  const document = parseDocument(digits, ["cpf", "cnpj"]);
  if (document.ok || isSampleTaxId(digits)) return readTaxId(digits);
  const phone = normalizePhone(digits, "BR");
  if (phone.ok) return phone.value;
  return digits.length === 11 || digits.length === 14 ? readTaxId(digits) : undefined;
}

const isTaxIdFound = (found: Found<TaxId | string>): found is Found<TaxId> => typeof found.value === "object";

function isoDate([, iso, day, month, year]: RegExpMatchArray, dayFirst: boolean): string | undefined {
  if (iso) return iso;
  return dayFirst || Number(day) > 12 ? `${year}-${month}-${day}` : undefined;
}

const readWeight = ([, figure = "", unit = ""]: RegExpMatchArray): number =>
  Math.round(Number(figure.replace(",", ".")) * (unit.toLowerCase() === "kg" ? 1000 : 1));
