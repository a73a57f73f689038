import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { neverLeft } from "../../providers/http.ts";
import { twins } from "../../providers/index.ts";
import { OutcomeUnknown, type CallContext, type Provider } from "../../providers/provider.ts";
import { liveFetch, twinsFetch, type Transport, type TransportOptions } from "../../providers/transport.ts";
import type { TwinAccount } from "../../providers/twin.ts";
import { startTwins, type TwinsProcess } from "../../providers/twins-main.ts";
import { newTestTls, type TestTls } from "../../providers/twins-tls.ts";
import { systemClock } from "../../schema/clock.ts";
import { examplepay, examplepayTwin } from "../support/example-provider.ts";

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing.close();
});

function transport(options?: TransportOptions): Transport {
  const made = liveFetch(options);
  opened.push(made);
  return made;
}

async function listen(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  opened.push({ close: () => { sockets.forEach((socket) => socket.destroy()); server.close(); } });
  return (server.address() as AddressInfo).port;
}

const served = (handler: RequestListener): Promise<number> => listen(createServer(handler));

/** A server that answers whole bytes of its own, one handler call a request that came whole. */
function raw(answer: (socket: Socket, nthRequest: number) => void): { server: TcpServer; requests: () => number } {
  let count = 0;
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      if (bytes.includes("\r\n\r\n")) answer(socket, ++count);
    });
  });
  return { server, requests: () => count };
}

const post = (url: string, init: RequestInit = {}): Request => new Request(url, { method: "POST", body: "{}", ...init });
const fails = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(() => expect.fail("it did not fail"), (error: unknown) => error);

test("a request goes out as it was made, and the answer comes back as it was given", async () => {
  let seen: { line: string; headers: IncomingMessage["headers"]; body: string } | undefined;
  const port = await served(async (incoming, outgoing) => {
    const body = (await incoming.toArray()).join("");
    seen = { line: `${incoming.method} ${incoming.url}`, headers: incoming.headers, body };
    outgoing.writeHead(201, { "content-type": "application/json", "set-cookie": ["a=1", "b=2"] }).end('{"id":"pay_1"}');
  });
  const init = { headers: { access_token: "k" }, body: '{"value":1}' };
  const answer = await transport()(post(`http://127.0.0.1:${port}/v3/payments?limit=1`, init));
  expect(answer.status).toBe(201);
  expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
  expect(await answer.json()).toEqual({ id: "pay_1" });
  expect(seen).toMatchObject({
    line: "POST /v3/payments?limit=1", body: '{"value":1}',
    headers: { access_token: "k", "content-length": "11", "accept-encoding": "identity", host: `127.0.0.1:${port}` },
  });
});

test("an answer without a body leaves the connection usable", async () => {
  const sockets = new Set<Socket>();
  const port = await served((incoming, outgoing) => {
    sockets.add(incoming.socket);
    outgoing.writeHead(204).end();
  });
  const send = transport();
  for (let nth = 1; nth <= 2; nth++) {
    expect((await send(post(`http://127.0.0.1:${port}/`))).status).toBe(204);
    await new Promise((later) => setTimeout(later, 20));
  }
  expect(sockets.size).toBe(1);
});

test("a redirect is an answer, not an instruction", async () => {
  const paths: string[] = [];
  const port = await served((incoming, outgoing) => {
    paths.push(incoming.url!);
    outgoing.writeHead(307, { location: "/elsewhere" }).end();
  });
  const answer = await transport()(post(`http://127.0.0.1:${port}/here`));
  expect([answer.status, answer.headers.get("location")]).toEqual([307, "/elsewhere"]);
  expect(paths).toEqual(["/here"]);
});

describe("nothing left", () => {
  test("when the port refuses", async () => {
    const { server } = raw(() => {});
    const port = await listen(server);
    await new Promise((closed) => server.close(closed));
    const error = await fails(transport()(post(`http://127.0.0.1:${port}/`)));
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
    expect(neverLeft(error)).toBe(true);
  });

  test("when every address of a name refuses", async () => {
    const { server } = raw(() => {});
    const port = await listen(server);
    await new Promise((closed) => server.close(closed));
    expect(neverLeft(await fails(transport()(post(`http://localhost:${port}/`))))).toBe(true);
  });

  test("when the name is unknown", async () => {
    expect(neverLeft(await fails(transport()(post("http://nobody.invalid/"))))).toBe(true);
  });

  test("when the handshake does not end in time", async () => {
    const { server, requests } = raw(() => {});
    const port = await listen(server);
    const error = await fails(transport({ connectTimeoutMs: 100 })(post(`https://127.0.0.1:${port}/`)));
    expect(error).toMatchObject({ code: "UND_ERR_CONNECT_TIMEOUT" });
    expect(neverLeft(error)).toBe(true);
    expect(requests()).toBe(0);
  });
});

describe("over TLS", () => {
  let tls: TestTls;
  let received: { shown: unknown }[];
  beforeAll(async () => {
    tls = await newTestTls(new Date());
  });
  const secured = (): Promise<number> => {
    received = [];
    const options = { cert: tls.certPem, key: tls.keyPem, requestCert: true, rejectUnauthorized: false };
    return listen(createTlsServer(options, (incoming, outgoing) => {
      received.push({ shown: (incoming.socket as TLSSocket).getPeerCertificate().subject?.CN });
      outgoing.end("{}");
    }));
  };

  test("an authority that is given is trusted, and it alone", async () => {
    const port = await secured();
    expect((await transport({ tls: { ca: tls.caPem } })(post(`https://127.0.0.1:${port}/`))).status).toBe(200);
    const { caPem: another } = await newTestTls(new Date());
    expect(neverLeft(await fails(transport({ tls: { ca: another } })(post(`https://127.0.0.1:${port}/`))))).toBe(true);
    expect(received).toHaveLength(1);
  });

  test("an untrusted certificate ends it before anything leaves", async () => {
    const port = await secured();
    const error = await fails(transport()(post(`https://127.0.0.1:${port}/`)));
    expect(error).toMatchObject({ code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
    expect(neverLeft(error)).toBe(true);
    expect(received).toEqual([]);
  });

  test("a certificate for another name ends it before anything leaves", async () => {
    const port = await secured();
    const send = transport({ tls: { ca: tls.caPem }, pinnedAddress: "127.0.0.1" });
    const error = await fails(send(post(`https://provider.example:${port}/`)));
    expect(error).toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    expect(neverLeft(error)).toBe(true);
    expect(received).toEqual([]);
  });

  test("a client certificate is shown where one is configured", async () => {
    const port = await secured();
    const { caPem: ca, certPem: cert, keyPem: key } = tls;
    await transport({ tls: { ca } })(post(`https://127.0.0.1:${port}/`));
    await transport({ tls: { ca, cert, key } })(post(`https://127.0.0.1:${port}/`));
    expect(received).toEqual([{ shown: undefined }, { shown: "localhost" }]);
  });
});

describe("a pinned address", () => {
  test("is connected to, while the name stays in the request", async () => {
    let host: string | undefined;
    const port = await served((incoming, outgoing) => {
      host = incoming.headers.host;
      outgoing.end("{}");
    });
    const send = transport({ pinnedAddress: "127.0.0.1" });
    expect((await send(post(`http://provider.example:${port}/`))).status).toBe(200);
    expect(host).toBe(`provider.example:${port}`);
  });

  test("is not passed by through a URL that names another address", async () => {
    const { server, requests } = raw((socket) => socket.end());
    const port = await listen(server);
    const send = transport({ pinnedAddress: "127.0.0.2" });
    await expect(send(post(`http://127.0.0.1:${port}/`))).rejects.toThrow("the host is not the pinned address");
    await expect(send(post("http://[::1]/"))).rejects.toThrow("the host is not the pinned address");
    expect(requests()).toBe(0);
  });
});

describe("it may have left", () => {
  const overRaw = async (answer: (socket: Socket, nthRequest: number) => void) => {
    const { server, requests } = raw(answer);
    return { url: `http://127.0.0.1:${await listen(server)}/`, requests };
  };
  const ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

  test("when the connection is reset after the request", async () => {
    const { url, requests } = await overRaw((socket) => socket.resetAndDestroy());
    const error = await fails(transport()(post(url)));
    expect(neverLeft(error)).toBe(false);
    expect(requests()).toBe(1);
  });

  test("when the connection ends without an answer", async () => {
    const { url, requests } = await overRaw((socket) => socket.end());
    const error = await fails(transport()(post(url)));
    expect(error).toMatchObject({ code: "UND_ERR_SOCKET" });
    expect(neverLeft(error)).toBe(false);
    expect(requests()).toBe(1);
  });

  test("when no answer comes in time", async () => {
    const { url, requests } = await overRaw(() => {});
    const error = await fails(transport()(post(url, { signal: AbortSignal.timeout(100) })));
    expect(error).toMatchObject({ name: "TimeoutError" });
    expect(neverLeft(error)).toBe(false);
    expect(requests()).toBe(1);
  });

  test.each(["", "half"])("when the time ends although the garbage collector ran meanwhile, having read %j", async (begin) => {
    const { url } = await overRaw((socket) => begin && socket.write(ok.replace("length: 2", "length: 20")));
    setFlagsFromString("--expose-gc");
    const collecting = setInterval(runInNewContext("gc") as () => void, 20);
    opened.push({ close: () => clearInterval(collecting) });
    const exchange = async () => (await transport()(post(url, { signal: AbortSignal.timeout(200) }))).text();
    expect(await fails(exchange())).toMatchObject({ name: "TimeoutError" });
  });

  test("when the answer is no HTTP", async () => {
    const { url } = await overRaw((socket) => socket.end("hello\r\n\r\n"));
    expect(neverLeft(await fails(transport()(post(url))))).toBe(false);
  });

  test("when half of the answer comes", async () => {
    const { url } = await overRaw((socket) => socket.end(`${ok.replace("length: 2", "length: 20")}`));
    const answer = await transport()(post(url));
    expect(answer.status).toBe(200);
    expect(neverLeft(await fails(answer.text()))).toBe(false);
  });

  test("when the caller's time ends in the middle of the answer", async () => {
    const { url } = await overRaw((socket) => socket.write(`${ok.replace("length: 2", "length: 20")}`));
    const answer = await transport()(post(url, { signal: AbortSignal.timeout(200) }));
    expect(neverLeft(await fails(answer.text()))).toBe(false);
  });

  test.each(["POST", "GET"])("when the peer closes a kept connection on a %s, which is not sent again", async (method) => {
    const { url, requests } = await overRaw((socket, nth) => (nth === 1 ? socket.write(ok) : socket.end()));
    const send = transport();
    await (await send(post(url))).text();
    const error = await fails(send(new Request(url, { method })));
    expect(neverLeft(error)).toBe(false);
    await new Promise((later) => setTimeout(later, 50));
    expect(requests()).toBe(2);
  });
});

test("a kept connection that the peer closed while it was idle is replaced by a new one", async () => {
  const { server, requests } = raw((socket) => {
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
  });
  const url = `http://127.0.0.1:${await listen(server)}/`;
  const send = transport();
  for (let nth = 1; nth <= 3; nth++) {
    expect(await (await send(post(url))).text()).toBe("{}");
    await new Promise((later) => setTimeout(later, 20));
  }
  expect(requests()).toBe(3);
});

test("a request whose caller has given up already is not sent", async () => {
  const { server, requests } = raw((socket) => socket.end());
  const url = `http://127.0.0.1:${await listen(server)}/`;
  await expect(transport()(post(url, { signal: AbortSignal.abort() }))).rejects.toMatchObject({ name: "AbortError" });
  expect(requests()).toBe(0);
});

describe("the twins' process", () => {
  interface Away {
    twins: TwinsProcess;
    provider: Provider;
    account: TwinAccount;
    /** Webhooks that came to a loopback server of ours. */
    hooks: string[];
    control(path: string, body: unknown): Promise<unknown>;
  }

  async function away(): Promise<Away> {
    const hooks: string[] = [];
    const port = await served(async (incoming, outgoing) => {
      hooks.push((await incoming.toArray()).join(""));
      outgoing.end("{}");
    });
    const log = (line: string) => expect.fail(line);
    const twins = await startTwins({ twins: [examplepayTwin], port: 0, settleAfterMs: 20, log });
    const ours = transport({ tls: { ca: twins.caPem } });
    const fetch = twinsFetch(twins.url, twins.caPem);
    opened.push({ close: () => twins.stop() }, fetch);
    const control = async (path: string, body: unknown): Promise<unknown> => {
      const answer = await ours(post(`${twins.url}/_twin/examplepay/${path}`, { body: JSON.stringify(body) }));
      return answer.status === 204 ? undefined : answer.json();
    };
    const account = (await control("accounts", { webhookUrl: `http://127.0.0.1:${port}/hook` })) as TwinAccount;
    const provider = examplepay.connect({ ...account, baseUrl: examplepay.hosts.live }, fetch);
    return { twins, provider, account, hooks, control };
  }

  const call = (): CallContext => ({
    reference: randomUUID(), toolCallId: "tc_1", clock: systemClock, signal: undefined, acted: false,
    notes: {}, note: async () => {},
  });
  const charge = { amount: 15000n, currency: "BRL", method: "pix", buyer: { name: "Ana Souza" } } as const;
  const found = ({ provider }: Away, { reference }: CallContext) =>
    provider.lookup!({ verb: "charge", reference, ref: undefined, currency: "BRL" }, call());

  test("takes a provider's own requests and posts its webhooks", async () => {
    const { provider, hooks, twins } = await away();
    const [first, made] = [call(), { outcome: "accepted", ref: "chg_1" }];
    expect(await provider.charge!(charge, first)).toMatchObject(made);
    await vi.waitUntil(() => hooks.length === 1, { timeout: 5_000 });
    expect(JSON.parse(hooks[0]!)).toMatchObject({ charge: { id: "chg_1", external_id: first.reference, status: "PAID" } });
    const [, received] = twins.host.requests("examplepay");
    expect(received).toMatchObject({ method: "POST", host: "api.examplepay.example", path: "/v1/charges" });
  });

  test.each(["reset_after", "half_answer", "truncated", "error_after"])("shows %s on the wire, and the charge is there", async (kind) => {
    const there = await away();
    await there.control("faults", { kind, method: "POST" });
    const silent = call();
    expect(await fails(there.provider.charge!(charge, silent))).toBeInstanceOf(OutcomeUnknown);
    expect(silent.acted).toBe(true);
    expect(await found(there, silent)).toMatchObject({ ref: "chg_1" });
  });

  test.each(["reset_before", "refused"])("shows %s on the wire, and no charge is there", async (kind) => {
    const there = await away();
    await there.control("faults", { kind, method: "POST" });
    const silent = call();
    expect(await fails(there.provider.charge!(charge, silent))).toBeInstanceOf(OutcomeUnknown);
    expect(await found(there, silent)).toBeUndefined();
  });

  test("refuses connections once it has stopped, which is soon, although a request is still waiting", async () => {
    const { provider, control, twins } = await away();
    await control("faults", { kind: "slow", method: "POST", delayMs: 10_000 });
    const waiting = fails(provider.charge!(charge, call()));
    await vi.waitUntil(() => twins.host.requests("examplepay").length === 2, { timeout: 5_000 });
    const started = performance.now();
    await twins.stop();
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(await waiting).toBeInstanceOf(OutcomeUnknown);
    const refused = await fails(provider.charge!(charge, call()));
    expect(refused).toMatchObject({ name: "Unanswered", message: "examplepay: ECONNREFUSED" });
  });

  test("breaks the connection in the middle of an answer", async () => {
    const { twins, account, control } = await away();
    await control("faults", { kind: "half_answer" });
    const headers = { authorization: `Bearer ${account.credentials["api_key"]}` };
    const fetch = twinsFetch(twins.url, twins.caPem);
    opened.push(fetch);
    const answer = await fetch(new Request("https://api.examplepay.example/v1/charges", { headers }));
    expect(answer.status).toBe(200);
    expect(await fails(answer.text())).toMatchObject({ code: "UND_ERR_SOCKET" });
  });

  test("is trusted by its own authority only", async () => {
    const { twins } = await away();
    const strange = twinsFetch(twins.url, (await newTestTls(new Date())).caPem);
    opened.push(strange);
    expect(neverLeft(await fails(strange(post("https://api.examplepay.example/v1/charges"))))).toBe(true);
    expect(twins.host.requests("examplepay")).toEqual([]);
  });

  test("knows no twin of a host that has none", async () => {
    const { twins } = await away();
    const fetch = twinsFetch(twins.url, twins.caPem);
    opened.push(fetch);
    await fails(fetch(post("https://api.elsewhere.example/v1/charges")));
    expect(twins.host.requests("examplepay")).toEqual([]);
  });

  test("starts from the command line, says where it is, and ends when it is told to", async () => {
    const directory = await mkdtemp(join(tmpdir(), "twins-"));
    const env = { ...process.env, TWINS_PORT: "0", TWINS_DIR: directory };
    const args = ["--import", "tsx", "providers/twins-main.ts"];
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    opened.push({ close: () => rm(directory, { recursive: true }) }, { close: () => child.kill("SIGKILL") });
    let said = "";
    child.stdout.on("data", (text: Buffer) => (said += text.toString()));
    const [, url, caFile] = await vi.waitUntil(() => /TWINS_URL=(\S+) TWINS_CA_FILE=(\S+)\n/.exec(said), { timeout: 15_000 });
    expect(caFile).toBe(join(directory, "ca.pem"));
    const send = transport({ tls: { ca: await readFile(caFile!, "utf8") } });
    const body = JSON.stringify({ webhookUrl: "http://127.0.0.1:9/hook" });
    for (const { id } of twins) expect((await send(post(`${url}/_twin/${id}/accounts`, { body }))).status).toBe(201);
    const ended = new Promise((exited) => child.once("exit", (code) => exited(code)));
    const started = performance.now();
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
