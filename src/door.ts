/**
 * The door as surfaces see it: names, JSON and who is asking, in; JSON or a Failure, out. `call.ts` is the door itself.
 */
import type { OperationName, Operations, SubscriptionName, Subscriptions } from "../schema/index.ts";
import type { Wire } from "../schema/operation.ts";
import type { Origin } from "../schema/tool-calls.ts";

/** Who is asking, as a surface read it from its protocol. Nothing in it is trusted yet. */
export interface CallerContext {
  /** The bearer credential, without the scheme. */
  credential: string | undefined;
  /** The x-codespar-project header. */
  projectId?: string | undefined;
  origin: Origin;
  /** The Idempotency-Key header. */
  idempotencyKey?: string | undefined;
  requestId: string;
  /** Aborts when the caller goes away. */
  signal?: AbortSignal | undefined;
  /** Is told, before the answer or the refusal, how many more calls the key has. */
  onQuota?: ((quota: Quota) => void) | undefined;
}

/** What a key may still do in the present window, as this process knows it. */
export interface Quota {
  limit: number;
  remaining: number;
  resetSeconds: number;
}

/** One item of a stream. `id` is where to resume from: SSE sends it as the event id, tRPC as the tracked id. */
export interface Streamed<Item> {
  id: string;
  item: Item;
}

export interface Door {
  /** Parses, authorizes, runs and encodes. Rejects with a `Failure` and nothing else. */
  call<Name extends OperationName>(name: Name, input: unknown, context: CallerContext): Promise<Wire<Operations[Name]["output"]>>;
  /**
   * The same for a stream. The promise rejects with a `Failure` before anything is streamed (bad key, foreign id);
   * a failure on the way is thrown by the iterator. Returning early from the iteration releases everything.
   */
  subscribe<Name extends SubscriptionName>(
    name: Name, input: unknown, context: CallerContext,
  ): Promise<AsyncIterable<Streamed<Wire<Subscriptions[Name]["output"]>>>>;
}
