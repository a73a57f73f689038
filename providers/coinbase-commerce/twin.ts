/**
 * Coinbase Commerce's twin: charges and checkouts, signed webhooks. Nobody opens the page: a charge is signed, paid and
 * completed by itself, one rest apart, unless a `magic` amount says otherwise.
 */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import { jsonOf } from "../parts.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const coinbaseCommerceTwin: TwinDefinition = {
  id: "coinbase-commerce",
  hosts: ["api.commerce.coinbase.com"],
  magic: {
    "decimals .13": "an amount whose decimals are 13 is answered with 400",
    "decimals .14": "a charge whose decimals are 14 is never paid and expires",
    "decimals .15": "a charge whose decimals are 15 is paid too little, and fails",
  },
  create: (context) => new CoinbaseCommerceTwin(context),
};

interface Account {
  key: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface Charge {
  id: string;
  code: string;
  key: string;
  createdAt: string;
  asked: z.output<typeof Priced>;
  timeline: { status: string; time: string }[];
}

const EXPIRES_AFTER_MS = 48 * 3_600_000;

class CoinbaseCommerceTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const account: Account = { key: randomUUID(), webhookUrl, webhookSecret: randomUUID() };
    await this.#context.store.put(`account/${account.key}`, account);
    return { credentials: { api_key: account.key }, settings: {}, webhookSecret: account.webhookSecret };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const key = request.headers.get("x-cc-api-key") ?? "";
    if (!(await this.#context.store.get(`account/${key}`))) return failure(401, "authorization_error", "You are not authorized to do that.");
    const [, kind, name, action] = /^\/(charges|checkouts)(?:\/([^/]+))?(?:\/(cancel))?$/.exec(pathname) ?? [];
    const body = jsonOf(await request.text());
    switch (`${request.method} ${kind}${name ? "/id" : ""}${action ? `/${action}` : ""}`) {
      case "POST charges": return this.#charge(key, body);
      case "GET charges": return this.#list(key, searchParams);
      case "GET charges/id": return this.#show(key, name!);
      case "POST charges/id/cancel": return this.#cancel(key, name!);
      case "POST checkouts": return this.#checkout(key, body);
      case "GET checkouts/id": return this.#showCheckout(key, name!);
      default: return failure(404, "not_found", "Not found");
    }
  }

  /** A step that comes again, or after a later one, changes nothing. */
  async run(step: TwinStep): Promise<void> {
    const charge = await this.#move(String(step["key"]), String(step["to"]));
    if (charge) await this.#tell(charge);
  }

  async #move(place: string, to: string): Promise<Charge | undefined> {
    let moved = false;
    const charge = await this.#context.store.update<Charge>(place, (current) => {
      moved = rank(to) > rank(current.timeline.at(-1)!.status);
      return moved ? { ...current, timeline: [...current.timeline, { status: to, time: this.#context.clock.now().toISOString() }] } : current;
    });
    return moved ? charge : undefined;
  }

  async #charge(key: string, body: unknown): Promise<Response> {
    const parsed = Priced.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const decimals = parsed.data.local_price?.amount.split(".")[1] ?? "";
    if (decimals === "13") return failure(400, "invalid_request", "Amount is not allowed");
    const time = this.#context.clock.now().toISOString();
    const charge: Charge = {
      id: randomUUID(), code: randomBytes(4).toString("hex").toUpperCase(), key, createdAt: time, asked: parsed.data, timeline: [{ status: "NEW", time }],
    };
    const place = chargeKey(key, charge.id);
    await this.#context.store.put(place, charge);
    await this.#context.store.put(`code/${key}/${charge.code}`, charge.id);
    const life = decimals === "14" ? ["EXPIRED"] : decimals === "15" ? ["PENDING", "FAILED"] : ["SIGNED", "PENDING", "COMPLETED"];
    for (const [nth, to] of life.entries()) {
      const at = new Date(this.#context.clock.now().getTime() + (nth + 1) * this.#context.settleAfterMs);
      await this.#context.store.schedule({ name: "move", key: place, to }, at);
    }
    return Response.json({ data: shown(charge), warnings: [] }, { status: 201 });
  }

  async #list(key: string, query: URLSearchParams): Promise<Response> {
    const all = await this.#context.store.list<Charge>(chargeKey(key, ""));
    const sign = query.get("order") === "asc" ? 1 : -1;
    const sorted = all.sort((a, b) => sign * a.createdAt.localeCompare(b.createdAt));
    const after = sorted.findIndex(({ id }) => id === query.get("starting_after")) + 1;
    const limit = Math.min(Number(query.get("limit")) || 25, 100);
    return Response.json({ data: sorted.slice(after, after + limit).map(shown), pagination: { order: query.get("order") ?? "desc", total: all.length, limit } });
  }

  async #show(key: string, name: string): Promise<Response> {
    const charge = await this.#find(key, name);
    return charge ? Response.json({ data: shown(charge) }) : failure(404, "not_found", "Not found");
  }

  async #cancel(key: string, name: string): Promise<Response> {
    const charge = await this.#find(key, name);
    if (!charge) return failure(404, "not_found", "Not found");
    if (charge.timeline.length > 1) return failure(400, "invalid_request", "Charge cannot be canceled");
    const canceled = await this.#move(chargeKey(key, charge.id), "CANCELED");
    return Response.json({ data: shown(canceled ?? charge) });
  }

  async #find(key: string, name: string): Promise<Charge | undefined> {
    const id = (await this.#context.store.get<string>(`code/${key}/${name}`)) ?? name;
    return this.#context.store.get<Charge>(chargeKey(key, id));
  }

  async #checkout(key: string, body: unknown): Promise<Response> {
    const parsed = Priced.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const checkout = { id: randomUUID(), ...parsed.data };
    await this.#context.store.put(`checkout/${key}/${checkout.id}`, checkout);
    return Response.json({ data: checkout }, { status: 201 });
  }

  async #showCheckout(key: string, id: string): Promise<Response> {
    const checkout = await this.#context.store.get<object>(`checkout/${key}/${id}`);
    return checkout ? Response.json({ data: checkout }) : failure(404, "not_found", "Not found");
  }

  async #tell(charge: Charge): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${charge.key}`);
    const type = eventTypes.get(charge.timeline.at(-1)!.status);
    if (!account || !type) return;
    const now = this.#context.clock.now().toISOString();
    const event = { id: randomUUID(), resource: "event", type, api_version: "2018-03-22", created_at: now, data: shown(charge) };
    const body = JSON.stringify({ attempt_number: 1, id: randomUUID(), scheduled_for: now, event });
    const signature = createHmac("sha256", account.webhookSecret).update(body).digest("hex");
    await this.#context.deliver({ url: account.webhookUrl, body, headers: { "content-type": "application/json", "x-cc-webhook-signature": signature } });
  }
}

const chargeKey = (key: string, id: string): string => `charge/${key}/${id}`;

/** How far along a word is; the last ones end a charge. */
const rank = (status: string): number => ["NEW", "SIGNED", "PENDING"].indexOf(status) + 1 || 4;

const eventTypes = new Map([
  ["PENDING", "charge:pending"], ["COMPLETED", "charge:confirmed"], ["FAILED", "charge:failed"], ["EXPIRED", "charge:failed"],
]);

const Price = z.object({ amount: z.string().regex(/^\d+(\.\d+)?$/), currency: z.string().min(3) });
const Priced = z.object({
  name: z.string().min(1).max(100), description: z.string().min(1).max(200), pricing_type: z.enum(["fixed_price", "no_price"]), local_price: Price.optional(),
  metadata: z.record(z.string(), z.unknown()).optional(), requested_info: z.array(z.string()).optional(),
}).refine(({ pricing_type, local_price }) => pricing_type === "no_price" || local_price, { path: ["local_price"], error: "is required" });

const shown = ({ id, code, createdAt, asked, timeline }: Charge): object => ({
  id, code, name: asked.name, description: asked.description, pricing_type: asked.pricing_type, hosted_url: `https://commerce.coinbase.com/charges/${code}`,
  created_at: createdAt, expires_at: new Date(new Date(createdAt).getTime() + EXPIRES_AFTER_MS).toISOString(), timeline, metadata: asked.metadata ?? {},
  ...(asked.local_price && { pricing: { local: asked.local_price, settlement: asked.local_price } }), payments: [],
});

function invalid({ issues: [issue] }: z.ZodError): Response {
  return failure(400, "invalid_request", `${issue!.path.join(".") || "body"}: ${issue!.message}`);
}

const failure = (status: number, type: string, message: string): Response => Response.json({ error: { type, message } }, { status });
