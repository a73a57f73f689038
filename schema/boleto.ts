/**
 * Boleto: the line of digits that a payer types ("linha digitável"), and the barcode that says the same in 44. A bank slip
 * ("cobrança", 47 digits) names a bank, a due date and an amount; a collection slip ("arrecadação", 48 digits, the first an
 * 8) names who collects: a tax, a utility. Sources: FEBRABAN, "Layout Padrão de Arrecadação/Recebimento com Utilização do
 * Código de Barras", version 4; Banco do Brasil, "Especificações Técnicas para Confecção de Bloqueto de Cobrança", version
 * 3; FEBRABAN's restart of the due-date factor on 2025-02-22.
 */

interface Slip {
  /** The digits alone, 47 or 48 of them. */
  line: string;
  barcode: string;
  /** Centavos. Absent: the slip leaves it open, or (collection) states a quantity of something else. */
  amountMinor?: bigint;
}

/** A slip that a bank issued for somebody's charge. */
export interface BankSlip extends Slip {
  kind: "bank";
  /** Three digits: 237 is Bradesco. */
  bank: string;
  /** `2026-12-24`; absent when the slip states none. */
  dueDate?: string;
  /** 25 digits, each bank's own. */
  freeField: string;
}

/** A slip of a body that collects. Its due date, if any, is in a field of that body's own. */
export interface CollectionSlip extends Slip {
  kind: "collection";
  /** What is collected: 1 town hall, 2 water, 3 electricity and gas, 4 telephone, 5 government, 6 others, 7 traffic fines, 9 a bank's own. */
  segment: number;
}

export type Boleto = BankSlip | CollectionSlip;

/**
 * Reads the line or the barcode of a boleto, every check digit verified. Dots, hyphens and white space are passed over.
 *
 * today    `2026-11-20`: the due-date factor has begun anew in 2025 and repeats every 9000 days; the day nearest to this one is meant
 * returns  the slip, or the first thing wrong with it; a reason never repeats digits
 */
export function parseBoleto(text: string, { today }: { today: string }): { ok: true; boleto: Boleto } | { ok: false; reason: string } {
  const digits = text.replace(/[\s.-]/g, "");
  if (!/^\d*$/.test(digits)) return refuse("expected digits, perhaps with dots, hyphens and spaces");
  if (digits.length === 47) return readBankLine(digits, today);
  if (digits.length === 48) return readCollectionLine(digits);
  if (digits.length === 44) return digits.startsWith("8") ? readCollection(digits) : readBank(digits, today);
  return refuse(`expected 47 digits (a bank slip) or 48 (a collection slip), not ${digits.length}`);
}

/** As it is printed: `00190.50095 40144.816069 06809.350314 3 37370000000100`, or four blocks of a collection slip. */
export function formatBoleto({ kind, line }: Pick<Boleto, "kind" | "line">): string {
  if (kind === "collection") return line.replace(/(\d{11})(\d)/g, "$1-$2 ").trimEnd();
  return line.replace(/^(\d{5})(\d{5})(\d{5})(\d{6})(\d{5})(\d{6})(\d)(\d{14})$/, "$1.$2 $3.$4 $5.$6 $7 $8");
}

/**
 * Writes the line of a bank slip.
 *
 * bank         three digits
 * freeField    25 digits
 * amountMinor  centavos, 0 to 9_999_999_999; 0 leaves the amount open
 * dueDate      `2026-12-24`, of 2000-07-03 or later
 * throws       RangeError naming the field
 */
export function buildBankSlip({ bank, freeField, amountMinor, dueDate }: { bank: string; freeField: string; amountMinor: bigint; dueDate: string }): string {
  if (!/^\d{3}$/.test(bank)) throw new RangeError("bank: expected 3 digits");
  if (!/^\d{25}$/.test(freeField)) throw new RangeError("freeField: expected 25 digits");
  if (amountMinor < 0n || amountMinor > AMOUNT_MINOR_MAX) throw new RangeError(`amountMinor: expected 0 to ${AMOUNT_MINOR_MAX} centavos`);
  const end = factorOf(dueDate) + String(amountMinor).padStart(10, "0");
  return bankLine(`${bank}${REAL}${checkBank(`${bank}${REAL}${end}${freeField}`)}${end}${freeField}`);
}

/** The digit that says the amount is in reais. */
const REAL = "9";
const AMOUNT_MINOR_MAX = 9_999_999_999n;

type Read = ReturnType<typeof parseBoleto>;

const refuse = (reason: string) => ({ ok: false, reason }) as const;

// Bank slips. Barcode: bank 3, currency 1, check digit 1, due-date factor 4, amount 10, the bank's own 25.

function readBankLine(line: string, today: string): Read {
  const fields = [line.slice(0, 10), line.slice(10, 21), line.slice(21, 32)];
  const wrong = fields.findIndex((field) => modulo10(field.slice(0, -1)) !== Number(field.at(-1)));
  if (wrong !== -1) return refuse(`the check digit of field ${wrong + 1} does not match: a digit was changed, lost or added`);
  return readBank(line.slice(0, 4) + line.slice(32) + line.slice(4, 9) + line.slice(10, 20) + line.slice(21, 31), today);
}

function readBank(barcode: string, today: string): Read {
  if (barcode[3] !== REAL) return refuse("the slip is not in reais");
  if (checkBank(barcode.slice(0, 4) + barcode.slice(5)) !== Number(barcode[4])) return refuse("the check digit of the slip does not match: digits were changed");
  const factor = Number(barcode.slice(5, 9));
  if (factor > 0 && factor < FACTOR_MIN) return refuse(`the due-date factor is neither 0000 nor ${FACTOR_MIN} to 9999`);
  const amountMinor = BigInt(barcode.slice(9, 19));
  return {
    ok: true,
    boleto: {
      kind: "bank", line: bankLine(barcode), barcode, bank: barcode.slice(0, 3), freeField: barcode.slice(19),
      ...(amountMinor > 0n && { amountMinor }),
      ...(factor > 0 && { dueDate: dayOf(factor, today) }),
    },
  };
}

function bankLine(barcode: string): string {
  const free = barcode.slice(19);
  const fields = [barcode.slice(0, 4) + free.slice(0, 5), free.slice(5, 15), free.slice(15)];
  return fields.map((field) => `${field}${modulo10(field)}`).join("") + barcode.slice(4, 19);
}

/** Of the other 43 digits; 1 stands for what one digit cannot say. */
const checkBank = (digits: string): number => modulo11(digits) ?? 1;

// The due-date factor: days since 1997-10-07, from 1000 (2000-07-03) to 9999 (2025-02-21), then from 1000 again.

const DAY_MS = 86_400_000;
const FACTOR_BASE_DAYS = Date.UTC(1997, 9, 7) / DAY_MS;
const FACTOR_MIN = 1000;
const FACTORS = 9000;

function factorOf(day: string): string {
  const days = daysOf(day) - FACTOR_BASE_DAYS;
  if (!(days >= FACTOR_MIN)) throw new RangeError("dueDate: expected a day such as 2026-12-24, of 2000-07-03 or later");
  return String(((days - FACTOR_MIN) % FACTORS) + FACTOR_MIN);
}

function dayOf(factor: number, today: string): string {
  const first = FACTOR_BASE_DAYS + factor;
  const rounds = Math.max(0, Math.round((daysOf(today) - first) / FACTORS));
  return new Date((first + rounds * FACTORS) * DAY_MS).toISOString().slice(0, 10);
}

const daysOf = (day: string): number => Date.parse(`${day}T00:00:00.000Z`) / DAY_MS;

// Collection slips. Barcode: 8, segment 1, kind of value 1, check digit 1, value 11, the collector's own 29.

function readCollectionLine(line: string): Read {
  const blocks = [0, 12, 24, 36].map((at) => line.slice(at, at + 12));
  const barcode = blocks.map((block) => block.slice(0, -1)).join("");
  const check = collectionCheck(barcode);
  if (!check) return refuse(NO_COLLECTION);
  const wrong = blocks.findIndex((block) => check(block.slice(0, -1)) !== Number(block.at(-1)));
  if (wrong !== -1) return refuse(`the check digit of block ${wrong + 1} does not match: a digit was changed, lost or added`);
  return readCollection(barcode);
}

function readCollection(barcode: string): Read {
  const check = collectionCheck(barcode);
  if (!check) return refuse(NO_COLLECTION);
  if (check(barcode.slice(0, 3) + barcode.slice(4)) !== Number(barcode[3])) return refuse("the check digit of the slip does not match: digits were changed");
  const blocks = [0, 11, 22, 33].map((at) => barcode.slice(at, at + 11));
  const line = blocks.map((block) => `${block}${check(block)}`).join("");
  const amountMinor = IN_REAIS.has(barcode[2]!) ? BigInt(barcode.slice(4, 15)) : 0n;
  return { ok: true, boleto: { kind: "collection", line, barcode, segment: Number(barcode[1]), ...(amountMinor > 0n && { amountMinor }) } };
}

const NO_COLLECTION = "48 digits are a collection slip, which begins with 8 and has 6 to 9 as its third digit";

/** Kinds of value that are reais; the others are a quantity of something that has a rate. */
const IN_REAIS: ReadonlySet<string> = new Set(["6", "8"]);

/** How a slip's check digits are made, by its kind of value. */
function collectionCheck(barcode: string): ((digits: string) => number) | undefined {
  if (!/^8\d[6-9]/.test(barcode)) return undefined;
  return barcode[2] === "6" || barcode[2] === "7" ? modulo10 : (digits) => modulo11(digits) ?? 0;
}

// Check digits

/** From the right the digits weigh 2, 1, 2 and so on; of a product the digits are added. */
function modulo10(digits: string): number {
  const sum = [...digits].reverse().reduce((total, digit, at) => {
    const product = Number(digit) * (at % 2 === 0 ? 2 : 1);
    return total + (product > 9 ? product - 9 : product);
  }, 0);
  return (10 - (sum % 10)) % 10;
}

/** From the right the digits weigh 2 to 9, again and again. Undefined for 10 and 11, which each family writes its own way. */
function modulo11(digits: string): number | undefined {
  const sum = [...digits].reverse().reduce((total, digit, at) => total + Number(digit) * (2 + (at % 8)), 0);
  const check = 11 - (sum % 11);
  return check > 9 ? undefined : check;
}
