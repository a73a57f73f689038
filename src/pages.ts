/** Pages of lists: rows are ordered by id (ids sort by time), and a cursor is the last id of the page before. */
import { Failure } from "../schema/failures.ts";
import { idPattern, type IdKind } from "../schema/ids.ts";

/** The cursor as an id of this kind; throws cursor_invalid for anything else. */
export function cursorId(kind: IdKind, before: string | undefined): string | undefined {
  if (before !== undefined && !idPattern(kind).test(before)) throw new Failure("cursor_invalid", { field: "before" });
  return before;
}

/** Cuts rows fetched with `limit + 1` to a page and names the next one. */
export function page<Row extends { id: string }>(rows: Row[], limit: number): { rows: Row[]; next_before: string | null } {
  const kept = rows.slice(0, limit);
  return { rows: kept, next_before: rows.length > limit ? kept[kept.length - 1]!.id : null };
}
