#!/usr/bin/env node
/** `npm start`: reads the settings, starts the server, says what to try next, and drains on SIGTERM. */
import { pino } from "pino";
import { createServer, type Server } from "./server.ts";
import { readSettings, SettingsError, type Settings } from "./settings.ts";
import { StartError } from "./start-error.ts";

/** Secrets that a log line might carry in a field of this name, at any of the depths we log. */
const REDACTED = ["authorization", "apiKey", "credentials", "token", "secret", "password"]
  .flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
/** From a signal to the exit, whatever happens: those who send signals kill after 10 s. */
const STOP_MS_MAX = 9_500;

const starting = start();
stopOnSignals(starting);
starting.catch((error: unknown) => end(1, startFailure(error)));

async function start(): Promise<Server> {
  const settings = readSettings(process.env);
  const log = pino({ level: settings.LOG_LEVEL, redact: REDACTED, base: undefined });
  const server = await createServer({ settings, log });
  if (server.madeKey) showKey(server.madeKey); // before anything can fail: nobody can read it again
  try {
    const { url } = await server.listen();
    greet(settings, url, server.madeKey);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function stopOnSignals(starting: Promise<Server>): void {
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      setTimeout(() => end(1, `The server did not stop within ${STOP_MS_MAX} ms and was ended.`), STOP_MS_MAX);
      void starting.then((server) => stop(server), () => {}); // a start that failed ends by itself
    });
}

const stop = (server: Server): Promise<void> =>
  server.stop().then(() => end(0), (error: unknown) => end(1, `The server did not stop cleanly: ${String(error)}`));

function end(exitCode: number, why?: string): never {
  if (why !== undefined) process.stderr.write(`${why}\n`);
  process.exit(exitCode);
}

function startFailure(error: unknown): string {
  if (error instanceof SettingsError) return `The settings are not right:\n${error.message}`;
  if (error instanceof StartError) return `The server did not start. ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const showKey = (key: string) =>
  process.stdout.write(`A test key, shown this once (it is kept as a hash):\n  ${key}\n\n`);

function greet(settings: Settings, url: string, madeKey: string | undefined): void {
  const key = madeKey ?? (settings.BOOTSTRAP_TEST_KEY ? "$BOOTSTRAP_TEST_KEY" : "csk_test_…");
  const lines = [
    `CodeSpar Server is ready on ${url}`,
    "",
    "Try:",
    `  curl -s ${url}/v1/sessions -H "Authorization: Bearer ${key}" -d '{"user_id":"me","servers":[]}'`,
    "",
    `GraphQL ${url}/graphql   tRPC ${url}/trpc   REST ${url}/v1   MCP ${url}/mcp   OpenAPI ${url}/openapi.json`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
