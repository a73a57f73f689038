/**
 * Amounts as people write them: `R$150`, `R$ 1.234,56`, `150 reais`, `US$ 9.90`, `2 mil reais`, `10 USDC`. An amount
 * whose reading is doubtful is not read at all: whoever asks for money must not guess.
 */
import { AMOUNT_MINOR_MAX, currencies, type Currency, fromDecimal, type Money } from "../../schema/money.ts";

const codes = Object.keys(currencies).join("|");
const FIGURE = String.raw`\d(?:[\d.,]*\d)?`;
const SCALE = String.raw`(?:\s?(mil|k|thousand|milhão|milhões|millón|millones|million)(?!\p{L}))?`;
// What stands around must not belong to the figure: `R$ 1 234`, `1 234 reais`, `R$ 10%`, `R$100-200`, `R$ 2 bilhões`.
const LARGER = String.raw`(?:bi|mi|mm|tri)(?!\p{L})|bilh|trilh|billion|trillion|hundred`;
const NO_MORE = String.raw`(?!\s?(?:[\d%]|${LARGER})|[.,\-–]\d|\p{L})`;
const NO_LESS = String.raw`(?<![\p{L}\d\-−]|\d\s)`;

/** With the currency before the figure (groups 1 to 3) or behind it (groups 4 to 6). */
export const AMOUNT = new RegExp(
  String.raw`${NO_LESS}(?:` +
    String.raw`(R\$|US\$|U\$|€|(?:${codes})(?!\p{L}))\s?(${FIGURE})${SCALE}${NO_MORE}` +
    String.raw`|(${FIGURE})${SCALE}\s?(?:de\s)?(reais|real|dólares|dólar|dollars?|euros?|${codes})(?!\p{L}))`,
  "giu",
);

/** Reads one match of `AMOUNT`; undefined when it is not one plain amount above zero. */
export function readAmount(match: RegExpMatchArray): Money | undefined {
  const [, before, figureAfter, scaleAfter, figureBefore, scaleBefore, behind] = match;
  const currency = currencyOf((before ?? behind ?? "").toLowerCase());
  const decimal = plainDecimal(figureAfter ?? figureBefore ?? "", currency);
  const unscaled = decimal === undefined ? undefined : fromDecimal(decimal, currency);
  if (unscaled === undefined) return undefined;
  const amountMinor = unscaled * scaleOf((scaleAfter ?? scaleBefore ?? "").toLowerCase());
  return amountMinor > 0n && amountMinor <= AMOUNT_MINOR_MAX ? { amountMinor, currency } : undefined;
}

const isToken = (currency: Currency): boolean => currencies[currency] > 2;

/**
 * A figure as a plain decimal. In money with cents a separator before three digits groups thousands and one before one
 * or two digits begins the cents, in either language. A token has more decimals, so `1.234 USDC` could be both and is
 * neither.
 */
function plainDecimal(figure: string, currency: Currency): string | undefined {
  if (/^\d+$/.test(figure)) return figure;
  if (/^\d+[.,]\d{1,2}$/.test(figure)) return figure.replace(",", ".");
  if (isToken(currency) && /^(?:0[.,]\d+|\d+[.,]\d{4,})$/.test(figure)) return figure.replace(",", ".");
  const grouped = /^([1-9]\d{0,2}(?:([.,])\d{3})(?:\2\d{3})*)(?:(?!\2)[.,](\d+))?$/.exec(figure);
  if (!grouped) return undefined;
  const [, whole = "", , fraction] = grouped;
  if (isToken(currency) && fraction === undefined) return undefined;
  return whole.replace(/[.,]/g, "") + (fraction === undefined ? "" : `.${fraction}`);
}

const currencyOf = (written: string): Currency => spelledCurrencies[written] ?? (written.toUpperCase() as Currency);

const spelledCurrencies: Partial<Record<string, Currency>> = {
  r$: "BRL",
  real: "BRL",
  reais: "BRL",
  us$: "USD",
  u$: "USD",
  dollar: "USD",
  dollars: "USD",
  dólar: "USD",
  dólares: "USD",
  "€": "EUR",
  euro: "EUR",
  euros: "EUR",
};

const scaleOf = (word: string): bigint => {
  if (word === "") return 1n;
  return word.startsWith("mil") && word !== "mil" ? 1_000_000n : 1_000n;
};
