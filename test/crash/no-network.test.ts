/** Test mode is whole without a network: every provider's tools and the agent run in a server that can reach this machine only. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { testDatabase } from "../support/database.ts";
import { asaasCharge, supplierPayout } from "../support/money.ts";
import { eventually, startServerProcess, temporaryFolder, type ServerProcess } from "../support/server-process.ts";

const GUARD = "test/support/no-network.ts";
const { sql, url: databaseUrl } = await testDatabase();

let server: ServerProcess;
let log: string;
let sessionId: string;

beforeAll(async () => {
  log = join(await temporaryFolder(), "attempts");
  await writeFile(log, "");
  server = await startServerProcess({
    port: 0, imports: [GUARD],
    env: { DATABASE_URL: databaseUrl, MASTER_KEY: Buffer.alloc(32, 7).toString("base64"), TWIN_SETTLE_MS: "200", NO_NETWORK_LOG: log },
  });
  sessionId = (await server.rest("POST", "/sessions", { user_id: "maria" })).body.id;
}, 60_000);

const attempts = async (): Promise<string[]> => (await readFile(log, "utf8")).split("\n").filter(Boolean);
const destination = { postal_code: "01310-100", name: "Maria Silva", document: "111.444.777-35", line_1: "Avenida Paulista", number: "1000", city: "Sao Paulo", state: "SP" };

test("the guard refuses and counts what is not on this machine", async () => {
  const folder = await temporaryFolder();
  const [probe, probed] = [join(folder, "probe.mjs"), join(folder, "attempts")];
  await writeFile(probed, "");
  await writeFile(probe, `
    import { createServer, connect } from "node:net";
    import { lookup } from "node:dns";
    import { resolve } from "node:dns/promises";
    const silent = () => {};
    await fetch("http://192.0.2.1/").catch(silent);
    await fetch("https://payments.example.com/").catch(silent);
    await new Promise((done) => lookup("payments.example.com", done));
    await resolve("payments.example.com").catch(silent);
    const server = createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
    await new Promise((done) => server.once("listening", done));
    await new Promise((done, failed) => connect(server.address().port, "localhost").once("data", done).once("error", failed));
    server.close();
    console.log("loopback works");`);
  const guard = new URL(`../../${GUARD}`, import.meta.url).href;
  const child = spawn(process.execPath, ["--import", "tsx", "--import", guard, probe], {
    cwd: fileURLToPath(new URL("../../", import.meta.url)), env: { PATH: process.env["PATH"], NO_NETWORK_LOG: probed }, stdio: ["ignore", "pipe", "inherit"],
  });
  const [[printed]] = await Promise.all([once(child.stdout, "data"), once(child, "exit")]);
  expect(String(printed)).toBe("loopback works\n");
  expect((await readFile(probed, "utf8")).trim().split("\n")).toEqual([
    "connect 192.0.2.1", "connect payments.example.com", "lookup payments.example.com", "resolve payments.example.com",
  ]);
}, 30_000);

test.each<[string, string, object]>([
  ["asaas", "codespar_charge", asaasCharge],
  ["asaas", "codespar_pay", supplierPayout],
  ["nfe-io", "codespar_invoice", { type: "nfse", recipient: { name: "Maria Silva", document: "111.444.777-35" }, items: [{ amount: 15_000 }] }],
  ["melhor-envio", "codespar_ship", { action: "quote", destination }],
  ["melhor-envio", "codespar_ship", { action: "label", destination }],
  ["z-api", "codespar_notify", { channel: "whatsapp", to: "+5511999998888", message: "Pedido 1234 a caminho" }],
  ["bitso", "codespar_crypto_pay", { amount: "29.90", currency: "USDC", network: "polygon", direction: "send", recipient: { wallet_address: "0x52908400098527886E0F7030069857D2E4169EE7" } }],
  ["persona", "codespar_kyc", { subject: { name: "Maria Silva", document: "111.444.777-35", document_type: "cpf" } }],
])("%s serves %s", async (provider, tool, input) => {
  const { body } = await server.rest("POST", `/sessions/${sessionId}/execute`, { tool, input });
  expect(body).toMatchObject({ success: true, error: null, outcome: "accepted", provider });
}, 30_000);

test("the agent takes one sentence through four tools", async () => {
  const { status, body } = await server.rest("POST", `/sessions/${sessionId}/send`, {
    message: "Charge R$150 via Pix to Maria Silva, CPF 111.444.777-35, then issue the NFS-e, create a Correios label to 01310-100 and tell her on WhatsApp +5511999998888",
  });
  expect(status).toBe(200);
  expect(body.tool_calls.map((call: { tool_name: string }) => call.tool_name)).toEqual([
    "codespar_charge", "codespar_invoice", "codespar_ship", "codespar_notify",
  ]);
}, 60_000);

test("what was started settles, told by webhooks that never leave the process", async () => {
  const unsettled = () => sql`
    select tool_name, state from tool_calls where settles is not null and status = 'success' and (state is null or state in ('pending', 'processing', 'queued'))`;
  await eventually(unsettled, (rows) => rows.length === 0);
  expect((await server.rest("GET", "/ledger/trial-balance")).body).toMatchObject({ balanced: true });
}, 60_000);

test("and not one attempt was made to reach another machine", async () => {
  expect(await attempts()).toEqual([]);
  expect(await server.stop()).toBe(0);
  expect(await attempts()).toEqual([]);
}, 30_000);
