/** What a call asks to be sent, as Melhor Envio's quote and cart take it, or the field that stands in the way. */
import { parseDocument, parseTaxId } from "../../schema/documents.ts";
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import { toDecimal } from "../../schema/money.ts";
import type { ConnectionConfig, DeclineReason, Outcome } from "../provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

export const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message, ...(field && { field }) });

export const invalid = (field: string, message: string): Declined => declined("invalid_request", message, field);

type Place = NonNullable<ShipRequest["destination"]>;

export interface Shipment {
  from: Place;
  to: Place;
  parcel: Parcel;
  /** What is inside, as the declaration of content lists it. */
  contents: { name: string; quantity: number; unitary_value: number }[];
  /** The access key of the NF-e that travels with it; without one it travels with a declaration of content. */
  invoiceKey: string | undefined;
}

interface Parcel {
  weightG: number;
  widthCm: number;
  heightCm: number;
  lengthCm: number;
  insuredMinor: bigint;
}

export function toShipment(request: ShipRequest, settings: ConnectionConfig["settings"]): Shipment | Declined {
  const from = toPlace("origin", originOf(request, settings));
  if ("outcome" in from) return from;
  const to = toPlace("destination", request.destination);
  if ("outcome" in to) return to;
  const items = request.items?.length ? request.items : usualItems(settings);
  if (!items) return invalid("items", "Expected what is sent: at least one item with its weight_g.");
  const key = request.metadata?.["nfe_key"];
  const parsed = key === undefined ? undefined : parseDocument(String(key), ["nfe_key"]);
  if (parsed && !parsed.ok) return invalid("metadata.nfe_key", parsed.reason);
  return {
    from,
    to,
    parcel: toParcel(items, settings),
    contents: items.map(({ description, quantity, declared_value: value }) =>
      ({ name: description ?? "Mercadoria", quantity, unitary_value: toNumber(value ?? 0n) })),
    invoiceKey: parsed?.value,
  };
}

/** The merchant sends, from the place a call names or else from its own. */
function originOf({ origin }: ShipRequest, settings: ConnectionConfig["settings"]): Place | undefined {
  const own = (field: string) => settings[`origin_${field}`];
  const sender = withoutUndefined({ name: own("name"), document: own("document"), phone: own("phone") });
  if (origin) return { ...sender, ...origin };
  const postalCode = own("postal_code");
  if (!postalCode) return undefined;
  const address = withoutUndefined({
    line_1: own("line_1"),
    number: own("number"),
    city: own("city"),
    state: own("state"),
  });
  return { ...sender, ...address, postal_code: postalCode };
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

type Item = NonNullable<ShipRequest["items"]>[number];

function usualItems(settings: ConnectionConfig["settings"]): Item[] | undefined {
  const weight = measure(settings, "parcel_weight_g");
  return weight === undefined ? undefined : [{ weight_g: weight, quantity: 1 }];
}

function measure(settings: ConnectionConfig["settings"], name: string): number | undefined {
  const value = Number(settings[name]);
  return value > 0 ? value : undefined;
}

/** The least Correios takes, where nobody gave measures. The carrier measures again and charges the difference. */
const LEAST_CM = { width: 11, height: 2, length: 16 };

/** All items in one box, one on the other: a label is one volume, because Correios, Loggi and J&T refuse several. */
function toParcel(items: readonly Item[], settings: ConnectionConfig["settings"]): Parcel {
  const side = (item: Item, name: "width" | "height" | "length") =>
    item[`${name}_cm`] ?? measure(settings, `parcel_${name}_cm`) ?? LEAST_CM[name];
  const sum = (of: (item: Item) => number) => items.reduce((total, item) => total + of(item) * item.quantity, 0);
  return {
    weightG: sum((item) => item.weight_g),
    widthCm: Math.ceil(Math.max(...items.map((item) => side(item, "width")))),
    heightCm: Math.ceil(sum((item) => side(item, "height"))),
    lengthCm: Math.ceil(Math.max(...items.map((item) => side(item, "length")))),
    insuredMinor: items.reduce(
      (total, { declared_value: value, quantity }) => total + (value ?? 0n) * BigInt(quantity),
      0n,
    ),
  };
}

/** What every carrier is asked for its price. */
export const toQuestion = ({ from, to, parcel }: Shipment) => ({
  from: { postal_code: from.postal_code },
  to: { postal_code: to.postal_code },
  products: [{ id: "1", ...toVolume(parcel), insurance_value: toNumber(parcel.insuredMinor), quantity: 1 }],
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
    insurance_value: toNumber(parcel.insuredMinor),
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

const withoutUndefined = (values: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value ? [[name, value]] : [])));

/** The wire wants JSON numbers. The shortest text of this double is the decimal itself, to 15 digits. */
const toNumber = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

const toVolume = ({ weightG, widthCm, heightCm, lengthCm }: Parcel) =>
  ({ width: widthCm, height: heightCm, length: lengthCm, weight: Math.ceil(weightG) / 1000 });
