/**
 * codespar_ledger: the caller's own double-entry bookkeeping beside the books that settlements write. It moves no money.
 * Accounts are aliases that begin with `@`; the server's own accounts can be read but not written. Sources: facts 3.13, wire 6.1.
 */
import { z } from "zod";
import { currencies, CurrencyCode } from "../money.ts";
import { AmountArgument, callerArguments, metaTool } from "./meta-tool.ts";

const SIDES_MAX = 50;
const alias = z.string().max(128).regex(/^@[A-Za-z0-9][A-Za-z0-9_.:/-]*$/, "expected an alias such as @wallet/user_123");
const side = z.array(z.object({ account: alias, amount: AmountArgument.describe("minor units") })).min(1).max(SIDES_MAX);

export const ledger = metaTool({
  name: "codespar_ledger",
  description: "Keep double-entry books of your own: post an entry, read a balance, open an account. Moves no money.",
  effect: "writes",
  shown: {
    action: z.enum(["entry", "balance", "account"]).default("entry"),
    asset: CurrencyCode.default("BRL"),
    source: side.optional().describe("for entry: where it comes from"),
    destination: side.optional().describe("for entry: where it goes; the same sum"),
    account: z.string().max(128).optional().describe("for balance: an alias"),
    alias: alias.optional().describe("for account"),
    description: z.string().max(500).optional(),
  },
  caller: {
    ...callerArguments,
    scale: z.int().min(0).max(18).optional().describe(`Decimals of the asset, as a check: ${Object.entries(currencies).map(([code, scale]) => `${code} ${scale}`).join(", ")}.`),
    name: z.string().max(128).optional(),
    type: z.enum(["deposit", "savings", "external"]).default("deposit"),
  },
  aliases: [["account_id", "account"]],
  output: z.object({
    id: z.string().optional(),
    status: z.string().optional(),
    account_id: z.string().optional(),
    alias: z.string().optional(),
    balances: z.array(z.object({ asset: z.string(), scale: z.int(), balance: z.string().describe("Minor units: what went in less what went out.") })).optional(),
  }),
});
export type LedgerRequest = z.output<typeof ledger.input>;
export type LedgerResult = z.output<typeof ledger.output>;
