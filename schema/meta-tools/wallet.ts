/**
 * codespar_wallet: a consumer's funds: how much there is, what came and went, and a code to top it up with. Spending is
 * codespar_pay under a mandate. Sources: seed page "codespar_wallet", facts 3.10, 5.4.
 */
import { z } from "zod";
import { CurrencyCode } from "../money.ts";
import { charge, type ChargeRequest, type ChargeResult } from "./charge.ts";
import { AmountArgument, callerArguments, metaTool, party } from "./meta-tool.ts";

/** Source: M-207. */
const ENTRIES_MAX = 100;
const ENTRIES = 20;

export const wallet = metaTool({
  name: "codespar_wallet",
  description: "A consumer's wallet: its balance, its statement, or a Pix code to top it up. Spending is codespar_pay.",
  effect: "moves_money",
  settles: "payment",
  shown: {
    action: z.enum(["balance", "statement", "receive"]).default("balance"),
    amount: AmountArgument.optional().describe("for receive: minor units"),
    currency: CurrencyCode.default("BRL"),
    description: z.string().max(500).optional().describe("for receive: shown to the payer"),
    limit: z.number().default(ENTRIES).transform((limit) => Math.min(ENTRIES_MAX, Math.max(1, Math.trunc(limit)))),
  },
  caller: {
    ...callerArguments,
    consumer_id: z.string().min(1).max(128).optional().describe("Whose wallet; the session's user unless told."),
    dynamic: z.boolean().default(true).describe("A code of the provider's, good for one payment. Static codes are not served yet."),
    payer: z.object({ ...party, name: z.string().min(1).max(200) }).optional().describe("Who tops up, for providers that ask; the merchant unless told."),
  },
  asked: toCharge,
  told: toTopUp,
  output: charge.output.partial().extend({
    consumer_id: z.string().optional(),
    currency: z.string().optional(),
    balance: z.int().optional().describe("Minor units that can be spent: funds less holds."),
    held: z.int().optional(),
    pix_key: z.string().nullable().optional().describe("The Pix key bound to the wallet; null while there is none."),
    entries: z.array(z.object({
      id: z.string(), kind: z.enum(["fund", "hold", "release", "debit", "reverse"]), amount_minor: z.string().describe("Signed."), currency: z.string(),
      tool_call_id: z.string().nullable(), description: z.string(), posted_at: z.string(),
    })).optional(),
    pix_copia_e_cola: z.string().optional(),
  }),
});
export type WalletRequest = z.output<typeof wallet.input>;

interface TopUp {
  amount?: bigint | undefined;
  currency: ChargeRequest["currency"];
  description?: string | undefined;
  payer?: ChargeRequest["buyer"] | undefined;
}

/** A top-up is a Pix charge whose money is the consumer's. */
function toCharge({ amount, currency, description, payer }: TopUp): ChargeRequest {
  return { amount: amount!, currency, method: "pix", buyer: payer!, description: description ?? "Top-up" };
}

function toTopUp({ pix_copy_paste, ...result }: ChargeResult): object {
  return { ...result, ...(pix_copy_paste !== undefined && { pix_copy_paste, pix_copia_e_cola: pix_copy_paste }) };
}
