/**
 * Twilio's own tools: one request each, in Twilio's words. Reference: Twilio REST API 2010-04-01 (messages), Verify v2,
 * Lookup v2, read 2026-11-20; the vendor's OpenAPI documents (twilio/twilio-oai) for names.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const sidOf = (prefix: string) => z.string().regex(new RegExp(`^${prefix}[0-9a-f]{32}$`, "i")).describe(`${prefix}...`);
const Address = z.string().regex(/^(whatsapp:)?\+[1-9]\d{6,14}$/).describe("+5511999998888, or whatsapp:+5511999998888");
const Sender = z.string().min(1).max(100).describe("a number, whatsapp:+..., or a sender id; the connection's when left out");
const message = z.object({ Sid: z.string().regex(/^(SM|MM)[0-9a-f]{32}$/i) });
const service = z.object({ ServiceSid: sidOf("VA") });

const VERIFY = "https://verify.twilio.com/v2";
const LOOKUP = "https://lookups.twilio.com/v2";

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "send_message",
    description: "Send an SMS or WhatsApp message through Twilio. codespar_notify does more, and follows it.",
    effect: "writes",
    input: z.object({
      To: Address,
      From: Sender.optional(),
      MessagingServiceSid: sidOf("MG").optional(),
      Body: z.string().min(1).max(1_600).optional(),
      ContentSid: sidOf("HX").optional(),
      ContentVariables: z.string().max(4_096).optional().describe('JSON: {"1":"Maria"}'),
      MediaUrl: z.url({ protocol: /^https?$/ }).max(2_000).optional(),
      StatusCallback: z.url({ protocol: /^https?$/ }).max(2_000).optional(),
    }),
    request: (args) => ({ method: "POST", path: "/Messages.json", form: args }),
  }),
  nativeTool({
    name: "get_message",
    description: "Read a message at Twilio: its status, its price, its error.",
    effect: "reads",
    input: message,
    request: (args) => ({ method: "GET", path: pathOf("/Messages/{Sid}.json", args) }),
  }),
  nativeTool({
    name: "list_messages",
    description: "List messages at Twilio, newest first.",
    effect: "reads",
    input: z.object({
      To: Address.optional(),
      From: z.string().min(1).max(100).optional(),
      DateSent: z.iso.date().optional(),
      DateSentAfter: z.iso.date().optional(),
      DateSentBefore: z.iso.date().optional(),
      PageSize: z.int().min(1).max(1_000).optional(),
    }),
    request: ({ DateSentAfter, DateSentBefore, PageSize, ...args }) => ({
      method: "GET", path: "/Messages.json",
      query: { ...args, "DateSent>": DateSentAfter, "DateSent<": DateSentBefore, PageSize: PageSize?.toString() },
    }),
  }),
  nativeTool({
    name: "delete_message",
    description: "Delete the record of a message at Twilio; what was sent stays sent.",
    effect: "writes",
    input: message,
    request: (args) => ({ method: "DELETE", path: pathOf("/Messages/{Sid}.json", args) }),
  }),
  nativeTool({
    name: "create_verify_service",
    description: "Create a Verify service at Twilio: verifications belong to one.",
    effect: "writes",
    input: z.object({ FriendlyName: z.string().min(1).max(30), CodeLength: z.int().min(4).max(10).optional() }),
    request: ({ FriendlyName, CodeLength }) =>
      ({ method: "POST", path: `${VERIFY}/Services`, form: { FriendlyName, CodeLength: CodeLength?.toString() } }),
  }),
  nativeTool({
    name: "start_verification",
    description: "Have Twilio send a one-time code to a phone or an e-mail.",
    effect: "writes",
    input: service.extend({
      To: z.string().min(3).max(254).describe("+5511999998888, or an e-mail"),
      Channel: z.enum(["sms", "whatsapp", "call", "email"]),
      Locale: z.string().max(10).optional().describe("pt-BR"),
    }),
    request: ({ ServiceSid, ...form }) => ({ method: "POST", path: pathOf(`${VERIFY}/Services/{ServiceSid}/Verifications`, { ServiceSid }), form }),
  }),
  nativeTool({
    name: "check_verification",
    description: "Check the one-time code that a person typed; its status becomes approved when it is right.",
    effect: "writes",
    input: service.extend({ To: z.string().min(3).max(254), Code: z.string().regex(/^[A-Za-z0-9]{4,10}$/) }),
    request: ({ ServiceSid, ...form }) => ({ method: "POST", path: pathOf(`${VERIFY}/Services/{ServiceSid}/VerificationCheck`, { ServiceSid }), form }),
  }),
  nativeTool({
    name: "lookup_phone",
    description: "Ask Twilio whether a phone number is valid, and what is known of it.",
    effect: "reads",
    input: z.object({
      PhoneNumber: z.string().min(3).max(20),
      Fields: z.string().max(200).optional().describe("with commas: line_type_intelligence,caller_name; these cost"),
      CountryCode: z.string().length(2).optional(),
    }),
    request: ({ PhoneNumber, ...query }) => ({ method: "GET", path: pathOf(`${LOOKUP}/PhoneNumbers/{PhoneNumber}`, { PhoneNumber }), query }),
  }),
];
