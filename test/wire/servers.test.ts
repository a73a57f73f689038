/** Servers and own tools of providers that released presets and examples rely on. */
import { describe, expect, test } from "vitest";
import { cli } from "./support/cli.ts";
import { inSession } from "./support/harness.ts";
import { startWire } from "./support/start.ts";
import { presets, typescriptSdk } from "./support/typescript-sdk.ts";

const wire = await startWire();

describe("further servers", () => {
  const names = Object.keys(presets) as (keyof typeof presets)[];
  test.each(names)("every server of the preset %s is connected, so waiting for connections ends at once", async (preset) => {
    const servers = await (await typescriptSdk(wire.client).create("maria", { preset })).connections();
    expect(servers.map(({ id, connected }) => [id, connected])).toEqual(presets[preset].map((id) => [id, true]));
  });

  test("so are the two that a session has when it names none", async () => {
    const servers = await (await typescriptSdk(wire.client).create("maria")).connections();
    expect(servers.map(({ id, connected }) => [id, connected])).toEqual([["zoop", true], ["nuvem-fiscal", true]]);
  });

  const own: Record<string, string[]> = {
    asaas: ["create_customer", "create_payment", "get_payment", "get_pix_qrcode", "get_installments"],
    "nuvem-fiscal": ["create_nfse", "create_nfe"],
    "nfe-io": ["create_nfse", "create_nfe"],
    "z-api": ["send_text"],
    "melhor-envio": ["calculate_shipping", "generate_label"],
  };

  test.each(Object.entries(own))("%s has the tools that examples call, under both names, in any session", async (server, names) => {
    const listed = await cli(wire.client).toolsList({ server });
    expect(listed.map(([name]) => name)).toEqual(expect.arrayContaining(names.map((name) => `${server}/${name}`)));
    const session = await typescriptSdk(wire.client).create("maria", { servers: [server] });
    expect((await session.tools()).map(({ name }) => name)).toEqual(expect.arrayContaining(names.map((name) => `${server}__${name}`)));
    for (const name of names.flatMap((each) => [`${server}/${each}`, `${server}__${each}`])) {
      const { status, result } = await inSession(wire.client, ({ execute }) => execute(name, {}));
      expect([status, result.tool]).toEqual([200, name]);
      if (!result.success) expect(result.error).not.toMatch(/^Tool not registered/);
    }
  });

  test("an invoice for goods is issued from rail, operation, buyer and products", async () => {
    const address = { line_1: "Rua da Quitanda", number: "86", city: "Rio de Janeiro", state: "RJ", postal_code: "20040-002" };
    const { result } = await inSession(wire.client, ({ execute }) => execute("codespar_invoice", {
      rail: "nfe", operation: "create", companyId: "cmp_1", buyer: {
        name: "Maria Silva", document: "111.444.777-35", email: "maria@example.com", address,
      },
      products: [{ description: "Shirt", quantity: 1, unit_price: 149, ncm: "61091000" }],
    }));
    expect([result.error, result.success]).toEqual([null, true]);
    expect(result.data).toMatchObject({ id: expect.any(String), status: expect.any(String) });
  });
});
