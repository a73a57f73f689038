/** What a call asks to be sent, as Chilexpress' quote and transport order take it, or the field that stands in the way. */
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import type { ConnectionConfig } from "../provider.ts";
import { abroad, invalid, itemsOf, originOf, parcelOf, type Declined, type Parcel, type Place } from "../shipping.ts";

type Settings = ConnectionConfig["settings"];

export interface Shipment {
  from: Located;
  to: Located;
  parcel: Parcel;
}

export interface Located extends Place {
  /** Chilexpress' own code of a comuna; undefined until its list was asked. */
  countyCode: string | undefined;
  /** Chilexpress' own code of the region, where one was named. */
  regionCode: string | undefined;
  email: string | undefined;
}

/** A row of the list of coverage: `{ countyCode: "PROV", countyName: "PROVIDENCIA" }`. */
export interface County {
  countyCode: string;
  countyName: string;
  coverageName?: string | null | undefined;
}

/** Where nobody gave measures. Chilexpress measures again and bills what it finds. */
const LEAST_CM = { width: 10, height: 10, length: 10 };

export function toShipment(request: ShipRequest, settings: Settings): Shipment | Declined {
  const elsewhere = abroad(request, "CL");
  if (elsewhere) return elsewhere;
  const origin = originOf(request, { ...settings, origin_postal_code: settings["origin_county_code"] ?? "" });
  const from = toLocated("origin", origin, settings["origin_email"]);
  if ("outcome" in from) return from;
  const email = request.metadata?.["destination_email"];
  const to = toLocated("destination", request.destination, typeof email === "string" ? email : undefined);
  if ("outcome" in to) return to;
  const items = itemsOf(request, settings);
  if ("outcome" in items) return items;
  return { from, to, parcel: parcelOf(items, settings, LEAST_CM) };
}

/** A postal code of seven digits says nothing here: a comuna is named by its code, or by its name and region. */
function toLocated(field: "origin" | "destination", place: Place | undefined, email: string | undefined): Located | Declined {
  const code = place?.postal_code.trim().toUpperCase() ?? "";
  const regionCode = place?.state === undefined ? undefined : regionOf(place.state);
  if (place && /^[A-Z]{4}$/.test(code)) return { ...place, countyCode: code, regionCode, email };
  if (!place?.city) return invalid(`${field}.city`, "Expected the comuna, or its Chilexpress code (four letters) as postal_code.");
  if (!regionCode) return invalid(`${field}.state`, "Expected the region, as CL-RM or by its Chilexpress code.");
  return { ...place, countyCode: undefined, regionCode, email };
}

/** Regions have numbers, which Chilexpress writes as R1 to R16, and RM for the capital. */
function regionOf(state: string): string | undefined {
  const code = state.trim().toUpperCase();
  return /^R(M|[1-9]|1[0-6])$/.test(code) ? code : REGIONS[code.replace(/^CL-/, "")];
}

/** Source: ISO 3166-2:CL, and the numbers the regions have by law. */
const REGIONS: Partial<Record<string, string>> = {
  TA: "R1", AN: "R2", AT: "R3", CO: "R4", VS: "R5", LI: "R6", ML: "R7", BI: "R8",
  AR: "R9", LL: "R10", AI: "R11", MA: "R12", LR: "R14", AP: "R15", NB: "R16", RM: "RM",
};

export function countyOf(field: "origin" | "destination", place: Located, counties: readonly County[]): Located | Declined {
  const wanted = plain(place.city ?? "");
  const found = counties.find(({ countyName, coverageName }) => plain(countyName) === wanted || plain(coverageName ?? "") === wanted);
  return found ? { ...place, countyCode: found.countyCode } : invalid(`${field}.city`, "Chilexpress lists no comuna of this name in this region.");
}

const plain = (name: string): string => name.normalize("NFD").replace(/\p{M}/gu, "").toUpperCase().replace(/[^A-Z0-9]+/g, " ").trim();

const PARCEL = 3;
/** Others, in the lists of contents of both services. */
const CONTENT = 5;

/** Weights are kilograms and sides centimetres, both as text. */
const toPackage = ({ weightG, widthCm, heightCm, lengthCm }: Parcel) =>
  ({ weight: String(Math.ceil(weightG) / 1_000), height: String(heightCm), width: String(widthCm), length: String(lengthCm) });

export const toQuestion = ({ from, to, parcel }: Shipment) => ({
  originCountyCode: from.countyCode,
  destinationCountyCode: to.countyCode,
  package: toPackage(parcel),
  productType: PARCEL,
  contentType: CONTENT,
  declaredWorth: String(parcel.declaredMinor),
  // All services, the quick and the slow.
  deliveryTime: 0,
});

export const missingIn = ({ from, to }: Shipment): Declined | undefined => missing("origin", from) ?? missing("destination", to);

function missing(field: "origin" | "destination", { name, phone, line_1: street, number }: Located): Declined | undefined {
  const [part] = Object.entries({ name, phone, line_1: street, number }).find(([, value]) => !value) ?? [];
  return part === undefined ? undefined : invalid(`${field}.${part}`, "Chilexpress wants it on the label.");
}

export interface Sender {
  customerCard: string;
  /** Of a RUT, without its check digit. */
  rut: number;
}

/** One transport order of one parcel, ours by its `deliveryReference`. It comes back to where it left from. */
export const toOrder = ({ from, to, parcel }: Shipment, serviceCode: string, { customerCard, rut }: Sender, reference: string) => ({
  header: {
    certificateNumber: 0,
    customerCardNumber: customerCard,
    countyOfOriginCoverageCode: from.countyCode,
    labelType: 2,
    marketplaceRut: rut,
    sellerRut: "DEFAULT",
  },
  details: [{
    addresses: [toAddress(to, "DEST"), toAddress(from, "DEV")],
    contacts: [toContact(from, "R"), toContact(to, "D")],
    packages: [{
      ...toPackage(parcel),
      serviceDeliveryCode: serviceCode,
      productCode: String(PARCEL),
      deliveryReference: reference,
      groupReference: reference,
      declaredValue: String(parcel.declaredMinor),
      declaredContent: String(CONTENT),
    }],
  }],
});

const toAddress = ({ countyCode, line_1: street, number }: Located, addressType: "DEST" | "DEV") => ({
  addressId: 0,
  countyCoverageCode: countyCode,
  streetName: street,
  streetNumber: number,
  supplement: "",
  addressType,
  deliveryOnCommercialOffice: false,
});

const toContact = ({ name, phone, email }: Located, contactType: "R" | "D") => ({
  name, phoneNumber: phone?.replaceAll(/\D/g, "").replace(/^56(?=\d{9}$)/, ""), ...(email && { mail: email }), contactType,
});
