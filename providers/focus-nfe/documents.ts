/**
 * Our request in Focus NFe's words. Source: FocusNFe/api-doc, `source/includes/_nfse.md` and `_nfe.md`, read 2026-11-20.
 * What a request cannot say is a setting of the connection.
 */
import type { InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import {
  brasiliaTime, invalid, issuerTaxId, missingPart, nationalPhone, oneService, pricedItems, readAddress, readGoods, reais, REHEARSAL_NAME, setting, taxId, total,
  type Declined, type PricedItem,
} from "../brazilian-invoices.ts";
import { SetupMissing } from "../provider.ts";

type Settings = Readonly<Record<string, string>>;
type Recipient = NonNullable<InvoiceRequest["recipient"]>;

export interface Made {
  content: object;
  amountMinor: bigint;
}

export function toNfse(request: InvoiceRequest, settings: Settings, now: Date): Made | Declined {
  const items = pricedItems(request);
  if ("outcome" in items) return items;
  const { recipient } = request;
  if (!recipient?.name) return invalid("recipient.name", "Expected who receives the service.");
  const service = oneService(items, settings);
  if ("outcome" in service) return service;
  const tomador = toTomador(recipient);
  if ("outcome" in tomador) return tomador;
  const cityCode = setting(settings, "city_code");
  const rate = settings["iss_rate"];
  const code = settings["municipal_service_code"];
  const amountMinor = total(items);
  const content = {
    data_emissao: brasiliaTime(now),
    natureza_operacao: "1",
    optante_simples_nacional: truth(setting(settings, "simples_nacional")),
    prestador: { ...issuer(settings, "cpf", "cnpj"), inscricao_municipal: setting(settings, "municipal_registration"), codigo_municipio: cityCode },
    tomador,
    servico: {
      valor_servicos: reais(amountMinor), iss_retido: false, item_lista_servico: service.code ?? setting(settings, "service_code"),
      discriminacao: service.description, codigo_municipio: cityCode,
      ...(code && { codigo_tributario_municipio: code }), ...(rate && { aliquota: Number(rate) }),
    },
  };
  return { content, amountMinor };
}

function truth(written: string): boolean {
  if (written !== "true" && written !== "false") throw new SetupMissing("simples_nacional");
  return written === "true";
}

const issuer = (settings: Settings, cpf: string, cnpj: string): object => {
  const { kind, value } = issuerTaxId(settings, "company_cnpj");
  return { [kind === "cpf" ? cpf : cnpj]: value };
};

function toTomador({ name, document, email, phone, address }: Recipient): object | Declined {
  const tax = document === undefined ? undefined : taxId(document);
  if (tax && "outcome" in tax) return tax;
  const telefone = phone === undefined ? undefined : nationalPhone(phone);
  if (typeof telefone === "object") return telefone;
  const found = address && readAddress(address);
  if (found && "outcome" in found) return found;
  return {
    ...(tax && { [tax.kind]: tax.value }),
    razao_social: name,
    ...(email && { email }),
    ...(telefone && { telefone }),
    ...(found && {
      endereco: {
        logradouro: found.street, numero: found.number, complemento: found.complement, bairro: found.district, codigo_municipio: found.cityCode, uf: found.state,
        cep: found.postalCode,
      },
    }),
  };
}

/** An NF-e of a company in Simples Nacional to a final consumer; Focus NFe numbers it and knows the issuer's address. */
export function toNfe(request: InvoiceRequest, settings: Settings, { now, isRehearsal }: { now: Date; isRehearsal: boolean }): Made | Declined {
  const items = pricedItems(request);
  if ("outcome" in items) return items;
  const [cityCode, csosn, means] = [setting(settings, "city_code"), setting(settings, "icms_csosn"), setting(settings, "nfe_payment_means")];
  const { recipient } = request;
  if (!recipient?.name) return invalid("recipient.name", "Expected who buys the goods.");
  if (!recipient.document) return invalid("recipient.document", "Expected the buyer's CPF or CNPJ.");
  if (!recipient.address) return invalid("recipient.address", "Expected the buyer's address: an NF-e must carry it.");
  const tax = taxId(recipient.document);
  if ("outcome" in tax) return tax;
  const address = readAddress(recipient.address);
  if ("outcome" in address) return address;
  const missing = missingPart(address);
  if (missing) return missing;
  const lines = items.map((item, index) => toLine(item, index, { csosn, settings }));
  const refused = lines.find((line) => "outcome" in line);
  if (refused) return refused as Declined;
  const amountMinor = total(items);
  const content = {
    natureza_operacao: settings["operation_nature"] || "Venda de mercadoria",
    data_emissao: brasiliaTime(now),
    tipo_documento: 1,
    finalidade_emissao: 1,
    local_destino: address.cityCode.slice(0, 2) === cityCode.slice(0, 2) ? 1 : 2,
    consumidor_final: 1,
    presenca_comprador: 2,
    modalidade_frete: 9,
    ...issuer(settings, "cpf_emitente", "cnpj_emitente"),
    [`${tax.kind}_destinatario`]: tax.value,
    nome_destinatario: isRehearsal ? REHEARSAL_NAME : recipient.name,
    indicador_inscricao_estadual_destinatario: 9,
    logradouro_destinatario: address.street,
    numero_destinatario: address.number,
    bairro_destinatario: address.district,
    municipio_destinatario: address.city,
    uf_destinatario: address.state,
    cep_destinatario: address.postalCode,
    valor_produtos: reais(amountMinor),
    valor_total: reais(amountMinor),
    items: lines,
    formas_pagamento: [{ forma_pagamento: means, valor_pagamento: means === "90" ? 0 : reais(amountMinor) }],
  };
  return { content, amountMinor };
}

function toLine(item: PricedItem, index: number, { csosn, settings }: { csosn: string; settings: Settings }): object | Declined {
  const goods = readGoods(item, index, settings);
  if ("outcome" in goods) return goods;
  const { description, ncm, cfop, unitPrice } = goods;
  return {
    numero_item: index + 1,
    // The layout names this code for goods that the seller has no code of its own for.
    codigo_produto: item.service_code ?? `CFOP${cfop}`,
    descricao: description.slice(0, 120), codigo_ncm: ncm, cfop, unidade_comercial: "UN", quantidade_comercial: item.quantity, valor_unitario_comercial: unitPrice,
    unidade_tributavel: "UN", quantidade_tributavel: item.quantity, valor_unitario_tributavel: unitPrice, valor_bruto: reais(item.amount), inclui_no_total: 1,
    icms_origem: 0, icms_situacao_tributaria: csosn, pis_situacao_tributaria: "49", cofins_situacao_tributaria: "49",
  };
}
