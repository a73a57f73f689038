/** codespar_kyc: identity verification. Sources: seed page "codespar_kyc", the released typings, and facts C-20, C-21. */
import { z } from "zod";
import { callerArguments, isObject, metaTool, type JsonObject } from "./meta-tool.ts";

export const kyc = metaTool({
  name: "codespar_kyc",
  description: "Verify a person's identity. Returns inquiry_url for the person to finish; the verdict follows by itself.",
  effect: "writes",
  settles: "verification",
  shown: {
    subject: z.object({
      name: z.string().min(1).max(200),
      document: z.string().max(32).optional(),
      document_type: z.string().max(20).optional().describe("cpf, cnpj, passport"),
      country: z.string().max(60).optional().describe("of the document: BR, CO, MX"),
      email: z.string().max(254).optional(),
      phone: z.string().max(32).optional(),
    }),
    check_type: z.enum(["identity", "document", "risk-score", "sanctions"]).default("identity"),
  },
  caller: callerArguments,
  aliases: [["buyer", "subject"], ["subject.full_name", "subject.name"], ["document_number", "subject.document"]],
  reshape: ({ operation, ...args }) => {
    const named = { ...args, ...(isObject(args["subject"]) && { subject: withName(args["subject"]) }) };
    return operation === undefined || operation === "create_inquiry" ? named : { ...named, check_type: operation };
  },
  output: z.object({
    id: z.string(),
    inquiry_id: z.string(),
    verification_id: z.string(),
    status: z.literal("pending"),
    check_type: z.string(),
    inquiry_url: z.string().optional(),
    hosted_url: z.string().nullable().optional(),
    score: z.number().min(0).max(1).optional().describe("risk: 0 is none, 1 the highest"),
  }),
});

/** Released samples write a name in two parts. */
function withName({ first_name: first, last_name: last, ...subject }: JsonObject): JsonObject {
  const parts = [first, last].filter((part) => typeof part === "string" && part !== "");
  return parts.length > 0 ? { name: parts.join(" "), ...subject } : subject;
}
export type KycRequest = z.output<typeof kyc.input>;
export type KycResult = z.output<typeof kyc.output>;
