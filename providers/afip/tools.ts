/** ARCA's own questions: one operation of WSFEv1 each, the result as it came, every value a string. What issues is `codespar_invoice`. */
import { z } from "zod";
import { nativeTool, type NativeTool } from "../native.ts";
import { operation } from "./soap.ts";

const sequence = { point_of_sale: z.int().min(1).max(99_999), invoice_type: z.int().min(1).max(999).describe("CbteTipo: 1 factura A, 6 factura B, 11 factura C") };
const nothing = z.object({});

const table = (name: string, what: string, operationName: string): NativeTool => nativeTool({
  name, description: `List ARCA's ${what}.`, effect: "reads", input: nothing, request: () => operation(operationName, {}),
});

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "get_last_invoice_number",
    description: "Read the last authorized number of a point of sale and type of voucher at ARCA (AFIP).",
    effect: "reads",
    input: z.object(sequence),
    request: (args) => operation("FECompUltimoAutorizado", { PtoVta: args.point_of_sale, CbteTipo: args.invoice_type }),
  }),
  nativeTool({
    name: "get_invoice",
    description: "Read a voucher at ARCA (AFIP) by its number: CAE, amounts, receiver.",
    effect: "reads",
    input: z.object({ ...sequence, invoice_number: z.int().min(1).max(99_999_999) }),
    request: (args) => operation("FECompConsultar", { FeCompConsReq: { CbteTipo: args.invoice_type, CbteNro: args.invoice_number, PtoVta: args.point_of_sale } }),
  }),
  nativeTool({
    name: "get_server_status",
    description: "Ask whether ARCA's (AFIP's) invoicing service, database and login are up.",
    effect: "reads",
    input: nothing,
    request: () => operation("FEDummy", {}, "public"),
  }),
  nativeTool({
    name: "get_currency_rate",
    description: "Read ARCA's (AFIP's) exchange rate of a currency to the peso, by its code, such as DOL.",
    effect: "reads",
    input: z.object({ currency: z.string().regex(/^[A-Z0-9]{3}$/) }),
    request: ({ currency }) => operation("FEParamGetCotizacion", { MonId: currency }),
  }),
  table("list_invoice_types", "types of voucher", "FEParamGetTiposCbte"),
  table("list_concept_types", "concepts (goods, services)", "FEParamGetTiposConcepto"),
  table("list_doc_types", "types of document of a receiver", "FEParamGetTiposDoc"),
  table("list_iva_types", "VAT rates", "FEParamGetTiposIva"),
  table("list_currency_types", "currencies", "FEParamGetTiposMonedas"),
  table("list_tax_types", "other taxes", "FEParamGetTiposTributos"),
  table("get_authorized_points_of_sale", "points of sale of this issuer that may use web services", "FEParamGetPtosVenta"),
  nativeTool({
    name: "get_invoice_total_x_request",
    description: "Read how many vouchers one request to ARCA (AFIP) may carry.",
    effect: "reads",
    input: nothing,
    request: () => operation("FECompTotXRequest", {}),
  }),
];
