/** What Focus NFe answers and posts: documents, their words for states, and refusals. Only the fields we read. */
import { z } from "zod";
import type { InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { declined, momentOf, type Declined } from "../brazilian-invoices.ts";
import type { Observation, Outcome, Rejected } from "../provider.ts";

/** Also the first part of each kind's paths. */
export type DocumentKind = "nfse" | "nfe";

const text = z.union([z.string(), z.number()]).transform(String).nullish();

export const FiscalDocument = z.object({
  ref: z.string().min(1),
  status: z.string(),
  numero: text,
  caminho_xml_nota_fiscal: z.string().nullish(),
  erros: z.array(z.object({ codigo: text, mensagem: text })).nullish(),
  /** NFS-e. */
  cnpj_prestador: text,
  codigo_verificacao: text,
  data_emissao: z.string().nullish(),
  url: z.string().nullish(),
  /** NF-e. */
  chave_nfe: z.string().nullish(),
  caminho_danfe: z.string().nullish(),
  status_sefaz: text,
  mensagem_sefaz: text,
});
export type FiscalDocument = z.output<typeof FiscalDocument>;

type InvoiceState = StateOf<"invoice">;

/** What is not here (`processando_autorizacao`, anything new) is on its way. */
const finalStates: Partial<Record<string, InvoiceState>> = {
  autorizado: "authorized", erro_autorizacao: "rejected", denegado: "rejected", cancelado: "cancelled", substituido: "cancelled",
};

export const stateOf = ({ status }: Pick<FiscalDocument, "status">): InvoiceState => finalStates[status] ?? "processing";

/** The words of the tool's result. */
const statusWords: Record<InvoiceState, string> = {
  processing: "processing", authorized: "autorizada", rejected: "rejeitada", cancelled: "cancelada",
};

interface Place {
  kind: DocumentKind;
  baseUrl: string;
}

export const toOutcome = (found: FiscalDocument, place: Place, amount?: bigint): Outcome<InvoiceResult> => ({
  outcome: "accepted",
  ref: found.ref,
  state: stateOf(found),
  action: found.status,
  result: { ...toResult(found, place), ...(amount !== undefined && { amount }) },
});

/** What a document is worth is in none of the fields that are always answered. */
export function toObservation(found: FiscalDocument, place: Place): Observation {
  const state = stateOf(found);
  const occurredAt = state === "authorized" ? momentOf(found.data_emissao) : undefined;
  return {
    ref: found.ref,
    state,
    action: found.status,
    ...(occurredAt && { occurredAt }),
    result: toResult(found, place),
    ...(state === "rejected" && { failure: { reason: "refused" as const, message: reasonOf(found) } }),
  };
}

/** Files are paths below the host. An NFS-e has no PDF there: `url` is the city's page of it. */
function toResult(found: FiscalDocument, { kind, baseUrl }: Place): Omit<InvoiceResult, "amount"> {
  const state = stateOf(found);
  const isIssued = state === "authorized" || state === "cancelled";
  const pdf = kind === "nfe" ? found.caminho_danfe && baseUrl + found.caminho_danfe : found.url;
  const key = found.chave_nfe?.replace(/^NFe/, "");
  return {
    id: found.ref,
    status: statusWords[state],
    ...(isIssued && found.numero && { number: found.numero }),
    ...(isIssued && key && { access_key: key }),
    ...(isIssued && found.codigo_verificacao && { verification_code: found.codigo_verificacao }),
    ...(isIssued && pdf && { pdf_url: pdf }),
    ...(isIssued && found.caminho_xml_nota_fiscal && { xml_url: baseUrl + found.caminho_xml_nota_fiscal }),
    ...(isIssued && found.data_emissao && { issued_at: found.data_emissao }),
    ...(state === "rejected" && { reason: reasonOf(found) }),
  };
}

function reasonOf({ erros, status_sefaz: code, mensagem_sefaz: message }: FiscalDocument): string {
  const [first] = erros ?? [];
  const [by, says] = first ? [first.codigo, first.mensagem] : [code, message];
  const told = says ?? "The tax authority refused the document and gave no reason.";
  return by ? `${by}: ${told}` : told;
}

/** `{codigo, mensagem}`, with `erros` where there are several; a wrong token is answered in plain text. */
const Refusal = z.object({
  codigo: z.string().nullish(),
  mensagem: z.string().nullish(),
  erros: z.array(z.object({ mensagem: z.string().nullish(), campo: z.string().nullish() })).nullish(),
});

export const codeOf = ({ body }: Rejected): string | undefined => Refusal.safeParse(body).data?.codigo ?? undefined;

export function toDecline({ status, body }: Rejected): Declined {
  const { data } = Refusal.safeParse(body);
  if (status === 401) return declined("unauthorized", "Focus NFe refused the token.");
  if (status === 403) return declined("unauthorized", data?.mensagem ?? "Focus NFe refused the token for this company.");
  if (status === 429) return declined("rate_limited", "Focus NFe is limiting our requests.");
  const [first] = data?.erros ?? [];
  const message = first?.mensagem ?? data?.mensagem ?? `Focus NFe answered ${status}.`;
  if (status === 404 || /^(?:empresa_nao_habilitada|certificado_vencido)$/.test(data?.codigo ?? "")) return declined("not_permitted", message);
  const where = `${first?.campo ?? ""} ${message}`;
  return declined("invalid_request", message, fields.find(([theirs]) => where.includes(theirs))?.[1]);
}

/** Refusals name the parameter: `Parâmetro "tomador.cpf" …`. */
const fields: readonly (readonly [theirs: string, ours: string])[] = [
  ["tomador.cpf", "recipient.document"],
  ["tomador.cnpj", "recipient.document"],
  ["tomador.razao_social", "recipient.name"],
  ["tomador.email", "recipient.email"],
  ["tomador.telefone", "recipient.phone"],
  ["tomador.endereco", "recipient.address"],
  ["cpf_destinatario", "recipient.document"],
  ["cnpj_destinatario", "recipient.document"],
  ["nome_destinatario", "recipient.name"],
  ["_destinatario", "recipient.address"],
  ["item_lista_servico", "items.0.service_code"],
  ["discriminacao", "items.0.description"],
  ["valor_servicos", "items.0.amount"],
  ["codigo_ncm", "items.0.ncm"],
  ["cfop", "items.0.cfop"],
];
