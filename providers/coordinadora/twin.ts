/**
 * The twin of Coordinadora: the procedures of its waybill and quote services as JSON-RPC, a short list of cities, and
 * waybills that are picked up and delivered by themselves. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

/** Codes that DANE gives no municipality. */
const MAGIC = { unserved: "00001000", refused: "00002000", annulled: "00003000", returned: "00004000" } as const;

export const coordinadoraTwin: TwinDefinition = {
  id: "coordinadora",
  hosts: ["guias.coordinadora.com", "ws.coordinadora.com", "sandbox.coordinadora.com"],
  magic: {
    [`destination city ${MAGIC.unserved}`]: "there is no price for it",
    [`destination city ${MAGIC.refused}`]: "the waybill is refused",
    [`destination city ${MAGIC.annulled}`]: "the waybill is annulled instead of picked up",
    [`destination city ${MAGIC.returned}`]: "the parcel goes back",
  },
  create,
};

interface Account {
  user: string;
  passwordDigest: string;
  apiKey: string;
  quotePasswordDigest: string;
}

interface Waybill {
  number: string;
  user: string;
  reference: string;
  to: string;
  state: { codigo_estado: number; descripcion: string; fecha: string; hora: string }[];
  pickedUp: string;
  delivered: string;
}

const CITIES = [
  ["11001000", "BOGOTA (C/MARCA)", "Cundinamarca"],
  ["05001000", "MEDELLIN (ANT)", "Antioquia"],
  ["76001000", "CALI (VALLE)", "Valle"],
  ["05059000", "ARMENIA (ANT)", "Antioquia"],
  ["63001000", "ARMENIA (QUIND)", "Quindio"],
].map(([codigo, nombre, nombre_departamento]) => ({ codigo, nombre, nombre_departamento }));
/** Whole pesos: for any parcel, and for each kilogram begun, at 2500 cm³ a kilogram where that is more. */
const TARIFF = { base: 8_900, kilogram: 1_350 };

function create({ store, clock, settleAfterMs }: TwinContext): Twin {
  const waybillKey = (number: string) => `waybill/${number}`;
  const today = () => localTime(clock.now()).slice(0, 10);
  const hour = () => localTime(clock.now()).slice(11, 16);

  async function fetch(request: Request): Promise<Response> {
    const asked = Call.safeParse(await request.json().catch(() => undefined));
    if (request.method !== "POST" || !asked.success) return Response.json({ jsonrpc: "2.0", id: null, result: null, error: { code: -32_700, message: "Parse error" } });
    const { method, params } = asked.data;
    const answer = await procedure(new URL(request.url), method, params);
    return Response.json({ jsonrpc: "2.0", id: asked.data.id, result: null, error: null, ...answer });
  }

  async function procedure(url: URL, method: string, params: Record<string, unknown>): Promise<Answer> {
    const isQuote = url.pathname.startsWith("/ags/");
    const account = await accountOf(params, isQuote);
    if (!account) return refuse(isQuote ? "Error, apikey o clave no validos" : "Error, Usuario o clave incorrectos");
    switch (isQuote ? `ags ${method}` : method) {
      case "ags Cotizador.cotizar": return price(params);
      case "Guias.ciudades": return { result: CITIES };
      case "Guias.generarGuia": return waybill(account, params);
      case "Guias.rastreoExtendido": return track(account, params);
      case "Guias.anularGuia": return annul(account, params);
    }
    return refuse(`Procedure ${method} not found`);
  }

  async function accountOf(params: Record<string, unknown>, isQuote: boolean): Promise<Account | undefined> {
    const user = isQuote ? await store.get<string>(`apikey/${params["apikey"]}`) : String(params["usuario"]);
    const account = await store.get<Account>(`account/${user}`);
    if (!account) return undefined;
    const clave = String(params["clave"]);
    return (isQuote ? digestOf(clave) === account.quotePasswordDigest : clave === account.passwordDigest) ? account : undefined;
  }

  async function waybill({ user }: Account, params: Record<string, unknown>): Promise<Answer> {
    const asked = WaybillRequest.safeParse(params);
    if (!asked.success) return refuse(`Error, ${asked.error.issues[0]?.path.join(".")} no es valido`);
    const { ciudad_destinatario: to, referencia: reference } = asked.data;
    if (to === MAGIC.refused) return refuse("Error, La direccion del destinatario no es valida");
    const serial = await store.next("waybill");
    const made: Waybill = { number: String(73_400_009_000 + serial), user, reference, to, state: [], pickedUp: "", delivered: "" };
    await store.put(waybillKey(made.number), made);
    for (const [index, name] of ["pick_up", "arrive"].entries())
      await store.schedule({ name, number: made.number }, new Date(clock.now().getTime() + (index + 1) * settleAfterMs));
    return {
      result: {
        id_remision: serial, codigo_remision: made.number, pdf_guia: Buffer.from(`%PDF-1.4 ${randomUUID()}`).toString("base64"),
        url_terceros: `https://coordinadora.com/rastreo/rastreo-de-guia/?guia=${made.number}`,
      },
    };
  }

  /** As for numbers it does not know, an empty row. */
  async function track({ user }: Account, params: Record<string, unknown>): Promise<Answer> {
    const numbers = z.array(z.string()).min(1).safeParse(params["codigos_remision"]);
    if (!numbers.success) return refuse("Error, codigos_remision no es valido");
    const rows: unknown[] = [];
    for (const number of numbers.data) {
      const known = await store.get<Waybill>(waybillKey(number));
      rows.push(known?.user === user ? shown(known) : {});
    }
    return { result: rows };
  }

  async function annul({ user }: Account, params: Record<string, unknown>): Promise<Answer> {
    const number = String(params["codigo_remision"]);
    const known = await store.get<Waybill>(waybillKey(number));
    if (known?.user !== user || known.pickedUp) return refuse("Error, La guia no se puede anular");
    await step(number, { codigo_estado: 9, descripcion: "ANULADA" }, {});
    return { result: true };
  }

  /** A repeat finds it done. */
  async function run({ name, number }: TwinStep): Promise<void> {
    if (typeof number !== "string") return;
    const known = await store.get<Waybill>(waybillKey(number));
    if (!known || known.state.some(({ descripcion }) => descripcion === "ANULADA")) return;
    if (name === "pick_up" && !known.pickedUp) {
      if (known.to === MAGIC.annulled) await step(number, { codigo_estado: 9, descripcion: "ANULADA" }, {});
      else await step(number, { codigo_estado: 2, descripcion: "EN TERMINAL ORIGEN" }, { pickedUp: today() });
    }
    if (name === "arrive" && known.state.length === 1) {
      if (known.to === MAGIC.returned) await step(number, { codigo_estado: 8, descripcion: "DEVOLUCION AL REMITENTE" }, {});
      else await step(number, { codigo_estado: 6, descripcion: "ENTREGADA" }, { delivered: today() });
    }
  }

  async function step(number: string, event: { codigo_estado: number; descripcion: string }, change: Partial<Waybill>): Promise<void> {
    await store.update<Waybill>(waybillKey(number), (current) =>
      ({ ...current, ...change, state: [...current.state, { ...event, fecha: today(), hora: hour() }] }));
  }

  async function openAccount() {
    const password = () => randomBytes(18).toString("base64url").replace(/[-_]/g, "x");
    const credentials = { user: `tienda${randomBytes(4).toString("hex")}.ws`, password: password(), quote_api_key: randomUUID(), quote_password: password() };
    const account: Account = {
      user: credentials.user, passwordDigest: digestOf(credentials.password), apiKey: credentials.quote_api_key, quotePasswordDigest: digestOf(credentials.quote_password),
    };
    await store.put(`account/${account.user}`, account);
    await store.put(`apikey/${account.apiKey}`, account.user);
    return {
      credentials,
      settings: {
        client_id: "29444",
        account_code: "2",
        origin_city_code: "11001000",
        origin_name: "Tienda de Prueba",
        origin_phone: "6015550000",
        origin_line_1: "Carrera 7",
        origin_number: "# 71-21",
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

function price(params: Record<string, unknown>): Answer {
  const asked = PriceRequest.safeParse(params);
  if (!asked.success) return refuse(`Error, ${asked.error.issues[0]?.path.join(".")} no es valido`);
  const { destino, detalle, valoracion, origen } = asked.data;
  if (destino === MAGIC.unserved) return refuse("Error, No se encontro una ciudad con el codigo suministrado");
  const kilograms = detalle.reduce((sum, one) => sum + Math.ceil(Math.max(one.peso, (one.alto * one.ancho * one.largo) / 2_500)) * one.unidades, 0);
  const [fixed, variable] = [TARIFF.base + TARIFF.kilogram * kilograms, Math.floor(valoracion / 100)];
  return { result: { flete_total: fixed + variable, flete_fijo: fixed, flete_variable: variable, peso_liquidado: kilograms, producto: 3, dias_entrega: origen === destino ? 1 : 2 } };
}

function shown({ number, reference, state, pickedUp, delivered }: Waybill) {
  const last = state.at(-1);
  return {
    codigo_remision: number, codigo_estado: last?.codigo_estado ?? 1, descripcion_estado: last?.descripcion ?? "GUIA GENERADA", referencia: reference,
    fecha_recogida: pickedUp, fecha_entrega: delivered, detalle_estados: state, detalle_novedades: [],
  };
}

interface Answer {
  result?: unknown;
  error?: { code: number; message: string };
}

const refuse = (message: string): Answer => ({ error: { code: -32_000, message } });

/** `2026-11-20T07:00:00`, in Colombia's time. */
const localTime = (at: Date): string => new Date(at.getTime() - 5 * 3_600_000).toISOString().slice(0, 19);

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const Call = z.object({ jsonrpc: z.literal("2.0"), id: z.union([z.int(), z.string()]), method: z.string(), params: z.record(z.string(), z.unknown()) });
const CityCode = z.string().regex(/^\d{8}$/);
const Packages = z.array(z.object({ alto: z.number().positive(), ancho: z.number().positive(), largo: z.number().positive(), peso: z.number().positive(), unidades: z.int().positive() })).min(1);
const PriceRequest = z.object({ origen: CityCode, destino: CityCode, valoracion: z.int().nonnegative(), cuenta: z.int(), detalle: Packages });
const WaybillRequest = z.object({
  id_cliente: z.int().positive(),
  codigo_cuenta: z.int().positive(),
  nombre_remitente: z.string().min(1),
  direccion_remitente: z.string().min(1),
  telefono_remitente: z.string().min(1),
  ciudad_remitente: CityCode,
  nombre_destinatario: z.string().min(1),
  direccion_destinatario: z.string().min(1),
  telefono_destinatario: z.string().min(1),
  ciudad_destinatario: CityCode,
  valor_declarado: z.int().nonnegative(),
  contenido: z.string().min(1),
  referencia: z.string(),
  detalle: Packages,
});
