/**
 * One part of a request: what was read between the first word of an intent and the next intent, and what a tool makes
 * of it. A value that two finds disagree on is not chosen, and so is missing.
 */
import { type Money, toDecimal } from "../../schema/money.ts";
import type { Intent, IntentKind } from "./intents.ts";
import { TAKEN } from "./patterns.ts";
import type { Found, Reading, TaxId } from "./read.ts";

export interface Part extends Reading {
  kind: IntentKind;
}

export function partOf(reading: Reading, { kind, from, to }: Intent): Part {
  const within = <Value>(found: readonly Found<Value>[]) => found.filter(({ at }) => at >= from && at < to);
  const { words: text, ...lists } = reading;
  const own = Object.fromEntries(
    Object.entries(lists).map(([name, found]) => [name, within(found as Found<unknown>[])]),
  );
  return { kind, words: text.slice(from, to), ...(own as unknown as Omit<Reading, "words">) };
}

export const optional = <Values extends Record<string, unknown>>(values: Values): Partial<Values> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Values>;

/** The one value that all finds agree on. Two different ones are as good as none: choosing would be a guess. */
export function only<Value>(found: readonly Found<Value>[]): Value | undefined {
  const distinct = new Map(found.map(({ value }) => [key(value), value]));
  return distinct.size === 1 ? [...distinct.values()][0] : undefined;
}

const key = (value: unknown): string =>
  JSON.stringify(value, (_name, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)).toLowerCase();

const SMALLER =
  "half|mei[ao]|medio|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|cem|cento|vinte|trinta|" +
  "(?:quar|cinqu|sess|set|oit|nov)enta|(?:duz|trez|quatroc|quinh|seisc|setec|oitoc|novec)entos";

/** Words that make the one amount a part of more: `10%`, `3x`, `each`, `100 to …`, `2 mil e quinhentos`. */
const MORE = new RegExp(
  [
    String.raw`%|\d\s?x(?!\p{L})`,
    String.raw`(?<!\p{L})(?:centavos?|cents?|parcelas?|installments?|each|cada|times|vezes|per|veces|cuotas?)(?!\p{L})`,
    String.raw`\d\s(?:to|or|and|a|ou|até|e|y|o)\s${TAKEN}|${TAKEN}\s(?:to|or|and|a|ou|até|e|y|o)\s\d`,
    String.raw`${TAKEN}\s(?:and|e|y)\s(?:${SMALLER})(?!\p{L})`,
  ].join("|"),
  "iu",
);

export const amountOf = ({ amounts, words: text }: Part): Money | undefined =>
  MORE.test(text) ? undefined : only(amounts);

export const money = ({ amountMinor, currency }: Money) => ({ amount: Number(amountMinor), currency });

const DUE = /(?<!\p{L})(?:due|vencimento|vence|vencendo)(?!\p{L})/iu;
export const isDueDateSpokenOf = ({ words: text, dates }: Part): boolean => dates.length > 0 || DUE.test(text);

const METHODS: [RegExp, string][] = [
  [/(?<!\p{L})boleto(?!\p{L})/iu, "boleto"],
  [/(?<!\p{L})(?:card|cartão|tarjeta|crédito|credit)(?!\p{L})/iu, "card"],
  [/(?<!\p{L})pix(?!\p{L})/iu, "pix"],
];
export const methodOf = (text: string): string | undefined => METHODS.find(([pattern]) => pattern.test(text))?.[1];

const CARRIER = /(?<!\p{L})(correios|jadlog|loggi|azul|dhl|fedex|ups|melhor envio)(?!\p{L})/iu;
export const carrierOf = (text: string): string | undefined => CARRIER.exec(text)?.[1]?.toLowerCase();

const NETWORK = /(?<!\p{L})(base|polygon|ethereum|solana|bitcoin)(?!\p{L})/iu;

export const cryptoArguments = ({ words: text }: Part, amount: Money) => ({
  amount: toDecimal(amount)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, ""),
  currency: amount.currency,
  ...optional({ network: NETWORK.exec(text)?.[1]?.toLowerCase() }),
});

export const parcels = ({ weightsG }: Part) =>
  weightsG.length > 0 ? { items: weightsG.map(({ value }) => ({ weight_g: value })) } : {};

export const channelOf = ({ words: text, phones, emails }: Part): "whatsapp" | "sms" | "email" => {
  if (/(?<!\p{L})sms(?!\p{L})/iu.test(text)) return "sms";
  const isByEmail = /(?<!\p{L})e-?mail(?!\p{L})/iu.test(text) || (emails.length > 0 && phones.length === 0);
  return isByEmail && !/whatsapp/iu.test(text) ? "email" : "whatsapp";
};

/** The key to pay to: of the payment's own words only. A document is taken for one where Pix or a key is spoken of. */
export function pixKeyOf({ words: text, emails, phones, randomKeys, taxIds }: Part): string | undefined {
  const explicit = [...emails, ...phones, ...randomKeys];
  if (explicit.length > 0) return only(explicit);
  return /(?<!\p{L})(?:pix|key|chave|llave)(?!\p{L})/iu.test(text) ? only(taxIds)?.value : undefined;
}

export interface Party {
  name: string | undefined;
  taxId: TaxId | undefined;
  phone: string | undefined;
  email: string | undefined;
}

/**
 * The party of one part. What the part does not say is taken from parts about the same person, or about nobody by name;
 * never from one that names somebody else.
 *
 * subject  whom the step is about that this one builds on
 */
export function partyOf(part: Part, parts: readonly Part[], subject?: string): Party {
  const named = part.names.length > 0 ? nameOf(part) : (subject ?? only(parts.flatMap(({ names }) => names)));
  const own = { taxId: only(part.taxIds), phone: only(part.phones), email: only(part.emails) };
  const others = parts.filter((other) => other !== part && other.kind !== "pay" && isAbout(other, named));
  const elsewhere = <Value>(list: (part: Part) => Found<Value>[]) => only(others.flatMap(list));
  return {
    name: named,
    taxId: part.taxIds.length > 0 ? own.taxId : elsewhere(({ taxIds }) => taxIds),
    phone: part.phones.length > 0 ? own.phone : elsewhere(({ phones }) => phones),
    email: part.emails.length > 0 ? own.email : elsewhere(({ emails }) => emails),
  };
}

/** Of several names the one that a document stands behind: `for Consulting to Maria Silva, CPF …`. */
const nameOf = ({ names, taxIds }: Part): string | undefined =>
  only(names) ??
  only(names.filter(({ value, at }) => taxIds.some((taxId) => taxId.at > at && taxId.at - at - value.length < 16)));

const isAbout = ({ names }: Part, name: string | undefined): boolean =>
  names.length === 0 || (name !== undefined && names.every(({ value }) => value.toLowerCase() === name.toLowerCase()));

export const partyArguments = ({ name, taxId, phone, email }: Party) =>
  optional({ name, document: taxId?.value, phone, email });
