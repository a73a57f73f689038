/**
 * The twin of Chilexpress: three products behind keys of their own, one region with a few comunas, a fixed tariff, and
 * transport orders that move by themselves. What it leaves out is in README.md.
 */
import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

/** Codes that no comuna has. */
const MAGIC = { unserved: "XXAA", refused: "XXBB", annulled: "XXCC", returned: "XXDD" } as const;

export const chilexpressTwin: TwinDefinition = {
  id: "chilexpress",
  hosts: ["services.wschilexpress.com", "testservices.wschilexpress.com"],
  magic: {
    [`destination ${MAGIC.unserved}`]: "no service goes there",
    [`destination ${MAGIC.refused}`]: "the order is refused in its row, with status 200",
    [`destination ${MAGIC.annulled}`]: "the order is annulled instead of taken in",
    [`destination ${MAGIC.returned}`]: "the parcel goes back",
  },
  create,
};

interface Account {
  id: string;
  product: string;
  customerCard: string;
}

interface Order {
  number: number;
  account: string;
  reference: string;
  to: string;
  status: string;
  events: { eventDate: string; eventHour: string; description: string; officeName: string }[];
}

const PRODUCTS = { quote_key: "rating", coverage_key: "georeference", order_key: "transport-orders" } as const;
const COUNTIES = [["STGO", "SANTIAGO CENTRO"], ["PROV", "PROVIDENCIA"], ["NUNO", "ÑUÑOA"]].map(([countyCode, countyName]) =>
  ({ countyCode, countyName, regionCode: "RM", coverageName: countyName, queryMode: 1 }));
const SERVICES = [["3", "EXPRESS", 0], ["4", "EXTENDIDO", -600], ["2", "PRIORITARIO", 2_500]] as const;
/** Whole pesos: for any parcel, and for each kilogram begun, at 4000 cm³ a kilogram where that is more. */
const TARIFF = { base: 3_900, kilogram: 750 };
const ACCEPTED = { statusCode: 0, statusDescription: "OK", errors: null };

function create({ store, clock, settleAfterMs }: TwinContext): Twin {
  const orderKey = (number: unknown) => `order/${String(number)}`;

  async function fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const key = request.headers.get("ocp-apim-subscription-key");
    const account = key ? await store.get<Account>(`key/${digestOf(key)}`) : undefined;
    if (!account || account.product !== pathname.split("/")[1]) return unauthorized(Boolean(key));
    if (request.method === "GET" && pathname === "/georeference/api/v1.0/coverage-areas")
      return Response.json({ ...ACCEPTED, coverageAreas: COUNTIES.filter(({ regionCode }) => regionCode === searchParams.get("RegionCode")) });
    const body: unknown = await request.json().catch(() => undefined);
    switch (`${request.method} ${pathname}`) {
      case "POST /rating/api/v1.0/rates/courier": return rates(body);
      case "POST /transport-orders/api/v1.0/transport-orders": return order(account, body);
      case "POST /transport-orders/api/v1.0/tracking": return track(account, body);
    }
    return Response.json({ statusCode: 404, message: "Resource not found" }, { status: 404 });
  }

  async function order(account: Account, body: unknown): Promise<Response> {
    const asked = OrderRequest.safeParse(body);
    if (!asked.success) return refuse(-1, `El campo ${asked.error.issues[0]?.path.join(".")} no es valido`);
    const { header, details: [detail] } = asked.data;
    if (header.customerCardNumber !== account.customerCard) return refuse(-5, "El numero de TCC no es valido");
    const to = detail.addresses.find(({ addressType }) => addressType === "DEST")?.countyCoverageCode ?? "";
    const reference = detail.packages[0].deliveryReference;
    if (to === MAGIC.refused) {
      const row = { reference, transportOrderNumber: null, statusCode: -12, statusDescription: "El servicio no esta habilitado para el destino" };
      const data = { header: { certificateNumber: 0 }, detail: [row] };
      return Response.json({ statusCode: -2, statusDescription: "Ninguna orden fue exitosa", errors: null, data });
    }
    const serial = await store.next("order");
    const made: Order = { number: 99_726_290_000 + serial, account: account.id, reference, to, status: "", events: [] };
    await store.put(orderKey(made.number), made);
    for (const [index, name] of ["take_in", "visit"].entries())
      await store.schedule({ name, number: String(made.number) }, new Date(clock.now().getTime() + (index + 1) * settleAfterMs));
    const row = {
      transportOrderNumber: made.number, reference, serviceDescription: "EXPRESS", barcode: `${made.number}01`,
      label: { labelData: randomBytes(24).toString("base64"), labelType: "Imagen" }, statusCode: 0, statusDescription: "Orden de transporte creada",
    };
    return Response.json({ ...ACCEPTED, data: { header: { certificateNumber: 41_000 + serial }, detail: [row] } });
  }

  async function track(account: Account, body: unknown): Promise<Response> {
    const asked = TrackRequest.safeParse(body);
    if (!asked.success) return refuse(90, "JSON invalido");
    const known = await store.get<Order>(orderKey(asked.data.transportOrderNumber));
    if (known?.account !== account.id) return refuse(-81, "La orden de transporte no existe");
    const { number, reference, status, events } = known;
    const transportOrderData = { transportOrderNumber: number, reference, status: status || null };
    return Response.json({ ...ACCEPTED, data: { transportOrderData, trackingEvents: asked.data.showTrackingEvents === 1 ? events : null } });
  }

  /** A repeat finds it done. */
  async function run({ name, number }: TwinStep): Promise<void> {
    await store.update<Order>(orderKey(number), (current) => {
      if (name === "take_in" && current.status === "") return moved(current, current.to === MAGIC.annulled ? "ANULADO" : "EN TRANSITO");
      if (name === "visit" && current.status === "EN TRANSITO") return moved(current, current.to === MAGIC.returned ? "EN DEVOLUCION" : "ENTREGADO");
      return current;
    });
  }

  function moved(order: Order, status: string): Order {
    const [eventDate = "", eventHour = ""] = new Date(clock.now().getTime() - 3 * 3_600_000).toISOString().slice(0, 16).split("T");
    return { ...order, status, events: [...order.events, { eventDate, eventHour, description: status, officeName: "SANTIAGO" }] };
  }

  async function openAccount() {
    const id = randomBytes(6).toString("hex");
    const account = { id, customerCard: "18578680" };
    const keys = Object.entries(PRODUCTS).map(([name, product]) => ({ name, product, key: randomBytes(16).toString("hex") }));
    for (const { product, key } of keys) await store.put(`key/${digestOf(key)}`, { ...account, product });
    return {
      credentials: Object.fromEntries(keys.map(({ name, key }) => [name, key])),
      settings: {
        customer_card: account.customerCard,
        rut: "76.086.428-5",
        origin_county_code: "STGO",
        origin_name: "Tienda de Prueba",
        origin_phone: "+56 2 2345 6789",
        origin_email: "sandbox@example.com",
        origin_line_1: "Alameda",
        origin_number: "1000",
        parcel_weight_g: "500",
        parcel_width_cm: "16",
        parcel_height_cm: "6",
        parcel_length_cm: "22",
      },
      webhookSecret: "",
    };
  }

  return { fetch, openAccount, run };
}

function rates(body: unknown): Response {
  const asked = RateRequest.safeParse(body);
  if (!asked.success) return refuse(-1, `El campo ${asked.error.issues[0]?.path.join(".")} no es valido`);
  const { destinationCountyCode, package: { weight, height, width, length } } = asked.data;
  if (destinationCountyCode === MAGIC.unserved)
    return Response.json({ data: null, statusCode: -3, statusDescription: "No existen servicios para el tramo", errors: null });
  const kilograms = Math.ceil(Math.max(Number(weight), (Number(height) * Number(width) * Number(length)) / 4_000));
  const courierServiceOptions = SERVICES.map(([serviceTypeCode, serviceDescription, more]) => {
    const serviceValue = String(TARIFF.base + TARIFF.kilogram * kilograms + more);
    return { serviceTypeCode, serviceDescription, serviceValue, didUseVolumetricWeight: false, conditions: "" };
  });
  return Response.json({ ...ACCEPTED, data: { courierServiceOptions } });
}

const refuse = (statusCode: number, statusDescription: string): Response =>
  Response.json({ data: null, statusCode, statusDescription, errors: null }, { status: 400 });

function unauthorized(hasKey: boolean): Response {
  const message = hasKey
    ? "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
    : "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.";
  return Response.json({ statusCode: 401, message }, { status: 401 });
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const Text = z.string().min(1);
const CountyCode = z.string().regex(/^[A-Z]{4}$/);
const Decimal = z.string().regex(/^\d+(\.\d+)?$/);
const Measures = { weight: Decimal, height: Decimal, width: Decimal, length: Decimal };
const RateRequest = z.object({
  originCountyCode: CountyCode,
  destinationCountyCode: CountyCode,
  package: z.object(Measures),
  productType: z.int(),
  contentType: z.int(),
  declaredWorth: Decimal,
});
const Address = z.object({ countyCoverageCode: CountyCode, streetName: Text, streetNumber: Text, addressType: z.enum(["DEST", "DEV"]) });
const OrderRequest = z.object({
  header: z.object({ customerCardNumber: z.string(), countyOfOriginCoverageCode: CountyCode, labelType: z.int(), marketplaceRut: z.int() }),
  details: z.tuple([z.object({
    addresses: z.array(Address).length(2),
    contacts: z.array(z.object({ name: Text, phoneNumber: z.string().regex(/^\d{8,11}$/), contactType: z.enum(["R", "D"]) })).length(2),
    packages: z.tuple([z.object({ ...Measures, serviceDeliveryCode: Text, deliveryReference: Text, groupReference: Text })]),
  })]),
});
const TrackRequest = z.object({ reference: z.string(), transportOrderNumber: z.int(), rut: z.int(), showTrackingEvents: z.int() });
