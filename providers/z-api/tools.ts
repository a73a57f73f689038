/**
 * Z-API's own tools: one request each, in Z-API's words. Reference: developer.z-api.io, the pages of each message and
 * "Instance status", read 2026-11-20. What the public MCP server of Z-API sends otherwise (a document without its
 * extension in the path, a location with a name) follows the documents here.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const phone = z.string().regex(/^\d{10,15}(-group)?$/).describe("digits only, country code first: 5511999998888");
const Media = z.string().min(1).max(1_500_000).describe("an https address, or a data: URL in base64");
const delayMessage = z.int().min(1).max(15).optional().describe("seconds to wait before it is sent");
const Short = z.string().min(1).max(200);

/** Every send is a POST of its arguments under a path of its own. */
const send = <Fields extends z.ZodRawShape>(name: string, path: string, description: string, fields: Fields): NativeTool =>
  nativeTool({
    name, description, effect: "writes",
    input: z.object({ phone, ...fields, delayMessage }),
    request: (args) => ({ method: "POST", path, body: args }),
  });

export const tools: readonly NativeTool[] = [
  send("send_text", "/send-text", "Send a WhatsApp text through Z-API. codespar_notify does more, and follows it.", {
    message: z.string().min(1).max(4096),
  }),
  send("send_image", "/send-image", "Send an image on WhatsApp through Z-API.", {
    image: Media, caption: z.string().max(1024).optional(), viewOnce: z.boolean().optional(),
  }),
  nativeTool({
    name: "send_document",
    description: "Send a document on WhatsApp through Z-API: a PDF, a spreadsheet.",
    effect: "writes",
    input: z.object({
      phone, document: Media, extension: z.string().regex(/^[a-z0-9]{1,8}$/).describe("pdf, xlsx, ..."),
      fileName: Short.optional(), delayMessage,
    }),
    request: ({ extension, ...body }) => ({ method: "POST", path: pathOf("/send-document/{extension}", { extension }), body }),
  }),
  send("send_audio", "/send-audio", "Send an audio on WhatsApp through Z-API.", { audio: Media, viewOnce: z.boolean().optional() }),
  send("send_location", "/send-location", "Send a place on WhatsApp through Z-API.", {
    title: Short, address: z.string().min(1).max(500),
    latitude: z.string().regex(/^-?\d{1,2}(\.\d+)?$/).describe("degrees, as text: -23.5613"),
    longitude: z.string().regex(/^-?\d{1,3}(\.\d+)?$/).describe("degrees, as text: -46.6565"),
  }),
  send("send_contact", "/send-contact", "Send a contact card on WhatsApp through Z-API.", {
    contactName: Short, contactPhone: z.string().regex(/^\d{10,15}$/).describe("digits only, country code first"),
  }),
  send("send_button_list", "/send-button-list", "Send a WhatsApp text with reply buttons through Z-API.", {
    message: z.string().min(1).max(4096),
    buttonList: z.object({ buttons: z.array(z.object({ id: Short.optional(), label: Short })).min(1).max(10) }),
  }),
  nativeTool({
    name: "read_message",
    description: "Mark a message received on WhatsApp as read, through Z-API.",
    effect: "writes",
    input: z.object({ phone, messageId: Short }),
    request: (args) => ({ method: "POST", path: "/read-message", body: args }),
  }),
  nativeTool({
    name: "check_number",
    description: "Ask Z-API whether a phone number has WhatsApp.",
    effect: "reads",
    input: z.object({ phone: z.string().regex(/^\d{10,15}$/).describe("digits only, country code first") }),
    request: (args) => ({ method: "GET", path: pathOf("/phone-exists/{phone}", args) }),
  }),
  nativeTool({
    name: "get_status",
    description: "Ask whether the Z-API instance is connected to WhatsApp.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/status" }),
  }),
];
