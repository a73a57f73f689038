/** Whatever order a provider's claims come in, and however often, they come to one state and one set of postings. */
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Observation } from "../../../providers/provider.ts";
import { newId, newIdempotencyKey } from "../../../schema/ids.ts";
import type { StateOf } from "../../../schema/settlement.ts";
import { findToolCall } from "../../../src/execution/rows.ts";
import { applyObservation } from "../../../src/settlement/lookup.ts";
import { startApp } from "../../support/app.ts";
import { expectBalanced, postings, testPrincipal } from "../../support/money.ts";

const app = await startApp({ without: ["mercado-pago", "ebanx", "iugu", "pagseguro"] });
const { projectId, orgId } = await testPrincipal(app);
const { sql } = app.platform.db;
let sessionId: string;
beforeAll(async () => {
  sessionId = await app.session();
});

interface Claim {
  eventId: string;
  state: StateOf<"payment">;
}
/** What a provider may say of one movement; two of a kind are told apart by their ids. */
const claims: Claim[] = [
  { eventId: "created", state: "pending" }, { eventId: "overdue", state: "updated" }, { eventId: "confirmed", state: "succeeded" },
  { eventId: "received", state: "succeeded" }, { eventId: "refunded", state: "refunded" }, { eventId: "failed", state: "failed" },
];
/** In any order, each at least once. */
const told = (of: readonly Claim[]): fc.Arbitrary<Claim[]> =>
  fc.subarray([...of], { minLength: 1 }).chain((some) =>
    fc.tuple(fc.shuffledSubarray(some, { minLength: some.length }), fc.array(fc.constantFrom(...some), { maxLength: 3 }))
      .chain(([once, repeats]) => fc.shuffledSubarray([...once, ...repeats], { minLength: once.length + repeats.length })));
const movement = fc.constantFrom("codespar_charge" as const, "codespar_pay" as const);
const RUNS = 60;

/** What the claims come to: the state that is shown, and the books. */
async function outcomeOf(tool: "codespar_charge" | "codespar_pay", sequence: readonly Claim[]): Promise<object> {
  const id = await acceptedCall(tool);
  for (const { eventId, state } of sequence) {
    const observation: Observation = { ref: "pay_1", state, action: eventId.toUpperCase(), amountMinor: 10_000n, feeMinor: 199n, currency: "BRL" };
    await applyObservation(app.platform, await findToolCall(app.platform, projectId, id), observation, `event:${eventId}`);
  }
  const { status, final_amount_minor } = await app.call("payments.status", { tool_call_id: id });
  return { status, final_amount_minor, posted: await postings(app, id) };
}

/** The claims once each, in the order of their list. */
const inOrder = (sequence: readonly Claim[]): Claim[] => claims.filter((claim) => sequence.includes(claim));

const withoutFailure = claims.filter(({ state }) => state !== "failed");
const withoutRefund = claims.filter(({ state }) => state !== "refunded");

test.each([["a refund may be among them", withoutFailure], ["a failure after a success may be among them", withoutRefund]])(
  "claims in any order come to the same state and the same postings: %s",
  async (_what, of) => {
    await fc.assert(
      fc.asyncProperty(movement, told(of), async (tool, sequence) => {
        expect(await outcomeOf(tool, sequence)).toEqual(await outcomeOf(tool, inOrder(sequence)));
      }),
      { numRuns: RUNS },
    );
    await expectBalanced(app);
  },
  60_000,
);

test("claims in any order come to the same postings when a failure and a refund are both among them", async () => {
  await fc.assert(
    fc.asyncProperty(movement, told(claims), async (tool, sequence) => {
      expect(await outcomeOf(tool, sequence)).toEqual(await outcomeOf(tool, inOrder(sequence)));
    }),
    { numRuns: RUNS, seed: 1 },
  );
}, 60_000);

test("a sale is never taken back more often than it was made", async () => {
  const balance = async (sequence: Claim[]) => {
    const id = await acceptedCall("codespar_charge");
    for (const { eventId, state } of sequence)
      await applyObservation(app.platform, await findToolCall(app.platform, projectId, id), { ref: "pay_1", state, action: eventId, amountMinor: 10_000n }, `event:${eventId}`);
    const [row] = await sql<[{ sales: bigint }]>`
      select coalesce(sum(case direction when 'credit' then amount_minor else -amount_minor end), 0)::bigint as sales
      from ledger_entries e join ledger_transactions t on t.id = e.transaction_id where t.tool_call_id = ${id} and account = 'income:sales'`;
    return row.sales;
  };
  const [success, refund, failure] = ["confirmed", "refunded", "failed"].map((id) => claims.find(({ eventId }) => eventId === id)!) as [Claim, Claim, Claim];
  expect(await balance([success])).toBe(10_000n);
  expect(await balance([success, refund])).toBe(0n);
  expect(await balance([success, failure])).toBe(0n);
  expect(await balance([success, refund, failure])).toBe(0n);
  expect(await balance([success, failure, refund])).toBe(0n);
});

test("a charge settled when it was paid, whether its payment or its refund is told first", async () => {
  const paid: Observation = { ref: "pay_1", state: "succeeded", action: "RECEIVED", amountMinor: 10_000n, occurredAt: new Date("2026-11-20T10:00:00.000Z") };
  const refunded: Observation = { ...paid, state: "refunded", action: "REFUNDED", occurredAt: new Date("2026-11-20T11:00:00.000Z") };
  for (const sequence of [[paid, refunded], [refunded, paid]]) {
    const id = await acceptedCall("codespar_charge");
    for (const observation of sequence)
      await applyObservation(app.platform, await findToolCall(app.platform, projectId, id), observation, `event:${observation.action}`);
    expect((await app.call("payments.status", { tool_call_id: id })).settled_at).toBe("2026-11-20T10:00:00.000Z");
  }
});

test("older news that comes late adds to a call's output and changes nothing in it", async () => {
  const id = await acceptedCall("codespar_pay");
  const tell = async (state: "succeeded" | "pending", result: Record<string, unknown>) =>
    applyObservation(app.platform, await findToolCall(app.platform, projectId, id), { ref: "tra_1", state, action: state, result }, `event:${state}`);
  await tell("succeeded", { status: "succeeded", settled: true, end_to_end_id: "E1" });
  await tell("pending", { status: "pending", settled: false, scheduled_on: "2026-11-20" });
  expect((await app.call("toolCalls.get", { tool_call_id: id })).output).toEqual({
    status: "succeeded", settled: true, end_to_end_id: "E1", scheduled_on: "2026-11-20",
  });
});

test("the same claim from eight processes at once is applied once", async () => {
  const id = await acceptedCall("codespar_charge");
  const row = await findToolCall(app.platform, projectId, id);
  const observation: Observation = { ref: "pay_1", state: "succeeded", action: "RECEIVED", amountMinor: 10_000n, feeMinor: 199n };
  await Promise.all(Array.from({ length: 8 }, () => applyObservation(app.platform, row, observation, "event:received")));
  expect(await postings(app, id)).toEqual(["charge_settled: provider:asaas:balance +9801, expense:fees:asaas +199, income:sales -10000"]);
  expect((await app.call("payments.status", { tool_call_id: id })).events).toHaveLength(1);
});

test("eight different claims of one payment at once are posted once", async () => {
  const id = await acceptedCall("codespar_charge");
  const row = await findToolCall(app.platform, projectId, id);
  const observation: Observation = { ref: "pay_1", state: "succeeded", action: "RECEIVED", amountMinor: 10_000n, feeMinor: 199n };
  await Promise.all(Array.from({ length: 8 }, (_, index) => applyObservation(app.platform, row, observation, `event:${index}`)));
  expect(await postings(app, id)).toHaveLength(1);
  expect((await app.call("payments.status", { tool_call_id: id })).events).toHaveLength(8);
});

test.each([
  ["another amount", { amountMinor: 9_999n }],
  ["another currency", { currency: "USD" }],
] as const)("a success of %s is not believed, whenever it comes", async (_what, wrong) => {
  const id = await acceptedCall("codespar_charge");
  const row = await findToolCall(app.platform, projectId, id);
  await applyObservation(app.platform, row, { ref: "pay_1", state: "succeeded", action: "RECEIVED", amountMinor: 10_000n, ...wrong }, "event:1");
  expect(await app.call("payments.status", { tool_call_id: id })).toMatchObject({ status: "updated", final_amount_minor: null, settled_at: null });
  expect(await postings(app, id)).toEqual([]);
});

/** A charge or payout of R$100.00 that Asaas accepted, as its row says. */
async function acceptedCall(tool: "codespar_charge" | "codespar_pay"): Promise<string> {
  const now = app.clock.now();
  const id = newId("toolCall", now);
  await sql`
    insert into tool_calls (org_id, project_id, id, session_id, origin, environment, tool_name, server_id, provider, rail, status, outcome, settles,
      idempotency_key, external_reference, amount_minor, currency, input, output, called_at)
    values (${orgId}, ${projectId}, ${id}, ${sessionId}, 'direct', 'test', ${tool}, 'codespar', 'asaas', 'asaas-pix', 'success', 'accepted', 'payment',
      ${id}, ${newIdempotencyKey()}, 10000, 'BRL', '{}', '{"status":"pending"}', ${now})`;
  return id;
}
