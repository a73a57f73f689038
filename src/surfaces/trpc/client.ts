/**
 * The type of the tRPC API, for clients: `createTRPCClient<AppRouter>(…)`. Types only: no server code comes along.
 * Inputs and outputs are the wire types of the contract, and a new operation is in here as soon as the contract has it.
 */
import type {
  TRPCBuiltRouter, TRPCDefaultErrorData, TRPCDefaultErrorShape, TRPCMutationProcedure, TRPCQueryProcedure,
  TRPCSubscriptionProcedure,
} from "@trpc/server";
import type { Operations, Subscriptions } from "../../../schema/index.ts";
import type { Operation, Subscription, Wire } from "../../../schema/operation.ts";
import type { FailureDetails } from "../failure-details.ts";

export type { FailureDetails } from "../failure-details.ts";

/** The API: `sessions.create`, `toolCalls.list`, `payments.watch` … */
export type AppRouter = RouterOf<Operations & Subscriptions>;

/** What a client catches: `error.data.failure.code` names the failure, whichever side of the server it came from. */
export interface ErrorShape extends TRPCDefaultErrorShape {
  data: Omit<TRPCDefaultErrorData, "stack"> & { failure: FailureDetails };
}

/** The router of a contract whose names are `subject.verb`. */
export type RouterOf<Contract> = TRPCBuiltRouter<
  { ctx: object; meta: object; errorShape: ErrorShape; transformer: false },
  {
    [Subject in SubjectOf<keyof Contract>]: {
      [Verb in VerbOf<keyof Contract, Subject>]: ProcedureOf<Contract[`${Subject}.${Verb}` & keyof Contract]>;
    };
  }
>;

type SubjectOf<Name> = Name extends `${infer Subject}.${string}` ? Subject : never;
type VerbOf<Name, Subject extends string> = Name extends `${Subject}.${infer Verb}` ? Verb : never;

type ProcedureOf<Each> =
  Each extends Subscription<string, infer Input, infer Item>
    ? TRPCSubscriptionProcedure<StreamOf<Wire<Input>, Wire<Item>>>
    : Each extends Operation<string, infer Input, infer Output, infer Does>
      ? Does extends "reads"
        ? TRPCQueryProcedure<CallOf<Wire<Input>, Wire<Output>>>
        : TRPCMutationProcedure<CallOf<Wire<Input>, Wire<Output>>>
      : never;

interface CallOf<Input, Output> {
  input: InputOf<Input>;
  output: Output;
  meta: object;
  errorShape: ErrorShape;
}

/** Items come with the id to resume behind; a client that reconnects sends it by itself. */
type StreamOf<Input, Item> = CallOf<
  Input & { lastEventId?: string | null },
  AsyncIterable<{ id: string; data: Item }, void, unknown>
>;

/** An input whose every member may be left out may be left out itself. */
type InputOf<Input> = {} extends Input ? Input | void : Input;
