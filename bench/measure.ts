/** Runs work as fast as its callers can: how much was done, how long each took, and what it cost this process. */

/** Ends whatever is being measured. */
export const interruption = new AbortController();

/** What a measurement came to. Two of the same thing add up with `sum`. */
export interface Run {
  count: number;
  seconds: number;
  /** Of this process, user and system. */
  cpuUs: number;
  latenciesMs: number[];
}

export interface Figures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** CPU time of this process for one. */
  cpuUs: number;
}

/** Each caller makes its next call when the last has ended, until the time is up. Throws what a call throws. */
export async function drive(
  { callers, seconds }: { callers: number; seconds: number },
  call: (caller: number) => Promise<unknown>,
): Promise<Run> {
  const latenciesMs: number[] = [];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endAt = startedAt + seconds * 1_000;
  const callInTurn = async (caller: number) => {
    for (let from = performance.now(); from < endAt; from = performance.now()) {
      interruption.signal.throwIfAborted();
      await call(caller);
      latenciesMs.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => callInTurn(caller)));
  return {
    count: latenciesMs.length, seconds: (performance.now() - startedAt) / 1_000,
    cpuUs: cpuOf(process.cpuUsage(cpuBefore)), latenciesMs,
  };
}

export const cpuOf = ({ user, system }: NodeJS.CpuUsage): number => user + system;

export const sum = (runs: readonly Run[]): Run => ({
  count: total(runs, (run) => run.count),
  seconds: total(runs, (run) => run.seconds),
  cpuUs: total(runs, (run) => run.cpuUs),
  latenciesMs: runs.flatMap((run) => run.latenciesMs),
});

const total = (runs: readonly Run[], of: (run: Run) => number): number =>
  runs.reduce((soFar, run) => soFar + of(run), 0);

export const figuresOf = (run: Run): Figures =>
  ({ perSecond: run.count / run.seconds, ...percentilesOf(run.latenciesMs), cpuUs: run.cpuUs / run.count });

export function percentilesOf(latenciesMs: readonly number[]): { p50Ms: number; p99Ms: number } {
  const sorted = Float64Array.from(latenciesMs).sort();
  return { p50Ms: nearestRank(sorted, 0.5), p99Ms: nearestRank(sorted, 0.99) };
}

/** The smallest value that at least this share of all values do not exceed; NaN when there are none. */
const nearestRank = (sorted: Float64Array, share: number): number =>
  sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
