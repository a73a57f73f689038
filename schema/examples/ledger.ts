/** The charge in the books: the provider keeps its fee. */
import type { LedgerTransaction, TrialBalance } from "../ledger.ts";
import type { Wire } from "../operation.ts";
import { at, chargeId } from "./cast.ts";

export const settledCharge: Wire<typeof LedgerTransaction> = {
  id: "ltx_01m7wd91j0pd2xzf7ybfwr830m",
  key: `charge_settled:${chargeId}`,
  tool_call_id: chargeId,
  description: "Charge settled by asaas",
  occurred_at: at("12:00:40.000"),
  posted_at: at("12:00:40.120"),
  entries: [
    { account: "provider:asaas:balance", currency: "BRL", direction: "debit", amount_minor: "14801" },
    { account: "expense:fees:asaas", currency: "BRL", direction: "debit", amount_minor: "199" },
    { account: "income:sales", currency: "BRL", direction: "credit", amount_minor: "15000" },
  ],
};

export const books: Wire<typeof TrialBalance> = {
  balanced: true,
  accounts: [
    { account: "expense:fees:asaas", currency: "BRL", debits_minor: "199", credits_minor: "0", balance_minor: "199" },
    { account: "income:sales", currency: "BRL", debits_minor: "0", credits_minor: "15000", balance_minor: "-15000" },
    { account: "provider:asaas:balance", currency: "BRL", debits_minor: "14801", credits_minor: "0", balance_minor: "14801" },
  ],
};
