/**
 * AFIP, now ARCA: Argentine invoices (factura A, B, C), authorized with a CAE while the request waits.
 * Reference: WSAA and WSFEv1 (SOAP 1.1) as their operations are named in ARCA's service description and used by the public
 * clients named in README.md, read 2026-11-20.
 * Quirks: the issuer numbers, by asking for the last number; there is no field for our reference, so the number is what we
 * are found by; a refusal comes with HTTP 200; a fault, whatever it says, with 500.
 */
import { z } from "zod";
import type { InvoiceRequest, InvoiceResult } from "../../schema/meta-tools/invoice.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { HttpClient } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  OutcomeUnknown, Rejected, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider, type ProviderDefinition,
} from "../provider.ts";
import { accountKey } from "../tokens.ts";
import { HOSTS, listOf, operation, Problem, soapClient, TICKET_REFUSED, type Elements } from "./soap.ts";
import { tools } from "./tools.ts";
import { declined, parseRef, refOf, toVoucher, type Declined, type Voucher, type VoucherId } from "./voucher.ts";

export const afip: ProviderDefinition = {
  id: "afip",
  title: "AFIP (ARCA)",
  category: "fiscal",
  country: "AR",
  authType: "cert",
  hosts: HOSTS,
  credentials: [
    { name: "certificate", label: "Certificate (PEM)", secret: false, required: true, hint: "Issued by ARCA for this computer and authorized for the service wsfe." },
    { name: "private_key", label: "Private key (PEM)", secret: true, required: true, hint: "RSA, without a passphrase." },
  ],
  settings: [
    { name: "cuit", label: "CUIT", secret: false, required: true, hint: "The issuer." },
    { name: "point_of_sale", label: "Point of sale", secret: false, required: true, hint: "A number registered for web services, used by nothing else." },
    { name: "vat_condition", label: "Issuer's VAT condition", secret: false, required: true, hint: "responsable_inscripto, monotributo or exento." },
    { name: "concept", label: "Concept", secret: false, required: true, hint: "1 goods, 2 services, 3 both." },
    { name: "vat_rate", label: "VAT rate", secret: false, required: false, hint: "21 when empty; 27, 10.5, 5, 2.5, 0 or exento. Only a responsable_inscripto charges it." },
    { name: "buyer_vat_condition", label: "Buyers' VAT condition", secret: false, required: false, hint: "For buyers with a CUIT whose address has no vat_condition, such as responsable_inscripto." },
  ],
  repeats: "ignores",
  connect,
  native: { client: soapClient, tools },
};

/** What is not there this long after sending never will be: three times as long as we wait for an answer. */
export const APPLIED_WITHIN_MS = 60_000;

interface Api {
  http: HttpClient;
  connection: ConnectionConfig;
}

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const api = (): Api => ({ http: soapClient(connection, fetch), connection });
  return {
    invoice: orDeclined(async (request: InvoiceRequest, call: CallContext) => invoice(api(), request, call), toDecline),
    lookup: async (subject, call) => lookup(api(), subject, call),
  };
}

async function invoice(api: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  if (request.type !== "factura_ar") return declined("not_permitted", "ARCA issues only factura_ar.", "type");
  switch (request.action) {
    case "issue":
      return issue(api, request, call);
    case "status":
      return status(api, request, call);
    case "amend":
      return declined("not_permitted", "A factura is not amended: a credit note takes it back, which is not issued here.", "action");
  }
}

// Issuing

async function issue({ http, connection }: Api, request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const voucher = toVoucher(request, connection.settings, call.clock.now());
  if ("outcome" in voucher) return voucher;
  const sequence = JSON.stringify([accountKey({ provider: "afip", ...connection }), connection.settings["cuit"], voucher.pointOfSale, voucher.type]);
  return inTurn(sequence, async () => {
    const last = await lastNumber(http, voucher, call);
    return typeof last === "number" ? authorize(http, voucher, last + 1, call) : last;
  });
}

const queues = new Map<string, Promise<unknown>>();

/** One after another within this process: two invoices that ask for a number together would get the same. */
async function inTurn<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
  const mine = (queues.get(key) ?? Promise.resolve()).then(work);
  const settled = mine.catch(() => {}); // whoever comes next waits for it, whatever becomes of it
  queues.set(key, settled);
  try {
    return await mine;
  } finally {
    if (queues.get(key) === settled) queues.delete(key);
  }
}

const Last = z.object({ CbteNro: z.coerce.number().int().min(0).optional(), Errors: listOf("Err", Problem) });

async function lastNumber(http: HttpClient, { type, pointOfSale }: Voucher, call: CallContext): Promise<number | Declined> {
  const { CbteNro, Errors: [problem] } = await http.ask(operation("FECompUltimoAutorizado", { PtoVta: pointOfSale, CbteTipo: type }), Last, call);
  if (problem && isTheirs(problem)) throw new Unanswered(`afip: error ${problem.Code}`);
  if (problem) return refusal(problem);
  if (CbteNro === undefined) throw new Unanswered("afip: its answer lacks CbteNro");
  return CbteNro;
}

const Authorized = z.object({
  FeDetResp: z.object({
    FECAEDetResponse: z.object({ Resultado: z.string(), CAE: z.string().default(""), CbteFch: z.string(), Observaciones: listOf("Obs", Problem) }),
  }).optional(),
  Errors: listOf("Err", Problem),
});

/**
 * The number is noted first, and so is what the voucher says: after silence it tells ours from one that another computer
 * gave the same number to.
 */
async function authorize(http: HttpClient, voucher: Voucher, number: number, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const id = { type: voucher.type, pointOfSale: voucher.pointOfSale, number };
  const detail = voucher.detail(number);
  await call.note({ voucher: refOf(id), says: fingerprint(detail), sent_at: call.clock.now().toISOString() });
  const header = { CantReg: 1, PtoVta: id.pointOfSale, CbteTipo: id.type };
  const asked = operation("FECAESolicitar", { FeCAEReq: { FeCabReq: header, FeDetReq: { FECAEDetRequest: detail } } });
  const { FeDetResp, Errors } = await http.act(asked, Authorized, call);
  const answer = FeDetResp?.FECAEDetResponse;
  if (answer?.Resultado === "A" && answer.CAE !== "") {
    const result = { ...toResult(id, answer.CAE, answer.CbteFch), amount: voucher.amountMinor };
    return { outcome: "accepted", ref: refOf(id), state: "authorized", action: "A", result };
  }
  const problem = Errors[0] ?? (answer?.Resultado === "R" ? (answer.Observaciones[0] ?? NO_REASON) : undefined);
  if (!problem || isTheirs(problem)) throw new OutcomeUnknown(`afip: ${problem ? `error ${problem.Code}` : "it neither authorized nor refused"}`);
  call.acted = false; // refused in so many words, although by a 200: nothing was authorized
  return refusal(problem);
}

const NO_REASON: Problem = { Code: "R", Msg: "ARCA refused the voucher and gave no reason." };

/** 500 to 599 are troubles of their own ("error interno", "transacción activa"): nobody knows what was done. */
const isTheirs = ({ Code }: Problem): boolean => /^5\d\d$/.test(Code);

/** The number or the day is not the next to be authorized. */
const NOT_THE_NEXT = "10016";

function refusal({ Code, Msg }: Problem): Declined {
  const message = `${Code}: ${Msg}`;
  if (Code === TICKET_REFUSED) return declined("unauthorized", message);
  if (Code === NOT_THE_NEXT) return declined("refused", `${message} Another voucher took the number first, or a later day was used before. Nothing was issued: a new call takes the next number.`);
  return declined(/^1\d{4}$/.test(Code) ? "invalid_request" : "refused", message);
}

// Reading back

const money = z.string().transform((text) => fromDecimal(text, "ARS"));
const Kept = z.object({
  ResultGet: z.object({
    Concepto: z.string(), DocTipo: z.string(), DocNro: z.string(), CbteFch: z.string(), ImpTotal: money, Resultado: z.string().default("A"),
    CodAutorizacion: z.string(), FchProceso: z.string().default(""), MonId: z.string().default("PES"),
  }).optional(),
  Errors: listOf("Err", Problem),
});
type Kept = NonNullable<z.output<typeof Kept>["ResultGet"]>;

/** "No existen datos en nuestros registros": there is no such voucher. */
const NO_SUCH_VOUCHER = "602";

/** undefined when ARCA definitely has none. */
async function consult(http: HttpClient, { type, pointOfSale, number }: VoucherId, call: CallContext): Promise<Kept | undefined> {
  const asked = operation("FECompConsultar", { FeCompConsReq: { CbteTipo: type, CbteNro: number, PtoVta: pointOfSale } });
  const { ResultGet, Errors: [problem] } = await http.ask(asked, Kept, call);
  if (problem?.Code === NO_SUCH_VOUCHER) return undefined;
  if (problem || !ResultGet) throw new Unanswered(`afip: ${problem ? `error ${problem.Code}` : "its answer lacks ResultGet"}`);
  return ResultGet;
}

async function status({ http }: Api, { invoice_id: ref }: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>> {
  const id = parseRef(ref ?? "");
  if (!id) return declined("invalid_request", "Expected the id that issuing the invoice returned, such as 6-1-42.", "invoice_id");
  const found = await consult(http, id, call);
  if (!found) return declined("invalid_request", "ARCA has no such voucher of this issuer.", "invoice_id");
  const result = { ...toResult(id, found.CodAutorizacion, found.CbteFch), ...(found.ImpTotal !== undefined && { amount: found.ImpTotal }) };
  return { outcome: "accepted", ref: refOf(id), state: stateOf(found), action: found.Resultado, result };
}

async function lookup({ http }: Api, { ref }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const id = parseRef(ref ?? call.notes["voucher"] ?? "");
  if (!id) return undefined; // the number is noted before anything is sent
  const found = await consult(http, id, call);
  if (found && (ref || fingerprint(found) === call.notes["says"])) return toObservation(id, found);
  if (found) return undefined; // the number went to another voucher, so ours was refused, or will be
  if (ref) throw new Unanswered("afip: it does not show a voucher that it authorized");
  if (isUnderWay(call)) throw new Unanswered("afip: the voucher may still be on its way");
  return undefined;
}

function isUnderWay({ notes, clock }: CallContext): boolean {
  const sentAt = notes["sent_at"];
  return sentAt !== undefined && clock.now().getTime() - new Date(sentAt).getTime() < APPLIED_WITHIN_MS;
}

/** What a voucher says, as far as both the request and ARCA's record of it tell. */
function fingerprint({ Concepto, DocTipo, DocNro, CbteFch, ImpTotal }: Elements | Kept): string {
  const total = typeof ImpTotal === "string" ? fromDecimal(ImpTotal, "ARS") : ImpTotal;
  return [Concepto, DocTipo, Number(DocNro), CbteFch, String(total)].join("|");
}

/** Only what was authorized has a number; a refused one would be news. */
const stateOf = ({ Resultado }: Kept) => (Resultado === "R" ? "rejected" : "authorized");

function toObservation(id: VoucherId, found: Kept): Observation {
  const occurredAt = processedAt(found.FchProceso);
  return {
    ref: refOf(id),
    state: stateOf(found),
    action: found.Resultado,
    ...(occurredAt && { occurredAt }),
    ...(found.ImpTotal !== undefined && found.MonId === "PES" && { amountMinor: found.ImpTotal, currency: "ARS" as const }),
    result: toResult(id, found.CodAutorizacion, found.CbteFch),
  };
}

/** `20261120091501` in Buenos Aires. */
function processedAt(text: string): Date | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text);
  return parts ? new Date(`${parts.slice(1, 4).join("-")}T${parts.slice(4).join(":")}-03:00`) : undefined;
}

/** The PDF, with its QR code, is the issuer's to make: ARCA has none. */
const toResult = (id: VoucherId, cae: string, day: string) => ({
  id: refOf(id),
  status: "autorizada",
  number: `${String(id.pointOfSale).padStart(5, "0")}-${String(id.number).padStart(8, "0")}`,
  access_key: cae,
  ...(/^\d{8}$/.test(day) && { issued_at: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}` }),
});

function toDecline({ status, body }: Rejected): Declined {
  if (status === 401) return declined("unauthorized", typeof body === "string" ? body : "ARCA refused the certificate.");
  if (status === 429) return declined("rate_limited", "ARCA is limiting our requests.");
  return declined("not_permitted", `ARCA answered ${status}.`);
}
