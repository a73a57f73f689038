/** The stream between the door and a protocol: paced, ended at once, told once. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Failure } from "../../../schema/failures.ts";
import { eventSource } from "../../../src/surfaces/event-source.ts";

async function* numbers(count: number, failure?: Error) {
  for (let index = 1; index <= count; index += 1) yield index;
  if (failure) throw failure;
}

/** A source that never says anything, and remembers that it was let go. */
function silence() {
  const source = { released: false, next: () => new Promise<never>(() => {}), return: async () => {
    source.released = true;
    return { done: true as const, value: undefined };
  }, [Symbol.asyncIterator]: () => source };
  return source;
}

const DONE = { done: true, value: undefined };
const never = new AbortController().signal;

test("items come in order, and timers between them", async () => {
  let ticks = 0;
  const timer = setInterval(() => (ticks += 1), 1);
  const read: number[] = [];
  for await (const item of await eventSource({ open: async () => numbers(5_000), gone: never })) read.push(item);
  clearInterval(timer);
  expect(read).toEqual(Array.from({ length: 5_000 }, (_, index) => index + 1));
  expect(ticks).toBeGreaterThan(0);
});

test("a reader that leaves lets go of a silent source at once", async () => {
  const source = silence();
  const gone = new AbortController();
  let signal: AbortSignal | undefined;
  const stream = await eventSource({ open: async (given) => ((signal = given), source), gone: gone.signal });
  const waiting = stream.next();
  await sleep(5);
  gone.abort();
  expect(await waiting).toEqual(DONE);
  expect([source.released, signal!.aborted]).toEqual([true, true]);
});

test("returning early does the same", async () => {
  const source = silence();
  const stream = await eventSource({ open: async () => source, gone: undefined });
  const waiting = stream.next();
  await stream.return!();
  expect([await waiting, await stream.next(), source.released]).toEqual([DONE, DONE, true]);
});

test("nothing is opened for a reader who has left, or by a server that stops", async () => {
  const open = () => { throw new Error("opened"); };
  expect(await (await eventSource({ open, gone: AbortSignal.abort() })).next()).toEqual(DONE);
  const stopped = eventSource({ open, gone: never, stop: AbortSignal.abort() });
  await expect(stopped).rejects.toMatchObject({ code: "shutting_down" });
});

test("a source opened while its reader left is let go", async () => {
  const source = silence();
  const gone = new AbortController();
  const opening = eventSource({ open: async () => (await sleep(5), source), gone: gone.signal });
  gone.abort();
  expect(await (await opening).next()).toEqual(DONE);
  expect(source.released).toBe(true);
});

test("a failure on the way is thrown once, or becomes the last item", async () => {
  const failure = new Failure("internal", {});
  const thrown = await eventSource({ open: async () => numbers(1, failure), gone: never });
  expect(await thrown.next()).toEqual({ done: false, value: 1 });
  await expect(thrown.next()).rejects.toBe(failure);
  expect(await thrown.next()).toEqual(DONE);

  const read: unknown[] = [];
  const open = async () => numbers(1, failure);
  const last = await eventSource<unknown>({ open, gone: never, lastItem: (error) => error });
  for await (const item of last) read.push(item);
  expect(read).toEqual([1, failure]);
});

test("a server that stops says so to a reader who waits, and to one who asks later", async () => {
  for (const isWaiting of [true, false]) {
    const stopping = new AbortController();
    const source = silence();
    const stream = await eventSource({ open: async () => source, gone: never, stop: stopping.signal });
    const waiting = isWaiting ? stream.next() : undefined;
    await sleep(5);
    stopping.abort();
    await expect(waiting ?? stream.next()).rejects.toMatchObject({ code: "shutting_down" });
    expect([await stream.next(), source.released]).toEqual([DONE, true]);
  }
});

test("a failure to open is the caller's to tell", async () => {
  const failure = new Failure("session_not_found", { sessionId: "ses_1" });
  await expect(eventSource({ open: async () => Promise.reject(failure), gone: never })).rejects.toBe(failure);
});
