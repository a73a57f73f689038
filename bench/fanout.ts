/**
 * One settlement update to everyone who watches the payment: how long from its commit to its receipt, through the
 * streams of REST, GraphQL and tRPC, against raw writes of the same bytes to as many sockets.
 */
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { BareChild } from "./bare-child.ts";
import { startChild, type Child } from "./child.ts";
import { paymentStatus, type HttpRequest } from "./doors.ts";
import { percentilesOf } from "./measure.ts";
import type { ProductChild } from "./product-child.ts";
import { fine, times, whole, type Section } from "./report.ts";

export interface Fanout {
  runs: { door: string; streams: number; frameBytes: number; update: Spread; raw: Spread; ratio: number }[];
}

/** From commit, or from the first write, to receipt. */
interface Spread {
  updates: number;
  p50Ms: number;
  p99Ms: number;
}

/** How many streams, and updates for each second asked for: with few streams a percentile needs more of them. */
const LOADS = [
  { streams: 1, updatesPerSecond: 20 },
  { streams: 100, updatesPerSecond: 5 },
  { streams: 1_000, updatesPerSecond: 2 },
];
const UPDATES_MIN = 2;
/** Of a status that stays the same, watchers are told while its events grow in number; an envelope holds 20 of them. */
const UPDATES_PER_PAYMENT_MAX = 15;
/** Done first at every door and not counted: code that has run a thousand times is other code. */
const WARM_UP = { streams: 50, updates: 10 };
const OPENED_AT_ONCE = 50;
const RECEIPT_MS_MAX = 20_000;
/** Between two updates, so that the first is over and done with: wake-ups, second looks, sockets. */
const QUIET_MS = 40;

export async function measureFanout(
  { databaseUrl, seconds }: { databaseUrl: string; seconds: number },
): Promise<Fanout> {
  const product = startChild<ProductChild>("product-child.ts", { DATABASE_URL: databaseUrl });
  const bare = startChild<BareChild>("bare-child.ts");
  try {
    const runs: Fanout["runs"] = [];
    for (const door of ["REST", "GraphQL", "tRPC"] as const) {
      await throughDoor(product, { door, ...WARM_UP });
      for (const { streams, updatesPerSecond } of LOADS) {
        const updates = Math.max(UPDATES_MIN, Math.round(seconds * updatesPerSecond));
        const told = await throughDoor(product, { door, streams, updates });
        const update = { updates, ...percentilesOf(told.latenciesMs) };
        const raw = { updates, ...percentilesOf(await rawWrites(bare, { streams, updates, frame: told.frame })) };
        const frameBytes = Buffer.byteLength(told.frame.text);
        runs.push({ door, streams, frameBytes, update, raw, ratio: update.p50Ms / raw.p50Ms });
      }
    }
    return { runs };
  } finally {
    await Promise.all([product.stop(), bare.stop()]);
  }
}

/** What went over the wire for one update, and the mark in it that names the update. */
interface Frame {
  text: string;
  mark: string;
}

async function throughDoor(
  product: Child<ProductChild>,
  { door, streams, updates }: { door: keyof typeof watches; streams: number; updates: number },
): Promise<{ latenciesMs: number[]; frame: Frame }> {
  const { url, key } = await product.call("where", undefined);
  const latenciesMs: number[] = [];
  let frame: Frame | undefined;
  for (let left = updates; left > 0; left -= UPDATES_PER_PAYMENT_MAX) {
    const { toolCallId } = await product.call("payment", undefined);
    const watch = await openAll(watches[door]({ url, key, toolCallId }), streams, toolCallId);
    for (let update = 0; update < Math.min(left, UPDATES_PER_PAYMENT_MAX); update += 1) {
      const ref = nextMark();
      latenciesMs.push(...(await watch.tell(ref, () => product.call("update", { toolCallId, ref }))));
      frame = { text: watch.streams[0]!.said(), mark: ref };
    }
    watch.close();
  }
  return { latenciesMs, frame: frame! };
}

async function rawWrites(
  bare: Child<BareChild>,
  { streams, updates, frame }: { streams: number; updates: number; frame: Frame },
): Promise<number[]> {
  const { eventsUrl } = await bare.call("where", undefined);
  const latenciesMs: number[] = [];
  const watch = await openAll({ url: eventsUrl, method: "GET", headers: {} }, streams, "open");
  for (let update = 0; update < updates; update += 1) {
    const mark = nextMark();
    const text = frame.text.replace(frame.mark, mark);
    latenciesMs.push(...(await watch.tell(mark, () => bare.call("write", { frame: text }))));
  }
  watch.close();
  return latenciesMs;
}

let marks = 0;
/** All of one length, so that a frame with another mark has as many bytes. */
const nextMark = (): string => `pay_bench_${String((marks += 1)).padStart(8, "0")}`;

/** How each door is asked to watch a payment. */
const watches = {
  REST: ({ url, key, toolCallId }: Watched): HttpRequest =>
    ({ url: `${url}/v1/tool-calls/${toolCallId}/payment-status/stream`, method: "GET", headers: headersOf(key) }),
  GraphQL: ({ url, key, toolCallId }: Watched): HttpRequest => ({
    url: `${url}/graphql`, method: "POST", headers: { ...headersOf(key), "content-type": "application/json" },
    body: JSON.stringify({ query: paymentStatus("subscription"), variables: { id: toolCallId } }),
  }),
  tRPC: ({ url, key, toolCallId }: Watched): HttpRequest => {
    const input = encodeURIComponent(JSON.stringify({ tool_call_id: toolCallId }));
    return { url: `${url}/trpc/payments.watch?input=${input}`, method: "GET", headers: headersOf(key) };
  },
};

interface Watched {
  url: string;
  key: string;
  toolCallId: string;
}

const headersOf = (key: string) => ({ authorization: `Bearer ${key}`, accept: "text/event-stream" });

interface Watch {
  streams: Stream[];
  /** Makes it happen, and says how long after each stream heard the mark. `happen` returns when, in nanoseconds. */
  tell(mark: string, happen: () => Promise<string>): Promise<number[]>;
  close(): void;
}

/** Opens streams until each has heard the first mark: the present, before anything changes. */
async function openAll(request: HttpRequest, count: number, firstMark: string): Promise<Watch> {
  const agent = new Agent({ maxSockets: Infinity });
  const streams: Stream[] = [];
  while (streams.length < count) {
    const length = Math.min(OPENED_AT_ONCE, count - streams.length);
    const opened = Array.from({ length }, () => new Stream(request, agent));
    await within(Promise.all(opened.map((stream) => stream.hear(firstMark))));
    streams.push(...opened);
  }
  return {
    streams,
    tell: async (mark, happen) => {
      await sleep(QUIET_MS);
      const heard = Promise.all(streams.map((stream) => stream.hear(mark)));
      const [happenedAt, heardAt] = await within(Promise.all([happen(), heard]));
      return heardAt.map((at) => Number(at - BigInt(happenedAt)) / 1e6);
    },
    close: () => streams.forEach((stream) => stream.close()),
  };
}

async function within<Result>(work: Promise<Result>): Promise<Result> {
  const late = new AbortController();
  const never = sleep(RECEIPT_MS_MAX, undefined, { signal: late.signal }).then(() => {
    throw new Error(`not every stream heard of it within ${RECEIPT_MS_MAX} ms`);
  });
  try {
    return await Promise.race([work, never]);
  } finally {
    never.catch(() => {});
    late.abort();
  }
}

/** An open stream. It looks for one mark at a time and parses nothing: what is measured is the server. */
class Stream {
  readonly #request: ClientRequest;
  #mark: string | undefined;
  #heard: ((at: bigint) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  /** Since the last mark was asked for. */
  #text = "";

  constructor({ url, method, headers, body }: HttpRequest, agent: Agent) {
    this.#request = httpRequest(url, { method, headers, agent }, (response) => this.#read(response));
    this.#request.on("error", (error) => this.#failed?.(error));
    this.#request.end(body);
  }

  /** When the mark came in, in monotonic nanoseconds. */
  hear(mark: string): Promise<bigint> {
    this.#mark = mark;
    this.#text = "";
    return new Promise((resolve, reject) => {
      this.#heard = resolve;
      this.#failed = reject;
    });
  }

  said(): string {
    return this.#text;
  }

  close(): void {
    this.#failed = undefined;
    this.#request.destroy();
  }

  #read(response: IncomingMessage): void {
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      const at = process.hrtime.bigint();
      this.#text += text;
      if (this.#mark === undefined || !this.#text.includes(this.#mark)) return;
      this.#mark = undefined;
      this.#heard?.(at);
    });
    response.on("error", (error) => this.#failed?.(error));
    response.on("end", () => {
      this.#failed?.(new Error(`a stream ended (${response.statusCode}): ${this.#text.slice(-500)}`));
    });
  }
}

export const fanoutSection = ({ runs }: Fanout): Section => ({
  title: "One settlement update to open streams, against raw SSE writes of the same bytes",
  notes: [
    "Milliseconds from the commit (raw: from the first write) to the receipt at each stream; the streams are read in " +
    "another process.",
  ],
  header: ["streams", "updates", "frame bytes", "p50 ms", "p99 ms", "raw p50", "raw p99", "p50 ratio"],
  rows: runs.map(({ door, streams, frameBytes, update, raw, ratio }) => [
    `${door}, ${whole(streams)}`, whole(update.updates), whole(frameBytes), fine(update.p50Ms), fine(update.p99Ms),
    fine(raw.p50Ms), fine(raw.p99Ms), times(ratio),
  ]),
});
