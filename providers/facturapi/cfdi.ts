/**
 * Our request as a CFDI 4.0 of type I (ingreso). Source: Facturapi's OpenAPI document v2 of 2026-08-20, "Create invoice",
 * and its guide "Factura de Ingreso", read 2026-11-20. What a request cannot say is a setting of the connection.
 */
import type { InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import { SetupMissing } from "../provider.ts";
import { invalid, type Declined } from "./answers.ts";

type Settings = Readonly<Record<string, string>>;
type Recipient = NonNullable<InvoiceRequest["recipient"]>;
type Item = NonNullable<InvoiceRequest["items"]>[number];

export function toCfdi({ recipient, items = [], dueDate }: InvoiceRequest, settings: Settings, reference: string): object | Declined {
  const customer = toCustomer(recipient, settings);
  if ("outcome" in customer) return customer;
  if (items.length === 0) return invalid("items", "Expected at least one item with its amount.");
  const lines = items.map((item, index) => toLine(item, index, settings));
  const refused = lines.find((line) => "outcome" in line);
  if (refused) return refused as Declined;
  const method = settings["payment_method"] || "PUE";
  if (method !== "PUE" && method !== "PPD") throw new SetupMissing("payment_method");
  // What is paid later has no form yet: SAT wants 99 with PPD.
  const form = method === "PPD" ? "99" : settings["payment_form"];
  if (!form) throw new SetupMissing("payment_form");
  return {
    type: "I",
    customer,
    items: lines,
    payment_form: form,
    payment_method: method,
    use: settings["cfdi_use"] || "G01",
    currency: "MXN",
    ...(settings["series"] && { series: settings["series"] }),
    ...(dueDate && { conditions: `Fecha límite de pago: ${dueDate}` }),
    external_id: reference,
    idempotency_key: reference,
  };
}

/** 3 letters and 9 characters of a company, 4 and 9 of a person. Whether SAT knows it, SAT says. */
const RFC = /^[A-ZÑ&]{3,4}\d{6}[0-9A-Z]{3}$/;

function toCustomer(recipient: Recipient | undefined, settings: Settings): object | Declined {
  if (!recipient?.name) return invalid("recipient.name", "Expected the buyer's legal name, as SAT has it, without the corporate regime.");
  const rfc = (recipient.document ?? "").replace(/[./\- ]/g, "").toUpperCase();
  if (!RFC.test(rfc)) return invalid("recipient.document", "Expected the buyer's RFC: 12 characters for a company, 13 for a person.");
  const first = (...names: string[]) => names.map((name) => recipient.address?.[name]).find((value): value is string => typeof value === "string" && value !== "");
  const zip = first("zip", "postal_code", "postalCode");
  if (!zip || !/^\d{5}$/.test(zip)) return invalid("recipient.address.zip", "Expected the postal code of the buyer's tax address, 5 digits.");
  const system = first("tax_system") ?? settings["customer_tax_system"];
  if (!system || !/^\d{3}$/.test(system))
    return invalid("recipient.address.tax_system", "Expected the buyer's tax regime by SAT's catalog, such as 601, here or as the connection's customer_tax_system.");
  return {
    legal_name: recipient.name, tax_id: rfc, tax_system: system, address: { zip },
    ...(recipient.email && { email: recipient.email }), ...(recipient.phone && { phone: recipient.phone }),
  };
}

/** Amounts include their taxes: what the buyer pays is what the caller said. */
function toLine(item: Item, index: number, settings: Settings): object | Declined {
  if (item.amount === undefined) return invalid(`items.${index}.amount`, "Expected the line total in centavos, taxes included.");
  if (!item.description) return invalid(`items.${index}.description`, "Expected what was sold.");
  const key = item.service_code ?? settings["product_key"];
  if (!key) throw new SetupMissing("product_key");
  const price = unitPrice(item.amount, item.quantity);
  if (price === undefined) return invalid(`items.${index}.quantity`, "The line total divided by the quantity is no price of 6 decimals: sell one, or in whole parts.");
  const { unit_key } = settings;
  return {
    quantity: item.quantity,
    product: { description: item.description, product_key: key, price, tax_included: true, ...taxes(settings["iva_rate"]), ...(unit_key && { unit_key }) },
  };
}

/** The document's own default, 16 %, stands where the connection says nothing. */
function taxes(rate: string | undefined): object {
  if (!rate) return {};
  if (rate === "exento") return { taxes: [{ type: "IVA", rate: 0, factor: "Exento" }] };
  if (!/^0(?:\.\d{1,6})?$/.test(rate)) throw new SetupMissing("iva_rate");
  return { taxes: [{ type: "IVA", rate: Number(rate) }] };
}

/** The price of one, when its 6 decimals give the line total to the centavo again. */
function unitPrice(amountMinor: bigint, quantity: number): number | undefined {
  const parts = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(String(quantity));
  if (!parts) return undefined;
  const millionths = BigInt(parts[1]! + (parts[2] ?? "").padEnd(6, "0"));
  const scaled = amountMinor * 10n ** 10n; // 2 decimals of the amount and 6 of the quantity become 6
  if (millionths === 0n || scaled % millionths !== 0n) return undefined;
  const price = scaled / millionths;
  const text = `${price / 1_000_000n}.${(price % 1_000_000n).toString().padStart(6, "0")}`;
  // A JSON number carries 15 digits exactly; a longer price, or a longer total, would come out as another.
  const isExact = text.replace(".", "").replace(/^0+/, "").length <= 15 && fromDecimal(Number(toDecimal({ amountMinor, currency: "MXN" })), "MXN") === amountMinor;
  return isExact ? Number(text) : undefined;
}
