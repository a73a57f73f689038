/** What a call asks to be sent, as Andreani's order takes it, or the field that stands in the way. */
import { parseTaxId } from "../../schema/documents.ts";
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import { toDecimal } from "../../schema/money.ts";
import type { ConnectionConfig } from "../provider.ts";
import { abroad, invalid, itemsOf, originOf, parcelOf, type Declined, type Parcel, type Place } from "../shipping.ts";

export interface Shipment {
  from: Party;
  to: Party;
  parcel: Parcel;
  description: string | undefined;
}

interface Party extends Place {
  email: string | undefined;
  identity: { documentoTipo: string; documentoNumero: string } | undefined;
}

/** Where nobody gave measures. Andreani measures again and bills what it finds. */
const LEAST_CM = { width: 10, height: 10, length: 10 };

export function toShipment(request: ShipRequest, settings: ConnectionConfig["settings"]): Shipment | Declined {
  const elsewhere = abroad(request, "AR");
  if (elsewhere) return elsewhere;
  const email = request.metadata?.["destination_email"];
  const from = toParty("origin", originOf(request, settings), settings["origin_email"]);
  if ("outcome" in from) return from;
  const to = toParty("destination", request.destination, typeof email === "string" ? email : undefined);
  if ("outcome" in to) return to;
  const items = itemsOf(request, settings);
  if ("outcome" in items) return items;
  return { from, to, parcel: parcelOf(items, settings, LEAST_CM), description: items[0]?.description };
}

/** A código postal is four digits, also out of the longer one with letters around them: C1425ABC. */
function toParty(field: "origin" | "destination", place: Place | undefined, email: string | undefined): Party | Declined {
  const [, postalCode] = /^[A-Z]?(\d{4})(?:[A-Z]{3})?$/i.exec(place?.postal_code.replaceAll(/\s/g, "") ?? "") ?? [];
  if (!place || !postalCode)
    return invalid(`${field}.postal_code`, `Expected a código postal of four digits${field === "origin" ? ", here or on the connection" : ""}.`);
  const identity = place.document === undefined ? undefined : identityOf(place.document);
  if (identity && "reason" in identity) return invalid(`${field}.document`, identity.reason);
  return { ...place, postal_code: postalCode, email, identity };
}

function identityOf(document: string): Party["identity"] | { reason: string } {
  const digits = document.replaceAll(/[.\s-]/g, "");
  if (/^\d{7,8}$/.test(digits)) return { documentoTipo: "DNI", documentoNumero: digits };
  const parsed = parseTaxId(document, { country: "AR" });
  return parsed.ok ? { documentoTipo: "CUIT", documentoNumero: parsed.value } : { reason: `Expected a DNI of 7 or 8 digits, or a CUIT: ${parsed.reason}.` };
}

/** One order of one parcel, ours by its `idPedido`. */
export function toOrder(
  { from, to, parcel, description }: Shipment, { contract, reference }: { contract: string; reference: string },
): object | Declined {
  const missing = missingIn("origin", from) ?? missingIn("destination", to);
  if (missing) return missing;
  return {
    contrato: contract,
    idPedido: reference,
    origen: { postal: toAddress(from) },
    destino: { postal: toAddress(to) },
    remitente: toPerson(from),
    destinatario: [toPerson(to)],
    bultos: [{
      kilos: Math.ceil(parcel.weightG) / 1_000,
      largoCm: parcel.lengthCm,
      anchoCm: parcel.widthCm,
      altoCm: parcel.heightCm,
      volumenCm: parcel.lengthCm * parcel.widthCm * parcel.heightCm,
      valorDeclaradoSinImpuestos: toNumber(parcel.declaredMinor),
      referencias: [{ meta: "idCliente", contenido: reference }],
      ...(description && { descripcion: description }),
    }],
  };
}

function missingIn(field: "origin" | "destination", { name, line_1: street, city }: Party): Declined | undefined {
  const [part] = Object.entries({ name, line_1: street, city }).find(([, value]) => !value) ?? [];
  return part === undefined ? undefined : invalid(`${field}.${part}`, "Andreani wants it on the label.");
}

const toAddress = ({ postal_code: postalCode, line_1: street, number, city, state }: Party) => ({
  codigoPostal: postalCode,
  calle: street,
  numero: number ?? "S/N",
  localidad: city,
  // Provinces are written by their ISO code; a name is left out rather than guessed at.
  ...(state && /^AR-[A-Z]$/.test(state) && { region: state }),
  pais: "Argentina",
});

/** Telephones are of type 1, mobile. */
const toPerson = ({ name, email, identity, phone }: Party) => ({
  nombreCompleto: name,
  ...(email && { email }),
  ...identity,
  ...(phone && { telefonos: [{ tipo: 1, numero: phone.replaceAll(/[^\d+]/g, "") }] }),
});

/** The wire wants JSON numbers. The shortest text of this double is the decimal itself, to 15 digits. */
const toNumber = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "ARS" }));
