/** What a dispatch may still say when others have spoken in the meantime, and what is answered when nothing can be read any more. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Observation, Outcome } from "../../../providers/provider.ts";
import { newId } from "../../../schema/ids.ts";
import { findConnection } from "../../../src/connections/connections.ts";
import { dispatch } from "../../../src/execution/dispatch.ts";
import { execute } from "../../../src/execution/execute.ts";
import { findToolCall } from "../../../src/execution/rows.ts";
import { applyObservation } from "../../../src/settlement/lookup.ts";
import type { Platform } from "../../../src/platform.ts";
import { mariaCharge, startApp } from "../../support/app.ts";
import { askedOf, expectBalanced, references, testPrincipal } from "../../support/money.ts";

const app = await startApp({ without: ["mercado-pago", "ebanx", "iugu", "pagseguro"] });
const { sql } = app.platform.db;
const principal = await testPrincipal(app);
const { orgId, projectId } = principal;
const sessionId = await app.session();
const [{ id: connectionId }] = await sql<[{ id: string }]>`select id from connections where project_id = ${projectId} and server_id = 'asaas'`;

/** Sends a claimed charge of R$100.00; `perform` is what happens while it is away. */
async function send(perform: (id: string) => Promise<Outcome<object>>): Promise<string> {
  const calledAt = app.clock.now();
  const id = newId("toolCall", calledAt);
  const key = randomUUID();
  await sql`
    insert into tool_calls (org_id, project_id, id, session_id, origin, environment, tool_name, server_id, provider, rail, connection_id, status, settles,
      idempotency_key, external_reference, amount_minor, currency, input, called_at, lease_until)
    values (${orgId}, ${projectId}, ${id}, ${sessionId}, 'direct', 'test', 'codespar_charge', 'codespar', 'asaas', 'asaas-pix', ${connectionId}, 'running', 'payment',
      ${key}, ${key}, 10000, 'BRL', '{}', ${calledAt}, ${calledAt})`;
  const target = { provider: "asaas", rail: "asaas-pix", connectionId, perform: () => perform(id) };
  await dispatch(app.platform, { orgId, projectId, id, reference: key, idempotencyKey: key, targets: [target], settings: {}, calledAt });
  return id;
}

const declined: Outcome<object> = { outcome: "declined", reason: "refused", message: "no such thing" };
const accepted: Outcome<object> = { outcome: "accepted", ref: "pay_late", state: "pending", action: "PENDING", result: { id: "pay_late", status: "pending" } };
const told = async (id: string, state: "pending" | "succeeded"): Promise<void> => {
  const observation: Observation = { ref: "pay_told", state, action: state, amountMinor: 10_000n, currency: "BRL" };
  await applyObservation(app.platform, await findToolCall(app.platform, projectId, id), observation, `event:${state}`);
};
const toolCall = (id: string) => app.call("toolCalls.get", { tool_call_id: id });

test("a refusal of what the provider's own webhook has shown to exist is looked up, not believed", async () => {
  const id = await send(async (call) => {
    await told(call, "succeeded");
    return declined;
  });
  expect(await toolCall(id)).toMatchObject({ status: "running", outcome: "unknown", state: "succeeded", idempotency_key: expect.any(String) });
  expect(await sql`select 1 from jobs where key = ${`${id}.unknown`}`).toHaveLength(1);
});

test("a refusal that nothing contradicts ends the call", async () => {
  const id = await send(async () => declined);
  expect(await toolCall(id)).toMatchObject({ status: "error", outcome: "declined", state: "failed", error_code: "provider_declined" });
});

test("a provider that accepts a call after it was given up is heard: the call is shown, and settles", async () => {
  const id = await send(async (call) => {
    await sql`
      update tool_calls set status = 'error', outcome = 'not_reached', state = 'failed', idempotency_key = null, error_code = 'provider_unavailable',
        error = '{"code":"provider_unavailable","message":"gone","retry":"same_key"}' where id = ${call}`;
    return accepted;
  });
  expect(await toolCall(id)).toMatchObject({ status: "success", outcome: "accepted", state: "pending", error_code: null, error_message: null, output: { id: "pay_late" } });
  await told(id, "succeeded");
  expect(await app.call("payments.status", { tool_call_id: id })).toMatchObject({ status: "succeeded", final_amount_minor: 10_000 });
});

test("a refusal after the call was found by somebody else changes nothing", async () => {
  const id = await send(async (call) => {
    await sql`update tool_calls set status = 'success', outcome = 'accepted', output = '{"id":"pay_found"}' where id = ${call}`;
    return declined;
  });
  expect(await toolCall(id)).toMatchObject({ status: "success", outcome: "accepted", output: { id: "pay_found" } });
});

test("a connection that was revoked after the route was chosen ends the call at once, unsent", async () => {
  await sql`update connections set status = 'revoked' where id = ${connectionId}`;
  const id = await send(async () => accepted);
  await sql`update connections set status = 'connected' where id = ${connectionId}`;
  expect(await toolCall(id)).toMatchObject({ status: "error", outcome: "not_reached", error_code: "provider_not_connected", idempotency_key: null });
  expect(await findConnection(app.platform, "asaas", connectionId)).toBeDefined();
});

test("an error of ours is not quoted to the caller", async () => {
  const id = await send(async () => {
    throw new Error("cannot open https://token@host/secret");
  });
  const { error_message } = await toolCall(id);
  expect(error_message).toContain("asaas could not be reached");
  expect(error_message).not.toContain("secret");
});

test("a refusal that no row can keep as it is written is kept all the same", async () => {
  const id = await send(async () => ({ ...declined, message: `refused\u0000 \ud800${"x".repeat(10_000)}` }));
  const { error_message } = await toolCall(id);
  expect(error_message).toMatch(/^asaas declined: refused x{400,500}\.$/);
});

test("a charge whose row cannot be read after it was sent is pending, never failed", async () => {
  const key = randomUUID();
  const blind = new Proxy(sql, {
    apply(target, self, args: [string[], ...unknown[]]) {
      if (args[0].join("?").startsWith("select ? from tool_calls where project_id = ")) return Promise.reject(new Error("the connection was lost"));
      return Reflect.apply(target as never, self, args) as unknown;
    },
  });
  const platform: Platform = { ...app.platform, db: { ...app.platform.db, sql: blind } };
  const answer = await execute(platform, { principal, sessionId, origin: "direct", tool: "codespar_charge", input: { ...mariaCharge, idempotency_key: key } });
  expect(answer).toMatchObject({ success: true, outcome: "unknown", status: "pending", provider: "asaas", idempotency_key: key, data: { status: "pending" } });
  expect(references(askedOf(app.twins, "/payments")).filter((reference) => reference === key)).toHaveLength(1);
  expect(await toolCall(answer.tool_call_id!)).toMatchObject({ status: "success", outcome: "accepted", idempotency_key: key });
});

test("at the end of it all the books balance", () => expectBalanced(app));
