/** What a GraphQL client is told when something fails: our failures and its own mistakes whole, our bugs by name. */
import { Failure } from "../../../schema/failures.ts";
import type { Report } from "../contract.ts";
import { failureDetails } from "../failure-details.ts";
import { GraphQLError, Kind } from "./graphql-js.ts";

export function graphqlError(failure: Failure, requestId: string): GraphQLError {
  return new GraphQLError(failure.message, { extensions: { ...failureDetails(failure, requestId) } });
}

/**
 * An error as the client may see it. Ours and those of GraphQL itself about the request pass; anything else is a bug,
 * reported here and masked.
 */
export function publicError(error: unknown, requestId: string | undefined, report: Report): GraphQLError {
  if (error instanceof GraphQLError) {
    if (error.extensions["code"] !== undefined) return error;
    if (isAboutTheRequest(error)) return withCode(error, "GRAPHQL_VALIDATION_FAILED");
  }
  report(error instanceof GraphQLError ? (error.originalError ?? error) : error, requestId);
  const masked = graphqlError(new Failure("internal", {}), requestId ?? "");
  return error instanceof GraphQLError
    ? new GraphQLError(masked.message, { nodes: error.nodes, path: error.path, extensions: masked.extensions })
    : masked;
}

/** Variables that do not fit have no path; arguments that do not are marked at the value, not at the field. */
const isAboutTheRequest = (error: GraphQLError): boolean =>
  error.path === undefined || (error.nodes !== undefined && error.nodes.some((node) => node.kind !== Kind.FIELD));

const withCode = (error: GraphQLError, code: string): GraphQLError =>
  new GraphQLError(error.message, { ...error, nodes: error.nodes, path: error.path, extensions: { code } });
