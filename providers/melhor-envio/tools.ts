/**
 * Melhor Envio's own tools: one request each, in its words: centimetres, kilograms, decimal BRL. A label is a walk:
 * calculate_shipping, create_shipment, checkout_cart (which pays), generate_label, print_label, track_shipment.
 * Reference: docs.melhorenvio.com.br, the pages of each step, as public clients quote them, read 2026-11-20.
 * Quirks: the public MCP server has a second name for the checkout (`add_cart`) and asks the tracking for one id; the
 * documents have one checkout, and a list of orders in every step.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const PostalCode = z.string().regex(/^\d{8}$/).describe("CEP, eight digits");
const Reais = z.number().min(0).describe("decimal BRL");
const OrderId = z.uuid();
const orders = z.object({ orders: z.array(OrderId).min(1).max(50).describe("ids that create_shipment returned") });
const Text = z.string().min(1).max(255);

const measures = {
  width: z.number().positive().max(1_000).describe("cm"),
  height: z.number().positive().max(1_000).describe("cm"),
  length: z.number().positive().max(1_000).describe("cm"),
  weight: z.number().positive().max(1_000).describe("kg"),
};

const Party = z.object({
  name: Text,
  phone: z.string().max(20).optional(),
  email: z.email().max(254).optional(),
  document: z.string().max(14).optional().describe("CPF, digits only"),
  company_document: z.string().max(18).optional().describe("CNPJ, digits only"),
  state_register: z.string().max(20).optional(),
  address: Text,
  number: z.string().max(20).optional(),
  complement: z.string().max(100).optional(),
  district: z.string().max(100).optional(),
  city: Text,
  state_abbr: z.string().length(2),
  country_id: z.literal("BR").optional(),
  postal_code: PostalCode,
  note: z.string().max(255).optional(),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "calculate_shipping",
    description: "Ask Melhor Envio what each carrier takes for a parcel; an offer with `error` is none. codespar_ship does it by items.",
    effect: "reads",
    input: z.object({
      from: z.object({ postal_code: PostalCode }),
      to: z.object({ postal_code: PostalCode }),
      products: z.array(z.object({ id: z.string().max(100).optional(), ...measures, insurance_value: Reais, quantity: z.int().positive() })).min(1).max(100),
      options: z.object({ receipt: z.boolean().optional(), own_hand: z.boolean().optional() }).optional(),
      services: z.string().regex(/^\d+(,\d+)*$/).optional().describe("ids of services, with commas: 1,2"),
    }),
    request: (args) => ({ method: "POST", path: "/me/shipment/calculate", body: args }),
  }),
  nativeTool({
    name: "create_shipment",
    description: "Put one label into the cart at Melhor Envio. Nothing is paid: checkout_cart pays.",
    effect: "writes",
    input: z.object({
      service: z.int().positive().describe("id of an offer of calculate_shipping"),
      agency: z.int().positive().optional(),
      from: Party,
      to: Party,
      products: z.array(z.object({ name: Text, quantity: z.int().positive(), unitary_value: Reais })).max(100).optional().describe("the declaration of content"),
      volumes: z.array(z.object(measures)).min(1).max(20),
      options: z.object({
        insurance_value: Reais,
        receipt: z.boolean().optional(),
        own_hand: z.boolean().optional(),
        non_commercial: z.boolean().optional(),
        invoice: z.object({ key: z.string().length(44) }).optional(),
        platform: z.string().max(100).optional(),
      }),
    }),
    request: ({ options, ...args }, { reference }) =>
      ({ method: "POST", path: "/me/cart", body: { ...args, options: { ...options, tags: [{ tag: reference }] } } }),
  }),
  nativeTool({
    name: "checkout_cart",
    description: "Pay labels in the cart from the wallet at Melhor Envio.",
    effect: "moves_money",
    input: orders,
    request: (args) => ({ method: "POST", path: "/me/shipment/checkout", body: args }),
  }),
  nativeTool({
    name: "generate_label",
    description: "Have paid labels generated at Melhor Envio.",
    effect: "writes",
    input: orders,
    request: (args) => ({ method: "POST", path: "/me/shipment/generate", body: args }),
  }),
  nativeTool({
    name: "print_label",
    description: "Get the address at which generated labels are printed.",
    effect: "reads",
    input: orders.extend({ mode: z.enum(["public", "private"]).optional().describe("public opens for whoever has the address") }),
    request: (args) => ({ method: "POST", path: "/me/shipment/print", body: args }),
  }),
  nativeTool({
    name: "track_shipment",
    description: "Ask Melhor Envio where parcels are; its answer may be an hour old.",
    effect: "reads",
    input: orders,
    request: (args) => ({ method: "POST", path: "/me/shipment/tracking", body: args }),
  }),
  nativeTool({
    name: "get_shipment",
    description: "Read one label at Melhor Envio.",
    effect: "reads",
    input: z.object({ id: OrderId }),
    request: (args) => ({ method: "GET", path: pathOf("/me/orders/{id}", args) }),
  }),
  nativeTool({
    name: "cancel_shipment",
    description: "Cancel a label at Melhor Envio that has not been posted; the wallet gets its price back.",
    effect: "moves_money",
    input: z.object({ id: OrderId, reason_id: z.string().regex(/^\d+$/).describe("2: the buyer gave up"), description: Text }),
    request: (args) => ({ method: "POST", path: "/me/shipment/cancel", body: { order: args } }),
  }),
  nativeTool({
    name: "get_balance",
    description: "Read the wallet at Melhor Envio, in decimal BRL.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/me/balance" }),
  }),
];
