/** What a call asks to be sent, as Melhor Envio's quote and cart take it, or the field that stands in the way. */
import { parseDocument, parseTaxId } from "../../schema/documents.ts";
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import { toDecimal } from "../../schema/money.ts";
import type { ConnectionConfig } from "../provider.ts";
import { invalid, itemsOf, originOf, parcelOf, type Declined, type Parcel, type Place } from "../shipping.ts";

export interface Shipment {
  from: Place;
  to: Place;
  parcel: Parcel;
  /** What is inside, as the declaration of content lists it. */
  contents: { name: string; quantity: number; unitary_value: number }[];
  /** The access key of the NF-e that travels with it; without one it travels with a declaration of content. */
  invoiceKey: string | undefined;
}

export function toShipment(request: ShipRequest, settings: ConnectionConfig["settings"]): Shipment | Declined {
  const from = toPlace("origin", originOf(request, settings));
  if ("outcome" in from) return from;
  const to = toPlace("destination", request.destination);
  if ("outcome" in to) return to;
  const items = itemsOf(request, settings);
  if ("outcome" in items) return items;
  const key = request.metadata?.["nfe_key"];
  const parsed = key === undefined ? undefined : parseDocument(String(key), ["nfe_key"]);
  if (parsed && !parsed.ok) return invalid("metadata.nfe_key", parsed.reason);
  return {
    from,
    to,
    parcel: parcelOf(items, settings, LEAST_CM),
    contents: items.map(({ description, quantity, declared_value: value }) =>
      ({ name: description ?? "Mercadoria", quantity, unitary_value: toNumber(value ?? 0n) })),
    invoiceKey: parsed?.value,
  };
}

function toPlace(field: "origin" | "destination", place: Place | undefined): Place | Declined {
  if (!place) {
    const instead = field === "origin" ? ", or origin_postal_code on the connection" : "";
    return invalid(`${field}.postal_code`, `Expected a CEP${instead}.`);
  }
  const cep = parseDocument(place.postal_code, ["cep"]);
  if (!cep.ok) return invalid(`${field}.postal_code`, cep.reason);
  // Which documents a live project may send is decided before this; the published sample of test projects passes.
  const document = place.document === undefined ? undefined : parseTaxId(place.document, { environment: "test" });
  if (document && !document.ok) return invalid(`${field}.document`, document.reason);
  return { ...place, postal_code: cep.value, ...(document && { document: document.value }) };
}

/**
 * The least Correios takes. The carrier measures again and charges the difference. A label is one volume, because Correios,
 * Loggi and J&T refuse several.
 */
const LEAST_CM = { width: 11, height: 2, length: 16 };

/** What every carrier is asked for its price. */
export const toQuestion = ({ from, to, parcel }: Shipment) => ({
  from: { postal_code: from.postal_code },
  to: { postal_code: to.postal_code },
  products: [{ id: "1", ...toVolume(parcel), insurance_value: toNumber(parcel.declaredMinor), quantity: 1 }],
  options: { receipt: false, own_hand: false },
});

/** One label, ours by its tag. */
export const toCart = (
  { from, to, parcel, contents, invoiceKey }: Shipment,
  { serviceId, reference }: { serviceId: number; reference: string },
) => ({
  service: serviceId,
  from: toParty(from),
  to: toParty(to),
  products: contents,
  volumes: [toVolume(parcel)],
  options: {
    insurance_value: toNumber(parcel.declaredMinor),
    receipt: false,
    own_hand: false,
    non_commercial: invoiceKey === undefined,
    ...(invoiceKey !== undefined && { invoice: { key: invoiceKey } }),
    platform: "codespar-server",
    tags: [{ tag: reference }],
  },
});

const toParty = ({ name, document, phone, line_1: address, number, city, state, postal_code: postalCode }: Place) => ({
  name,
  phone,
  ...(document && { [document.length === 14 ? "company_document" : "document"]: document }),
  address,
  number,
  city,
  state_abbr: state,
  country_id: "BR",
  postal_code: postalCode,
});

/** The wire wants JSON numbers. The shortest text of this double is the decimal itself, to 15 digits. */
const toNumber = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

const toVolume = ({ weightG, widthCm, heightCm, lengthCm }: Parcel) =>
  ({ width: widthCm, height: heightCm, length: lengthCm, weight: Math.ceil(weightG) / 1000 });
