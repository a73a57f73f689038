/**
 * The real server and the real twins as processes of their own, for tests that kill one of them: started as `npm start` and
 * `npm run twins` start them, over loopback, and gone by the end of the file whatever happens in it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { liveFetch } from "../../providers/transport.ts";
import type { TwinFault } from "../../providers/twin-faults.ts";
import type { RecordedRequest, RecordedWebhook } from "../../providers/twin-host.ts";

export const processKey = "csk_test_0123456789abcdefPROCESS";

export interface Process {
  pid: number;
  /** Everything it has printed so far. */
  output(): string;
  /** `kill -9`, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the exit code. */
  stop(): Promise<number | null>;
}

export interface ServerProcess extends Process {
  url: string;
  port: number;
  /** Sends JSON under /v1 as the holder of the test key. */
  rest(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the test expects of it
  body: any;
}

export interface TwinsProcess extends Process {
  url: string;
  caFile: string;
  requests(twin: string): Promise<RecordedRequest[]>;
  webhooks(twin: string): Promise<RecordedWebhook[]>;
  setFault(twin: string, fault: TwinFault): Promise<void>;
  clearFaults(twin: string): Promise<void>;
}

/** What the file started and must not outlive it. */
const alive = new Set<ChildProcess>();
const folders: string[] = [];
const closing: (() => Promise<void>)[] = [];
process.once("exit", () => alive.forEach((child) => child.kill("SIGKILL")));
afterAll(async () => {
  await Promise.all([...alive].map(kill));
  await Promise.all(closing.splice(0).map((close) => close()));
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

/** A folder that goes with the file's processes. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "codespar-process-"));
  folders.push(folder);
  return folder;
}

export async function startTwinsProcess(options: { settleAfterMs: number }): Promise<TwinsProcess> {
  const caFile = join(await temporaryFolder(), "ca.pem");
  const env = { TWINS_PORT: "0", TWINS_CA_FILE: caFile, TWINS_SETTLE_AFTER_MS: String(options.settleAfterMs) };
  const { child, output, match } = await start("providers/twins-main.ts", { env, ready: /TWINS_URL=(https:\S+)/ });
  const url = match[1]!;
  const client = liveFetch({ tls: { ca: await readFile(caFile, "utf8") } });
  closing.push(() => client.close());
  const control = async (method: string, twin: string, what: string, body?: unknown): Promise<unknown> => {
    const answer = await client(new Request(`${url}/_twin/${twin}/${what}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) }));
    if (!answer.ok) throw new Error(`${method} ${what} was answered ${answer.status}: ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  };
  return {
    ...processOf(child, output), url, caFile,
    requests: async (twin) => ((await control("GET", twin, "requests")) as { requests: RecordedRequest[] }).requests,
    webhooks: async (twin) => ((await control("GET", twin, "webhooks")) as { webhooks: RecordedWebhook[] }).webhooks,
    setFault: async (twin, fault) => void (await control("POST", twin, "faults", fault)),
    clearFaults: async (twin) => void (await control("DELETE", twin, "faults")),
  };
}

/** `imports`: modules loaded before the server, as paths from the root of the project. */
export async function startServerProcess(options: {
  env: Record<string, string>;
  /** 0 takes a free one; a server that is started again must be given its old one, which its providers know. */
  port: number;
  imports?: readonly string[];
}): Promise<ServerProcess> {
  const env = { PORT: String(options.port), BOOTSTRAP_TEST_KEY: processKey, LOG_LEVEL: "warn", ...options.env };
  const { child, output, match } = await start("src/main.ts", { env, ready: /is ready on (http:\S+)/, imports: options.imports });
  const url = match[1]!;
  return {
    ...processOf(child, output), url, port: Number(new URL(url).port),
    rest: async (method, path, body, headers) => {
      const answer = await fetch(`${url}/v1${path}`, {
        method, headers: { authorization: `Bearer ${processKey}`, "content-type": "application/json", ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      return { status: answer.status, body: answer.status === 204 ? undefined : await answer.json() };
    },
  };
}

/** Asks again until the answer is as wanted; throws with the last one when the time is up. */
export async function eventually<Value>(ask: () => Promise<Value>, isWanted: (value: Value) => boolean, withinMs = 30_000): Promise<Value> {
  const until = performance.now() + withinMs;
  for (;;) {
    const value = await ask();
    if (isWanted(value)) return value;
    if (performance.now() > until) throw new Error(`still not as wanted after ${withinMs} ms: ${JSON.stringify(value, withBigints)}`);
    await sleep(ASK_AGAIN_MS);
  }
}

const ASK_AGAIN_MS = 50;
const START_MS_MAX = 30_000;
const STOP_MS_MAX = 15_000;
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const withBigints = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

async function start(
  main: string,
  { env, ready, imports = [] }: { env: Record<string, string>; ready: RegExp; imports?: readonly string[] | undefined },
): Promise<{ child: ChildProcess; output: () => string; match: RegExpExecArray }> {
  const loaded = ["tsx", ...imports.map((path) => new URL(path, new URL("../../", import.meta.url)).href)];
  const { PATH, HOME, TMPDIR } = process.env; // nothing else of this process: no settings of whoever runs the tests
  const child = spawn(process.execPath, [...loaded.flatMap((each) => ["--import", each]), main], {
    cwd: ROOT, env: { PATH, HOME, TMPDIR, ...env }, stdio: ["ignore", "pipe", "pipe"],
  });
  alive.add(child);
  child.once("exit", () => alive.delete(child));
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const startedAt = performance.now();
  for (;;) {
    const match = ready.exec(printed);
    if (match) return { child, output: () => printed, match };
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${main} ended before it was ready:\n${printed}`);
    if (performance.now() - startedAt > START_MS_MAX) throw new Error(`${main} was not ready in ${START_MS_MAX} ms:\n${printed}`);
    await sleep(20);
  }
}

const processOf = (child: ChildProcess, output: () => string): Process => ({
  pid: child.pid!, output,
  kill: () => kill(child),
  stop: async () => {
    const gone = exited(child);
    child.kill("SIGTERM");
    await Promise.race([gone, sleep(STOP_MS_MAX)]);
    if (alive.has(child)) throw new Error(`it did not stop in ${STOP_MS_MAX} ms:\n${output()}`);
    return child.exitCode;
  },
});

async function kill(child: ChildProcess): Promise<void> {
  const gone = exited(child);
  child.kill("SIGKILL");
  await gone;
}

const exited = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
};
