/** The program itself, as an operator runs it: a process, its output, its signals, and what it leaves behind. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { access, chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient as createGraphqlSse } from "graphql-sse";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { startEmbeddedPostgres } from "../../src/db/embedded.ts";
import { mariaCharge, testKey } from "../support/app.ts";
import { testDatabase } from "../support/database.ts";
import { removeDataDir } from "../support/global-setup.ts";
import { messagesApi } from "../support/messages-api.ts";

const tsx = import.meta.resolve("tsx");
const program = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
/** A start takes one or two seconds on an idle machine. */
const START_MS_MAX = 30_000;
const TEST_MS_MAX = 90_000;

const folders: string[] = [];
const running = new Set<Program>();
afterEach(async () => {
  await Promise.all([...running].map((left) => left.signal("SIGKILL")));
});
afterAll(async () => {
  for (const folder of folders) {
    if (await databaseIsUp(folder)) await (await startEmbeddedPostgres({ dataDir: join(folder, ".codespar") })).stop();
    await removeDataDir(join(folder, ".codespar")).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
});

describe("a start", { timeout: TEST_MS_MAX }, () => {
  test("without settings makes its own database and a test key, shown once, that works from then on", async () => {
    const folder = await newFolder();
    const first = await start(folder);
    expect(first.url).toMatch(/^http:\/\/localhost:\d+$/);
    const { port } = new URL(first.url);
    for (const address of ["127.0.0.1", "[::1]"]) {
      expect(await (await fetch(`http://${address}:${port}/health`)).json()).toEqual({ status: "ok" });
      const ready = await fetch(`http://${address}:${port}/ready`);
      expect(ready.status).toBe(200);
      expect(await ready.json()).toEqual({ ok: true, checks: { database: "ok", migrations: "ok" } });
    }
    const [key = ""] = first.keysShown();
    expect(first.keysShown()).toEqual([key, key]); // on its own, and in the command to try
    const sessionId = await openSession(first.url, key);
    expect(await charge(first.url, key, sessionId)).toMatchObject({ success: true, provider: "asaas" });
    expect(await first.signal("SIGTERM")).toBe(0);
    expect(await databaseIsUp(folder)).toBe(false);

    const second = await start(folder);
    expect(second.keysShown()).toEqual([]);
    expect(await get(second.url, key, `/v1/sessions/${sessionId}`)).toMatchObject({ id: sessionId, status: "active" });
    expect(await charge(second.url, key, sessionId)).toMatchObject({ success: true });
    expect(await second.signal("SIGINT")).toBe(0);
  });

  test("of two at once in a new folder makes one database and one key, and one may leave the other to them", async () => {
    const folder = await newFolder();
    const servers = await Promise.all([start(folder), start(folder)]);
    const came = servers.map((server) => /database: (joined|started) PostgreSQL/.exec(server.output())?.[1]);
    expect(came.sort()).toEqual(["joined", "started"]);
    const [key = "", ...others] = new Set(servers.flatMap((server) => server.keysShown()));
    expect(others).toEqual([]);
    const starter = servers.find((server) => server.output().includes("database: started"))!;
    const joiner = servers.find((server) => server !== starter)!;
    const sessionId = await openSession(starter.url, key);
    expect(await charge(joiner.url, key, sessionId)).toMatchObject({ success: true });
    expect(await starter.signal("SIGTERM")).toBe(0);
    expect(await charge(joiner.url, key, sessionId)).toMatchObject({ success: true });
    const listed = await get(joiner.url, key, `/v1/tool-calls?session_id=${sessionId}`);
    expect(listed).toMatchObject({ tool_calls: [{}, {}] });
    expect(await joiner.signal("SIGTERM")).toBe(0);
    expect(await databaseIsUp(folder)).toBe(false);
  });

  test("on a given database with a given key shows no key, and another master key is refused there", async () => {
    const folder = await newFolder();
    const { url: DATABASE_URL } = await testDatabase();
    const settings = { DATABASE_URL, MASTER_KEY: newMasterKey(), BOOTSTRAP_TEST_KEY: testKey };
    const server = await start(folder, settings);
    expect(server.keysShown()).toEqual([]);
    expect(server.output()).toContain("$BOOTSTRAP_TEST_KEY");
    expect(await charge(server.url, testKey, await openSession(server.url, testKey))).toMatchObject({ success: true });
    expect(await server.signal("SIGTERM")).toBe(0);

    const refused = launch(folder, { ...settings, MASTER_KEY: newMasterKey() });
    expect(await refused.exited).toBe(1);
    expect(refused.errors()).toBe(
      "The server did not start. MASTER_KEY is not the key under which this database's credentials were sealed, " +
        "so none of them can be opened. Start with that key again; a server that was started without MASTER_KEY " +
        "keeps it in the file master.key of its DATA_DIR.\n",
    );
  });
});

describe("a start that cannot be", { timeout: TEST_MS_MAX }, () => {
  test("for wrong settings names each, with what was expected and an example, and nothing else", async () => {
    const refused = launch(await newFolder(), { PORT: "hush", DATABASE_URL: "mysql://hush@db/x", LOG_LEVEL: "hush" });
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toBe("");
    expect(refused.errors().split("\n")).toEqual([
      "The settings are not right:",
      "PORT: expected a port number from 0 to 65535 (0 takes a free one). Example: PORT=4000",
      "DATABASE_URL: expected a PostgreSQL URL. Example: DATABASE_URL=postgres://user:secret@db.internal:5432/codespar",
      "LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent. Example: LOG_LEVEL=info",
      "",
    ]);
  });

  test("on a shared database without its master key says why, and makes none", async () => {
    const folder = await newFolder();
    const refused = launch(folder, { DATABASE_URL: "postgres://hush@127.0.0.1:1/x" });
    expect(await refused.exited).toBe(1);
    expect(refused.errors()).toBe(
      "The settings are not right:\nMASTER_KEY: expected 32 bytes in base64, the same at every start of every " +
        "process that shares DATABASE_URL. Example: MASTER_KEY=the output of: openssl rand -base64 32\n",
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test("on a taken port names it, leaves no database running, and loses nobody the key it has made", async () => {
    const folder = await newFolder();
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const refused = launch(folder, { PORT: String(port) });
    expect(await refused.exited).toBe(1);
    other.close();
    expect(refused.errors()).toBe(
      `The settings are not right:\nPORT: expected a free port; port ${port} of localhost is in use. ` +
        "End the process that listens there, or choose another port. Example: PORT=0 (any free one)\n",
    );
    expect(await databaseIsUp(folder)).toBe(false);
    const [key = ""] = refused.keysShown();
    const server = await start(folder);
    expect(await openSession(server.url, key)).toMatch(/^ses_/);
    expect(await server.signal("SIGTERM")).toBe(0);
  });
});

describe("a stop", { timeout: TEST_MS_MAX }, () => {
  test("within ten seconds ends every open stream with its last words, and more signals change nothing", async () => {
    const never = new Promise(() => {});
    const unfinished = { content: [{ type: "text" as const, text: "One moment" }], hold: { before: 3, until: never } };
    const model = await messagesApi([unfinished]).listen();
    const folder = await newFolder();
    const toModel = { ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: model.baseUrl };
    const server = await start(folder, { ...toModel, TWIN_SETTLE_MS: "3600000" });
    const [key = ""] = server.keysShown();
    const sessionId = await openSession(server.url, key);
    const { tool_call_id: paymentId } = await charge(server.url, key, sessionId);
    const status = await openStream(server.url, key, `/v1/tool-calls/${paymentId}/payment-status/stream`);
    const subscription = await subscribe(server.url, key, paymentId!);
    const send = await openStream(server.url, key, `/v1/sessions/${sessionId}/send`, { message: "hello" });

    const begun = performance.now();
    const exited = server.signal("SIGTERM");
    const [statusEnd, subscriptionEnd] = await Promise.all([status.rest, subscription.rest]);
    void server.signal("SIGTERM");
    void server.signal("SIGINT");
    const [sendEnd, exitCode] = await Promise.all([send.rest, exited]);
    const tookMs = performance.now() - begun;
    await model.close();

    expect(statusEnd).toMatch(/event: done\ndata: \{"reason":"shutting_down"\}\n\n$/);
    expect(subscriptionEnd.at(0)).toEqual({ data: { paymentStatus: { status: "pending" } } });
    const stopping = { code: "shutting_down", retry: "same_key" };
    expect(subscriptionEnd.at(-1)).toMatchObject({ errors: [{ extensions: stopping }] });
    expect(sendEnd).toMatch(/event: error\ndata: \{"type":"error","error":"shutting_down",[^\n]*\}\n\n$/);
    expect([exitCode, server.errors()]).toEqual([0, ""]);
    expect(tookMs).toBeLessThan(10_000);
    expect(await databaseIsUp(folder)).toBe(false);
  });

  test("asked for during the start comes when the start is done", async () => {
    const folder = await newFolder();
    const server = launch(folder);
    await expect.poll(() => databaseIsUp(folder), { timeout: START_MS_MAX }).toBe(true);
    expect(await server.signal("SIGTERM")).toBe(0);
    expect(await databaseIsUp(folder)).toBe(false);
    expect(server.keysShown()).not.toEqual([]);
  });

  test("is not held up for longer than that by a start that waits for another", async () => {
    const folder = await newFolder();
    await mkdir(join(folder, ".codespar"));
    const owner = { pid: 7, born: "1", host: "another-machine" };
    await writeFile(join(folder, ".codespar", "postgres.lock"), JSON.stringify(owner));
    const server = launch(folder);
    await expect.poll(() => readdir(join(folder, ".codespar")), { timeout: START_MS_MAX }).toContain("master.key");
    const begun = performance.now();
    expect(await server.signal("SIGTERM")).toBe(1);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(server.errors()).toBe("The server did not stop within 9500 ms and was ended.\n");
  });
});

interface Program {
  output(): string;
  errors(): string;
  keysShown(): string[];
  /** The exit code, once everything it said has been read. */
  exited: Promise<number | null>;
  signal(name: NodeJS.Signals): Promise<number | null>;
}

/** Runs the program in a folder; nothing of this process's settings reaches it. */
function launch(folder: string, settings: Record<string, string> = {}): Program {
  const child = spawn(process.execPath, ["--import", tsx, program], {
    cwd: folder, env: { PATH: process.env["PATH"], PORT: "0", ...settings }, stdio: ["ignore", "pipe", "pipe"],
  });
  const said = { output: "", errors: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.errors += text));
  const exited = once(child, "close").then(([code]) => {
    running.delete(launched);
    return code as number | null;
  });
  const launched: Program = {
    output: () => said.output,
    errors: () => said.errors,
    keysShown: () => said.output.match(/csk_test_[\w-]{16,}/g) ?? [],
    exited,
    signal: (name) => (child.kill(name), exited),
  };
  running.add(launched);
  return launched;
}

async function start(folder: string, settings?: Record<string, string>): Promise<Program & { url: string }> {
  const launched = launch(folder, settings);
  const ended = launched.exited.then((code) => {
    throw new Error(`the server ended with ${code}: ${launched.output()}${launched.errors()}`);
  });
  const ready = expect.poll(() => launched.output(), { timeout: START_MS_MAX }).toMatch(/^GraphQL .*\n/m);
  await Promise.race([ready, ended]);
  ended.catch(() => {});
  return { ...launched, url: /is ready on (\S+)/.exec(launched.output())![1]! };
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "codespar-main-"));
  await chmod(folder, 0o711); // or root would keep the database elsewhere
  folders.push(folder);
  return folder;
}

const newMasterKey = (): string => randomBytes(32).toString("base64");

const databaseIsUp = (folder: string): Promise<boolean> =>
  access(join(folder, ".codespar", "postgres", "postmaster.pid")).then(() => true, () => false);

const headers = (key: string) => ({ authorization: `Bearer ${key}`, "content-type": "application/json" });

async function get(url: string, key: string, path: string): Promise<unknown> {
  return (await fetch(url + path, { headers: headers(key) })).json();
}

async function post<Answer>(url: string, key: string, path: string, body: object): Promise<Answer> {
  const response = await fetch(url + path, { method: "POST", headers: headers(key), body: JSON.stringify(body) });
  return (await response.json()) as Answer;
}

const openSession = async (url: string, key: string): Promise<string> =>
  (await post<{ id: string }>(url, key, "/v1/sessions", { user_id: "maria", servers: [] })).id;

const charge = (url: string, key: string, sessionId: string) =>
  post<{ tool_call_id?: string }>(url, key, `/v1/sessions/${sessionId}/execute`, {
    tool: "codespar_charge", input: mariaCharge,
  });

/** A stream of events, once its first has come. */
async function openStream(url: string, key: string, path: string, body?: object): Promise<{ rest: Promise<string> }> {
  const response = await fetch(url + path, {
    headers: { ...headers(key), accept: "text/event-stream" },
    ...(body && { method: "POST", body: JSON.stringify(body) }),
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const rest = async () => {
    let text = value;
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
    return text;
  };
  return { rest: rest() };
}

/** A GraphQL subscription to a payment, once its first state has come. `rest` is everything it was told. */
async function subscribe(url: string, key: string, toolCallId: string): Promise<{ rest: Promise<unknown[]> }> {
  const client = createGraphqlSse({ url: `${url}/graphql`, headers: headers(key), retryAttempts: 0 });
  const query = "subscription ($id: String!) { paymentStatus(toolCallId: $id) { status } }";
  const results = client.iterate({ query, variables: { id: toolCallId } });
  const { value: first } = await results.next();
  const rest = async () => {
    const told = [first];
    for await (const result of results) told.push(result);
    return told;
  };
  return { rest: rest() };
}
