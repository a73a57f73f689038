/**
 * WhatsApp Cloud's own tools: one request each, in Meta's words. Reference: Cloud API, "Messages", "Message templates" and
 * "Business profiles", read 2026-11-20. `:phone` and `:account` in a path are the connection's own.
 */
import { z } from "zod";
import { nativeTool, type NativeTool } from "../native.ts";

const To = z.string().regex(/^\d{7,15}$/).describe("5511999998888");
const addressed = (to: string) => ({ messaging_product: "whatsapp", recipient_type: "individual", to });
const post = (body: object) => ({ method: "POST", path: "/:phone/messages", body }) as const;

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "send_text_message",
    description: "Send a text on WhatsApp to somebody who wrote within 24 hours. codespar_notify does more, and follows it.",
    effect: "writes",
    input: z.object({ to: To, body: z.string().min(1).max(4_096), preview_url: z.boolean().optional() }),
    request: ({ to, body, preview_url }) => post({ ...addressed(to), type: "text", text: { body, preview_url } }),
  }),
  nativeTool({
    name: "send_template_message",
    description: "Send an approved template on WhatsApp.",
    effect: "writes",
    input: z.object({
      to: To, template_name: z.string().min(1).max(512), language_code: z.string().min(2).max(10).describe("pt_BR"),
      components: z.array(z.record(z.string(), z.unknown())).max(20).optional(),
    }),
    request: ({ to, template_name: name, language_code: code, components }) =>
      post({ ...addressed(to), type: "template", template: { name, language: { code }, components } }),
  }),
  nativeTool({
    name: "send_media_message",
    description: "Send an image, video, document or audio on WhatsApp, by link or by the id of an upload.",
    effect: "writes",
    input: z.object({
      to: To, media_type: z.enum(["image", "video", "document", "audio"]), link: z.url({ protocol: /^https?$/ }).max(2_000).optional(),
      id: z.string().max(200).optional(), caption: z.string().max(1_024).optional(), filename: z.string().max(240).optional(),
    }),
    request: ({ to, media_type: type, link, id, caption, filename }) => post({ ...addressed(to), type, [type]: { link, id, caption, filename } }),
  }),
  nativeTool({
    name: "mark_message_as_read",
    description: "Mark a message that somebody sent us on WhatsApp as read.",
    effect: "writes",
    input: z.object({ message_id: z.string().min(1).max(200) }),
    request: ({ message_id }) => post({ messaging_product: "whatsapp", status: "read", message_id }),
  }),
  nativeTool({
    name: "list_templates",
    description: "List the account's message templates at WhatsApp, with their status.",
    effect: "reads",
    input: z.object({ limit: z.int().min(1).max(100).optional(), name: z.string().max(512).optional(), status: z.string().max(40).optional() }),
    request: ({ limit, ...query }) => ({ method: "GET", path: "/:account/message_templates", query: { ...query, limit: limit?.toString() } }),
  }),
  nativeTool({
    name: "get_business_profile",
    description: "Read the business profile of the WhatsApp number.",
    effect: "reads",
    input: z.object({ fields: z.string().max(200).optional().describe("about,address,email") }),
    request: (query) => ({ method: "GET", path: "/:phone/whatsapp_business_profile", query }),
  }),
];
