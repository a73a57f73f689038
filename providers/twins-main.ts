/**
 * `npm run twins`: the twins as a process of their own, over TLS on loopback, with a test authority made at start. They
 * hold their state in memory, so it ends with the process; a crash of the server does not touch it, which is what
 * money-safety tests need. Faults that break a connection break a real socket here. A refusal cannot be shown once a
 * connection stands: `refused` and `down` close it before anything is applied, which a client must take for an unknown
 * outcome; for a connection that is truly refused, stop the process.
 *
 * Environment: TWINS_PORT (4010; 0 takes a free one), TWINS_DIR (.twins), TWINS_CA_FILE (TWINS_DIR/ca.pem),
 * TWINS_SETTLE_AFTER_MS (3000). Point the server at it with TWINS_URL and TWINS_CA_FILE.
 */
import { mkdir, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../schema/clock.ts";
import { CLIENT_CERTIFICATE_HEADER, TWIN_HOST_HEADER } from "./transport.ts";
import { hostTwins, SETTLE_AFTER_MS, type TwinHost } from "./twin-host.ts";
import { MemoryTwinStore } from "./twin-memory.ts";
import type { TwinDefinition, TwinStep } from "./twin.ts";
import { newTestTls } from "./twins-tls.ts";

/** How often due steps are looked for: the precision of a life cycle. */
const TICK_MS = 50;
const REQUEST_BYTES_MAX = 5_000_000;

export interface TwinsProcess {
  url: string;
  caPem: string;
  host: TwinHost;
  stop(): Promise<void>;
}

export async function startTwins(options: {
  twins: readonly TwinDefinition[];
  port: number;
  settleAfterMs?: number;
  log: (line: string) => void;
}): Promise<TwinsProcess> {
  const { twins, port, settleAfterMs, log } = options;
  const stores = new Map(twins.map(({ id }) => [id, new MemoryTwinStore(systemClock)]));
  const host = hostTwins({
    twins, settleAfterMs, clock: systemClock, storeFor: (id) => stores.get(id)!,
    send: (webhook) => fetch(webhook, { redirect: "manual" }),
  });
  const { caPem, certPem, keyPem } = await newTestTls(systemClock.now());
  // Any certificate is taken, and none is: each twin knows which its accounts present.
  const server = createServer({ cert: certPem, key: keyPem, requestCert: true, rejectUnauthorized: false });
  server.on("request", (incoming, outgoing) => void serve(host, incoming, outgoing));
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    server.listen(port, "127.0.0.1", listening);
  });
  const stopping = new AbortController();
  const ticking = [...stores].map(([id, store]) => tick({ id, store, host, log, stopping: stopping.signal }));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caPem,
    host,
    stop: async () => {
      stopping.abort();
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await Promise.all([closed, ...ticking]);
    },
  };
}

/** Runs one twin's steps as they come due. A step that fails is a bug of the twin: it is told, and dropped. */
async function tick({ id, store, host, log, stopping }: {
  id: string; store: MemoryTwinStore; host: TwinHost; log: (line: string) => void; stopping: AbortSignal;
}): Promise<void> {
  const run = (step: TwinStep) =>
    host.run(id, step).catch((error: unknown) => log(`${id}: the step ${step.name} failed: ${String(error)}`));
  while (!stopping.aborted) {
    await store.runDue(run);
    await systemClock.sleep(TICK_MS, stopping);
  }
}

async function serve(host: TwinHost, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const request = await toRequest(incoming);
    const isControl = incoming.url?.startsWith("/_twin/") ?? false;
    const answer = await (isControl ? host.control(request) : host.fetch(request));
    const cookies = answer.headers.getSetCookie();
    outgoing.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...(cookies.length > 0 && { "set-cookie": cookies }) });
    for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) await written(outgoing, chunk);
    outgoing.end();
  } catch {
    incoming.socket.destroy(); // a network error of the host is, here, a connection that ends without an answer
  }
}

/** Waits until the chunk is out, so that the half of an answer is seen before the connection ends. */
const written = (outgoing: ServerResponse, chunk: Uint8Array): Promise<void> =>
  new Promise((done, failed) => outgoing.write(chunk, (error) => (error ? failed(error) : done())));

async function toRequest(incoming: IncomingMessage): Promise<Request> {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const meantFor = headers.get(TWIN_HOST_HEADER) ?? incoming.headers.host;
  headers.delete(TWIN_HOST_HEADER);
  headers.delete(CLIENT_CERTIFICATE_HEADER);
  const { fingerprint256 } = (incoming.socket as TLSSocket).getPeerCertificate();
  if (fingerprint256) headers.set(CLIENT_CERTIFICATE_HEADER, fingerprint256.replaceAll(":", "").toLowerCase());
  const body = await bodyOf(incoming);
  return new Request(`https://${meantFor}${incoming.url}`, {
    method: incoming.method, headers, ...(body.length > 0 && { body: body }),
  });
}

async function bodyOf(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > REQUEST_BYTES_MAX) throw new Error(`the request is larger than ${REQUEST_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

async function main(): Promise<void> {
  const { twins } = await import("./index.ts");
  const { TWINS_PORT = "4010", TWINS_DIR = ".twins", TWINS_SETTLE_AFTER_MS = String(SETTLE_AFTER_MS) } = process.env;
  const { TWINS_CA_FILE = join(TWINS_DIR, "ca.pem") } = process.env;
  const settleAfterMs = wholeNumber("TWINS_SETTLE_AFTER_MS", TWINS_SETTLE_AFTER_MS);
  const log = (line: string) => void process.stdout.write(`${line}\n`);
  const running = await startTwins({ twins, port: wholeNumber("TWINS_PORT", TWINS_PORT), settleAfterMs, log });
  await mkdir(dirname(TWINS_CA_FILE), { recursive: true });
  await writeFile(TWINS_CA_FILE, running.caPem);
  log(`Twins of ${twins.map(({ id }) => id).join(", ")} on ${running.url}; their state ends with this process.`);
  log(`Point the server at them: TWINS_URL=${running.url} TWINS_CA_FILE=${resolve(TWINS_CA_FILE)}`);
  log(`Open an account: POST ${running.url}/_twin/<id>/accounts {"webhookUrl": "http://…"}`);
  log(`Set a fault: POST ${running.url}/_twin/<id>/faults {"kind": "reset_after"}`);
  const stop = async () => {
    await running.stop();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void stop());
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`${name} is ${text}; expected a whole number`);
  return value;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
