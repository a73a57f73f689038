/**
 * The contract as a GraphQL schema: what reads is a Query field, everything else a Mutation field, a stream a
 * Subscription field. Built once; a call then costs its resolver and nothing of the contract is read again.
 */
import SchemaBuilder from "@pothos/core";
import { asFailure, Failure } from "../../../schema/failures.ts";
import type { Operation, Subscription } from "../../../schema/operation.ts";
import type { Door, Streamed } from "../../door.ts";
import { stopOf, type Contract, type Report, type StopSignals } from "../contract.ts";
import { eventSource } from "../event-source.ts";
import { pascalCase } from "../names.ts";
import { readFields, readWire } from "../../../schema/wire-schema.ts";
import { graphqlError } from "./errors.ts";
import type { GraphQLError, GraphQLSchema } from "./graphql-js.ts";
import { createTypes, type GraphqlContext, type TypeRef, type Types } from "./types.ts";

interface GraphqlHandlers {
  door: Door;
  report: Report;
  stop?: StopSignals | undefined;
}

export function buildGraphqlSchema(contract: Contract, handlers: GraphqlHandlers): GraphQLSchema {
  const builder = new SchemaBuilder<{ Context: GraphqlContext }>({});
  const types = createTypes(builder);
  const all = Object.values(contract.operations);
  const streams = Object.values(contract.subscriptions);
  builder.queryType({ description: "What can be read." });
  if (all.some(({ effect }) => effect !== "reads")) builder.mutationType({ description: "What changes something." });
  if (streams.length > 0) builder.subscriptionType({ description: "What changes, as it changes." });
  for (const operation of all) {
    const field = unaryField(operation, types, handlers);
    if (operation.effect === "reads") builder.queryField(operation.field, (t) => t.field(field));
    else builder.mutationField(operation.field, (t) => t.field(field));
  }
  for (const stream of streams) {
    const field = streamField(stream, types, handlers);
    builder.subscriptionField(stream.field, (t) => t.field(field));
  }
  return builder.toSchema();
}

function unaryField(operation: Operation, types: Types, { door, report }: GraphqlHandlers): TypeRef {
  const name = operation.name as Parameters<Door["call"]>[0];
  const { respell, ...shape } = fieldShape(operation, types);
  return {
    ...shape,
    // A failure must not take its neighbours with it: whoever moved money in the same request needs that answer.
    nullable: true,
    async resolve(_root: unknown, args: object, { caller }: GraphqlContext) {
      try {
        return await door.call(name, respell(args), caller);
      } catch (error) {
        throw told(error, caller.requestId, report);
      }
    },
  };
}

/** What a subscription's source yields: what the door sent, or the failure that ended it. */
type StreamEvent = Pick<Streamed<unknown>, "item"> | { failure: unknown };

function streamField(stream: Subscription, types: Types, { door, report, stop }: GraphqlHandlers): TypeRef {
  const name = stream.name as Parameters<Door["subscribe"]>[0];
  const { respell, ...shape } = fieldShape(stream, types);
  return {
    ...shape,
    nullable: false,
    async subscribe(_root: unknown, args: object, { caller, request }: GraphqlContext) {
      try {
        if (request.method === "GET" && stream.effect !== "reads") throw notOverGet();
        return await eventSource<StreamEvent>({
          open: (signal) => door.subscribe(name, respell(args), { ...caller, signal }),
          gone: caller.signal ?? request.signal,
          stop: stopOf(stop, stream),
          // As an item, the failure reaches the client as a result with errors in every mode of every protocol.
          lastItem: (failure) => ({ failure }),
        });
      } catch (error) {
        throw told(error, caller.requestId, report);
      }
    },
    resolve(event: StreamEvent, _args: object, { caller }: GraphqlContext) {
      if ("failure" in event) throw told(event.failure, caller.requestId, report);
      return event.item;
    },
  };
}

function fieldShape({ field, summary, input, output }: Operation | Subscription, types: Types) {
  const { args, respell } = types.args(readFields(input), pascalCase(field));
  return { type: types.output(readWire(output), `${pascalCase(field)}Result`), description: summary, args, respell };
}

/** The error that GraphQL carries for what the door rejected with. Anything but a Failure is a bug of ours. */
function told(error: unknown, requestId: string, report: Report): GraphQLError {
  if (!(error instanceof Failure)) report(error, requestId);
  return graphqlError(asFailure(error), requestId);
}

/** A page of another site can make a browser GET; it must not make it act. */
const notOverGet = (): Failure =>
  new Failure("method_not_allowed", { method: "GET", path: "/graphql", allowed: "POST" });
