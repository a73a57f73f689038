/** PagBank's own tools: one request each, in PagBank's words. Reference: developer.pagbank.com.br, "API Order", read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const id = z.string().min(1).max(64);
const centavos = z.int().min(1).max(999_999_999).describe("centavos: 1990 is R$ 19,90");

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_order",
    description: "Create a PagBank order with a Pix QR code. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      reference_id: z.string().min(1).max(64).optional(),
      customer: z.object({ name: z.string().min(1).max(120), email: z.email().max(255).optional(), tax_id: z.string().regex(/^\d{11}(\d{3})?$/) }),
      items: z.array(z.object({ name: z.string().min(1).max(64), quantity: z.int().min(1).max(99_999), unit_amount: centavos })).min(1).max(100),
      qr_codes: z.array(z.object({ amount: z.object({ value: centavos }), expiration_date: z.iso.datetime({ offset: true }).optional() })).min(1).max(1),
      notification_urls: z.array(z.url().max(255)).max(5).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/orders", body: { reference_id: reference, ...args } }),
  }),
  nativeTool({
    name: "get_order",
    description: "Read a PagBank order with its QR codes and charges.",
    effect: "reads",
    input: z.object({ id }),
    request: (args) => ({ method: "GET", path: pathOf("/orders/{id}", args) }),
  }),
  nativeTool({
    name: "get_charge",
    description: "Read a PagBank charge.",
    effect: "reads",
    input: z.object({ charge_id: id }),
    request: (args) => ({ method: "GET", path: pathOf("/charges/{charge_id}", args) }),
  }),
  nativeTool({
    name: "refund",
    description: "Give a paid PagBank charge back, whole or in part.",
    effect: "moves_money",
    input: z.object({ charge_id: id, amount: z.object({ value: centavos }) }),
    request: ({ charge_id, amount }) => ({ method: "POST", path: pathOf("/charges/{charge_id}/cancel", { charge_id }), body: { amount } }),
  }),
  nativeTool({
    name: "get_public_keys",
    description: "Create or read the public key that PagBank's page encrypts cards with.",
    effect: "writes",
    input: z.object({ type: z.literal("card") }),
    request: (body) => ({ method: "POST", path: "/public-keys", body }),
  }),
];
