#!/usr/bin/env node
/** The program: `codespar-server` serves over HTTP and says what to try next; `codespar-server mcp` serves one MCP client over stdio. */
import { createLog, run, type Running } from "./program.ts";
import { readSettings, type Settings } from "./settings.ts";
import { UsageError } from "./start-error.ts";

const [command, ...args] = process.argv.slice(2);
if (command === "mcp") run("The MCP server", import("./mcp-command.ts").then(({ startMcp }) => startMcp(args)));
else run("The server", command === undefined ? start() : Promise.reject(new UsageError(usage(command))));

async function start(): Promise<Running> {
  const settings = readSettings(process.env);
  const { createServer } = await import("./server.ts");
  const server = await createServer({ settings, log: createLog(settings) });
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

function usage(command: string): string {
  return `There is no command ${command}. codespar-server serves over HTTP, set up by environment variables; codespar-server mcp --help tells of MCP over stdio.`;
}

function showKey(key: string): void {
  process.stdout.write(`A test key, shown this once (it is kept as a hash):\n  ${key}\n\n`);
}

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
