/**
 * `codespar-server mcp`: one MCP client, over stdin and stdout. Puts together what is behind it: the platform in this process, or a
 * server elsewhere. stdout is the client's; what there is to say goes to stderr.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { pino, type Logger } from "pino";
import { systemClock } from "../schema/clock.ts";
import { asFailure } from "../schema/failures.ts";
import { newId } from "../schema/ids.ts";
import { localKeyIn } from "./access/local-key.ts";
import type { CallerContext } from "./door.ts";
import { readMcpOptions, USAGE, type McpOptions } from "./mcp-options.ts";
import { createLog, type Running } from "./program.ts";
import type { Server } from "./server.ts";
import { readSettings, SettingsError, type Settings } from "./settings.ts";
import { StartError } from "./start-error.ts";
import { doorTools, INSTRUCTIONS } from "./surfaces/mcp/door-tools.ts";
import type { ToolSource } from "./surfaces/mcp/protocol.ts";
import { openRelay, type Remote } from "./surfaces/mcp/relay.ts";
import { namedSession } from "./surfaces/mcp/sessions.ts";
import { setupTools } from "./surfaces/mcp/setup.ts";
import { serveStdio, type StdioServing } from "./surfaces/mcp/stdio.ts";

/** What there is to serve, and how it is let go of. */
interface Opened {
  tools: ToolSource;
  close(): Promise<void>;
}

interface Serving extends Opened {
  /** Opens what the tools need; rejects with why it cannot be. */
  begin(): Promise<unknown>;
}

const STDERR = 2;
/** A client that only asks which eras we speak is gone by then: SDKs ask a process of its own, for which nothing need be opened. */
const PROBE_MS = 300;

export async function startMcp(args: readonly string[]): Promise<Running> {
  const options = readMcpOptions(args, process.env);
  if (options === "help") {
    process.stdout.write(USAGE);
    return { ended: Promise.resolve(), stop: async () => {} };
  }
  const settings = readSettings({ ...process.env, DATA_DIR: process.env["DATA_DIR"] || usualDataDir(), LOG_LEVEL: process.env["LOG_LEVEL"] || "warn" });
  const log = createLog(settings, pino.destination({ fd: STDERR, sync: true }));
  const serving = servingOf(options, settings, log);
  const stdio = serveStdio(serving.tools, log);
  return { ended: served(serving, stdio), stop: () => stdio.close().then(serving.close) };
}

/** MCP hosts start their servers anywhere, often where nothing can be written. */
const usualDataDir = (): string => (existsSync(".codespar") ? ".codespar" : join(homedir(), ".codespar-server"));

/** Resolves when the client has left; rejects when there is nothing to serve it with. */
async function served(serving: Serving, { ended }: StdioServing): Promise<void> {
  const hasLeft = await Promise.race([ended.then(() => true), sleep(PROBE_MS, false)]);
  if (hasLeft) return;
  try {
    await serving.begin();
  } catch (error) {
    await setImmediate(); // a request that waits for it is told first
    throw error;
  }
  await ended;
}

function servingOf(options: McpOptions, settings: Settings, log: Logger): Serving {
  const { baseUrl, apiKey } = options;
  if (baseUrl === undefined) return lazily(() => openHere(options, settings, log));
  if (apiKey !== undefined) return lazily(() => openThere({ ...options, baseUrl, apiKey }));
  return { tools: setupTools(baseUrl), begin: async () => {}, close: async () => {} };
}

/** Opened once, when it is begun or by the first request that needs it. */
function lazily(open: () => Promise<Opened>): Serving {
  let opening: Promise<Opened> | undefined;
  let isClosed = false;
  const begin = () => (opening ??= open());
  const refuse = (message: string): never => {
    throw new ProtocolError(ProtocolErrorCode.InternalError, message);
  };
  const tools = async () => {
    const opened = await begin().catch((error: Error) => refuse(error.message));
    return isClosed ? refuse("The server is stopping.") : opened.tools;
  };
  return {
    tools: { instructions: INSTRUCTIONS, list: async () => (await tools()).list(), call: async (use) => (await tools()).call(use) },
    begin,
    close: async () => {
      isClosed = true;
      await opening?.then((opened) => opened.close(), () => {}); // one that failed has let go of everything
    },
  };
}

async function openThere(options: Remote): Promise<Opened> {
  const relay = await openRelay(options).catch((error: Error) => {
    throw new StartError(error.message, { cause: error });
  });
  return { tools: relay, close: relay.close };
}

async function openHere(options: McpOptions, settings: Settings, log: Logger): Promise<Opened> {
  const local = settings.DATABASE_URL || options.apiKey || settings.BOOTSTRAP_TEST_KEY ? undefined : await localKeyIn(settings.DATA_DIR);
  const credential = options.apiKey ?? settings.BOOTSTRAP_TEST_KEY ?? local?.key;
  if (credential === undefined)
    throw new SettingsError("CODESPAR_API_KEY: expected a key of the database in DATABASE_URL. Example: CODESPAR_API_KEY=csk_test_…");
  const { createServer } = await import("./server.ts");
  const server = await createServer({ settings, log, localKey: local?.key });
  try {
    await server.open();
    const caller = { credential, projectId: options.projectId, origin: "mcp" } as const;
    const tools = await toolsHere(server, caller, options, local?.file);
    return { tools, close: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** Tools of a new session; one that idles away is followed by the next. */
async function toolsHere(
  { door, platform: { log } }: Server, caller: Omit<CallerContext, "requestId">, { userId, servers }: McpOptions, keyFile: string | undefined,
): Promise<ToolSource> {
  const asking = (): CallerContext => ({ ...caller, requestId: newId("request", systemClock.now()) });
  const { id } = await door.call("sessions.create", { user_id: userId, servers }, asking()).catch((error: unknown) => {
    const { code, message } = asFailure(error);
    throw new StartError(code === "unauthorized" ? keyRefused(message, keyFile) : message, { cause: error });
  });
  const source = (): ToolSource => {
    const caller = asking();
    return doorTools({ door, log, clock: systemClock, caller, session: namedSession(door, caller, id) });
  };
  return { instructions: INSTRUCTIONS, list: () => source().list(), call: (use) => source().call(use) };
}

/** A key from elsewhere is the likeliest mistake: without a URL nothing leaves this machine. */
const keyRefused = (message: string, keyFile: string | undefined): string =>
  keyFile === undefined
    ? `CODESPAR_API_KEY is refused by the database here: ${message} Leave it out to use a test key of this machine, or set CODESPAR_BASE_URL to the server it belongs to.`
    : `The key in ${keyFile} is refused: ${message} Remove the file to have another made.`;
