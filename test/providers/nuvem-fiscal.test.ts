/** Nuvem Fiscal: the wire of its NFS-e and NF-e, its words for states, its tokens, its own tools. The suite has the common faults. */
import { describe, expect, test } from "vitest";
import { Passthrough } from "../../providers/native.ts";
import { APPLIED_WITHIN_MS, nuvemFiscal } from "../../providers/nuvem-fiscal/index.ts";
import { nuvemFiscalTwin, TOKEN_LASTS_S } from "../../providers/nuvem-fiscal/twin.ts";
import { OutcomeUnknown, SetupMissing, Unanswered, type CallContext } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import { parseDocument } from "../../schema/documents.ts";
import { invoice, type InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0e6c1e-6d0f-4f6d-9a53-2f6a52b7c111";
const OTHER_REFERENCE = "9c1b3c0a-98b1-4e93-8b9b-4cf47c7e2222";
const API = "https://api.sandbox.nuvemfiscal.com.br";

const service = (change: Record<string, unknown> = {}): InvoiceRequest => invoice.input.parse({
  type: "nfse",
  recipient: { name: "Maria Silva", document: "529.982.247-25", email: "maria@example.com" },
  items: [{ description: "Consultoria", amount: 15_000, service_code: "01.07.01" }],
  ...change,
});

const address = {
  postal_code: "20040-002", street: "Avenida Rio Branco", number: "1", complement: "sala 2", district: "Centro", city: "Rio de Janeiro",
  city_code: "3304557", state: "RJ",
};

const goods = (change: Record<string, unknown> = {}): InvoiceRequest => invoice.input.parse({
  type: "nfe",
  recipient: { name: "Padaria Central Ltda", document: "11.222.333/0001-81", email: "contas@example.com", address },
  items: [{ description: "Caneca", amount: 10_000, quantity: 3, ncm: "69120000", cfop: "6108" }],
  ...change,
});

const subject = (request: InvoiceRequest, declined: InvoiceRequest) =>
  ({ request, declined, settles: { to: "authorized", withinSteps: 3 } }) as const;

describe("a service invoice", () => providerConformance({
  definition: nuvemFiscal, twin: nuvemFiscalTwin,
  verbs: { invoice: subject(service(), service({ recipient: { name: "Maria Silva", document: "529.982.247-24" } })) },
}));

describe("a goods invoice", () => providerConformance({
  definition: nuvemFiscal, twin: nuvemFiscalTwin,
  verbs: { invoice: subject(goods(), goods({ items: [{ description: "Caneca", amount: 10_000, ncm: "1", cfop: "6108" }] })) },
}));

interface Received {
  method: string;
  path: string;
  query: Record<string, string>;
  authorization: string | null;
  text: string;
  body: any;
}

async function start({ settings = {} }: { settings?: Record<string, string> } = {}) {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const received: Received[] = [];
  const twin = nuvemFiscalTwin.create({ store, clock, settleAfterMs: 1_000, deliver: async () => {} });
  const account = await twin.openAccount({ webhookUrl: "https://shop.example/hook" });
  /** Answers in the twin's place while it is set. */
  const instead: { answer?: (request: Request) => Response | undefined } = {};
  const connection = { credentials: account.credentials, settings: { ...account.settings, ...settings }, baseUrl: nuvemFiscal.hosts.test };
  const fetch = async (request: Request) => {
    const text = await request.clone().text();
    const { pathname, searchParams } = new URL(request.url);
    const body = text.startsWith("{") ? JSON.parse(text) : undefined;
    received.push({ method: request.method, path: pathname, query: Object.fromEntries(searchParams), authorization: request.headers.get("authorization"), text, body });
    return instead.answer?.(request) ?? twin.fetch(request);
  };
  const provider = nuvemFiscal.connect(connection, fetch);
  const client = nuvemFiscal.native!.client(connection, fetch);
  return {
    clock, received, account, instead, twin, store,
    cnpj: account.settings["company_cnpj"]!,
    issue: (request: InvoiceRequest, call: CallContext) => provider.invoice!(request, call),
    lookup: (call: CallContext, ref?: string) => provider.lookup!({ verb: "invoice", reference: call.reference, ref, currency: "BRL" }, call),
    async rest(steps: number) {
      await clock.advance(steps * 1_000);
      await store.runDue((step) => twin.run(step));
    },
    /** A tool of Nuvem Fiscal's own, as the server runs it. */
    async tool(name: string, args: object): Promise<any> {
      const tool = nuvemFiscal.native!.tools.find((each) => each.name === name)!;
      const call = newCall(clock);
      return client[tool.effect === "reads" ? "ask" : "act"](tool.request(tool.input.parse(args), call), Passthrough, call);
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

const refOf = (outcome: unknown): string => (outcome as { ref: string }).ref;

describe("a token", () => {
  test("is asked for once with the id, the secret and the scopes, and carried by every request", async () => {
    const { issue, received, clock, account } = await start();
    await issue(service(), newCall(clock));
    await issue(service(), newCall(clock, OTHER_REFERENCE));
    expect(received.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /oauth/token", "POST /nfse/dps", "POST /nfse/dps"]);
    expect(Object.fromEntries(new URLSearchParams(received[0]!.text))).toEqual({
      grant_type: "client_credentials", ...account.credentials, scope: "empresa cep cnpj nfe nfse",
    });
    expect(received[1]!.authorization).toMatch(/^Bearer \S{20,}$/);
    expect(received[2]!.authorization).toBe(received[1]!.authorization);
  });

  test("is refused by the twin once it has ended, and missing or wrong ones are", async () => {
    const { twin, account, clock } = await start();
    const form = new URLSearchParams({ grant_type: "client_credentials", ...account.credentials });
    const granted = await twin.fetch(new Request("https://auth.nuvemfiscal.com.br/oauth/token", { method: "POST", body: form }));
    const { access_token: token } = (await granted.json()) as { access_token: string };
    const read = async (headers: Record<string, string>) => (await twin.fetch(new Request(`${API}/cep/01310100`, { headers }))).status;
    const mine = { authorization: `Bearer ${token}` };
    expect([await read(mine), await read({}), await read({ authorization: "Bearer another" })]).toEqual([200, 401, 401]);
    await clock.advance(TOKEN_LASTS_S * 1_000);
    expect(await read(mine)).toBe(401);
  });
});

describe("issuing an NFS-e", () => {
  test("one POST carries environment, reference and a DPS in the national layout's names", async () => {
    const { issue, received, clock, cnpj } = await start({ settings: { iss_rate: "2.5", municipal_service_code: "07161" } });
    const recipient = { name: "Padaria Central Ltda", document: "12.ABC.345/01DE-35", email: "contas@example.com", phone: "+5511999998888", address };
    const items = [{ description: "Consultoria", amount: 15_000, service_code: "010701" }, { description: "Treinamento", amount: 5_010 }];
    await issue(service({ recipient, items }), newCall(clock));
    expect(received.at(-1)).toMatchObject({ method: "POST", path: "/nfse/dps" });
    expect(received.at(-1)!.body).toEqual({
      ambiente: "homologacao",
      referencia: REFERENCE,
      infDPS: {
        dhEmi: "2026-11-20T09:00:00-03:00",
        prest: { CNPJ: cnpj },
        toma: {
          CNPJ: "12ABC34501DE35", xNome: "Padaria Central Ltda", fone: "11999998888", email: "contas@example.com",
          end: { endNac: { cMun: "3304557", CEP: "20040002" }, xLgr: "Avenida Rio Branco", nro: "1", xCpl: "sala 2", xBairro: "Centro" },
        },
        serv: { locPrest: { cLocPrestacao: "3550308" }, cServ: { cTribNac: "010701", cTribMun: "07161", xDescServ: "Consultoria\nTreinamento" } },
        valores: { vServPrest: { vServ: 200.1 }, trib: { tribMun: { tribISSQN: 1, pAliq: 2.5, tpRetISSQN: 1 } } },
      },
    });
  });

  test("is on its way at first, then authorized with number, code and files", async () => {
    const { issue, lookup, clock, rest } = await start();
    const call = newCall(clock);
    const outcome = await issue(service(), call);
    const ref = refOf(outcome);
    expect(outcome).toEqual({
      outcome: "accepted", ref, state: "processing", action: "processando", result: { id: ref, status: "processing", amount: 15_000n },
    });
    await rest(1);
    expect(await lookup(call, ref)).toEqual({
      ref, state: "authorized", action: "autorizada", occurredAt: new Date("2026-11-20T12:00:01.000Z"),
      result: {
        id: ref, status: "autorizada", number: "1", verification_code: expect.stringMatching(/^[0-9A-F]{8}$/),
        pdf_url: `${API}/nfse/${ref}/pdf`, xml_url: `${API}/nfse/${ref}/xml`, issued_at: "2026-11-20T12:00:01.000Z",
      },
    });
  });

  test("code and description of the connection stand in for items that have none", async () => {
    const { issue, received, clock } = await start({ settings: { national_service_code: "170501", service_description: "Suporte" } });
    await issue(service({ items: [{ amount: 100 }] }), newCall(clock));
    expect(received.at(-1)!.body.infDPS.serv.cServ).toEqual({ cTribNac: "170501", xDescServ: "Suporte" });
  });

  test.each([
    ["recipient.name", { recipient: undefined }],
    ["recipient.document", { recipient: { name: "Maria", document: "111.111.111-11" } }],
    ["recipient.phone", { recipient: { name: "Maria", phone: "123" } }],
    ["recipient.address.city_code", { recipient: { name: "Maria", address: { ...address, city_code: undefined, postal_code: undefined } } }],
    ["recipient.address.postal_code", { recipient: { name: "Maria", address: { ...address, postal_code: "1" } } }],
    ["recipient.address.country", { recipient: { name: "Maria", address: { ...address, country: "AR" } } }],
    ["items", { items: [] }],
    ["items.1.amount", { items: [{ description: "A", amount: 100 }, { description: "B" }] }],
    ["items", { items: [{ description: "A", amount: Number.MAX_SAFE_INTEGER }] }],
    ["items.1.service_code", { items: [{ amount: 1, service_code: "010701" }, { amount: 1, service_code: "170501" }] }],
  ])("what cannot be one names %s and is not sent", async (field, change) => {
    const { issue, received, clock } = await start();
    expect(await issue(service(change), newCall(clock))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });
});

describe("an address that its postal code can complete", () => {
  const recipient = { name: "Maria Silva", document: "529.982.247-25", address: { ...address, city_code: undefined, district: "" } };

  test.each([["NFS-e", service, "/nfse/dps"], ["NF-e", goods, "/nfe"]] as const)("gets city code and district from Nuvem Fiscal's register in an %s", async (_kind, request, path) => {
    const { issue, received, clock } = await start();
    expect(await issue(request({ recipient }), newCall(clock))).toMatchObject({ outcome: "accepted" });
    expect(received.filter(({ path: asked }) => asked.startsWith("/cep/")).map(({ path: asked }) => asked)).toEqual(["/cep/20040002"]);
    expect(received.at(-1)).toMatchObject({ method: "POST", path });
    const sent = received.at(-1)!.body;
    const placed = sent.infNFe ? sent.infNFe.dest.enderDest : { ...sent.infDPS.toma.end, ...sent.infDPS.toma.end.endNac };
    expect(placed).toMatchObject({ cMun: "3304557", xBairro: "Centro" });
  });
});

describe("issuing an NF-e", () => {
  test("takes the number after the highest of its series, and writes the layout's groups for Simples Nacional", async () => {
    const { issue, received, clock, cnpj } = await start({ settings: { nfe_first_number: "41" } });
    await issue(goods(), newCall(clock));
    expect(received.slice(1).map(({ method, path, query }) => [method, path, query])).toEqual([
      ["GET", "/nfe", { cpf_cnpj: cnpj, ambiente: "homologacao", serie: "1", $top: "50" }], ["POST", "/nfe", {}],
    ]);
    const { infNFe, ...rest } = received.at(-1)!.body;
    expect(rest).toEqual({ ambiente: "homologacao", referencia: REFERENCE });
    expect(infNFe).toMatchObject({
      versao: "4.00",
      ide: { cUF: 35, natOp: "Venda de mercadoria", mod: 55, serie: 1, nNF: 41, dhEmi: "2026-11-20T09:00:00-03:00", tpNF: 1, idDest: 2, cMunFG: "3550308", indFinal: 1 },
      emit: { CNPJ: cnpj },
      dest: {
        CNPJ: "11222333000181", xNome: "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL", indIEDest: 9, email: "contas@example.com",
        enderDest: { xLgr: "Avenida Rio Branco", nro: "1", xCpl: "sala 2", xBairro: "Centro", cMun: "3304557", xMun: "Rio de Janeiro", UF: "RJ", CEP: "20040002" },
      },
      det: [{
        nItem: 1,
        prod: { cProd: "CFOP6108", cEAN: "SEM GTIN", xProd: "Caneca", NCM: "69120000", CFOP: "6108", qCom: 3, vUnCom: 33.3333333333, vProd: 100 },
        imposto: { ICMS: { ICMSSN102: { orig: 0, CSOSN: "102" } } },
      }],
      total: { ICMSTot: { vBC: 0, vICMS: 0, vProd: 100, vNF: 100 } },
      transp: { modFrete: 9 },
      pag: { detPag: [{ tPag: "17", vPag: 100 }] },
    });
    await issue(goods(), newCall(clock, OTHER_REFERENCE));
    expect(received.at(-1)!.body.infNFe.ide.nNF).toBe(42);
  });

  test("has an access key that is one, and its amount, once authorized", async () => {
    const { issue, lookup, clock, rest } = await start();
    const call = newCall(clock);
    const ref = refOf(await issue(goods(), call));
    await rest(1);
    const found = await lookup(call, ref);
    expect(found).toMatchObject({ ref, state: "authorized", action: "autorizado", amountMinor: 10_000n, currency: "BRL", result: { number: "1" } });
    expect(parseDocument(String(found!.result!["access_key"]), ["nfe_key"])).toMatchObject({ ok: true });
  });

  test("two calls that meet at one number make one invoice: the authority refuses the other, and a new call goes on", async () => {
    const { issue, lookup, clock, rest, instead } = await start();
    const [first, second, third] = [newCall(clock), newCall(clock, OTHER_REFERENCE), newCall(clock, "5a0b8f2e-1111-4f6d-9a53-2f6a52b73333")];
    await issue(goods(), first);
    instead.answer = (request) => (request.method === "GET" && new URL(request.url).searchParams.has("serie") ? Response.json({ data: [] }) : undefined);
    await issue(goods(), second);
    await rest(1);
    expect(await lookup(first)).toMatchObject({ state: "authorized", result: { number: "1" } });
    expect(await lookup(second)).toMatchObject({ state: "rejected", failure: { reason: "refused", message: expect.stringMatching(/^539: .*Duplicidade/) } });
    delete instead.answer;
    await issue(goods(), third);
    await rest(1);
    expect(await lookup(third)).toMatchObject({ state: "authorized", result: { number: "2" } });
  });

  test("within the state it is an internal sale, and in production the buyer keeps the name", async () => {
    const { issue, received, clock } = await start({ settings: { environment: "producao" } });
    await issue(goods({ recipient: { name: "Maria Silva", document: "529.982.247-25", address: { ...address, city_code: "3509502", state: "SP" } } }), newCall(clock));
    expect(received.at(-1)!.body).toMatchObject({ ambiente: "producao", infNFe: { ide: { idDest: 1 }, dest: { CPF: "52998224725", xNome: "Maria Silva" } } });
  });

  test("a payment means of 90 is no payment, and carries no amount", async () => {
    const { issue, received, clock } = await start({ settings: { nfe_payment_means: "90" } });
    await issue(goods(), newCall(clock));
    expect(received.at(-1)!.body.infNFe.pag).toEqual({ detPag: [{ tPag: "90", vPag: 0 }] });
  });

  test.each([
    ["recipient.document", { recipient: { name: "Maria", address } }],
    ["recipient.address", { recipient: { name: "Maria", document: "529.982.247-25" } }],
    ["recipient.address.street", { recipient: { name: "Maria", document: "529.982.247-25", address: { ...address, street: "" } } }],
    ["items.0.ncm", { items: [{ description: "Caneca", amount: 100 }] }],
    ["items.0.description", { items: [{ amount: 100, ncm: "69120000" }] }],
    ["items.0.quantity", { items: [{ description: "Caneca", amount: 100, ncm: "69120000", quantity: 0.00001 }] }],
  ])("what cannot be one names %s and is not sent, nor is a number asked for", async (field, change) => {
    const { issue, received, clock } = await start();
    expect(await issue(goods(change), newCall(clock))).toMatchObject({ outcome: "declined", field });
    expect(received).toEqual([]);
  });
});

describe("before anything is sent", () => {
  test.each([
    ["company_cnpj", { company_cnpj: "" }, service()],
    ["company_cnpj", { company_cnpj: "11.111.111/1111-11" }, service()],
    ["environment", { environment: "" }, service()],
    ["environment", { environment: "production" }, service()],
    ["national_service_code", { national_service_code: "" }, service({ items: [{ description: "A", amount: 100 }] })],
    ["city_code", { city_code: "" }, goods()],
    ["icms_csosn", { icms_csosn: "" }, goods()],
    ["nfe_payment_means", { nfe_payment_means: "" }, goods()],
  ])("without a usable %s an operator is asked", async (setting, settings, request) => {
    const { issue, received, clock } = await start({ settings });
    const missing = await issue(request, newCall(clock)).catch((error: unknown) => error);
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

describe("what comes of it", () => {
  test("a status read says the same, and an id that is not there names the field", async () => {
    const { issue, clock, rest } = await start();
    const ref = refOf(await issue(service(), newCall(clock)));
    await rest(1);
    const call = newCall(clock, OTHER_REFERENCE);
    expect(await issue(service({ action: "status", invoice_id: ref }), call)).toMatchObject({ outcome: "accepted", ref, state: "authorized", result: { number: "1" } });
    expect(call.acted).toBe(false);
    expect(await issue(service({ action: "status", invoice_id: "nfs_none" }), call)).toMatchObject({ outcome: "declined", field: "invoice_id" });
    expect(await issue(service({ action: "status" }), call)).toMatchObject({ outcome: "declined", field: "invoice_id" });
  });

  test.each([
    ["13", "negada", /^E160: /], ["15", "erro", /synchronize it at Nuvem Fiscal/],
  ])("an amount ending in %s centavos is refused as %s, with the reason", async (cents, action, message) => {
    const { issue, lookup, clock, rest } = await start();
    const call = newCall(clock);
    const ref = refOf(await issue(service({ items: [{ description: "A", amount: Number(`100${cents}`) }] }), call));
    await rest(1);
    expect(await lookup(call, ref)).toMatchObject({
      state: "rejected", action, result: { status: "rejeitada", reason: message }, failure: { reason: "refused", message },
    });
  });

  test("an amount ending in 14 centavos waits for ever", async () => {
    const { issue, lookup, clock, rest } = await start();
    const call = newCall(clock);
    await issue(service({ items: [{ description: "A", amount: 10_014 }] }), call);
    await rest(500);
    expect(await lookup(call)).toMatchObject({ state: "processing", action: "processando" });
  });

  test.each([
    ["autorizado", "authorized"], ["autorizada", "authorized"], ["cancelado", "cancelled"], ["cancelada", "cancelled"], ["substituida", "cancelled"],
    ["rejeitado", "rejected"], ["rejeitada", "rejected"], ["denegado", "rejected"], ["negada", "rejected"], ["erro", "rejected"],
    ["pendente", "processing"], ["processando", "processing"], ["encerrado", "processing"], ["something_new", "processing"],
  ])("%s is %s", async (status, state) => {
    const { lookup, clock, instead } = await start();
    instead.answer = (request) => (request.method === "GET" ? Response.json({ data: [{ id: "nfs_1", referencia: REFERENCE, status }] }) : undefined);
    expect(await lookup(newCall(clock))).toMatchObject({ ref: "nfs_1", state, action: status });
  });

  test("a lookup asks for the kind that was noted, by id or by reference, of this issuer and environment alone", async () => {
    const { issue, lookup, clock, received, cnpj } = await start();
    const call = newCall(clock);
    const ref = refOf(await issue(goods(), call));
    received.length = 0;
    await lookup(call, ref);
    await lookup(call);
    expect(received.map(({ path, query }) => [path, query])).toEqual([
      [`/nfe/${ref}`, {}], ["/nfe", { cpf_cnpj: cnpj, ambiente: "homologacao", referencia: REFERENCE }],
    ]);
  });

  test("a document under another reference is not ours", async () => {
    const { lookup, clock, instead } = await start();
    instead.answer = (request) => (request.method === "GET" ? Response.json({ data: [{ id: "nfs_1", referencia: "another", status: "autorizada" }] }) : undefined);
    expect(await lookup(newCall(clock))).toBeUndefined();
  });

  test("what was sent a moment ago and is not found yet is not declared lost", async () => {
    const { issue, lookup, clock, instead } = await start();
    instead.answer = (request) => (new URL(request.url).pathname === "/nfse/dps" ? new Response("gateway timeout", { status: 504 }) : undefined);
    const call = newCall(clock);
    await expect(issue(service(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    await clock.advance(APPLIED_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
  });

  test("a document that was named once and does not show now is not declared lost either", async () => {
    const { lookup, clock } = await start();
    await expect(lookup(newCall(clock), "nfs_none")).rejects.toBeInstanceOf(Unanswered);
  });
});

describe("refusals", () => {
  const refusing = async (answer: Response) => {
    const { issue, clock, instead } = await start();
    instead.answer = (request) => (request.url.startsWith(API) ? answer.clone() : undefined);
    return issue(service(), newCall(clock));
  };

  test("a validation error names our field", async () => {
    const message = "O campo 'infDPS.toma.end.endNac.CEP' não corresponde ao formato esperado ^([0-9]{8})$";
    const error = { code: "ValidationFailed", message: `Validation failed: ${message}`, errors: [{ code: "InvalidFormat", message }] };
    expect(await refusing(Response.json({ error }, { status: 400 }))).toEqual({ outcome: "declined", reason: "invalid_request", message, field: "recipient.address" });
  });

  test.each([
    [403, "unauthorized"], [429, "rate_limited"], [404, "not_permitted"], [422, "invalid_request"],
  ])("%s is %s", async (status, reason) => {
    expect(await refusing(Response.json({ error: { code: "X", message: "No." } }, { status }))).toMatchObject({ outcome: "declined", reason });
    expect(await refusing(new Response("<html>", { status }))).toMatchObject({ outcome: "declined", reason });
  });

  test("an environment or company that Nuvem Fiscal does not know is declined in its words", async () => {
    const { issue, clock } = await start({ settings: { company_cnpj: "11.222.333/0001-81" } });
    expect(await issue(service(), newCall(clock))).toMatchObject({ outcome: "declined", message: expect.stringContaining("não está cadastrada") });
  });
});

describe("its own tools", () => {
  const infDPS = (cnpj: string) => ({
    dhEmi: "2026-11-20T09:00:00-03:00", prest: { CNPJ: cnpj }, toma: { CPF: "52998224725", xNome: "Maria" },
    serv: { cServ: { cTribNac: "010701", xDescServ: "Consultoria" } },
    valores: { vServPrest: { vServ: 150.5 }, trib: { tribMun: { tribISSQN: 1 } } },
  });

  test("an NFS-e is created under our reference, read and cancelled", async () => {
    const { tool, cnpj, rest, received } = await start();
    const { id } = await tool("create_nfse", { ambiente: "homologacao", infDPS: infDPS(cnpj) });
    expect(received.at(-1)!.body).toMatchObject({ referencia: REFERENCE, infDPS: infDPS(cnpj) });
    await rest(1);
    expect(await tool("get_nfse", { id })).toMatchObject({ id, status: "autorizada", numero: "1", referencia: REFERENCE });
    expect(await tool("cancel_nfse", { id, justificativa: "Erro no valor" })).toMatchObject({ status: "pendente" });
    expect(received.at(-1)!.body).toEqual({ motivo: "Erro no valor" });
    await rest(1);
    expect(await tool("get_nfse", { id })).toMatchObject({ status: "cancelada" });
  });

  test("an NF-e is created from a whole infNFe, corrected and cancelled", async () => {
    const { tool, cnpj, rest } = await start();
    const infNFe = {
      ide: { cUF: 35, natOp: "Venda", mod: 55, serie: 2, nNF: 7, dhEmi: "2026-11-20T09:00:00-03:00" }, emit: { CNPJ: cnpj },
      det: [{ nItem: 1, prod: { NCM: "69120000", CFOP: "5102", vProd: 10 }, imposto: {} }], total: { ICMSTot: { vNF: 10 } }, transp: { modFrete: 9 }, pag: { detPag: [] },
    };
    const { id } = await tool("create_nfe", { ambiente: "homologacao", referencia: "pedido-9", infNFe });
    await expect(tool("cancel_nfe", { id, justificativa: "Pedido desfeito pelo cliente" })).rejects.toMatchObject({ status: 400 });
    await rest(1);
    expect(await tool("get_nfe", { id })).toMatchObject({ status: "autorizado", numero: 7, serie: 2, referencia: "pedido-9", valor_total: 10 });
    expect(await tool("send_correction_letter_nfe", { id, correcao: "O peso bruto correto é 2 kg." })).toMatchObject({ status: "registrado", codigo_status: 135 });
    expect(await tool("cancel_nfe", { id, justificativa: "Pedido desfeito pelo cliente" })).toMatchObject({ status: "registrado" });
    expect(await tool("get_nfe", { id })).toMatchObject({ status: "cancelado" });
  });

  test("a request that lacks a field is refused in the vendor's shape", async () => {
    const { tool, cnpj } = await start();
    const { serv: _serv, ...without } = infDPS(cnpj);
    const wrong = { ...without, serv: { cServ: { cTribNac: "1701x", xDescServ: "A" } } };
    await expect(tool("create_nfse", { ambiente: "homologacao", infDPS: wrong })).rejects.toMatchObject({
      status: 400, body: { error: { code: "ValidationFailed", message: expect.stringMatching(/^Validation failed: O campo 'infDPS\.serv\.cServ\.cTribNac'/) } },
    });
  });

  test("the registers answer for a company, a postal code and the account's companies", async () => {
    const { tool, cnpj, received } = await start();
    expect(await tool("consult_cnpj", { cnpj: "11.222.333/0001-81" })).toMatchObject({ cnpj: "11222333000181", situacao_cadastral: { descricao: "Ativa" } });
    expect(received.at(-1)!.path).toBe("/cnpj/11222333000181");
    expect(await tool("consult_cep", { cep: "01310-100" })).toMatchObject({ cep: "01310100", logradouro: "Paulista", codigo_ibge: "3550308", uf: "SP" });
    await expect(tool("consult_cep", { cep: "01310-999" })).rejects.toMatchObject({ status: 404 });
    await expect(tool("consult_cnpj", { cnpj: "11.222.333/0001-82" })).rejects.toMatchObject({ status: 400 });
    expect(await tool("list_empresas", { top: 5 })).toMatchObject({ data: [{ cpf_cnpj: cnpj }] });
    expect(received.at(-1)!.query).toEqual({ $top: "5" });
  });
});

describe("the twin", () => {
  test("shows an account nothing of another's", async () => {
    const one = await start();
    const ref = refOf(await one.issue(service(), newCall(one.clock)));
    const other = await one.twin.openAccount({ webhookUrl: "https://shop.example/hook" });
    const provider = nuvemFiscal.connect({ ...other, baseUrl: nuvemFiscal.hosts.test }, (request) => one.twin.fetch(request));
    const read = service({ action: "status", invoice_id: ref });
    expect(await provider.invoice!(read, newCall(one.clock))).toMatchObject({ outcome: "declined", field: "invoice_id" });
  });

  test("a step that runs twice numbers an invoice once", async () => {
    const { issue, lookup, clock, rest, twin, account } = await start();
    const call = newCall(clock);
    const id = refOf(await issue(service(), call));
    await rest(1);
    const before = await lookup(call, id);
    await twin.run({ name: "answer", kind: "nfse", clientId: account.credentials["client_id"]!, id });
    expect(await lookup(call, id)).toEqual(before);
  });

  test("a list shows the newest first, a page at a time, and wants issuer and environment", async () => {
    const { issue, clock, tool, twin, received, cnpj } = await start();
    for (const reference of [REFERENCE, OTHER_REFERENCE]) await issue(service(), newCall(clock, reference));
    await tool("list_empresas", {});
    const headers = { authorization: received.at(-1)!.authorization! };
    const list = async (query: string) => {
      const answer = await twin.fetch(new Request(`${API}/nfse?${query}`, { headers }));
      return { status: answer.status, body: (await answer.json()) as { "@count"?: number; data: { referencia: string }[] } };
    };
    const whose = `cpf_cnpj=${cnpj}&ambiente=homologacao`;
    const { body } = await list(`${whose}&$top=1&$inlinecount=true`);
    expect([body["@count"], body.data.map(({ referencia }) => referencia)]).toEqual([2, [OTHER_REFERENCE]]);
    expect((await list(`${whose}&$skip=1`)).body.data).toMatchObject([{ referencia: REFERENCE }]);
    expect((await list(`cpf_cnpj=${cnpj}&ambiente=producao`)).body.data).toEqual([]);
    expect((await list("")).status).toBe(400);
  });
});
