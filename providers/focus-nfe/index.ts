/**
 * Focus NFe: Brazilian service invoices (NFS-e) and goods invoices (NF-e), numbered by Focus NFe.
 * Reference: the vendor's API documents (GitHub, FocusNFe/api-doc) and doc.focusnfe.com.br, read 2026-11-20; see README.md.
 * Quirks: `ref` is ours, names the document in every path, and makes it one; files are told as paths below the host.
 */
import { z } from "zod";
import type { InvoiceRequest, InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import { completed, declined, setting, type Place } from "../brazilian-invoices.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { basic, orDeclined } from "../parts.ts";
import {
  OutcomeUnknown, Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider, type ProviderDefinition,
} from "../provider.ts";
import { codeOf, FiscalDocument, toDecline, toObservation, toOutcome, type DocumentKind } from "./answers.ts";
import { toNfe, toNfse } from "./documents.ts";
import { read, verify } from "./notifications.ts";
import { tools } from "./tools.ts";

export const focusNfe: ProviderDefinition = {
  id: "focus-nfe",
  title: "Focus NFe",
  category: "fiscal",
  country: "BR",
  authType: "http_basic",
  hosts: { live: "https://api.focusnfe.com.br", test: "https://homologacao.focusnfe.com.br" },
  credentials: [{ name: "token", label: "Token", secret: true, required: true, hint: "Production and homologação have their own." }],
  settings: [
    { name: "company_cnpj", label: "Company CNPJ", secret: false, required: true, hint: "The issuer, as registered at Focus NFe with its certificate." },
    { name: "municipal_registration", label: "Municipal registration", secret: false, required: false, hint: "NFS-e: inscrição municipal." },
    { name: "city_code", label: "City code (IBGE)", secret: false, required: false, hint: "7 digits: the issuer's city, where its services are rendered." },
    { name: "simples_nacional", label: "Simples Nacional", secret: false, required: false, hint: "NFS-e: true or false." },
    { name: "service_code", label: "Service code", secret: false, required: false, hint: "NFS-e: item_lista_servico, for items without a service_code." },
    { name: "municipal_service_code", label: "Municipal service code", secret: false, required: false, hint: "NFS-e: codigo_tributario_municipio, where the city asks for it." },
    { name: "service_description", label: "Service description", secret: false, required: false, hint: "NFS-e: for items without a description." },
    { name: "iss_rate", label: "ISS rate", secret: false, required: false, hint: "NFS-e: percent, such as 2.5." },
    { name: "icms_csosn", label: "CSOSN", secret: false, required: false, hint: "NF-e: 102, 103, 300 or 400, by a company in Simples Nacional." },
    { name: "nfe_payment_means", label: "Payment means", secret: false, required: false, hint: "NF-e: such as 17 for Pix, 15 for boleto, 90 for none." },
    { name: "operation_nature", label: "Nature of the operation", secret: false, required: false, hint: "NF-e: 'Venda de mercadoria' when empty." },
    { name: "cfop", label: "CFOP", secret: false, required: false, hint: "NF-e: for items without a cfop." },
  ],
  repeats: "rejects",
  connect,
  native: { client: clientFor, tools },
  notifications: { verify, read },
};

/** What is not there this long after sending never will be: three times as long as we wait for an answer. */
export const APPLIED_WITHIN_MS = 60_000;

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const token = credentials["token"];
  if (!token) throw new SetupMissing("token");
  const authorization = basic(token, "");
  return httpClient({ provider: "focus-nfe", baseUrl, fetch, headers: { authorization } });
}

interface Api {
  http: HttpClient;
  connection: ConnectionConfig;
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const api = (): Api => ({ http: clientFor(connection, fetch), connection });
  return {
    invoice: orDeclined(async (request: InvoiceRequest, call: CallContext) => invoice(api(), request, call), toDecline),
    lookup: async (subject, call) => lookup(api(), subject, call),
  };
}

async function invoice(api: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const { type } = request;
  if (type !== "nfse" && type !== "nfe") return declined("not_permitted", "Focus NFe issues only nfse and nfe here.", "type");
  switch (request.action) {
    case "issue":
      return issue(api, type, request, call);
    case "status":
      return status(api, type, request, call);
    case "amend":
      return declined("not_permitted", "Nothing is amended here: an NF-e is corrected by send_correction_letter, an NFS-e cancelled and issued again.", "action");
  }
}

async function issue({ http, connection }: Api, kind: DocumentKind, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const { settings, baseUrl } = connection;
  setting(settings, "company_cnpj");
  const now = call.clock.now();
  const isRehearsal = baseUrl === focusNfe.hosts.test;
  const make = (from: InvoiceRequest) => (kind === "nfse" ? toNfse(from, settings, now) : toNfe(from, settings, { now, isRehearsal }));
  const made = make(await completed(request, make, (cep) => placeOf(http, cep, call)));
  if ("outcome" in made) return made;
  await call.note({ document: kind, sent_at: now.toISOString() });
  try {
    const sent = { method: "POST", path: `/v2/${kind}`, query: { ref: call.reference }, body: made.content } as const;
    return toOutcome(await http.act(sent, FiscalDocument, call), { kind, baseUrl }, made.amountMinor);
  } catch (error) {
    if (error instanceof Rejected && IN_USE.has(codeOf(error) ?? "")) return earlier({ http, connection }, kind, call);
    throw error;
  }
}

/** The documents show a list also for one postal code, and name its district twice. Source: FocusNFe/api-doc, "Consulta de CEP (beta)", read 2026-11-20. */
const Known = z.object({
  codigo_ibge: z.coerce.string().nullish(), nome_bairro_inicial: z.string().nullish(), bairro: z.string().nullish(), nome_localidade: z.string().nullish(), uf: z.string().nullish(),
});

async function placeOf(http: HttpClient, cep: string, call: CallContext): Promise<Place> {
  const found = [await http.ask({ method: "GET", path: `/v2/ceps/${cep}` }, z.union([z.array(Known), Known]), call)].flat()[0];
  const { codigo_ibge, nome_bairro_inicial, bairro, nome_localidade, uf } = found ?? {};
  return { city_code: codigo_ibge || undefined, district: nome_bairro_inicial || bairro || undefined, city: nome_localidade || undefined, state: uf || undefined };
}

/** A document with this ref is on its way, authorized or cancelled: codes of the vendor's tables, all with a 4xx. */
const IN_USE = new Set(["em_processamento", "nfe_autorizada", "nfe_cancelada", "already_processed"]);

/** The ref is made for one call, so a document that has it already is what an earlier try of this call made. */
async function earlier(api: Api, kind: DocumentKind, call: CallContext): Promise<Outcome<InvoiceResult>> {
  call.acted = true;
  try {
    const found = await byRef(api.http, kind, call.reference, call);
    if (found) return toOutcome(found, { kind, baseUrl: api.connection.baseUrl });
  } catch (error) {
    if (!(error instanceof Unanswered) && !(error instanceof Rejected)) throw error;
  }
  throw new OutcomeUnknown("focus-nfe: a document with this ref exists and cannot be read now");
}

async function status({ http, connection }: Api, kind: DocumentKind, { invoice_id: ref }: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  if (!ref) return declined("invalid_request", "Expected the id that issuing the invoice returned.", "invoice_id");
  await call.note({ document: kind });
  const found = await byRef(http, kind, ref, call);
  return found ? toOutcome(found, { kind, baseUrl: connection.baseUrl }) : declined("invalid_request", "Focus NFe has no such document with this id.", "invoice_id");
}

async function lookup({ http, connection }: Api, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const noted = call.notes["document"];
  for (const kind of (["nfse", "nfe"] as const).filter((each) => noted === undefined || each === noted)) {
    const found = await byRef(http, kind, ref ?? reference, call);
    if (found) return toObservation(found, { kind, baseUrl: connection.baseUrl });
  }
  if (ref) throw new Unanswered("focus-nfe: it does not show a document that it made");
  if (isUnderWay(call)) throw new Unanswered("focus-nfe: the document may still be on its way");
  return undefined;
}

async function byRef(http: HttpClient, kind: DocumentKind, ref: string, call: CallContext): Promise<FiscalDocument | undefined> {
  try {
    return await http.ask({ method: "GET", path: `/v2/${kind}/${encodeURIComponent(ref)}` }, FiscalDocument, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404 && codeOf(error) === "nao_encontrado") return undefined;
    throw error;
  }
}

/** A request without an answer may still be applied. */
function isUnderWay({ notes, clock }: CallContext): boolean {
  const sentAt = notes["sent_at"];
  return sentAt !== undefined && clock.now().getTime() - new Date(sentAt).getTime() < APPLIED_WITHIN_MS;
}
