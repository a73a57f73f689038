/** `codespar-server mcp` as an MCP host runs it: a process of its own, spoken to over its stdin and stdout. Gone by the end of each test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, afterEach } from "vitest";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { removeDataDir } from "./global-setup.ts";

const tsx = import.meta.resolve("tsx");
const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** A first start makes a database; the machine may be busy. */
const START_MS_MAX = 60_000;

const closers: (() => Promise<unknown>)[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => {
  for (const folder of folders) await removeFolder(folder);
});

export interface McpRun {
  args?: string[];
  env?: Record<string, string>;
  /** Where it runs, and whose home that is. */
  folder: string;
}

/** A client that has run the command and shaken hands with it. */
export async function connectMcp({ args = [], env = {}, folder }: McpRun, options: ClientOptions): Promise<{ client: Client; errors(): string }> {
  const transport = new StdioClientTransport({
    command: process.execPath, args: ["--import", tsx, main, "mcp", ...args], env: { HOME: folder, ...env }, cwd: folder, stderr: "pipe",
  });
  let errors = "";
  transport.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const client = new Client({ name: "test", version: "1.0.0" }, options);
  closers.push(() => client.close());
  await client.connect(transport, { timeout: START_MS_MAX });
  return { client, errors: () => errors };
}

export interface RawMcp {
  /** One message, as a line. */
  send(message: object): void;
  closeStdin(): void;
  signal(name: NodeJS.Signals): void;
  output(): string;
  errors(): string;
  exited: Promise<number | null>;
}

/** The bare process, for what a client does not tell: its exit code, and all that it writes. */
export function runMcp({ args = [], env = {}, folder }: McpRun, command = "mcp"): RawMcp {
  const child = spawn(process.execPath, ["--import", tsx, main, command, ...args], { cwd: folder, env: { PATH: process.env["PATH"], HOME: folder, ...env } });
  const said = { output: "", errors: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.errors += chunk.toString()));
  const exited = once(child, "close").then(([code]) => code as number | null);
  closers.push(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  return {
    send: (message) => child.stdin.write(`${JSON.stringify(message)}\n`),
    closeStdin: () => child.stdin.end(),
    signal: (name) => child.kill(name),
    output: () => said.output, errors: () => said.errors, exited,
  };
}

/** A folder whose database a server may run that is not root's. */
export async function newMcpFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "codespar-mcp-"));
  await chmod(folder, 0o711);
  folders.push(folder);
  return folder;
}

export const databaseRuns = (dataDir: string): Promise<boolean> =>
  access(join(dataDir, "postgres", "postmaster.pid")).then(() => true, () => false);

/** Where the command keeps its database in such a folder when it is not told. */
export const usualDataDir = (folder: string): string => join(folder, ".codespar-server");

async function removeFolder(folder: string): Promise<void> {
  for (const dataDir of [usualDataDir(folder), join(folder, "data")]) {
    if (await databaseRuns(dataDir)) await (await startEmbeddedPostgres({ dataDir })).stop();
    await removeDataDir(dataDir).catch(() => {});
  }
  await rm(folder, { recursive: true, force: true });
}
