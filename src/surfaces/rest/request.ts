/** What every HTTP surface reads of a request alike, and the one way a failure is answered. */
import type { Logger } from "pino";
import { asFailure, Failure, failureBody } from "../../../schema/failures.ts";
import type { Origin } from "../../../schema/tool-calls.ts";
import type { CallerContext, Quota } from "../../door.ts";

/** A request as the host hands it to a surface: its body already read within the limit, its id already chosen. */
export interface Inbound {
  request: Request;
  body: Uint8Array | undefined;
  requestId: string;
  /** What the key has left, once the door has said so: REST tells it with every answer. */
  quota?: Quota;
}

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** Who asks, by the headers alone. The host has put the request's id among them. */
export function callerOf(request: Request, origin: Origin): CallerContext {
  const { headers, signal } = request;
  return {
    credential: bearer(headers.get("authorization")),
    projectId: headers.get("x-codespar-project") || undefined,
    origin,
    requestId: headers.get("x-request-id") ?? "",
    signal,
  };
}

/** The same for calls of a key's holder, who may name their effect: REST, GraphQL and tRPC. */
export const directCallerOf = (request: Request): CallerContext =>
  ({ ...callerOf(request, "direct"), idempotencyKey: idempotencyKeyOf(request.headers) });

/** Written bare, or as a quoted string (RFC 8941) as the IETF draft has it. */
function idempotencyKeyOf(headers: Headers): string | undefined {
  const written = headers.get("idempotency-key")?.trim();
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(written ?? "") ?? [];
  return quoted?.replace(/\\(.)/g, "$1") ?? written;
}

const bearer = (header: string | null): string | undefined => /^Bearer +(\S+)\s*$/i.exec(header ?? "")?.[1];

/** One segment of a path, decoded by itself: an id may hold an encoded slash. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    const at = { field: "path", expected: "percent-encoded UTF-8", problem: "has a malformed escape" };
    throw new Failure("validation_failed", at, { cause: error });
  }
}

/** As the IETF's draft of 2021 names them, which clients read; the reset is in seconds from now. */
export const quotaHeaders = (quota: Quota | undefined): Record<string, string> =>
  quota
    ? { "ratelimit-limit": String(quota.limit), "ratelimit-remaining": String(quota.remaining), "ratelimit-reset": String(quota.resetSeconds) }
    : {};

/** Answers with the flat body that every released client reads. Anything but a Failure is our bug, and logged. */
export function answerFailure(error: unknown, requestId: string, log: Log, quota?: Quota): Response {
  const failure = asFailure(error);
  if (failure !== error) log.error({ err: error, request_id: requestId }, "a surface failed");
  const { allowed } = failure.at as { allowed?: string };
  return Response.json(failureBody(failure, requestId), {
    status: failure.http,
    headers: {
      ...quotaHeaders(quota),
      ...(failure.code === "unauthorized" && { "www-authenticate": "Bearer" }),
      ...(failure.code === "method_not_allowed" && allowed !== undefined && { allow: allowed }),
      ...(failure.retryAfterSeconds !== undefined && { "retry-after": String(Math.ceil(failure.retryAfterSeconds)) }),
    },
  });
}
