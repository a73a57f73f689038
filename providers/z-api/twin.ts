/**
 * The stand-in for Z-API: takes messages into a queue, sends and delivers them, and calls back at the address
 * registered for the instance. What it leaves out is in README.md.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const zApiTwin: TwinDefinition = {
  id: "z-api",
  hosts: ["api.z-api.io"],
  magic: {
    phone_4040: "a phone that ends in 4040 does not exist: the message is queued, then fails",
    phone_4041: "a phone that ends in 4041 is switched off: the message is sent and never delivered",
    phone_4042: "a phone that ends in 4042 has its messages read",
    phone_4043: "a phone that ends in 4043 is refused at once: 400",
  },
  create: (context) => new ZApiTwin(context),
};

interface Instance {
  id: string;
  tokenHash: string;
  clientTokenHash: string;
  webhookUrl: string;
}

type Status = "SENT" | "RECEIVED" | "READ" | "NO_SUCH_PHONE";

interface Message {
  id: string;
  zaapId: string;
  phone: string;
  instanceId: string;
  /** The statuses ahead of it, and how many it has been through. */
  life: readonly Status[];
  lived: number;
}

/** A status every `settleAfterMs`, by the last four digits of the phone. */
const lives: Record<string, readonly Status[]> = {
  4040: ["NO_SUCH_PHONE"], 4041: ["SENT"], 4042: ["SENT", "RECEIVED", "READ"],
};

/** What each method's body must hold beside the phone. */
const required: Record<string, readonly string[]> = {
  "send-text": ["message"],
  "send-image": ["image"],
  "send-document": ["document"],
  "send-audio": ["audio"],
  "send-location": ["title", "address", "latitude", "longitude"],
  "send-contact": ["contactName", "contactPhone"],
  "send-button-list": ["message", "buttonList"],
  "read-message": ["messageId"],
};

const methods: Record<string, "GET" | "POST"> = {
  status: "GET", "phone-exists": "GET", ...Object.fromEntries(Object.keys(required).map((verb) => [verb, "POST" as const])),
};

class ZApiTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const [id, token, clientToken] = [hex(16), hex(12), `F${hex(16).toLowerCase()}S`];
    const webhookSecret = randomBytes(24).toString("base64url");
    const address = new URL(webhookUrl);
    address.searchParams.set("token", webhookSecret);
    const hashes = { tokenHash: hash(token), clientTokenHash: hash(clientToken) };
    const instance: Instance = { id, ...hashes, webhookUrl: address.href };
    await this.#context.store.put(`instance/${id}`, instance);
    return { credentials: { token, client_token: clientToken }, settings: { instance_id: id }, webhookSecret };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, id, token, verb = "", rest = ""] = /^\/instances\/([^/]+)\/token\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/.exec(pathname) ?? [];
    const method = methods[verb];
    if (!id || !token || !method) return failure(404, "NOT_FOUND", "There is no such method");
    if (request.method !== method) return failure(405, "METHOD_NOT_ALLOWED", `Use ${method}`);
    const instance = await this.#context.store.get<Instance>(`instance/${id}`);
    if (instance?.tokenHash !== hash(token)) return failure(400, "Instance not found");
    const clientToken = request.headers.get("client-token");
    if (!clientToken) return failure(400, "null not allowed");
    if (instance.clientTokenHash !== hash(clientToken)) return failure(403, `Client-Token ${clientToken} not allowed`);
    if (verb === "status") return Response.json({ connected: true, error: "", smartphoneConnected: true });
    if (verb === "phone-exists") return exists(rest);
    const isJson = request.headers.get("content-type")?.startsWith("application/json");
    if (!isJson) return failure(415, "UNSUPPORTED_MEDIA_TYPE", "Send application/json");
    return this.#post(instance, verb, await request.json() as Record<string, unknown>);
  }

  async #post(instance: Instance, verb: string, body: Record<string, unknown>): Promise<Response> {
    const { phone } = body;
    const isPhone = typeof phone === "string" && /^\d{10,15}$/.test(phone) && !phone.endsWith("4043");
    if (!isPhone) return failure(400, "BAD_REQUEST", "Invalid phone number");
    for (const name of required[verb]!) {
      if (body[name] === undefined || body[name] === "") return failure(400, "BAD_REQUEST", `${name} is required`);
    }
    if (verb === "read-message") return new Response(null, { status: 204 });
    const life = lives[phone.slice(-4)] ?? ["SENT", "RECEIVED"];
    const queued: Message = { id: hex(10), zaapId: hex(16), phone, instanceId: instance.id, life, lived: 0 };
    await this.#context.store.put(`message/${queued.id}`, queued);
    for (const index of life.keys()) await this.#schedule({ name: "live", id: queued.id, index }, index + 1);
    return Response.json({ zaapId: queued.zaapId, messageId: queued.id, id: queued.id });
  }

  async run(step: TwinStep): Promise<void> {
    const index = Number(step["index"]);
    const message = await this.#context.store.update<Message>(`message/${String(step["id"])}`, (stored) =>
      stored.lived === index ? { ...stored, lived: index + 1 } : stored);
    // A repeat finds the status reached and tells it again.
    if (message?.lived !== index + 1) return;
    const status = message.life[index];
    if (status === "SENT" || status === "NO_SUCH_PHONE") await this.#tell(message, deliveryOf(message, status));
    if (status !== "NO_SUCH_PHONE") await this.#tell(message, statusOf(message, status));
  }

  async #tell({ instanceId }: Message, callback: object): Promise<void> {
    const instance = await this.#context.store.get<Instance>(`instance/${instanceId}`);
    if (!instance) return;
    const body = JSON.stringify({ ...callback, instanceId, momment: this.#context.clock.now().getTime() });
    await this.#context.deliver({ url: instance.webhookUrl, headers: { "content-type": "application/json" }, body });
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    const { store, clock, settleAfterMs } = this.#context;
    return store.schedule(step, new Date(clock.now().getTime() + rests * settleAfterMs));
  }
}

const deliveryOf = ({ id, zaapId, phone }: Message, status: Status) => ({
  type: "DeliveryCallback", phone, zaapId, messageId: id,
  ...(status === "NO_SUCH_PHONE" && { error: "Phone number does not exist" }),
});

const statusOf = ({ id, phone }: Message, status: Status | undefined) => ({
  type: "MessageStatusCallback", status, ids: [id], phone, phoneDevice: 0, isGroup: false,
});

/** The number that fails after it is queued is the one WhatsApp does not know. */
const exists = (phone: string): Response =>
  phone.endsWith("4040") ? Response.json({ exists: false, phone: null, lid: null }) : Response.json({ exists: true, phone, lid: null });

const failure = (status: number, error: string, message?: string): Response =>
  Response.json({ error, message }, { status });

const hex = (bytes: number): string => randomBytes(bytes).toString("hex").toUpperCase();
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
