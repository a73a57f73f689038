/** Client certificates: what of a connection's PEM is presented, and that each connection presents its own. */
import { X509Certificate } from "node:crypto";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { certificateExpiry, certificateFingerprint, certificateProblem, clientCertificate } from "../../providers/client-certificate.ts";
import { inter } from "../../providers/pix-bcb/banks/inter.ts";
import { bankProvider } from "../../providers/pix-bcb/index.ts";
import { newClientCertificate } from "../../providers/pix-bcb/twin-certificate.ts";
import { bankTwin } from "../../providers/pix-bcb/twin.ts";
import { liveFetch, tlsOf, transportPool, twinsFetch, type Transport } from "../../providers/transport.ts";
import { startTwins } from "../../providers/twins-main.ts";
import { newTestTls, type TestTls } from "../../providers/twins-tls.ts";
import { systemClock } from "../../schema/clock.ts";

const NOW = new Date("2026-11-20T12:00:00.000Z");
const own = newClientCertificate("first", NOW);
const another = newClientCertificate("second", NOW);
const credentials = { certificate: own.certificate, private_key: own.privateKey };

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

describe("a connection's certificate", () => {
  test("tells until when it is valid, and what it is", () => {
    expect(certificateExpiry(own.certificate)).toEqual(new Date("2036-11-20T12:00:00.000Z"));
    expect(certificateFingerprint(own.certificate)).toMatch(/^[0-9a-f]{64}$/);
    expect(certificateFingerprint(own.certificate)).not.toBe(certificateFingerprint(another.certificate));
    expect([certificateExpiry("nothing"), certificateFingerprint("nothing")]).toEqual([undefined, undefined]);
  });

  test("as a twin makes it is signed by its own key", () => {
    const read = new X509Certificate(own.certificate);
    expect([read.subject, read.issuer, read.verify(read.publicKey)]).toEqual(["CN=first", "CN=first", true]);
    expect(read.verify(new X509Certificate(another.certificate).publicKey)).toBe(false);
  });

  test.each([
    ["on one line", (pem: string) => pem.replaceAll("\n", " ")],
    ["with \\n written out", (pem: string) => pem.replaceAll("\n", "\\n")],
    ["with other line ends and text before it", (pem: string) => `Bag Attributes\r\n${pem.replaceAll("\n", "\r\n")}`],
  ])("may be typed %s", (_how, spoil) => {
    const spoilt = { certificate: spoil(own.certificate + another.certificate), private_key: spoil(own.privateKey) };
    expect(clientCertificate(spoilt)).toEqual({ cert: own.certificate + another.certificate, key: own.privateKey });
    expect(certificateProblem(spoilt, NOW)).toBeUndefined();
  });

  test("is not there without its key, and its authority is optional", () => {
    expect(clientCertificate({ certificate: own.certificate })).toBeUndefined();
    expect(clientCertificate({ ...credentials, certificate_authority: another.certificate })).toEqual({ cert: own.certificate, key: own.privateKey, ca: another.certificate });
  });

  test.each<[string, Record<string, string>, string]>([
    ["nothing", {}, "the connection has no client certificate"],
    ["no certificate", { ...credentials, certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" }, "the connection's client certificate is not readable PEM"],
    ["another's key", { ...credentials, private_key: another.privateKey }, "the private key is not that of the client certificate"],
    ["no key", { ...credentials, private_key: "secret words" }, "the private key is not that of the client certificate"],
    ["a locked key", { ...credentials, private_key: own.privateKey.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY") }, "the private key of the client certificate has a passphrase"],
  ])("with %s has a problem that quotes nothing", (_what, given, problem) => {
    expect(certificateProblem(given, NOW)).toBe(problem);
  });

  test("has a problem from the day it ends", () => {
    expect(certificateProblem(credentials, new Date("2036-11-20T11:59:59.000Z"))).toBeUndefined();
    expect(certificateProblem(credentials, new Date("2036-11-20T12:00:01.000Z"))).toBe("the connection's client certificate ended on 2036-11-20");
  });
});

describe("on the wire", () => {
  let tls: TestTls;
  beforeAll(async () => void (tls = await newTestTls(systemClock.now())));

  /** A host that asks for a certificate and writes down who came, by connection. */
  async function asking() {
    const came: { who: string | undefined; port: number | undefined }[] = [];
    const server = createServer({ cert: tls.certPem, key: tls.keyPem, requestCert: true, rejectUnauthorized: false }, (incoming, outgoing) => {
      const socket = incoming.socket as TLSSocket;
      came.push({ who: socket.getPeerCertificate().subject?.CN as string | undefined, port: socket.remotePort });
      outgoing.end("{}");
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    opened.push({ close: () => { server.closeAllConnections(); server.close(); } });
    return { came, url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/` };
  }

  function pool(certificatesMax?: number) {
    const made: Transport[] = [];
    const closed: number[] = [];
    const opening = transportPool((certificate) => {
      const nth = made.length;
      const transport = liveFetch({ tls: { ...tlsOf(certificate).tls, ca: tls.caPem } });
      const close = transport.close;
      made.push(Object.assign(transport, { close: () => (closed.push(nth), close()) }));
      return transport;
    }, certificatesMax);
    opened.push({ close: () => opening.close().catch(() => {}) }); // the test may have closed it
    return { pool: opening, made, closed };
  }

  const first = clientCertificate(credentials)!;
  const second = clientCertificate({ certificate: another.certificate, private_key: another.privateKey })!;
  const get = (url: string) => new Request(url);

  test("each connection presents its own certificate, over connections of its own", async () => {
    const { came, url } = await asking();
    const { pool: ways, made } = pool();
    for (const certificate of [first, second, undefined, first, second, undefined])
      expect((await ways.for(certificate)(get(url))).status).toBe(200);
    expect(came.map(({ who }) => who)).toEqual(["first", "second", undefined, "first", "second", undefined]);
    expect(new Set(came.map(({ who, port }) => `${who} ${port}`)).size).toBe(3);
    expect(made.length).toBe(3);
  });

  test("the certificate unused for longest is let go, and comes back when it is used", async () => {
    const { came, url } = await asking();
    const { pool: ways, closed } = pool(1);
    const [send, other] = [ways.for(first), ways.for(second)];
    for (const way of [send, other, send]) await (await way(get(url))).text();
    expect(came.map(({ who }) => who)).toEqual(["first", "second", "first"]);
    expect(closed).toEqual([1, 2]);
  });

  test("closing ends them all", async () => {
    const { url } = await asking();
    const { pool: ways, closed } = pool();
    for (const certificate of [first, second]) await (await ways.for(certificate)(get(url))).text();
    await ways.close();
    expect(closed.toSorted()).toEqual([0, 1, 2]);
  });

  test("a key that cannot be used is an error of the request, which has not left", async () => {
    const { came, url } = await asking();
    await expect(pool().pool.for({ ...first, key: "nothing" })(get(url))).rejects.toThrow();
    expect(came).toEqual([]);
  });

  test("the twins' process takes a payment from who presents the account's certificate, and from nobody else", async () => {
    const twins = await startTwins({ twins: [bankTwin(inter)], port: 0, settleAfterMs: 20, log: (line) => expect.fail(line) });
    opened.push({ close: () => twins.stop() });
    const account = await twins.host.openAccount("inter", { webhookUrl: "http://127.0.0.1:9/hook" });
    const payout = async (certificate: typeof first | undefined) => {
      const fetch = twinsFetch(twins.url, twins.caPem, certificate);
      opened.push(fetch);
      const call = { reference: crypto.randomUUID(), toolCallId: "tc_1", clock: systemClock, signal: undefined, acted: false, notes: {}, note: async () => {} };
      return bankProvider(inter).connect({ ...account, baseUrl: inter.hosts.test }, fetch).payout!(
        { action: "pay", amount: 4990n, currency: "BRL", method: "pix", recipient: { pix_key: "vendor@example.com" } }, call);
    };
    for (const certificate of [undefined, first]) expect(await payout(certificate)).toMatchObject({ outcome: "declined", reason: "unauthorized" });
    expect(await payout(clientCertificate(account.credentials))).toMatchObject({ outcome: "accepted" });
  });
});
