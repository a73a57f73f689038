/** What Nuvem Fiscal answers: documents, their words for states, and refusals. Only the fields we read. */
import { z } from "zod";
import { fromDecimal } from "../../schema/money.ts";
import type { InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { declined, momentOf, type Declined } from "../brazilian-invoices.ts";
import type { Observation, Outcome, Rejected } from "../provider.ts";

/** `nfse` and `nfe` are also the first part of each kind's paths. */
export type DocumentKind = "nfse" | "nfe";

export const FiscalDocument = z.object({
  id: z.string().min(1),
  status: z.string(),
  referencia: z.string().nullish(),
  numero: z.union([z.number(), z.string()]).nullish(),
  data_emissao: z.string().nullish(),
  /** NFS-e. */
  codigo_verificacao: z.string().nullish(),
  mensagens: z.array(z.object({ codigo: z.string().nullish(), descricao: z.string().nullish() })).nullish(),
  cancelamento: z.object({ data_hora: z.string().nullish() }).nullish(),
  /** NF-e. */
  chave: z.string().nullish(),
  serie: z.number().nullish(),
  valor_total: z.number().nullish(),
  autorizacao: z.object({
    codigo_status: z.number().nullish(), motivo_status: z.string().nullish(), data_recebimento: z.string().nullish(),
  }).nullish(),
});
export type FiscalDocument = z.output<typeof FiscalDocument>;

export const Listing = z.object({ data: z.array(FiscalDocument).nullish() }).transform(({ data }) => data ?? []);

type InvoiceState = StateOf<"invoice">;

/** An NF-e is `autorizado`, an NFS-e `autorizada`: the last letter is not read. Every other word is on its way. */
const finalStates: Partial<Record<string, InvoiceState>> = {
  autorizad: "authorized", cancelad: "cancelled", substituid: "cancelled",
  rejeitad: "rejected", denegad: "rejected", negad: "rejected", erro: "rejected",
};

export const stateOf = ({ status }: Pick<FiscalDocument, "status">): InvoiceState =>
  finalStates[status === "erro" ? status : status.slice(0, -1)] ?? "processing";

/** The words of the tool's result. */
const statusWords: Record<InvoiceState, string> = {
  processing: "processing", authorized: "autorizada", rejected: "rejeitada", cancelled: "cancelada",
};

interface Place {
  kind: DocumentKind;
  baseUrl: string;
}

export function toOutcome(found: FiscalDocument, place: Place, askedMinor?: bigint): Outcome<InvoiceResult> {
  const amount = amountOf(found) ?? askedMinor;
  return {
    outcome: "accepted",
    ref: found.id,
    state: stateOf(found),
    action: found.status,
    result: { ...toResult(found, place), ...(amount !== undefined && { amount }) },
  };
}

export function toObservation(found: FiscalDocument, place: Place): Observation {
  const state = stateOf(found);
  const amountMinor = amountOf(found);
  const occurredAt = momentOf(occurrence[state](found));
  const reason = reasonOf(found);
  return {
    ref: found.id,
    state,
    action: found.status,
    ...(occurredAt && { occurredAt }),
    ...(amountMinor !== undefined && { amountMinor, currency: "BRL" as const }),
    result: toResult(found, place),
    ...(state === "rejected" && { failure: { reason: "refused" as const, message: reason } }),
  };
}

/** Only an NF-e says what it is worth. */
const amountOf = ({ valor_total: total }: FiscalDocument): bigint | undefined =>
  total == null ? undefined : fromDecimal(total, "BRL");

/** The files' addresses want a token of the connection. */
function toResult(found: FiscalDocument, { kind, baseUrl }: Place): Omit<InvoiceResult, "amount"> {
  const state = stateOf(found);
  const isIssued = state === "authorized" || state === "cancelled";
  const page = `${baseUrl}/${kind}/${encodeURIComponent(found.id)}`;
  return {
    id: found.id,
    status: statusWords[state],
    ...(isIssued && found.numero != null && { number: String(found.numero) }),
    ...(isIssued && found.chave && { access_key: found.chave }),
    ...(isIssued && found.codigo_verificacao && { verification_code: found.codigo_verificacao }),
    ...(isIssued && { pdf_url: `${page}/pdf`, xml_url: `${page}/xml` }),
    ...(isIssued && found.data_emissao && { issued_at: found.data_emissao }),
    ...(state === "rejected" && { reason: reasonOf(found) }),
  };
}

const occurrence: Record<InvoiceState, (found: FiscalDocument) => string | null | undefined> = {
  processing: () => undefined,
  authorized: (found) => found.autorizacao?.data_recebimento ?? found.data_emissao,
  rejected: (found) => found.autorizacao?.data_recebimento,
  cancelled: (found) => found.cancelamento?.data_hora,
};

function reasonOf({ status, mensagens, autorizacao }: FiscalDocument): string {
  const [first] = mensagens ?? [];
  const code = first?.codigo ?? autorizacao?.codigo_status;
  const text = first?.descricao ?? autorizacao?.motivo_status ?? "The tax authority refused the document and gave no reason.";
  const told = code ? `${code}: ${text}` : text;
  // Nuvem Fiscal gives up on a slow city with `erro`, and says that the city may issue the document all the same.
  return status === "erro" ? `${told} The city may yet have issued it: synchronize it at Nuvem Fiscal before issuing another.` : told;
}

/** `{error: {code, message, errors}}` of the API, `{error: "invalid_client"}` of the host that grants tokens. */
const Refusal = z.object({
  error: z.union([
    z.string().transform((code) => ({ code, message: undefined, errors: undefined })),
    z.object({
      code: z.string().nullish(),
      message: z.string().nullish(),
      errors: z.array(z.object({ message: z.string().nullish() })).nullish(),
    }),
  ]),
});

export function toDecline({ status, body }: Rejected): Declined {
  const { data } = Refusal.safeParse(body);
  const { code, message, errors } = data?.error ?? {};
  if (status === 401 || status === 403 || code === "invalid_client") return declined("unauthorized", "Nuvem Fiscal refused the client id and secret.");
  if (status === 429) return declined("rate_limited", "Nuvem Fiscal is limiting our requests.");
  const text = errors?.[0]?.message ?? message ?? `Nuvem Fiscal answered ${status}.`;
  if (status === 404) return declined("not_permitted", text);
  return declined("invalid_request", text, fields.find(([theirs]) => text.includes(theirs))?.[1]);
}

/** Refusals name the field by its path: `O campo 'infNFe.dest.enderDest.CEP' …`. */
const fields: readonly (readonly [theirs: string, ours: string])[] = [
  ["toma.CPF", "recipient.document"],
  ["toma.CNPJ", "recipient.document"],
  ["toma.xNome", "recipient.name"],
  ["toma.email", "recipient.email"],
  ["toma.fone", "recipient.phone"],
  ["toma.end", "recipient.address"],
  ["dest.CPF", "recipient.document"],
  ["dest.CNPJ", "recipient.document"],
  ["dest.xNome", "recipient.name"],
  ["dest.email", "recipient.email"],
  ["enderDest", "recipient.address"],
  ["cTribNac", "items.0.service_code"],
  ["xDescServ", "items.0.description"],
  ["vServ", "items.0.amount"],
  ["NCM", "items.0.ncm"],
  ["CFOP", "items.0.cfop"],
];
