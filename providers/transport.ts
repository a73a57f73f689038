/**
 * The one way out to real hosts: a `Fetch` over undici's Agent. It follows no redirect and sends nothing twice; an
 * error keeps the code of the layer it came from, because `http.ts` tells by the code whether a request may have left.
 */
import { createHash } from "node:crypto";
import { isIP, type LookupFunction } from "node:net";
import { Readable } from "node:stream";
import { Agent, type Dispatcher } from "undici";
import { certificateFingerprint, type ClientCertificate } from "./client-certificate.ts";
import type { Fetch } from "./provider.ts";

/** Name, TCP and TLS together; a host that takes longer is not there. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Idle connections are let go before the middleboxes on the way forget them. */
export const KEEP_ALIVE_MS = 4_000;
export const CONNECTIONS_PER_HOST_MAX = 50;
/** A caller's own deadline comes first (`http.ts`); this one ends what has none. */
export const ANSWER_TIMEOUT_MS = 30_000;
const HEADER_BYTES_MAX = 32_768;

/** The name that a request to the twins' process carries the real host in. */
export const TWIN_HOST_HEADER = "x-twin-host";
/** The name under which a twin finds the SHA-256 (hex) of the client certificate that a request was sent with. */
export const CLIENT_CERTIFICATE_HEADER = "x-twin-client-certificate";
/** Connections of so many client certificates are kept; those of the one unused for longest are let go first. */
export const CERTIFICATES_MAX = 200;

export interface TransportOptions {
  tls?: {
    /** PEM. Our own certificate and key, for hosts that ask for one. */
    cert?: string;
    key?: string;
    /** PEM. Trusted instead of the public authorities, not beside them. */
    ca?: string;
  };
  /** Every connection goes to this address, whatever the host's name says; certificates are checked for the name. */
  pinnedAddress?: string;
  connectTimeoutMs?: number;
}

export interface Transport extends Fetch {
  /** Ends idle connections at once and the others when their requests end. */
  close(): Promise<void>;
}

export function liveFetch(options: TransportOptions = {}): Transport {
  const agent = newAgent(options);
  const send = (request: Request) => exchange(agent, request, options.pinnedAddress);
  return Object.assign(send, { close: () => agent.close() });
}

/** A way out for each client certificate, for none shares a connection with another, and one for requests without any. */
export interface TransportPool {
  for(certificate?: ClientCertificate): Fetch;
  close(): Promise<void>;
}

/** `make` is called when a certificate is first used, and again when it was let go since. */
export function transportPool(make: (certificate?: ClientCertificate) => Transport, certificatesMax = CERTIFICATES_MAX): TransportPool {
  const plain = make();
  const open = new Map<string, Transport>();
  const transportOf = (certificate: ClientCertificate): Transport => {
    const key = createHash("sha256").update(JSON.stringify([certificate.cert, certificate.key, certificate.ca])).digest("hex");
    const transport = open.get(key) ?? make(certificate);
    open.delete(key);
    open.set(key, transport);
    const [oldest] = open;
    if (open.size > certificatesMax && oldest) {
      open.delete(oldest[0]);
      void oldest[1].close();
    }
    return transport;
  };
  return {
    // Looked for at each request: by the next one the transport may have been let go.
    for: (certificate) => (certificate ? async (request) => transportOf(certificate)(request) : plain),
    close: async () => void (await Promise.all([plain, ...open.values()].map((transport) => transport.close()))),
  };
}

/** The certificate as its credentials give it to TLS; what is absent is left out. */
export const tlsOf = (certificate: ClientCertificate | undefined): TransportOptions => (certificate ? { tls: certificate } : {});

/** `send` for twins of this process: no TLS shows them the certificate, so its fingerprint stands in a header. */
export const presenting = (send: Fetch, certificate: ClientCertificate | undefined): Fetch => {
  const fingerprint = certificate && certificateFingerprint(certificate.cert);
  return async (request) => {
    if (!fingerprint && !request.headers.has(CLIENT_CERTIFICATE_HEADER)) return send(request);
    const presented = new Request(request);
    presented.headers.delete(CLIENT_CERTIFICATE_HEADER);
    if (fingerprint) presented.headers.set(CLIENT_CERTIFICATE_HEADER, fingerprint);
    return send(presented);
  };
};

/** Sends a request meant for a provider's host to the process that hosts the twins, and trusts nobody but it. */
export function twinsFetch(twinsUrl: string, caPem: string, certificate?: ClientCertificate): Transport {
  const live = liveFetch({ tls: { ...certificate, ca: caPem } });
  const send = async (request: Request) => {
    const { host, pathname, search } = new URL(request.url);
    const headers = new Headers(request.headers);
    headers.set(TWIN_HOST_HEADER, host);
    const { method, signal } = request;
    const body = await bodyOf(request);
    const url = new URL(twinsUrl).origin + pathname + search;
    return live(new Request(url, { method, headers, signal, ...(body && { body }) }));
  };
  return Object.assign(send, { close: () => live.close() });
}

function newAgent({ tls, pinnedAddress, connectTimeoutMs = CONNECT_TIMEOUT_MS }: TransportOptions): Agent {
  const pin = pinnedAddress !== undefined && { lookup: always(pinnedAddress) };
  return new Agent({
    connections: CONNECTIONS_PER_HOST_MAX,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
    allowH2: false,
    connect: { timeout: connectTimeoutMs, ...tls, ...pin },
  });
}

const always = (address: string): LookupFunction => {
  const family = isIP(address);
  return (_hostname, { all }, found) => (all ? found(null, [{ address, family }]) : found(null, address, family));
};

/**
 * Requests on their way. Node holds what leads from a caller's signal to `request.signal` only weakly, so that a
 * request nobody else refers to is collected, and its caller's deadline never comes (seen on Node 20.20).
 */
const underWay = new Set<Request>();

async function exchange(agent: Agent, request: Request, pinnedAddress: string | undefined): Promise<Response> {
  request.signal.throwIfAborted();
  const url = new URL(request.url);
  // An address in place of a name is never looked up, so it would pass the pin by.
  const literal = url.hostname.replace(/^\[|\]$/g, "");
  const isPastPin = pinnedAddress !== undefined && isIP(literal) !== 0 && literal !== pinnedAddress;
  if (isPastPin) throw new Error("the host is not the pinned address");
  underWay.add(request);
  const isOver = () => void underWay.delete(request);
  try {
    const answer = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method as Dispatcher.HttpMethod,
      headers: { "accept-encoding": "identity", ...Object.fromEntries(request.headers) },
      body: (await bodyOf(request)) ?? null,
      signal: request.signal,
    });
    answer.body.once("close", isOver);
    return await toResponse(answer);
  } catch (error) {
    isOver();
    throw error;
  }
}

async function bodyOf(request: Request): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return request.body ? new Uint8Array(await request.arrayBuffer()) : undefined;
}

async function toResponse({ statusCode: status, headers, body }: Dispatcher.ResponseData): Promise<Response> {
  const copied = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const one of [value ?? []].flat()) copied.append(name, one);
  const bodiless = status === 204 || status === 205 || status === 304;
  if (bodiless) await body.dump();
  const stream = bodiless ? null : (Readable.toWeb(body) as ReadableStream<Uint8Array>);
  return new Response(stream, { status, headers: copied });
}
