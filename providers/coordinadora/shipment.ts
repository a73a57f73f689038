/** What a call asks to be sent, as Coordinadora's quote and waybill take it, or the field that stands in the way. */
import type { ShipRequest } from "../../schema/meta-tools/ship.ts";
import type { ConnectionConfig } from "../provider.ts";
import { abroad, invalid, itemsOf, originOf, parcelOf, type Declined, type Parcel, type Place } from "../shipping.ts";

type Settings = ConnectionConfig["settings"];

export interface Shipment {
  from: Located;
  to: Located;
  parcel: Parcel;
  /** Whole pesos. */
  declaredPesos: number;
  content: string;
}

interface Located extends Place {
  /** Eight digits of DANE; undefined until the list of cities was asked. */
  cityCode: string | undefined;
}

/** A row of the list of cities: `{ codigo: "11001000", nombre: "BOGOTA (C/MARCA)", nombre_departamento: "Cundinamarca" }`. */
export interface City {
  codigo: string;
  nombre: string;
  nombre_departamento: string;
}

/** Where nobody gave measures. Coordinadora measures again and bills what it finds. */
const LEAST_CM = { width: 10, height: 10, length: 10 };

export function toShipment(request: ShipRequest, settings: Settings): Shipment | Declined {
  const elsewhere = abroad(request, "CO");
  if (elsewhere) return elsewhere;
  const from = toLocated("origin", originOf(request, { ...settings, origin_postal_code: settings["origin_city_code"] ?? "" }));
  if ("outcome" in from) return from;
  const to = toLocated("destination", request.destination);
  if ("outcome" in to) return to;
  const items = itemsOf(request, settings);
  if ("outcome" in items) return items;
  const parcel = parcelOf(items, settings, LEAST_CM);
  if (parcel.declaredMinor % 100n !== 0n) return invalid("items", "Expected declared values in whole pesos: Coordinadora takes no centavos.");
  return { from, to, parcel, declaredPesos: Number(parcel.declaredMinor / 100n), content: items[0]?.description ?? "Mercancía" };
}

/** A DANE code of a municipality has five digits, and eight with the settlement; a postal code has six and says nothing here. */
function toLocated(field: "origin" | "destination", place: Place | undefined): Located | Declined {
  const code = place?.postal_code.replaceAll(/\s/g, "") ?? "";
  if (place && /^\d{8}$/.test(code)) return { ...place, cityCode: code };
  if (place && /^\d{5}$/.test(code)) return { ...place, cityCode: `${code}000` };
  if (place?.city) return { ...place, cityCode: undefined };
  return invalid(`${field}.city`, "Expected the city, or its DANE code (five or eight digits) as postal_code.");
}

/** The city by its name, and by its department where several have the name. */
export function cityOf(field: "origin" | "destination", place: Located, cities: readonly City[]): Located | Declined {
  if (place.cityCode) return place;
  const wanted = plain(place.city ?? "");
  const named = cities.filter(({ nombre }) => plain(nombre.replace(/\s*\([^)]*\)\s*$/, "")) === wanted);
  if (named.length === 0) return invalid(`${field}.city`, "Coordinadora's list has no city of this name.");
  const found = named.length === 1 ? named : named.filter(({ nombre_departamento: name }) => plain(name) === plain(place.state ?? ""));
  const [only] = found;
  if (!only || found.length > 1)
    return invalid(`${field}.state`, `Several cities have this name; expected one of ${named.map(({ nombre_departamento: name }) => name).join(", ")}.`);
  return { ...place, cityCode: only.codigo };
}

/** `Bogotá, D.C.` is `BOGOTA`. */
const plain = (name: string): string =>
  name.normalize("NFD").replace(/\p{M}/gu, "").toUpperCase().replace(/[^A-Z0-9]+/g, " ").trim().replace(/ D C$/, "");

const toPackage = ({ weightG, widthCm, heightCm, lengthCm }: Parcel) =>
  ({ ubl: 0, alto: heightCm, ancho: widthCm, largo: lengthCm, peso: Math.ceil(weightG) / 1_000, unidades: 1 });

export const toQuestion = ({ from, to, parcel, declaredPesos }: Shipment, settings: Settings) => ({
  cuenta: Number(settings["account_code"]),
  producto: 0,
  origen: from.cityCode,
  destino: to.cityCode,
  valoracion: declaredPesos,
  nivel_servicio: [{ item: 1 }],
  detalle: [toPackage(parcel)],
});

/** One waybill of one parcel, ours by its `referencia`. Empty fields are as Coordinadora itself asked a project to send them. */
export function toWaybill({ from, to, parcel, declaredPesos, content }: Shipment, settings: Settings, reference: string): object | Declined {
  const missing = missingIn("origin", from) ?? missingIn("destination", to);
  if (missing) return missing;
  return {
    codigo_remision: "",
    fecha: "",
    id_cliente: Number(settings["client_id"]),
    id_remitente: 0,
    nit_remitente: "",
    nombre_remitente: from.name,
    direccion_remitente: streetOf(from),
    telefono_remitente: from.phone,
    ciudad_remitente: from.cityCode,
    nit_destinatario: to.document?.replaceAll(/\D/g, "") ?? "",
    div_destinatario: "",
    nombre_destinatario: to.name,
    direccion_destinatario: streetOf(to),
    ciudad_destinatario: to.cityCode,
    telefono_destinatario: to.phone,
    valor_declarado: declaredPesos,
    codigo_cuenta: Number(settings["account_code"]),
    codigo_producto: 0,
    nivel_servicio: 1,
    linea: "",
    contenido: content,
    referencia: reference,
    observaciones: " ",
    estado: "IMPRESO",
    detalle: [{ ...toPackage(parcel), referencia: "", nombre_empaque: "Caja" }],
    recaudos: [],
    margen_izquierdo: 0,
    margen_superior: 0,
    formato_impresion: "",
  };
}

const streetOf = ({ line_1: street, number }: Located): string => [street, number].filter(Boolean).join(" ");

function missingIn(field: "origin" | "destination", { name, line_1: street, phone }: Located): Declined | undefined {
  const [part] = Object.entries({ name, line_1: street, phone }).find(([, value]) => !value) ?? [];
  return part === undefined ? undefined : invalid(`${field}.${part}`, "Coordinadora wants it on the waybill.");
}
