/**
 * Our request as a voucher of WSFEv1: facturas A, B and C in pesos. Sources: ARCA's manual of WSFEv1 and RG 5616/2024 (the
 * receiver's VAT condition) as the public clients named in README.md carry them, read 2026-11-20.
 * What a request cannot say is a setting of the connection.
 */
import { parseDocument } from "../../schema/documents.ts";
import type { InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { toDecimal } from "../../schema/money.ts";
import { SetupMissing, type DeclineReason, type Outcome } from "../provider.ts";
import { buenosAiresTime, type Elements } from "./soap.ts";

type Settings = Readonly<Record<string, string>>;
type Recipient = NonNullable<InvoiceRequest["recipient"]>;

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

export const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message, ...(field && { field }) });

const invalid = (field: string, message: string): Declined => declined("invalid_request", message, field);

/** Names one voucher of an issuer; `6-1-42` is the factura B 42 of point of sale 1. */
export interface VoucherId {
  type: number;
  pointOfSale: number;
  number: number;
}

export const refOf = ({ type, pointOfSale, number }: VoucherId): string => `${type}-${pointOfSale}-${number}`;

export function parseRef(ref: string): VoucherId | undefined {
  const parts = /^(\d{1,3})-(\d{1,5})-(\d{1,8})$/.exec(ref);
  return parts ? { type: Number(parts[1]), pointOfSale: Number(parts[2]), number: Number(parts[3]) } : undefined;
}

export interface Voucher {
  type: number;
  pointOfSale: number;
  amountMinor: bigint;
  /** As `FECAEDetRequest`, once it has a number. */
  detail(number: number): Elements;
}

export function toVoucher({ recipient, items = [], dueDate }: InvoiceRequest, settings: Settings, now: Date): Voucher | Declined {
  const issuer = issuers[required(settings, "vat_condition")];
  if (!issuer) throw new SetupMissing("vat_condition");
  const pointOfSale = Number(required(settings, "point_of_sale", /^\d{1,5}$/));
  const concept = required(settings, "concept", /^[123]$/);
  const buyer = toBuyer(recipient, settings);
  if ("outcome" in buyer) return buyer;
  const type = issuer === "registered" ? (GETS_A.has(buyer.condition) ? FACTURA_A : FACTURA_B) : FACTURA_C;
  if (type === FACTURA_A && buyer.docType !== CUIT) return invalid("recipient.document", "Expected the buyer's CUIT: a factura A needs it.");
  if (items.length === 0) return invalid("items", "Expected at least one item with its amount.");
  const unpriced = items.findIndex((item) => item.amount === undefined);
  if (unpriced >= 0) return invalid(`items.${unpriced}.amount`, "Expected the line total in centavos, VAT included.");
  const amountMinor = items.reduce((sum, item) => sum + item.amount!, 0n);
  const today = buenosAiresTime(now).slice(0, 10).replaceAll("-", "");
  const due = dueDate?.replaceAll("-", "") ?? today;
  if (due < today) return invalid("dueDate", "Expected today or a later day.");
  const parts = issuer === "registered" ? withVat(amountMinor, settings["vat_rate"] || "21") : { ...NOTHING, ImpNeto: pesos(amountMinor) };
  const { Iva, ...imports } = parts;
  return {
    type, pointOfSale, amountMinor,
    detail: (number) => ({
      Concepto: concept, DocTipo: buyer.docType, DocNro: buyer.docNumber, CbteDesde: number, CbteHasta: number, CbteFch: today,
      ImpTotal: pesos(amountMinor), ...imports,
      ...(concept !== "1" && { FchServDesde: today, FchServHasta: today, FchVtoPago: due }),
      MonId: "PES", MonCotiz: 1, CondicionIVAReceptorId: buyer.condition, Iva,
    }),
  };
}

const [FACTURA_A, FACTURA_B, FACTURA_C] = [1, 6, 11] as const;

/** Who charges VAT, and who does not. */
const issuers: Partial<Record<string, "registered" | "exempt">> = { responsable_inscripto: "registered", monotributo: "exempt", exento: "exempt" };

function required(settings: Settings, name: string, shape = /./): string {
  const value = settings[name] ?? "";
  if (!shape.test(value)) throw new SetupMissing(name);
  return value;
}

const [CUIT, DNI, NOBODY] = [80, 96, 99] as const;

/** ARCA's table of receivers' conditions, by their words and by their numbers. */
const conditions: Partial<Record<string, number>> = {
  responsable_inscripto: 1, exento: 4, consumidor_final: 5, monotributo: 6, no_categorizado: 7, monotributo_social: 13, no_alcanzado: 15,
  "1": 1, "4": 4, "5": 5, "6": 6, "7": 7, "10": 10, "13": 13, "15": 15, "16": 16,
};
const FINAL_CONSUMER = 5;
/** Since Ley 27.618 a monotributista gets a factura A, too. */
const GETS_A = new Set<number>([1, 6, 13, 16]);

interface Buyer {
  docType: number;
  docNumber: string;
  condition: number;
}

function toBuyer(recipient: Recipient | undefined, settings: Settings): Buyer | Declined {
  const written = (recipient?.document ?? "").replace(/[.\- ]/g, "");
  const said = recipient?.address?.["vat_condition"];
  const condition = said === undefined ? undefined : conditions[String(said)];
  if (said !== undefined && condition === undefined)
    return invalid("recipient.address.vat_condition", `Expected one of ${Object.keys(conditions).filter((word) => !/^\d/.test(word)).join(", ")}.`);
  if (written === "") return { docType: NOBODY, docNumber: "0", condition: condition ?? FINAL_CONSUMER };
  if (/^\d{7,8}$/.test(written)) return { docType: DNI, docNumber: written, condition: condition ?? FINAL_CONSUMER };
  const cuit = parseDocument(written, ["cuit"]);
  if (!cuit.ok) return invalid("recipient.document", `${cuit.reason}, or a DNI of 7 or 8 digits`);
  const known = condition ?? conditions[settings["buyer_vat_condition"] ?? ""];
  return known === undefined
    ? invalid("recipient.address.vat_condition", "Expected the VAT condition of a buyer with a CUIT, here or as the connection's buyer_vat_condition.")
    : { docType: CUIT, docNumber: cuit.value, condition: known };
}

const NOTHING = { ImpTotConc: "0.00", ImpNeto: "0.00", ImpOpEx: "0.00", ImpTrib: "0.00", ImpIVA: "0.00", Iva: undefined as Elements | undefined };

/** Rates in thousandths, with ARCA's id of each. */
const rates: Partial<Record<string, { id: number; thousandths: bigint }>> = {
  "0": { id: 3, thousandths: 0n }, "2.5": { id: 9, thousandths: 25n }, "5": { id: 8, thousandths: 50n }, "10.5": { id: 4, thousandths: 105n },
  "21": { id: 5, thousandths: 210n }, "27": { id: 6, thousandths: 270n },
};

/** What the buyer pays is what the caller said: the net amount is found from it, to the nearest centavo, and VAT is the rest. */
function withVat(amountMinor: bigint, rate: string): typeof NOTHING {
  if (rate === "exento") return { ...NOTHING, ImpOpEx: pesos(amountMinor) };
  const found = rates[rate];
  if (!found) throw new SetupMissing("vat_rate");
  const parts = 1_000n + found.thousandths;
  const netMinor = (amountMinor * 1_000n + parts / 2n) / parts;
  const vat = pesos(amountMinor - netMinor);
  return { ...NOTHING, ImpNeto: pesos(netMinor), ImpIVA: vat, Iva: { AlicIva: { Id: found.id, BaseImp: pesos(netMinor), Importe: vat } } };
}

const pesos = (amountMinor: bigint): string => toDecimal({ amountMinor, currency: "ARS" });
