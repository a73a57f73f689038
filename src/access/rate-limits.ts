/**
 * How many calls a key may make in a minute, over all processes together. Each process takes leave for some calls at a time from
 * one row a key and kind of call, so that most calls ask nobody: few at first, more with demand, and never more than a small part
 * of what is left. What a process has taken and does not use the others miss, so they may refuse a little early; never late.
 */
import type { Clock } from "../../schema/clock.ts";
import { Failure } from "../../schema/failures.ts";
import type { Effect } from "../../schema/operation.ts";
import type { Database } from "../db/connect.ts";
import type { Quota } from "../door.ts";
import type { Principal } from "./keys.ts";

export interface RateLimits {
  /**
   * Counts one call of a key.
   *
   * tell    is given what is left, before a refusal too; nothing where there is no limit
   * throws  rate_limited
   */
  count(key: Pick<Principal, "keyId" | "keyKind">, effect: Effect, tell: ((quota: Quota) => void) | undefined): Promise<void>;
}

/** Calls a minute of one key; 0 is without limit. */
export interface CallsPerMinute {
  writes: number;
  reads: number;
}

type Bucket = keyof CallsPerMinute;

export const WINDOW_MS = 60_000;
/** How many times a key's calls a service key may make. */
export const SERVICE_KEY_TIMES = 10;
/** How much a process takes first, and the largest part of the rest that it takes at once. */
const FIRST_SHARE = 8;
const LARGEST_PART = 1 / 16;

export function createRateLimits({ db, clock }: { db: Pick<Database, "sql">; clock: Clock }, perMinute: CallsPerMinute): RateLimits {
  /** What this process holds in the present window. Emptied with it, so there is one entry for each key that called in it. */
  const shares = new Map<string, Share>();
  let present = 0;

  function shareOf(keyId: string, bucket: Bucket, limit: number, windowStart: number): Share {
    if (windowStart !== present) shares.clear();
    present = windowStart;
    const name = `${bucket} ${keyId}`;
    const known = shares.get(name);
    if (known) return known;
    const share = new Share(limit, (count) => take(db, { keyId, bucket, windowStart: new Date(windowStart), count }));
    shares.set(name, share);
    return share;
  }

  return {
    count: async ({ keyId, keyKind }, effect, tell) => {
      const bucket: Bucket = effect === "reads" ? "reads" : "writes";
      const limit = perMinute[bucket] * (keyKind === "service" ? SERVICE_KEY_TIMES : 1);
      if (limit === 0) return;
      const now = clock.now().getTime();
      const windowStart = now - (now % WINDOW_MS);
      const resetSeconds = Math.ceil((windowStart + WINDOW_MS - now) / 1000);
      const share = shareOf(keyId, bucket, limit, windowStart);
      const isGranted = share.use() || (await share.useLater());
      tell?.({ limit, remaining: share.remaining, resetSeconds });
      if (isGranted) return;
      throw new Failure("rate_limited", { limit, windowSeconds: WINDOW_MS / 1000, bucket }, { retryAfterSeconds: resetSeconds });
    },
  };
}

/** What one process may still do with one key in one window. */
class Share {
  readonly #limit: number;
  /** Takes leave for so many calls, and answers how many all processes have taken by then. */
  readonly #take: (count: number) => Promise<number>;
  #held = 0;
  /** What nobody had taken when we last asked. */
  #left: number;
  #lastTaken = FIRST_SHARE / 2;
  #waiting = 0;
  #taking: Promise<void> | undefined;

  constructor(limit: number, take: (count: number) => Promise<number>) {
    this.#limit = limit;
    this.#left = limit;
    this.#take = take;
  }

  get remaining(): number {
    return this.#held + this.#left;
  }

  /** Whether a call was granted out of what this process holds. */
  use(): boolean {
    if (this.#held === 0) return false;
    this.#held -= 1;
    return true;
  }

  /** The same after asking for more, as often as others were faster; each time somebody was served, so at most `limit` times. */
  async useLater(): Promise<boolean> {
    this.#waiting += 1;
    try {
      while (this.#left > 0) {
        this.#taking ??= this.#takeMore().finally(() => (this.#taking = undefined));
        await this.#taking;
        if (this.use()) return true;
      }
      return this.use();
    } finally {
      this.#waiting -= 1;
    }
  }

  async #takeMore(): Promise<void> {
    const wanted = Math.max(this.#waiting, Math.min(2 * this.#lastTaken, Math.ceil(this.#left * LARGEST_PART)));
    const taken = await this.#take(wanted);
    this.#lastTaken = wanted;
    this.#left = Math.max(0, this.#limit - taken);
    // What was asked for beyond the limit is not granted.
    this.#held += Math.max(0, Math.min(wanted, this.#limit - (taken - wanted)));
  }
}

/** The clocks of processes differ a little: who is behind counts in the window of who is ahead. */
async function take(
  { sql }: Pick<Database, "sql">,
  { keyId, bucket, windowStart, count }: { keyId: string; bucket: Bucket; windowStart: Date; count: number },
): Promise<number> {
  const [row] = await sql<{ taken: number }[]>`
    insert into rate_windows as w (org_id, key_id, bucket, window_start, taken)
    select org_id, id, ${bucket}, ${windowStart}, ${count} from api_keys where id = ${keyId}
    on conflict (key_id, bucket) do update set
      taken = excluded.taken + case when w.window_start >= excluded.window_start then w.taken else 0 end,
      window_start = greatest(w.window_start, excluded.window_start)
    returning taken`;
  return row!.taken;
}
