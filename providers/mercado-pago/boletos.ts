/**
 * What a boleto of Mercado Pago needs beside a payment's own fields, and the line in its answer. Reference: Mercado Pago
 * Developers Brazil, Checkout API, "Other payment methods" (boleto), and the vendor's Go SDK for the names of the line, read 2026-11-20.
 * Quirk: every part of the buyer's address is required; a boleto can be paid for 1 to 30 days, and money that comes later goes back.
 */
import { parseBoleto } from "../../schema/boleto.ts";
import { parseDocument } from "../../schema/documents.ts";
import type { ChargeRequest } from "../../schema/meta-tools/charge.ts";
import { refuse, type Declined, type Payment } from "./answers.ts";

/** The Mercado Pago word for it. */
export const BOLETO = "bolbradesco";

export interface Address {
  zip_code: string;
  street_name: string;
  street_number: string;
  neighborhood: string;
  city: string;
  federal_unit: string;
}

/** Where a test buyer without an address lives: the place in Mercado Pago's own example. */
export const SYNTHETIC_ADDRESS: Address = {
  zip_code: "06233200", street_name: "Av. das Nações Unidas", street_number: "3003", neighborhood: "Bonfim", city: "Osasco", federal_unit: "SP",
};

/** The buyer's address as Mercado Pago wants it, or why there can be no boleto. */
export function boletoAddress(
  { amount, buyer, due_date: dueDate }: ChargeRequest, { now, isTest }: { now: Date; isTest: boolean },
): Address | Declined {
  if (amount > AMOUNT_MINOR_MAX) return refuse("invalid_request", "amount", `a boleto is of at most ${AMOUNT_MINOR_MAX} centavos`);
  if (!buyer.document) return refuse("invalid_request", "buyer.document", "a boleto needs the buyer's CPF or CNPJ");
  if (dueDate && (dueDate < day(now, DAYS_MIN) || dueDate > day(now, DAYS_MAX)))
    return refuse("invalid_request", "due_date", `a boleto of Mercado Pago is due in ${DAYS_MIN} to ${DAYS_MAX} days, as days are in São Paulo`);
  if (!buyer.address && isTest) return SYNTHETIC_ADDRESS;
  return readAddress(buyer.address ?? {});
}

/** What ten digits of the slip can say. */
const AMOUNT_MINOR_MAX = 9_999_999_999n;
const DAYS_MIN = 1;
const DAYS_MAX = 30;
const DAY_MS = 86_400_000;

/** The day in São Paulo, some days on. It has kept UTC-3 all year since 2019 (Decreto 9.772/2019). */
export const day = (at: Date, days = 0): string => new Date(at.getTime() - 3 * 3_600_000 + days * DAY_MS).toISOString().slice(0, 10);

/** An address is free-form in the argument: the usual names are read. */
function readAddress(address: Record<string, unknown>): Address | Declined {
  const cep = parseDocument(written(address, ["postal_code", "postalCode", "zip", "cep"]) ?? "", ["cep"]);
  if (!cep.ok) return missing("postal_code", cep.reason);
  const parts = {
    zip_code: cep.value,
    street_name: written(address, ["street", "line_1"]),
    street_number: written(address, ["number"]),
    neighborhood: written(address, ["district", "neighborhood"]),
    city: written(address, ["city"]),
    federal_unit: written(address, ["state"])?.toUpperCase(),
  };
  const absent = Object.entries(ours).find(([, theirs]) => !parts[theirs]);
  if (absent) return missing(absent[0], "Mercado Pago needs the whole address for a boleto");
  if (!/^[A-Z]{2}$/.test(parts.federal_unit!)) return missing("state", "expected the state's two letters");
  return parts as Address;
}

/** Our name of each part, beside Mercado Pago's. */
const ours = { street: "street_name", number: "street_number", district: "neighborhood", city: "city", state: "federal_unit" } as const;

const written = (address: Record<string, unknown>, names: readonly string[]): string | undefined =>
  names.map((name) => address[name]).find((value): value is string => typeof value === "string" && value.trim() !== "")?.trim();

const missing = (part: string, message: string): Declined => refuse("invalid_request", `buyer.address.${part}`, message);

/** The line of a boleto, from wherever the answer has it; undefined for one whose digits do not hold, which no bank takes. */
export function boletoLine({ transaction_details: details, barcode }: Payment, now: Date): string | undefined {
  for (const digits of [details?.digitable_line, details?.barcode?.content, barcode?.content]) {
    const slip = digits && parseBoleto(digits, { today: day(now) });
    if (slip && slip.ok) return slip.boleto.line;
  }
  return undefined;
}
