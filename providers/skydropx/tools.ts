/** Skydropx' own tools: one request each, in its words and decimal MXN. Reference: Skydropx PRO API v1, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const shipmentId = z.object({ shipmentId: z.uuid() });

const Area = z.object({
  country_code: z.string().length(2).default("MX"),
  postal_code: z.string().min(4).max(10),
  area_level1: z.string().min(1).max(60).describe("state"),
  area_level2: z.string().min(1).max(60).describe("city or municipality"),
  area_level3: z.string().max(60).optional().describe("colonia"),
});
const Contact = z.object({
  name: z.string().min(1).max(100),
  company: z.string().min(1).max(100),
  street1: z.string().min(1).max(100).describe("street and number"),
  phone: z.string().regex(/^\d{10}$/),
  email: z.email().max(100),
  reference: z.string().max(30).optional(),
});
const Insurance = { package_protected: z.boolean().optional(), declared_value: z.number().positive().optional().describe("decimal MXN") };

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "get_rates",
    description: "Ask Skydropx' carriers for rates. They come one by one: asked the same again, it answers with the same quotation, filled further.",
    effect: "reads",
    input: z.object({
      address_from: Area,
      address_to: Area,
      parcel: z.object({
        length: z.int().positive().max(300).describe("cm"),
        width: z.int().positive().max(300),
        height: z.int().positive().max(300),
        weight: z.number().positive().max(500).describe("kg"),
        ...Insurance,
      }),
      requested_carriers: z.array(z.string().max(40)).max(20).optional(),
    }),
    request: ({ parcel, ...quotation }) => ({ method: "POST", path: "/quotations", body: { quotation: { ...quotation, parcels: [parcel] } } }),
  }),
  nativeTool({
    name: "create_shipment",
    description: "Buy the label of a rate at Skydropx, from the credits. codespar_ship does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      rate_id: z.uuid(),
      address_from: Contact,
      address_to: Contact,
      packages: z
        .array(z.object({
          package_number: z.string().max(3),
          package_type: z.string().max(5).describe("4G is a cardboard box"),
          consignment_note: z.string().regex(/^\d{8}$/).describe("SAT code for the Carta Porte"),
          ...Insurance,
        }))
        .min(1)
        .max(20),
      printing_format: z.enum(["standard", "thermal"]).default("standard"),
    }),
    request: (args) => ({ method: "POST", path: "/shipments", body: { shipment: { ...args, unique_shipment: true } } }),
  }),
  nativeTool({
    name: "get_shipment",
    description: "Read a shipment at Skydropx: its label, tracking number and status.",
    effect: "reads",
    input: shipmentId,
    request: (args) => ({ method: "GET", path: pathOf("/shipments/{shipmentId}", args) }),
  }),
  nativeTool({
    name: "list_shipments",
    description: "List the shipments of the account at Skydropx, a page at a time.",
    effect: "reads",
    input: z.object({ page: z.int().min(1).default(1) }),
    request: ({ page }) => ({ method: "GET", path: "/shipments", query: { page: String(page) } }),
  }),
  nativeTool({
    name: "track_shipment",
    description: "Track a parcel by its carrier's tracking number at Skydropx.",
    effect: "reads",
    input: z.object({ tracking_number: z.string().min(4).max(64), carrier: z.string().min(2).max(40).describe("estafeta, dhl, fedex") }),
    request: ({ tracking_number, carrier }) => ({ method: "GET", path: "/shipments/tracking", query: { tracking_number, carrier_name: carrier } }),
  }),
  nativeTool({
    name: "list_carriers",
    description: "List the carriers and services that the account has at Skydropx.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/shipments/carrier_services" }),
  }),
  nativeTool({
    name: "cancel_shipment",
    description: "Ask Skydropx to cancel a shipment and give its price back.",
    effect: "writes",
    input: shipmentId,
    request: (args) => ({ method: "POST", path: pathOf("/shipments/{shipmentId}/cancellations", args) }),
  }),
];
