/** Facturapi's own tools: one request each, in its own words and decimal pesos. Reference: its OpenAPI document v2, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const id = z.string().min(1).max(64);
const page = { page: z.int().min(1).max(30).optional(), limit: z.int().min(1).max(100).optional() };
const dates = { date_from: z.iso.datetime().optional(), date_to: z.iso.datetime().optional() };
const queryOf = ({ page, limit, date_from, date_to }: { page?: number | undefined; limit?: number | undefined; date_from?: string | undefined; date_to?: string | undefined }) =>
  ({ page: page?.toString(), limit: limit?.toString(), "date[gte]": date_from, "date[lte]": date_to });

const product = {
  description: z.string().min(1).max(1_000),
  product_key: z.string().min(1).max(10).describe("ClaveProdServ of SAT's catalog"),
  price: z.number().positive().describe("decimal, of one unit"),
  tax_included: z.boolean().optional().describe("true when absent"),
  unit_key: z.string().max(5).optional().describe("H87 (a piece) when absent"),
  unit_name: z.string().max(50).optional(),
  sku: z.string().max(100).optional(),
};
const tax = z.object({
  type: z.enum(["IVA", "ISR", "IEPS"]).optional(), rate: z.number().min(0), factor: z.enum(["Tasa", "Cuota", "Exento"]).optional(), withholding: z.boolean().optional(),
});
const customer = {
  legal_name: z.string().min(1).max(254),
  tax_id: z.string().min(12).max(13).describe("RFC"),
  tax_system: z.string().length(3).describe("regime of SAT's catalog, such as 601"),
  email: z.string().max(254).optional(),
};
const items = z.array(z.object({
  quantity: z.number().positive().optional(),
  discount: z.number().min(0).optional(),
  product: z.union([id.describe("id of a product"), z.object({ ...product, taxes: z.array(tax).max(10).optional() })]),
})).min(1).max(5_000);
const payment_form = z.string().length(2).describe("SAT's code: 01 cash, 03 transfer, 04 credit card, 28 debit card");

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_invoice",
    description: "Issue a CFDI of type ingreso at Facturapi. codespar_invoice does more, and follows it.",
    effect: "writes",
    input: z.object({
      customer: z.union([id.describe("id of a customer"), z.object({ ...customer, address: z.object({ zip: z.string().length(5) }) })]),
      items,
      payment_form,
      payment_method: z.enum(["PUE", "PPD"]).optional(),
      use: z.string().max(4).default("G01").describe("CFDI use of SAT's catalog"),
      series: z.string().max(25).optional(),
      folio_number: z.int().min(1).optional(),
      external_id: z.string().max(100).optional(),
      idempotency_key: z.string().max(100).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: "/invoices", body: { external_id: reference, idempotency_key: reference, ...args } }),
  }),
  nativeTool({
    name: "get_invoice",
    description: "Read an invoice at Facturapi.",
    effect: "reads",
    input: z.object({ invoiceId: id }),
    request: (args) => ({ method: "GET", path: pathOf("/invoices/{invoiceId}", args) }),
  }),
  nativeTool({
    name: "list_invoices",
    description: "List invoices at Facturapi, the newest first.",
    effect: "reads",
    input: z.object({ q: z.string().max(100).optional(), customer: id.optional(), external_id: z.string().max(100).optional(), uuid: z.uuid().optional(), ...dates, ...page }),
    request: (args) => ({
      method: "GET", path: "/invoices", query: { q: args.q, customer: args.customer, external_id: args.external_id, uuid: args.uuid, ...queryOf(args) },
    }),
  }),
  nativeTool({
    name: "cancel_invoice",
    description: "Ask SAT to cancel an invoice. Motive 01 names the invoice that replaces it; above 1000 pesos the buyer may have to agree.",
    effect: "writes",
    input: z.object({ invoiceId: id, motive: z.enum(["01", "02", "03", "04"]), substitution: z.string().max(64).optional() }),
    request: ({ invoiceId, motive, substitution }) => ({ method: "DELETE", path: pathOf("/invoices/{invoiceId}", { invoiceId }), query: { motive, substitution } }),
  }),
  nativeTool({
    name: "send_invoice_email",
    description: "Send an invoice's PDF and XML by e-mail, to the buyer's address unless another is given.",
    effect: "writes",
    input: z.object({ invoiceId: id, email: z.union([z.email(), z.array(z.email()).min(1).max(10)]).optional() }),
    request: ({ invoiceId, email }) => ({ method: "POST", path: pathOf("/invoices/{invoiceId}/email", { invoiceId }), body: { email } }),
  }),
  nativeTool({
    name: "create_customer",
    description: "Create a customer at Facturapi.",
    effect: "writes",
    input: z.object({ ...customer, zip: z.string().length(5).describe("postal code of the tax address") }),
    request: ({ zip, ...args }) => ({ method: "POST", path: "/customers", body: { ...args, address: { zip } } }),
  }),
  nativeTool({
    name: "get_customer",
    description: "Read a customer at Facturapi.",
    effect: "reads",
    input: z.object({ customerId: id }),
    request: (args) => ({ method: "GET", path: pathOf("/customers/{customerId}", args) }),
  }),
  nativeTool({
    name: "list_customers",
    description: "List customers at Facturapi, or find them by name or RFC.",
    effect: "reads",
    input: z.object({ q: z.string().max(100).optional(), ...page }),
    request: (args) => ({ method: "GET", path: "/customers", query: { q: args.q, ...queryOf(args) } }),
  }),
  nativeTool({
    name: "create_product",
    description: "Add a product or service to the catalog at Facturapi.",
    effect: "writes",
    input: z.object(product),
    request: (args) => ({ method: "POST", path: "/products", body: args }),
  }),
  nativeTool({
    name: "list_products",
    description: "List products at Facturapi, or find them by description or SKU.",
    effect: "reads",
    input: z.object({ q: z.string().max(100).optional(), ...page }),
    request: (args) => ({ method: "GET", path: "/products", query: { q: args.q, ...queryOf(args) } }),
  }),
  nativeTool({
    name: "create_receipt",
    description: "Create an e-receipt whose buyer can turn it into an invoice on a page of Facturapi.",
    effect: "writes",
    input: z.object({ items, payment_form, folio_number: z.int().min(1).optional(), external_id: z.string().max(100).optional() }),
    request: (args, { reference }) => ({ method: "POST", path: "/receipts", body: { external_id: reference, idempotency_key: reference, ...args } }),
  }),
  nativeTool({
    name: "list_receipts",
    description: "List e-receipts at Facturapi.",
    effect: "reads",
    input: z.object({ q: z.string().max(100).optional(), ...dates, ...page }),
    request: (args) => ({ method: "GET", path: "/receipts", query: { q: args.q, ...queryOf(args) } }),
  }),
];
