/** codespar_checkout: a cart paid in one charge. Items add up, and what a charge would be asked is asked. Sources: facts 3.11, wire 6.1. */
import { z } from "zod";
import { AmountUnit, CurrencyCode } from "../money.ts";
import { charge, type ChargeRequest } from "./charge.ts";
import { AmountArgument, callerArguments, metaTool, party, type JsonObject } from "./meta-tool.ts";

const ITEMS_MAX = 200;

export const checkout = metaTool({
  name: "codespar_checkout",
  description: "Charge a buyer for a cart in one payment. Returns what the buyer pays with, as codespar_charge does.",
  effect: "moves_money",
  settles: "payment",
  shown: {
    items: z.array(z.object({
      name: z.string().max(200).optional(),
      price: AmountArgument.describe("of one, minor units"),
      quantity: z.int().positive().max(10_000).default(1),
    })).min(1).max(ITEMS_MAX),
    method: z.enum(["pix", "card", "boleto"]).default("pix"),
    currency: CurrencyCode.default("BRL"),
    buyer: z.object({ ...party, name: z.string().min(1).max(200) }).describe("document required for Pix and boleto; in test a stand-in buys where nobody is named"),
    description: z.string().max(500).optional(),
    reference: z.string().max(128).optional().describe("order id, if there is one"),
  },
  caller: {
    ...callerArguments,
    amount: AmountArgument.optional().describe("What is charged in all, in place of the sum of the items."),
    amount_unit: AmountUnit.optional().describe("`major` when prices are 149.00 rather than 14900."),
    country: z.string().length(2).optional(),
    due_date: z.iso.date().optional().describe("A boleto needs it."),
    recipient: z.string().max(128).optional().describe("The shopper's id."),
  },
  aliases: [["paymentMethod", "method"], ["items[].title", "items[].name"]],
  reshape: withDescription,
  asked: toCharge,
  output: charge.output,
});
export type CheckoutRequest = z.output<typeof checkout.input>;

type Cart = Omit<ChargeRequest, "amount"> & {
  items: readonly { price: bigint; quantity: number }[];
  amount?: bigint | undefined;
  recipient?: string | undefined;
};

/** The charge that a cart comes to. */
export function toCharge({ items, amount, recipient: _shopper, ...rest }: Cart): ChargeRequest {
  const sum = items.reduce((total, { price, quantity }) => total + price * BigInt(quantity), 0n);
  return { ...rest, amount: amount ?? sum };
}

function withDescription(args: JsonObject): JsonObject {
  if (args["description"] !== undefined || !Array.isArray(args["items"])) return args;
  const names = args["items"].flatMap((item: unknown) => (typeof item === "object" && item !== null && "name" in item ? [String(item.name)] : []));
  return names.length === 0 ? args : { ...args, description: names.join(", ").slice(0, 500) };
}
