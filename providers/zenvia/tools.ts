/**
 * Zenvia's own tools: one request each. Reference: the vendor's OpenAPI documents (zenvia/zenvia-openapi-spec), read
 * 2026-11-20. The public MCP server sends a flat `text`; the API takes a list of contents.
 */
import { z } from "zod";
import { nativeTool, type NativeTool } from "../native.ts";

const from = z.string().min(1).max(100).describe("the channel's sender id");
const to = z.string().regex(/^\d{10,15}$/).describe("digits only, country code first: 5511999998888");
const Text = z.string().min(1).max(4096);

const send = <Fields extends z.ZodRawShape>(
  { name, channel, description, fields, content }: {
    name: string; channel: "sms" | "whatsapp"; description: string; fields: Fields; content(args: Record<string, unknown>): object;
  },
): NativeTool => nativeTool({
  name, description, effect: "writes",
  input: z.object({ from, to, ...fields }),
  request: (args, { reference }) => {
    const { from: sender, to: recipient } = args as Record<string, unknown>;
    return { method: "POST", path: `/channels/${channel}/messages`, body: { from: sender, to: recipient, contents: [content(args)], externalId: reference } };
  },
});

export const tools: readonly NativeTool[] = [
  send({
    name: "send_sms", channel: "sms", description: "Send an SMS through Zenvia. codespar_notify does more, and follows it.",
    fields: { text: Text }, content: ({ text }) => ({ type: "text", text }),
  }),
  send({
    name: "send_whatsapp", channel: "whatsapp", description: "Send a WhatsApp text through Zenvia, within 24 hours of the person's own message.",
    fields: { text: Text }, content: ({ text }) => ({ type: "text", text }),
  }),
  send({
    name: "send_template", channel: "whatsapp", description: "Send a WhatsApp template through Zenvia.",
    fields: { templateId: z.string().min(1).max(100), fields: z.record(z.string(), z.string()).optional() },
    content: ({ templateId, fields = {} }) => ({ type: "template", templateId, fields }),
  }),
];
