/** Andreani's own tools: one request each, in its words and decimal ARS. Reference: Andreani API v1 and v2, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const PostalCode = z.string().regex(/^\d{4}$/);
const Centimetres = z.number().positive().max(300).optional();

const Address = z.object({
  codigoPostal: PostalCode,
  calle: z.string().min(1).max(100),
  numero: z.string().max(10),
  piso: z.string().max(10).optional(),
  departamento: z.string().max(10).optional(),
  localidad: z.string().min(1).max(100),
  region: z.string().max(10).optional().describe("AR-B"),
  pais: z.string().max(40).default("Argentina"),
});
const Location = z.union([z.object({ postal: Address }), z.object({ sucursal: z.object({ id: z.string().max(10) }) })]);
const Person = z.object({
  nombreCompleto: z.string().min(1).max(100),
  email: z.email().max(100).optional(),
  documentoTipo: z.enum(["DNI", "CUIT", "CUIL", "PAS"]).optional(),
  documentoNumero: z.string().max(20).optional(),
  telefonos: z.array(z.object({ tipo: z.int().min(0).max(4), numero: z.string().max(20) })).max(4).optional(),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "get_rates",
    description: "Read what a parcel costs on a contract with Andreani, with and without VAT.",
    effect: "reads",
    input: z.object({
      contract: z.string().min(1).max(20),
      client: z.string().min(1).max(20).describe("client code: CL0003750"),
      destination_postal_code: PostalCode,
      origin_branch: z.string().max(10).optional(),
      weight: z.number().positive().max(1_000).describe("kg"),
      volume: z.number().positive().describe("cm³"),
      declared_value: z.number().nonnegative().optional().describe("decimal ARS, without taxes"),
    }),
    request: ({ contract, client, destination_postal_code, origin_branch, weight, volume, declared_value }) => ({
      method: "GET",
      path: "/v1/tarifas",
      query: {
        cpDestino: destination_postal_code, contrato: contract, cliente: client, sucursalOrigen: origin_branch,
        "bultos[0][kilos]": String(weight), "bultos[0][volumen]": String(volume),
        "bultos[0][valorDeclarado]": declared_value === undefined ? undefined : String(declared_value),
      },
    }),
  }),
  nativeTool({
    name: "create_shipment",
    description: "Order a shipment at Andreani; the contract is billed. codespar_ship does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      contrato: z.string().min(1).max(20),
      origen: Location,
      destino: Location,
      remitente: Person,
      destinatario: z.array(Person).min(1).max(5),
      bultos: z
        .array(z.object({
          kilos: z.number().positive().max(1_000),
          volumenCm: z.number().positive().describe("cm³"),
          largoCm: Centimetres,
          altoCm: Centimetres,
          anchoCm: Centimetres,
          valorDeclaradoSinImpuestos: z.number().nonnegative().optional(),
          descripcion: z.string().max(100).optional(),
        }))
        .min(1)
        .max(300),
      idPedido: z.string().max(60).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/v2/ordenes-de-envio", body: { idPedido: reference, ...args } }),
  }),
  nativeTool({
    name: "get_shipment",
    description: "Read the state of a shipment at Andreani. There is none before its order is accepted.",
    effect: "reads",
    input: z.object({ shipmentId: z.string().regex(/^\d{8,20}$/) }),
    request: (args) => ({ method: "GET", path: pathOf("/v2/envios/{shipmentId}", args) }),
  }),
  nativeTool({
    name: "track_shipment",
    description: "Read every event of a shipment at Andreani.",
    effect: "reads",
    input: z.object({ trackingNumber: z.string().regex(/^\d{8,20}$/) }),
    request: (args) => ({ method: "GET", path: pathOf("/v2/envios/{trackingNumber}/trazas", args) }),
  }),
  nativeTool({
    name: "list_branches",
    description: "List Andreani's branches, by the postal code they serve or by their town.",
    effect: "reads",
    input: z.object({ codigoPostal: PostalCode.optional(), localidad: z.string().max(100).optional(), canal: z.enum(["B2C", "B2B"]).default("B2C") }),
    request: (query) => ({ method: "GET", path: "/v2/sucursales", query }),
  }),
];
