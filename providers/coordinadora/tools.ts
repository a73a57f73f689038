/**
 * Coordinadora's own tools: one procedure each, in its words and whole pesos. The path names the procedure; the client adds
 * address and credentials. Reference: "Guías 1.6" and "AGS 1.5" as public projects call them, read 2026-11-20.
 */
import { z } from "zod";
import { nativeTool, type NativeTool } from "../native.ts";

const CityCode = z.string().regex(/^\d{8}$/).describe("DANE code: 11001000");
const Number11 = z.string().regex(/^\d{9,13}$/);
const Package = z.object({
  alto: z.number().positive().max(300).describe("cm"),
  ancho: z.number().positive().max(300).describe("cm"),
  largo: z.number().positive().max(300).describe("cm"),
  peso: z.number().positive().max(1_000).describe("kg"),
  unidades: z.int().positive().max(100).default(1),
});
const Packages = z.array(Package).min(1).max(50);
const withUbl = (packages: z.output<typeof Packages>) => packages.map((one) => ({ ubl: 0, ...one }));

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "get_rates",
    description: "Read what Coordinadora charges for parcels between two cities, and in how many days they arrive.",
    effect: "reads",
    input: z.object({
      origin_city: CityCode,
      destination_city: CityCode,
      packages: Packages,
      declared_value: z.int().nonnegative().default(0).describe("whole pesos"),
      account_code: z.enum(["1", "2", "3"]).default("1").describe("1 current account, 2 weekly agreement, 3 paid freight"),
    }),
    request: ({ origin_city, destination_city, packages, declared_value, account_code }) => ({
      method: "POST",
      path: "Cotizador.cotizar",
      body: {
        cuenta: Number(account_code), producto: 0, origen: origin_city, destino: destination_city, valoracion: declared_value,
        nivel_servicio: [{ item: 1 }], detalle: withUbl(packages),
      },
    }),
  }),
  nativeTool({
    name: "create_shipment",
    description: "Make a waybill at Coordinadora; the agreement is billed. codespar_ship does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      id_cliente: z.int().positive(),
      codigo_cuenta: z.int().min(1).max(9),
      nombre_remitente: z.string().min(1).max(100),
      direccion_remitente: z.string().min(1).max(150),
      telefono_remitente: z.string().min(5).max(20),
      ciudad_remitente: CityCode,
      nit_destinatario: z.string().max(20).default(""),
      nombre_destinatario: z.string().min(1).max(100),
      direccion_destinatario: z.string().min(1).max(150),
      telefono_destinatario: z.string().min(5).max(20),
      ciudad_destinatario: CityCode,
      valor_declarado: z.int().nonnegative().describe("whole pesos"),
      contenido: z.string().min(1).max(100),
      observaciones: z.string().max(200).default(" "),
      packages: Packages,
    }),
    request: ({ packages, ...args }, { reference }) => ({
      method: "POST",
      path: "Guias.generarGuia",
      body: {
        codigo_remision: "", fecha: "", id_remitente: 0, nit_remitente: "", div_destinatario: "", codigo_producto: 0, nivel_servicio: 1, linea: "",
        referencia: reference, estado: "IMPRESO", recaudos: [], margen_izquierdo: 0, margen_superior: 0, formato_impresion: "",
        ...args,
        detalle: withUbl(packages).map((one) => ({ ...one, referencia: "", nombre_empaque: "Caja" })),
      },
    }),
  }),
  nativeTool({
    name: "track_shipment",
    description: "Read the state of a waybill at Coordinadora, with everything that happened to it.",
    effect: "reads",
    input: z.object({ guideNumber: Number11 }),
    request: ({ guideNumber }) => ({ method: "POST", path: "Guias.rastreoExtendido", body: { codigos_remision: [guideNumber] } }),
  }),
  nativeTool({
    name: "list_cities",
    description: "List every city that Coordinadora serves, with its DANE code and department.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "POST", path: "Guias.ciudades", body: {} }),
  }),
  nativeTool({
    name: "cancel_shipment",
    description: "Annul a waybill at Coordinadora that was not picked up.",
    effect: "writes",
    input: z.object({ guideNumber: Number11 }),
    request: ({ guideNumber }) => ({ method: "POST", path: "Guias.anularGuia", body: { codigo_remision: guideNumber } }),
  }),
];
