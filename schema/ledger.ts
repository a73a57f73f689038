/** The books: double entry, append only. Amounts in sums are decimal strings of minor units. */
import { z } from "zod";
import { chargeId } from "./examples/cast.ts";
import { books, settledCharge } from "./examples/ledger.ts";
import { MinorUnitsText } from "./money.ts";
import { operation, pageInput, Timestamp } from "./operation.ts";

export const Direction = z.enum(["debit", "credit"]).meta({ id: "Direction" });

export const LedgerEntry = z.object({
  account: z.string(),
  currency: z.string(),
  direction: Direction,
  amount_minor: MinorUnitsText,
}).meta({ id: "LedgerEntry" });

export const LedgerTransaction = z.object({
  id: z.string(),
  key: z.string().describe("What it records, once: `charge_settled:tc_…`."),
  tool_call_id: z.string().nullable(),
  description: z.string(),
  occurred_at: Timestamp.describe("When the provider says it happened."),
  posted_at: Timestamp.describe("When it was written down."),
  entries: z.array(LedgerEntry),
}).meta({ id: "LedgerTransaction" });

export const LedgerAccount = z.object({
  account: z.string(),
  currency: z.string(),
  debits_minor: MinorUnitsText,
  credits_minor: MinorUnitsText,
  balance_minor: MinorUnitsText.describe("Debits less credits."),
}).meta({ id: "LedgerAccount" });

export const TrialBalance = z.object({
  balanced: z.boolean().describe("Whether debits equal credits in every currency."),
  accounts: z.array(LedgerAccount),
}).meta({ id: "TrialBalance" });

export const trialBalance = operation({
  name: "ledger.trialBalance",
  field: "trialBalance",
  summary: "Every account with its sums, and whether they balance.",
  effect: "reads",
  scope: "ledger:read",
  route: "GET /ledger/trial-balance",
  input: z.object({}),
  output: TrialBalance,
  errors: [],
  examples: [{ input: {}, output: books }],
});

export const listLedgerTransactions = operation({
  name: "ledger.transactions",
  field: "ledgerTransactions",
  summary: "Ledger transactions, newest first.",
  effect: "reads",
  scope: "ledger:read",
  route: "GET /ledger/transactions",
  input: z.object({ tool_call_id: z.string().optional(), ...pageInput }),
  output: z.object({ transactions: z.array(LedgerTransaction), next_before: z.string().nullable() }).meta({ id: "LedgerTransactionPage" }),
  errors: ["cursor_invalid"],
  examples: [{
    input: { tool_call_id: chargeId, limit: 20, before: "ltx_01m7wdbfp0qksbw0wa287b9w9x" },
    output: { transactions: [settledCharge], next_before: null },
  }],
});
