/**
 * `npm run demo`: the main job on embedded defaults. Starts a server on a free port, and then is only its client: asks the agent
 * for a whole checkout in one sentence, watches the Pix settle, and reads the same payment through all four doors.
 *
 *   npm run demo -- --json   one JSON summary instead of the show
 *   npm run demo -- --keep   leaves the server running and prints its URLs and key
 */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { toDecimal, type Currency } from "../schema/money.ts";
import { newKey } from "../src/access/keys.ts";
import { createServer, type Server } from "../src/server.ts";
import { readSettings } from "../src/settings.ts";
import { openDoors, type Doors } from "./doors.ts";
import { createScreen, type Screen } from "./present.ts";

const REQUEST =
  "Charge R$150 via Pix to Maria Silva, CPF 111.444.777-35, then issue the NFS-e, create a Correios label to 01310-100 and tell her on WhatsApp +5511999998888";

/** The demo gives up on a payment that does not settle; the sandbox's Pix takes a few seconds. */
const SETTLE_MS_MAX = 60_000;

interface ToolCallLine {
  id: string;
  tool_name: string;
  provider: string | null;
  status: string;
  state: string | null;
}

interface Summary {
  session_id: string;
  tool_calls: { id: string; tool: string; provider: string | null; status: string }[];
  payment: { tool_call_id: string; status: string };
  doors: Record<"graphql" | "trpc" | "rest" | "mcp", string>;
  ledger: { balanced: boolean };
}

const { values: flags } = parseArgs({ options: { json: { type: "boolean" }, keep: { type: "boolean" } } });

/** With --json nothing but the summary goes to standard output. */
const screen = createScreen(flags.json ? process.stderr : process.stdout);
const quiet: Screen = { title() {}, step() {}, say() {}, stream() {}, endStream() {}, pixCode() {}, table() {} };

async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), "codespar-demo-"));
  // As root PostgreSQL runs as another user, who must be able to walk in; what is inside is closed by its own modes.
  await chmod(dataDir, 0o711);
  const key = newKey("test");
  const settings = readSettings({ PORT: "0", DATA_DIR: dataDir, BOOTSTRAP_TEST_KEY: key, LOG_LEVEL: "error" });
  const server = await createServer({ settings, log: pino({ level: settings.LOG_LEVEL }, process.stderr) });
  try {
    const { url } = await server.listen();
    const summary = await show(openDoors(url, key), url, flags.json ? quiet : screen);
    if (flags.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    if (flags.keep) await keepRunning(url, key);
  } finally {
    await stop(server, dataDir);
  }
}

async function show(doors: Doors, url: string, screen: Screen): Promise<Summary> {
  screen.title("CodeSpar Server: one sentence, a whole checkout");
  screen.step("server ready", `${url} (embedded PostgreSQL, sandbox providers, offline planner)`);
  const sessionId = await doors.openSession("demo-user");
  screen.step("session open", sessionId);
  screen.say(`\n  “${REQUEST}”\n`);

  const charge = await runAgent(doors, sessionId, screen);
  const status = await watchUntilPaid(doors, charge, screen);

  screen.title("The books");
  const { transactions } = await doors.rest<{ transactions: LedgerLine[] }>("/v1/ledger/transactions");
  for (const { description, entries } of transactions.toReversed()) {
    screen.say(description);
    screen.table(["account", "debit", "credit"], entries.map(({ account, currency, direction, amount_minor }) => {
      const amount = `${toDecimal({ amountMinor: BigInt(amount_minor), currency })} ${currency}`;
      return [`  ${account}`, direction === "debit" ? amount : "", direction === "credit" ? amount : ""];
    }));
  }
  const { balanced } = await doors.rest<{ balanced: boolean }>("/v1/ledger/trial-balance");
  screen.say(balanced ? "debits equal credits in every currency" : "THE BOOKS DO NOT BALANCE");

  screen.title("The tool calls");
  const { tool_calls } = await doors.rest<{ tool_calls: ToolCallLine[] }>(`/v1/tool-calls?session_id=${sessionId}`);
  const calls = tool_calls.toReversed();
  screen.table(["tool call", "tool", "provider", "status", "became"], calls.map((call) => [call.id, call.tool_name, call.provider ?? "-", call.status, call.state ?? "-"]));

  screen.title("The same payment through four doors");
  const read = { graphql: "", trpc: "", rest: "", mcp: "" };
  for (const door of Object.keys(read) as (keyof typeof read)[]) read[door] = await doors.readPayment[door]({ sessionId, toolCallId: charge });
  screen.table(["door", "status"], Object.entries(read));
  screen.say("");

  return {
    session_id: sessionId,
    tool_calls: calls.map(({ id, tool_name: tool, provider, status: ended }) => ({ id, tool, provider, status: ended })),
    payment: { tool_call_id: charge, status },
    doors: read,
    ledger: { balanced },
  };
}

interface LedgerLine {
  description: string;
  entries: { account: string; currency: Currency; direction: "debit" | "credit"; amount_minor: string }[];
}

/** Sends the sentence, shows each event as it comes, and returns the charge's tool call id. */
async function runAgent(doors: Doors, sessionId: string, screen: Screen): Promise<string> {
  let charge: string | undefined;
  for await (const event of doors.sendStream(sessionId, REQUEST)) {
    if (event.type === "text_delta") screen.stream(String(event["text"]));
    else screen.endStream();
    if (event.type === "tool_use") screen.step(`→ ${String(event["name"])}`, brief(event["input"]));
    if (event.type === "tool_result") {
      const output = (event["output"] ?? {}) as Record<string, unknown>;
      screen.step(`← ${String(event["status"])}`, `${String(event["server_id"])}, ${String(event["duration_ms"])} ms`);
      if (event["tool_name"] === "codespar_charge") charge = String(event["id"]);
      if (typeof output["pix_copy_paste"] === "string") screen.pixCode(output["pix_copy_paste"]);
    }
    if (event.type === "error") throw new Error(`the run failed: ${String(event["message"])}`);
  }
  if (!charge) throw new Error("the agent made no charge");
  return charge;
}

/** Follows the payment by GraphQL subscription until it succeeds. */
async function watchUntilPaid(doors: Doors, toolCallId: string, screen: Screen): Promise<string> {
  screen.title("Waiting for Maria to pay (GraphQL subscription)");
  const late = setTimeout(() => {
    process.stderr.write(`The payment did not settle within ${SETTLE_MS_MAX / 1000} s.\n`);
    process.exit(1);
  }, SETTLE_MS_MAX);
  let last = "";
  for await (const status of doors.watchPayment(toolCallId)) {
    screen.step(status);
    last = status;
    if (status === "succeeded") break;
  }
  clearTimeout(late);
  if (last !== "succeeded") throw new Error(`the payment ended as ${last}`);
  return last;
}

const brief = (input: unknown): string => {
  const text = JSON.stringify(input);
  return text.length > 150 ? `${text.slice(0, 147)}…` : text;
};

async function keepRunning(url: string, key: string): Promise<void> {
  process.stderr.write([
    `The server goes on at ${url} until Ctrl-C.`, `  key      ${key}`, `  GraphQL  ${url}/graphql`, `  tRPC     ${url}/trpc`, `  REST     ${url}/v1`,
    `  MCP      ${url}/mcp`, "",
  ].join("\n"));
  await new Promise<void>((resolve) => ["SIGINT", "SIGTERM"].forEach((signal) => process.once(signal, () => resolve())));
}

async function stop(server: Server, dataDir: string): Promise<void> {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}

await main();
process.exit(0);
