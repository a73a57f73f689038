/**
 * SendGrid's twin: mail whose id is in a header, events signed with the account's own P-256 key, bounces that are kept.
 * Nobody reads mail here: what becomes of it follows from the address.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { z } from "zod";
import { jsonOf } from "../parts.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const sendgridTwin: TwinDefinition = {
  id: "sendgrid",
  hosts: ["api.sendgrid.com"],
  magic: {
    "bounce@": "mail to an address that starts with bounce@ is processed, then bounces",
    "reader@": "mail to an address that starts with reader@ is opened in the end",
    "refused@": "mail to an address that starts with refused@ is answered with 400",
  },
  create: (context) => new SendgridTwin(context),
};

interface Account {
  key: string;
  webhookUrl: string;
  /** PEM. */
  privateKey: string;
}

interface Mail {
  id: string;
  key: string;
  email: string;
  customArgs: Record<string, string>;
  /** The events ahead of it, and how many it has been through. */
  life: readonly string[];
  lived: number;
}

class SendgridTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const account: Account = {
      key: `SG.${randomBytes(16).toString("base64url")}.${randomBytes(32).toString("base64url")}`, webhookUrl,
      privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
    await this.#context.store.put(`account/${account.key}`, account);
    return {
      credentials: { api_key: account.key },
      settings: { from_email: "loja@example.com", from_name: "Loja" },
      webhookSecret: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    };
  }

  async fetch(request: Request): Promise<Response> {
    const [, key = ""] = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    const account = await this.#context.store.get<Account>(`account/${key}`);
    if (!account) return failure(401, "The provided authorization grant is invalid, expired, or revoked");
    const url = new URL(request.url);
    const bounced = /^\/v3\/suppression\/bounces\/([^/]+)$/.exec(url.pathname)?.[1];
    switch (`${request.method} ${bounced ? "/bounces/email" : url.pathname.replace(/^\/v3/, "")}`) {
      case "POST /mail/send": return this.#send(account, jsonOf(await request.text()));
      case "GET /suppression/bounces": return Response.json((await this.#bounces(key)).map(({ email, created }) => ({ email, created, reason: REASON, status: "5.1.1" })));
      case "DELETE /bounces/email": return this.#unbounce(key, decodeURIComponent(bounced!));
      case "GET /templates": return Response.json({ result: [{ id: "d-1", name: "Shipped", generation: "dynamic" }], _metadata: { count: 1 } });
      case "GET /stats": return Response.json([{ date: url.searchParams.get("start_date"), stats: [{ metrics: { requests: 0, delivered: 0 } }] }]);
      default: return failure(404, "not found");
    }
  }

  async run(step: TwinStep): Promise<void> {
    const index = Number(step["index"]);
    const mail = await this.#context.store.update<Mail>(`mail/${String(step["id"])}`, (stored) =>
      (stored.lived === index ? { ...stored, lived: index + 1 } : stored));
    // A repeat finds the event reached and tells it again.
    if (mail?.lived === index + 1) await this.#tell(mail, mail.life[index]!);
  }

  async #send(account: Account, body: unknown): Promise<Response> {
    const parsed = NewMail.safeParse(body);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return failure(400, issue!.message, issue!.path.join("."));
    }
    const { personalizations } = parsed.data;
    const refused = personalizations.findIndex(({ to }) => to[0]!.email.startsWith("refused@"));
    if (refused >= 0) return failure(400, "Does not contain a valid address.", `personalizations.${refused}.to.0.email`);
    const id = randomBytes(16).toString("base64url");
    for (const [nth, { to, custom_args: customArgs = {} }] of personalizations.entries())
      await this.#post({ id: nth === 0 ? id : `${id}-${nth}`, key: account.key, email: to[0]!.email, customArgs, life: lifeOf(to[0]!.email), lived: 0 });
    return new Response(null, { status: 202, headers: { "x-message-id": id } });
  }

  async #post(mail: Mail): Promise<void> {
    await this.#context.store.put(`mail/${mail.id}`, mail);
    for (const index of mail.life.keys()) {
      const at = new Date(this.#context.clock.now().getTime() + (index + 1) * this.#context.settleAfterMs);
      await this.#context.store.schedule({ name: "live", id: mail.id, index }, at);
    }
  }

  async #bounces(key: string): Promise<{ email: string; created: number; lifted?: boolean }[]> {
    return (await this.#context.store.list<{ email: string; created: number; lifted?: boolean }>(`bounce/${key}/`)).filter(({ lifted }) => !lifted);
  }

  async #unbounce(key: string, email: string): Promise<Response> {
    const found = await this.#context.store.update<object>(`bounce/${key}/${email}`, (bounce) => ({ ...bounce, lifted: true }));
    return found ? new Response(null, { status: 204 }) : failure(404, "resource not found");
  }

  async #tell({ id, key, email, customArgs }: Mail, event: string): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${key}`);
    if (!account) return;
    const timestamp = Math.floor(this.#context.clock.now().getTime() / 1_000);
    if (event === "bounce") await this.#context.store.put(`bounce/${key}/${email}`, { email, created: timestamp });
    const told = {
      ...customArgs, email, timestamp, event, sg_event_id: Buffer.from(`${id}:${event}`).toString("base64url"), sg_message_id: `${id}.filter0001.1.0`,
      "smtp-id": `<${id}@example.com>`, ...(event === "bounce" && { reason: REASON, status: "5.1.1", type: "bounce" }),
    };
    const body = JSON.stringify([told]);
    const signature = sign("sha256", Buffer.from(`${timestamp}${body}`), createPrivateKey(account.privateKey)).toString("base64");
    const headers = {
      "content-type": "application/json", "x-twilio-email-event-webhook-signature": signature, "x-twilio-email-event-webhook-timestamp": String(timestamp),
    };
    await this.#context.deliver({ url: account.webhookUrl, body, headers });
  }
}

const REASON = "550 5.1.1 The email account that you tried to reach does not exist";

const lifeOf = (email: string): string[] =>
  email.startsWith("bounce@") ? ["processed", "bounce"] : email.startsWith("reader@") ? ["processed", "delivered", "open"] : ["processed", "delivered"];

const Person = z.object({ email: z.email("Does not contain a valid address."), name: z.string().optional() });
const NewMail = z.object({
  from: Person,
  personalizations: z.array(z.object({
    to: z.array(Person).min(1), custom_args: z.record(z.string(), z.string()).optional(), dynamic_template_data: z.record(z.string(), z.unknown()).optional(),
  })).min(1),
  subject: z.string().min(1).optional(),
  content: z.array(z.object({ type: z.string(), value: z.string().min(1) })).min(1).optional(),
  template_id: z.string().optional(),
}).refine(({ content, template_id }) => content ?? template_id, { path: ["content"], error: "The content value must be a string at least one character in length." })
  .refine(({ subject, template_id }) => subject ?? template_id, { path: ["subject"], error: "The subject is required." });

const failure = (status: number, message: string, field?: string): Response => Response.json({ errors: [{ message, field: field ?? null, help: null }] }, { status });
