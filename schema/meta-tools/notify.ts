/** codespar_notify: a message to a buyer. Sources: seed FAQ and wire 7.2 no. 27. */
import { z } from "zod";
import { callerArguments, metaTool } from "./meta-tool.ts";

export const notify = metaTool({
  name: "codespar_notify",
  description: "Send a message to a person.",
  effect: "writes",
  settles: "message",
  shown: {
    channel: z.enum(["whatsapp", "sms", "email"]),
    to: z.string().min(3).max(254).describe("phone with country code, or e-mail"),
    message: z.string().max(4096).optional(),
    template: z.string().max(128).optional(),
    variables: z.record(z.string(), z.unknown()).optional(),
  },
  caller: { ...callerArguments, subject: z.string().max(200).optional() },
  aliases: [["recipient", "to"], ["template_id", "template"], ["text", "message"]],
  reshape: (args) => ({ ...args, channel: args["channel"] ?? (String(args["to"]).includes("@") ? "email" : "whatsapp") }),
  output: z.object({
    id: z.string(),
    messageId: z.string(),
    status: z.string().describe("queued or sent."),
    sent: z.boolean(),
    channel: z.string(),
  }),
});
export type NotifyRequest = z.output<typeof notify.input>;
export type NotifyResult = z.output<typeof notify.output>;
