/** A door that answers as a test says and remembers who asked for what. It parses nothing. */
import { Failure } from "../../schema/failures.ts";
import type { OperationName, SubscriptionName } from "../../schema/index.ts";
import type { CallerContext, Door, Streamed } from "../../src/door.ts";

export interface RecordedCall {
  name: string;
  input: unknown;
  context: CallerContext;
}

type Answer = (input: never, context: CallerContext) => unknown;
type Stream = (input: never, context: CallerContext) => AsyncIterable<Streamed<unknown>>;

export interface Script {
  operations?: Partial<Record<OperationName | (string & {}), Answer>>;
  subscriptions?: Partial<Record<SubscriptionName | (string & {}), Stream>>;
}

export interface ScriptedDoor extends Door {
  readonly calls: RecordedCall[];
}

/** An answer that throws rejects the call; a name without an answer is a failure `route_not_found`. */
export function scriptedDoor({ operations = {}, subscriptions = {} }: Script): ScriptedDoor {
  const calls: RecordedCall[] = [];
  const answer = async (script: Answer | Stream | undefined, name: string, input: unknown, context: CallerContext) => {
    calls.push({ name, input, context });
    if (script === undefined) throw new Failure("route_not_found", { method: "CALL", path: name });
    return script(input as never, context);
  };
  return {
    calls,
    call: (name, input, context) => answer(operations[name], name, input, context) as never,
    subscribe: (name, input, context) => answer(subscriptions[name], name, input, context) as never,
  };
}

/** A stream that a test feeds by hand, and that knows how much was taken and whether it was let go. */
export class HandFedStream<Item> implements AsyncIterable<Streamed<Item>> {
  readonly #waiting: Streamed<Item>[] = [];
  #wake: () => void = () => {};
  #over = false;
  #letGo: () => void = () => {};
  taken = 0;
  /** Resolves when the reader returned early or its signal aborted. */
  readonly released = new Promise<void>((resolve) => (this.#letGo = resolve));

  /** The context's signal ends the stream as a real door would. */
  until(signal: AbortSignal | undefined): this {
    signal?.addEventListener("abort", () => this.#release());
    return this;
  }

  push(id: string, item: Item): void {
    this.#waiting.push({ id, item });
    this.#wake();
  }

  end(): void {
    this.#over = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Streamed<Item>> {
    try {
      for (;;) {
        const next = this.#waiting.shift();
        if (next !== undefined) {
          this.taken += 1;
          yield next;
        } else if (this.#over) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#letGo();
    }
  }

  #release(): void {
    this.#over = true;
    this.#letGo();
    this.#wake();
  }
}
