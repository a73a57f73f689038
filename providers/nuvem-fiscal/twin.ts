/**
 * The twin of Nuvem Fiscal: accounts of one company each, their NFS-e and NF-e on the way through the authorities, and the
 * two registers (CNPJ, CEP). What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { z } from "zod";
import { checkDigits, parseDocument } from "../../schema/documents.ts";
import { fromDecimal } from "../../schema/money.ts";
import { capitalAt } from "../twin-postal-codes.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const nuvemFiscalTwin: TwinDefinition = {
  id: "nuvem-fiscal",
  hosts: ["api.nuvemfiscal.com.br", "api.sandbox.nuvemfiscal.com.br", "auth.nuvemfiscal.com.br"],
  magic: {
    "amount ending in 13 centavos": "the authority refuses the document: negada (NFS-e), rejeitado (NF-e)",
    "amount ending in 14 centavos": "the authority never answers: processando, pendente for ever",
    "amount ending in 15 centavos": "Nuvem Fiscal gives up on the authority: erro",
    "CEP ending in 999": "consult_cep finds nothing",
  },
  create,
};

/** A sample token that was published lasts 30 days. */
export const TOKEN_LASTS_S = 2_592_000;

interface Account {
  clientId: string;
  secretDigest: string;
  cnpj: string;
}

type Kind = "nfse" | "nfe";

/** A document as the API shows it, with what the API does not show. */
interface Stored {
  kind: Kind;
  clientId: string;
  cnpj: string;
  amountMinor: string;
  shown: { id: string; status: string; numero?: number | string; serie?: number; referencia?: string; ambiente: string; [field: string]: unknown };
}

function create({ store, clock, settleAfterMs }: TwinContext): Twin {
  const now = () => clock.now().toISOString();
  const inSteps = (count: number) => new Date(clock.now().getTime() + count * settleAfterMs);
  const prefixOf = (clientId: string, kind: Kind) => `document/${clientId}/${kind}/`;
  const keyOf = ({ clientId, kind, shown }: Pick<Stored, "clientId" | "kind" | "shown">) => prefixOf(clientId, kind) + shown.id;

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const { method } = request;
    if (url.host === "auth.nuvemfiscal.com.br") return method === "POST" && url.pathname === "/oauth/token" ? grant(await request.text()) : notFound();
    const account = await accountOf(request);
    if (!account) return refusal(401, "Unauthorized", "Access token is missing, invalid or expired.");
    const [, kind = "", id = "", part = "", ...more] = url.pathname.split("/").map(decodeURIComponent);
    if (more.length > 0) return notFound();
    if (kind === "cep" && method === "GET" && part === "") return cep(id);
    if (kind === "cnpj" && method === "GET" && part === "") return cnpj(id, account);
    if (kind === "empresas" && method === "GET" && id === "") return companies(account, url.searchParams);
    if (kind !== "nfse" && kind !== "nfe") return notFound();
    if (method === "POST" && `${kind}/${id}` === "nfse/dps") return part === "" ? issueNfse(account, await bodyOf(request)) : notFound();
    if (method === "POST" && `${kind}/${id}` === "nfe/") return issueNfe(account, await bodyOf(request));
    if (method === "GET" && id === "") return list(account, kind, url.searchParams);
    const document = await store.get<Stored>(`${prefixOf(account.clientId, kind)}${id}`);
    if (!document) return notFound();
    switch (`${method} ${part}`) {
      case "GET ": return Response.json(document.shown);
      case "GET pdf": return file(document, "%PDF-1.4\n%%EOF\n", "application/pdf");
      case "GET xml": return file(document, `<${kind}/>`, "application/xml");
      case "POST cancelamento": return cancel(document, await bodyOf(request));
      case "POST carta-correcao": return kind === "nfe" ? correct(document, await bodyOf(request)) : notFound();
      default: return notFound();
    }
  }

  // Tokens

  async function grant(body: string): Promise<Response> {
    const form = new URLSearchParams(body);
    if (form.get("grant_type") !== "client_credentials") return Response.json({ error: "unsupported_grant_type" }, { status: 400 });
    const account = await store.get<Account>(`account/${form.get("client_id")}`);
    if (!account || account.secretDigest !== digestOf(form.get("client_secret") ?? "")) return Response.json({ error: "invalid_client" }, { status: 401 });
    const token = randomBytes(48).toString("base64url");
    const scope = form.get("scope") ?? "";
    const expiresAt = new Date(clock.now().getTime() + TOKEN_LASTS_S * 1_000).toISOString();
    await store.put(`token/${digestOf(token)}`, { clientId: account.clientId, expiresAt });
    return Response.json({ access_token: token, token_type: "bearer", scope, expires_in: TOKEN_LASTS_S });
  }

  async function accountOf(request: Request): Promise<Account | undefined> {
    const [, token] = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    const known = token && (await store.get<{ clientId: string; expiresAt: string }>(`token/${digestOf(token)}`));
    return known && known.expiresAt > now() ? store.get<Account>(`account/${known.clientId}`) : undefined;
  }

  // Documents

  async function issueNfse(account: Account, body: unknown): Promise<Response> {
    const asked = NfseRequest.safeParse(body);
    if (!asked.success) return invalid(asked.error);
    const { ambiente, referencia, infDPS } = asked.data;
    if (infDPS.prest.CNPJ !== account.cnpj) return unregistered(infDPS.prest.CNPJ);
    const serie = "1";
    const shown = {
      id: await newId(account, "nfs"), created_at: now(), status: "processando", ambiente, ...(referencia && { referencia }),
      DPS: { serie, nDPS: String(await store.next(`dps/${account.clientId}`)) }, mensagens: [],
    };
    return begin({ kind: "nfse", clientId: account.clientId, cnpj: account.cnpj, amountMinor: centavos(infDPS.valores.vServPrest.vServ), shown });
  }

  async function issueNfe(account: Account, body: unknown): Promise<Response> {
    const asked = NfeRequest.safeParse(body);
    if (!asked.success) return invalid(asked.error);
    const { ambiente, referencia, infNFe: { ide, emit, total } } = asked.data;
    if (emit.CNPJ !== account.cnpj) return unregistered(emit.CNPJ);
    const shown = {
      id: await newId(account, "nfe"), ambiente, created_at: now(), status: "pendente", ...(referencia && { referencia }),
      data_emissao: ide.dhEmi, modelo: ide.mod, serie: ide.serie, numero: ide.nNF, valor_total: total.ICMSTot.vNF, chave: accessKey(account.cnpj, ide),
    };
    return begin({ kind: "nfe", clientId: account.clientId, cnpj: account.cnpj, amountMinor: centavos(total.ICMSTot.vNF), shown });
  }

  async function begin(document: Stored): Promise<Response> {
    await store.put(keyOf(document), document);
    const { kind, clientId, shown: { id } } = document;
    if (!document.amountMinor.endsWith("14")) await store.schedule({ name: "answer", kind, clientId, id }, inSteps(1));
    return Response.json(document.shown);
  }

  /** In the order they were made, so that a list can show the newest first. */
  async function newId({ clientId }: Account, prefix: string): Promise<string> {
    const sequence = await store.next(`document/${clientId}`);
    return `${prefix}_${sequence.toString(16).padStart(8, "0")}${randomBytes(12).toString("hex")}`;
  }

  async function list(account: Account, kind: Kind, query: URLSearchParams): Promise<Response> {
    const [issuer, ambiente] = [query.get("cpf_cnpj"), query.get("ambiente")];
    if (!issuer || !ambiente) return refusal(400, "ValidationFailed", "Validation failed: cpf_cnpj and ambiente are required.");
    if (issuer !== account.cnpj) return unregistered(issuer);
    const wanted = ({ shown }: Stored) => shown.ambiente === ambiente && ["referencia", "serie"].every((name) =>
      !query.has(name) || String(shown[name] ?? "") === query.get(name));
    const all = (await store.list<Stored>(prefixOf(account.clientId, kind))).filter(wanted).reverse();
    const [skip, top] = [Number(query.get("$skip") ?? "0"), Number(query.get("$top") ?? "10")];
    const data = all.slice(skip, skip + top).map(({ shown }) => shown);
    return Response.json({ ...(query.get("$inlinecount") === "true" && { "@count": all.length }), data });
  }

  function file({ shown }: Stored, content: string, type: string): Response {
    return /^autorizad|^cancelad/.test(shown.status) ? new Response(content, { headers: { "content-type": type } }) : notFound();
  }

  async function cancel(document: Stored, body: unknown): Promise<Response> {
    if (!document.shown.status.startsWith("autorizad")) return refusal(400, "ValidationFailed", "Validation failed: only an authorized document can be cancelled.");
    const given = z.object({ justificativa: z.string().optional(), motivo: z.string().optional() }).catch({}).parse(body);
    const done = { id: `cnc_${randomBytes(12).toString("hex")}`, data_hora: now() };
    if (document.kind === "nfse") {
      await store.schedule({ name: "cancel", kind: document.kind, clientId: document.clientId, id: document.shown.id }, inSteps(1));
      return Response.json({ id: done.id, status: "pendente", mensagens: [] });
    }
    const justificativa = given.justificativa ?? "Cancelamento solicitado pelo emitente";
    if (justificativa.length < 15) return refusal(400, "ValidationFailed", "Validation failed: O campo 'justificativa' deve ter pelo menos 15 caractere(s)");
    await change(document, /^autorizad/, { status: "cancelado" });
    return Response.json(event(document, "cancelamento", { justificativa }));
  }

  async function correct(document: Stored, body: unknown): Promise<Response> {
    if (document.shown.status !== "autorizado") return refusal(400, "ValidationFailed", "Validation failed: only an authorized document can be corrected.");
    const asked = z.object({ correcao: z.string().min(15, "O campo 'correcao' deve ter pelo menos 15 caractere(s)").max(1_000) }).safeParse(body);
    return asked.success ? Response.json(event(document, "carta_correcao", asked.data)) : invalid(asked.error);
  }

  const event = ({ shown }: Stored, tipo_evento: string, more: object) => ({
    id: `evt_${randomBytes(12).toString("hex")}`, ambiente: shown.ambiente, status: "registrado", chave_acesso: shown["chave"], data_evento: now(),
    numero_sequencial: 1, data_recebimento: now(), codigo_status: 135, motivo_status: "Evento registrado e vinculado a NF-e",
    numero_protocolo: protocol(), tipo_evento, ...more,
  });

  /** Changes a document that is in one of these states; answers it as it then is, changed or not. */
  const change = (document: Stored, from: RegExp, fields: object) => store.update<Stored>(keyOf(document), (stored) =>
    from.test(stored.shown.status) ? { ...stored, shown: { ...stored.shown, ...fields } } : stored);

  async function run({ name, kind, clientId, id }: TwinStep): Promise<void> {
    const document = await store.get<Stored>(`document/${clientId}/${kind}/${id}`);
    if (!document) return;
    if (name === "answer") await answer(document);
    if (name === "cancel") await change(document, /^autorizada$/, { status: "cancelada", cancelamento: { status: "registrado", data_hora: now() } });
  }

  /** The city, or the state's tax authority, answers. */
  async function answer(document: Stored): Promise<void> {
    if (!WAITING.test(document.shown.status)) return;
    const fields = document.kind === "nfse" ? await cityAnswer(document) : await stateAnswer(document);
    await change(document, WAITING, fields);
  }

  async function cityAnswer({ amountMinor, clientId }: Stored): Promise<object> {
    if (amountMinor.endsWith("13")) return { status: "negada", mensagens: [{ codigo: "E160", descricao: "O serviço informado não é permitido para o prestador." }] };
    if (amountMinor.endsWith("15")) return { status: "erro", mensagens: [{ descricao: "O webservice da prefeitura não respondeu." }] };
    const numero = String(await store.next(`numero/${clientId}`));
    return { status: "autorizada", numero, codigo_verificacao: checkCode(), data_emissao: now(), link_url: `https://nfse.example/${numero}` };
  }

  async function stateAnswer(document: Stored): Promise<object> {
    const { clientId, amountMinor, shown } = document;
    if (amountMinor.endsWith("15")) return { status: "erro", autorizacao: { status: "erro", motivo_status: "A SEFAZ não respondeu." } };
    const others = (await store.list<Stored>(prefixOf(clientId, "nfe"))).filter(({ shown: other }) =>
      other.id !== shown.id && other.serie === shown.serie && other.numero === shown.numero && other.ambiente === shown.ambiente);
    const isTaken = others.some(({ shown: { status } }) => /^autorizado$|^cancelado$/.test(status));
    const refused = (codigo_status: number, motivo_status: string) =>
      ({ status: "rejeitado", autorizacao: { status: "rejeitado", codigo_status, motivo_status, data_recebimento: now() } });
    if (isTaken) return refused(539, "Rejeicao: Duplicidade de NF-e, com diferenca na Chave de Acesso");
    if (amountMinor.endsWith("13")) return refused(778, "Rejeicao: Informado NCM inexistente");
    const autorizacao = { status: "registrado", codigo_status: 100, motivo_status: "Autorizado o uso da NF-e", data_recebimento: now(), numero_protocolo: protocol() };
    return { status: "autorizado", autorizacao };
  }

  async function openAccount() {
    const clientId = randomBytes(10).toString("hex");
    const secret = randomBytes(20).toString("hex");
    const account: Account = { clientId, secretDigest: digestOf(secret), cnpj: newCnpj() };
    await store.put(`account/${clientId}`, account);
    return {
      credentials: { client_id: clientId, client_secret: secret },
      settings: {
        company_cnpj: account.cnpj, environment: "homologacao", national_service_code: "010701", service_description: "Serviços", city_code: "3550308",
        icms_csosn: "102", nfe_payment_means: "17", cfop: "5102",
      },
      webhookSecret: "",
    };
  }

  return { fetch, openAccount, run };
}

// The registers

function cep(asked: string): Response {
  const parsed = parseDocument(asked, ["cep"]);
  if (!parsed.ok) return refusal(400, "ValidationFailed", "Validation failed: O CEP é inválido.");
  if (parsed.value.endsWith("999")) return notFound();
  const { code, name, state } = capitalAt(parsed.value);
  const street = parsed.value === "01310100" ? { logradouro: "Paulista", tipo_logradouro: "Avenida", bairro: "Bela Vista" } : SOME_STREET;
  return Response.json({ cep: parsed.value, complemento: "", codigo_ibge: code, municipio: name, uf: state, ...street });
}

const SOME_STREET = { logradouro: "da Simulação", tipo_logradouro: "Rua", bairro: "Centro" };

/** Every CNPJ whose check digits match is a company; the account's own has its name. */
function cnpj(number: string, account: Account): Response {
  const parsed = parseDocument(number, ["cnpj"]);
  if (!parsed.ok) return refusal(400, "ValidationFailed", "Validation failed: O CNPJ é inválido.");
  const municipio = { codigo_tom: "7107", codigo_ibge: "3550308", descricao: "SAO PAULO" };
  return Response.json({
    cnpj: parsed.value,
    razao_social: parsed.value === account.cnpj ? COMPANY_NAME : "EMPRESA SIMULADA LTDA",
    nome_fantasia: "",
    data_inicio_atividade: "2019-03-01",
    matriz: parsed.value.slice(8, 12) === "0001",
    situacao_cadastral: { codigo: "02", descricao: "Ativa", data: "2019-03-01" },
    atividade_principal: { codigo: "6201501", descricao: "Desenvolvimento de programas de computador sob encomenda" },
    endereco: { tipo_logradouro: "AVENIDA", logradouro: "PAULISTA", numero: "1000", complemento: "", bairro: "BELA VISTA", cep: "01310100", uf: "SP", municipio },
  });
}

const COMPANY_NAME = "LOJA DE TESTE LTDA";

function companies(account: Account, query: URLSearchParams): Response {
  const company = { cpf_cnpj: account.cnpj, nome_razao_social: COMPANY_NAME, inscricao_municipal: "12345678", email: "loja@example.com" };
  const asked = query.get("cpf_cnpj");
  const found = asked && asked !== account.cnpj ? [] : [company];
  return Response.json({ data: Number(query.get("$skip") ?? "0") > 0 ? [] : found });
}

// Requests and refusals. The messages follow the one the vendor's forum shows; those of other rules are ours.

const WAITING = /^(?:processando|pendente)$/;

const text = (field: string) => z.string(`O campo '${field}' é obrigatório`).min(1, `O campo '${field}' deve ter pelo menos 1 caractere(s)`);
const positive = (field: string) => z.number(`O campo '${field}' é obrigatório`).positive(`O campo '${field}' deve ser maior que zero`);
const issuer = (field: string) => z.looseObject({ CNPJ: text(`${field}.CNPJ`) });
const matching = (kind: "cpf" | "cnpj", field: string) =>
  z.string().refine((value) => SAMPLE_CPF === value || parseDocument(value, [kind]).ok, `O campo '${field}' é inválido`).optional();
/** The sample that published examples send passes here as it does in test projects. */
const SAMPLE_CPF = "12345678900";

const common = { ambiente: z.enum(["homologacao", "producao"], "O campo 'ambiente' é inválido"), referencia: z.string().max(50, "O campo 'referencia' é longo demais").optional() };

const NfseRequest = z.looseObject({
  ...common,
  infDPS: z.looseObject({
    dhEmi: text("infDPS.dhEmi"),
    prest: issuer("infDPS.prest"),
    toma: z.looseObject({ xNome: text("infDPS.toma.xNome"), CPF: matching("cpf", "infDPS.toma.CPF"), CNPJ: matching("cnpj", "infDPS.toma.CNPJ") }).optional(),
    serv: z.looseObject({ cServ: z.looseObject({
      cTribNac: z.string("O campo 'infDPS.serv.cServ.cTribNac' é obrigatório").regex(/^\d{4,6}$/, "O campo 'infDPS.serv.cServ.cTribNac' não corresponde ao formato esperado ^[0-9]{4,6}$"),
      xDescServ: text("infDPS.serv.cServ.xDescServ"),
    }) }),
    valores: z.looseObject({
      vServPrest: z.looseObject({ vServ: positive("infDPS.valores.vServPrest.vServ") }),
      trib: z.looseObject({ tribMun: z.looseObject({ tribISSQN: z.int("O campo 'infDPS.valores.trib.tribMun.tribISSQN' é obrigatório") }) }),
    }),
  }, "O campo 'infDPS' é obrigatório"),
}, "O corpo da requisição é inválido");

const Ide = z.looseObject({
  cUF: z.int("O campo 'infNFe.ide.cUF' é obrigatório"), natOp: text("infNFe.ide.natOp"), mod: z.int().default(55), serie: z.int("O campo 'infNFe.ide.serie' é obrigatório"),
  nNF: z.int("O campo 'infNFe.ide.nNF' é obrigatório").min(1, "O campo 'infNFe.ide.nNF' deve ser maior que zero"), dhEmi: text("infNFe.ide.dhEmi"),
});

const NfeRequest = z.looseObject({
  ...common,
  infNFe: z.looseObject({
    versao: text("infNFe.versao"),
    ide: Ide,
    emit: issuer("infNFe.emit"),
    dest: z.looseObject({ CPF: matching("cpf", "infNFe.dest.CPF"), CNPJ: matching("cnpj", "infNFe.dest.CNPJ") }).optional(),
    det: z.array(z.looseObject({ prod: z.looseObject({
      NCM: z.string("O campo 'infNFe.det.prod.NCM' é obrigatório").regex(/^(?:\d{2}|\d{8})$/, "O campo 'infNFe.det.prod.NCM' não corresponde ao formato esperado ^([0-9]{2}|[0-9]{8})$"),
      CFOP: z.string("O campo 'infNFe.det.prod.CFOP' é obrigatório").regex(/^[1-7]\d{3}$/, "O campo 'infNFe.det.prod.CFOP' não corresponde ao formato esperado ^[1-7][0-9]{3}$"),
      vProd: positive("infNFe.det.prod.vProd"),
    }) })).min(1, "O campo 'infNFe.det' é obrigatório"),
    total: z.looseObject({ ICMSTot: z.looseObject({ vNF: positive("infNFe.total.ICMSTot.vNF") }) }),
    pag: z.looseObject({}, "O campo 'infNFe.pag' é obrigatório"),
  }, "O campo 'infNFe' é obrigatório"),
}, "O corpo da requisição é inválido");

const bodyOf = (request: Request): Promise<unknown> => request.json().catch(() => undefined);

function invalid({ issues }: z.ZodError): Response {
  const errors = issues.map(({ message }) => ({ code: "InvalidFormat", message }));
  return refusal(400, "ValidationFailed", `Validation failed: ${errors[0]?.message}`, errors);
}

const unregistered = (document: string | undefined): Response => refusal(400, "ValidationFailed", `Validation failed: a empresa ${document} não está cadastrada.`);

const notFound = (): Response => refusal(404, "NotFound", "Not found.");

const refusal = (status: number, code: string, message: string, errors: object[] = []): Response => Response.json({ error: { code, message, errors } }, { status });

const digestOf = (value: string): string => createHash("sha256").update(value).digest("hex");

const centavos = (value: number): string => String(fromDecimal(value, "BRL") ?? 0n);

const digits = (count: number): string => Array.from({ length: count }, () => randomInt(10)).join("");

const protocol = (): string => `135${digits(12)}`;

const newCnpj = (): string => {
  const base = `${randomInt(1, 10)}${digits(7)}0001`;
  return base + checkDigits("cnpj", base);
};

/** State, month, issuer, model, series, number, type of issue, a random code, check digit. */
function accessKey(cnpj: string, { cUF, dhEmi, mod, serie, nNF }: z.output<typeof Ide>): string {
  const month = dhEmi.slice(2, 4) + dhEmi.slice(5, 7);
  const base = `${String(cUF).padStart(2, "0")}${month}${cnpj}${mod}${String(serie).padStart(3, "0")}${String(nNF).padStart(9, "0")}1${digits(8)}`;
  return base + checkDigits("nfe_key", base);
}

/** What a city prints for checking an invoice on its page. */
const checkCode = (): string => randomBytes(4).toString("hex").toUpperCase();
