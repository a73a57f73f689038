/** What every command of the program does alike: start or say why not, and stop once, on a signal or when it is over. */
import { pino, type DestinationStream, type Logger } from "pino";
import { SettingsError, type Settings } from "./settings.ts";
import { StartError, UsageError } from "./start-error.ts";

export interface Running {
  stop(): Promise<void>;
  /** Resolves when it is over by itself; never for what runs until it is stopped. */
  ended?: Promise<void>;
}

/** Secrets that a log line might carry in a field of this name, at any of the depths we log. */
const REDACTED = ["authorization", "apiKey", "credentials", "token", "secret", "password"]
  .flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
/** From a signal to the exit, whatever happens: those who send signals kill after 10 s. */
const STOP_MS_MAX = 9_500;

export const createLog = ({ LOG_LEVEL }: Pick<Settings, "LOG_LEVEL">, destination?: DestinationStream): Logger =>
  pino({ level: LOG_LEVEL, redact: REDACTED, base: undefined }, destination);

/** Runs until a signal, or until it is over; then ends the process. `what` starts sentences about it. */
export function run(what: string, starting: Promise<Running>): void {
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => end(1, `${what} did not stop within ${STOP_MS_MAX} ms and was ended.`), STOP_MS_MAX);
    void starting.then((running) => stopped(what, running), () => {}); // a start that failed ends by itself
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
  starting.then(({ ended }) => ended?.then(stop)).catch((error: unknown) => end(error instanceof UsageError ? 2 : 1, startFailure(what, error)));
}

export function end(exitCode: number, why?: string): never {
  if (why !== undefined) process.stderr.write(`${why}\n`);
  process.exit(exitCode);
}

const stopped = (what: string, running: Running): Promise<void> =>
  running.stop().then(() => end(0), (error: unknown) => end(1, `${what} did not stop cleanly: ${String(error)}`));

function startFailure(what: string, error: unknown): string {
  if (error instanceof UsageError) return error.message;
  if (error instanceof SettingsError) return `The settings are not right:\n${error.message}`;
  if (error instanceof StartError) return `${what} did not start. ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
