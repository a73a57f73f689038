/** What went wrong with a model, in words that are safe to show, and whether it passes by itself. */
export interface ModelError {
  /** For the caller: never the provider's own words, which may quote the request. */
  reason: string;
  /** For the operator's log: the provider's words, without the key. */
  cause: Error;
  isPassing: boolean;
  /** How long the provider asked us to wait. */
  waitMs?: number | undefined;
}

/** An answer that came to its end without being whole. */
export class BrokenAnswer extends Error {}

/** Anything that is neither an error of the SDK nor a broken answer is a bug of ours and thrown on. */
export async function readModelError(error: unknown, apiKey: string | null): Promise<ModelError> {
  // Loaded by now: only the SDK's client can have failed.
  const { AnthropicError, APIConnectionError, APIError } = await import("@anthropic-ai/sdk");
  if (!(error instanceof AnthropicError || error instanceof BrokenAnswer)) throw error;
  const cause = new Error(withoutKey(error.message, apiKey));
  if (!(error instanceof APIError)) return { reason: "its answer broke off", cause, isPassing: true };
  if (error instanceof APIConnectionError) return { reason: "it could not be reached", cause, isPassing: true };
  const { status, type, headers } = error;
  const name = named(String(type));
  if (status === undefined) return { reason: `it reported ${name}`, cause, isPassing: !lasting.has(name) };
  return {
    reason: `HTTP ${status}, ${name}${adviceFor[status] ?? ""}`,
    cause,
    isPassing: status === 408 || status === 409 || status === 429 || status >= 500,
    waitMs: retryAfterMs(headers?.get("retry-after") ?? ""),
  };
}

/** Errors inside a stream that would come again. */
const lasting = new Set([
  "invalid_request_error",
  "authentication_error",
  "permission_error",
  "not_found_error",
  "billing_error",
  "request_too_large",
]);

const adviceFor: Partial<Record<number, string>> = {
  401: ": check ANTHROPIC_API_KEY",
  403: ": the key may not use this model",
  404: ": check the model's name and the address",
};

/** The longest wait that a provider may ask of a run; the run's own time may end it sooner. */
const RETRY_AFTER_MAX_MS = 30_000;

const retryAfterMs = (header: string): number | undefined =>
  /^\d{1,6}(\.\d+)?$/.test(header) ? Math.min(Number(header) * 1000, RETRY_AFTER_MAX_MS) : undefined;

const named = (type: string): string => (/^[a-z]+_[a-z_]{1,64}$/.test(type) ? type : "an error without a type");

const withoutKey = (message: string, apiKey: string | null): string =>
  apiKey ? message.replaceAll(apiKey, "[key]") : message;
