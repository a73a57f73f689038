/**
 * Our request in the words of the two documents: a DPS (NFS-e) and an `infNFe` (NF-e, layout 4.00).
 * Sources: the vendor's SDK documents (nuvem-fiscal/nuvemfiscal-sdk-php, `docs/Model`) and Manual de Orientação do
 * Contribuinte, both read 2026-11-20. What a request cannot say is a setting of the connection.
 */
import type { InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import {
  brasiliaTime, invalid, issuerTaxId, missingPart, nationalPhone, oneService, pricedItems, readAddress, readGoods, reais, REHEARSAL_NAME, setting, taxId, total,
  type Declined, type PricedItem, type TaxId,
} from "../brazilian-invoices.ts";

type Settings = Readonly<Record<string, string>>;
type Recipient = NonNullable<InvoiceRequest["recipient"]>;

export interface Made<Content> {
  content: Content;
  amountMinor: bigint;
}

/** One NFS-e is one service with one amount: amounts of items are added up. */
export function toDps(request: InvoiceRequest, settings: Settings, now: Date): Made<object> | Declined {
  const items = pricedItems(request);
  if ("outcome" in items) return items;
  const { recipient } = request;
  if (!recipient?.name) return invalid("recipient.name", "Expected who receives the service.");
  const service = oneService(items, settings);
  if ("outcome" in service) return service;
  const toma = toTomador(recipient);
  if ("outcome" in toma) return toma;
  const rate = settings["iss_rate"];
  const cityCode = settings["city_code"];
  const amountMinor = total(items);
  const content = {
    dhEmi: brasiliaTime(now),
    prest: taxpayer(issuerTaxId(settings, "company_cnpj")),
    toma,
    serv: {
      ...(cityCode && { locPrest: { cLocPrestacao: cityCode } }),
      cServ: defined({
        cTribNac: (service.code ?? setting(settings, "national_service_code")).replace(/\D/g, ""),
        cTribMun: settings["municipal_service_code"] || undefined,
        xDescServ: service.description,
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
  const tax = document === undefined ? undefined : taxId(document);
  if (tax && "outcome" in tax) return tax;
  const fone = phone === undefined ? undefined : nationalPhone(phone);
  if (typeof fone === "object") return fone;
  const found = address && readAddress(address);
  if (found && "outcome" in found) return found;
  const end = found && defined({
    endNac: { cMun: found.cityCode, CEP: found.postalCode }, xLgr: found.street, nro: found.number, xCpl: found.complement, xBairro: found.district,
  });
  return defined({ ...(tax && taxpayer(tax)), xNome: name, end, fone, email });
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
  const det = items.map((item, index) => toLine(item, index, { csosn, settings }));
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
    emit: taxpayer(issuerTaxId(settings, "company_cnpj")),
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

function toRecipient(recipient: Recipient | undefined, isRehearsal: boolean) {
  if (!recipient?.name) return invalid("recipient.name", "Expected who buys the goods.");
  if (!recipient.document) return invalid("recipient.document", "Expected the buyer's CPF or CNPJ.");
  if (!recipient.address) return invalid("recipient.address", "Expected the buyer's address: an NF-e must carry it.");
  const tax = taxId(recipient.document);
  if ("outcome" in tax) return tax;
  const address = readAddress(recipient.address);
  if ("outcome" in address) return address;
  const missing = missingPart(address);
  if (missing) return missing;
  const { street, number, complement, district, cityCode, city, state, postalCode } = address;
  return {
    ...taxpayer(tax),
    xNome: isRehearsal ? REHEARSAL_NAME : recipient.name,
    enderDest: {
      xLgr: street, nro: number, ...(complement && { xCpl: complement }), xBairro: district, cMun: cityCode, xMun: city, UF: state, CEP: postalCode,
      cPais: "1058", xPais: "BRASIL",
    },
    indIEDest: 9,
    ...(recipient.email && { email: recipient.email }),
  };
}

function toLine(item: PricedItem, index: number, { csosn, settings }: { csosn: string; settings: Settings }): object | Declined {
  const goods = readGoods(item, index, settings);
  if ("outcome" in goods) return goods;
  const { description, ncm, cfop, unitPrice } = goods;
  const prices = { qCom: item.quantity, vUnCom: unitPrice, vProd: reais(item.amount), cEANTrib: "SEM GTIN", uTrib: "UN", qTrib: item.quantity, vUnTrib: unitPrice, indTot: 1 };
  const untaxed = (tax: "PIS" | "COFINS") => ({ [`${tax}Outr`]: { CST: "49", vBC: 0, [`p${tax}`]: 0, [`v${tax}`]: 0 } });
  return {
    nItem: index + 1,
    // The layout names this code for goods that the seller has no code of its own for.
    prod: { cProd: item.service_code ?? `CFOP${cfop}`, cEAN: "SEM GTIN", xProd: description.slice(0, 120), NCM: ncm, CFOP: cfop, uCom: "UN", ...prices },
    imposto: { ICMS: { ICMSSN102: { orig: 0, CSOSN: csosn } }, PIS: untaxed("PIS"), COFINS: untaxed("COFINS") },
  };
}

/** A person may issue, too. */
const taxpayer = ({ kind, value }: TaxId): { CPF: string } | { CNPJ: string } => (kind === "cpf" ? { CPF: value } : { CNPJ: value });

const defined = <Values extends object>(values: Values): Values =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Values;
