/**
 * Correios: quotes, pre-postings and tracking of the Brazilian post, on the merchant's own contract.
 * Reference: CWS, the APIs Token, Preço, Prazo, CEP, Pré-Postagem and Rastro, as public clients of them show; see README.md.
 * Quirks: prices are text with a decimal comma, times have no zone and are Brasília's, and a pre-posting takes no money:
 * the contract is billed once the parcel is posted.
 */
import { z } from "zod";
import type { ShipRequest, ShipResult } from "../../schema/meta-tools/ship.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { StateOf } from "../../schema/settlement.ts";
import { httpClient, type HttpClient } from "../http.ts";
import { orDeclined } from "../parts.ts";
import {
  Rejected, SetupMissing, Unanswered,
  type CallContext, type ConnectionConfig, type Fetch, type LookupSubject, type Observation, type Outcome, type Provider,
  type ProviderDefinition,
} from "../provider.ts";
import {
  choose, declined, invalid, ofCarrier, optional, parcelSettings, quoted, senderSettings, softly, type Declined, type Offer,
} from "../shipping.ts";
import { withBearer } from "../tokens.ts";
import { toPrePosting, toShipment, type Address, type Shipment } from "./shipment.ts";
import { tools } from "./tools.ts";

const required = (name: string, label: string, hint: string) => ({ name, label, secret: false, required: true, hint });

export const correios: ProviderDefinition = {
  id: "correios",
  title: "Correios",
  category: "logistics",
  country: "BR",
  authType: "oauth",
  hosts: { live: "https://api.correios.com.br", test: "https://apihom.correios.com.br" },
  credentials: [
    required("user", "User of Meu Correios", "Often the CNPJ."),
    { name: "access_code", label: "Access code", secret: true, required: true, hint: "Made at cws.correios.com.br; not the password." },
  ],
  settings: [
    required("posting_card", "Posting card", "Cartão de postagem: its contract is billed."),
    required("contract", "Contract number", "Its prices are quoted."),
    required("contract_dr", "Regional board", "The DR number beside the contract."),
    optional("services", "Services", "Product codes of the contract; 03220,03298 (SEDEX and PAC) when empty."),
    ...senderSettings({ postalCode: "CEP", document: "CPF or CNPJ", state: "state, two letters: SP" }),
    ...parcelSettings,
  ],
  repeats: "ignores",
  connect,
  native: { client: clientFor, tools },
};

/** A pre-posting that the list does not show by then was never made: three times what we wait for an answer. */
export const SHOWN_WITHIN_MS = 60_000;
/** Pages of the list that a lookup reads: a thousand pre-postings of two days. */
const PAGES_MAX = 20;
const PAGE_SIZE = 50;

function connect(connection: ConnectionConfig, fetch: Fetch): Provider {
  const api = { http: clientFor(connection, fetch), connection };
  return {
    quote: orDeclined((request, call) => quote(api, request, call), toDecline),
    label: orDeclined((request, call) => label(api, request, call), toDecline),
    track: orDeclined((request, call) => track(api, request, call), toDecline),
    lookup: (subject, call) => lookup(api, subject, call),
  };
}

interface Api {
  http: HttpClient;
  connection: ConnectionConfig;
}

function clientFor({ credentials, settings, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const http = httpClient({ provider: "correios", baseUrl, fetch });
  const basic = Buffer.from(`${credentials["user"] ?? ""}:${credentials["access_code"] ?? ""}`).toString("base64");
  const card = settings["posting_card"] ?? "";
  // A token is of a posting card, so two connections of one user may not share theirs.
  return withBearer(http, { provider: "correios", baseUrl, credentials: { ...credentials, card } }, async (call) => {
    const headers = { authorization: `Basic ${basic}` };
    const granted = await http.ask({ method: "POST", path: "/token/v1/autentica/cartaopostagem", headers, body: { numero: card } }, Token, call);
    return { token: granted.token, expiresInSeconds: (timeOf(granted.expiraEm).getTime() - call.clock.now().getTime()) / 1_000 };
  });
}

function requireSetup({ credentials, settings }: ConnectionConfig): void {
  for (const name of ["user", "access_code"]) if (!credentials[name]) throw new SetupMissing(name);
  for (const name of ["posting_card", "contract", "contract_dr"]) if (!settings[name]) throw new SetupMissing(name);
}

async function quote({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const offers = ofCarrier(await calculate(http, shipment, connection, call), request.carrier);
  return "outcome" in offers ? offers : quoted(offers, call);
}

/** Prices, the districts that the tool has no field for, and then the pre-posting. */
async function label({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const shipment = toShipment(request, connection.settings);
  if ("outcome" in shipment) return shipment;
  const offer = choose(ofCarrier(await calculate(http, shipment, connection, call), request.carrier), request);
  if ("outcome" in offer) return offer;
  const body = toPrePosting(shipment, {
    service: offer.id,
    card: connection.settings["posting_card"] ?? "",
    reference: call.reference,
    known: { from: await addressOf(http, shipment.from.postal_code, call), to: await addressOf(http, shipment.to.postal_code, call) },
  });
  if ("outcome" in body) return body;
  await call.note({ sent_at: call.clock.now().toISOString() });
  const made = await http.act({ method: "POST", path: "/prepostagem/v1/prepostagens", body }, PrePosting, call);
  const state = stateOf(made);
  return {
    outcome: "accepted",
    ref: made.id,
    state,
    action: wordOf(made),
    result: {
      ...toResult(made, state),
      service: offer.service,
      ...(offer.days !== undefined && { estimated_delivery: `within ${offer.days} days of posting` }),
      cost_minor: offer.costMinor,
    },
  };
}

/** What the CEP directory says of a place; nothing where the contract does not include it. */
const addressOf = async (http: HttpClient, cep: string, call: CallContext): Promise<Address> =>
  (await softly(() => http.ask({ method: "GET", path: `/cep/v2/enderecos/${cep}` }, Cep, call))) ?? {};

async function calculate(
  http: HttpClient, { from, to, parcel }: Shipment, { settings }: ConnectionConfig, call: CallContext,
): Promise<{ offers: Offer[]; refusals: string[] }> {
  const codes = (settings["services"] || "03220,03298").split(",").map((code) => code.trim());
  const route = { cepOrigem: from.postal_code, cepDestino: to.postal_code };
  const parametrosProduto = codes.map((code, index) => ({
    coProduto: code, nuRequisicao: String(index + 1), nuContrato: settings["contract"], nuDR: Number(settings["contract_dr"]), ...route,
    psObjeto: String(Math.ceil(parcel.weightG)), tpObjeto: "2",
    comprimento: String(parcel.lengthCm), largura: String(parcel.widthCm), altura: String(parcel.heightCm),
  }));
  const parametrosPrazo = codes.map((code, index) => ({ coProduto: code, nuRequisicao: String(index + 1), ...route }));
  const price = { method: "POST", path: "/preco/v1/nacional", body: { idLote: "1", parametrosProduto } } as const;
  const deadline = { method: "POST", path: "/prazo/v1/nacional", body: { idLote: "1", parametrosPrazo } } as const;
  const [prices, deadlines] = [await http.ask(price, z.array(Price), call), await http.ask(deadline, z.array(Deadline), call)];
  const offers: Offer[] = [];
  const refusals: string[] = [];
  for (const { coProduto: id, pcFinal, txErro } of prices) {
    const term = deadlines.find(({ coProduto }) => coProduto === id);
    const service = names[id] ?? id;
    const refusal = txErro || term?.txErro;
    if (!refusal && pcFinal !== undefined) offers.push({ id, service, carrier: "Correios", costMinor: pcFinal, days: term?.prazoEntrega ?? undefined });
    else refusals.push(`${service}: ${refusal ?? "no price"}`);
  }
  return { offers, refusals };
}

const names: Partial<Record<string, string>> = { "03220": "SEDEX", "03298": "PAC", "04227": "Mini Envios" };

async function track({ http, connection }: Api, request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>> {
  requireSetup(connection);
  const code = request.tracking_code?.replaceAll(/\s/g, "").toUpperCase() ?? "";
  if (!OBJECT_CODE.test(code)) return invalid("tracking_code", "Expected the code of an object: two letters, nine digits, two letters.");
  const object = await objectOf(http, code, call);
  const last = eventsOf(object).at(-1);
  if (!last) return invalid("tracking_code", object?.mensagem ?? "Correios has no events of an object under this code.");
  const state = movementOf(object);
  return {
    outcome: "accepted", ref: code, state, action: last.descricao,
    result: {
      id: code,
      status: state,
      carrier: "Correios",
      tracking_code: code,
      events: eventsOf(object).map(({ descricao, dtHrCriado }) => ({ status: descricao, at: dtHrCriado })),
    },
  };
}

const OBJECT_CODE = /^[A-Z]{2}\d{9}[A-Z]{2}$/;

async function objectOf(http: HttpClient, code: string, call: CallContext): Promise<PostalObject | undefined> {
  const { objetos } = await http.ask({ method: "GET", path: `/srorastro/v1/objetos/${code}`, query: { resultado: "T" } }, Tracked, call);
  return objetos[0];
}

// Only the fields we read, in every answer below.
const Token = z.object({ token: z.string().min(1), expiraEm: z.string() });
const Cep = z.object({
  logradouro: z.string().nullish(), bairro: z.string().nullish(), localidade: z.string().nullish(), uf: z.string().nullish(),
});
const Price = z.object({
  coProduto: z.string(),
  pcFinal: z.string().nullish().transform((text) => (text == null ? undefined : fromDecimal(text.replaceAll(".", "").replace(",", "."), "BRL"))),
  txErro: z.string().nullish(),
});
const Deadline = z.object({ coProduto: z.string(), prazoEntrega: z.int().nullish(), txErro: z.string().nullish() });
const PrePosting = z.object({
  id: z.string().min(1),
  codigoObjeto: z.string().nullish(),
  statusAtual: z.int().nullish(),
  descStatusAtual: z.string().nullish(),
  observacao: z.string().nullish(),
});
type PrePosting = z.output<typeof PrePosting>;
const Listed = z.object({ itens: z.array(PrePosting).nullish(), page: z.object({ last: z.boolean().nullish() }).nullish() });
const PostalEvent = z.object({ codigo: z.string(), tipo: z.string(), descricao: z.string(), dtHrCriado: z.string() });
const PostalObject = z.object({ mensagem: z.string().nullish(), eventos: z.array(PostalEvent).nullish() });
type PostalObject = z.output<typeof PostalObject>;
const Tracked = z.object({ objetos: z.array(PostalObject) });

type ShipmentState = StateOf<"shipment">;

/** 1 pre-attended, 2 pre-posted, 3 posted, 4 expired, 5 cancelled, 6 reversed, 7 pending. */
const states: Partial<Record<number, ShipmentState>> = { 2: "label_ready", 3: "posted", 4: "cancelled", 5: "cancelled", 6: "cancelled" };
const stateOf = ({ statusAtual }: PrePosting): ShipmentState => states[statusAtual ?? 0] ?? "pending";
const wordOf = ({ statusAtual, descStatusAtual }: PrePosting): string => descStatusAtual || `status ${statusAtual ?? "unknown"}`;

const toResult = ({ id, codigoObjeto }: PrePosting, state: ShipmentState): ShipResult =>
  ({ id, status: state, carrier: "Correios", ...(codigoObjeto && { tracking_code: codigoObjeto }) });

/** Oldest first, whichever way they came. */
const eventsOf = (object: PostalObject | undefined) =>
  (object?.eventos ?? []).toSorted((a, b) => a.dtHrCriado.localeCompare(b.dtHrCriado));

/** The scan at the door decides: type 01 is delivered to the addressee, 23 given back to the sender; before that it is on its way. */
function movementOf(object: PostalObject | undefined): ShipmentState {
  const atTheDoor = eventsOf(object).filter(({ codigo }) => ["BDE", "BDI", "BDR"].includes(codigo));
  if (atTheDoor.some(({ tipo }) => tipo.padStart(2, "0") === "01")) return "delivered";
  return atTheDoor.some(({ tipo }) => tipo === "23") ? "returned" : "posted";
}

/** The time of the attempt is written down before the pre-posting is sent: a call without one has made none. */
async function lookup({ http, connection }: Api, { ref, reference }: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  requireSetup(connection);
  const sentAt = call.notes["sent_at"];
  if (ref === undefined && sentAt === undefined) return undefined;
  const found = ref === undefined ? await ourOwn(http, reference, sentAt!, call) : (await list(http, { id: ref }, call)).itens?.[0];
  if (found) return observe(http, found, call);
  if (ref !== undefined || call.clock.now().getTime() - new Date(sentAt!).getTime() < SHOWN_WITHIN_MS)
    throw new Unanswered("correios: it does not show the pre-posting");
  return undefined;
}

/** No field of theirs is searched by our reference, so the pre-postings of those days are read. */
async function ourOwn(http: HttpClient, reference: string, sentAt: string, call: CallContext): Promise<PrePosting | undefined> {
  const day = (add: number) => new Date(new Date(sentAt).getTime() + add * 86_400_000 - BRASILIA_MS).toISOString().slice(0, 10);
  const dates = { dataInicialCriacaoPrePostagem: day(0), dataFinalCriacaoPrePostagem: day(1) };
  for (let number = 0; number < PAGES_MAX; number++) {
    const { itens, page } = await list(http, { ...dates, page: String(number), size: String(PAGE_SIZE) }, call);
    const found = itens?.find(({ observacao }) => observacao?.includes(reference));
    if (found) return found;
    if (page?.last ?? (itens?.length ?? 0) < PAGE_SIZE) return undefined;
  }
  throw new Unanswered("correios: too many pre-postings to find this one among them");
}

const list = (http: HttpClient, query: Record<string, string>, call: CallContext) =>
  http.ask({ method: "GET", path: "/prepostagem/v2/prepostagens", query }, Listed, call);

/** What became of it: the pre-posting knows until it is posted, the tracking from then on. */
async function observe(http: HttpClient, found: PrePosting, call: CallContext): Promise<Observation> {
  const code = found.codigoObjeto;
  const object = stateOf(found) === "posted" && code ? await objectOf(http, code, call) : undefined;
  const last = eventsOf(object).at(-1);
  const state = last ? movementOf(object) : stateOf(found);
  return {
    ref: found.id,
    state,
    action: last?.descricao ?? wordOf(found),
    ...(last && { occurredAt: timeOf(last.dtHrCriado) }),
    result: { ...toResult(found, state) },
  };
}

const BRASILIA_MS = 3 * 3_600_000;

/** `2026-11-20T09:00:00`, Brasília's time unless it says otherwise. */
const timeOf = (text: string): Date => new Date(/(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}-03:00`);

function toDecline({ status, body }: Rejected): Declined {
  const message = Refusal.safeParse(body).data?.msgs?.join(" ") || `Correios answered ${status}.`;
  if (status === 401) return declined("unauthorized", "Correios refused the user, the access code or the posting card.");
  if (status === 403) return declined("not_permitted", `The contract does not include this API. ${message}`);
  if (status === 429) return declined("rate_limited", "Correios is limiting our requests.");
  return declined(status === 400 ? "invalid_request" : "refused", message);
}

const Refusal = z.object({ msgs: z.array(z.string()).nullish() });
