/** How much one run may do before it is stopped, and the clock that stops it. */
import type { Clock } from "../schema/clock.ts";

export interface Bounds {
  /** Completions of the model. */
  turns: number;
  /** Tool uses, those refused before they ran included. */
  toolCalls: number;
  /** Output tokens of one completion. */
  maxTokens: number;
  /** Output tokens of the run. */
  outputTokens: number;
  /** Input tokens of the run, cached ones included. */
  inputTokens: number;
  /** The whole run, on the clock. */
  timeMs: number;
  /** Repeats of a completion that broke before it was complete. */
  retries: number;
}

export const defaultBounds: Bounds = {
  turns: 12,
  toolCalls: 24,
  maxTokens: 4096,
  outputTokens: 32_768,
  inputTokens: 400_000,
  timeMs: 120_000,
  retries: 2,
};

export interface Deadline {
  /** Aborts when the time is over or `cancelled` aborts. */
  signal: AbortSignal;
  /** Stops the clock's timer. */
  end(): void;
}

export function deadline(clock: Clock, timeMs: number, cancelled?: AbortSignal): Deadline {
  const ended = new AbortController();
  const over = new AbortController();
  const waitForEnd = async () => {
    await clock.sleep(timeMs, ended.signal);
    if (!ended.signal.aborted) over.abort();
  };
  void waitForEnd();
  return {
    signal: cancelled ? AbortSignal.any([cancelled, over.signal]) : over.signal,
    end: () => ended.abort(),
  };
}
