/** Focus NFe: the wire of its NFS-e and NF-e, refs that are used up, its words for states, its hooks, its own tools. The suite has the common faults. */
import { describe, expect, test } from "vitest";
import { APPLIED_WITHIN_MS, focusNfe } from "../../providers/focus-nfe/index.ts";
import { focusNfeTwin } from "../../providers/focus-nfe/twin.ts";
import { Passthrough } from "../../providers/native.ts";
import { OutcomeUnknown, SetupMissing, Unanswered, type CallContext, type InboundMessage } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { TwinStep, TwinWebhook } from "../../providers/twin.ts";
import { parseDocument } from "../../schema/documents.ts";
import { invoice, type InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0e6c1e-6d0f-4f6d-9a53-2f6a52b7c111";
const OTHER_REFERENCE = "9c1b3c0a-98b1-4e93-8b9b-4cf47c7e2222";
const WEBHOOK_URL = "https://shop.example/v1/webhooks/focus-nfe/ca_1";
const API = "https://homologacao.focusnfe.com.br";

const address = {
  postal_code: "20040-002", street: "Avenida Rio Branco", number: "1", complement: "sala 2", district: "Centro", city: "Rio de Janeiro", city_code: "3304557", state: "RJ",
};
const service = (change: Record<string, unknown> = {}): InvoiceRequest => invoice.input.parse({
  type: "nfse", recipient: { name: "Maria Silva", document: "529.982.247-25" }, items: [{ description: "Consultoria", amount: 15_000, service_code: "0107" }], ...change,
});
const goods = (change: Record<string, unknown> = {}): InvoiceRequest => invoice.input.parse({
  type: "nfe", recipient: { name: "Padaria Central Ltda", document: "11.222.333/0001-81", address },
  items: [{ description: "Caneca", amount: 10_000, quantity: 3, ncm: "69120000", cfop: "6108" }], ...change,
});

// A shared secret tells neither a changed body nor an old message.
const common = { definition: focusNfe, twin: focusNfeTwin, detects: ["missing_header", "wrong_secret"] } as const;
const settles = { to: "authorized", withinSteps: 2 } as const;

describe("a service invoice", () => providerConformance({
  ...common, verbs: { invoice: { request: service(), declined: service({ recipient: { name: "Maria", document: "529.982.247-24" } }), settles, repeats: "replays" } },
}));
describe("a goods invoice", () => providerConformance({
  ...common,
  verbs: { invoice: { request: goods(), declined: goods({ items: [{ description: "Caneca", amount: 10_000, ncm: "1", cfop: "6108" }] }), settles, repeats: "replays" } },
}));

async function start({ settings = {}, live = false }: { settings?: Record<string, string>; live?: boolean } = {}) {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const received: { method: string; path: string; query: Record<string, string>; authorization: string | null; body: any }[] = [];
  const webhooks: TwinWebhook[] = [];
  const ran: TwinStep[] = [];
  const twin = focusNfeTwin.create({ store, clock, settleAfterMs: 1_000, deliver: async (webhook) => void webhooks.push(webhook) });
  const account = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
  /** Answers in the twin's place while it is set. */
  const instead: { answer?: (request: Request) => Response | undefined } = {};
  const connection = { credentials: account.credentials, settings: { ...account.settings, ...settings }, baseUrl: live ? focusNfe.hosts.live : focusNfe.hosts.test };
  const fetch = async (request: Request) => {
    const text = await request.clone().text();
    const { pathname, searchParams } = new URL(request.url);
    received.push({ method: request.method, path: pathname, query: Object.fromEntries(searchParams), authorization: request.headers.get("authorization"), body: text === "" ? undefined : JSON.parse(text) });
    return instead.answer?.(request) ?? twin.fetch(request);
  };
  const provider = focusNfe.connect(connection, fetch);
  return {
    clock, received, webhooks, ran, account, instead, twin, cnpj: account.settings["company_cnpj"]!,
    issue: (request: InvoiceRequest, call: CallContext) => provider.invoice!(request, call),
    lookup: (call: CallContext, ref?: string) => provider.lookup!({ verb: "invoice", reference: call.reference, ref, currency: "BRL" }, call),
    async rest(steps: number) {
      await clock.advance(steps * 1_000);
      await store.runDue(async (step) => {
        ran.push(step);
        await twin.run(step);
      });
    },
    /** A tool of Focus NFe's own, as the server runs it. */
    async tool(name: string, args: object): Promise<any> {
      const tool = focusNfe.native!.tools.find((each) => each.name === name)!;
      const call = newCall(clock);
      return focusNfe.native!.client(connection, fetch)[tool.effect === "reads" ? "ask" : "act"](tool.request(tool.input.parse(args), call), Passthrough, call);
    },
  };
}

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

describe("issuing an NFS-e", () => {
  test("one POST is named by our reference and carries the service in Focus NFe's words", async () => {
    const { issue, received, clock, cnpj, account } = await start({ settings: { iss_rate: "2.5", municipal_service_code: "620910000" } });
    const recipient = { name: "Padaria Central Ltda", document: "11.222.333/0001-81", email: "contas@example.com", phone: "+5511999998888", address };
    await issue(service({ recipient, items: [{ description: "Consultoria", amount: 15_000, service_code: "0107" }, { description: "Treinamento", amount: 5_010 }] }), newCall(clock));
    const authorization = `Basic ${Buffer.from(`${account.credentials["token"]}:`).toString("base64")}`;
    expect(received).toEqual([{ method: "POST", path: "/v2/nfse", query: { ref: REFERENCE }, authorization, body: {
      data_emissao: "2026-11-20T09:00:00-03:00",
      natureza_operacao: "1",
      optante_simples_nacional: true,
      prestador: { cnpj, inscricao_municipal: "12345", codigo_municipio: "3550308" },
      tomador: {
        cnpj: "11222333000181", razao_social: "Padaria Central Ltda", email: "contas@example.com", telefone: "11999998888",
        endereco: { logradouro: "Avenida Rio Branco", numero: "1", complemento: "sala 2", bairro: "Centro", codigo_municipio: "3304557", uf: "RJ", cep: "20040002" },
      },
      servico: {
        valor_servicos: 200.1, iss_retido: false, item_lista_servico: "0107", discriminacao: "Consultoria\nTreinamento", codigo_municipio: "3550308",
        codigo_tributario_municipio: "620910000", aliquota: 2.5,
      },
    } }]);
  });

  test("is on its way at first, then authorized with number, code, the city's page and the XML", async () => {
    const { issue, lookup, clock, rest, cnpj } = await start();
    const call = newCall(clock);
    expect(await issue(service(), call)).toEqual({
      outcome: "accepted", ref: REFERENCE, state: "processing", action: "processando_autorizacao", result: { id: REFERENCE, status: "processing", amount: 15_000n },
    });
    await rest(1);
    expect(await lookup(call)).toEqual({
      ref: REFERENCE, state: "authorized", action: "autorizado", occurredAt: new Date("2026-11-20T12:00:01.000Z"),
      result: {
        id: REFERENCE, status: "autorizada", number: "1", verification_code: expect.stringMatching(/^[0-9A-F]{8}$/), pdf_url: "https://nfse.example/1",
        xml_url: `${API}/arquivos/${cnpj}/XMLs/${REFERENCE}.xml`, issued_at: "2026-11-20T12:00:01.000Z",
      },
    });
  });
});

describe("issuing an NF-e", () => {
  test("one POST carries goods, buyer and payment, and no number: Focus NFe counts", async () => {
    const { issue, received, clock, cnpj } = await start();
    await issue(goods(), newCall(clock));
    expect(received).toMatchObject([{ method: "POST", path: "/v2/nfe", query: { ref: REFERENCE } }]);
    expect(received[0]!.body).toEqual({
      natureza_operacao: "Venda de mercadoria", data_emissao: "2026-11-20T09:00:00-03:00", tipo_documento: 1, finalidade_emissao: 1, local_destino: 2, consumidor_final: 1,
      presenca_comprador: 2, modalidade_frete: 9, cnpj_emitente: cnpj, cnpj_destinatario: "11222333000181",
      nome_destinatario: "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL", indicador_inscricao_estadual_destinatario: 9,
      logradouro_destinatario: "Avenida Rio Branco", numero_destinatario: "1", bairro_destinatario: "Centro", municipio_destinatario: "Rio de Janeiro", uf_destinatario: "RJ",
      cep_destinatario: "20040002", valor_produtos: 100, valor_total: 100,
      items: [{
        numero_item: 1, codigo_produto: "CFOP6108", descricao: "Caneca", codigo_ncm: "69120000", cfop: "6108", unidade_comercial: "UN", quantidade_comercial: 3,
        valor_unitario_comercial: 33.3333333333, unidade_tributavel: "UN", quantidade_tributavel: 3, valor_unitario_tributavel: 33.3333333333, valor_bruto: 100, inclui_no_total: 1,
        icms_origem: 0, icms_situacao_tributaria: "102", pis_situacao_tributaria: "49", cofins_situacao_tributaria: "49",
      }],
      formas_pagamento: [{ forma_pagamento: "17", valor_pagamento: 100 }],
    });
  });

  test("on the live host the buyer keeps the name, and a payment means of 90 carries no amount", async () => {
    const { issue, received, clock } = await start({ live: true, settings: { nfe_payment_means: "90" } });
    await issue(goods({ recipient: { name: "Maria Silva", document: "529.982.247-25", address: { ...address, city_code: "3509502", state: "SP" } } }), newCall(clock));
    expect(received[0]!.body).toMatchObject({
      nome_destinatario: "Maria Silva", cpf_destinatario: "52998224725", local_destino: 1, formas_pagamento: [{ forma_pagamento: "90", valor_pagamento: 0 }],
    });
  });

  test("has its key without the letters before it, and its DANFE, once authorized", async () => {
    const { issue, lookup, clock, rest } = await start();
    const call = newCall(clock);
    await issue(goods(), call);
    await rest(1);
    const found = await lookup(call);
    expect(found).toMatchObject({ state: "authorized", result: { number: "1", pdf_url: expect.stringMatching(/^https:\/\/homologacao\.focusnfe\.com\.br\/arquivos\/.*\.pdf$/) } });
    expect(parseDocument(String(found!.result!["access_key"]), ["nfe_key"])).toMatchObject({ ok: true });
  });
});

describe("an address that its postal code can complete", () => {
  const short = { line_1: "Rua da Quitanda", number: "86", city: "Rio", state: "RJ", postal_code: "20040-002" };
  const to = (place: object) => ({ recipient: { name: "Maria Silva", document: "529.982.247-25", address: place } });

  test("gets district and city code from Focus NFe's register, and keeps what was written", async () => {
    const { issue, received, clock } = await start();
    expect(await issue(goods(to(short)), newCall(clock))).toMatchObject({ outcome: "accepted" });
    expect(received.map(({ method, path }) => [method, path])).toEqual([["GET", "/v2/ceps/20040002"], ["POST", "/v2/nfe"]]);
    expect(received[1]!.body).toMatchObject({
      logradouro_destinatario: "Rua da Quitanda", bairro_destinatario: "Centro", municipio_destinatario: "Rio", uf_destinatario: "RJ", local_destino: 2,
    });
  });

  test.each([
    ["one that the register does not know", { postal_code: "20040-999" }], ["one of another state", { state: "SP" }],
  ])("is not completed from %s: what it lacks is named", async (_which, change) => {
    const { issue, received, clock } = await start();
    expect(await issue(goods(to({ ...short, ...change })), newCall(clock))).toMatchObject({ outcome: "declined", field: "recipient.address.city_code" });
    expect(received.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("is not looked up for an NFS-e that needs no more", async () => {
    const { issue, received, clock } = await start();
    await issue(service(to({ city_code: "3304557", postal_code: "20040-002" })), newCall(clock));
    expect(received.map(({ method }) => method)).toEqual(["POST"]);
  });
});

describe("before anything is sent", () => {
  test.each([
    ["recipient.name", service({ recipient: undefined })],
    ["recipient.document", service({ recipient: { name: "Maria", document: "1" } })],
    ["recipient.address.city_code", service({ recipient: { name: "Maria", address: { street: "Rua A" } } })],
    ["items", service({ items: [] })],
    ["items.1.service_code", service({ items: [{ amount: 1, service_code: "0107" }, { amount: 1, service_code: "1705" }] })],
    ["recipient.address", goods({ recipient: { name: "Maria", document: "529.982.247-25" } })],
    ["recipient.address.street", goods({ recipient: { name: "Maria", document: "529.982.247-25", address: { ...address, street: "" } } })],
    ["items.0.ncm", goods({ items: [{ description: "Caneca", amount: 100 }] })],
  ])("what cannot be a document names %s", async (field, request) => {
    const { issue, received, clock } = await start();
    expect(await issue(request, newCall(clock))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });

  test.each([
    ["company_cnpj", { company_cnpj: "" }, service()], ["municipal_registration", { municipal_registration: "" }, service()], ["city_code", { city_code: "" }, service()],
    ["simples_nacional", { simples_nacional: "yes" }, service()], ["service_code", { service_code: "" }, service({ items: [{ amount: 100, description: "A" }] })],
    ["icms_csosn", { icms_csosn: "" }, goods()], ["nfe_payment_means", { nfe_payment_means: "" }, goods()],
  ])("without a usable %s an operator is asked", async (setting, settings, request) => {
    const { issue, received, clock } = await start({ settings });
    const missing = await issue(request, newCall(clock)).catch((thrown: unknown) => thrown);
    expect(missing).toBeInstanceOf(SetupMissing);
    expect(missing).toMatchObject({ setting });
    expect(received).toEqual([]);
  });

  test("documents of other countries and amendments are declined", async () => {
    const { issue, received, clock } = await start();
    expect(await issue(service({ type: "nfci" }), newCall(clock))).toMatchObject({ reason: "not_permitted", field: "type" });
    expect(await issue(service({ action: "amend", invoice_id: "x" }), newCall(clock))).toMatchObject({ reason: "not_permitted", field: "action" });
    expect(received).toEqual([]);
  });
});

describe("a ref", () => {
  test("that a document on its way, or authorized, has already is answered with that document", async () => {
    const { issue, clock, rest, received } = await start();
    await issue(service(), newCall(clock));
    expect(await issue(service(), newCall(clock))).toMatchObject({ outcome: "accepted", ref: REFERENCE, state: "processing" });
    await rest(1);
    expect(await issue(service(), newCall(clock))).toMatchObject({ outcome: "accepted", ref: REFERENCE, state: "authorized", result: { number: "1" } });
    expect(received.map(({ method }) => method)).toEqual(["POST", "POST", "GET", "POST", "GET"]);
  });

  test("that is used and cannot be read is an unknown outcome that acted", async () => {
    const { issue, clock, instead } = await start();
    await issue(service(), newCall(clock));
    instead.answer = (request) => (request.method === "GET" ? new Response("bad gateway", { status: 502 }) : undefined);
    const call = newCall(clock);
    await expect(issue(service(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
  });

  test("that was sent a moment ago and is not found yet is not declared lost", async () => {
    const { issue, lookup, clock, instead } = await start();
    instead.answer = (request) => (request.method === "POST" ? new Response("gateway timeout", { status: 504 }) : undefined);
    const call = newCall(clock);
    await expect(issue(service(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    await clock.advance(APPLIED_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
  });

  test("is none only where Focus NFe says so in its own words, and never when it was answered once", async () => {
    const { lookup, clock, instead } = await start();
    expect(await lookup(newCall(clock))).toBeUndefined();
    await expect(lookup(newCall(clock), OTHER_REFERENCE)).rejects.toBeInstanceOf(Unanswered);
    instead.answer = () => new Response("not here", { status: 404 });
    await expect(lookup(newCall(clock))).rejects.toMatchObject({ status: 404 });
  });

  test("is what a status is read by", async () => {
    const { issue, clock, rest } = await start();
    await issue(service(), newCall(clock));
    await rest(1);
    const call = newCall(clock, OTHER_REFERENCE);
    expect(await issue(service({ action: "status", invoice_id: REFERENCE }), call)).toMatchObject({ outcome: "accepted", ref: REFERENCE, state: "authorized" });
    expect(call.acted).toBe(false);
    expect(await issue(service({ action: "status", invoice_id: "none" }), call)).toMatchObject({ outcome: "declined", field: "invoice_id" });
    expect(await issue(service({ action: "status" }), call)).toMatchObject({ outcome: "declined", field: "invoice_id" });
  });
});

describe("states", () => {
  test.each([
    ["processando_autorizacao", "processing"], ["autorizado", "authorized"], ["erro_autorizacao", "rejected"], ["denegado", "rejected"], ["cancelado", "cancelled"],
    ["substituido", "cancelled"], ["something_new", "processing"],
  ])("%s is %s", async (status, state) => {
    const { lookup, clock, instead } = await start();
    instead.answer = () => Response.json({ ref: REFERENCE, status });
    expect(await lookup(newCall(clock))).toMatchObject({ state, action: status });
  });

  test.each([["nfse", service({ items: [{ amount: 10_013 }] }), /^E145: /], ["nfe", goods({ items: [{ description: "A", ncm: "69120000", amount: 10_013 }] }), /^778: /]])(
    "an %s that ends in 13 centavos is refused, and says by whom and why", async (_kind, request, message) => {
      const { issue, lookup, clock, rest } = await start();
      const call = newCall(clock);
      await issue(request, call);
      await rest(1);
      expect(await lookup(call)).toMatchObject({ state: "rejected", result: { reason: message }, failure: { reason: "refused", message } });
      expect(await issue(request, call)).toMatchObject({ outcome: "accepted", state: "processing" }); // after an error the ref is free again
    });

  test("one that ends in 14 centavos waits for ever", async () => {
    const { issue, lookup, clock, rest } = await start();
    const call = newCall(clock);
    await issue(service({ items: [{ amount: 10_014 }] }), call);
    await rest(500);
    expect(await lookup(call)).toMatchObject({ state: "processing" });
  });
});

describe("refusals", () => {
  test.each([
    [401, "HTTP Basic: Access denied.\n", { reason: "unauthorized" }],
    [403, { codigo: "permissao_negada", mensagem: "CNPJ do emitente não autorizado" }, { reason: "unauthorized", message: "CNPJ do emitente não autorizado" }],
    [429, { codigo: "limite_excedido" }, { reason: "rate_limited" }],
    [400, { codigo: "requisicao_invalida", mensagem: 'Parâmetro "tomador.cpf" inválido' }, { reason: "invalid_request", field: "recipient.document" }],
    [400, { codigo: "certificado_vencido", mensagem: "O certificado do emitente está vencido" }, { reason: "not_permitted" }],
    [422, { codigo: "erro_validacao_schema", mensagem: "Erro", erros: [{ mensagem: "NCM inválido", campo: "codigo_ncm" }] }, { reason: "invalid_request", message: "NCM inválido", field: "items.0.ncm" }],
  ])("%s is read", async (status, body, expected) => {
    const { issue, clock, instead } = await start();
    instead.answer = () => (typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status }));
    expect(await issue(service(), newCall(clock))).toMatchObject({ outcome: "declined", ...expected });
  });
});

describe("hooks", () => {
  const message = (body: unknown, headers: Record<string, string> = {}): InboundMessage =>
    ({ method: "POST", url: new URL(WEBHOOK_URL), headers: new Headers(headers), body: new TextEncoder().encode(JSON.stringify(body)) });
  const verify = (authorization: string | undefined, secrets: string[]) =>
    focusNfe.notifications!.verify(message({}, authorization === undefined ? {} : { authorization }), { secrets, settings: {}, now: new Date() });

  test("the value that was chosen for the hook is the proof, and nothing else is", () => {
    expect(verify("chosen", ["another", "chosen"])).toEqual({ ok: true });
    for (const [given, secrets] of [[undefined, ["chosen"]], ["chose", ["chosen"]], ["chosen", []], ["", [""]]] as const) expect(verify(given, [...secrets])).toMatchObject({ ok: false });
  });

  test("a message is the document: the vendor's own example is read", () => {
    const example = {
      cnpj_emitente: "07504505000132", ref: "teste_webhooks", status: "autorizado", status_sefaz: "100", mensagem_sefaz: "Autorizado o uso da NF-e",
      chave_nfe: "NFe77777075045050001329999930000002999999991249", numero: "1", serie: "1", caminho_danfe: "/arquivos/DANFEs/1.pdf",
    };
    expect(focusNfe.notifications!.read(message(example))).toEqual([{
      eventId: "teste_webhooks:autorizado", ref: "teste_webhooks", reference: "teste_webhooks",
      observation: {
        ref: "teste_webhooks", state: "authorized", action: "autorizado",
        result: { id: "teste_webhooks", status: "autorizada", number: "1", access_key: "77777075045050001329999930000002999999991249" },
      },
    }]);
  });
});

describe("its own tools", () => {
  test("an NFS-e is created, read and cancelled", async () => {
    const { tool, cnpj, rest, received } = await start();
    const made = await tool("create_nfse", {
      data_emissao: "2026-11-20T09:00:00-03:00", optante_simples_nacional: true, prestador: { cnpj, inscricao_municipal: "12345", codigo_municipio: "3550308" }, tomador: { razao_social: "Maria" },
      servico: { valor_servicos: 150.5, iss_retido: false, item_lista_servico: "0107", discriminacao: "Consultoria", codigo_municipio: "3550308" },
    });
    expect(made).toEqual({ cnpj_prestador: cnpj, ref: REFERENCE, status: "processando_autorizacao" });
    expect(received.at(-1)).toMatchObject({ query: { ref: REFERENCE }, body: expect.not.objectContaining({ ref: expect.anything() }) });
    await expect(tool("cancel_nfse", { ref: REFERENCE, justificativa: "Pedido desfeito pelo cliente" })).rejects.toMatchObject({ body: { codigo: "nfe_nao_autorizada" } });
    await rest(1);
    expect(await tool("get_nfse", { ref: REFERENCE })).toMatchObject({ status: "autorizado", numero: "1" });
    expect(await tool("cancel_nfse", { ref: REFERENCE, justificativa: "Pedido desfeito pelo cliente" })).toEqual({ status: "cancelado" });
    await expect(tool("cancel_nfse", { ref: REFERENCE, justificativa: "Pedido desfeito pelo cliente" })).rejects.toMatchObject({ body: { codigo: "nfe_cancelada" } });
  });

  test("an NF-e is created under a name of its own, corrected and cancelled", async () => {
    const { tool, cnpj, rest, received } = await start();
    await tool("create_nfe", {
      ref: "pedido-9", natureza_operacao: "Venda", data_emissao: "2026-11-20T09:00:00-03:00", tipo_documento: 1, cnpj_emitente: cnpj,
      items: [{ numero_item: 1, descricao: "Caneca", cfop: "5102", codigo_ncm: "69120000", valor_bruto: 10 }],
    });
    await rest(1);
    expect(await tool("get_nfe", { ref: "pedido-9", completa: 1 })).toMatchObject({ status: "autorizado", serie: "1", numero: "1" });
    expect(received.at(-1)!.query).toEqual({ completa: "1" });
    expect(await tool("send_correction_letter", { ref: "pedido-9", correcao: "O peso bruto correto é 2 kg." })).toMatchObject({ status_sefaz: "135" });
    expect(await tool("cancel_nfe", { ref: "pedido-9", justificativa: "Pedido desfeito pelo cliente" })).toMatchObject({ status: "cancelado", status_sefaz: "135" });
  });
});

describe("the twin", () => {
  test("shows an account nothing of another's, and refuses a wrong token in plain text", async () => {
    const { issue, clock, twin } = await start();
    await issue(service(), newCall(clock));
    const other = await twin.openAccount({ webhookUrl: WEBHOOK_URL });
    const read = async (token: string) => twin.fetch(new Request(`${API}/v2/nfse/${REFERENCE}`, { headers: { authorization: `Basic ${Buffer.from(`${token}:`).toString("base64")}` } }));
    expect((await read(other.credentials["token"]!)).status).toBe(404);
    expect(await (await read("wrong")).text()).toBe("HTTP Basic: Access denied.\n");
  });

  test("a step that runs twice numbers and tells once", async () => {
    const { issue, lookup, clock, rest, twin, webhooks, ran } = await start();
    const call = newCall(clock);
    await issue(service(), call);
    await rest(1);
    const before = await lookup(call);
    for (const step of ran) await twin.run(step);
    expect(await lookup(call)).toEqual(before);
    expect([ran.length, webhooks.length]).toEqual([1, 1]);
  });
});
