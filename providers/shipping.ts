/**
 * What the adapters of carriers share: the parcel and the sender of a request, and the choice among the services on offer.
 */
import type { ShipRequest, ShipResult } from "../schema/meta-tools/ship.ts";
import { Rejected, Unanswered, type CallContext, type ConnectionField, type DeclineReason, type Outcome } from "./provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

export const declined = (reason: DeclineReason, message: string, field?: string): Declined =>
  ({ outcome: "declined", reason, message, ...(field && { field }) });

export const invalid = (field: string, message: string): Declined => declined("invalid_request", message, field);

export type Place = NonNullable<ShipRequest["destination"]>;
export type Item = NonNullable<ShipRequest["items"]>[number];
type Settings = Readonly<Record<string, string>>;

/** What `originOf` and `parcelOf` read of a connection, in the words of a country. */
export const senderSettings = (words: { postalCode: string; document: string; state: string }): ConnectionField[] => [
  optional("origin_postal_code", `Sender's ${words.postalCode}`, "Where parcels leave from when a call names no origin."),
  optional("origin_name", "Sender's name"),
  optional("origin_document", `Sender's ${words.document}`),
  optional("origin_phone", "Sender's phone"),
  optional("origin_line_1", "Sender's street"),
  optional("origin_number", "Sender's number"),
  optional("origin_city", "Sender's city"),
  optional("origin_state", `Sender's ${words.state}`),
];

export const parcelSettings: readonly ConnectionField[] = [
  optional("parcel_weight_g", "Usual parcel: weight in grams", "For calls without items."),
  optional("parcel_width_cm", "Usual parcel: width in centimetres", "For items without measures."),
  optional("parcel_height_cm", "Usual parcel: height in centimetres"),
  optional("parcel_length_cm", "Usual parcel: length in centimetres"),
];

export function optional(name: string, label: string, hint?: string): ConnectionField {
  return { name, label, secret: false, required: false, ...(hint && { hint }) };
}

/** The merchant sends, from the place a call names or else from its own. */
export function originOf({ origin }: ShipRequest, settings: Settings): Place | undefined {
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

const withoutUndefined = (values: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).flatMap(([name, value]) => (value ? [[name, value]] : [])));

/** A carrier of one country does not fetch or deliver in another. */
export function abroad({ origin, destination }: ShipRequest, country: string): Declined | undefined {
  const isAbroad = (place: Place | undefined) => place?.country !== undefined && place.country.toUpperCase() !== country;
  const field = isAbroad(destination) ? "destination.country" : isAbroad(origin) ? "origin.country" : undefined;
  return field && invalid(field, `Expected ${country}: parcels are sent within the country.`);
}

/** `items`, or the connection's usual parcel in their place. */
export function itemsOf({ items }: ShipRequest, settings: Settings): readonly Item[] | Declined {
  if (items?.length) return items;
  const weight = measure(settings, "parcel_weight_g");
  return weight === undefined
    ? invalid("items", "Expected what is sent: at least one item with its weight_g.")
    : [{ weight_g: weight, quantity: 1 }];
}

export interface Parcel {
  weightG: number;
  widthCm: number;
  heightCm: number;
  lengthCm: number;
  declaredMinor: bigint;
}

/** All items in one box, one on the other. `leastCm` is the smallest side there, where nobody gave measures. */
export function parcelOf(
  items: readonly Item[], settings: Settings, leastCm: { width: number; height: number; length: number },
): Parcel {
  const side = (item: Item, name: "width" | "height" | "length") =>
    item[`${name}_cm`] ?? measure(settings, `parcel_${name}_cm`) ?? leastCm[name];
  const sum = (of: (item: Item) => number) => items.reduce((total, item) => total + of(item) * item.quantity, 0);
  return {
    weightG: sum((item) => item.weight_g),
    widthCm: Math.ceil(Math.max(...items.map((item) => side(item, "width")))),
    heightCm: Math.ceil(sum((item) => side(item, "height"))),
    lengthCm: Math.ceil(Math.max(...items.map((item) => side(item, "length")))),
    declaredMinor: items.reduce(
      (total, { declared_value: value, quantity }) => total + (value ?? 0n) * BigInt(quantity),
      0n,
    ),
  };
}

function measure(settings: Settings, name: string): number | undefined {
  const value = Number(settings[name]);
  return value > 0 ? value : undefined;
}

/** A carrier's service, for this parcel on this route. */
export interface Offer {
  id: string;
  service: string;
  carrier: string;
  costMinor: bigint;
  days: number | undefined;
}

/** The offers of one carrier, or of all; cheapest first, at least one. */
export function ofCarrier<Kind extends Offer>(
  { offers, refusals }: { offers: readonly Kind[]; refusals: readonly string[] }, carrier: string | undefined,
): Kind[] | Declined {
  if (offers.length === 0)
    return declined("refused", `No carrier takes this parcel on this route. ${refusals.slice(0, 3).join("; ")}`.trim());
  const ranked = [...offers].sort(byCost);
  if (!carrier) return ranked;
  const matching = ranked.filter((offer) => plain(offer.carrier).includes(plain(carrier)));
  if (matching.length > 0) return matching;
  const available = [...new Set(offers.map((offer) => offer.carrier))].sort().join(", ");
  return invalid("carrier", `This carrier does not take this parcel on this route. Available: ${available}.`);
}

const byCost = (a: Offer, b: Offer): number =>
  Number(a.costMinor - b.costMinor) || a.id.localeCompare(b.id, "en", { numeric: true });
const byDays = (a: Offer, b: Offer): number => (a.days ?? Infinity) - (b.days ?? Infinity) || byCost(a, b);
const plain = (name: string): string => name.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().trim();

/** The one that a call asks for, of offers with the cheapest first. */
export function choose<Kind extends Offer>(
  offers: readonly Kind[] | Declined, { service_id: id, service_level: level }: ShipRequest,
): Kind | Declined {
  if ("outcome" in offers) return offers;
  if (id !== undefined) {
    const available = offers.map((offer) => `${offer.id} (${offer.carrier} ${offer.service})`).join(", ");
    return offers.find((offer) => offer.id === id) ??
      invalid("service_id", `This service does not take this parcel on this route. Available: ${available}.`);
  }
  const ranked = level === "fastest" ? [...offers].sort(byDays) : offers;
  // Standard is our word, not theirs: the one in the middle by price.
  return ranked[level === "standard" ? (ranked.length - 1) >> 1 : 0]!;
}

/** A quote changes nothing there and has no id there: ours names it. */
export const quoted = (offers: readonly Offer[], { reference }: CallContext): Outcome<ShipResult> => ({
  outcome: "accepted", ref: reference, state: "pending", action: "quoted",
  result: {
    id: reference,
    status: "quoted",
    quotes: offers.map(({ id, service, carrier, costMinor, days }) => ({
      service_id: id,
      carrier,
      service,
      cost_minor: costMinor,
      ...(days !== undefined && { delivery_days: days }),
    })),
  },
});

/** What may fail without hiding what is done already; a later lookup makes up for it. */
export async function softly<Value>(ask: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Rejected || error instanceof Unanswered) return undefined;
    throw error;
  }
}
