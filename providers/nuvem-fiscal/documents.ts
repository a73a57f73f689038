/**
 * Our request in the words of the two documents: a DPS (NFS-e) and an `infNFe` (NF-e, layout 4.00).
 * Sources: the vendor's SDK documents (nuvem-fiscal/nuvemfiscal-sdk-php, `docs/Model`) and Manual de Orientação do
 * Contribuinte, both read 2026-11-20. What a request cannot say is a setting of the connection.
 */
import { normalizePhone, parseDocument, parseTaxId } from "../../schema/documents.ts";
import type { InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import { SetupMissing } from "../provider.ts";
import { invalid, type Declined } from "./answers.ts";

type Settings = Readonly<Record<string, string>>;
type Recipient = NonNullable<InvoiceRequest["recipient"]>;
type Item = NonNullable<InvoiceRequest["items"]>[number] & { amount: bigint };

export interface Made<Content> {
  content: Content;
  amountMinor: bigint;
}

export function setting(settings: Settings, name: string): string {
  const value = settings[name];
  if (!value) throw new SetupMissing(name);
  return value;
}

/** `2026-11-20T09:00:00-03:00`: Brasília has kept UTC-3 all year since 2019 (Decreto 9.772/2019). */
const brasiliaTime = (at: Date): string => new Date(at.getTime() - 3 * 3_600_000).toISOString().replace(/\.\d{3}Z$/, "-03:00");

/** One NFS-e is one service with one amount: amounts of items are added up, their descriptions put below each other. */
export function toDps(request: InvoiceRequest, settings: Settings, now: Date): Made<object> | Declined {
  const items = pricedItems(request);
  if ("outcome" in items) return items;
  const { recipient } = request;
  if (!recipient?.name) return invalid("recipient.name", "Expected who receives the service.");
  const code = items.find((item) => item.service_code)?.service_code;
  const other = items.findIndex((item) => item.service_code && item.service_code !== code);
  if (other >= 0) return invalid(`items.${other}.service_code`, "One NFS-e carries one service code: issue one invoice for each code.");
  const description = items.flatMap((item) => item.description ?? []).join("\n") || settings["service_description"];
  if (!description) return invalid("items.0.description", "Expected what the service was.");
  const toma = toTomador(recipient);
  if ("outcome" in toma) return toma;
  const rate = settings["iss_rate"];
  const cityCode = settings["city_code"];
  const amountMinor = total(items);
  const content = {
    dhEmi: brasiliaTime(now),
    prest: taxpayer(setting(settings, "company_cnpj"), "company_cnpj"),
    toma,
    serv: {
      ...(cityCode && { locPrest: { cLocPrestacao: cityCode } }),
      cServ: defined({
        cTribNac: (code ?? setting(settings, "national_service_code")).replace(/\D/g, ""),
        cTribMun: settings["municipal_service_code"] || undefined,
        xDescServ: description,
      }),
    },
    valores: {
      vServPrest: { vServ: reais(amountMinor) },
      trib: { tribMun: { tribISSQN: 1, ...(rate && { pAliq: Number(rate) }), tpRetISSQN: 1 } },
    },
  };
  return { content, amountMinor };
}

function toTomador({ name, document, email, phone, address }: Recipient): object | Declined {
  const tax = document === undefined ? {} : taxId(document);
  if ("outcome" in tax) return tax;
  const fone = phone === undefined ? undefined : nationalPhone(phone);
  if (typeof fone === "object") return fone;
  const end = address && toAddress(address);
  if (end && "outcome" in end) return end;
  return defined({
    ...tax,
    xNome: name,
    end: end && defined({ endNac: { cMun: end.cMun, CEP: end.CEP }, xLgr: end.xLgr, nro: end.nro, xCpl: end.xCpl, xBairro: end.xBairro }),
    fone,
    email,
  });
}

/**
 * An NF-e of a company in Simples Nacional to a final consumer: no ICMS is highlighted, no state registration is known.
 *
 * number  the next of its series, which the issuer counts
 */
export function toNfe(request: InvoiceRequest, settings: Settings, { now, number }: { now: Date; number: number }): Made<object> | Declined {
  const items = pricedItems(request);
  if ("outcome" in items) return items;
  const cityCode = setting(settings, "city_code");
  const csosn = setting(settings, "icms_csosn");
  const paymentMeans = setting(settings, "nfe_payment_means");
  const isRehearsal = setting(settings, "environment") === "homologacao";
  const dest = toRecipient(request.recipient, isRehearsal);
  if ("outcome" in dest) return dest;
  const det = items.map((item, index) => toLine(item, index, { csosn, cfop: item.cfop ?? settings["cfop"] }));
  const refused = det.find((line) => "outcome" in line);
  if (refused) return refused as Declined;
  const amountMinor = total(items);
  const content = {
    versao: "4.00",
    ide: {
      cUF: Number(cityCode.slice(0, 2)), natOp: settings["operation_nature"] || "Venda de mercadoria", mod: 55,
      serie: Number(settings["nfe_series"] || "1"), nNF: number, dhEmi: brasiliaTime(now), tpNF: 1,
      idDest: dest.enderDest.cMun.slice(0, 2) === cityCode.slice(0, 2) ? 1 : 2,
      cMunFG: cityCode, tpImp: 1, tpEmis: 1, finNFe: 1, indFinal: 1, indPres: 2, indIntermed: 0, procEmi: 0, verProc: "codespar-server",
    },
    emit: taxpayer(setting(settings, "company_cnpj"), "company_cnpj"),
    dest,
    det,
    total: { ICMSTot: { ...Object.fromEntries(zeroTotals.map((name) => [name, 0])), vProd: reais(amountMinor), vNF: reais(amountMinor) } },
    transp: { modFrete: 9 },
    pag: { detPag: [{ tPag: paymentMeans, vPag: paymentMeans === "90" ? 0 : reais(amountMinor) }] },
  };
  return { content, amountMinor };
}

/** What `ICMSTot` asks for and a company in Simples Nacional does not owe by the document. */
const zeroTotals = [
  "vBC", "vICMS", "vICMSDeson", "vFCP", "vBCST", "vST", "vFCPST", "vFCPSTRet", "vFrete", "vSeg", "vDesc", "vII", "vIPI", "vIPIDevol", "vPIS",
  "vCOFINS", "vOutro",
];

/** The name that the tax authorities ask for in every NF-e of the rehearsal environment (rejection 598). */
const REHEARSAL_NAME = "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL";

function toRecipient(recipient: Recipient | undefined, isRehearsal: boolean) {
  if (!recipient?.name) return invalid("recipient.name", "Expected who buys the goods.");
  if (!recipient.document) return invalid("recipient.document", "Expected the buyer's CPF or CNPJ.");
  if (!recipient.address) return invalid("recipient.address", "Expected the buyer's address: an NF-e must carry it.");
  const tax = taxId(recipient.document);
  if ("outcome" in tax) return tax;
  const address = toAddress(recipient.address);
  if ("outcome" in address) return address;
  for (const [theirs, ours] of asked) if (!address[theirs]) return invalid(`recipient.address.${ours}`, "Expected by every NF-e.");
  const { xLgr, nro, xCpl, xBairro, cMun, xMun, UF, CEP } = address;
  return {
    ...tax,
    xNome: isRehearsal ? REHEARSAL_NAME : recipient.name,
    enderDest: { xLgr, nro, ...(xCpl && { xCpl }), xBairro, cMun, xMun, UF, CEP, cPais: "1058", xPais: "BRASIL" },
    indIEDest: 9,
    ...(recipient.email && { email: recipient.email }),
  };
}

const asked = [["xLgr", "street"], ["nro", "number"], ["xBairro", "district"], ["xMun", "city"], ["UF", "state"]] as const;

function toLine(item: Item, index: number, { csosn, cfop }: { csosn: string; cfop: string | undefined }): object | Declined {
  if (!item.description) return invalid(`items.${index}.description`, "Expected what was sold.");
  if (!item.ncm) return invalid(`items.${index}.ncm`, "Expected the product's NCM code, 8 digits.");
  if (!cfop) return invalid(`items.${index}.cfop`, "Expected the CFOP of the sale, 4 digits, here or as the connection's cfop.");
  const quantity = /^(\d{1,11})(?:\.(\d{1,4}))?$/.exec(String(item.quantity));
  if (!quantity) return invalid(`items.${index}.quantity`, "Expected at most 4 decimals.");
  const vProd = reais(item.amount);
  const vUnCom = unitPrice(item.amount, BigInt(quantity[1]! + (quantity[2] ?? "").padEnd(4, "0")));
  const goods = { qCom: item.quantity, vUnCom, vProd, cEANTrib: "SEM GTIN", uTrib: "UN", qTrib: item.quantity, vUnTrib: vUnCom, indTot: 1 };
  const untaxed = (tax: "PIS" | "COFINS") => ({ [`${tax}Outr`]: { CST: "49", vBC: 0, [`p${tax}`]: 0, [`v${tax}`]: 0 } });
  return {
    nItem: index + 1,
    // The layout names this code for goods that the seller has no code of its own for.
    prod: { cProd: item.service_code ?? `CFOP${cfop}`, cEAN: "SEM GTIN", xProd: item.description.slice(0, 120), NCM: item.ncm, CFOP: cfop, uCom: "UN", ...goods },
    imposto: { ICMS: { ICMSSN102: { orig: 0, CSOSN: csosn } }, PIS: untaxed("PIS"), COFINS: untaxed("COFINS") },
  };
}

/** The price of one, to the 10 decimals that the layout carries. `quantity` is in ten-thousandths. */
function unitPrice(amountMinor: bigint, quantity: bigint): number {
  const scaled = amountMinor * 10n ** 12n; // 2 decimals of the amount and 4 of the quantity become 10
  const price = (scaled + quantity / 2n) / quantity;
  return Number(`${price / 10n ** 10n}.${(price % 10n ** 10n).toString().padStart(10, "0")}`);
}

function pricedItems({ items = [] }: InvoiceRequest): Item[] | Declined {
  if (items.length === 0) return invalid("items", "Expected at least one item with its amount.");
  const unpriced = items.findIndex((item) => item.amount === undefined);
  if (unpriced >= 0) return invalid(`items.${unpriced}.amount`, "Expected the line total in centavos.");
  const priced = items as Item[];
  // The wire wants JSON numbers, which carry every amount of up to 15 digits exactly.
  const isExact = fromDecimal(reais(total(priced)), "BRL") === total(priced);
  return isExact ? priced : invalid("items", "The total is more than Nuvem Fiscal can be told to the centavo.");
}

const total = (items: readonly Item[]): bigint => items.reduce((sum, item) => sum + item.amount, 0n);

const reais = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "BRL" }));

/** `company_cnpj` may hold a CPF: a person may issue, too. */
function taxpayer(document: string, settingName: string): object {
  const tax = taxId(document);
  if ("outcome" in tax) throw new SetupMissing(settingName);
  return tax;
}

/** Which documents a live project may send is decided before this; the published sample of test projects passes. */
function taxId(document: string): { CPF: string } | { CNPJ: string } | Declined {
  const parsed = parseTaxId(document, { environment: "test" });
  if (!parsed.ok) return invalid("recipient.document", parsed.reason);
  return parsed.kind === "cpf" ? { CPF: parsed.value } : { CNPJ: parsed.value };
}

function nationalPhone(phone: string): string | Declined {
  const parsed = normalizePhone(phone, "BR");
  if (!parsed.ok || !parsed.value.startsWith("+55")) return invalid("recipient.phone", parsed.ok ? "Expected a Brazilian phone number." : parsed.reason);
  return parsed.value.slice("+55".length);
}

interface Address extends Partial<Record<"xLgr" | "nro" | "xCpl" | "xBairro" | "xMun" | "UF", string>> {
  cMun: string;
  CEP: string;
}

/** An address is free-form in the argument: the tool's usual names are read. */
function toAddress(address: Record<string, unknown>): Address | Declined {
  const first = (...names: string[]) => names.map((name) => address[name]).find((value): value is string => typeof value === "string" && value !== "");
  const country = first("country");
  if (country && !/^(br|bra|brasil|brazil)$/i.test(country)) return invalid("recipient.address.country", "Expected an address in Brazil.");
  const cMun = first("city_code");
  if (!cMun || !/^\d{7}$/.test(cMun)) return invalid("recipient.address.city_code", "Expected the city's IBGE code, 7 digits.");
  const cep = parseDocument(first("postal_code", "postalCode", "zip") ?? "", ["cep"]);
  if (!cep.ok) return invalid("recipient.address.postal_code", cep.reason);
  return {
    cMun,
    CEP: cep.value,
    ...defined({
      xLgr: first("street", "line_1"), nro: first("number"), xCpl: first("complement", "line_2"), xBairro: first("district", "neighborhood"),
      xMun: first("city"), UF: first("state"),
    }),
  };
}

const defined = <Values extends object>(values: Values): Values =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Values;
