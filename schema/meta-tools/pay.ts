/** codespar_pay: money sent to a recipient. Sources: seed page "codespar_pay" and facts C-05, C-35. */
import { z } from "zod";
import { CurrencyCode, MinorUnits } from "../money.ts";
import { AmountArgument, callerArguments, isObject, mandateArguments, metaTool, type JsonObject } from "./meta-tool.ts";

export const pay = metaTool({
  name: "codespar_pay",
  description:
    "Send money from the merchant to a recipient (payout, supplier, refund). Pending at first; settlement follows by itself. action status reads an earlier payment.",
  effect: "moves_money",
  settles: "payment",
  shown: {
    action: z.enum(["pay", "status"]).default("pay"),
    amount: AmountArgument.optional().describe("minor units"),
    currency: CurrencyCode.default("BRL"),
    method: z.enum(["pix", "card", "boleto", "wire", "spei", "khipu", "transbank", "bank_transfer"]).default("pix"),
    recipient: z
      .object({
        pix_key: z.string().max(77).optional(),
        name: z.string().max(200).optional(),
        document: z.string().max(32).optional(),
        bank_account: z.record(z.string(), z.unknown()).optional(),
        wallet_address: z.string().max(128).optional(),
      })
      .optional()
      .describe("one of pix_key, bank_account, wallet_address"),
    copia_e_cola: z.string().max(1024).optional().describe("Pix code to pay, instead of recipient"),
    description: z.string().max(500).optional(),
    payment_id: z.string().max(128).optional().describe("for status: tool_call_id"),
    mandateId: z.string().max(64).optional().describe("to spend a consumer's money: their mandate"),
    consumer_id: z.string().max(128).optional().describe("with mandateId"),
    checkout_session_id: z.string().max(128).optional(),
    linha_digitavel: z.string().max(60).optional().describe("boleto to pay"),
    country: z.string().length(2).optional(),
  },
  caller: {
    ...callerArguments,
    refund_of: z.string().max(64).optional().describe("tool_call_id of a paid charge to give back, in place of a recipient; without an amount, all that is left of it."),
    agent_id: mandateArguments.agent_id },
  advertisedRequired: ["action"],
  aliases: [["recipient.key", "recipient.pix_key"], ["mandate_id", "mandateId"]],
  reshape: (args) => recipientAsObject(actionFromShape(args)),
  output: z.object({
    id: z.string(),
    status: z.string(),
    amount: MinorUnits,
    currency: z.string(),
    method: z.string(),
    settled: z.boolean(),
    end_to_end_id: z.string().optional(),
    recipient: z.string().optional(),
    requires_approval: z.boolean().optional().describe("A person at the paying bank must approve it before anything moves."),
  }),
});
export type PayoutRequest = z.output<typeof pay.input>;
export type PayoutResult = z.output<typeof pay.output>;

const actionFromShape = (args: JsonObject): JsonObject =>
  args["action"] === undefined && args["payment_id"] !== undefined && args["amount"] === undefined
    ? { ...args, action: "status" }
    : args;

/** A string names the payee by its shape: a wallet address, a pasted Pix code, else a Pix key. */
function recipientAsObject(args: JsonObject): JsonObject {
  const { recipient, ...rest } = args;
  if (typeof recipient !== "string" || isObject(recipient)) return args;
  if (/^0x[0-9a-fA-F]{40}$/.test(recipient)) return { ...rest, recipient: { wallet_address: recipient } };
  if (recipient.startsWith("000201")) return { ...rest, copia_e_cola: rest["copia_e_cola"] ?? recipient };
  return { ...rest, recipient: { pix_key: recipient } };
}
