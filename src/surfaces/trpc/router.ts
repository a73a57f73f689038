/**
 * The contract as a tRPC router: what reads is a query, everything else a mutation, a stream a subscription. Inputs and
 * outputs pass as they are: the door parses and encodes, once.
 */
import { initTRPC, tracked, type AnyTRPCProcedure, type AnyTRPCRouter, type TrackedEnvelope } from "@trpc/server";
import { Failure } from "../../../schema/failures.ts";
import type { Operation, Subscription } from "../../../schema/operation.ts";
import type { CallerContext, Door, Streamed } from "../../door.ts";
import { stopOf, type Contract, type Report, type StopSignals } from "../contract.ts";
import { eventSource } from "../event-source.ts";
import { readFields } from "../../../schema/wire-schema.ts";
import { formatError, trpcError } from "./errors.ts";

/** Must stay below the silence that a client takes for a dead connection, or every idle subscription dies. */
const PING_MS = 15_000;
const RECONNECT_AFTER_SILENCE_MS = 45_000;

export interface TrpcHandlers {
  door: Door;
  report: Report;
  stop?: StopSignals | undefined;
}

const t = initTRPC.context<CallerContext>().create({
  isDev: false, // never a stack in an answer
  errorFormatter: formatError,
  sse: {
    ping: { enabled: true, intervalMs: PING_MS },
    client: { reconnectAfterInactivityMs: RECONNECT_AFTER_SILENCE_MS },
  },
});

/** Types it as nothing in particular: `AppRouter` is the type of the whole contract's router. */
export function buildRouter({ operations, subscriptions }: Contract, handlers: TrpcHandlers): AnyTRPCRouter {
  const subjects: Record<string, Record<string, AnyTRPCProcedure>> = {};
  const add = (name: string, procedure: AnyTRPCProcedure) => {
    const [subject, verb] = name.split(".") as [string, string];
    (subjects[subject] ??= {})[verb] = procedure;
  };
  for (const operation of Object.values(operations)) add(operation.name, unaryProcedure(operation, handlers));
  for (const stream of Object.values(subscriptions)) add(stream.name, streamProcedure(stream, handlers));
  return t.router(subjects);
}

const procedure = t.procedure.input((written: unknown) => written ?? {});

function unaryProcedure(operation: Operation, { door, report }: TrpcHandlers): AnyTRPCProcedure {
  const name = operation.name as Parameters<Door["call"]>[0];
  const resolve = async ({ ctx, input }: { ctx: CallerContext; input: object }) => {
    try {
      return await door.call(name, input, ctx);
    } catch (error) {
      if (!(error instanceof Failure)) report(error, ctx.requestId);
      throw trpcError(error, true);
    }
  };
  return operation.effect === "reads" ? procedure.query(resolve) : procedure.mutation(resolve);
}

function streamProcedure(stream: Subscription, { door, report, stop }: TrpcHandlers): AnyTRPCProcedure {
  const name = stream.name as Parameters<Door["subscribe"]>[0];
  const resumes = readFields(stream.input).some((field) => field.name === "after");
  return procedure.subscription(async ({ ctx, input, signal }) => {
    const { lastEventId, ...written } = input as { lastEventId?: string | null };
    const isResumed = resumes && typeof lastEventId === "string";
    const asked = isResumed ? { ...written, after: lastEventId } : written;
    const progress = { mayRepeat: stream.effect === "reads" || isResumed || "after" in written };
    const told = (error: unknown) => {
      if (!(error instanceof Failure)) report(error, ctx.requestId);
      return trpcError(error, progress.mayRepeat);
    };
    try {
      const source = await eventSource<Streamed<unknown>>({
        open: (released) => door.subscribe(name, asked, { ...ctx, signal: released }),
        gone: signal,
        stop: stopOf(stop, stream),
      });
      return trackedItems(source, told, () => (progress.mayRepeat = true));
    } catch (error) {
      throw told(error);
    }
  });
}

/** Once an item has gone out a client resumes behind it, so asking again starts nothing. */
function trackedItems(
  source: AsyncIterableIterator<Streamed<unknown>>, told: (error: unknown) => Error, sent: () => void,
): AsyncIterableIterator<TrackedEnvelope<unknown>> {
  return {
    async next() {
      try {
        const { done, value } = await source.next();
        if (done) return { done, value };
        sent();
        return { done: false, value: tracked(value.id, value.item) };
      } catch (error) {
        throw told(error);
      }
    },
    async return() {
      await source.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
