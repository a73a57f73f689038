/** codespar_invoice: fiscal documents. Sources: seed FAQ (M-086…M-089) and facts C-22, C-24. */
import { z } from "zod";
import { AmountUnit, MinorUnits, type Currency } from "../money.ts";
import { AmountArgument, callerArguments, metaTool, party, type JsonObject } from "./meta-tool.ts";

export const invoice = metaTool({
  name: "codespar_invoice",
  description: "Issue a fiscal document: nfse for services, nfe for goods. Returns number, key and PDF once authorized.",
  effect: "writes",
  settles: "invoice",
  shown: {
    type: z.enum(["nfse", "nfe", "nfci", "factura_ar"]).default("nfse"),
    action: z.enum(["issue", "status", "amend"]).default("issue"),
    recipient: z.object({ ...party, address: z.record(z.string(), z.unknown()).optional() }).optional(),
    items: z
      .array(
        z.object({
          description: z.string().max(2000).optional(),
          amount: AmountArgument.optional().describe("line total, minor units"),
          quantity: z.number().positive().default(1),
          service_code: z.string().max(32).optional(),
          ncm: z.string().max(8).optional(),
          cfop: z.string().max(4).optional(),
        }),
      )
      .max(500)
      .optional(),
    dueDate: z.iso.date().optional(),
    invoice_id: z.string().max(128).optional().describe("for status, amend"),
    correction: z.string().max(1000).optional(),
    reason: z.string().max(1000).optional(),
  },
  caller: {
    ...callerArguments,
    amount_unit: AmountUnit.optional(),
    payment_id: z.string().max(128).optional().describe("The charge this document is for."),
  },
  advertisedRequired: ["type"],
  aliases: [
    ["rail", "type"],
    ["operation", "action"],
    ["buyer", "recipient"],
    ["customer", "recipient"],
    ["products", "items"],
    ["due_date", "dueDate"],
    ["items[].unitPrice", "items[].unit_price"],
  ],
  reshape: (args) => ({
    ...args,
    ...(args["type"] === "invoice" && { type: "nfse" }),
    ...(args["action"] === "create" && { action: "issue" }),
    ...(Array.isArray(args["items"]) && { items: args["items"].map(lineTotal) }),
  }),
  output: z.object({
    id: z.string(),
    status: z.string().describe("processing, autorizada, rejeitada or cancelada."),
    number: z.string().optional(),
    access_key: z.string().optional(),
    verification_code: z.string().optional(),
    amount: MinorUnits.optional(),
    pdf_url: z.string().optional(),
    xml_url: z.string().optional(),
    issued_at: z.string().optional(),
    reason: z.string().optional(),
  }),
});

/** The currency each type of document is written in: its country decides. */
export const invoiceCurrencies = { nfse: "BRL", nfe: "BRL", nfci: "MXN", factura_ar: "ARS" } as const satisfies Record<InvoiceRequest["type"], Currency>;

export type InvoiceRequest = z.output<typeof invoice.input>;
export type InvoiceResult = z.output<typeof invoice.output>;

/** `unit_price` × `quantity` as a line total; left as written when either is no number, for the schema to name. */
function lineTotal(item: unknown): unknown {
  if (typeof item !== "object" || item === null) return item;
  const { unit_price: unitPrice, ...rest } = item as JsonObject;
  if (rest["amount"] !== undefined || unitPrice === undefined) return item;
  const quantity = rest["quantity"] ?? 1;
  if (typeof unitPrice !== "number" || typeof quantity !== "number") return { ...rest, amount: unitPrice };
  return { ...rest, amount: roundedProduct(unitPrice, quantity) };
}

/** Products of a price with two decimals and a whole quantity stay exact; binary noise such as 298.00000000000006 is cut. */
const roundedProduct = (unitPrice: number, quantity: number): number => Number((unitPrice * quantity).toFixed(6));
