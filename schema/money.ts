/**
 * Exact amounts. Inside the house money is a `bigint` of minor units beside its currency; on the wire it is a JSON integer
 * (or a decimal string where a table below says so). No amount passes through a float.
 */
import { z } from "zod";

/**
 * Minor-unit exponents: one major unit is 10^exponent minor units.
 * Source: ISO 4217 (fiat; CLP has no minor unit), issuer documentation (USDC and USDT settle with 6 decimals), protocol units
 * (BTC satoshi; ETH and MATIC gwei, because from 0.01 ETH on a number of wei is too large for a JSON integer).
 */
export const currencies = {
  BRL: 2, MXN: 2, ARS: 2, PEN: 2, COP: 2, CLP: 0, USD: 2, EUR: 2,
  USDC: 6, USDT: 6, BTC: 8, ETH: 9, MATIC: 9,
} as const;

export type Currency = keyof typeof currencies;

export const isCurrency = (code: string): code is Currency => Object.hasOwn(currencies, code);

export interface Money {
  /** Minor units of `currency`. */
  amountMinor: bigint;
  currency: Currency;
}

/** An ISO 4217 code or a token symbol from the table, in any case: `brl` is read as `BRL`. */
export const CurrencyCode = z
  .string()
  .transform((code) => code.trim().toUpperCase())
  .refine(isCurrency, {
    params: { failure: "currency_unknown" },
    error: `expected one of ${Object.keys(currencies).join(", ")}`,
  })
  .transform((code) => code as Currency)
  .meta({ type: "string" });

/** The largest amount a JSON number carries exactly. */
export const AMOUNT_MINOR_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Minor units on the wire: a JSON integer from 0 to 2^53-1 (15000 is R$150.00). Decodes to `bigint`. */
export const MinorUnits = z.codec(z.int().min(0), z.bigint(), {
  decode: (amount) => BigInt(amount),
  encode: (amount) => {
    if (amount > AMOUNT_MINOR_MAX) throw new RangeError(`${amount} does not fit a JSON integer`);
    return Number(amount);
  },
}).meta({ id: "MinorUnits", description: "Integer minor units of the currency beside it: 15000 is R$150.00." });

/** Minor units that may exceed a JSON integer or be negative (sums of books): a decimal string. Decodes to `bigint`. */
export const MinorUnitsText = z.codec(z.string().regex(/^-?\d{1,40}$/), z.bigint(), {
  decode: (text) => BigInt(text),
  encode: (amount) => amount.toString(),
}).meta({ id: "MinorUnitsText", description: "Minor units as a decimal string, because sums may pass 2^53." });

/**
 * Writes minor units as a plain decimal: `toDecimal({ amountMinor: 15000n, currency: "BRL" })` is `"150.00"`.
 *
 * returns  as many decimals as the currency's exponent, a leading `-` when negative, no thousands separator
 */
export function toDecimal({ amountMinor, currency }: Money): string {
  const exponent = currencies[currency];
  const sign = amountMinor < 0n ? "-" : "";
  const digits = (amountMinor < 0n ? -amountMinor : amountMinor).toString().padStart(exponent + 1, "0");
  return exponent === 0 ? sign + digits : `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/**
 * Reads a plain decimal (`150`, `150.5`, `"0.000001"`) as minor units, exactly.
 *
 * returns  undefined when the text is not a plain decimal, or has more decimals than the currency
 */
export function fromDecimal(decimal: string | number, currency: Currency): bigint | undefined {
  const match = /^(-?)(\d{1,30})(?:\.(\d{1,30}))?$/.exec(String(decimal).trim());
  if (!match) return undefined;
  const [, sign, whole = "0", fraction = ""] = match;
  const exponent = currencies[currency];
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > exponent) return undefined;
  const minor = BigInt(whole + kept.padEnd(exponent, "0"));
  return sign ? -minor : minor;
}

/** An amount for people: `R$ 150,00`, `US$ 9.90`, `12.5 USDC`. */
export function display({ amountMinor, currency }: Money): string {
  const decimal = toDecimal({ amountMinor, currency });
  if (currency === "BRL") return `R$ ${groupThousands(decimal.replace(".", ","), ".")}`;
  return `${decimal} ${currency}`;
}

const groupThousands = (decimal: string, separator: string): string =>
  decimal.replace(/\d(?=(?:\d{3})+(?:\D|$))(?<![,.]\d*)/g, `$&${separator}`);

/**
 * In which unit a caller writes an amount, field by field (contradiction C-61: released typings read some of these
 * as major units, so where that is so the caller may say `amount_unit: "major"`).
 */
export const amountUnits = {
  "codespar_charge.amount": { unit: "minor", mayBeMajor: true },
  "codespar_checkout.amount": { unit: "minor", mayBeMajor: true },
  "codespar_checkout.items.price": { unit: "minor", mayBeMajor: true },
  "codespar_pay.amount": { unit: "minor", mayBeMajor: false },
  "codespar_invoice.items.amount": { unit: "minor", mayBeMajor: true },
  "codespar_invoice.items.unit_price": { unit: "minor", mayBeMajor: true },
  "codespar_ship.items.declared_value": { unit: "minor", mayBeMajor: false },
  "codespar_ship.cost_minor": { unit: "minor", mayBeMajor: false },
  "codespar_crypto_pay.amount": { unit: "major", mayBeMajor: true },
} as const;

export const AmountUnit = z.enum(["minor", "major"]);
