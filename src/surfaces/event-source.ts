/**
 * A stream of the door as a surface hands it to its protocol. It lets sockets write between two items, and ends the
 * moment the reader is gone, even while the door has nothing to say.
 *
 * Protocol libraries pull the next item in a microtask: a burst would keep the event loop from every socket until it is
 * over. And an async generator cannot be ended while it waits, so this is an iterator written by hand.
 */
import { setMaxListeners } from "node:events";
import { Failure } from "../../schema/failures.ts";

export interface StreamOptions<Item> {
  /** Opens the door's stream; `signal` aborts when this stream ends for any reason. */
  open: (signal: AbortSignal) => Promise<AsyncIterable<Item>>;
  /** Aborts when the reader goes away. */
  gone: AbortSignal | undefined;
  /** Aborts when the server stops; the reader is then told `shutting_down`. */
  stop?: AbortSignal | undefined;
  /** Makes a failure on the way the last item; without it the failure is thrown. */
  lastItem?: (error: unknown) => Item;
}

export async function eventSource<Item>(options: StreamOptions<Item>): Promise<AsyncIterableIterator<Item>> {
  const { open, gone, stop, lastItem } = options;
  if (stop?.aborted) throw new Failure("shutting_down", {});
  if (stop !== undefined) setMaxListeners(0, stop); // every stream of the server listens to it
  const released = new AbortController();
  const stream = new PacedStream<Item>(lastItem, () => {
    gone?.removeEventListener("abort", leave);
    stop?.removeEventListener("abort", dismiss);
    released.abort();
  });
  const leave = () => void stream.return();
  const dismiss = () => stream.fail(new Failure("shutting_down", {}));
  gone?.addEventListener("abort", leave);
  stop?.addEventListener("abort", dismiss);
  if (gone?.aborted) {
    leave();
    return stream;
  }
  try {
    stream.read(await open(released.signal));
  } catch (error) {
    leave();
    throw error;
  }
  return stream;
}

class PacedStream<Item> implements AsyncIterableIterator<Item> {
  readonly #lastItem: ((error: unknown) => Item) | undefined;
  readonly #onEnd: () => void;
  #source: AsyncIterator<Item> | undefined;
  #ended = false;
  /** What ended the stream, until the reader has been told. */
  #failure: { error: unknown } | undefined;
  /** Answers the reader that waits when the source will not. */
  #dismiss: () => void = () => {};

  constructor(lastItem: ((error: unknown) => Item) | undefined, onEnd: () => void) {
    this.#lastItem = lastItem;
    this.#onEnd = onEnd;
  }

  read(source: AsyncIterable<Item>): void {
    this.#source = source[Symbol.asyncIterator]();
    if (this.#ended) void release(this.#source);
  }

  next(): Promise<IteratorResult<Item>> {
    if (this.#ended) return this.#ending();
    return new Promise((resolve, reject) => {
      this.#dismiss = () => resolve(this.#ending());
      setImmediate(() => void this.#pull().then(resolve, reject));
    });
  }

  async #pull(): Promise<IteratorResult<Item>> {
    if (this.#ended) return DONE;
    try {
      const result = await this.#source!.next();
      if (result.done) this.#end();
      return result;
    } catch (error) {
      if (this.#ended) return DONE;
      this.#failure = { error };
      this.#end();
      return this.#ending();
    }
  }

  return(): Promise<IteratorResult<Item>> {
    this.#close();
    this.#failure = undefined;
    return Promise.resolve(DONE);
  }

  throw(error: unknown): Promise<IteratorResult<Item>> {
    this.#close();
    return Promise.reject(error);
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#failure = { error };
    this.#close();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** What a reader finds behind the last item: the failure, once, then nothing. */
  #ending(): Promise<IteratorResult<Item>> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure === undefined) return Promise.resolve(DONE);
    if (this.#lastItem === undefined) return Promise.reject(failure.error);
    return Promise.resolve({ done: false, value: this.#lastItem(failure.error) });
  }

  #close(): void {
    if (this.#ended) return;
    this.#end();
    this.#dismiss();
    if (this.#source !== undefined) void release(this.#source);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** The reader is gone: nobody is left to hear that closing failed. */
async function release(source: AsyncIterator<unknown>): Promise<void> {
  try {
    await source.return?.();
  } catch {
    return;
  }
}
