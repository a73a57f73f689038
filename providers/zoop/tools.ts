/**
 * Zoop's own tools: one request each, in Zoop's words, amounts in centavos. Sources: docs.zoop.co, read 2026-11-20, and public
 * clients; README.md says what of it is doubtful.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Id = z.string().min(1).max(64);
/** The most that Zoop's decimal text is sure to hold is not documented; this is ten million reais. */
const Centavos = z.int().min(1).max(1_000_000_000).describe("centavos: 1990 is R$ 19.90");
const Description = z.string().max(500).optional();
const Name = z.string().min(1).max(120);
const Email = z.email().max(254);
const Phone = z.string().max(32).optional();
const Day = z.iso.date();
const Text = z.string().max(120).optional();

const Address = z.object({
  line1: Text, line2: Text, line3: Text, neighborhood: Text, city: Text, state: z.string().max(5).optional().describe("SP"),
  postal_code: z.string().max(9).optional(), country_code: z.string().length(2).optional(),
}).optional();

const person = {
  first_name: Name.optional(), last_name: Name.optional(), email: Email.optional(), phone_number: Phone, birthdate: Day.optional(), address: Address,
};
const taxpayer_id = z.string().max(18).describe("CPF").optional();

const page = {
  limit: z.int().min(1).max(100).optional(), offset: z.int().min(0).max(1_000_000).optional(),
  sort: z.enum(["time-descending", "time-ascending"]).optional(),
};

const query = (args: Record<string, string | number | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(args).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])));

const readTransaction = (name: string, description: string) => nativeTool({
  name,
  description,
  effect: "reads",
  input: z.object({ id: Id }),
  request: (args) => ({ method: "GET", path: pathOf("/transactions/{id}", args) }),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_transaction",
    description: "Charge a buyer at Zoop on behalf of a seller, by card token, boleto or Pix.",
    effect: "moves_money",
    input: z.object({
      on_behalf_of: Id.describe("the seller's id"), amount: Centavos, currency: z.literal("BRL").default("BRL"),
      payment_type: z.enum(["credit", "debit", "boleto", "pix"]), description: Description,
      customer: Id.optional().describe("the buyer's id; needed for boleto"), token: Id.optional().describe("of a card"),
      payment_method: z.object({
        expiration_date: Day.optional(), payment_limit_date: Day.optional(), body_instructions: z.array(z.string().max(200)).max(5).optional(),
      }).optional().describe("boleto only"),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/transactions", body: { reference_id: reference, ...args } }),
  }),
  readTransaction("get_transaction", "Read a transaction at Zoop."),
  nativeTool({
    name: "list_transactions",
    description: "List the transactions of the Zoop marketplace.",
    effect: "reads",
    input: z.object({
      status: z.enum(["succeeded", "failed", "pending", "canceled", "pre_authorized", "reversed", "refunded", "dispute"]).optional(),
      payment_type: z.enum(["credit", "debit", "boleto", "pix"]).optional(), ...page,
    }),
    request: (args) => ({ method: "GET", path: "/transactions", query: query(args) }),
  }),
  nativeTool({
    name: "create_pix_payment",
    description: "Charge by Pix at Zoop on behalf of a seller; the code to pay is in payment_method.qr_code.emv.",
    effect: "moves_money",
    input: z.object({
      on_behalf_of: Id.describe("the seller's id"), amount: Centavos, customer: Id.optional().describe("the buyer's id"), description: Description,
    }),
    request: (args, { reference }) =>
      ({ method: "POST", path: "/transactions", body: { reference_id: reference, currency: "BRL", payment_type: "pix", ...args } }),
  }),
  readTransaction("get_pix_payment", "Read a Pix transaction at Zoop, with its code to pay."),
  nativeTool({
    name: "refund_transaction",
    description: "Give a Zoop transaction back, in whole or, for captured credit cards, in part.",
    effect: "moves_money",
    input: z.object({ id: Id, on_behalf_of: Id.describe("the seller's id"), amount: Centavos.optional() }),
    request: ({ id, ...body }) => ({ method: "POST", path: pathOf("/transactions/{id}/void", { id }), body }),
  }),
  nativeTool({
    name: "create_buyer",
    description: "Create a buyer in the Zoop marketplace.",
    effect: "writes",
    input: z.object({ ...person, first_name: Name, last_name: Name, email: Email, taxpayer_id }),
    request: (args) => ({ method: "POST", path: "/buyers", body: args }),
  }),
  nativeTool({
    name: "create_seller",
    description: "Create a seller in the Zoop marketplace: an individual by CPF, or a business by CNPJ with its owner.",
    effect: "writes",
    input: z.object({
      type: z.enum(["individual", "business"]), ...person, taxpayer_id, ein: z.string().max(18).optional().describe("CNPJ"),
      business_name: Name.optional(), business_email: Email.optional(), business_phone: Phone, business_address: Address,
      owner: z.object({ ...person, taxpayer_id }).optional(),
    }),
    request: ({ type, ...body }) => ({ method: "POST", path: type === "business" ? "/sellers/businesses" : "/sellers/individuals", body }),
  }),
  nativeTool({
    name: "get_seller",
    description: "Read a seller of the Zoop marketplace.",
    effect: "reads",
    input: z.object({ id: Id }),
    request: (args) => ({ method: "GET", path: pathOf("/sellers/{id}", args) }),
  }),
  nativeTool({
    name: "list_sellers",
    description: "List the sellers of the Zoop marketplace; charges are made on behalf of one.",
    effect: "reads",
    input: z.object({ ...page }),
    request: (args) => ({ method: "GET", path: "/sellers", query: query(args) }),
  }),
  nativeTool({
    name: "get_balance",
    description: "Read a Zoop seller's balance, as decimal reais.",
    effect: "reads",
    input: z.object({ seller_id: Id }),
    request: (args) => ({ method: "GET", path: pathOf("/sellers/{seller_id}/balances", args) }),
  }),
];
