/** What a call asks to be sent, as Correios takes it, or the field that stands in the way. */
import { parseDocument, parseTaxId } from "../../schema/documents.ts";
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import { toDecimal } from "../../schema/money.ts";
import type { ConnectionConfig } from "../provider.ts";
import { abroad, invalid, itemsOf, originOf, parcelOf, type Declined, type Item, type Parcel, type Place } from "../shipping.ts";

export interface Shipment {
  from: Place;
  to: Place;
  parcel: Parcel;
  items: readonly Item[];
  /** The access key of the NF-e that travels with it; without one it travels with a declaration of content. */
  invoiceKey: string | undefined;
}

/** What the CEP directory knows of a place, in its words. */
export interface Address {
  logradouro?: string | null | undefined;
  bairro?: string | null | undefined;
  localidade?: string | null | undefined;
  uf?: string | null | undefined;
}

/** The least side of a box there. */
const LEAST_CM = { width: 11, height: 2, length: 16 };

export function toShipment(request: ShipRequest, settings: ConnectionConfig["settings"]): Shipment | Declined {
  const elsewhere = abroad(request, "BR");
  if (elsewhere) return elsewhere;
  const from = toPlace("origin", originOf(request, settings));
  if ("outcome" in from) return from;
  const to = toPlace("destination", request.destination);
  if ("outcome" in to) return to;
  const items = itemsOf(request, settings);
  if ("outcome" in items) return items;
  const key = request.metadata?.["nfe_key"];
  const parsed = key === undefined ? undefined : parseDocument(String(key), ["nfe_key"]);
  if (parsed && !parsed.ok) return invalid("metadata.nfe_key", parsed.reason);
  return { from, to, parcel: parcelOf(items, settings, LEAST_CM), items, invoiceKey: parsed?.value };
}

function toPlace(field: "origin" | "destination", place: Place | undefined): Place | Declined {
  if (!place) return invalid(`${field}.postal_code`, `Expected a CEP${field === "origin" ? ", or origin_postal_code on the connection" : ""}.`);
  const cep = parseDocument(place.postal_code, ["cep"]);
  if (!cep.ok) return invalid(`${field}.postal_code`, cep.reason);
  // Which documents a live project may send is decided before this; the published sample of test projects passes.
  const document = place.document === undefined ? undefined : parseTaxId(place.document, { environment: "test" });
  if (document && !document.ok) return invalid(`${field}.document`, document.reason);
  return { ...place, postal_code: cep.value, ...(document && { document: document.value }) };
}

/** One pre-posting, ours by its remark. */
export function toPrePosting(
  { from, to, parcel, items, invoiceKey }: Shipment,
  { service, card, reference, known }: { service: string; card: string; reference: string; known: { from: Address; to: Address } },
): object | Declined {
  const sender = toParty("origin", from, known.from);
  if ("outcome" in sender) return sender;
  const addressee = toParty("destination", to, known.to);
  if ("outcome" in addressee) return addressee;
  return {
    remetente: sender,
    destinatario: addressee,
    codigoServico: service,
    numeroCartaoPostagem: card,
    pesoInformado: String(Math.ceil(parcel.weightG)),
    codigoFormatoObjetoInformado: "2",
    alturaInformada: String(parcel.heightCm),
    larguraInformada: String(parcel.widthCm),
    comprimentoInformado: String(parcel.lengthCm),
    cienteObjetoNaoProibido: "1",
    solicitarColeta: "N",
    observacao: reference,
    ...(invoiceKey ? { chaveNFe: invoiceKey } : { itensDeclaracaoConteudo: items.map(toContent) }),
  };
}

const toContent = ({ description, quantity, declared_value: value }: Item) => ({
  conteudo: (description ?? "Mercadoria").slice(0, 60),
  quantidade: String(quantity),
  valor: toDecimal({ amountMinor: value ?? 0n, currency: "BRL" }),
});

/** A place in full: what the call leaves out, the CEP says where it names one street only. */
function toParty(field: "origin" | "destination", place: Place, known: Address) {
  const { name, document, phone, line_1: street = known.logradouro, city = known.localidade, state = known.uf, number } = place;
  const missing = { name, line_1: street, city, state };
  for (const [part, value] of Object.entries(missing)) {
    if (!value) return invalid(`${field}.${part}`, "Correios wants it on the label, and the CEP does not tell it.");
  }
  return {
    nome: name,
    ...(document && { cpfCnpj: document }),
    ...phoneOf(phone),
    endereco: {
      cep: place.postal_code, logradouro: street, numero: number ?? "S/N",
      ...(known.bairro && { bairro: known.bairro }), cidade: city, uf: state,
    },
  };
}

/** Area code and number apart, a mobile one by its nine digits; what is neither is left out, since nobody has to have a phone. */
function phoneOf(phone: string | undefined): Record<string, string> {
  const [, area, number] = /^(?:55)?(\d{2})(\d{8,9})$/.exec(phone?.replaceAll(/\D/g, "").replace(/^0/, "") ?? "") ?? [];
  if (!area || !number) return {};
  return number.length === 9 ? { dddCelular: area, celular: number } : { dddTelefone: area, telefone: number };
}
