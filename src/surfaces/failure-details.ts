/** A failure as camelCase surfaces carry it beside its message: GraphQL in `extensions`, tRPC in `data.failure`. */
import { failureBody, type Failure, type FailureCode, type Retry } from "../../schema/failures.ts";
import { camelCase } from "./names.ts";

export interface FailureDetails {
  code: FailureCode;
  retry: Retry;
  /** The argument at fault, in the spelling of the contract. */
  field?: string;
  expected?: string;
  /** Seconds. */
  retryAfter?: number;
  toolCallId?: string;
  unknown?: unknown[];
  requestId: string;
  /** The status that REST answers this failure with. */
  httpStatus: number;
}

export function failureDetails(failure: Failure, requestId: string): FailureDetails {
  const { error: _sameAsCode, message: _besideIt, ...members } = failureBody(failure, requestId);
  const details = Object.fromEntries(Object.entries(members).map(([name, value]) => [camelCase(name), value]));
  return { ...details, httpStatus: failure.http } as FailureDetails;
}
