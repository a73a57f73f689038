/** What a call asks to be sent, as Skydropx' quotation and purchase take it, or the field that stands in the way. */
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import { toDecimal } from "../../schema/money.ts";
import type { CallContext, ConnectionConfig } from "../provider.ts";
import { abroad, invalid, itemsOf, originOf, parcelOf, type Declined, type Parcel, type Place } from "../shipping.ts";

export interface Shipment {
  from: Party;
  to: Party;
  parcel: Parcel;
  /** Of the SAT's catalogue of goods, for the Carta Porte. */
  consignmentNote: string;
  packageType: string;
}

interface Party extends Place {
  email: string;
  /** The colonia, for which the tool has no field. */
  district: string | undefined;
}

/** Where nobody gave measures. Carriers measure again and charge the difference. */
const LEAST_CM = { width: 10, height: 10, length: 10 };
/** A longer `reference` of an address is refused. */
const REFERENCE_CHARS_MAX = 30;

export function toShipment(request: ShipRequest, settings: ConnectionConfig["settings"]): Shipment | Declined {
  const elsewhere = abroad(request, "MX");
  if (elsewhere) return elsewhere;
  const told = (name: string) => (typeof request.metadata?.[name] === "string" ? request.metadata[name] : undefined);
  const email = settings["contact_email"] ?? "";
  const from = toParty("origin", originOf(request, settings), { email, district: request.origin ? told("origin_district") : settings["origin_district"] });
  if ("outcome" in from) return from;
  const to = toParty("destination", request.destination, { email: told("destination_email") ?? email, district: told("destination_district") });
  if ("outcome" in to) return to;
  const items = itemsOf(request, settings);
  if ("outcome" in items) return items;
  const consignmentNote = told("consignment_note") ?? settings["consignment_note"] ?? "";
  if (!/^\d{8}$/.test(consignmentNote)) return invalid("metadata.consignment_note", "Expected the eight digits of a code of the SAT's catalogue.");
  return { from, to, parcel: parcelOf(items, settings, LEAST_CM), consignmentNote, packageType: settings["package_type"] || "4G" };
}

function toParty(
  field: "origin" | "destination", place: Place | undefined, more: { email: string; district: string | undefined },
): Party | Declined {
  const postalCode = place?.postal_code.replaceAll(/\s/g, "") ?? "";
  if (!place || !/^\d{5}$/.test(postalCode))
    return invalid(`${field}.postal_code`, `Expected a código postal of five digits${field === "origin" ? ", here or on the connection" : ""}.`);
  if (!place.state) return invalid(`${field}.state`, "Expected the state: Nuevo León.");
  if (!place.city) return invalid(`${field}.city`, "Expected the city or municipality.");
  return { ...place, ...more, postal_code: postalCode };
}

/** One parcel for every carrier. The reference tells quotations of the same parcel apart, which Skydropx would make one. */
export const toQuotation = ({ from, to, parcel }: Shipment, { reference }: CallContext) => ({
  quotation: {
    address_from: { ...toArea(from), reference: shortened(reference) },
    address_to: toArea(to),
    parcels: [{
      length: parcel.lengthCm, width: parcel.widthCm, height: parcel.heightCm, weight: Math.ceil(parcel.weightG) / 1000, ...insuranceOf(parcel),
    }],
  },
});

const toArea = ({ postal_code: postalCode, state, city, district }: Party) => ({
  country_code: "MX", postal_code: postalCode, area_level1: state, area_level2: city, ...(district && { area_level3: district }),
});

const shortened = (reference: string): string => reference.slice(0, REFERENCE_CHARS_MAX);

/** A declared value is insured, as its price shows. */
const insuranceOf = ({ declaredMinor }: Parcel) =>
  declaredMinor > 0n ? { package_protected: true, declared_value: toNumber(declaredMinor) } : { package_protected: false };

/** The wire wants JSON numbers. The shortest text of this double is the decimal itself, to 15 digits. */
const toNumber = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "MXN" }));

/** The parcel of a rate, bought once however often it is asked for. */
export function toPurchase(
  { from, to, parcel, consignmentNote, packageType }: Shipment, { rateId, reference }: { rateId: string; reference: string },
): object | Declined {
  const sender = toContact("origin", from);
  if ("outcome" in sender) return sender;
  const addressee = toContact("destination", to);
  if ("outcome" in addressee) return addressee;
  return {
    shipment: {
      rate_id: rateId,
      unique_shipment: true,
      printing_format: "standard",
      address_from: { ...sender, reference: shortened(reference) },
      address_to: addressee,
      packages: [{ package_number: "1", package_type: packageType, consignment_note: consignmentNote, ...insuranceOf(parcel) }],
    },
  };
}

/** Where exactly and to whom; country, code, state, city and colonia come with the rate. */
function toContact(field: "origin" | "destination", { name, phone, line_1: street, number, email }: Party) {
  const [, digits] = /^(?:521?)?(\d{10})$/.exec(phone?.replaceAll(/\D/g, "") ?? "") ?? [];
  if (!name) return invalid(`${field}.name`, "Expected a name for the label.");
  if (!street) return invalid(`${field}.line_1`, "Expected the street for the label.");
  if (!digits) return invalid(`${field}.phone`, "Expected a Mexican phone number of ten digits.");
  return { name, company: name, street1: [street, number].filter(Boolean).join(" "), phone: digits, email };
}
