/** A failure as tRPC carries it: the nearest code for tRPC's own clients, ours whole in `data.failure` for everyone. */
import { TRPCError, type TRPC_ERROR_CODE_KEY } from "@trpc/server";
import { asFailure, Failure } from "../../../schema/failures.ts";
import { failureDetails } from "../failure-details.ts";
import type { ErrorShape } from "./client.ts";

/**
 * mayRepeat  whether a client may ask again by itself. A subscription's client does so for ever on every code of a
 *            server error, so where asking again is no help, or could start something twice, its code is another.
 */
export function trpcError(error: unknown, mayRepeat: boolean): TRPCError {
  const failure = asFailure(error);
  const isWorthRepeating = mayRepeat && (failure.retry === "same_key" || failure.retry === "after");
  const ends = failure.http >= 500 && !isWorthRepeating;
  const code = ends ? "PRECONDITION_FAILED" : (codes[failure.http] ?? nearest(failure.http));
  return new TRPCError({ code, message: failure.message, cause: failure });
}

interface FormatterInput {
  shape: Omit<ErrorShape, "data"> & { data: Omit<ErrorShape["data"], "failure"> };
  error: TRPCError;
  path: string | undefined;
  type: string;
  ctx: { requestId: string } | undefined;
}

export function formatError({ shape, error, path, type, ctx }: FormatterInput): ErrorShape {
  const failure = error.cause instanceof Failure ? error.cause : ownFailure(error, path ?? "", type);
  const details = failureDetails(failure, ctx?.requestId ?? "");
  return { ...shape, message: failure.message, data: { ...shape.data, httpStatus: failure.http, failure: details } };
}

/** What tRPC itself refuses, under our names. Whatever else it met is our bug, and stays with the operator. */
function ownFailure(error: TRPCError, path: string, type: string): Failure {
  switch (error.code) {
    case "INTERNAL_SERVER_ERROR":
      return new Failure("internal", {});
    case "NOT_FOUND":
      return new Failure("route_not_found", { method: "procedure", path });
    case "METHOD_NOT_SUPPORTED":
      return new Failure("method_not_allowed", { method: "that method", path, allowed: METHODS[type] ?? "GET, POST" });
    default:
      return new Failure("validation_failed", { problem: error.message });
  }
}

const METHODS: Readonly<Record<string, string>> = { mutation: "POST" };

const codes: Readonly<Record<number, TRPC_ERROR_CODE_KEY>> = {
  400: "BAD_REQUEST",
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  405: "METHOD_NOT_SUPPORTED",
  409: "CONFLICT",
  413: "PAYLOAD_TOO_LARGE",
  422: "UNPROCESSABLE_CONTENT",
  424: "PRECONDITION_FAILED",
  429: "TOO_MANY_REQUESTS",
  499: "CLIENT_CLOSED_REQUEST",
  500: "INTERNAL_SERVER_ERROR",
  502: "BAD_GATEWAY",
  503: "SERVICE_UNAVAILABLE",
};

/** 202 is an outcome that is not known yet: nothing a client may repeat. */
const nearest = (http: number): TRPC_ERROR_CODE_KEY =>
  http < 400 ? "CONFLICT" : http < 500 ? "BAD_REQUEST" : "INTERNAL_SERVER_ERROR";
