/**
 * A TwinStore in memory: for `npm run twins`, a process of its own whose state ends with it, and for tests of one twin.
 * Steps come due on the injected clock; `runDue` runs them in the order of their time.
 */
import type { Clock } from "../schema/clock.ts";
import type { TwinStep, TwinStore } from "./twin.ts";

export class MemoryTwinStore implements TwinStore {
  readonly #clock: Clock;
  readonly #values = new Map<string, unknown>();
  readonly #counters = new Map<string, number>();
  #steps: { step: TwinStep; at: Date }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    return structuredClone(this.#values.get(key)) as Value | undefined;
  }

  async put(key: string, value: unknown): Promise<void> {
    this.#values.set(key, structuredClone(value));
  }

  async update<Value>(key: string, change: (value: Value) => Value): Promise<Value | undefined> {
    if (!this.#values.has(key)) return undefined;
    const changed = change(structuredClone(this.#values.get(key)) as Value);
    this.#values.set(key, structuredClone(changed));
    return changed;
  }

  async list<Value>(prefix: string): Promise<Value[]> {
    const keys = [...this.#values.keys()].filter((key) => key.startsWith(prefix)).sort();
    return keys.map((key) => structuredClone(this.#values.get(key)) as Value);
  }

  async next(counter: string): Promise<number> {
    const value = (this.#counters.get(counter) ?? 0) + 1;
    this.#counters.set(counter, value);
    return value;
  }

  async schedule(step: TwinStep, at: Date): Promise<void> {
    this.#steps.push({ step, at });
  }

  /** Runs every step that is due by now, earliest first; steps they schedule that are due too are run as well. */
  async runDue(run: (step: TwinStep) => Promise<void>): Promise<void> {
    for (;;) {
      this.#steps.sort((a, b) => a.at.getTime() - b.at.getTime());
      const due = this.#steps[0];
      if (!due || due.at > this.#clock.now()) return;
      this.#steps.shift();
      await run(due.step);
    }
  }
}
