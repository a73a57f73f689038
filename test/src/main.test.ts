/** The program itself, as an operator runs it: a process, its output, its signals, and what it leaves behind. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { access, chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient as createGraphqlSse } from "graphql-sse";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { mariaCharge, testKey } from "../support/app.ts";
import { testDatabase } from "../support/database.ts";
import { removeDataDir } from "../support/global-setup.ts";
import { messagesApi } from "../support/messages-api.ts";

const tsx = import.meta.resolve("tsx");
const program = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const masterKey = randomBytes(32).toString("base64");
const own = await testDatabase();
/** Settings under which a start makes no database of its own. */
const shared = { DATABASE_URL: own.url, MASTER_KEY: masterKey, BOOTSTRAP_TEST_KEY: testKey };

const folders: string[] = [];
const running = new Set<Program>();
afterEach(async () => {
  await Promise.all([...running].map((left) => left.signal("SIGKILL")));
});
afterAll(async () => {
  for (const folder of folders) {
    await removeDataDir(join(folder, ".codespar")).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
});

describe("a start", () => {
  test("without settings makes its own database and a test key, shown once, that works from then on", async () => {
    const folder = await newFolder();
    const first = await start(folder);
    expect(first.url).toMatch(/^http:\/\/localhost:\d+$/);
    const { port } = new URL(first.url);
    for (const address of ["127.0.0.1", "[::1]"]) {
      expect(await (await fetch(`http://${address}:${port}/health`)).json()).toEqual({ status: "ok" });
      const ready = await fetch(`http://${address}:${port}/ready`);
      expect([ready.status, await ready.json()]).toEqual([200, { ok: true, checks: { database: "ok", migrations: "ok" } }]);
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

  test("shows no key when one was given", async () => {
    const server = await start(await newFolder(), shared);
    expect(server.keysShown()).toEqual([]);
    expect(server.output()).toContain("$BOOTSTRAP_TEST_KEY");
    expect(await openSession(server.url, testKey)).toMatch(/^ses_/);
    expect(await server.signal("SIGTERM")).toBe(0);
  });

  test("of two servers in one folder makes one database; the first may leave the second to it", async () => {
    const folder = await newFolder();
    const first = await start(folder);
    const [key = ""] = first.keysShown();
    const second = await start(folder);
    expect(second.output()).toContain("database: joined PostgreSQL");
    expect(second.keysShown()).toEqual([]);
    const sessionId = await openSession(first.url, key);
    expect(await charge(second.url, key, sessionId)).toMatchObject({ success: true });
    expect(await first.signal("SIGTERM")).toBe(0);
    expect(await charge(second.url, key, sessionId)).toMatchObject({ success: true });
    expect(await get(second.url, key, `/v1/tool-calls?session_id=${sessionId}`)).toMatchObject({ tool_calls: [{}, {}] });
    expect(await second.signal("SIGTERM")).toBe(0);
    expect(await databaseIsUp(folder)).toBe(false);
  });

  test("of two servers at once in a new folder makes one key, which works on both", async () => {
    const folder = await newFolder();
    const servers = await Promise.all([start(folder), start(folder)]);
    const keys = servers.flatMap((server) => server.keysShown());
    expect(new Set(keys).size).toBe(1);
    for (const { url } of servers) expect(await charge(url, keys[0]!, await openSession(url, keys[0]!))).toMatchObject({ success: true });
    expect(await Promise.all(servers.map((server) => server.signal("SIGTERM")))).toEqual([0, 0]);
  });
});

describe("a start that cannot be", () => {
  test.each([
    [{ PORT: "hush" }, "PORT: expected a port number from 0 to 65535 (0 takes a free one). Example: PORT=4000"],
    [{ MASTER_KEY: "hush" }, "MASTER_KEY: expected 32 bytes in base64. Example: MASTER_KEY=the output of: openssl rand -base64 32"],
    [{ DATABASE_URL: "mysql://hush@db/x" }, "DATABASE_URL: expected a PostgreSQL URL. Example: DATABASE_URL=postgres://user:secret@db.internal:5432/codespar"],
    [{ LOG_LEVEL: "hush" }, "LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent. Example: LOG_LEVEL=info"],
    [{ DATABASE_URL: "postgres://hush@db/x" }, "MASTER_KEY: expected 32 bytes in base64, the same at every start of every process that shares DATABASE_URL. Example: MASTER_KEY=the output of: openssl rand -base64 32"],
    [{ HOST: "nowhere.invalid", ...shared }, "HOST: expected a name that has an address; nowhere.invalid has none. Example: HOST=0.0.0.0 (all addresses)"],
    [{ HOST: "192.0.2.1", ...shared }, "HOST: expected an address of this machine; 192.0.2.1 is not one. Example: HOST=0.0.0.0 (all of them)"],
    [{ TWINS_URL: "https://localhost:1", TWINS_CA_FILE: "missing.pem", ...shared }, "TWINS_CA_FILE: expected the file the twins process wrote its CA to; missing.pem cannot be read (ENOENT). Example: TWINS_CA_FILE=.twins/ca.pem"],
  ])("by %j says only what is wrong, what was expected, and an example", async (settings, message) => {
    const refused = launch(await newFolder(), settings);
    expect(await refused.exited).toBe(1);
    expect(refused.errors()).toBe(`The settings are not right:\n${message}\n`);
  });

  test("for want of a database says where it looked, and no password", async () => {
    const refused = launch(await newFolder(), { ...shared, DATABASE_URL: "postgres://me:hush@127.0.0.1:1/x" });
    expect(await refused.exited).toBe(1);
    expect(refused.errors()).toBe(
      "The server did not start. The database cannot be reached: connect ECONNREFUSED 127.0.0.1:1. Check that it runs and that DATABASE_URL is right.\n",
    );
  });

  test("for want of a folder says so", async () => {
    const folder = await newFolder();
    await writeFile(join(folder, "file"), "");
    const refused = launch(folder, { DATA_DIR: join(folder, "file", "data") });
    expect(await refused.exited).toBe(1);
    expect(refused.errors()).toMatch(/^The server did not start\. DATA_DIR: expected a folder that this user may make and write; .* is not \(ENOTDIR\)\.\n$/);
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
      `The settings are not right:\nPORT: expected a free port; port ${port} of localhost is in use. End the process that listens there, or choose another port. Example: PORT=0 (any free one)\n`,
    );
    expect(await databaseIsUp(folder)).toBe(false);
    const [key = ""] = refused.keysShown();
    const server = await start(folder);
    expect(await openSession(server.url, key)).toMatch(/^ses_/);
    expect(await server.signal("SIGTERM")).toBe(0);
  });

  test("under another master key than the one that sealed the credentials is refused, and under that one goes on", async () => {
    const folder = await newFolder();
    const server = await start(folder);
    const [key = ""] = server.keysShown();
    const sessionId = await openSession(server.url, key);
    expect(await server.signal("SIGTERM")).toBe(0);

    const refused = launch(folder, { MASTER_KEY: masterKey });
    expect(await refused.exited).toBe(1);
    expect(refused.errors()).toMatch(/^The server did not start\. MASTER_KEY is not the key under which this database's credentials were sealed, .* master\.key of its DATA_DIR\.\n$/);
    expect(await databaseIsUp(folder)).toBe(false);

    const again = await start(folder);
    expect(await charge(again.url, key, sessionId)).toMatchObject({ success: true });
    expect(await again.signal("SIGTERM")).toBe(0);
  });
});

describe("a stop", () => {
  test("within ten seconds ends every open stream with its last words, and a second signal changes nothing", async () => {
    const model = messagesApi([{ content: [{ type: "text", text: "One moment" }], hold: { before: 3, until: new Promise(() => {}) } }]);
    const { baseUrl, close } = await model.listen();
    const folder = await newFolder();
    const server = await start(folder, { ANTHROPIC_API_KEY: "sk-ant-test", ANTHROPIC_BASE_URL: baseUrl, TWIN_SETTLE_MS: "3600000" });
    const [key = ""] = server.keysShown();
    const sessionId = await openSession(server.url, key);
    const { tool_call_id: paymentId } = await charge(server.url, key, sessionId);

    const status = await openStream(server.url, key, `/v1/tool-calls/${paymentId}/payment-status/stream`);
    const graphql = await subscribe(server.url, key, paymentId!);
    const send = await openStream(server.url, key, `/v1/sessions/${sessionId}/send`, { message: "hello" });
    const begun = performance.now();
    const exited = server.signal("SIGTERM");
    expect(await status.rest).toMatch(/event: done\ndata: \{"reason":"shutting_down"\}\n\n$/);
    expect(await graphql.rest).toBe("complete");
    void server.signal("SIGTERM");
    void server.signal("SIGINT");
    await expect(fetch(`${server.url}/health`)).rejects.toThrow("fetch failed");
    expect(await send.rest).toMatch(/event: error\ndata: \{"type":"error","error":"shutting_down",[^\n]*\}\n\n$/);
    expect(await exited).toBe(0);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(server.errors()).toBe("");
    expect(await databaseIsUp(folder)).toBe(false);
    await close();
  });

  test("asked for during the start comes when the start is done", async () => {
    const folder = await newFolder();
    const server = launch(folder);
    await expect.poll(() => databaseIsUp(folder), { timeout: 15_000 }).toBe(true);
    expect(await server.signal("SIGTERM")).toBe(0);
    expect(await databaseIsUp(folder)).toBe(false);
    expect(server.keysShown()).not.toEqual([]);
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
  const ready = expect.poll(() => /^GraphQL (.*)\/graphql/m.exec(launched.output())?.[1], { timeout: 15_000 }).toBeDefined();
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

const databaseIsUp = (folder: string): Promise<boolean> =>
  access(join(folder, ".codespar", "postgres", "postmaster.pid")).then(() => true, () => false);

const headers = (key: string) => ({ authorization: `Bearer ${key}`, "content-type": "application/json" });

async function get(url: string, key: string, path: string): Promise<unknown> {
  return (await fetch(url + path, { headers: headers(key) })).json();
}

async function post<Answer>(url: string, key: string, path: string, body: object): Promise<Answer> {
  return (await (await fetch(url + path, { method: "POST", headers: headers(key), body: JSON.stringify(body) })).json()) as Answer;
}

const openSession = async (url: string, key: string): Promise<string> =>
  (await post<{ id: string }>(url, key, "/v1/sessions", { user_id: "maria", servers: [] })).id;

const charge = (url: string, key: string, sessionId: string) =>
  post<{ tool_call_id?: string }>(url, key, `/v1/sessions/${sessionId}/execute`, { tool: "codespar_charge", input: mariaCharge });

/** A stream of events, once its first has come. */
async function openStream(url: string, key: string, path: string, body?: object): Promise<{ rest: Promise<string> }> {
  const response = await fetch(url + path, {
    headers: { ...headers(key), accept: "text/event-stream" }, ...(body && { method: "POST", body: JSON.stringify(body) }),
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

async function subscribe(url: string, key: string, toolCallId: string): Promise<{ rest: Promise<string> }> {
  const client = createGraphqlSse({ url: `${url}/graphql`, headers: headers(key), retryAttempts: 0 });
  const query = "subscription ($id: String!) { paymentStatus(toolCallId: $id) { status } }";
  const events = client.iterate({ query, variables: { id: toolCallId } });
  expect(await events.next()).toMatchObject({ value: { data: { paymentStatus: { status: "pending" } } } });
  return { rest: events.next().then(({ done, value }) => (done ? "complete" : JSON.stringify(value))) };
}
