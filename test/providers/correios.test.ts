/** Correios: prices and deadlines of a contract, pre-postings, tracking. The suite has the common faults. */
import { describe, expect, test } from "vitest";
import { correios, SHOWN_WITHIN_MS } from "../../providers/correios/index.ts";
import { correiosTwin } from "../../providers/correios/twin.ts";
import { OutcomeUnknown, Unanswered, type CallContext, type Provider } from "../../providers/provider.ts";
import { networkError } from "../../providers/twin-faults.ts";
import { checkDigits } from "../../schema/documents.ts";
import { ship, type ShipRequest } from "../../schema/meta-tools/ship.ts";
import { accepted, REFERENCE, startCarrier } from "../support/carrier.ts";
import { conformanceChecks, providerConformance } from "../support/provider-conformance.ts";

const MUG = { weight_g: 450.5, width_cm: 12, height_cm: 10.2, length_cm: 14, declared_value: 8_990, description: "Caneca" };
const MARIA = {
  postal_code: "20040-020", name: "Maria Silva", document: "529.982.247-25", phone: "+55 21 99999-8888", line_1: "Avenida Rio Branco",
  number: "156", city: "Rio de Janeiro", state: "RJ",
};
const parcel = (change: Record<string, unknown> = {}): ShipRequest =>
  ship.input.parse({ action: "label", destination: MARIA, items: [MUG], ...change });
const to = (postalCode: string): ShipRequest => parcel({ destination: { ...MARIA, postal_code: postalCode } });
const tracked = (code?: string): ShipRequest => parcel({ action: "track", tracking_code: code });

const subject = { definition: correios, twin: correiosTwin };
const start = (settings?: Record<string, string>) => startCarrier(subject, settings);

providerConformance({
  ...subject,
  verbs: {
    quote: { request: parcel({ action: "quote" }), declined: to("00999001") },
    label: { request: parcel(), declined: to("00999002"), settles: { to: "delivered", withinSteps: 3 } },
  },
});

const UNPOSTED = "AD123456785BR";

/** A parcel is tracked once it is posted, which takes time that the suite does not let pass before a request. */
describe("correios track", () => {
  for (const { name, run } of conformanceChecks({ ...subject, verbs: { track: { request: tracked(UNPOSTED) } } }))
    if (/no answer|unauthorized|429|nothing is sent/.test(name)) test(name, run);

  test("a posted object has its events, oldest first, and the state of the last", async () => {
    const { label, track, rest, received } = await start();
    const code = accepted(await label(parcel())).result.tracking_code!;
    await rest(2);
    expect(await track(tracked(code.toLowerCase()))).toMatchObject({ outcome: "accepted", ref: code, state: "posted", action: "Objeto postado" });
    expect(received.at(-1)?.path).toBe(`/srorastro/v1/objetos/${code}?resultado=T`);
    await rest(1);
    expect(accepted(await track(tracked(code))).result).toEqual({
      id: code, status: "delivered", carrier: "Correios", tracking_code: code,
      events: [
        { status: "Objeto postado", at: "2026-11-20T09:00:02" },
        { status: "Objeto entregue ao destinatário", at: "2026-11-20T09:00:03" },
      ],
    });
  });

  test("an unknown object is declined in Correios' words, and what is no code is not asked for", async () => {
    const { track, received } = await start();
    expect(await track(tracked(UNPOSTED))).toMatchObject({ outcome: "declined", field: "tracking_code", message: expect.stringContaining("SRO-020") });
    const before = received.length;
    for (const code of ["PR123", "", undefined]) expect(await track(tracked(code))).toMatchObject({ outcome: "declined", field: "tracking_code" });
    expect(received).toHaveLength(before);
  });

  test.each([
    [[["PO", "1"], ["BDE", "1"]], "delivered"],
    [[["PO", "01"], ["BDI", "01"], ["FC", "10"]], "delivered"],
    [[["PO", "01"], ["BDE", "20"]], "posted"],
    [[["PO", "01"], ["OEC", "01"]], "posted"],
    [[["PO", "01"], ["BDR", "23"]], "returned"],
  ])("events %o mean %s", async (events, state) => {
    const { track, instead } = await start();
    const eventos = events.map(([codigo, tipo], at) => ({ codigo, tipo, descricao: "x", dtHrCriado: `2026-11-20T09:00:0${at}` }));
    instead.answer = (path) => (path.startsWith("/srorastro") ? Response.json({ objetos: [{ eventos }] }) : undefined);
    expect(await track(tracked(UNPOSTED))).toMatchObject({ state });
  });
});

describe("the token", () => {
  test("is asked for with the user, the access code and the posting card, once for many calls", async () => {
    const { quote, received, account } = await start();
    await quote(parcel());
    await quote(parcel());
    const grants = received.filter(({ path }) => path.startsWith("/token"));
    expect(grants).toHaveLength(1);
    const { user, access_code } = account.credentials;
    expect(grants[0]).toMatchObject({
      method: "POST", path: "/token/v1/autentica/cartaopostagem", body: { numero: "0070000000" },
      headers: { authorization: `Basic ${Buffer.from(`${user}:${access_code}`).toString("base64")}` },
    });
  });

  test("is fetched anew when its 24 hours are over, by Brasília's clock", async () => {
    const { quote, clock, paths } = await start();
    const grants = () => paths().filter((path) => path.includes("/token/")).length;
    await quote(parcel());
    await clock.advance(23 * 3_600_000);
    await quote(parcel());
    expect(grants()).toBe(1);
    await clock.advance(3_600_000);
    accepted(await quote(parcel()));
    expect(grants()).toBe(2);
  });

  test("of a card that is not the user's is declined", async () => {
    const { quote } = await start({ posting_card: "0071111111" });
    expect(await quote(parcel())).toMatchObject({ outcome: "declined", reason: "invalid_request", message: expect.stringContaining("Cartão") });
  });
});

describe("quoting", () => {
  test("prices are asked of the contract in grams and whole centimetres, deadlines for the same services", async () => {
    const { quote, bodyOf } = await start();
    await quote(parcel());
    const measures = { psObjeto: "451", tpObjeto: "2", comprimento: "14", largura: "12", altura: "11" };
    const route = { cepOrigem: "01310100", cepDestino: "20040020" };
    expect(bodyOf("/preco")).toEqual({
      idLote: "1",
      parametrosProduto: [
        { coProduto: "03220", nuRequisicao: "1", nuContrato: "9912000000", nuDR: 72, ...route, ...measures },
        { coProduto: "03298", nuRequisicao: "2", nuContrato: "9912000000", nuDR: 72, ...route, ...measures },
      ],
    });
    expect(bodyOf("/prazo")).toEqual({
      idLote: "1",
      parametrosPrazo: [{ coProduto: "03220", nuRequisicao: "1", ...route }, { coProduto: "03298", nuRequisicao: "2", ...route }],
    });
  });

  test("each service that has a price is offered, cheapest first", async () => {
    const { quote } = await start();
    expect(accepted(await quote(parcel())).result.quotes).toEqual([
      { service_id: "03298", carrier: "Correios", service: "PAC", cost_minor: 1_720n, delivery_days: 9 },
      { service_id: "03220", carrier: "Correios", service: "SEDEX", cost_minor: 2_500n, delivery_days: 3 },
    ]);
  });

  test.each([["1.234,56", 123_456n], ["0,50", 50n], ["17", 1_700n]])("a price of %s reais is exact", async (pcFinal, cost) => {
    const { quote, instead } = await start({ services: "03220" });
    instead.answer = (path) => (path.startsWith("/preco") ? Response.json([{ coProduto: "03220", pcFinal }]) : undefined);
    expect(accepted(await quote(parcel())).result.quotes?.map(({ cost_minor }) => cost_minor)).toEqual([cost]);
  });

  test("the services of the contract are its own, and one that is not in it says why", async () => {
    const { quote } = await start({ services: "03298, 99999" });
    expect(accepted(await quote(parcel())).result.quotes?.map(({ service_id }) => service_id)).toEqual(["03298"]);
    const none = await start({ services: "99999" });
    expect(await none.quote(parcel())).toMatchObject({ outcome: "declined", reason: "refused", message: expect.stringContaining("99999: PRC-120") });
  });

  test("an API that the contract lacks is not permitted", async () => {
    const { quote, instead } = await start();
    instead.answer = (path) => (path.startsWith("/preco") ? Response.json({ msgs: ["API restrita."] }, { status: 403 }) : undefined);
    expect(await quote(parcel())).toEqual({
      outcome: "declined", reason: "not_permitted", message: "The contract does not include this API. API restrita.",
    });
  });

  test.each([
    ["destination.postal_code", { destination: undefined }],
    ["destination.postal_code", { destination: { postal_code: "2004-020" } }],
    ["destination.document", { destination: { ...MARIA, document: "529.982.247-24" } }],
    ["destination.country", { destination: { ...MARIA, country: "AR" } }],
    ["origin.country", { origin: { postal_code: "01310100", country: "mx" } }],
    ["metadata.nfe_key", { metadata: { nfe_key: "35" } }],
  ])("what cannot be sent names %s, and nothing is asked", async (field, change) => {
    const { quote, label, received } = await start();
    for (const verb of [quote, label]) expect(await verb(parcel(change))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });
});

describe("pre-posting", () => {
  test("names both parties with their districts, the box, its content, the card and our reference", async () => {
    const { label, bodyOf } = await start();
    await label(parcel());
    expect(bodyOf("/prepostagem/v1")).toEqual({
      remetente: {
        nome: "Loja de Teste", cpfCnpj: "11222333000181", dddTelefone: "11", telefone: "30000000",
        endereco: { cep: "01310100", logradouro: "Avenida Rio Branco", numero: "1000", bairro: "Centro", cidade: "São Paulo", uf: "SP" },
      },
      destinatario: {
        nome: "Maria Silva", cpfCnpj: "52998224725", dddCelular: "21", celular: "999998888",
        endereco: { cep: "20040020", logradouro: "Avenida Rio Branco", numero: "156", bairro: "Centro", cidade: "Rio de Janeiro", uf: "RJ" },
      },
      codigoServico: "03298", numeroCartaoPostagem: "0070000000", pesoInformado: "451", codigoFormatoObjetoInformado: "2",
      alturaInformada: "11", larguraInformada: "12", comprimentoInformado: "14", cienteObjetoNaoProibido: "1", solicitarColeta: "N",
      observacao: REFERENCE, itensDeclaracaoConteudo: [{ conteudo: "Caneca", quantidade: "1", valor: "89.90" }],
    });
  });

  test("with the key of an NF-e no content is declared", async () => {
    const base = "3526111122233300018155001000000123112345678".padEnd(43, "0");
    const key = base + checkDigits("nfe_key", base)!;
    const { label, bodyOf } = await start();
    await label(parcel({ metadata: { nfe_key: key } }));
    expect(bodyOf("/prepostagem/v1")).toMatchObject({ chaveNFe: key });
    expect(bodyOf("/prepostagem/v1")).not.toHaveProperty("itensDeclaracaoConteudo");
  });

  test("answers its code and the price the contract will be billed, and says that nothing was taken", async () => {
    const { label } = await start();
    const outcome = accepted(await label(parcel({ service_level: "fastest" })));
    expect(outcome).toEqual({
      outcome: "accepted", ref: expect.stringMatching(/^PR/), state: "pending", action: "Pendente",
      result: {
        id: outcome.ref, status: "pending", carrier: "Correios", service: "SEDEX", tracking_code: expect.stringMatching(/^AD\d{9}BR$/),
        estimated_delivery: "within 3 days of posting", cost_minor: 2_500n,
      },
    });
  });

  test("without the CEP directory it is sent with what the call says, and what is missing is named", async () => {
    const { label, bodyOf, instead, paths } = await start({ origin_line_1: "Avenida Paulista", origin_city: "São Paulo", origin_state: "SP" });
    instead.answer = (path) => (path.startsWith("/cep") ? Response.json({ msgs: ["API restrita."] }, { status: 403 }) : undefined);
    accepted(await label(parcel()));
    expect(bodyOf("/prepostagem/v1")).toMatchObject({ destinatario: { endereco: { logradouro: "Avenida Rio Branco", cidade: "Rio de Janeiro" } } });
    const { line_1: _, ...streetless } = MARIA;
    expect(await label(parcel({ destination: streetless }))).toMatchObject({ outcome: "declined", field: "destination.line_1" });
    expect(paths().filter((path) => path.startsWith("POST /prepostagem"))).toHaveLength(1);
  });

  test("a phone that is no Brazilian one is left out", async () => {
    const { label, bodyOf } = await start({ origin_phone: "+1 555 0100" });
    await label(parcel());
    expect((bodyOf("/prepostagem/v1") as { remetente: object }).remetente).toEqual({
      nome: "Loja de Teste", cpfCnpj: "11222333000181", endereco: expect.any(Object),
    });
  });
});

describe("what became of it", () => {
  test("it is pre-posted, posted and delivered, each time with the words of Correios", async () => {
    const { label, lookup, rest, newCall } = await start();
    const { ref } = accepted(await label(parcel()));
    const seen: unknown[] = [];
    for (let step = 0; step < 4; step++) {
      const { state, action } = (await lookup(newCall(), ref))!;
      seen.push([state, action]);
      await rest(1);
    }
    expect(seen).toEqual([
      ["pending", "Pendente"], ["label_ready", "Pré-postado"], ["posted", "Objeto postado"], ["delivered", "Objeto entregue ao destinatário"],
    ]);
    expect((await lookup(newCall(), ref))?.occurredAt).toEqual(new Date("2026-11-20T12:00:03Z"));
  });

  test.each([["00999003", "cancelled"], ["00999004", "returned"]])("to %s it ends %s", async (cep, state) => {
    const { label, lookup, rest, newCall } = await start();
    const { ref } = accepted(await label(to(cep)));
    await rest(3);
    expect(await lookup(newCall(), ref)).toMatchObject({ ref, state });
  });

  test("after silence it is found among the pre-postings of those days, by our remark", async () => {
    const { label, lookup, instead, newCall, paths } = await start();
    for (let other = 0; other < 60; other++) await label(parcel(), { ...newCall(), reference: `other-${other}` });
    instead.answer = async (path, apply) => {
      if (!path.startsWith("/prepostagem/v1")) return undefined;
      await apply();
      throw networkError("ECONNRESET");
    };
    const call = newCall();
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(await lookup(call)).toMatchObject({ ref: expect.stringMatching(/^PR/), state: "pending", result: { carrier: "Correios" } });
    expect(paths().find((path) => path.startsWith("GET /prepostagem/v2"))).toBe(
      "GET /prepostagem/v2/prepostagens?dataInicialCriacaoPrePostagem=2026-11-20&dataFinalCriacaoPrePostagem=2026-11-21&page=0&size=50",
    );
  });

  test("what the list does not show is declared unmade only when it can no longer appear", async () => {
    const { label, lookup, instead, newCall, clock } = await start();
    instead.answer = (path) => (path.startsWith("/prepostagem/v1") ? new Response("", { status: 504 }) : undefined);
    const call = newCall();
    await expect(label(parcel(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    await clock.advance(SHOWN_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
  });

  test("a list without an end is not read forever", async () => {
    const { lookup, instead, newCall, paths } = await start();
    instead.answer = (path) => (path.includes("/v2/prepostagens") ? Response.json({ itens: [], page: { last: false } }) : undefined);
    const call: CallContext = { ...newCall(), notes: { sent_at: "2026-11-20T11:00:00.000Z" } };
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    expect(paths().filter((path) => path.includes("/v2/prepostagens"))).toHaveLength(20);
  });
});

describe("its own tools", () => {
  test("price, deadline, CEP, pre-posting, list, cancelling and tracking reach Correios", async () => {
    const { native, rest } = await start();
    const route = { cepOrigem: "01310100", cepDestino: "20040020" };
    expect(await native("calculate_shipping", { ...route, peso: 300, altura: 4 })).toMatchObject([{ pcFinal: "25,00" }, { pcFinal: "17,20" }]);
    expect(await native("get_delivery_time", { ...route, codigoServico: "03220" })).toMatchObject({ coProduto: "03220", prazoEntrega: 3 });
    expect(await native("find_cep", { cep: "20040020" })).toMatchObject({ uf: "RJ", bairro: "Centro" });
    const party = { nome: "Maria", endereco: { cep: "20040020", logradouro: "Rua A", numero: "1", cidade: "Rio de Janeiro", uf: "RJ" } };
    const made = await native("create_prepost", {
      codigoServico: "03298", remetente: party, destinatario: party, pesoInformado: "300", codigoFormatoObjetoInformado: "2",
    });
    expect(made).toMatchObject({ id: expect.stringMatching(/^PR/), observacao: REFERENCE, statusAtual: 7 });
    expect(await native("get_prepost", { id: made.id })).toMatchObject({ itens: [{ codigoObjeto: made.codigoObjeto }] });
    expect(await native("list_preposts", { codigoObjeto: made.codigoObjeto })).toMatchObject({ itens: [{ id: made.id }], page: { count: 1 } });
    await rest(2);
    expect(await native("track_package", { code: made.codigoObjeto })).toMatchObject({ objetos: [{ eventos: [{ codigo: "PO" }] }] });
    await expect(native("cancel_prepost", { id: made.id })).rejects.toMatchObject({ status: 400 });
  });

  test("a pre-posting that is not posted yet can be cancelled", async () => {
    const { native, label } = await start();
    const { ref } = accepted(await label(parcel()));
    expect(await native("cancel_prepost", { id: ref })).toMatchObject({ statusAtual: 5, descStatusAtual: "Cancelado" });
  });
});

test("the setup an operator must give is asked for before anything is sent", async () => {
  const { connection, fetch, received, newCall } = await start();
  const provider: Provider = correios.connect({ ...connection, credentials: { user: "u", access_code: "" } }, fetch);
  await expect(provider.quote!(parcel(), newCall())).rejects.toMatchObject({ name: "SetupMissing", setting: "access_code" });
  expect(received).toEqual([]);
});
