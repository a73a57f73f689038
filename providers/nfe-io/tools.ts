/**
 * NFe.io's own tools: one request each, in its words and decimal BRL, for the connection's company. Reference: NFe.io's
 * OpenAPI documents "Nota Fiscal de Serviço" v1 and "Nota Fiscal de Produto" v2, read 2026-11-20.
 * Quirks: goods (NF-e) are on another host; an answer of 202 or 204 says queued, not done; an e-mail is sent by PUT. The
 * public MCP server names other fields for goods (`operation`, `products`, `environment`): the documents are followed.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";
import type { RequestSpec } from "../http.ts";

const Id = z.string().regex(/^[\w-]{1,64}$/);
const id = z.object({ id: Id });
const Text = z.string().min(1).max(255);
const Reais = z.number().min(0).describe("decimal BRL: 150.5");
const Rate = z.number().min(0).max(100).optional();
const TaxNumber = z.int().positive().describe("CPF or CNPJ as a number");
const Reason = z.string().min(15).max(1_000);
/** Groups of the document that we only carry: taxes, transport. */
const Group = z.record(z.string(), z.unknown());

const Address = z.object({
  country: z.string().length(3).describe("BRA"),
  postalCode: z.string().max(10).optional(),
  street: Text.optional(),
  number: z.string().max(20).optional(),
  additionalInformation: Text.optional(),
  district: Text.optional(),
  city: z.object({ code: z.string().regex(/^\d{7}$/).optional().describe("IBGE"), name: Text.optional() }).optional(),
  state: z.string().length(2).optional(),
  phone: z.string().max(20).optional(),
});

const Item = z.object({
  code: Text,
  codeGTIN: z.string().max(14).optional(),
  description: Text,
  ncm: z.string().regex(/^\d{2}(\d{6})?$/),
  cest: z.string().max(7).optional(),
  cfop: z.int().min(1_000).max(7_999),
  unit: z.string().min(1).max(6),
  quantity: z.number().positive(),
  unitAmount: z.number().min(0),
  totalAmount: Reais,
  freightAmount: Reais.optional(),
  discountAmount: Reais.optional(),
  additionalInformation: z.string().max(500).optional(),
  tax: Group.optional().describe("icms, ipi, pis, cofins, ... as the document has them"),
});

const Payment = z.object({
  paymentDetail: z.array(z.object({
    method: z.enum([
      "Cash", "Cheque", "CreditCard", "DebitCard", "StoreCredict", "FoodVouchers", "MealVouchers", "GiftVouchers", "FuelVouchers", "BankBill",
      "BankDeposit", "InstantPayment", "WireTransfer", "Cashback", "WithoutPayment", "Others",
    ]),
    methodDescription: z.string().max(60).optional(),
    paymentType: z.enum(["InCash", "Term"]).optional(),
    amount: Reais,
  })).min(1).max(100),
  payBack: Reais.optional(),
});

/** Below the company: the client knows which, and the host of each kind. */
const services = "/serviceinvoices";
const goods = "/productinvoices";

const read = (path: string) => (args: Record<string, unknown>): RequestSpec => ({ method: "GET", path: pathOf(path, args) });

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_nfse",
    description: "Issue a service invoice (NFS-e) through NFe.io. codespar_invoice does more, and follows it.",
    effect: "writes",
    input: z.object({
      cityServiceCode: z.string().min(1).max(30),
      description: z.string().min(1).max(2_000),
      servicesAmount: Reais,
      borrower: z.object({
        type: z.enum(["NaturalPerson", "LegalEntity"]).optional(),
        name: Text.optional(),
        federalTaxNumber: TaxNumber.optional(),
        municipalTaxNumber: z.string().max(30).optional(),
        email: z.email().max(254).optional(),
        phoneNumber: z.string().max(20).optional(),
        address: Address.omit({ phone: true }).optional(),
      }),
      externalId: z.string().min(1).max(100).optional(),
      federalServiceCode: z.string().max(30).optional(),
      cnaeCode: z.string().max(30).optional(),
      nbsCode: z.string().max(30).optional(),
      issuedOn: z.iso.datetime({ offset: true }).optional(),
      rpsSerialNumber: z.string().max(20).optional(),
      rpsNumber: z.int().positive().optional(),
      issRate: Rate,
      deductionsAmount: Reais.optional(),
      discountUnconditionedAmount: Reais.optional(),
      issAmountWithheld: Reais.optional(),
      irAmountWithheld: Reais.optional(),
      additionalInformation: z.string().max(2_000).optional(),
    }),
    request: (args, { reference }) => ({ method: "POST", path: services, body: { externalId: reference, ...args } }),
  }),
  nativeTool({
    name: "get_nfse",
    description: "Read a service invoice (NFS-e) at NFe.io.",
    effect: "reads",
    input: id,
    request: read(`${services}/{id}`),
  }),
  nativeTool({
    name: "list_nfse",
    description: "List service invoices (NFS-e) at NFe.io.",
    effect: "reads",
    input: z.object({
      pageIndex: z.int().min(1).optional(),
      pageCount: z.int().min(1).max(50).optional(),
      issuedBegin: z.iso.date().optional(),
      issuedEnd: z.iso.date().optional(),
      createdBegin: z.iso.date().optional(),
      createdEnd: z.iso.date().optional(),
    }),
    request: ({ pageIndex, pageCount, ...dates }) =>
      ({ method: "GET", path: services, query: { ...dates, pageIndex: pageIndex?.toString(), pageCount: pageCount?.toString() } }),
  }),
  nativeTool({
    name: "cancel_nfse",
    description: "Ask NFe.io to cancel a service invoice (NFS-e); the city may still refuse.",
    effect: "writes",
    input: id,
    request: (args) => ({ method: "DELETE", path: pathOf(`${services}/{id}`, args) }),
  }),
  nativeTool({
    name: "email_nfse",
    description: "Have NFe.io send a service invoice (NFS-e) to its borrower's e-mail.",
    effect: "writes",
    input: id,
    request: (args) => ({ method: "PUT", path: pathOf(`${services}/{id}/sendemail`, args) }),
  }),
  nativeTool({
    name: "create_nfe",
    description: "Queue an invoice of goods (NF-e) at NFe.io; get_nfe tells what became of it.",
    effect: "writes",
    input: z.object({
      operationNature: z.string().min(1).max(60),
      operationType: z.enum(["Outgoing", "Incoming"]).optional(),
      destination: z.enum(["None", "Internal_Operation", "Interstate_Operation", "International_Operation"]).optional(),
      purposeType: z.enum(["None", "Normal", "Complement", "Adjustment", "Devolution"]).optional(),
      consumerType: z.enum(["FinalConsumer", "Normal"]).optional(),
      presenceType: z.enum(["None", "Presence", "Internet", "Telephone", "Delivery", "OthersNonPresenceOperation"]).optional(),
      serie: z.int().min(0).optional(),
      number: z.int().positive().optional(),
      operationOn: z.iso.datetime({ offset: true }).optional(),
      buyer: z.object({
        name: Text,
        federalTaxNumber: TaxNumber,
        type: z.enum(["NaturalPerson", "LegalEntity"]).optional(),
        email: z.email().max(254).optional(),
        stateTaxNumberIndicator: z.enum(["None", "TaxPayer", "Exempt", "NonTaxPayer"]).optional(),
        stateTaxNumber: z.string().max(20).optional(),
        address: Address.optional(),
      }),
      items: z.array(Item).min(1).max(990),
      payment: z.array(Payment).min(1).max(10),
      transport: Group.optional(),
      billing: Group.optional(),
      additionalInformation: Group.optional(),
    }),
    request: (args) => ({ method: "POST", path: goods, body: args }),
  }),
  nativeTool({
    name: "get_nfe",
    description: "Read an invoice of goods (NF-e) at NFe.io.",
    effect: "reads",
    input: id,
    request: read(`${goods}/{id}`),
  }),
  nativeTool({
    name: "list_nfe",
    description: "List invoices of goods (NF-e) at NFe.io.",
    effect: "reads",
    input: z.object({
      environment: z.enum(["Production", "Test"]),
      limit: z.int().min(1).max(50).optional(),
      startingAfter: Id.optional(),
      endingBefore: Id.optional(),
      q: z.string().max(500).optional().describe("such as buyer.name:'EMPRESA LTDA'"),
    }),
    request: ({ limit, ...query }) => ({ method: "GET", path: goods, query: { ...query, limit: limit?.toString() } }),
  }),
  nativeTool({
    name: "cancel_nfe",
    description: "Ask NFe.io to cancel an invoice of goods (NF-e).",
    effect: "writes",
    input: id.extend({ reason: Reason }),
    request: ({ id: invoice, reason }) => ({ method: "DELETE", path: pathOf(`${goods}/{invoice}`, { invoice }), query: { reason } }),
  }),
  nativeTool({
    name: "correct_nfe",
    description: "Send a letter of correction (CC-e) for an invoice of goods (NF-e).",
    effect: "writes",
    input: id.extend({ reason: Reason.describe("what is corrected, 15 to 1000 characters without accents") }),
    request: ({ id: invoice, reason }) => ({ method: "PUT", path: pathOf(`${goods}/{invoice}/correctionletter`, { invoice }), body: { reason } }),
  }),
  nativeTool({
    name: "get_nfe_pdf",
    description: "Get the address of the printable form (DANFE) of an invoice of goods.",
    effect: "reads",
    input: id,
    request: read(`${goods}/{id}/pdf`),
  }),
  nativeTool({
    name: "get_nfe_xml",
    description: "Get the address of the XML of an invoice of goods.",
    effect: "reads",
    input: id,
    request: read(`${goods}/{id}/xml`),
  }),
];
