/**
 * codespar_issue: payment cards for a merchant's own cardholders, issued, read and controlled. No money moves by it, and a card's
 * number and security code never come here: the last four digits are all there is. Sources: facts 3.14, wire 6.1.
 */
import { z } from "zod";
import { callerArguments, metaTool } from "./meta-tool.ts";

const id = z.string().min(1).max(128);

export const issue = metaTool({
  name: "codespar_issue",
  description: "Issue a payment card to a cardholder, read it, or freeze, unfreeze and cancel it. Never shows a card's number.",
  effect: "writes",
  shown: {
    action: z.enum(["card-virtual", "card-physical", "card-control", "card-get"]).default("card-virtual"),
    cardholder_id: id.optional().describe("for a new card"),
    program_id: id.optional().describe("for a new card"),
    shipping_address: z.object({
      line_1: z.string().min(1).max(200),
      number: z.string().max(20).optional(),
      city: z.string().min(1).max(100),
      state: z.string().max(40).optional(),
      postal_code: z.string().min(3).max(12),
      country: z.string().length(2).describe("ISO 3166: BR"),
    }).optional().describe("for card-physical"),
    card_id: id.optional().describe("for card-control and card-get"),
    control: z.enum(["freeze", "unfreeze", "cancel"]).optional().describe("for card-control; cancel is for good"),
    reason: z.string().max(500).optional(),
  },
  caller: callerArguments,
  output: z.object({
    id: z.string(),
    card_id: z.string().describe("The same as `id`."),
    status: z.string().describe("ACTIVE, BLOCKED, DISABLED; CREATED for a physical card nobody has activated yet."),
    card_type: z.enum(["VIRTUAL", "PHYSICAL"]).optional(),
    last_four: z.string().optional(),
    cardholder_id: z.string().optional(),
    program_id: z.string().optional(),
  }),
});
export type IssueRequest = z.output<typeof issue.input>;
export type IssueResult = z.output<typeof issue.output>;
