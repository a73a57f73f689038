import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { omie } from "../../providers/omie/index.ts";
import { omieTwin } from "../../providers/omie/twin.ts";
import { Passthrough } from "../../providers/native.ts";
import { OutcomeUnknown, Rejected, SetupMissing, type CallContext } from "../../providers/provider.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { nativeWorld } from "../support/native-tools.ts";

const customer = { razao_social: "Maria Silva ME", cnpj_cpf: "111.444.777-35" };
const order = (codigo_cliente: number, codigo_produto: number) => ({
  cabecalho: { codigo_cliente, data_previsao: "30/11/2026" },
  det: [{ ide: { codigo_item_integracao: "1" }, produto: { codigo_produto, quantidade: 2, valor_unitario: 25.9 } }],
});
const product = { codigo: "CAN-1", descricao: "Caneca", unidade: "UN", ncm: "6912.00.00", valor_unitario: 25.9 };
const bill = (codigo_cliente_fornecedor: number) => ({
  codigo_cliente_fornecedor, data_vencimento: "30/11/2026", valor_documento: 150.5, codigo_categoria: "2.04.01",
});

test("each tool is one call with the application's keys in its body, answered in Omie's words", async () => {
  const { run, unrun, sent, account } = await nativeWorld(omie, omieTwin);
  const { codigo_cliente_omie: cliente } = await run("create_customer", customer);
  const { codigo_produto: produto } = await run("create_product", product);
  expect(await run("list_customers", { clientesFiltro: { razao_social: "Maria" } })).toMatchObject({ total_de_registros: 1, clientes_cadastro: [customer] });
  expect(await run("list_products")).toMatchObject({ produto_servico_cadastro: [product] });
  const made = await run("create_order", order(cliente, produto));
  expect(made).toMatchObject({ codigo_status: "0", numero_pedido: expect.any(String) });
  expect(await run("get_sales_order", { codigo_pedido: made.codigo_pedido })).toMatchObject({
    pedido_venda_produto: { cabecalho: { codigo_pedido: made.codigo_pedido, codigo_cliente: cliente, quantidade_itens: 1 } },
  });
  expect(await run("get_sales_order", { codigo_pedido_integracao: made.codigo_pedido_integracao })).toMatchObject({ pedido_venda_produto: {} });
  expect(await run("list_orders")).toMatchObject({ pedido_venda_produto: [{ cabecalho: { codigo_pedido: made.codigo_pedido } }] });
  await run("create_account_payable", bill(cliente));
  expect(await run("list_accounts_payable", { registros_por_pagina: 5 })).toMatchObject({ conta_pagar_cadastro: [{ valor_documento: 150.5, data_previsao: "30/11/2026" }] });
  expect(await run("list_categories")).toMatchObject({ categoria_cadastro: expect.arrayContaining([expect.objectContaining({ codigo: "2.04.01" })]) });
  await expect(run("get_financial")).rejects.toMatchObject({ body: { faultcode: "SOAP-ENV:Client-5113" } });
  expect(unrun()).toEqual([]);
  expect(sent[0]!.url).toBe("https://app.omie.com.br/api/v1/geral/clientes/");
  expect(JSON.parse(sent[0]!.body)).toEqual({
    call: "IncluirCliente", ...account.credentials, param: [{ codigo_cliente_integracao: expect.stringMatching(/^[0-9a-f-]{36}$/), ...customer }],
  });
});

test("what a tool asks for holds no key: the client adds them as the request leaves", () => {
  const reference = "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c";
  const specs = omie.native!.tools.filter(({ name }) => name.startsWith("list_")).map((tool) => tool.request(tool.input.parse({}), { reference }));
  expect(JSON.stringify(specs)).not.toMatch(/app_key|app_secret/);
});

describe("a fault", () => {
  test("for a repeated integration code is a refusal, and one is kept", async () => {
    const { run, refusal } = await nativeWorld(omie, omieTwin);
    const own = { ...customer, codigo_cliente_integracao: "loja-17" };
    await run("create_customer", own);
    expect(await refusal("create_customer", own)).toMatchObject({ status: 400, body: { faultcode: "SOAP-ENV:Client-102" } });
    expect(await run("list_customers")).toMatchObject({ total_de_registros: 1 });
  });

  test.each([
    ["create_customer", { ...customer, cnpj_cpf: "11144477736" }, "Client-101"],
    ["create_order", order(1, 1), "Client-101"],
    ["create_account_payable", bill(1), "Client-101"],
    ["get_sales_order", { codigo_pedido: 1 }, "Client-107"],
    ["list_customers", { pagina: 9 }, "Client-5113"],
  ])("of %s with %j is a refusal", async (name, args, code) => {
    const { refusal } = await nativeWorld(omie, omieTwin);
    expect((await refusal(name, args)).body).toMatchObject({ faultcode: `SOAP-ENV:${code}` });
  });

  const call = (): CallContext => ({
    reference: "0b0f4f0e-3c2d-4a57-9d4e-6d1f6a1f2b3c", toolCallId: "tc_1", clock: new FakeClock(), signal: undefined, acted: false, notes: {}, note: async () => {},
  });
  const answered = (body: object, status: number) =>
    omie.native!.client({ credentials: { app_key: "1234567890123", app_secret: "a-secret-of-omie" }, settings: {}, baseUrl: omie.hosts.live },
      async () => Response.json(body, { status }));
  const spec = { method: "POST", path: "/geral/clientes/", body: { call: "IncluirCliente", param: [{}] } } as const;

  test.each([
    [{ faultstring: "ERROR: x", faultcode: "SOAP-ENV:Client-101" }, 500], [{ faultstring: "ERROR: x", faultcode: "SOAP-ENV:Client-101" }, 200],
  ])("of the client, %j with status %i, says that nothing was done", async (body, status) => {
    const context = call();
    await expect(answered(body, status).act(spec, Passthrough, context)).rejects.toBeInstanceOf(Rejected);
    expect(context.acted).toBe(false);
  });

  test.each([
    [{ faultstring: "ERROR: x", faultcode: "SOAP-ENV:Server" }, 500], [{ faultcode: "MISUSE_API_PROCESS" }, 425], [{}, 502],
  ])("of another kind, %j with status %i, leaves the outcome unknown", async (body, status) => {
    const context = call();
    await expect(answered(body, status).act(spec, Passthrough, context)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(context.acted).toBe(true);
  });

  test("of wrong keys names neither", async () => {
    const { refusal, open, account } = await nativeWorld(omie, omieTwin);
    const wrong = { ...account.credentials, app_secret: "another-secret-of-omie" };
    const error = await refusal("list_customers", {}, open({ credentials: wrong }));
    expect(inspect(error, { depth: 8 })).not.toContain("another-secret-of-omie");
    expect(inspect(error, { depth: 8 })).not.toContain(account.credentials["app_key"]);
  });
});

test.each(["app_key", "app_secret"])("without %s there is no client", async (name) => {
  const { open, account } = await nativeWorld(omie, omieTwin);
  expect(() => open({ credentials: { ...account.credentials, [name]: "" } })).toThrow(SetupMissing);
});

test("one company sees nothing of another's", async () => {
  const { run, refusal, open, twin } = await nativeWorld(omie, omieTwin);
  await run("create_customer", customer);
  const other = await twin.openAccount({ webhookUrl: "https://codespar.example/x" });
  expect((await refusal("list_customers", {}, open(other))).body).toMatchObject({ faultcode: "SOAP-ENV:Client-5113" });
});
