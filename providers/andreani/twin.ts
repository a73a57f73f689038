/**
 * The twin of Andreani: a login, one contract with a fixed tariff, orders that are accepted and shipments that move by
 * themselves, and their events. What it leaves out is in README.md.
 */
import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

/** Codes that no place has. */
const MAGIC = { unserved: "0001", refused: "0002", rejected: "0003", returned: "0004" } as const;

export const andreaniTwin: TwinDefinition = {
  id: "andreani",
  hosts: ["apis.andreani.com", "apisqa.andreani.com"],
  magic: {
    [`destination ${MAGIC.unserved}`]: "the contract has no tariff for it",
    [`destination ${MAGIC.refused}`]: "the order is refused",
    [`destination ${MAGIC.rejected}`]: "the order is taken and then rejected",
    [`destination ${MAGIC.returned}`]: "nobody opens, and the parcel goes back",
  },
  create,
};

interface Account {
  username: string;
  passwordDigest: string;
  contract: string;
  client: string;
}

interface Order {
  number: string;
  group: string;
  username: string;
  contract: string;
  estado: string;
  motivo: string | null;
  created: string;
  to: string;
  events: TrackingEvent[];
}

interface TrackingEvent {
  Fecha: string;
  Evento: string;
  Estado?: string;
  EstadoId?: number;
  Ciclo?: string;
  Motivo?: string;
  Sucursal?: string;
}

const TOKEN_VALID_MS = 24 * 3_600_000;
/** Centavos, VAT aside: for any parcel, and for each kilogram begun, at 6000 cm³ a kilogram where that is more. */
const TARIFF_MINOR = [581_900n, 42_000n] as const;
const BRANCH = {
  id: 10_055, codigo: "SFN", numero: "55", descripcion: "SANTA FE (CENTRO)", canal: "B2C",
  direccion: { calle: "25 de Mayo", numero: "3340", provincia: "Santa Fe", localidad: "Santa Fe", region: "Litoral", pais: "Argentina", codigoPostal: "3000" },
};

function create({ store, clock, settleAfterMs }: TwinContext): Twin {
  const orderKey = (number: string) => `order/${number}`;
  const now = () => localTime(clock.now());

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (request.method === "GET" && url.pathname === "/login") return login(request);
    if (request.method === "GET" && url.pathname === "/v2/sucursales") return branches(url.searchParams);
    const account = await accountOf(request);
    if (!account) return Response.json({ message: "Unauthorized" }, { status: 401 });
    if (request.method === "GET" && url.pathname === "/v1/tarifas") return tariff(account, url.searchParams);
    if (request.method === "POST" && url.pathname === "/v2/ordenes-de-envio") return order(account, await request.json().catch(() => undefined));
    const [, family, number = "", rest] = /^\/v2\/(ordenes-de-envio|envios)\/(\d+)(\/trazas)?$/.exec(url.pathname) ?? [];
    const known = request.method === "GET" && family ? await store.get<Order>(orderKey(number)) : undefined;
    if (known?.username !== account.username) return missing();
    if (family === "ordenes-de-envio") return Response.json(shownOrder(known));
    if (known.estado !== "Creada") return missing();
    return Response.json(rest ? { eventos: known.events } : shownShipment(known));
  }

  async function login(request: Request): Promise<Response> {
    const basic = /^Basic (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    const [username = "", ...password] = Buffer.from(basic, "base64").toString().split(":");
    const account = await store.get<Account>(`account/${username}`);
    if (!account || account.passwordDigest !== digestOf(password.join(":"))) return Response.json({ message: "Credenciales incorrectas" }, { status: 401 });
    const token = randomBytes(32).toString("base64url");
    await store.put(`token/${digestOf(token)}`, { username, until: clock.now().getTime() + TOKEN_VALID_MS });
    return new Response(null, { status: 200, headers: { "x-authorization-token": token } });
  }

  async function accountOf(request: Request): Promise<Account | undefined> {
    const token = request.headers.get("x-authorization-token") ?? "";
    const known = await store.get<{ username: string; until: number }>(`token/${digestOf(token)}`);
    return known && known.until > clock.now().getTime() ? store.get<Account>(`account/${known.username}`) : undefined;
  }

  async function order({ username, contract }: Account, body: unknown): Promise<Response> {
    const asked = OrderRequest.safeParse(body);
    if (!asked.success) {
      const { path, message } = asked.error.issues[0] ?? { path: [], message: "" };
      return Response.json([{ code: "invalid", property: path.join("."), message }], { status: 400 });
    }
    const to = asked.data.destino.postal.codigoPostal;
    if (asked.data.contrato !== contract) return Response.json([{ code: "contrato", property: "contrato", message: "El contrato es incorrecto" }], { status: 400 });
    if (to === MAGIC.refused)
      return Response.json([{ code: "localidad", property: "destino.postal.codigoPostal", message: "No existe localidad o código postal destino" }], { status: 400 });
    const serial = await store.next("shipment");
    const made: Order = {
      number: String(360_000_102_000_000 + serial), group: `API${String(serial).padStart(13, "0")}`, username, contract,
      estado: "Solicitada", motivo: null, created: now(), to, events: [],
    };
    await store.put(orderKey(made.number), made);
    for (const [index, name] of ["decide", "take_in", "visit"].entries())
      await store.schedule({ name, number: made.number }, new Date(clock.now().getTime() + (index + 1) * settleAfterMs));
    return Response.json(shownOrder(made), { status: 202 });
  }

  /** A repeat finds it done. */
  async function run({ name, number }: TwinStep): Promise<void> {
    if (typeof number !== "string") return;
    await store.update<Order>(orderKey(number), (current) => {
      if (name === "decide" && current.estado === "Solicitada") {
        return current.to === MAGIC.rejected
          ? { ...current, estado: "Rechazada", motivo: "El código postal no corresponde a la localidad" }
          : { ...current, estado: "Creada", events: [{ Fecha: now(), Evento: "OrdenDeEnvioCreada" }, { Fecha: now(), Evento: "AltaAutomatica", Estado: "Pendiente de ingreso", EstadoId: 1, Ciclo: "Distribution" }] };
      }
      if (current.estado !== "Creada") return current;
      if (name === "take_in") return withEvents(current, { Evento: "Admision", Estado: "Ingreso al circuito operativo", EstadoId: 5, Ciclo: "Distribution", Sucursal: "Monserrat" });
      return current.to === MAGIC.returned
        ? withEvents(current, { Evento: "Visita", Estado: "Visita", EstadoId: 11, Ciclo: "Distribution", Motivo: "No se encuentra el titular" }, { Evento: "EnvioEntregado", Estado: "Entregado", EstadoId: 18, Ciclo: "DEVOLUCION" })
        : withEvents(current, { Evento: "EnvioEntregado", Estado: "Entregado", EstadoId: 18, Ciclo: "Distribution" });
    });
  }

  const withEvents = (order: Order, ...events: Omit<TrackingEvent, "Fecha">[]): Order =>
    order.events.some(({ Evento }) => Evento === events[0]!.Evento)
      ? order
      : { ...order, events: [...order.events, ...events.map((event) => ({ Fecha: now(), ...event }))] };

  async function openAccount() {
    const account = { username: `api_${randomBytes(6).toString("hex")}`, contract: "400006709", client: "CL0003750" };
    const password = randomBytes(24).toString("base64url").replace(/[-_]/g, "x");
    await store.put(`account/${account.username}`, { ...account, passwordDigest: digestOf(password) });
    return {
      credentials: { username: account.username, password },
      settings: {
        contract: account.contract,
        client: account.client,
        origin_postal_code: "1425",
        origin_name: "Tienda de Prueba",
        origin_document: "20-12345678-6",
        origin_phone: "1140000000",
        origin_email: "sandbox@example.com",
        origin_line_1: "Avenida Santa Fe",
        origin_number: "3000",
        origin_city: "C.A.B.A.",
        origin_state: "AR-C",
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

function tariff({ contract, client }: Account, query: URLSearchParams): Response {
  const volume = query.get("bultos[0][volumen]");
  const refuse = (detail: string) =>
    Response.json({ type: "about:blank", title: "Error en la validacion de su pedido", detail, status: 400, errors: null }, { status: 400 });
  if (!/^\d{4}$/.test(query.get("cpDestino") ?? "") || !volume) return refuse("cpDestino y bultos son obligatorios");
  if (query.get("contrato") !== contract || query.get("cliente") !== client || query.get("cpDestino") === MAGIC.unserved) return refuse("No se pudo obtener la tarifa");
  const kilos = Math.max(Number(query.get("bultos[0][kilos]") ?? 0), Number(volume) / 6_000);
  const insurance = (fromDecimal(query.get("bultos[0][valorDeclarado]") ?? "0", "ARS") ?? 0n) / 100n;
  const net = TARIFF_MINOR[0] + TARIFF_MINOR[1] * BigInt(Math.ceil(kilos));
  const shown = (factor: bigint) => {
    const of = (amountMinor: bigint) => toDecimal({ amountMinor: (amountMinor * factor) / 100n, currency: "ARS" });
    return { seguroDistribucion: of(insurance), distribucion: of(net), total: of(net + insurance) };
  };
  return Response.json({ pesoAforado: kilos.toFixed(2), tarifaSinIva: shown(100n), tarifaConIva: shown(121n) });
}

const branches = (query: URLSearchParams): Response =>
  Response.json([BRANCH].filter(({ direccion }) => !query.get("codigoPostal") || direccion.codigoPostal === query.get("codigoPostal")));

function shownOrder({ number, group, estado, motivo, created }: Order) {
  const label = `https://apisqa.andreani.com/v2/ordenes-de-envio/${group}/etiquetas`;
  return {
    estado, tipo: "B2C", motivo, fechaCreacion: created, descripcionServicio: "Estándar a domicilio", agrupadorDeBultos: group,
    etiquetasPorAgrupador: label,
    bultos: [{ numeroDeBulto: "1", numeroDeEnvio: number, totalizador: "1/1", linking: [{ meta: "Etiqueta", contenido: `${label}?bulto=1` }] }],
  };
}

function shownShipment({ number, contract, events, created }: Order) {
  const last = events.findLast(({ EstadoId }) => EstadoId !== undefined);
  return {
    numeroDeTracking: number, contrato: contract, ciclo: last?.Ciclo ?? "Distribution", estado: last?.Estado, estadoId: last?.EstadoId,
    fechaEstado: last?.Fecha, fechaCreacion: created,
  };
}

/** `2026-11-20T09:00:00`, in Argentina's time. */
const localTime = (at: Date): string => new Date(at.getTime() - 3 * 3_600_000).toISOString().slice(0, 19);

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const Text = z.string("es obligatorio").min(1, "es obligatorio");
const Address = z.object({ postal: z.object({ codigoPostal: z.string("es obligatorio").regex(/^\d{4}$/, "El código postal es incorrecto"), calle: Text, numero: Text, localidad: Text }) });
const Person = z.object({ nombreCompleto: Text });
const OrderRequest = z.object({
  contrato: Text,
  origen: Address,
  destino: Address,
  remitente: Person,
  destinatario: z.array(Person).min(1, "es obligatorio"),
  bultos: z.array(z.object({ kilos: z.number().positive(), volumenCm: z.number().positive() })).min(1, "es obligatorio"),
});

const missing = (): Response => Response.json({ message: "No encontrado" }, { status: 404 });
