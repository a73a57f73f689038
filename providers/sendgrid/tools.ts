/** SendGrid's own tools: one request each, in SendGrid's words. Reference: SendGrid v3 API (sendgrid/sendgrid-oai), read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

export const MAIL_SEND = "/mail/send";

const Email = z.email().max(254);
const Person = z.object({ email: Email, name: z.string().max(200).optional() });
const Seconds = z.int().min(0).optional().describe("Unix time");
const Template = z.string().min(1).max(100);
const Data = z.record(z.string(), z.unknown());

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "send_mail",
    description: "Send an e-mail through SendGrid, to one or many. codespar_notify does more, and follows it.",
    effect: "writes",
    input: z.object({
      personalizations: z.array(z.object({
        to: z.array(Person).min(1).max(1_000), cc: z.array(Person).max(1_000).optional(), bcc: z.array(Person).max(1_000).optional(),
        subject: z.string().max(998).optional(), dynamic_template_data: Data.optional(), custom_args: z.record(z.string(), z.string()).optional(),
      })).min(1).max(1_000),
      from: Person.optional().describe("the connection's when left out"), reply_to: Person.optional(), subject: z.string().max(998).optional(),
      content: z.array(z.object({ type: z.enum(["text/plain", "text/html"]), value: z.string().min(1) })).max(2).optional(), template_id: Template.optional(),
      categories: z.array(z.string().max(255)).max(10).optional(), send_at: Seconds,
    }),
    request: (body) => ({ method: "POST", path: MAIL_SEND, body }),
  }),
  nativeTool({
    name: "send_template",
    description: "Send a dynamic template of SendGrid's to one person.",
    effect: "writes",
    input: z.object({
      to: Email, to_name: z.string().max(200).optional(), from: Person.optional().describe("the connection's when left out"), template_id: Template,
      dynamic_template_data: Data.optional(), subject: z.string().max(998).optional(),
    }),
    request: ({ to: email, to_name: name, dynamic_template_data, ...mail }) => ({
      method: "POST", path: MAIL_SEND, body: { ...mail, personalizations: [{ to: [{ email, name }], dynamic_template_data }] },
    }),
  }),
  nativeTool({
    name: "list_templates",
    description: "List the templates at SendGrid.",
    effect: "reads",
    input: z.object({
      generations: z.enum(["dynamic", "legacy", "legacy,dynamic"]).optional(), page_size: z.int().min(1).max(200).optional(), page_token: z.string().max(500).optional(),
    }),
    request: ({ page_size, ...query }) => ({ method: "GET", path: "/templates", query: { ...query, page_size: page_size?.toString() } }),
  }),
  nativeTool({
    name: "get_bounces",
    description: "List the addresses that SendGrid writes to no more because mail bounced.",
    effect: "reads",
    input: z.object({ start_time: Seconds, end_time: Seconds, limit: z.int().min(1).max(500).optional(), offset: z.int().min(0).optional() }),
    request: (args) => ({
      method: "GET", path: "/suppression/bounces", query: Object.fromEntries(Object.entries(args).map(([name, value]) => [name, value?.toString()])),
    }),
  }),
  nativeTool({
    name: "delete_bounce",
    description: "Let SendGrid write again to an address that bounced.",
    effect: "writes",
    input: z.object({ email: Email }),
    request: (args) => ({ method: "DELETE", path: pathOf("/suppression/bounces/{email}", args) }),
  }),
  nativeTool({
    name: "get_stats",
    description: "Read how many e-mails were sent, delivered, opened and bounced at SendGrid, by day, week or month.",
    effect: "reads",
    input: z.object({ start_date: z.iso.date(), end_date: z.iso.date().optional(), aggregated_by: z.enum(["day", "week", "month"]).optional() }),
    request: (query) => ({ method: "GET", path: "/stats", query }),
  }),
];
