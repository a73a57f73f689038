/** `send` with a model: the real SDK over a scripted Messages API, and the whole server behind its tools. */
import { afterAll, expect, test } from "vitest";
import { startApp } from "../../support/app.ts";
import { messagesApi, type Turn } from "../../support/messages-api.ts";

const script: Turn[] = [];
const api = messagesApi(script);
const model = await api.listen();
afterAll(() => model.close());

const KEY = "sk-ant-test-canary";
const app = await startApp({ env: { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: model.baseUrl } });

/** Sends a message to a model that answers with these turns. */
async function sendScripted(message: string, turns: Turn[]) {
  script.splice(0, script.length, ...Array.from({ length: api.requests.length }, (): Turn => ({})), ...turns);
  const from = api.requests.length;
  const session_id = await app.session();
  const result = await app.call("sessions.send", { session_id, message });
  return { session_id, result, requests: api.requests.slice(from) };
}

const charge = (id: string, input: object): Turn => ({ content: [{ type: "tool_use", id, name: "codespar_charge", input }] });
const done: Turn = { content: [{ type: "text", text: "Done." }] };
const maria = { amount: 15000, currency: "BRL", method: "pix", buyer: { name: "Maria Silva", document: "111.444.777-35" } };

test("the model is shown the nine meta-tools, and its tool use goes through the pipeline", async () => {
  const { result, requests } = await sendScripted("Charge Maria R$150", [charge("toolu_1", maria), done]);
  expect(result).toMatchObject({ message: "Done.", iterations: 2, tool_calls: [{ tool_name: "codespar_charge", server_id: "asaas", status: "success" }] });
  expect(requests[0]!.body.tools.map(({ name }: { name: string }) => name)).toHaveLength(9);
  expect(JSON.stringify(requests[0]!.body.tools)).not.toContain("idempotency_key");
  const [block] = requests[1]!.body.messages.at(-1).content;
  expect(block).toMatchObject({ type: "tool_result", tool_use_id: "toolu_1", is_error: false });
  expect(JSON.stringify(block.content)).toContain(result.tool_calls[0]!.id);
});

test("a model that plans the same charge again in one run gets the first one's answer, whatever it calls it", async () => {
  const again = { ...maria, amount: 15000, buyer: { name: "MARIA  SILVA", document: "11144477735" }, description: "second try" };
  const { result } = await sendScripted("Charge Maria R$150", [
    charge("toolu_1", maria),
    charge("toolu_2", { ...again, idempotency_key: "made-up-by-the-model", metadata: { order_id: "made-up" }, provider: "asaas" }),
    done,
  ]);
  expect(new Set(result.tool_calls.map(({ id }) => id)).size).toBe(1);
  expect(result.tool_calls[1]!.output).toEqual(result.tool_calls[0]!.output);
  const [row] = (await app.call("toolCalls.list", {})).tool_calls;
  expect(row!.idempotency_key).not.toBe("made-up-by-the-model");
});

test("the same words in a new message are a new charge", async () => {
  const first = await sendScripted("Charge Maria R$150", [charge("toolu_1", maria), done]);
  const second = await sendScripted("Charge Maria R$150", [charge("toolu_1", maria), done]);
  expect(second.result.tool_calls[0]!.id).not.toBe(first.result.tool_calls[0]!.id);
});

test("two orders of one amount to one buyer are two charges", async () => {
  const { result } = await sendScripted("Charge Maria R$150 for order A-1 and R$150 for order A-2", [charge("toolu_1", { ...maria, reference: "A-1" }), charge("toolu_2", { ...maria, reference: "A-2" }), done]);
  expect(new Set(result.tool_calls.map(({ id }) => id)).size).toBe(2);
});

test("an order reference that the user never wrote tells nothing apart", async () => {
  const { result } = await sendScripted("Charge Maria R$150", [charge("toolu_1", { ...maria, reference: "X-1" }), charge("toolu_2", { ...maria, reference: "X-2" }), done]);
  expect(new Set(result.tool_calls.map(({ id }) => id)).size).toBe(1);
});

test("a bad argument comes back as a result the model can act on, and nothing is sent", async () => {
  const before = app.twins!.requests("asaas").length;
  const { result, requests } = await sendScripted("Charge Maria", [charge("toolu_1", { ...maria, amount: 150.5 }), done]);
  expect(result.tool_calls[0]).toMatchObject({ status: "error", error_code: "amount_fraction" });
  const [block] = requests[1]!.body.messages.at(-1).content;
  expect(block.is_error).toBe(true);
  expect(JSON.stringify(block.content)).toMatch(/amount_fraction/);
  expect(app.twins!.requests("asaas").length).toBe(before);
});

test("a model that fails is told as such, with its key nowhere", async () => {
  script.splice(0, script.length, ...Array.from({ length: api.requests.length }, (): Turn => ({})), { error: { status: 401, type: "authentication_error", message: `bad key ${KEY}` } });
  const refusal = app.call("sessions.send", { session_id: await app.session(), message: "hi" });
  await expect(refusal).rejects.toMatchObject({ code: "model_failed", http: 502 });
  await expect(refusal).rejects.not.toMatchObject({ message: expect.stringContaining(KEY) });
});

test("what the run used is kept", async () => {
  const { result } = await sendScripted("hi", [{ ...done, usage: { input_tokens: 100, output_tokens: 7, cache_read_input_tokens: 900 } }]);
  const [run] = await app.platform.db.sql`select status, input_tokens, output_tokens, model from runs where id = ${result.run_id}`;
  expect(run).toEqual({ status: "done", input_tokens: 1000, output_tokens: 7, model: "claude-sonnet-5-5" });
});
