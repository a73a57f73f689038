/** What a bank's connection holds goes out with its requests: in test mode to the bank's twin, in live mode over TLS. */
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { z } from "zod";
import { httpClient } from "../../../providers/http.ts";
import { inter } from "../../../providers/pix-bcb/banks/inter.ts";
import { bankProvider } from "../../../providers/pix-bcb/index.ts";
import { newClientCertificate } from "../../../providers/pix-bcb/twin-certificate.ts";
import type { CallContext, ConnectionConfig, Fetch, ProviderDefinition } from "../../../providers/provider.ts";
import { newTestTls } from "../../../providers/twins-tls.ts";
import { systemClock } from "../../../schema/clock.ts";
import { openProvider, projectConnection } from "../../../src/connections/connections.ts";
import { liveKey, startApp } from "../../support/app.ts";

const app = await startApp();

test("in test mode a payout goes through a bank, waits for its person, and settles", async () => {
  const pay = () => app.run("codespar_pay", { amount: 4990, recipient: { pix_key: "vendor@example.com" }, provider: "c6", idempotency_key: "bank-1" });
  expect(await pay()).toMatchObject({ success: true, data: { status: "pending", settled: false, requires_approval: true } });
  for (const minutes of [1, 1, 10]) {
    await app.clock.advance(minutes * 60_000);
    await app.settle();
  }
  expect(await pay()).toMatchObject({ success: true, data: { status: "succeeded", settled: true, requires_approval: false } });
});

test("a bank whose way of sending is not known is played in test mode", async () => {
  const paid = await app.run("codespar_pay", { amount: 4990, recipient: { pix_key: "vendor@example.com" }, provider: "caixa", idempotency_key: "bank-2" });
  expect(paid).toMatchObject({ success: true, data: { status: "pending" } });
});

test("in live mode a connection presents its own certificate to the bank, and none where the provider asks for none", async () => {
  const tls = await newTestTls(systemClock.now());
  const came: (string | undefined)[] = [];
  const host = createServer({ cert: tls.certPem, key: tls.keyPem, requestCert: true, rejectUnauthorized: false }, (incoming, outgoing) => {
    came.push((incoming.socket as TLSSocket).getPeerCertificate().subject?.CN as string | undefined);
    outgoing.end("{}");
  });
  await new Promise<void>((listening) => host.listen(0, "127.0.0.1", listening));
  try {
    const url = `https://127.0.0.1:${(host.address() as AddressInfo).port}`;
    const { certificate, privateKey } = newClientCertificate("the merchant", systemClock.now());
    const chain = certificate.repeat(12); // longer than a secret given alone may be
    const secret = { client_id: "c", client_secret: "s", certificate: chain, private_key: privateKey, certificate_authority: tls.caPem };
    const { id } = await app.call("connections.create", { server_id: "inter", secret }, { credential: liveKey });
    const [project] = await app.platform.db.sql<{ projectId: string }[]>`select project_id as "projectId" from connections where id = ${id}`;
    const connection = (await projectConnection(app.platform, project!.projectId, id))!;
    const connect = ({ baseUrl }: ConnectionConfig, fetch: Fetch) => ({
      lookup: async (_subject: unknown, call: CallContext) => {
        await httpClient({ provider: "inter", baseUrl, fetch }).ask({ method: "GET", path: "/" }, z.unknown(), call);
        return undefined;
      },
    });
    const ask = async (definition: ProviderDefinition) => {
      const provider = await openProvider({ ...app.platform, providers: [{ ...definition, hosts: { ...definition.hosts, live: url }, connect }] }, connection);
      const call: CallContext = { reference: "r", toolCallId: "tc_1", clock: systemClock, signal: undefined, acted: false, notes: {}, note: async () => {} };
      return provider.lookup!({ verb: "payout", reference: "r", ref: undefined, currency: "BRL" }, call);
    };
    await ask(bankProvider(inter));
    expect(came).toEqual(["the merchant"]);
    const { mutualTls: _, ...withoutTls } = bankProvider(inter);
    await expect(ask(withoutTls)).rejects.toThrow("UNABLE_TO_VERIFY_LEAF_SIGNATURE"); // nor is its authority trusted then
    expect(came).toEqual(["the merchant"]);
  } finally {
    host.closeAllConnections();
    host.close();
  }
});
