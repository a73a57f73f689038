/** The twin of Focus NFe: accounts of one company each, their NFS-e and NF-e on the way through the authorities. What it leaves out is in README.md. */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { z } from "zod";
import { checkDigits, parseDocument } from "../../schema/documents.ts";
import { fromDecimal } from "../../schema/money.ts";
import { capitalAt } from "../twin-postal-codes.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const focusNfeTwin: TwinDefinition = {
  id: "focus-nfe",
  hosts: ["api.focusnfe.com.br", "homologacao.focusnfe.com.br"],
  magic: {
    "amount ending in 13 centavos": "the authority refuses the document: erro_autorizacao",
    "amount ending in 14 centavos": "the authority never answers: processando_autorizacao for ever",
    "CEP ending in 999": "the register of postal codes does not know it",
  },
  create,
};

interface Account {
  id: string;
  cnpj: string;
  webhookUrl: string;
  webhookSecret: string;
}

type Kind = "nfse" | "nfe";

interface Stored {
  account: string;
  kind: Kind;
  centavos: string;
  /** As the API shows it. */
  shown: { ref: string; status: string; [field: string]: unknown };
}

function create({ store, clock, settleAfterMs, deliver }: TwinContext): Twin {
  const keyOf = (account: string, kind: Kind, ref: string) => `document/${account}/${kind}/${ref}`;

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, basic = ""] = /^Basic (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    const account = await store.get<Account>(`token/${digestOf(Buffer.from(basic, "base64").toString().replace(/:$/, ""))}`);
    if (!account) return new Response("HTTP Basic: Access denied.\n", { status: 401 });
    const [, version, kind, ref = "", part = "", ...more] = url.pathname.split("/").map(decodeURIComponent);
    if (version === "arquivos") return new Response("<nota/>", { headers: { "content-type": "application/xml" } });
    if (version === "v2" && kind === "ceps" && request.method === "GET" && part === "") return cep(ref);
    if (version !== "v2" || (kind !== "nfse" && kind !== "nfe") || more.length > 0) return notFound();
    if (request.method === "POST" && ref === "") return issue(account, kind, url.searchParams.get("ref"), await bodyOf(request));
    const document = await store.get<Stored>(keyOf(account.id, kind, ref));
    if (!document) return notFound();
    switch (`${request.method} ${part}`) {
      case "GET ": return Response.json(document.shown);
      case "DELETE ": return cancel(document, await bodyOf(request));
      case "POST carta_correcao": return kind === "nfe" ? correct(document, await bodyOf(request)) : notFound();
      default: return notFound();
    }
  }

  async function issue(account: Account, kind: Kind, ref: string | null, body: unknown): Promise<Response> {
    if (!ref) return refusal(400, "requisicao_invalida", 'Parâmetro "ref" não informado');
    const asked = requests[kind].safeParse(body);
    if (!asked.success) return refusal(400, "requisicao_invalida", asked.error.issues[0]?.message ?? "");
    const { issuer, amount } = asked.data;
    if (issuer !== account.cnpj) return refusal(403, "permissao_negada", "CNPJ do emitente não autorizado para este token.");
    const before = await store.get<Stored>(keyOf(account.id, kind, ref));
    const used = before && inUse[before.shown.status];
    if (used) return refusal(422, ...used);
    const shown = { [kind === "nfse" ? "cnpj_prestador" : "cnpj_emitente"]: account.cnpj, ref, status: "processando_autorizacao" };
    const document: Stored = { account: account.id, kind, centavos: String(fromDecimal(amount, "BRL") ?? 0n), shown };
    await store.put(keyOf(account.id, kind, ref), document);
    if (!document.centavos.endsWith("14")) await store.schedule({ name: "answer", account: account.id, kind, ref }, new Date(clock.now().getTime() + settleAfterMs));
    return Response.json(shown, { status: 202 });
  }

  async function cancel(document: Stored, body: unknown): Promise<Response> {
    const asked = z.object({ justificativa: z.string().min(15).max(255) }).safeParse(body);
    if (!asked.success) return refusal(400, "requisicao_invalida", 'Parâmetro "justificativa" deve ter entre 15 e 255 caracteres');
    if (document.shown.status === "cancelado") return refusal(400, "nfe_cancelada", "Nota fiscal já cancelada");
    if (document.shown.status !== "autorizado") return refusal(400, "nfe_nao_autorizada", "Nota fiscal não autorizada não pode ser cancelada");
    await change(document, "autorizado", { status: "cancelado" });
    return Response.json({ status: "cancelado", ...(document.kind === "nfe" && { status_sefaz: "135", mensagem_sefaz: "Evento registrado e vinculado a NF-e" }) });
  }

  async function correct(document: Stored, body: unknown): Promise<Response> {
    const asked = z.object({ correcao: z.string().min(15).max(1_000) }).safeParse(body);
    if (!asked.success) return refusal(400, "requisicao_invalida", 'Parâmetro "correcao" deve ter entre 15 e 1000 caracteres');
    if (document.shown.status !== "autorizado") return refusal(400, "nfe_nao_autorizada", "Nota fiscal não autorizada");
    return Response.json({ status: "autorizado", status_sefaz: "135", mensagem_sefaz: "Evento registrado e vinculado a NF-e", numero_carta_correcao: 1 });
  }

  /** Changes a document that is in this state; undefined when it is not. */
  async function change(document: Stored, from: string, fields: object): Promise<Stored | undefined> {
    let isChanged = false;
    const changed = await store.update<Stored>(keyOf(document.account, document.kind, document.shown.ref), (stored) => {
      isChanged = stored.shown.status === from;
      return isChanged ? { ...stored, shown: { ...stored.shown, ...fields } } : stored;
    });
    return isChanged ? changed : undefined;
  }

  async function run({ name, account, kind, ref }: TwinStep): Promise<void> {
    const document = await store.get<Stored>(`document/${account}/${kind}/${ref}`);
    if (name !== "answer" || document?.shown.status !== "processando_autorizacao") return;
    const fields = document.centavos.endsWith("13") ? refused[document.kind] : await authorized(document);
    const changed = await change(document, "processando_autorizacao", fields);
    if (changed) await announce(changed);
  }

  async function authorized({ account, kind, shown: { ref } }: Stored): Promise<object> {
    const { cnpj } = (await store.get<Account>(`account/${account}`))!;
    const numero = String(await store.next(`numero/${account}/${kind}`));
    const common = { status: "autorizado", numero, caminho_xml_nota_fiscal: `/arquivos/${cnpj}/XMLs/${ref}.xml` };
    if (kind === "nfse")
      return { ...common, numero_rps: numero, serie_rps: "1", codigo_verificacao: randomBytes(4).toString("hex").toUpperCase(), data_emissao: clock.now().toISOString(), url: `https://nfse.example/${numero}` };
    const base = `35${clock.now().toISOString().slice(2, 7).replace("-", "")}${cnpj}55001${numero.padStart(9, "0")}1${digits(8)}`;
    const key = base + checkDigits("nfe_key", base);
    return { ...common, serie: "1", status_sefaz: "100", mensagem_sefaz: "Autorizado o uso da NF-e", chave_nfe: `NFe${key}`, caminho_danfe: `/arquivos/${cnpj}/DANFEs/${key}.pdf` };
  }

  async function announce({ account, shown }: Stored): Promise<void> {
    const { webhookUrl, webhookSecret } = (await store.get<Account>(`account/${account}`))!;
    await deliver({ url: webhookUrl, body: JSON.stringify(shown), headers: { "content-type": "application/json", authorization: webhookSecret } });
  }

  async function openAccount({ webhookUrl }: { webhookUrl: string }) {
    const token = randomBytes(24).toString("hex");
    const base = `${randomInt(1, 10)}${digits(7)}0001`;
    const account: Account = { id: randomBytes(8).toString("hex"), cnpj: base + checkDigits("cnpj", base), webhookUrl, webhookSecret: randomBytes(24).toString("hex") };
    await store.put(`token/${digestOf(token)}`, account);
    await store.put(`account/${account.id}`, account);
    return {
      credentials: { token },
      settings: {
        company_cnpj: account.cnpj, municipal_registration: "12345", city_code: "3550308", simples_nacional: "true", service_code: "0107", service_description: "Serviços",
        icms_csosn: "102", nfe_payment_means: "17", cfop: "5102",
      },
      webhookSecret: account.webhookSecret,
    };
  }

  return { fetch, openAccount, run };
}

function cep(asked: string): Response {
  const parsed = parseDocument(asked, ["cep"]);
  if (!parsed.ok || parsed.value.endsWith("999")) return refusal(404, "nao_encontrado", "CEP não encontrado");
  const { code, name, state } = capitalAt(parsed.value);
  const street = { tipo_logradouro: "Rua", nome_logradouro: "da Simulação", nome_bairro_inicial: "Centro", descricao: `Rua da Simulação, ${name}, ${state}` };
  return Response.json([{ cep: parsed.value, tipo: "logradouro", nome: "", uf: state, nome_localidade: name, codigo_ibge: code, ...street }]);
}

/** Which states of a ref refuse another POST, and how; after an error of authorization the same ref may be sent again. */
const inUse: Partial<Record<string, [code: string, message: string]>> = {
  processando_autorizacao: ["em_processamento", "Nota fiscal em processamento"],
  autorizado: ["nfe_autorizada", "Nota fiscal já autorizada"],
  cancelado: ["nfe_cancelada", "Nota fiscal já cancelada"],
};

const refused: Record<Kind, object> = {
  nfse: { status: "erro_autorizacao", erros: [{ codigo: "E145", mensagem: "Regime Especial de Tributação ausente/inválido.", correcao: null }] },
  nfe: { status: "erro_autorizacao", status_sefaz: "778", mensagem_sefaz: "Rejeicao: Informado NCM inexistente" },
};

const missing = (field: string) => `Parâmetro "${field}" não informado`;
const text = (field: string) => z.string(missing(field)).min(1, missing(field));
const amount = (field: string) => z.number(missing(field)).positive(`Parâmetro "${field}" inválido`);
const matching = (kind: "cpf" | "cnpj", field: string) =>
  z.string().refine((value) => value === SAMPLE_CPF || parseDocument(value, [kind]).ok, `Parâmetro "${field}" inválido`).optional();
/** The sample that published examples send passes here as it does in test projects. */
const SAMPLE_CPF = "12345678900";

const NfseRequest = z.looseObject({
  data_emissao: text("data_emissao"),
  prestador: z.looseObject({ cnpj: text("prestador.cnpj"), inscricao_municipal: text("prestador.inscricao_municipal"), codigo_municipio: text("prestador.codigo_municipio") }, missing("prestador")),
  tomador: z.looseObject({ cpf: matching("cpf", "tomador.cpf"), cnpj: matching("cnpj", "tomador.cnpj") }).optional(),
  servico: z.looseObject({ valor_servicos: amount("servico.valor_servicos"), item_lista_servico: text("servico.item_lista_servico"), discriminacao: text("servico.discriminacao") }, missing("servico")),
}, "Requisição inválida").transform(({ prestador, servico }) => ({ issuer: prestador.cnpj, amount: servico.valor_servicos }));

const Line = z.looseObject({ valor_bruto: amount("valor_bruto"), codigo_ncm: z.string(missing("codigo_ncm")).regex(/^(?:\d{2}|\d{8})$/, 'Parâmetro "codigo_ncm" inválido') });
const NfeRequest = z.looseObject({
  natureza_operacao: text("natureza_operacao"),
  cnpj_emitente: text("cnpj_emitente"),
  cpf_destinatario: matching("cpf", "cpf_destinatario"),
  cnpj_destinatario: matching("cnpj", "cnpj_destinatario"),
  valor_total: amount("valor_total").optional(),
  items: z.array(Line, missing("items")).min(1, missing("items")),
}, "Requisição inválida").transform(({ cnpj_emitente: issuer, valor_total: whole, items }) => ({ issuer, amount: whole ?? items[0]!.valor_bruto }));

const requests = { nfse: NfseRequest, nfe: NfeRequest };

const bodyOf = (request: Request): Promise<unknown> => request.json().catch(() => undefined);

const refusal = (status: number, codigo: string, mensagem: string): Response => Response.json({ codigo, mensagem }, { status });

const notFound = (): Response => refusal(404, "nao_encontrado", "Nota fiscal não encontrada");

const digestOf = (value: string): string => createHash("sha256").update(value).digest("hex");

const digits = (count: number): string => Array.from({ length: count }, () => randomInt(10)).join("");
