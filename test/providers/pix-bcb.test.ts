import { describe, expect, test } from "vitest";
import { z } from "zod";
import { clientCertificate } from "../../providers/client-certificate.ts";
import { NotReached, Rejected, SetupMissing, Unanswered, type CallContext, type Fetch, type Outcome } from "../../providers/provider.ts";
import { readRefusal } from "../../providers/pix-bcb/answers.ts";
import type { Bank } from "../../providers/pix-bcb/bank.ts";
import { bancoDoBrasil, requestNumber } from "../../providers/pix-bcb/banks/banco-do-brasil.ts";
import { c6 } from "../../providers/pix-bcb/banks/c6.ts";
import { banks } from "../../providers/pix-bcb/banks/index.ts";
import { inter } from "../../providers/pix-bcb/banks/inter.ts";
import { itau } from "../../providers/pix-bcb/banks/itau.ts";
import { santander } from "../../providers/pix-bcb/banks/santander.ts";
import { sicoob } from "../../providers/pix-bcb/banks/sicoob.ts";
import { sicredi } from "../../providers/pix-bcb/banks/sicredi.ts";
import { standIn } from "../../providers/pix-bcb/banks/stand-in.ts";
import { bankProvider, SYNTHETIC_PAYEE } from "../../providers/pix-bcb/index.ts";
import { bankTwin } from "../../providers/pix-bcb/twin.ts";
import { rails } from "../../providers/rails.ts";
import { CLIENT_CERTIFICATE_HEADER, presenting } from "../../providers/transport.ts";
import { hostTwins } from "../../providers/twin-host.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import type { PayoutRequest, PayoutResult } from "../../schema/meta-tools/pay.ts";
import { parseBrCode } from "../../schema/pix/brcode.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
const HOOK = "https://codespar.example/v1/webhooks/bank/ca_1";
const REST_MS = 3_600_000;

const aPayout: PayoutRequest = {
  action: "pay", amount: 4990n, currency: "BRL", method: "pix", description: "Fatura 9",
  recipient: { pix_key: "Vendor@Example.com", name: "Ana Souza", document: "111.444.777-35" },
};

/** A bank that does not exist: nothing but facts. */
const tenth: Bank = {
  ...standIn,
  id: "banco-ficticio",
  title: "Banco Fictício",
  ispb: "99999999",
  hosts: { live: "https://api.banco-ficticio.example/pix/v1", test: "https://sandbox.banco-ficticio.example/pix/v1" },
  token: { live: "https://auth.banco-ficticio.example/token", test: "https://auth.sandbox.banco-ficticio.example/token", client: "form", scope: "pix.envio" },
  credentials: [{ name: "chave_app", label: "Application key", secret: true, required: true }],
  carries: { headers: { "x-app": "chave_app" } },
  headers: { "x-versao": "1" },
};

const withoutReference = ["sicoob", "c6"];
const byIdAlone = ["inter"];

for (const bank of [...banks, tenth]) {
  providerConformance({
    definition: bankProvider(bank),
    twin: bankTwin(bank),
    detects: ["missing_header", "wrong_secret"],
    verbs: {
      payout: {
        request: aPayout, declined: { ...aPayout, amount: 4913n }, settles: { to: "succeeded" },
        ...(withoutReference.includes(bank.id) && { carriesReference: false }),
        ...(byIdAlone.includes(bank.id) && { findsByReference: false }),
      },
    },
  });
}

interface Sent {
  method: string;
  url: string;
  headers: Headers;
  body: unknown;
}

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

/** The core and a bank's twin together, in memory. `sent` leaves the token's requests out. */
async function world(bank: Bank, { live = false }: { live?: boolean } = {}) {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const webhooks: { url: string; body: string }[] = [];
  const host = hostTwins({
    twins: [bankTwin(bank)], clock, storeFor: () => store, settleAfterMs: REST_MS,
    send: async (request) => {
      webhooks.push({ url: request.url, body: await request.text() });
      return Response.json({});
    },
  });
  const account = await host.openAccount(bank.id, { webhookUrl: HOOK });
  const sent: Sent[] = [];
  const granted: Sent[] = [];
  const definition = bankProvider(bank);
  const tokens = [bank.token.live, bank.token.test];
  const open = (change: { credentials?: Record<string, string>; settings?: Record<string, string> } = {}, certified = account.credentials) => {
    const record: Fetch = async (request) => {
      const text = await request.clone().text();
      const body: unknown = text.startsWith("{") ? JSON.parse(text) : text;
      (tokens.includes(request.url) ? granted : sent).push({ method: request.method, url: request.url, headers: request.headers, body });
      return host.fetch(request);
    };
    const connection = { credentials: account.credentials, settings: account.settings, ...change, baseUrl: live ? bank.hosts.live : bank.hosts.test };
    return definition.connect(connection, presenting(record, clientCertificate(certified)));
  };
  const call = newCall(clock);
  const provider = open();
  return {
    clock, host, account, sent, granted, webhooks, definition, open, call, provider,
    pay: (change: Partial<PayoutRequest> = {}) => provider.payout!({ ...aPayout, ...change }, call),
    ask: (ref?: string, reference = REFERENCE) => provider.lookup!({ verb: "payout", reference, ref, currency: "BRL" }, newCallWith(call, reference)),
    rests: async (count: number) => {
      for (let rest = 0; rest < count; rest++) {
        await clock.advance(REST_MS);
        await store.runDue((step) => host.run(bank.id, step));
      }
    },
  };
}

const newCallWith = (call: CallContext, reference: string): CallContext => ({ ...call, reference, acted: false });

/** The core against answers written in the test; the token is granted. */
async function scripted(bank: Bank, answer: (sent: Sent) => Response) {
  const { account, definition, clock } = await world(bank);
  const sent: Sent[] = [];
  const fetch: Fetch = async (request) => {
    if (request.url === bank.token.test) return Response.json({ access_token: "a", expires_in: 600 });
    const text = await request.clone().text();
    sent.push({ method: request.method, url: request.url, headers: request.headers, body: text === "" ? undefined : JSON.parse(text) });
    return answer(sent.at(-1)!);
  };
  return { provider: definition.connect({ ...account, baseUrl: bank.hosts.test }, fetch), sent, call: newCall(clock), clock };
}

function accepted(outcome: Outcome<PayoutResult>) {
  if (outcome.outcome !== "accepted") throw new Error(`it was ${JSON.stringify(outcome)}`);
  return outcome;
}

const shapeOf = ({ method, url, body }: Sent) => ({ at: `${method} ${new URL(url).pathname}`, body });

describe("what each bank is sent", () => {
  test("Banco do Brasil: a batch of one, by its number, with the application's key in the query", async () => {
    const { pay, sent, account } = await world(bancoDoBrasil);
    const outcome = accepted(await pay());
    expect(sent.map(shapeOf)).toEqual([{
      at: "POST /pagamentos-lote/v1/lotes-transferencias-pix",
      body: {
        numeroRequisicao: requestNumber(REFERENCE), agenciaDebito: 1607, contaCorrenteDebito: 99738672, digitoVerificadorContaCorrente: "X", tipoPagamento: 128,
        listaTransferencias: [{
          data: 20112026, valor: 49.9, descricaoPagamento: REFERENCE, descricaoPagamentoInstantaneo: "Fatura 9", formaIdentificacao: 2, email: "vendor@example.com",
        }],
      },
    }]);
    expect(new URL(sent[0]!.url).searchParams.get("gw-dev-app-key")).toBe(account.credentials["developer_app_key"]);
    expect(outcome).toMatchObject({ ref: String(requestNumber(REFERENCE)), state: "pending", action: "Em processamento" });
  });

  test.each([
    ["+5511999998888", { formaIdentificacao: 1, dddTelefone: 11, telefone: 999998888 }],
    ["111.444.777-35", { formaIdentificacao: 3, cpf: 11144477735 }],
    ["11.222.333/0001-81", { formaIdentificacao: 3, cnpj: 11222333000181 }],
    ["5e5d0f1e-7e57-4000-8000-000000000001", { formaIdentificacao: 4, identificacaoAleatoria: "5e5d0f1e-7e57-4000-8000-000000000001" }],
  ])("Banco do Brasil: the key %s by its kind", async (pix_key, fields) => {
    const { pay, sent } = await world(bancoDoBrasil);
    accepted(await pay({ recipient: { pix_key } }));
    expect(sent[0]!.body).toMatchObject({ listaTransferencias: [fields] });
  });

  test("Inter: one request, our reference as the key of idempotency", async () => {
    const { pay, sent } = await world(inter);
    accepted(await pay());
    expect(sent.map(shapeOf)).toEqual([{
      at: "POST /banking/v2/pix", body: { valor: 49.9, descricao: "Fatura 9", destinatario: { tipo: "CHAVE", chave: "vendor@example.com" } },
    }]);
    expect(sent[0]!.headers.get("x-id-idempotente")).toBe(REFERENCE);
    expect(sent[0]!.headers.has("x-conta-corrente")).toBe(false);
  });

  test("Santander: a draft with our reference as its tag, then its authorization", async () => {
    const { pay, sent, account } = await world(santander);
    const { ref } = accepted(await pay());
    const payments = `/management_payments_partners/v1/workspaces/${account.settings["workspace_id"]}/pix_payments`;
    expect(sent.map(shapeOf).filter(({ at }) => !at.startsWith("GET"))).toEqual([
      {
        at: `POST ${payments}`,
        body: { tags: [REFERENCE], paymentValue: "49.90", remittanceInformation: "Fatura 9", dictCode: "vendor@example.com", dictCodeType: "EMAIL" },
      },
      { at: `PATCH ${payments}/${ref}`, body: { paymentValue: "49.90", status: "AUTHORIZED" } },
    ]);
    for (const { headers } of sent) expect(headers.get("x-application-key")).toBe(account.credentials["client_id"]);
  });

  test("Sicoob: a payment begun by its key, then made effective by its end-to-end id", async () => {
    const { pay, sent, account } = await world(sicoob);
    const { ref } = accepted(await pay());
    expect(ref).toMatch(/^E02038232202611201200/);
    expect(sent.map(shapeOf)).toEqual([
      { at: "POST /sicoob/sandbox/pix-pagamentos/v2/pagamentos", body: { chave: "vendor@example.com" } },
      {
        at: "POST /sicoob/sandbox/pix-pagamentos/v2/pagamentos/confirmacao",
        body: { endToEndId: ref, valor: "49.90", descricao: "Fatura 9", meioIniciacao: "CHAVE" },
      },
    ]);
    for (const { headers } of sent) expect(headers.get("client_id")).toBe(account.credentials["client_id"]);
  });

  test("Itaú: a transfer from the account of the settings", async () => {
    const { pay, sent } = await world(itau);
    accepted(await pay());
    expect(sent.map(shapeOf)).toEqual([{
      at: "POST /sandboxapi/itau-ep9-gtw-sispag-ext/v1/transferencias",
      body: {
        valor_pagamento: "49.90", data_pagamento: "2026-11-20", chave: "vendor@example.com", referencia_empresa: "0b0f4f0e3c2d4a579d4e6d1f6a1f2b3c",
        identificacao_comprovante: "0b0f4f0e3c2d4a579d4e6d1f6a1f2b3c", informacoes_entre_usuarios: "Fatura 9",
        pagador: { tipo_conta: "CC", agencia: "2937", conta: "00223416", tipo_pessoa: "J", documento: "11222333000181", modulo_sispag: "Fornecedores" },
      },
    }]);
    expect(sent[0]!.headers.get("x-itau-correlationid")).toBe(REFERENCE);
  });

  test("Sicredi: the payee's document beside the key", async () => {
    const { pay, sent } = await world(sicredi);
    accepted(await pay());
    expect(sent.map(shapeOf)).toEqual([{
      at: "POST /sb/multipag-pagamento-sandbox/v1/pagamentos/pix/chave",
      body: {
        cooperativa: "0100", conta: "000001", documento: "11222333000181", idTransacao: REFERENCE, identificadorPagamentoAssociado: REFERENCE,
        dataPagamento: "2026-11-20", chavePix: "vendor@example.com", documentoBeneficiario: "11144477735", mensagemPix: "Fatura 9", valorPagamento: 49.9,
      },
    }]);
  });

  test("C6: decoded, read back, submitted", async () => {
    const { pay, sent } = await world(c6);
    const { ref } = accepted(await pay());
    expect(sent.map(shapeOf)).toEqual([
      {
        at: "POST /v1/schedule_payments/decode",
        body: {
          items: [{
            amount: 49.9, transaction_date: "2026-11-20", description: "Fatura 9", content: "vendor@example.com", beneficiary_name: "Ana Souza", payer_name: "Loja Teste",
          }],
        },
      },
      { at: `GET /v1/schedule_payments/${ref}/items`, body: "" },
      { at: "POST /v1/schedule_payments/submit", body: { group_id: ref, uploader_name: "Loja Teste" } },
    ]);
  });

  test("goes to the live hosts in live mode, the token's too", async () => {
    for (const bank of banks) {
      const { pay, sent, granted } = await world(bank, { live: true });
      accepted(await pay());
      expect(granted.map(({ url }) => url), bank.id).toEqual([bank.token.live]);
      expect(new Set(sent.map(({ url }) => new URL(url).origin)), bank.id).toEqual(new Set([new URL(bank.hosts.live).origin]));
    }
  });
});

describe("a token", () => {
  test.each([
    [bancoDoBrasil, "grant_type=client_credentials&scope=pagamentos-lote.transferencias-pix-requisicao+pagamentos-lote.transferencias-pix-info+pagamentos-lote.pix-info"],
    [sicoob, "grant_type=client_credentials&scope=pixpagamentos_escrita+pixpagamentos_consulta&client_id=ID"],
    [santander, "grant_type=client_credentials&client_id=ID&client_secret=SECRET"],
  ])("is asked for as $id wants it", async (bank, form) => {
    const { pay, granted, account } = await world(bank);
    accepted(await pay());
    const { client_id: id = "", client_secret: secret = "" } = account.credentials;
    expect(granted[0]!.body).toBe(form.replace("ID", id).replace("SECRET", secret));
    const basic = bank.token.client === "basic" ? `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}` : null;
    expect(granted[0]!.headers.get("authorization")).toBe(basic);
  });

  test("serves until it ends, and is asked for again then", async () => {
    const { pay, ask, granted, clock } = await world(sicoob);
    const { ref } = accepted(await pay());
    await ask(ref);
    expect(granted.length).toBe(1);
    await clock.advance(REST_MS);
    await ask(ref);
    expect(granted.length).toBe(2);
  });
});

describe("the client certificate", () => {
  test.each(banks)("without one $id takes neither a token nor a payment", async (bank) => {
    const { host, account, definition, call } = await world(bank);
    const open = (fetch: Fetch) => definition.connect({ ...account, baseUrl: bank.hosts.test }, fetch);
    expect(await open(presenting((request) => host.fetch(request), undefined)).payout!(aPayout, call)).toMatchObject({ outcome: "declined", reason: "unauthorized" });
    const onlyForTokens: Fetch = async (request) =>
      presenting((sent) => host.fetch(sent), request.url === bank.token.test ? clientCertificate(account.credentials) : undefined)(request);
    expect(await open(onlyForTokens).payout!(aPayout, call)).toMatchObject({ outcome: "declined", reason: "unauthorized" });
    expect(host.requests(bank.id).at(-1)!.status).toBe(403);
  });

  test("of another account is refused, and none is in the twin's log", async () => {
    const { host, open, call } = await world(inter);
    const other = await host.openAccount("inter", { webhookUrl: HOOK });
    expect(await open({}, other.credentials).payout!(aPayout, call)).toMatchObject({ outcome: "declined", reason: "unauthorized" });
    expect(JSON.stringify(host.requests("inter"))).not.toContain(CLIENT_CERTIFICATE_HEADER);
  });

  test("that cannot be presented is told before anything is sent", async () => {
    const { open, call, account, sent, granted, clock } = await world(inter);
    const broken = { ...account.credentials, certificate: "not a certificate" };
    expect(await open({ credentials: broken }).payout!(aPayout, call)).toEqual({
      outcome: "declined", reason: "unauthorized", message: "the connection's client certificate is not readable PEM",
    });
    await clock.advance(11 * 366 * 86_400_000);
    expect(await open().payout!(aPayout, call)).toMatchObject({ reason: "unauthorized", message: "the connection's client certificate ended on 2036-11-20" });
    expect([...sent, ...granted]).toEqual([]);
  });
});

describe("refused before anything is sent", () => {
  test.each<[string, Partial<PayoutRequest>, object]>([
    ["another method", { method: "spei" }, { reason: "not_permitted", field: "method" }],
    ["a pasted code", { copia_e_cola: "000201…" }, { reason: "not_permitted", field: "copia_e_cola" }],
    ["no amount", { amount: undefined }, { reason: "invalid_request", field: "amount" }],
    ["nothing", { amount: 0n }, { reason: "invalid_request", field: "amount" }],
    ["more digits than the standard has", { amount: 1_000_000_000_000n }, { reason: "invalid_request", field: "amount" }],
    ["another currency", { currency: "USD" }, { reason: "invalid_request", field: "currency" }],
    ["a bank account", { recipient: { bank_account: { number: "1" } } }, { reason: "invalid_request", field: "recipient.pix_key" }],
    ["eleven digits that are no CPF", { recipient: { pix_key: "11999998888" } }, { reason: "invalid_request", field: "recipient.pix_key" }],
  ])("%s", async (_what, change, declined) => {
    const { pay, sent, granted } = await world(sicoob);
    expect(await pay(change)).toMatchObject({ outcome: "declined", ...declined });
    expect([...sent, ...granted]).toEqual([]);
  });

  test("a payee without a document, where the bank wants one beside the key", async () => {
    const { pay, sent } = await world(sicredi);
    expect(await pay({ recipient: { pix_key: "vendor@example.com" } })).toMatchObject({ reason: "invalid_request", field: "recipient.document" });
    expect(await pay({ recipient: { pix_key: "vendor@example.com", document: "11144477736" } })).toMatchObject({ field: "recipient.document" });
    accepted(await pay({ recipient: { pix_key: "111.444.777-35" } }));
    expect(sent.map(({ body }) => body)).toEqual([expect.objectContaining({ documentoBeneficiario: "11144477735" })]);
  });

  test("no recipient in live mode; in test a payee who is nobody takes the money", async () => {
    for (const bank of [inter, sicredi]) {
      expect(await (await world(bank, { live: true })).pay({ recipient: undefined })).toMatchObject({ reason: "invalid_request", field: "recipient" });
      expect(accepted(await (await world(bank)).pay({ recipient: undefined })).result.recipient).toBe(SYNTHETIC_PAYEE);
    }
  });

  test("a connection without the account that pays", async () => {
    const { open, call, account } = await world(itau);
    const { agencia: _, ...settings } = account.settings;
    await expect(open({ settings }).payout!(aPayout, call)).rejects.toThrow(new SetupMissing("agencia"));
  });
});

describe("a person at the bank", () => {
  test("approves what waits, and the result says for how long", async () => {
    for (const [bank, amount] of [[inter, 4916n], [itau, 4916n], [bancoDoBrasil, 4916n], [c6, 4990n]] as const) {
      const { pay, ask, rests } = await world(bank);
      const outcome = accepted(await pay({ amount }));
      expect(outcome, bank.id).toMatchObject({ state: "pending", result: { requires_approval: true, settled: false } });
      expect(await ask(outcome.ref), bank.id).toMatchObject({ state: "pending", result: { requires_approval: true } });
      await rests(1);
      expect(await ask(outcome.ref), bank.id).toMatchObject({ state: "pending", result: { requires_approval: false } });
      await rests(1);
      expect(await ask(outcome.ref), bank.id).toMatchObject({ state: "succeeded", result: { requires_approval: false, settled: true } });
    }
  });

  test("turns it down", async () => {
    for (const bank of [inter, itau, c6, bancoDoBrasil]) {
      const { pay, ask, rests } = await world(bank);
      const { ref } = accepted(await pay({ amount: 4917n }));
      await rests(1);
      expect(await ask(ref), bank.id).toMatchObject({ state: "failed", failure: { reason: "refused" } });
    }
  });

  test("is not spoken of where a bank asks none", async () => {
    const { pay } = await world(sicoob);
    expect(accepted(await pay()).result).not.toHaveProperty("requires_approval");
  });
});

describe("a draft", () => {
  test("that is written down and was never sent is nothing of ours", async () => {
    for (const [bank, sending] of [[santander, { method: "PATCH" }], [c6, { path: "/submit" }], [sicoob, { path: "/confirmacao" }]] as const) {
      const { pay, call, ask, host } = await world(bank);
      host.setFault(bank.id, { kind: "refused", ...sending });
      await expect(pay(), bank.id).rejects.toThrow(NotReached);
      expect(call.notes["payment_id"], bank.id).toMatch(/./);
      await host.clearFaults(bank.id);
      expect(await ask(), bank.id).toBeUndefined();
    }
  });

  test("is asked for until it is ready, and is left alone when it never is", async () => {
    const { pay, clock, sent, call } = await world(santander);
    const ended = pay({ amount: 4921n }).then(() => expect.fail("it was sent"), (error: unknown) => error);
    for (let second = 0; second < 10; second++) await clock.advance(1_000);
    expect(await ended).toBeInstanceOf(Unanswered);
    expect(sent.filter(({ method }) => method === "PATCH")).toEqual([]);
    expect(sent.filter(({ method }) => method === "GET").length).toBe(8);
    expect(call.acted).toBe(false);
  });

  test("that is still decoded is no error", async () => {
    const { pay, clock } = await world(c6);
    const ended = pay({ amount: 4921n }).then(() => expect.fail("it was sent"), (error: unknown) => error);
    for (let second = 0; second < 10; second++) await clock.advance(1_000);
    expect(await ended).toBeInstanceOf(Unanswered);
  });
});

describe("answers that are refusals", () => {
  test("a 200 whose payment is rejected is a decline", async () => {
    const { provider, call } = await scripted(santander, ({ method }) =>
      Response.json({ id: "p1", status: method === "POST" ? "READY_TO_PAY" : "REJECTED", rejectReason: "Conta de destino encerrada" }));
    expect(await provider.payout!(aPayout, call)).toMatchObject({ outcome: "declined", message: "Conta de destino encerrada" });
    expect(call.acted).toBe(false);
  });

  test("a batch whose only transfer is not taken is a decline with the bank's codes", async () => {
    const { provider, call } = await scripted(bancoDoBrasil, () =>
      Response.json({ numeroRequisicao: 7, estadoRequisicao: 3, listaTransferencias: [{ indicadorMovimentoAceito: "N", erros: [344] }] }, { status: 201 }));
    expect(await provider.payout!(aPayout, call)).toMatchObject({ outcome: "declined", message: "Banco do Brasil refused the transfer with 344" });
  });

  test("an order that Itaú does not include is a decline, and one it takes is not yet paid", async () => {
    const answer = (status_pagamento: string) => scripted(itau, () => Response.json({ cod_pagamento: "916BD0D6", status_pagamento }));
    const refused = await answer("Nao incluido");
    expect(await refused.provider.payout!(aPayout, refused.call)).toMatchObject({ outcome: "declined" });
    const taken = await answer("Sucesso");
    expect(await taken.provider.payout!(aPayout, taken.call)).toMatchObject({ outcome: "accepted", state: "pending", action: "Sucesso" });
  });

  test.each<[string, number, unknown, object]>([
    ["the standard's problem", 400, { title: "Inválido", violacoes: [{ razao: "O campo valor é inválido", propriedade: "pix.valor" }] }, { reason: "invalid_request", field: "amount", message: "O campo valor é inválido" }],
    ["Banco do Brasil's", 400, { erros: [{ codigo: "344", mensagem: "Chave não cadastrada" }] }, { reason: "invalid_request", message: "Chave não cadastrada" }],
    ["Santander's", 400, { _message: "Erro", _errors: [{ _code: "1", _field: "dictCode", _message: "Chave inválida" }] }, { reason: "invalid_request", field: "recipient.pix_key", message: "Chave inválida" }],
    ["Itaú's", 422, { codigo: "422", mensagem: "Erro", campos: [{ campo: "chave", mensagem: "Chave inválida" }] }, { field: "recipient.pix_key", message: "Chave inválida" }],
    ["a token endpoint's", 400, { error: "invalid_client" }, { reason: "unauthorized", message: "invalid_client" }],
    ["a lack of funds", 422, { title: "Saldo insuficiente" }, { reason: "insufficient_funds" }],
    ["a repeated number", 400, { erros: [{ mensagem: "Número da requisição já utilizado" }] }, { reason: "duplicate" }],
    ["a conflict", 409, {}, { reason: "duplicate", message: "Banco answered 409" }],
    ["a page", 403, "<html>", { reason: "unauthorized", message: "Banco answered 403" }],
    ["another shape", 400, { erros: "x", violacoes: 3, title: [] }, { reason: "refused", message: "Banco answered 400" }],
  ])("%s is read", (_what, status, body, declined) => {
    expect(readRefusal(new Rejected("bank", status, body), { title: "Banco", said: undefined })).toMatchObject({ outcome: "declined", ...declined });
  });
});

describe("looking up", () => {
  test("a number of Banco do Brasil that another reference took is not ours", async () => {
    const { provider, call } = await scripted(bancoDoBrasil, () =>
      Response.json({ estadoRequisicao: 6, listaTransferencias: [{ identificadorPagamento: 1, descricaoPagamento: "another-reference" }] }));
    expect(await provider.lookup!({ verb: "payout", reference: REFERENCE, ref: undefined, currency: "BRL" }, call)).toBeUndefined();
  });

  test("a text of ours that Banco do Brasil has cut short is still ours", async () => {
    const { provider, call } = await scripted(bancoDoBrasil, () =>
      Response.json({ estadoRequisicao: 5, listaTransferencias: [{ descricaoPagamento: REFERENCE.slice(0, 20), valor: 49.9 }] }));
    expect(await provider.lookup!({ verb: "payout", reference: REFERENCE, ref: undefined, currency: "BRL" }, call))
      .toMatchObject({ ref: String(requestNumber(REFERENCE)), action: "Em processamento", amountMinor: 4990n });
  });

  test("a list of Itaú's with more than one page says nothing of what is not on the first", async () => {
    const { provider, call } = await scripted(itau, () =>
      Response.json({ data: { itens: [{ id_pagamento: "1", status: "Efetuado", referencia_empresa: "other" }], total: "40" } }));
    call.notes = { requested_on: "2026-11-20" };
    await expect(provider.lookup!({ verb: "payout", reference: REFERENCE, ref: undefined, currency: "BRL" }, call)).rejects.toThrow(Unanswered);
  });

  test("a word that no list has is pending", async () => {
    const { provider, call } = await scripted(sicredi, () => Response.json({ idTransacao: REFERENCE, status: "EM_ANALISE_NOVA", valorPagamento: 49.9 }));
    expect(await provider.lookup!({ verb: "payout", reference: REFERENCE, ref: undefined, currency: "BRL" }, call))
      .toMatchObject({ state: "pending", action: "EM_ANALISE_NOVA", amountMinor: 4990n });
  });

  test("tells the amount, and the end-to-end id once it is paid", async () => {
    for (const bank of banks) {
      const { pay, ask, rests } = await world(bank);
      const { ref } = accepted(await pay());
      await rests(3);
      const found = await ask(ref);
      expect(found, bank.id).toMatchObject({ state: "succeeded", amountMinor: 4990n, currency: "BRL" });
      // Three tell it nowhere that a source names.
      if (!["banco-do-brasil", "itau", "c6"].includes(bank.id)) expect(found!.endToEndId, bank.id).toMatch(/^E\d{20}/);
    }
  });

  test("the number of a reference is always the same, and fits seven digits", () => {
    expect(requestNumber(REFERENCE)).toBe(requestNumber(REFERENCE));
    for (let nth = 0; nth < 200; nth++) expect(z.int().min(1).max(9_999_999).safeParse(requestNumber(`reference-${nth}`)).success).toBe(true);
  });
});

describe("the standard's own operations, as native tools", () => {
  const receiving = banks.filter((bank) => bankProvider(bank).native);
  const aCob = { amount: "150.00", dict_key: "loja@example.com", description: "Pedido 17", payer: { name: "Ana Souza", cpf: "11144477735" } };
  const today = { from: "2026-11-20T00:00:00Z", to: "2026-11-21T00:00:00Z" };

  test("are offered where a bank's host for them is known", () => {
    expect(receiving.map(({ id }) => id)).toEqual(["banco-do-brasil", "c6", "inter", "sicoob"]);
  });

  test.each(receiving)("$id: a charge is made, listed, paid and read", async (bank) => {
    const { run, rests, sent, unrun } = await nativeWorld(bankProvider(bank), bankTwin(bank));
    const cob = await run("create_pix_cob", aCob);
    expect(cob).toMatchObject({ status: "ATIVA", valor: { original: "150.00" }, chave: "loja@example.com", calendario: { expiracao: 86_400 } });
    expect(parseBrCode(cob.pixCopiaECola)).toMatchObject({ ok: true, code: { amountMinor: 15000n } });
    const made = sent.find(({ method }) => method === "PUT")!;
    expect(made.url.replace(/\?.*/, "")).toBe(`${bank.receives!.test}/cob/${cob.txid}`);
    expect(JSON.parse(made.body)).toEqual({
      calendario: { expiracao: 86_400 }, valor: { original: "150.00" }, chave: "loja@example.com", solicitacaoPagador: "Pedido 17",
      devedor: { nome: "Ana Souza", cpf: "11144477735" },
    });
    expect(await run("list_pix_cob", { ...today, status: "ATIVA", page_size: 1 })).toMatchObject({ cobs: [{ txid: cob.txid }], parametros: { paginacao: { quantidadeTotalDeItens: 1 } } });
    await rests(1);
    const paid = await run("get_pix_cob", { txid: cob.txid });
    expect(paid).toMatchObject({ status: "CONCLUIDA", pix: [{ txid: cob.txid, valor: "150.00" }] });
    if (unrun().length === 0) return;
    const end_to_end_id: string = paid.pix[0].endToEndId;
    const names = unrun();
    if (names.includes("list_pix")) expect(await run("list_pix", today)).toMatchObject({ pix: [{ endToEndId: end_to_end_id }] });
    if (names.includes("get_pix")) expect(await run("get_pix", { end_to_end_id })).toMatchObject({ valor: "150.00" });
    const refund = { end_to_end_id, refund_id: "D1" };
    expect(await run("create_pix_devolucao", { ...refund, amount: "50.00", reason: "Troca" })).toMatchObject({ id: "D1", valor: "50.00", status: "EM_PROCESSAMENTO" });
    await rests(1);
    if (names.includes("get_pix_devolucao")) expect(await run("get_pix_devolucao", refund)).toMatchObject({ status: "DEVOLVIDO" });
    expect(unrun()).toEqual([]);
  });

  test("what the standard does not take is refused as it says", async () => {
    const { run, refusal, rests } = await nativeWorld(bankProvider(inter), bankTwin(inter));
    const { txid } = await run("create_pix_cob", aCob);
    expect(await refusal("create_pix_cob", { ...aCob, amount: "0.00" })).toMatchObject({ status: 400 });
    expect(await run("create_pix_cob", { ...aCob, txid, amount: "140.00" })).toMatchObject({ txid, revisao: 1, valor: { original: "140.00" } });
    expect(await refusal("get_pix_cob", { txid: "x".repeat(26) })).toMatchObject({ status: 404 });
    await rests(1);
    const { pix: [{ endToEndId: end_to_end_id }] } = await run("get_pix_cob", { txid });
    expect(await refusal("create_pix_cob", { ...aCob, txid })).toMatchObject({ status: 400 });
    expect(await refusal("create_pix_devolucao", { end_to_end_id, refund_id: "D1", amount: "140.01" })).toMatchObject({ status: 400 });
    await run("create_pix_devolucao", { end_to_end_id, refund_id: "D1", amount: "100.00" });
    expect(await refusal("create_pix_devolucao", { end_to_end_id, refund_id: "D1", amount: "1.00" })).toMatchObject({ status: 400 });
    expect(await refusal("create_pix_devolucao", { end_to_end_id, refund_id: "D2", amount: "40.01" })).toMatchObject({ status: 400 });
    await expect(run("create_pix_cob", { ...aCob, amount: "150" })).rejects.toThrow(z.ZodError);
  });

  test("a token for receiving is not the one for paying, and neither sees the account's settings", async () => {
    const { run, sent } = await nativeWorld(bankProvider(bancoDoBrasil), bankTwin(bancoDoBrasil));
    await run("list_pix_cob", today);
    expect(new URLSearchParams(sent[0]!.body).get("scope")).toBe("cob.write cob.read pix.write pix.read");
    expect(new URL(sent[1]!.url).searchParams.has("gw-dev-app-key")).toBe(true);
  });
});

describe("webhooks", () => {
  test("come to the address with the account's token, and are only a hint", async () => {
    const { pay, rests, webhooks, definition, account } = await world(inter);
    const { ref } = accepted(await pay());
    await rests(1);
    const [{ url, body }] = webhooks as [{ url: string; body: string }];
    expect(url).toBe(`${HOOK}?token=${account.webhookSecret}`);
    const message = { method: "POST", url: new URL(url), headers: new Headers(), body: new TextEncoder().encode(body) };
    expect(definition.notifications!.read(message)).toEqual([{ eventId: expect.stringContaining(ref), ref, observation: { ref, action: "notified" } }]);
  });

  test("that a bank sends to the address with /pix behind it are read all the same", () => {
    const { verify, read } = bankProvider({ ...tenth, notice: "endToEndId" }).notifications!;
    const url = new URL(`${HOOK}?token=s3cret&ignorar=/pix`);
    const body = new TextEncoder().encode(JSON.stringify({ pix: [{ endToEndId: "E1", valor: "1.00" }, { endToEndId: "E2" }, {}] }));
    const message = { method: "POST", url, headers: new Headers(), body };
    expect(verify(message, { secrets: ["s3cret"], settings: {}, now: new Date() })).toEqual({ ok: true });
    expect(read(message).map(({ ref }) => ref)).toEqual(["E1", "E2"]);
  });
});

test("a bank whose way of sending is not known is on the rail, and refused live", () => {
  const rows = rails.filter(({ tool, provider }) => tool === "codespar_pay" && banks.some(({ id }) => id === provider));
  expect(rows.map(({ provider, priority }) => [provider, priority])).toEqual([
    ["banco-do-brasil", 4], ["itau", 5], ["bradesco", 6], ["santander", 7], ["caixa", 8], ["sicoob", 9], ["sicredi", 10], ["c6", 11], ["original", 12], ["inter", 13],
  ]);
  expect(rows.filter(({ refusedLive }) => refusedLive !== undefined).map(({ provider }) => provider)).toEqual(["bradesco", "caixa", "original"]);
});
