/**
 * Ends what a key opened once the key is no longer good: a stream was let in when it began, and may go on for half an hour. One
 * question every few seconds covers all streams of this process.
 */
import type { Logger } from "pino";
import type { Clock } from "../../schema/clock.ts";
import type { Database } from "../db/connect.ts";

export interface KeyWatch {
  watch(keyId: string): WatchedKey;
}

export interface WatchedKey {
  /** Aborts when the key has been revoked or has expired. */
  refused: AbortSignal;
  /** To be called when nothing listens any more; more than once does no harm. */
  release(): void;
}

/** A revoked key's streams end within this time. */
export const KEY_CHECK_MS = 2_000;

export function createKeyWatch({ db, clock, log }: { db: Pick<Database, "sql">; clock: Clock; log: Pick<Logger, "warn"> }): KeyWatch {
  const watched = new Map<string, Set<AbortController>>();
  let nobody = new AbortController();

  /** Goes on for as long as a stream is open. */
  async function checkEvery(ms: number, until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      await clock.sleep(ms, until);
      if (!until.aborted) await check().catch((error: unknown) => log.warn({ err: error }, "keys of open streams could not be checked"));
    }
  }

  async function check(): Promise<void> {
    const ids = [...watched.keys()];
    const good = await db.sql<{ id: string }[]>`
      select id from api_keys where id = any(${ids}) and revoked_at is null and (expires_at is null or expires_at > ${clock.now()})`;
    const known = new Set(good.map(({ id }) => id));
    for (const id of ids) if (!known.has(id)) for (const stream of watched.get(id) ?? []) stream.abort();
  }

  function release(keyId: string, stream: AbortController): void {
    const streams = watched.get(keyId);
    if (!streams?.delete(stream) || streams.size > 0) return;
    watched.delete(keyId);
    if (watched.size === 0) nobody.abort();
  }

  return {
    watch: (keyId) => {
      if (watched.size === 0) {
        nobody = new AbortController();
        void checkEvery(KEY_CHECK_MS, nobody.signal);
      }
      const stream = new AbortController();
      const streams = watched.get(keyId) ?? new Set();
      watched.set(keyId, streams.add(stream));
      return { refused: stream.signal, release: () => release(keyId, stream) };
    },
  };
}
