/** The changes of a filter from a place in the outbox on, without gap or repeat: those already written, then each as it is made. */
import { Failure } from "../../schema/failures.ts";
import type { Change, ChangeFilter, Hub } from "./hub.ts";

export interface Followed {
  /** Where the reader begins: behind `after`, else behind everything written before it came. */
  start: string;
  /** What was already written behind `after`, to the end of the outbox. Nothing for a reader who gave none. */
  past(): AsyncIterable<Change>;
  /** What is written from then on. Read `past` to its end first. */
  live(): AsyncIterable<Change>;
  close(): Promise<void>;
}

/** Throws cursor_invalid for an `after` that no stream gave out. */
export async function followChanges(hub: Hub, filter: ChangeFilter, after: string | undefined, signal: AbortSignal | undefined): Promise<Followed> {
  // Listening begins before anything is read, so that no change falls between the two.
  const heard = hub.listen(filter, signal);
  const close = async () => void (await heard.return?.());
  try {
    const start = after ?? (await hub.head());
    const first = after === undefined ? [] : await changesBehind(hub, filter, after);
    let position = start;
    return {
      start,
      close,
      async *past() {
        // The outbox is read a part at a time: to its end, before what is heard live is told.
        for (let part = first; part.length > 0; part = await hub.since(filter, position))
          for (const change of part) {
            position = change.cursor;
            yield change;
          }
      },
      async *live() {
        for await (const change of heard) if (isBehind(change.cursor, position)) yield change;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function changesBehind(hub: Hub, filter: ChangeFilter, after: string): Promise<Change[]> {
  try {
    return await hub.since(filter, after);
  } catch (error) {
    if (error instanceof RangeError) throw new Failure("cursor_invalid", { field: "after" });
    throw error;
  }
}

/** Whether `cursor` comes after `position` in the outbox. */
function isBehind(cursor: string, position: string): boolean {
  const [a, b] = [cursor, position].map((text) => text.split(".").map(BigInt) as [bigint, bigint]) as [[bigint, bigint], [bigint, bigint]];
  return a[0] === b[0] ? a[1] > b[1] : a[0] > b[0];
}
