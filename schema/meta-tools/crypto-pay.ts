/** codespar_crypto_pay: stablecoins and tokens in or out. Sources: seed FAQ and facts 3.6; amounts are decimal, in major units. */
import { z } from "zod";
import { CurrencyCode } from "../money.ts";
import { callerArguments, mandateArguments, metaTool } from "./meta-tool.ts";

export const cryptoPay = metaTool({
  name: "codespar_crypto_pay",
  description: "Send or request a stablecoin or token.",
  effect: "moves_money",
  settles: "payment",
  shown: {
    amount: z.string().regex(/^\d{1,20}(\.\d{1,18})?$/, "expected a decimal such as \"29.90\"").describe("decimal: \"29.90\""),
    currency: CurrencyCode.default("USDC"),
    direction: z.enum(["send", "receive"]),
    recipient: z
      .object({ wallet_address: z.string().min(8).max(128), country: z.string().length(2).optional() })
      .optional()
      .describe("for send"),
    network: z.enum(["base", "polygon", "ethereum", "solana", "bitcoin"]).optional(),
    description: z.string().max(500).optional(),
  },
  caller: {
    ...callerArguments, ...mandateArguments,
    rail: z.string().max(40).optional().describe("stablecoin, stablecoin-checkout, stablecoin-payout, onramp or offramp; by direction when absent"),
    method: z.string().max(40).optional(),
  },
  aliases: [["counterparty.address", "recipient.wallet_address"], ["counterparty.country", "recipient.country"], ["mandate_id", "mandateId"]],
  reshape: ({ counterparty: _moved, ...args }) =>
    typeof args["amount"] === "number" ? { ...args, amount: String(args["amount"]) } : args,
  output: z.object({
    id: z.string(),
    status: z.literal("pending"),
    amount: z.string(),
    currency: z.string(),
    network: z.string().optional(),
    destination_address: z.string().optional(),
    payment_url: z.string().optional(),
    hosted_url: z.string().optional(),
    expires_at: z.string().optional(),
  }),
});
export type CryptoRequest = z.output<typeof cryptoPay.input>;
export type CryptoResult = z.output<typeof cryptoPay.output>;

/** Rails that only go one way; every other is chosen by the direction. */
export const cryptoRails = { "stablecoin-checkout": "receive", "stablecoin-payout": "send", onramp: "receive", offramp: "send" } as const;

/** Published words for the plain rail: a token that is sent or received. */
const plainRails: readonly string[] = ["stablecoin", "native_crypto"];

/** What a call asks of a provider: `send` and `receive`, or the rail it names. A rail we do not know stays as it is written. */
export function cryptoRailOf({ rail, method, direction }: Pick<CryptoRequest, "rail" | "method" | "direction">): string {
  const named = rail ?? method;
  return named === undefined || plainRails.includes(named) ? direction : named;
}
