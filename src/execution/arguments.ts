/**
 * From what a caller wrote to what a provider is asked: other spellings renamed, gaps filled from the merchant's
 * profile, amounts brought to minor units, the schema applied, tax ids checked. Everything wrong is named by field.
 */
import type { z } from "zod";
import { parseTaxId } from "../../schema/documents.ts";
import { Failure } from "../../schema/failures.ts";
import { invoiceCurrencies } from "../../schema/meta-tools/invoice.ts";
import { isObject, respell, type JsonObject, type MetaTool } from "../../schema/meta-tools/meta-tool.ts";
import type { MetaToolName } from "../../schema/meta-tools/index.ts";
import { amountUnits, display, fromDecimal, isCurrency, type Currency } from "../../schema/money.ts";
import type { Environment } from "../../schema/tool-calls.ts";
import type { Merchant, ProjectSettings } from "../access/projects.ts";

export interface PreparedArguments {
  /** Canonical JSON: what is stored, fingerprinted, and parsed again when a crash interrupted the call. */
  canonical: JsonObject;
  /** The tool's input as its schema decodes it. */
  parsed: unknown;
}

/**
 * shownOnly  keeps only the arguments that models are shown: what a model makes up beside them (a key, an order reference, a
 *            provider) decides nothing
 * throws     invalid_args, amount_fraction, amount_unit_unset, currency_unknown or tax_id_invalid
 */
export function prepareArguments(
  tool: MetaTool,
  written: JsonObject,
  { shownOnly = false, ...project }: { environment: Environment; settings: ProjectSettings; shownOnly?: boolean },
): PreparedArguments {
  const everything = respell(tool, written);
  const respelled = shownOnly ? onlyShown(tool, everything) : everything;
  const completed = completeInTest(tool.name as MetaToolName, completeFromMerchant(tool.name as MetaToolName, respelled, project.settings.merchant), project.environment);
  const inMinor = toMinorUnits(tool.name, completed, project);
  const canonical = checkTaxIds(inMinor, project.environment);
  const result = tool.input.safeParse(canonical);
  if (!result.success) throw argumentFailure(result.error.issues[0]!, canonical);
  return { canonical, parsed: result.data };
}

/** The unit of an amount is not shown either, but the failure about fractions names it, and it can only make a call clearer. */
const onlyShown = (tool: MetaTool, args: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(args).filter(([name]) => Object.hasOwn(tool.shown.shape, name) || name === "amount_unit"));

/** The first issue of a schema as a failure that names the field. Shared with the door, which parses operations. */
export function argumentFailure(issue: z.core.$ZodIssue, input: unknown): Failure {
  const field = issue.path.join(".");
  const found = issue.path.reduce<unknown>((at, key) => (isObject(at) || Array.isArray(at) ? (at as never)[key] : undefined), input);
  const kind = issue.code === "custom" ? (issue.params as { failure?: string } | undefined)?.failure : undefined;
  if (kind === "amount_fraction") return new Failure("amount_fraction", { field, amount: String(found), expected: "an integer in minor units" });
  if (kind === "currency_unknown") return new Failure("currency_unknown", { field, currency: String(found), expected: issue.message });
  const expected = expectation(issue);
  const problem = found === undefined ? `is required, ${expected}` : expected;
  return new Failure("invalid_args", { ...(field && { field }), problem, expected });
}

/** What a field should have been, in words: `expected string`, `expected one of pix, boleto`. */
function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_value") return `expected one of ${issue.values.map(String).join(", ")}`;
  if (issue.code === "invalid_type") return `expected ${issue.expected}`;
  return issue.message.replace(/^Invalid input: /, "");
}

/** Who buys in a test where nobody is named: a published sample of a checkout names nobody. */
const TEST_BUYER = { name: "Comprador de Teste", document: "11144477735" };

const completeInTest = (tool: MetaToolName, args: JsonObject, environment: Environment): JsonObject =>
  tool === "codespar_checkout" && environment === "test" ? { ...args, buyer: args["buyer"] ?? TEST_BUYER } : args;

function completeFromMerchant(tool: MetaToolName, args: JsonObject, merchant: Merchant | undefined): JsonObject {
  if (!merchant) return args;
  if (tool === "codespar_ship" && args["action"] !== "track")
    return { ...args, origin: args["origin"] ?? merchant.sender, items: args["items"] ?? [merchant.defaultParcel] };
  if (tool === "codespar_wallet") return { ...args, payer: args["payer"] ?? { name: merchant.name, document: merchant.taxId } };
  // The merchant's service is one that a Brazilian city knows: it describes no goods, and nothing sold elsewhere.
  if (tool === "codespar_invoice" && (args["type"] ?? "nfse") === "nfse" && Array.isArray(args["items"])) {
    const { description, serviceCode } = merchant.defaultService;
    return { ...args, items: args["items"].map((item) => (isObject(item) ? { description, service_code: serviceCode, ...item } : item)) };
  }
  return args;
}

/** Amounts a caller may write in major units (`money.ts` says which), brought to minor; `amount_unit` is then spent. */
function toMinorUnits(tool: string, args: JsonObject, project: { environment: Environment; settings: ProjectSettings }): JsonObject {
  const paths = Object.entries(amountUnits).filter(([path, rule]) => path.startsWith(`${tool}.`) && rule.mayBeMajor && rule.unit === "minor");
  if (paths.length === 0) return args;
  const { amount_unit: said, ...rest } = args;
  const unit = said ?? project.settings.chargeAmountUnit;
  if (unit === undefined && project.environment === "live" && tool === "codespar_charge") throw unitUnset(rest);
  if (unit !== "major") return unit === "minor" || unit === undefined ? rest : args;
  const currency = typeof rest["currency"] === "string" ? rest["currency"].toUpperCase() : "BRL";
  if (!isCurrency(currency)) return rest;
  return paths.reduce((at, [path]) => convert(at, path.slice(tool.length + 1).split("."), currency), rest);
}

function convert(args: JsonObject, [key, ...rest]: string[], currency: Currency): JsonObject {
  const value = args[key!];
  if (rest.length === 0) return value === undefined ? args : { ...args, [key!]: major(value, key!, currency) };
  if (!Array.isArray(value)) return args;
  return { ...args, [key!]: value.map((item) => (isObject(item) ? convert(item, rest, currency) : item)) };
}

function major(value: unknown, field: string, currency: Currency): unknown {
  if (typeof value !== "number" && typeof value !== "string") return value;
  const minor = fromDecimal(value, currency);
  if (minor === undefined)
    throw new Failure("invalid_args", { field, problem: `${value} has more decimals than ${currency}`, expected: `an amount in ${currency}` });
  return Number(minor);
}

function unitUnset(args: JsonObject): Failure {
  const currency = typeof args["currency"] === "string" && isCurrency(args["currency"]) ? args["currency"] : "BRL";
  const amount = typeof args["amount"] === "number" ? args["amount"] : 0;
  const asMajor = fromDecimal(amount, currency);
  return new Failure("amount_unit_unset", {
    field: "amount_unit", amount: String(amount), expected: "minor or major",
    asMinor: Number.isInteger(amount) ? display({ amountMinor: BigInt(amount), currency }) : "not an integer of minor units",
    asMajor: asMajor === undefined ? "more decimals than the currency has" : display({ amountMinor: asMajor, currency }),
  });
}

/** Where a Brazilian tax id may stand. In a passport's place it is not one, so `kyc` says which kind it is. */
const taxIdPaths = ["buyer.document", "buyer.cpf", "recipient.document", "subject.document", "origin.document", "destination.document"];

function checkTaxIds(args: JsonObject, environment: Environment): JsonObject {
  return taxIdPaths.reduce((at, path) => checkTaxId(at, path, environment), args);
}

function checkTaxId(args: JsonObject, path: string, environment: Environment): JsonObject {
  const [holder, key] = path.split(".") as [string, string];
  const party = args[holder];
  if (!isObject(party) || typeof party[key] !== "string" || !isBrazilian(args, party)) return args;
  const parsed = parseTaxId(party[key], { country: "BR", environment });
  if (!parsed.ok) throw new Failure("tax_id_invalid", { field: path, problem: parsed.reason, expected: "a CPF or CNPJ" });
  return { ...args, [holder]: { ...party, [key]: parsed.value } };
}

const isBrazilian = (args: JsonObject, party: JsonObject): boolean => {
  const kind = party["document_type"];
  if (typeof kind === "string") return ["cpf", "cnpj"].includes(kind.toLowerCase());
  const country = party["country"];
  if (typeof country === "string") return country.toUpperCase() === "BR";
  const currency = args["currency"] ?? documentCurrency(args["type"]);
  return currency === undefined || String(currency).toUpperCase() === "BRL";
};

/** A fiscal document has no currency of its own: its type has. */
const documentCurrency = (type: unknown): Currency | undefined =>
  typeof type === "string" && Object.hasOwn(invoiceCurrencies, type) ? invoiceCurrencies[type as keyof typeof invoiceCurrencies] : undefined;
