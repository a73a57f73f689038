/**
 * The one door. Every surface and the agent come through here: authenticate, limit, authorize, parse, run, encode. Nothing else
 * decides who may do what, and every answer is either the operation's output or a Failure.
 */
import { z } from "zod";
import { asFailure, Failure } from "../schema/failures.ts";
import { operations, subscriptions, type OperationName, type Operations, type SubscriptionName, type Subscriptions } from "../schema/index.ts";
import { isObject } from "../schema/meta-tools/meta-tool.ts";
import type { AnyOperation, Domain } from "../schema/operation.ts";
import type { Origin } from "../schema/tool-calls.ts";
import { createKeyWatch, type WatchedKey } from "./access/key-watch.ts";
import { authenticate, authorize, type Principal } from "./access/keys.ts";
import { createRateLimits, type CallsPerMinute, type RateLimits } from "./access/rate-limits.ts";
import type { CallerContext, Door, Streamed } from "./door.ts";
import { argumentFailure } from "./execution/arguments.ts";
import { handlers, streams } from "./handlers.ts";
import type { Platform } from "./platform.ts";

/** What a handler knows of the request beside its input. */
export interface Caller {
  principal: Principal;
  origin: Origin;
  headerKey: string | undefined;
  requestId: string;
  signal: AbortSignal | undefined;
}

export type Handler<Name extends OperationName> = (
  platform: Platform, caller: Caller, input: Domain<Operations[Name]["input"]>,
) => Promise<Domain<Operations[Name]["output"]>>;

export type Stream<Name extends SubscriptionName> = (
  platform: Platform, caller: Caller, input: Domain<Subscriptions[Name]["input"]>,
) => Promise<AsyncIterable<Streamed<Domain<Subscriptions[Name]["output"]>>>>;

export function createDoor(platform: Platform, callsPerMinute: CallsPerMinute): Door {
  const limits = createRateLimits(platform, callsPerMinute);
  const keys = createKeyWatch(platform);
  return {
    call: async (name, input, context) => {
      try {
        const operation = operations[name];
        const { caller, parsed } = await enter({ platform, limits }, operation, input, context);
        const result = await (handlers[name] as Handler<never>)(platform, caller, parsed as never);
        return z.encode(operation.output as z.ZodType, result) as never;
      } catch (error) {
        throw refusal(platform, name, context, error);
      }
    },
    subscribe: async (name, input, context) => {
      const operation = subscriptions[name];
      let key: WatchedKey | undefined;
      try {
        const { caller, parsed } = await enter({ platform, limits }, operation, input, context);
        key = keys.watch(caller.principal.keyId);
        const signal = caller.signal ? AbortSignal.any([caller.signal, key.refused]) : key.refused;
        // A reader that leaves before it has begun to read leaves no other trace.
        if (caller.signal?.aborted) key.release();
        else caller.signal?.addEventListener("abort", key.release, { once: true });
        const items = await (streams[name] as Stream<never>)(platform, { ...caller, signal }, parsed as never);
        return encoded(platform, operation, items, { context, key }) as never;
      } catch (error) {
        key?.release();
        throw refusal(platform, name, context, error);
      }
    },
  };
}

async function enter(
  { platform, limits }: { platform: Platform; limits: RateLimits },
  operation: AnyOperation,
  input: unknown,
  context: CallerContext,
): Promise<{ caller: Caller; parsed: unknown }> {
  const principal = await authenticate(platform, context.credential, context.projectId);
  await limits.count(principal, operation.effect, context.onQuota);
  authorize(principal, operation.scope);
  const { origin, idempotencyKey: headerKey, requestId, signal } = context;
  return { caller: { principal, origin, headerKey, requestId, signal }, parsed: parse(operation, input) };
}

function parse(operation: AnyOperation, input: unknown): unknown {
  refuseCredentials(operation, input);
  const result = operation.input.safeParse(withoutNulls(input ?? {}));
  if (result.success) return result.data;
  const { at } = argumentFailure(result.error.issues[0]!, input);
  const { field, expected, problem } = at as { field?: string; expected?: string; problem?: string };
  throw new Failure("validation_failed", { ...(field && { field }), problem: problem ?? expected ?? "is not valid", ...(expected && { expected }) });
}

/** Names that a credential is sent under. */
const CREDENTIAL = /secret|password|passwd|credential|private_?key|api_?key|access_?token|authorization/i;

/**
 * Credentials are stored with a connection and never travel with a call (M-252). An argument of such a name that the operation does
 * not have would be dropped unseen; so it is refused by name instead, and so is one hidden in the metadata.
 */
function refuseCredentials({ input: schema }: AnyOperation, input: unknown): void {
  if (!isObject(input)) return;
  const known = (schema as z.ZodObject).shape;
  const metadata = isObject(input["metadata"]) ? Object.keys(input["metadata"]).map((name) => `metadata.${name}`) : [];
  const field = [...Object.keys(input).filter((name) => !Object.hasOwn(known, name)), ...metadata].find((name) => CREDENTIAL.test(name));
  if (field === undefined) return;
  throw new Failure("validation_failed", { field, problem: "looks like a credential; connect the server instead, and leave it out here", expected: "no credentials" });
}

/** At the top level `null` and absent mean the same; inside a tool's arguments its own reading decides. */
const withoutNulls = (input: unknown): unknown =>
  typeof input === "object" && input !== null && !Array.isArray(input)
    ? Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null))
    : input;

/** The failure a caller sees. Anything unexpected is logged whole and answered with a request id. */
function refusal(platform: Platform, name: string, { requestId }: CallerContext, error: unknown): Failure {
  const failure = asFailure(error);
  if (failure.code === "internal") platform.log.error({ err: failure.cause ?? error, operation: name, requestId }, "an operation failed unexpectedly");
  return failure;
}

/** Ends with its items, or with a refusal once its key is no good any more. */
async function* encoded<Item>(
  platform: Platform, { name, output }: AnyOperation, items: AsyncIterable<Streamed<Item>>, { context, key }: { context: CallerContext; key: WatchedKey },
): AsyncGenerator<Streamed<unknown>> {
  try {
    for await (const { id, item } of items) yield { id, item: z.encode(output, item) };
    if (key.refused.aborted) throw new Error("the key is no good any more");
  } catch (error) {
    throw key.refused.aborted
      ? new Failure("unauthorized", { problem: "This API key was revoked or has expired." })
      : refusal(platform, name, context, error);
  } finally {
    key.release();
  }
}
