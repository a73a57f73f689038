/**
 * What every Brazilian issuer's API asks for, read from our request once: amounts in reais, one service, tax ids, addresses
 * with their IBGE codes. Each adapter writes them in its own provider's words.
 */
import { normalizePhone, parseDocument, parseTaxId } from "../schema/documents.ts";
import type { InvoiceRequest } from "../schema/meta-tools/invoice.ts";
import { fromDecimal, toDecimal } from "../schema/money.ts";
import { Rejected, SetupMissing, type DeclineReason, type Outcome } from "./provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

export const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message, ...(field && { field }) });

export const invalid = (field: string, message: string): Declined => declined("invalid_request", message, field);

export function setting(settings: Readonly<Record<string, string>>, name: string): string {
  const value = settings[name];
  if (!value) throw new SetupMissing(name);
  return value;
}

/** `2026-11-20T09:00:00-03:00`: Brasília has kept UTC-3 all year since 2019 (Decreto 9.772/2019). */
export const brasiliaTime = (at: Date): string => new Date(at.getTime() - 3 * 3_600_000).toISOString().replace(/\.\d{3}Z$/, "-03:00");

export type PricedItem = NonNullable<InvoiceRequest["items"]>[number] & { amount: bigint };

/** Items that all have their line total, the sum of which a JSON number can carry to the centavo. */
export function pricedItems({ items = [] }: InvoiceRequest): PricedItem[] | Declined {
  if (items.length === 0) return invalid("items", "Expected at least one item with its amount.");
  const unpriced = items.findIndex((item) => item.amount === undefined);
  if (unpriced >= 0) return invalid(`items.${unpriced}.amount`, "Expected the line total in centavos.");
  const priced = items as PricedItem[];
  const isExact = fromDecimal(reais(total(priced)), "BRL") === total(priced);
  return isExact ? priced : invalid("items", "The total is more than can be told to the centavo.");
}

export const total = (items: readonly PricedItem[]): bigint => items.reduce((sum, item) => sum + item.amount, 0n);

/** The wire wants JSON numbers, which carry every amount of up to 15 digits exactly. */
export const reais = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

/** One NFS-e is one service: descriptions are put below each other, and a second service code is declined. */
export function oneService(items: readonly PricedItem[], settings: Readonly<Record<string, string>>): { code: string | undefined; description: string } | Declined {
  const code = items.find((item) => item.service_code)?.service_code;
  const other = items.findIndex((item) => item.service_code && item.service_code !== code);
  if (other >= 0) return invalid(`items.${other}.service_code`, "One NFS-e carries one service code: issue one invoice for each code.");
  const description = items.flatMap((item) => item.description ?? []).join("\n") || settings["service_description"];
  return description ? { code, description } : invalid("items.0.description", "Expected what the service was.");
}

export interface TaxId {
  kind: "cpf" | "cnpj";
  value: string;
}

/** Which documents a live project may send is decided before this; the published sample of test projects passes. */
export function taxId(document: string): TaxId | Declined {
  const parsed = parseTaxId(document, { environment: "test" });
  if (!parsed.ok) return invalid("recipient.document", parsed.reason);
  return { kind: parsed.kind === "cpf" ? "cpf" : "cnpj", value: parsed.value };
}

/** The issuer's own, from a setting. */
export function issuerTaxId(settings: Readonly<Record<string, string>>, name: string): TaxId {
  const tax = taxId(setting(settings, name));
  if ("outcome" in tax) throw new SetupMissing(name);
  return tax;
}

/** Area code and number: `11999998888`. */
export function nationalPhone(phone: string): string | Declined {
  const parsed = normalizePhone(phone, "BR");
  if (!parsed.ok || !parsed.value.startsWith("+55")) return invalid("recipient.phone", parsed.ok ? "Expected a Brazilian phone number." : parsed.reason);
  return parsed.value.slice("+55".length);
}

export interface BrazilianAddress {
  /** IBGE, 7 digits; the first two are the state's. */
  cityCode: string;
  postalCode: string;
  street?: string | undefined;
  number?: string | undefined;
  complement?: string | undefined;
  district?: string | undefined;
  city?: string | undefined;
  state?: string | undefined;
}

/** An address is free-form in the argument: the tool's usual names are read. */
export function readAddress(address: Record<string, unknown>): BrazilianAddress | Declined {
  const first = (...names: string[]) => written(address, names);
  const country = first("country");
  if (country && !/^(br|bra|brasil|brazil)$/i.test(country)) return invalid("recipient.address.country", "Expected an address in Brazil.");
  const cityCode = first("city_code");
  if (!cityCode || !/^\d{7}$/.test(cityCode)) return invalid("recipient.address.city_code", "Expected the city's IBGE code, 7 digits.");
  const cep = postalCodeOf(address);
  if (!cep.ok) return invalid("recipient.address.postal_code", cep.reason);
  return {
    cityCode, postalCode: cep.value, street: first("street", "line_1"), number: first("number"), complement: first("complement", "line_2"),
    district: first("district", "neighborhood"), city: first("city"), state: first("state"),
  };
}

const written = (address: Record<string, unknown>, names: readonly string[]): string | undefined =>
  names.map((name) => address[name]).find((value): value is string => typeof value === "string" && value !== "");

const postalCodeOf = (address: Record<string, unknown>) => parseDocument(written(address, ["postal_code", "postalCode", "zip"]) ?? "", ["cep"]);

/** What an issuer's register of postal codes knows of one. */
export interface Place {
  city_code?: string | undefined;
  district?: string | undefined;
  city?: string | undefined;
  state?: string | undefined;
}

/**
 * `request`, its recipient's address completed from its postal code where that is all that `make` refuses it for. What the
 * caller wrote stays; a postal code of another state completes nothing.
 *
 * placeOf  asks the issuer's register
 */
export async function completed(request: InvoiceRequest, make: (request: InvoiceRequest) => object, placeOf: (cep: string) => Promise<Place>): Promise<InvoiceRequest> {
  const address = request.recipient?.address;
  const made = make(request);
  const cep = address && "field" in made && LACKING.has(made.field) && postalCodeOf(address);
  if (!address || !cep || !cep.ok) return request;
  const place = await placeOf(cep.value).catch(unlessUnknown);
  const state = written(address, ["state"]);
  if (state && state.toUpperCase() !== place.state) return request;
  const given = Object.entries(address).filter(([, value]) => value !== "" && value != null);
  const district = written(address, ["district", "neighborhood"]) ?? place.district;
  return { ...request, recipient: { ...request.recipient, address: { ...place, ...Object.fromEntries(given), ...(district && { district }) } } };
}

const LACKING = new Set<unknown>(["city_code", "district", "city", "state"].map((name) => `recipient.address.${name}`));

/** A register that does not know it, or is not for this account, leaves the address as it is. */
function unlessUnknown(error: unknown): Place {
  if (error instanceof Rejected && [400, 403, 404].includes(error.status)) return {};
  throw error;
}

/** The first part of an address that an NF-e must have and this one has not; undefined for a whole one. */
export function missingPart(address: BrazilianAddress): Declined | undefined {
  const part = (["street", "number", "district", "city", "state"] as const).find((name) => !address[name]);
  return part && invalid(`recipient.address.${part}`, "Expected by every NF-e.");
}

export interface Goods {
  description: string;
  ncm: string;
  cfop: string;
  unitPrice: number;
}

/** A line of an NF-e, or what it lacks. The price of one goes to the 10 decimals that the layout carries. */
export function readGoods(item: PricedItem, index: number, settings: Readonly<Record<string, string>>): Goods | Declined {
  const { description, ncm, cfop = settings["cfop"] } = item;
  if (!description) return invalid(`items.${index}.description`, "Expected what was sold.");
  if (!ncm) return invalid(`items.${index}.ncm`, "Expected the product's NCM code, 8 digits.");
  if (!cfop) return invalid(`items.${index}.cfop`, "Expected the CFOP of the sale, 4 digits, here or as the connection's cfop.");
  const quantity = /^(\d{1,11})(?:\.(\d{1,4}))?$/.exec(String(item.quantity));
  if (!quantity) return invalid(`items.${index}.quantity`, "Expected at most 4 decimals.");
  const tenThousandths = BigInt(quantity[1]! + (quantity[2] ?? "").padEnd(4, "0"));
  const scaled = item.amount * 10n ** 12n; // 2 decimals of the amount and 4 of the quantity become 10
  const price = (scaled + tenThousandths / 2n) / tenThousandths;
  return { description, ncm, cfop, unitPrice: Number(`${price / 10n ** 10n}.${(price % 10n ** 10n).toString().padStart(10, "0")}`) };
}

/** The name that the tax authorities ask for in every NF-e of the rehearsal environment (rejection 598). */
export const REHEARSAL_NAME = "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL";

/** A time without a zone could be any of several moments, so it is none. */
export function momentOf(text: string | null | undefined): Date | undefined {
  if (!text || !/(?:Z|[+-]\d\d:?\d\d)$/.test(text)) return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at;
}
