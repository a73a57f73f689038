/** codespar_charge: money asked from a buyer. Sources: seed page "codespar_charge" and facts C-06, C-07, C-09, C-11. */
import { z } from "zod";
import { AmountUnit, CurrencyCode, MinorUnits } from "../money.ts";
import { AmountArgument, callerArguments, metaTool, party } from "./meta-tool.ts";

export const charge = metaTool({
  name: "codespar_charge",
  description:
    "Ask a buyer for money. Returns what the buyer pays with (Pix code, checkout URL) and tool_call_id, always pending; settlement follows by itself.",
  effect: "moves_money",
  settles: "payment",
  shown: {
    amount: AmountArgument.describe("minor units: R$150.00 is 15000"),
    currency: CurrencyCode,
    method: z.enum(["pix", "boleto", "card", "wallet", "pse", "oxxo", "spei", "webpay"]),
    description: z.string().max(500).optional().describe("shown to the buyer"),
    buyer: z
      .object({ ...party, name: z.string().min(1).max(200), address: z.record(z.string(), z.unknown()).optional() })
      .describe("document required for Pix and boleto"),
    due_date: z.iso.date().optional(),
    reference: z.string().max(128).optional().describe("order id, if there is one"),
  },
  caller: {
    ...callerArguments,
    amount_unit: AmountUnit.optional().describe("`major` when `amount` is 150.00 rather than 15000."),
    country: z.string().length(2).optional(),
  },
  output: z.object({
    id: z.string().describe("The provider's id of the payment."),
    status: z.literal("pending"),
    amount: MinorUnits,
    currency: z.string(),
    method: z.string(),
    pix_copy_paste: z.string().optional(),
    pix_qr_code: z.string().optional().describe("PNG, base64."),
    qr_code_url: z.string().optional(),
    barcode_line: z.string().optional().describe("Boleto: the digits a payer types, 47 or 48 of them."),
    oxxo_reference: z.string().optional().describe("What the payer reads out at the OXXO till."),
    clabe: z.string().optional().describe("SPEI: the account to pay into, 18 digits."),
    checkout_url: z.string().optional(),
    charge_url: z.string().optional(),
    expires_at: z.string().optional(),
  }),
});
export type ChargeRequest = z.output<typeof charge.input>;
export type ChargeResult = z.output<typeof charge.output>;
