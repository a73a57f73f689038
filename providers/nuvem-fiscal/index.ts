/**
 * Nuvem Fiscal: Brazilian service invoices (NFS-e, sent as a DPS) and goods invoices (NF-e).
 * Reference: the vendor's SDK documents (nuvem-fiscal/nuvemfiscal-sdk-php and -net), dev.nuvemfiscal.com.br and the
 * vendor's support forum, read 2026-11-20; see README.md.
 * Quirks: NF-e are numbered by the issuer; an NF-e is `autorizado`, an NFS-e `autorizada`; nothing is ever sent to us.
 */
import { z } from "zod";
import type { InvoiceRequest, InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import { completed, declined, setting, type Declined, type Place } from "../brazilian-invoices.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider, type ProviderDefinition,
} from "../provider.ts";
import { withBearer } from "../tokens.ts";
import { FiscalDocument, Listing, toDecline, toObservation, toOutcome, type DocumentKind } from "./answers.ts";
import { toDps, toNfe, type Made } from "./documents.ts";
import { tools } from "./tools.ts";

export const nuvemFiscal: ProviderDefinition = {
  id: "nuvem-fiscal",
  title: "Nuvem Fiscal",
  category: "fiscal",
  country: "BR",
  authType: "oauth",
  hosts: { live: "https://api.nuvemfiscal.com.br", test: "https://api.sandbox.nuvemfiscal.com.br" },
  credentials: [
    { name: "client_id", label: "Client ID", secret: false, required: true, hint: "Console > Credenciais de API; sandbox and production have their own." },
    { name: "client_secret", label: "Client secret", secret: true, required: true },
  ],
  settings: [
    { name: "company_cnpj", label: "Company CNPJ", secret: false, required: true, hint: "The issuer, as registered at Nuvem Fiscal with its certificate and municipal registration." },
    { name: "environment", label: "Environment", secret: false, required: true, hint: "homologacao (a rehearsal) or producao (binding)." },
    { name: "national_service_code", label: "National service code", secret: false, required: false, hint: "NFS-e: cTribNac, for items without a service_code." },
    { name: "municipal_service_code", label: "Municipal service code", secret: false, required: false, hint: "NFS-e: cTribMun, where the city asks for it." },
    { name: "service_description", label: "Service description", secret: false, required: false, hint: "NFS-e: for items without a description." },
    { name: "iss_rate", label: "ISS rate", secret: false, required: false, hint: "NFS-e: percent, such as 2.5, where the city does not know it by itself." },
    { name: "city_code", label: "City code (IBGE)", secret: false, required: false, hint: "7 digits. NF-e need it; for NFS-e it is where the service is rendered." },
    { name: "icms_csosn", label: "CSOSN", secret: false, required: false, hint: "NF-e: 102, 103, 300 or 400, by a company in Simples Nacional." },
    { name: "nfe_payment_means", label: "Payment means", secret: false, required: false, hint: "NF-e: tPag, such as 17 for Pix, 15 for boleto, 90 for none." },
    { name: "nfe_series", label: "NF-e series", secret: false, required: false, hint: "1 when empty." },
    { name: "nfe_first_number", label: "First NF-e number", secret: false, required: false, hint: "Where the series starts, if it was used elsewhere before. 1 when empty." },
    { name: "operation_nature", label: "Nature of the operation", secret: false, required: false, hint: "NF-e: natOp. 'Venda de mercadoria' when empty." },
    { name: "cfop", label: "CFOP", secret: false, required: false, hint: "NF-e: for items without a cfop." },
  ],
  repeats: "ignores",
  connect,
  native: { client: clientFor, tools },
};

const TOKEN_URL = "https://auth.nuvemfiscal.com.br/oauth/token";
const SCOPE = "empresa cep cnpj nfe nfse";

/** What is not there this long after sending never will be: three times as long as we wait for an answer. */
export const APPLIED_WITHIN_MS = 60_000;

const Token = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });

function clientFor({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const { client_id, client_secret } = credentials;
  if (!client_id) throw new SetupMissing("client_id");
  if (!client_secret) throw new SetupMissing("client_secret");
  const http = httpClient({ provider: "nuvem-fiscal", baseUrl, fetch });
  return withBearer(http, { provider: "nuvem-fiscal", credentials, baseUrl }, async (call) => {
    const form = { grant_type: "client_credentials", client_id, client_secret, scope: SCOPE };
    const granted = await http.ask({ method: "POST", path: TOKEN_URL, form }, Token, call);
    return { token: granted.access_token, expiresInSeconds: granted.expires_in };
  });
}

interface Api {
  http: HttpClient;
  settings: ConnectionConfig["settings"];
  baseUrl: string;
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const api = (): Api => ({ http: clientFor(connection, fetch), settings: connection.settings, baseUrl: connection.baseUrl });
  return {
    invoice: orDeclined(async (request: InvoiceRequest, call: CallContext) => invoice(api(), request, call), toDecline),
    lookup: async (subject, call) => lookup(api(), subject, call),
  };
}

async function invoice(api: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const { type } = request;
  if (type !== "nfse" && type !== "nfe") return declined("not_permitted", "Nuvem Fiscal issues only nfse and nfe here.", "type");
  switch (request.action) {
    case "issue":
      return issue(api, type, request, call);
    case "status":
      return status(api, type, request, call);
    case "amend":
      return declined(
        "not_permitted",
        "Nothing is amended here: an NF-e is corrected by send_correction_letter_nfe, an NFS-e cancelled and issued again.",
        "action",
      );
  }
}

async function issue(api: Api, kind: DocumentKind, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const { ambiente } = issuerOf(api.settings);
  const made = kind === "nfse" ? await placedDps(api, request, call) : await numberedNfe(api, request, call);
  if ("outcome" in made) return made;
  await call.note({ document: kind, sent_at: call.clock.now().toISOString() });
  const sent = kind === "nfse"
    ? { path: "/nfse/dps", body: { ambiente, referencia: call.reference, infDPS: made.content } }
    : { path: "/nfe", body: { ambiente, referencia: call.reference, infNFe: made.content } };
  return toOutcome(await api.http.act({ method: "POST", ...sent }, FiscalDocument, call), { kind, baseUrl: api.baseUrl }, made.amountMinor);
}

async function placedDps(api: Api, request: InvoiceRequest, call: CallContext): Promise<Made<object> | Declined> {
  const make = (from: InvoiceRequest) => toDps(from, api.settings, call.clock.now());
  return make(await completed(request, make, (cep) => placeOf(api, cep, call)));
}

/** A request that cannot be an NF-e is refused before anybody is asked for a number. */
async function numberedNfe(api: Api, request: InvoiceRequest, call: CallContext): Promise<Made<object> | Declined> {
  const make = (from: InvoiceRequest, number = 0) => toNfe(from, api.settings, { now: call.clock.now(), number });
  const whole = await completed(request, make, (cep) => placeOf(api, cep, call));
  const made = make(whole);
  return "outcome" in made ? made : make(whole, await nextNumber(api, call));
}

const Known = z.object({ codigo_ibge: z.string().nullish(), bairro: z.string().nullish(), municipio: z.string().nullish(), uf: z.string().nullish() });

async function placeOf({ http }: Api, cep: string, call: CallContext): Promise<Place> {
  const { codigo_ibge, bairro, municipio, uf } = await http.ask({ method: "GET", path: `/cep/${cep}` }, Known, call);
  return { city_code: codigo_ibge || undefined, district: bairro || undefined, city: municipio || undefined, state: uf || undefined };
}

/** More than are ever refused in a row; the last ones made come first. */
const LATEST = "50";

/**
 * One more than the highest number of the series. Two calls that meet here get the same: the tax authority refuses the
 * second (539, duplicity), a definite refusal, and a new call takes the next number.
 */
async function nextNumber({ http, settings }: Api, call: CallContext): Promise<number> {
  const serie = settings["nfe_series"] || "1";
  const latest = await http.ask({ method: "GET", path: "/nfe", query: { ...issuerOf(settings), serie, $top: LATEST } }, Listing, call);
  const used = latest.filter((nfe) => nfe.serie == null || nfe.serie === Number(serie)).map(({ numero }) => Number(numero) || 0);
  return Math.max(Number(settings["nfe_first_number"] || "1"), ...used.map((number) => number + 1));
}

/** Whose documents, and in which of the two environments: every list asks for both. */
function issuerOf(settings: ConnectionConfig["settings"]): { cpf_cnpj: string; ambiente: string } {
  const ambiente = setting(settings, "environment");
  if (ambiente !== "homologacao" && ambiente !== "producao") throw new SetupMissing("environment");
  return { cpf_cnpj: setting(settings, "company_cnpj").replace(/[./\- ]/g, ""), ambiente };
}

async function status(api: Api, kind: DocumentKind, { invoice_id: id }: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  if (!id) return declined("invalid_request", "Expected the id that issuing the invoice returned.", "invoice_id");
  await call.note({ document: kind });
  const found = await byId(api, kind, id, call);
  return found
    ? toOutcome(found, { kind, baseUrl: api.baseUrl })
    : declined("invalid_request", "Nuvem Fiscal has no such document with this id.", "invoice_id");
}

async function lookup(api: Api, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const noted = call.notes["document"];
  for (const kind of (["nfse", "nfe"] as const).filter((each) => noted === undefined || each === noted)) {
    const found = (ref && await byId(api, kind, ref, call)) || (await byReference(api, kind, reference, call));
    if (found) return toObservation(found, { kind, baseUrl: api.baseUrl });
  }
  if (ref) throw new Unanswered("nuvem-fiscal: it does not show a document that it made");
  if (isUnderWay(call)) throw new Unanswered("nuvem-fiscal: the document may still be on its way");
  return undefined;
}

async function byId({ http }: Api, kind: DocumentKind, id: string, call: CallContext): Promise<FiscalDocument | undefined> {
  try {
    return await http.ask({ method: "GET", path: `/${kind}/${encodeURIComponent(id)}` }, FiscalDocument, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}

async function byReference({ http, settings }: Api, kind: DocumentKind, referencia: string, call: CallContext): Promise<FiscalDocument | undefined> {
  const found = await http.ask({ method: "GET", path: `/${kind}`, query: { ...issuerOf(settings), referencia } }, Listing, call);
  return found.find((each) => each.referencia === referencia);
}

function isUnderWay({ notes, clock }: CallContext): boolean {
  const sentAt = notes["sent_at"];
  return sentAt !== undefined && clock.now().getTime() - new Date(sentAt).getTime() < APPLIED_WITHIN_MS;
}
