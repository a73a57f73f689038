/**
 * The stand-in for Zenvia: messages on the SMS and WhatsApp channels, sent and delivered, with status events that carry
 * the subscription's header. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const zenviaTwin: TwinDefinition = {
  id: "zenvia",
  hosts: ["api.zenvia.com"],
  magic: {
    phone_4040: "a phone that ends in 4040 does not exist: the message is sent, then not delivered",
    phone_4041: "a phone that ends in 4041 is switched off: the message is sent and never delivered",
    phone_4042: "a phone that ends in 4042 has its messages read",
    phone_4043: "a phone that ends in 4043 is refused at once: 400 VALIDATION_ERROR",
    phone_4044: "a phone that ends in 4044 is rejected by its channel",
  },
  create: (context) => new ZenviaTwin(context),
};

interface Account {
  id: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface Message {
  id: string;
  accountId: string;
  channel: string;
  from: string;
  to: string;
  externalId?: string | undefined;
  /** The codes ahead of it, and how many it has been through. */
  life: readonly string[];
  lived: number;
}

/** A code every `settleAfterMs`, by the last four digits of the phone. */
const lives: Record<string, readonly string[]> = {
  4040: ["SENT", "NOT_DELIVERED"], 4041: ["SENT"], 4042: ["SENT", "DELIVERED", "READ"], 4044: ["REJECTED"],
};

const Contents = z.array(z.union([
  z.object({ type: z.literal("text"), text: z.string().min(1) }),
  z.object({ type: z.literal("template"), templateId: z.string().min(1), fields: z.record(z.string(), z.unknown()) }),
])).min(1);
const MessageRequest = z.object({
  from: z.string().min(1), to: z.string().regex(/^\d{10,15}$/).refine((phone) => !phone.endsWith("4043")),
  contents: Contents, externalId: z.string().max(64).optional(),
});

class ZenviaTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const token = randomBytes(24).toString("base64url");
    const account: Account = { id: randomUUID(), webhookUrl, webhookSecret: randomBytes(24).toString("base64url") };
    await this.#context.store.put(`account/${account.id}`, account);
    await this.#context.store.put(`token/${hash(token)}`, account);
    return { credentials: { api_token: token }, settings: { sms_from: "loja", whatsapp_from: "loja" }, webhookSecret: account.webhookSecret };
  }

  async fetch(request: Request): Promise<Response> {
    const account = await this.#context.store.get<Account>(`token/${hash(request.headers.get("x-api-token") ?? "")}`);
    if (!account) return failure(401, "AUTHENTICATION_ERROR", "No authorization token was found");
    const [, channel] = /^\/v2\/channels\/(sms|whatsapp)\/messages$/.exec(new URL(request.url).pathname) ?? [];
    if (!channel || request.method !== "POST") return failure(404, "NOT_FOUND", "The resource was not found");
    const asked = MessageRequest.safeParse(await request.json().catch(() => undefined));
    if (!asked.success) return invalid(asked.error);
    const { from, to, contents, externalId } = asked.data;
    const life = lives[to.slice(-4)] ?? ["SENT", "DELIVERED"];
    const message: Message = { id: randomUUID(), accountId: account.id, channel, from, to, externalId, life, lived: 0 };
    await this.#context.store.put(`message/${message.id}`, message);
    for (const index of life.keys()) {
      const at = new Date(this.#context.clock.now().getTime() + (index + 1) * this.#context.settleAfterMs);
      await this.#context.store.schedule({ name: "live", id: message.id, index }, at);
    }
    return Response.json({ id: message.id, from, to, direction: "OUT", channel, contents, externalId });
  }

  async run(step: TwinStep): Promise<void> {
    const index = Number(step["index"]);
    const message = await this.#context.store.update<Message>(`message/${String(step["id"])}`, (stored) =>
      stored.lived === index ? { ...stored, lived: index + 1 } : stored);
    // A repeat finds the code reached and tells it again.
    if (message?.lived === index + 1) await this.#tell(message, message.life[index]!);
  }

  async #tell({ id, accountId, channel, from, to, externalId }: Message, code: string): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${accountId}`);
    if (!account) return;
    const timestamp = this.#context.clock.now().toISOString();
    const causes = code === "REJECTED" || code === "NOT_DELIVERED" ? [{ reason: "The phone number does not exist" }] : [];
    await this.#context.deliver({
      url: account.webhookUrl,
      headers: { "content-type": "application/json", "x-webhook-secret": account.webhookSecret },
      body: JSON.stringify({
        id: hash(`${id} ${code}`).slice(0, 32), timestamp, type: "MESSAGE_STATUS", subscriptionId: accountId, channel,
        message: { id, externalId, from, to, direction: "OUT" }, messageStatus: { timestamp, code, description: `The message is ${code}`, causes },
      }),
    });
  }
}

function invalid(error: z.ZodError): Response {
  const details = error.issues.map(({ path, message }) => ({ code: "INVALID_VALUE", path: path.join("."), message }));
  return failure(400, "VALIDATION_ERROR", "Validation error", details);
}

const failure = (status: number, code: string, message: string, details: object[] = []): Response =>
  Response.json({ code, message, details }, { status });

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
