/**
 * Streams as server-sent events, in the bytes that released clients read: LF, one `data:` line, a comment as a frame of
 * its own, and a close right after the last event. A subscription's script says which frames it consists of.
 */
import type { z } from "zod";
import { asFailure, Failure, failureBody } from "../../../schema/failures.ts";
import type { Clock } from "../../../schema/clock.ts";
import type { SubscriptionName, Subscriptions } from "../../../schema/index.ts";
import { isTerminal, type SettlementKind } from "../../../schema/settlement.ts";
import type { Streamed } from "../../door.ts";

/** Released clients give up after 60 s without a frame. */
export const HEARTBEAT_MS = 15_000;
/** A settled payment may still be refunded, so a watch lingers this long. */
export const LINGER_MS = 5_000;
/** Longest life of a watch; its caller asks again. */
export const WATCH_MS_MAX = 30 * 60_000;
/** Longest life of a log: a person reads it, and no released client asks again. */
const LOG_MS_MAX = 8 * 60 * 60_000;

export interface StreamSettings {
  clock: Clock;
  heartbeatMs: number;
  /** Aborts when streams of this kind have to end because the server stops. */
  stop: AbortSignal;
  requestId: string;
  /** Further headers of the answer. */
  headers: Record<string, string>;
}

type Ending = "terminal" | "max_duration" | "shutting_down" | "ended";

export interface Script<Item> {
  /** Sent at once where the first item may be far off: headers travel with the first frame. */
  opening?: string;
  frame(item: Item, id: string, isFirst: boolean): string;
  /** What an item means for the stream that it is in. */
  after(item: Item): "go_on" | "linger" | "close";
  farewell(ending: Ending, requestId: string): string;
  failed(failure: Failure, requestId: string): string;
  msMax?: number;
}

type Item<Name extends SubscriptionName> = z.input<Subscriptions[Name]["output"]>;

const watchFrames = {
  farewell: (reason: Ending) => frame("done", { reason }),
  failed: (failure: Failure, requestId: string) => frame("error", failureBody(failure, requestId)),
  msMax: WATCH_MS_MAX,
};

const statusScript = (kind: SettlementKind): Script<{ status: string }> => ({
  ...watchFrames,
  frame: (envelope, id, isFirst) => frame(isFirst ? "snapshot" : "update", envelope, id),
  after: ({ status }) => (isTerminal(kind, status) ? "linger" : "go_on"),
});

const sendFailed = (failure: Failure): string =>
  frame("error", { type: "error", error: failure.code, message: failure.message });

/** Per subscription, how it reads as a stream. */
export const scripts: { [Name in SubscriptionName]: Script<Item<Name>> } = {
  "payments.watch": statusScript("payment"),
  "verifications.watch": statusScript("verification"),
  "toolCalls.watch": {
    ...watchFrames,
    frame: (change, id) => frame("tool_call", change, id),
    after: () => "go_on",
  },
  "logs.watch": {
    opening: ": open\n\n",
    frame: (entry, id) => frame("log", entry, id),
    after: () => "go_on",
    // Released clients take every frame with data for a line of the log, so how it ends is a comment.
    farewell: (ending) => `: ${ending}\n\n`,
    failed: (failure, requestId) => `: ${failure.code} ${requestId}\n\n`,
    msMax: LOG_MS_MAX,
  },
  "sessions.sendStream": {
    frame: (event, id) => frame(event.type, superset(event), id),
    after: ({ type }) => (type === "done" || type === "error" ? "close" : "go_on"),
    farewell: (ending) => sendFailed(new Failure(ending === "shutting_down" ? "shutting_down" : "internal", {})),
    failed: sendFailed,
  },
};

/** One released client reads the record or result from the top level, the other from a member: both are there. */
function superset(event: Item<"sessions.sendStream">): Record<string, unknown> {
  if (event.type === "tool_result") {
    const { tool_call, ...rest } = event;
    return { ...rest, ...tool_call, toolCall: tool_call };
  }
  return event.type === "done" ? { ...event, ...event.result } : event;
}

const frame = (event: string, data: unknown, id?: string): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/**
 * Answers with the stream of a subscription.
 *
 * gone  aborted when the caller leaves, and by us when the stream has ended; `source` ends with it
 */
export function eventStream<Item>(
  source: AsyncIterator<Streamed<Item>>,
  script: Script<Item>,
  settings: StreamSettings,
  gone: AbortController,
): Response {
  const frames = play(source, script, settings, gone);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await frames.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: () => {
      gone.abort();
      void frames.return();
    },
  });
  return new Response(body, { headers: { ...EVENT_STREAM, ...settings.headers } });
}

const EVENT_STREAM = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

type Moment<Item> =
  | { is: "read"; result: IteratorResult<Streamed<Item>, unknown> }
  | { is: "failed"; error: unknown }
  | { is: "beat" }
  | { is: "gone" }
  | { is: "end"; ending: Ending };

async function* play<Item>(
  items: AsyncIterator<Streamed<Item>>,
  script: Script<Item>,
  { clock, heartbeatMs, stop, requestId }: StreamSettings,
  gone: AbortController,
): AsyncGenerator<string, void> {
  const moments = new Moments<Moment<Item>>();
  const over = new AbortController();
  const read = () =>
    void items.next().then(
      (result) => moments.put({ is: "read", result }),
      (error: unknown) => moments.put({ is: "failed", error }),
    );
  const later = (ms: number, moment: Moment<Item>) =>
    void clock.sleep(ms, over.signal).then(() => over.signal.aborted || moments.put(moment));
  onAbort(gone.signal, over.signal, () => moments.put({ is: "gone" }));
  onAbort(stop, over.signal, () => moments.put({ is: "end", ending: "shutting_down" }));
  if (script.msMax !== undefined) later(script.msMax, { is: "end", ending: "max_duration" });
  later(heartbeatMs, { is: "beat" });
  read();
  let isFirst = true;
  let lingers = false;
  try {
    if (script.opening !== undefined) yield script.opening;
    // Ends with its items, its caller, the server, or after `msMax`.
    for (;;) {
      const moment = await moments.take();
      if (moment.is === "gone") return;
      if (moment.is === "beat") {
        yield `: heartbeat ${clock.now().toISOString()}\n\n`;
        later(heartbeatMs, moment);
      } else if (moment.is === "end") {
        return yield script.farewell(moment.ending, requestId);
      } else if (moment.is === "failed") {
        return yield script.failed(asFailure(moment.error), requestId);
      } else if (moment.result.done) {
        if (!lingers) return yield script.farewell("ended", requestId);
      } else {
        const { id, item } = moment.result.value;
        const next = script.after(item);
        if (next === "linger" && !lingers) {
          lingers = true;
          later(LINGER_MS, { is: "end", ending: "terminal" });
        }
        yield script.frame(item, id, isFirst);
        if (next === "close") return;
        isFirst = false;
        read();
      }
    }
  } finally {
    over.abort();
    gone.abort();
  }
}

/** Calls the listener when `signal` aborts, at once if it has; not any more after `until`. */
export function onAbort(signal: AbortSignal, until: AbortSignal, listener: () => void): void {
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true, signal: until });
}

/** What happened to one stream, in order. Never more than an unread item, a heartbeat and one of each end. */
class Moments<Moment> {
  #waiting: Moment[] = [];
  #wake: (() => void) | undefined;

  put(moment: Moment): void {
    this.#waiting.push(moment);
    this.#wake?.();
  }

  async take(): Promise<Moment> {
    while (this.#waiting.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
    return this.#waiting.shift()!;
  }
}
