/**
 * Servers under measurement run in a process of their own, so that the CPU they use is theirs alone and not the load's.
 * The parent calls the child's functions by name over the channel that Node gives a fork.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { cpuOf } from "./measure.ts";

/** What a child can be asked; arguments and answers are JSON. */
type Functions = Record<string, (argument: never) => unknown>;

export interface Child<Asked extends Functions> {
  call<Name extends keyof Asked & string>(
    name: Name, argument: Parameters<Asked[Name]>[0],
  ): Promise<Awaited<ReturnType<Asked[Name]>>>;
  /** CPU time it has used, user and system. */
  cpuUs(): Promise<number>;
  stop(): Promise<void>;
}

interface Question {
  id: number;
  name: string;
  argument: unknown;
}

interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

const CPU = "cpu";
const STOP = "stop";
/** Longer than a server may take to drain; then it is killed. */
const STOP_MS_MAX = 15_000;

/** Starts a file of this folder. Its output is ours. */
export function startChild<Asked extends Functions>(
  file: `${string}.ts`, environment: Record<string, string> = {},
): Child<Asked> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), { env: { ...process.env, ...environment } });
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  let asked = 0;
  child.on("message", ({ id, result, error }: Answer) => {
    const asker = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asker?.resolve(result as never);
    else asker?.reject(new Error(`${file}: ${error}`));
  });
  child.on("exit", (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended with ${signal ?? code}`));
  });
  const ask = (name: string, argument: unknown) =>
    new Promise<never>((resolve, reject) => {
      if (!child.connected) throw new Error(`${file} has ended`);
      const id = (asked += 1);
      waiting.set(id, { resolve, reject });
      child.send({ id, name, argument } satisfies Question);
    });
  return {
    call: ask,
    cpuUs: () => ask(CPU, undefined),
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
      await ask(STOP, undefined);
      child.disconnect();
      await ended;
      clearTimeout(late);
    },
  };
}

/** Answers the parent, in the child. `stop` lets go of everything, so that the process ends by itself. */
export function answerParent<Asked extends Functions>(functions: Asked, stop: () => Promise<void>): void {
  const all: Functions = { ...functions, [CPU]: () => cpuOf(process.cpuUsage()), [STOP]: stop };
  process.on("message", ({ id, name, argument }: Question) => {
    const answer = async () => all[name]!(argument as never);
    const send = (said: Answer) => process.send!(said);
    answer().then(
      (result) => send({ id, result }),
      (error: unknown) => send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.once("disconnect", () => process.exit());
}
