/**
 * Siigo's own tools: one request each, in Siigo's words: decimal pesos, days as yyyy-mm-dd. Reference: developers.siigo.com,
 * read 2026-11-20 through the vendor's client and public ones.
 * Quirk: an invoice needs a seller, which the public MCP server leaves out; `list_users` tells who may sell.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";
import type { RequestSpec } from "../http.ts";

const Id = z.int().positive();
const Uuid = z.string().regex(/^[\w-]{1,64}$/);
const Text = z.string().min(1).max(255);
const Pesos = z.number().min(0).max(1e15).describe("decimal COP");
const page = { page: z.int().min(1).optional(), page_size: z.int().min(1).max(100).optional() };
const period = { date_start: z.iso.date().optional(), date_end: z.iso.date().optional() };
const created = { created_start: z.iso.date().optional(), created_end: z.iso.date().optional() };

const Phone = z.object({ indicative: z.string().max(10).optional(), number: z.string().max(10), extension: z.string().max(10).optional() });
const Taxes = z.array(z.object({ id: Id })).max(10).optional().describe("ids of list_taxes");

const listOf = (path: string) => (filter: Record<string, unknown>): RequestSpec =>
  ({ method: "GET", path, query: Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, value === undefined ? undefined : String(value)])) });

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_invoice",
    description: "Create a sales invoice in Siigo; with stamp.send it goes to the tax authority (DIAN).",
    effect: "writes",
    input: z.object({
      document: z.object({ id: Id }).describe("an id of list_document_types, type FV"),
      date: z.iso.date(),
      customer: z.object({ identification: z.string().min(1).max(50), branch_office: z.int().min(0).optional() }),
      seller: Id.describe("an id of list_users"),
      cost_center: Id.optional(),
      currency: z.object({ code: z.string().length(3), exchange_rate: z.number().positive() }).optional(),
      observations: z.string().max(4_000).optional(),
      items: z.array(z.object({
        code: Text, description: Text.optional(), quantity: z.number().positive().max(1e9), price: Pesos, discount: z.number().min(0).optional(), taxes: Taxes,
      })).min(1).max(500),
      payments: z.array(z.object({ id: Id.describe("an id of list_payment_methods"), value: Pesos, due_date: z.iso.date().optional() })).min(1).max(20),
      stamp: z.object({ send: z.boolean() }).optional(),
      mail: z.object({ send: z.boolean() }).optional(),
    }),
    request: (args) => ({ method: "POST", path: "/v1/invoices", body: args }),
  }),
  nativeTool({
    name: "get_invoice",
    description: "Read a sales invoice in Siigo.",
    effect: "reads",
    input: z.object({ invoiceId: Uuid }),
    request: (args) => ({ method: "GET", path: pathOf("/v1/invoices/{invoiceId}", args) }),
  }),
  nativeTool({
    name: "get_invoice_pdf",
    description: "Get the PDF of a sales invoice in Siigo, in base64.",
    effect: "reads",
    input: z.object({ invoiceId: Uuid }),
    request: (args) => ({ method: "GET", path: pathOf("/v1/invoices/{invoiceId}/pdf", args) }),
  }),
  nativeTool({
    name: "list_invoices",
    description: "List sales invoices in Siigo.",
    effect: "reads",
    input: z.object({ ...page, ...period, ...created }),
    request: listOf("/v1/invoices"),
  }),
  nativeTool({
    name: "create_customer",
    description: "Create a customer or supplier in Siigo.",
    effect: "writes",
    input: z.object({
      type: z.enum(["Customer", "Supplier", "Other"]).optional(),
      person_type: z.enum(["Person", "Company"]),
      id_type: z.string().min(1).max(5).describe("13: cédula, 31: NIT"),
      identification: z.string().min(1).max(50),
      check_digit: z.string().max(1).optional(),
      name: z.array(z.string().min(1).max(100)).min(1).max(2).describe("a person's first and last names, or a company's name"),
      commercial_name: z.string().max(100).optional(),
      address: z.object({
        address: z.string().min(1).max(256),
        city: z.object({ country_code: z.string().length(2), state_code: z.string().max(5), city_code: z.string().max(10) }),
        postal_code: z.string().max(10).optional(),
      }),
      phones: z.array(Phone).min(1).max(10),
      contacts: z.array(z.object({
        first_name: z.string().min(1).max(50), last_name: z.string().max(50).optional(), email: z.string().max(100).optional(), phone: Phone.optional(),
      })).min(1).max(10),
    }),
    request: (args) => ({ method: "POST", path: "/v1/customers", body: args }),
  }),
  nativeTool({
    name: "list_customers",
    description: "List customers in Siigo, or find one by identification.",
    effect: "reads",
    input: z.object({ ...page, identification: z.string().max(50).optional(), ...created }),
    request: listOf("/v1/customers"),
  }),
  nativeTool({
    name: "create_product",
    description: "Create a product or service in Siigo.",
    effect: "writes",
    input: z.object({
      code: z.string().min(1).max(30),
      name: z.string().min(1).max(100),
      account_group: Id,
      type: z.enum(["Product", "Service", "ConsumerGood"]).optional(),
      stock_control: z.boolean().optional(),
      tax_classification: z.enum(["Taxed", "Exempt", "Excluded"]).optional(),
      tax_included: z.boolean().optional(),
      taxes: Taxes,
      unit: z.string().max(10).optional(),
      prices: z.array(z.object({
        currency_code: z.string().length(3), price_list: z.array(z.object({ position: z.int().min(1).max(12), value: Pesos })).min(1).max(12),
      })).max(5).optional(),
    }),
    request: (args) => ({ method: "POST", path: "/v1/products", body: args }),
  }),
  nativeTool({
    name: "list_products",
    description: "List products in Siigo, or find one by code.",
    effect: "reads",
    input: z.object({ ...page, code: z.string().max(30).optional(), ...created }),
    request: listOf("/v1/products"),
  }),
  nativeTool({
    name: "list_document_types",
    description: "List the documents that this Siigo company may issue, with their ids.",
    effect: "reads",
    input: z.object({ type: z.enum(["FV", "NC", "RC", "FC", "CC"]).describe("FV: sales invoice, NC: credit note") }),
    request: listOf("/v1/document-types"),
  }),
  nativeTool({
    name: "list_payment_methods",
    description: "List the ways to pay that an invoice in Siigo may name, with their ids.",
    effect: "reads",
    input: z.object({ document_type: z.enum(["FV", "NC", "RC", "FC"]) }),
    request: listOf("/v1/payment-types"),
  }),
  nativeTool({
    name: "list_taxes",
    description: "List the taxes of this Siigo company, with their ids.",
    effect: "reads",
    input: z.object({}),
    request: listOf("/v1/taxes"),
  }),
  nativeTool({
    name: "list_users",
    description: "List the users of this Siigo company: a seller is one of them.",
    effect: "reads",
    input: z.object(page),
    request: listOf("/v1/users"),
  }),
];
