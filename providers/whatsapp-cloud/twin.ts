/**
 * WhatsApp Cloud's twin: messages of one number, their statuses a rest apart, signed by the app's secret. Everybody wrote
 * within 24 hours, except the numbers that `magic` names.
 */
import { createHmac, randomBytes, randomInt } from "node:crypto";
import { z } from "zod";
import { jsonOf } from "../parts.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const whatsappCloudTwin: TwinDefinition = {
  id: "whatsapp-cloud",
  hosts: ["graph.facebook.com"],
  magic: {
    phone_4040: "a phone that ends in 4040 has no WhatsApp: the message is sent, then failed (131026)",
    phone_4042: "a phone that ends in 4042 has its messages read",
    phone_4043: "a phone that ends in 4043 is refused at once: 400, code 131030, not in the allowed list",
    phone_4047: "a phone that ends in 4047 did not write for a day: a text fails (131047), a template is delivered",
  },
  create: (context) => new WhatsappCloudTwin(context),
};

interface Account {
  token: string;
  phoneId: string;
  accountId: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface Message {
  id: string;
  token: string;
  to: string;
  reference?: string | undefined;
  /** The statuses ahead of it, and how many it has been through. */
  life: readonly string[];
  lived: number;
}

const templates = [{ name: "order_shipped", language: "pt_BR", status: "APPROVED", category: "UTILITY", id: "1" }];

class WhatsappCloudTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const account: Account = {
      token: `EAA${randomBytes(24).toString("hex")}`, phoneId: digits(15), accountId: digits(15), webhookUrl, webhookSecret: randomBytes(16).toString("hex"),
    };
    await this.#context.store.put(`account/${account.token}`, account);
    return {
      credentials: { access_token: account.token },
      settings: { phone_number_id: account.phoneId, business_account_id: account.accountId, verify_token: randomBytes(12).toString("hex") },
      webhookSecret: account.webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const [, token = ""] = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    const account = await this.#context.store.get<Account>(`account/${token}`);
    if (!account) return failure(401, 190, "Invalid OAuth access token - Cannot parse access token", "OAuthException");
    const { pathname } = new URL(request.url);
    const [, owner, what] = /^\/v\d+\.\d+\/(\d+)\/(\w+)$/.exec(pathname) ?? [];
    const body = jsonOf(await request.text());
    if (owner === account.phoneId && what === "messages" && request.method === "POST") return this.#message(account, body);
    if (owner === account.phoneId && what === "whatsapp_business_profile") return Response.json({ data: [{ about: "Loja", messaging_product: "whatsapp" }] });
    if (owner === account.accountId && what === "message_templates") return Response.json({ data: templates, paging: {} });
    return failure(400, 100, `Unsupported ${request.method.toLowerCase()} request. Object with ID '${owner ?? ""}' does not exist`, "GraphMethodException");
  }

  async run(step: TwinStep): Promise<void> {
    const index = Number(step["index"]);
    const message = await this.#context.store.update<Message>(`message/${String(step["id"])}`, (stored) =>
      (stored.lived === index ? { ...stored, lived: index + 1 } : stored));
    // A repeat finds the status reached and tells it again.
    if (message?.lived === index + 1) await this.#tell(message, message.life[index]!);
  }

  async #message(account: Account, body: unknown): Promise<Response> {
    if (ReadReceipt.safeParse(body).success) return Response.json({ success: true });
    const parsed = NewMessage.safeParse(body);
    if (!parsed.success) return failure(400, 100, `(#100) Invalid parameter: ${parsed.error.issues[0]!.path.join(".") || "body"}`, "OAuthException");
    const { to, type, biz_opaque_callback_data: reference } = parsed.data;
    if (to.endsWith("4043")) return failure(400, 131030, "Recipient phone number not in allowed list", "OAuthException");
    const life = lifeOf(to, type);
    const message: Message = { id: `wamid.${randomBytes(24).toString("base64url")}`, token: account.token, to, reference, life, lived: 0 };
    await this.#context.store.put(`message/${message.id}`, message);
    for (const index of life.keys()) {
      const at = new Date(this.#context.clock.now().getTime() + (index + 1) * this.#context.settleAfterMs);
      await this.#context.store.schedule({ name: "live", id: message.id, index }, at);
    }
    return Response.json({ messaging_product: "whatsapp", contacts: [{ input: to, wa_id: to }], messages: [{ id: message.id, message_status: "accepted" }] });
  }

  async #tell({ id, token, to, reference }: Message, status: string): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${token}`);
    if (!account) return;
    const timestamp = String(Math.floor(this.#context.clock.now().getTime() / 1_000));
    const [name, code] = status.split(":");
    const errors = code && [{ code: Number(code), title: "Message undeliverable", error_data: { details: reasons.get(code) } }];
    const told = { id, status: name, timestamp, recipient_id: to, ...(errors && { errors }), ...(reference && { biz_opaque_callback_data: reference }) };
    const value = { messaging_product: "whatsapp", metadata: { phone_number_id: account.phoneId }, statuses: [told] };
    const body = JSON.stringify({ object: "whatsapp_business_account", entry: [{ id: account.accountId, changes: [{ field: "messages", value }] }] });
    const signature = `sha256=${createHmac("sha256", account.webhookSecret).update(body).digest("hex")}`;
    await this.#context.deliver({ url: account.webhookUrl, body, headers: { "content-type": "application/json", "x-hub-signature-256": signature } });
  }
}

const digits = (length: number): string => Array.from({ length }, () => String(randomInt(1, 10))).join("");

/** A status every rest; a failure with its code. */
function lifeOf(to: string, type: string): string[] {
  if (to.endsWith("4040")) return ["sent", "failed:131026"];
  if (to.endsWith("4047") && type !== "template") return ["failed:131047"];
  return to.endsWith("4042") ? ["sent", "delivered", "read"] : ["sent", "delivered"];
}

const reasons = new Map([
  ["131026", "The recipient has no WhatsApp"], ["131047", "More than 24 hours have passed since the customer last replied to this number"],
]);

const ReadReceipt = z.object({ messaging_product: z.literal("whatsapp"), status: z.literal("read"), message_id: z.string().min(1) });
const Media = z.object({ link: z.string().optional(), id: z.string().optional() }).refine(({ link, id }) => link ?? id);
const envelope = {
  messaging_product: z.literal("whatsapp"), to: z.string().regex(/^\d{7,15}$/), biz_opaque_callback_data: z.string().max(512).optional(),
};
const NewMessage = z.discriminatedUnion("type", [
  z.object({ ...envelope, type: z.literal("text"), text: z.object({ body: z.string().min(1).max(4_096) }) }),
  z.object({ ...envelope, type: z.literal("template"), template: z.object({ name: z.string().min(1), language: z.object({ code: z.string().min(2) }) }) }),
  z.object({ ...envelope, type: z.literal("image"), image: Media }),
  z.object({ ...envelope, type: z.literal("video"), video: Media }),
  z.object({ ...envelope, type: z.literal("document"), document: Media }),
  z.object({ ...envelope, type: z.literal("audio"), audio: Media }),
]);

const failure = (status: number, code: number, message: string, type: string): Response =>
  Response.json({ error: { message, type, code, fbtrace_id: randomBytes(8).toString("base64url") } }, { status });
