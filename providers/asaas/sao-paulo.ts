/** Asaas writes days and times as they are in São Paulo, without an offset. */

const wallClock = new Intl.DateTimeFormat("sv-SE", {
  timeZone: "America/Sao_Paulo", dateStyle: "short", timeStyle: "medium",
});

/** `2026-11-20 09:00:00` */
export const wallTime = (at: Date): string => wallClock.format(at);

/** `2026-11-20` */
export const calendarDay = (at: Date): string => wallTime(at).slice(0, 10);

/** `shiftDay("2026-12-31", 1)` is `2027-01-01`. */
export function shiftDay(day: string, days: number): string {
  const at = new Date(`${day}T00:00:00.000Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}

/**
 * The moment of a wall time such as `2026-11-20 09:00:00`. São Paulo has kept UTC-3 all year since 2019 (Decreto
 * 9.772/2019).
 *
 * returns  undefined when the text is no such time
 */
export function momentOf(text: string | null | undefined): Date | undefined {
  if (!text || !/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/.test(text)) return undefined;
  const at = new Date(`${text.replace(" ", "T")}-03:00`);
  return Number.isNaN(at.getTime()) ? undefined : at;
}
