/**
 * A provider's own tools: what its API offers beside our meta-tools, one request each, the answer returned as it came.
 * They go through the same pipeline as everything else: one claim, one dispatch, the four outcomes.
 */
import { z } from "zod";
import type { Effect } from "../schema/operation.ts";
import type { HttpClient, RequestSpec } from "./http.ts";
import type { CallContext, ConnectionConfig, Fetch } from "./provider.ts";

export interface NativeTool {
  /** `create_payment`: with its server, `asaas/create_payment`, and `asaas__create_payment` to models. */
  name: string;
  /** For a model: what it does, in one line. */
  description: string;
  /** `reads` is asked and may be repeated; everything else is dispatched once. */
  effect: Effect;
  input: z.ZodObject;
  /** The one request. `reference` is the UUID that correlates the call, for providers with a field for it. */
  request(args: Record<string, unknown>, call: Pick<CallContext, "reference">): RequestSpec;
}

/** What a definition carries to offer native tools. */
export interface NativeTools {
  /** The provider's client with the connection's credentials. */
  client(connection: ConnectionConfig, fetch: Fetch): HttpClient;
  tools: readonly NativeTool[];
}

/** Types the arguments of `request` by the tool's own input. */
export const nativeTool = <Input extends z.ZodObject>(
  tool: Omit<NativeTool, "input" | "request"> & {
    input: Input;
    request(args: z.output<Input>, call: Pick<CallContext, "reference">): RequestSpec;
  },
): NativeTool => tool as unknown as NativeTool;

/** `http` whose requests are finished first with what the connection knows: a company's id in the path, an application's key in the body. */
export const completing = (http: HttpClient, complete: (spec: RequestSpec) => RequestSpec): HttpClient => ({
  ask: (spec, answer, call) => http.ask(complete(spec), answer, call),
  act: (spec, answer, call) => http.act(complete(spec), answer, call),
  pass: (spec, call) => http.pass(complete(spec), call),
});

/** Any JSON a provider answers: a native tool's result is passed on, not interpreted. */
export const Passthrough = z.unknown();

/** Fills `{name}` in a path template, percent-encoded: `/payments/{id}`. */
export const pathOf = (template: string, args: Record<string, unknown>): string =>
  template.replace(/\{(\w+)\}/g, (_match, name: string) => encodeURIComponent(String(args[name])));
