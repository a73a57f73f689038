/** Wompi's own tools: one request each, amounts in centavos. Reference: docs.wompi.co, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";
import { PUBLIC_KEY } from "./clients.ts";

const Cents = z.int().min(1).max(1_000_000_000_000).describe("centavos: $1,500 is 150000");
const transaction = z.object({ transactionId: z.string().min(1).max(64) });
const merchant = { method: "GET", path: `/merchants/${PUBLIC_KEY}` } as const;

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_transaction",
    description: "Start a payment at Wompi; it is signed for you. codespar_charge does more, and follows it.",
    effect: "moves_money",
    input: z.object({
      amount_in_cents: Cents,
      currency: z.literal("COP"),
      customer_email: z.string().max(254),
      reference: z.string().min(1).max(255).optional().describe("taken once; ours unless told"),
      payment_method: z.looseObject({ type: z.string().max(40) }).describe("by its type, as docs.wompi.co says"),
      acceptance_token: z.string().max(4_000).describe("of get_acceptance_token, once the buyer has accepted"),
      accept_personal_auth: z.string().max(4_000).optional().describe("of get_acceptance_token, too"),
      redirect_url: z.url().max(500).optional(),
      customer_data: z.object({ full_name: z.string().max(200), phone_number: z.string().max(20).optional() }).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/transactions", body: { reference, ...args } }),
  }),
  nativeTool({
    name: "get_transaction",
    description: "Read a payment at Wompi.",
    effect: "reads",
    input: transaction,
    request: (args) => ({ method: "GET", path: pathOf("/transactions/{transactionId}", args) }),
  }),
  nativeTool({
    name: "search_transaction_by_reference",
    description: "Find the payments at Wompi that have a reference.",
    effect: "reads",
    input: z.object({ reference: z.string().min(1).max(255) }),
    request: ({ reference }) => ({ method: "GET", path: "/transactions", query: { reference } }),
  }),
  nativeTool({
    name: "void_transaction",
    description: "Void an approved card payment at Wompi.",
    effect: "moves_money",
    input: transaction,
    request: (args) => ({ method: "POST", path: pathOf("/transactions/{transactionId}/void", args), body: {} }),
  }),
  nativeTool({
    name: "create_payment_link",
    description: "Create a payment link at Wompi, payable at https://checkout.wompi.co/l/ and its id.",
    effect: "writes",
    input: z.object({
      name: z.string().min(1).max(200),
      description: z.string().max(500),
      single_use: z.boolean().default(true),
      collect_shipping: z.boolean().default(false),
      amount_in_cents: Cents.optional().describe("centavos; the payer says how much where absent"),
      currency: z.literal("COP").default("COP"),
      expires_at: z.iso.datetime().optional(),
      redirect_url: z.url().max(500).optional(),
      sku: z.string().max(36).optional(),
    }),
    request: (args) => ({ method: "POST", path: "/payment_links", body: args }),
  }),
  nativeTool({
    name: "get_payment_link",
    description: "Read a payment link at Wompi.",
    effect: "reads",
    input: z.object({ linkId: z.string().min(1).max(64) }),
    request: (args) => ({ method: "GET", path: pathOf("/payment_links/{linkId}", args) }),
  }),
  nativeTool({
    name: "list_financial_institutions",
    description: "List the banks that pay by PSE, with the codes that codespar_charge takes in metadata.financial_institution_code.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/pse/financial_institutions" }),
  }),
  nativeTool({
    name: "get_acceptance_token",
    description: "Read the contracts of Wompi that a buyer must accept, and the tokens that say so.",
    effect: "reads",
    input: z.object({}),
    request: () => merchant,
  }),
  nativeTool({
    name: "get_merchant",
    description: "Read the merchant's own record at Wompi.",
    effect: "reads",
    input: z.object({}),
    request: () => merchant,
  }),
];
