/** What Facturapi answers: invoices, their words for states, and refusals. Only the fields we read. */
import { z } from "zod";
import { fromDecimal } from "../../schema/money.ts";
import type { InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { DeclineReason, Observation, Outcome, Rejected } from "../provider.ts";

export const Invoice = z.object({
  id: z.string().min(1),
  status: z.string(),
  external_id: z.string().nullish(),
  uuid: z.string().nullish(),
  series: z.string().nullish(),
  folio_number: z.number().nullish(),
  total: z.number().nullish(),
  currency: z.string().nullish(),
  date: z.string().nullish(),
  canceled_at: z.string().nullish(),
  stamp: z.object({ date: z.string().nullish() }).nullish(),
});
export type Invoice = z.output<typeof Invoice>;

export const Found = z.object({ data: z.array(Invoice) }).transform(({ data }) => data);

type InvoiceState = StateOf<"invoice">;

/** What is not here (draft, pending, anything new) is on its way. */
const finalStates: Partial<Record<string, InvoiceState>> = { valid: "authorized", canceled: "cancelled", failed: "rejected" };

export const stateOf = ({ status }: Pick<Invoice, "status">): InvoiceState => finalStates[status] ?? "processing";

/** The words of the tool's result. */
const statusWords: Record<InvoiceState, string> = {
  processing: "processing", authorized: "autorizada", rejected: "rejeitada", cancelled: "cancelada",
};

export function toOutcome(found: Invoice, baseUrl: string): Outcome<InvoiceResult> {
  const amount = amountOf(found);
  return {
    outcome: "accepted",
    ref: found.id,
    state: stateOf(found),
    action: found.status,
    result: { ...toResult(found, baseUrl), ...(amount !== undefined && { amount }) },
  };
}

/** An invoice object never says why it failed; only the message about it does. */
export function toObservation(found: Invoice, baseUrl: string, reason = "The stamping failed; Facturapi keeps the reason."): Observation {
  const state = stateOf(found);
  const amountMinor = amountOf(found);
  const occurredAt = momentOf({ authorized: found.stamp?.date ?? found.date, cancelled: found.canceled_at, rejected: null, processing: null }[state]);
  return {
    ref: found.id,
    state,
    action: found.status,
    ...(occurredAt && { occurredAt }),
    ...(amountMinor !== undefined && { amountMinor, currency: "MXN" as const }),
    result: { ...toResult(found, baseUrl), ...(state === "rejected" && { reason }) },
    ...(state === "rejected" && { failure: { reason: "refused" as const, message: reason } }),
  };
}

/** Of an invoice in pesos: in another currency `total` is another amount, and nobody but Facturapi made such a one. */
const amountOf = ({ total, currency }: Invoice): bigint | undefined =>
  total == null || (currency ?? "MXN") !== "MXN" ? undefined : fromDecimal(total, "MXN");

/** The files' addresses want the key. */
function toResult(found: Invoice, baseUrl: string): Omit<InvoiceResult, "amount"> {
  const state = stateOf(found);
  const isIssued = state === "authorized" || state === "cancelled";
  const page = `${baseUrl}/invoices/${encodeURIComponent(found.id)}`;
  return {
    id: found.id,
    status: statusWords[state],
    ...(isIssued && found.folio_number != null && { number: `${found.series ?? ""}${found.folio_number}` }),
    ...(isIssued && found.uuid && { access_key: found.uuid }),
    ...(isIssued && { pdf_url: `${page}/pdf`, xml_url: `${page}/xml` }),
    ...(isIssued && found.date && { issued_at: found.date }),
  };
}

/** A time without a zone could be any of several moments, so it is none. */
export function momentOf(text: string | null | undefined): Date | undefined {
  if (!text || !/(?:Z|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

export const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message, ...(field && { field }) });

export const invalid = (field: string, message: string): Declined => declined("invalid_request", message, field);

const Refusal = z.object({
  code: z.string().nullish(),
  message: z.string().nullish(),
  path: z.string().nullish(),
  errors: z.array(z.object({ message: z.string().nullish(), code: z.string().nullish(), source: z.string().nullish(), path: z.string().nullish() })).nullish(),
});

export const codeOf = ({ body }: Rejected): string | undefined => Refusal.safeParse(body).data?.code ?? undefined;

/** The root code says what happened; the first detail says it best to a person, and names what SAT said by SAT's own code. */
export function toDecline({ status, body }: Rejected): Declined {
  const { data } = Refusal.safeParse(body);
  if (status === 401 || status === 403) return declined("unauthorized", data?.message ?? "Facturapi refused the key.");
  if (status === 429) return declined("rate_limited", "Facturapi is limiting our requests.");
  if (status === 402) return declined("not_permitted", data?.message ?? "Facturapi asks for a subscription.");
  const [detail] = data?.errors ?? [];
  const text = detail?.message ?? data?.message ?? `Facturapi answered ${status}.`;
  const message = detail?.source && detail.source !== "facturapi" && detail.code ? `${detail.code}: ${text}` : text;
  if (status === 404) return declined("not_permitted", message);
  return declined("invalid_request", message, fieldOf(detail?.path ?? data?.path));
}

/** `items.2.product.product_key` is our `items.2.service_code`. */
function fieldOf(path: string | null | undefined): string | undefined {
  if (!path) return undefined;
  const [, index, rest] = /^items[.[](\d+)\]?\.(.+)$/.exec(path) ?? [];
  if (index) return `items.${index}.${itemFields.find(([theirs]) => rest!.endsWith(theirs))?.[1] ?? "amount"}`;
  return customerFields.find(([theirs]) => path.startsWith(theirs))?.[1];
}

const itemFields = [["product_key", "service_code"], ["description", "description"], ["quantity", "quantity"]] as const;

const customerFields = [
  ["customer.tax_id", "recipient.document"],
  ["customer.legal_name", "recipient.name"],
  ["customer.email", "recipient.email"],
  ["customer.phone", "recipient.phone"],
  ["customer.tax_system", "recipient.address.tax_system"],
  ["customer.address.zip", "recipient.address.zip"],
  ["customer", "recipient"],
  ["items", "items"],
] as const;
