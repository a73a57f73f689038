/** What a surface projects. The server gives the whole of it; a test may give an operation nobody has prepared for. */
import { operations, subscriptions } from "../../schema/index.ts";
import type { Operation, Subscription } from "../../schema/operation.ts";

export interface Contract {
  operations: Readonly<Record<string, Operation>>;
  subscriptions: Readonly<Record<string, Subscription>>;
}

export const wholeContract: Contract = { operations, subscriptions };

/** Tells the operator of an error that is ours to mend; its caller reads only `internal` and the request id. */
export type Report = (error: unknown, requestId: string | undefined) => void;

/** When the server stops: watches end at once, sends (they move money) as late as possible. */
export interface StopSignals {
  watches: AbortSignal;
  sends: AbortSignal;
}

/** The signal that ends this stream. */
export const stopOf = (stop: StopSignals | undefined, stream: Subscription): AbortSignal | undefined =>
  stream.effect === "reads" ? stop?.watches : stop?.sends;
