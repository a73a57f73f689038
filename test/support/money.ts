/** What tests about money ask of an app: what left for Asaas, what the books say, and the test project's principal. */
import { expect } from "vitest";
import type { RecordedRequest, TwinHost } from "../../providers/twin-host.ts";
import { authenticate, type Principal } from "../../src/access/keys.ts";
import { mariaCharge, testKey, type App } from "./app.ts";

/** The movements asked of the Asaas twin, oldest first: charges are POSTs to `/payments`, payouts to `/transfers`. */
export function askedOf(twins: TwinHost | undefined, what: "/payments" | "/transfers"): RecordedRequest[] {
  return twins!.requests("asaas").filter(({ method, path }) => method === "POST" && path.endsWith(what));
}

/** The external references of those movements. */
export const references = (requests: readonly RecordedRequest[]): unknown[] =>
  requests.map(({ body }) => (JSON.parse(body) as { externalReference?: unknown }).externalReference);

/** The postings of a call, what settled it first and what undid it after: `key: account ±amount, …` with debits positive. */
export async function postings(app: App, toolCallId: string | null): Promise<string[]> {
  const { transactions } = await app.call("ledger.transactions", { tool_call_id: toolCallId });
  const written = transactions.map(({ key, entries }) => {
    const lines = entries.map(({ account, direction, amount_minor }) => `${account} ${direction === "debit" ? "+" : "-"}${amount_minor}`);
    return `${key.split(":")[0]}: ${lines.join(", ")}`;
  });
  return written.toSorted().toReversed(); // ids of one millisecond are in no order, but `settled` comes after `returned`
}

/** Fails unless debits equal credits in every currency. */
export async function expectBalanced(app: App): Promise<void> {
  expect(await app.call("ledger.trialBalance", {})).toMatchObject({ balanced: true });
}

export const testPrincipal = (app: App): Promise<Principal> => authenticate(app.platform, testKey, undefined);

/** Movements that the sandbox accepts, at a provider that is named: after many faults the router would choose another. */
export const asaasCharge = { ...mariaCharge, provider: "asaas" } as const;
export const supplierPayout = {
  amount: 8000, currency: "BRL", method: "pix", recipient: { pix_key: "fornecedor@example.com", name: "Fornecedor Ltda" }, provider: "asaas",
} as const;
