/** What the twin's carriers charge and how long they take: a fixed table, so that a price can be foretold. */

export interface Service {
  id: number;
  name: string;
  company: { id: number; name: string };
  maxGrams: number;
  /** Centavos: for any parcel, for each half kilogram begun, for each zone crossed. */
  priceMinor: readonly [base: bigint, halfKg: bigint, zone: bigint];
  /** For any parcel, for each zone crossed. */
  days: readonly [base: number, zone: number];
}

export const CORREIOS = { id: 1, name: "Correios" };
const JADLOG = { id: 2, name: "Jadlog" };
const LOGGI = { id: 14, name: "Loggi" };

/** Ids and names are theirs; prices and days are ours, in proportions like theirs. */
export const services: readonly Service[] = [
  { id: 1, name: "PAC", company: CORREIOS, maxGrams: 30_000, priceMinor: [1490n, 190n, 520n], days: [5, 2] },
  { id: 2, name: "SEDEX", company: CORREIOS, maxGrams: 30_000, priceMinor: [1990n, 320n, 1150n], days: [1, 1] },
  { id: 17, name: "Mini Envios", company: CORREIOS, maxGrams: 300, priceMinor: [890n, 0n, 210n], days: [6, 3] },
  { id: 3, name: ".Package", company: JADLOG, maxGrams: 100_000, priceMinor: [1580n, 240n, 480n], days: [4, 2] },
  { id: 4, name: ".Com", company: JADLOG, maxGrams: 100_000, priceMinor: [1760n, 290n, 760n], days: [2, 1] },
  { id: 31, name: "Express", company: LOGGI, maxGrams: 30_000, priceMinor: [1640n, 260n, 610n], days: [3, 2] },
];

interface Load {
  grams: number;
  /** What the carrier charges for: the weight, or the volume at 6000 cm³ a kilogram where that is more. */
  billedGrams: number;
}

export interface Route {
  load: Load;
  insuredMinor: bigint;
  from: string;
  to: string;
}

interface Measured {
  width: number;
  height: number;
  length: number;
  weight: number;
  quantity: number;
}

export function loadOf(parcels: readonly Measured[]): Load {
  const sum = (of: (parcel: Measured) => number) =>
    parcels.reduce((total, parcel) => total + of(parcel) * parcel.quantity, 0);
  const grams = Math.round(sum(({ weight }) => weight * 1000));
  return {
    grams,
    billedGrams: Math.max(grams, Math.round(sum(({ width, height, length }) => (width * height * length) / 6))),
  };
}

/** One hundredth of the declared value insures it. */
export function priceOf({ priceMinor: [base, halfKg, zone] }: Service, route: Route): bigint {
  const halfKgs = BigInt(Math.ceil(route.load.billedGrams / 500));
  return base + halfKg * halfKgs + zone * BigInt(zoneOf(route)) + route.insuredMinor / 100n;
}

export const daysOf = ({ days: [base, zone] }: Service, route: Route): number => base + zone * zoneOf(route);

/** 0 within a subregion, 1 within a region, 2 or 3 between near and far regions: the first two digits of a CEP. */
function zoneOf({ from, to }: Route): number {
  if (from.slice(0, 2) === to.slice(0, 2)) return 0;
  const apart = Math.abs(Number(from[0]) - Number(to[0]));
  return apart === 0 ? 1 : apart <= 3 ? 2 : 3;
}
