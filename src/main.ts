/** `npm start`: reads the settings, starts the server, says what to try next, and drains on SIGTERM. */
import { pino } from "pino";
import { createServer, type Server } from "./server.ts";
import { readSettings, SettingsError, type Settings } from "./settings.ts";

/** Secrets that a log line might carry in a field of this name, at any of the depths we log. */
const REDACTED = ["authorization", "apiKey", "credentials", "token", "secret", "password"].flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const log = pino({ level: settings.LOG_LEVEL, redact: REDACTED, base: undefined });
  const server = await createServer({ settings, log });
  const { url } = await server.listen();
  stopOnSignals(server);
  greet(settings, url, server.madeKey);
}

function stopOnSignals(server: Server): void {
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      server.stop().then(() => process.exit(0), (error: unknown) => {
        process.stderr.write(`The server did not stop cleanly: ${String(error)}\n`);
        process.exit(1);
      });
    });
}

function greet(settings: Settings, url: string, madeKey: string | undefined): void {
  const key = madeKey ?? settings.BOOTSTRAP_TEST_KEY;
  const lines = [
    `CodeSpar Server is ready on ${url}`,
    ...(madeKey ? ["", "A test key, shown this once (it is kept as a hash):", `  ${madeKey}`] : []),
    "",
    "Try:",
    `  curl -s ${url}/v1/sessions -H "Authorization: Bearer ${key ? (madeKey ? madeKey : "$BOOTSTRAP_TEST_KEY") : "csk_test_…"}" -d '{"user_id":"me","servers":[]}'`,
    "",
    `GraphQL ${url}/graphql   tRPC ${url}/trpc   REST ${url}/v1   MCP ${url}/mcp   OpenAPI ${url}/openapi.json`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

main().catch((error: unknown) => {
  const message = error instanceof SettingsError ? `The settings are not right:\n${error.message}` : error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${message}\n`);
  process.exit(1);
});
