/**
 * A consumer's wallet: one slot a currency, with what mandates allow and what funds there are. The wallet holds the funds, the
 * mandate holds the permission; inside a wallet nothing is exchanged. Sources: seed page "codespar_wallet", facts 4.6, C-48.
 */
import { z } from "zod";
import { userId } from "./examples/cast.ts";
import { transfer, wallet } from "./examples/mandates.ts";
import { CurrencyCode, MinorUnitsText } from "./money.ts";
import { operation } from "./operation.ts";

const consumerId = z.string().min(1).max(128);
/** Of one consumer in one currency; released clients read these as numbers. */
const Minor = z.codec(z.int(), z.bigint(), { decode: (amount) => BigInt(amount), encode: Number }).meta({ id: "SignedMinorUnits", description: "Integer minor units; may be negative." });

export const WalletSlot = z.object({
  currency: z.string(),
  rail: z.string().nullable().describe("Where its funds come from; null where there is more than one way."),
  authorized_minor: Minor.describe("What the mandates that can be spent under allow in all."),
  spent_minor: Minor.describe("What was used of that, payments under way included."),
  available_minor: Minor.describe("What is left of it."),
  balance_minor: MinorUnitsText.describe("Funds in the wallet, holds included."),
  held_minor: MinorUnitsText.describe("Funds set aside for payments under way."),
  funding_source_ids: z.array(z.string()),
  mandate_ids: z.array(z.string()),
}).meta({ id: "WalletSlot" });

export const Wallet = z.object({ consumer_id: z.string(), currencies: z.array(WalletSlot) }).meta({ id: "Wallet" });

export const getWallet = operation({
  name: "wallets.get",
  field: "wallet",
  summary: "A consumer's wallet: per currency what is allowed, spent and left, and the funds.",
  effect: "reads",
  scope: "wallets:read",
  route: "GET /consumers/{consumer_id}/wallet",
  input: z.object({ consumer_id: consumerId }),
  output: Wallet,
  errors: [],
  examples: [{ input: { consumer_id: userId }, output: wallet }],
});

const side = { currency: z.string(), rail: z.string().nullable() };

export const WalletTransfer = z.object({
  consumer_id: z.string(),
  route: z.string(),
  converts: z.boolean(),
  engine: z.string().nullable().describe("Who would convert; null where nobody can."),
  executable: z.boolean(),
  note: z.string(),
  from: z.object({ ...side, amount_minor: Minor, cap_available_minor: Minor }).meta({ id: "TransferFrom" }),
  to: z.object(side).meta({ id: "TransferTo" }),
  executed: z.boolean(),
  money_moved: z.boolean(),
}).meta({ id: "WalletTransfer" });

export const transferWallet = operation({
  name: "wallets.transfer",
  field: "transferWallet",
  summary: "Plan a move between two slots of a wallet. Across currencies it is a trade at a provider's quote, never an exchange inside.",
  effect: "moves_money",
  scope: "wallets:write",
  route: "POST /consumers/{consumer_id}/wallet/transfer",
  input: z.object({
    consumer_id: consumerId,
    from_currency: CurrencyCode,
    to_currency: CurrencyCode,
    amount_minor: z.int().min(1),
    execute: z.boolean().default(false).describe("Asks for more than the plan: `executed` says whether it was done."),
    agent_id: z.string().max(128).optional(),
    purpose: z.string().max(200).optional(),
  }),
  output: WalletTransfer,
  errors: [],
  examples: [{ input: { consumer_id: userId, from_currency: "BRL", to_currency: "USDC", amount_minor: 10000 }, output: transfer }],
});
