/**
 * Konduto's twin: orders under `/v1`, HTTP Basic, an id that is taken once, and a recommendation that follows from the
 * e-mail address. An order under review is decided on by a person one rest later; Konduto posts nothing.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { jsonOf } from "../parts.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const kondutoTwin: TwinDefinition = {
  id: "konduto",
  hosts: ["api.konduto.com"],
  magic: {
    "e-mail fraud@": "a customer whose e-mail starts with fraud@ is recommended to be declined, score 0.95",
    "e-mail doubt@": "one with doubt@ goes to review, score 0.6, and is approved one rest later",
    "e-mail blocked@": "one with blocked@ goes to review, score 0.6, and is declined one rest later",
    "e-mail refused@": "one with refused@ is answered with 400",
  },
  create: (context) => new KondutoTwin(context),
};

interface Order {
  id: string;
  status: string;
  recommendation: string;
  score: number;
  sent: z.output<typeof NewOrder>;
}

class KondutoTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount(): Promise<TwinAccount> {
    const key = `T${randomBytes(10).toString("hex").toUpperCase()}`;
    await this.#context.store.put(`account/${key}`, key);
    return { credentials: { api_key: key }, settings: {}, webhookSecret: "" };
  }

  async fetch(request: Request): Promise<Response> {
    const [, credentials = ""] = /^Basic (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    const key = Buffer.from(credentials, "base64").toString().replace(/:$/, "");
    if (!(await this.#context.store.get(`account/${key}`)))
      return failure(401, "/", { expected: "Authorized credentials", found: "Missing or unauthorized credentials" });
    const { pathname } = new URL(request.url);
    const id = /^\/v1\/orders\/([^/]+)$/.exec(pathname)?.[1];
    const body = jsonOf(await request.text());
    if (pathname === "/v1/orders" && request.method === "POST") return this.#analyse(key, body);
    const order = id && (await this.#context.store.get<Order>(orderKey(key, decodeURIComponent(id))));
    if (!order) return failure(404, "/", { expected: "known order", found: "unknown order" });
    if (request.method === "GET") return Response.json({ status: "ok", order: shown(order) });
    return request.method === "PUT" ? this.#decide(orderKey(key, order.id), body) : failure(405, "/", "method not allowed");
  }

  async run(step: TwinStep): Promise<void> {
    await this.#context.store.update<Order>(String(step["key"]), (order) =>
      (order.status === "pending" ? { ...order, status: String(step["status"]) } : order));
  }

  async #analyse(key: string, body: unknown): Promise<Response> {
    const parsed = NewOrder.safeParse(body);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return failure(400, `/${issue!.path.join("/")}`, { expected: issue!.message, found: "an invalid value" });
    }
    const sent = parsed.data;
    const email = sent.customer.email ?? "";
    if (email.startsWith("refused@")) return failure(400, "/customer/email", { expected: "a valid email", found: email });
    const place = orderKey(key, sent.id);
    if ((await this.#context.store.next(`${place}/sent`)) > 1) return failure(400, "/id", { expected: "a new id", found: "an id that already exists" });
    const [recommendation, score, status, later] = verdictOn(email);
    const order: Order = sent.analyze === false
      ? { id: sent.id, status: "not_analyzed", recommendation: "NONE", score: 0, sent }
      : { id: sent.id, status, recommendation, score, sent };
    await this.#context.store.put(place, order);
    const at = new Date(this.#context.clock.now().getTime() + this.#context.settleAfterMs);
    if (later) await this.#context.store.schedule({ name: "decide", key: place, status: later }, at);
    return Response.json({ status: "ok", order: shown(order) });
  }

  async #decide(place: string, body: unknown): Promise<Response> {
    const parsed = Update.safeParse(body);
    if (!parsed.success) return failure(400, "/status", { expected: "a known status and comments", found: "something else" });
    let before = "";
    await this.#context.store.update<Order>(place, (order) => {
      before = order.status;
      return { ...order, status: parsed.data.status };
    });
    return Response.json({ status: "ok", order: { old_status: before, new_status: parsed.data.status } });
  }
}

const orderKey = (key: string, id: string): string => `order/${key}/${id}`;

const NewOrder = z.object({
  id: z.string().min(1).max(100),
  total_amount: z.number().min(0),
  installments: z.int().min(1).max(999),
  currency: z.string().length(3).optional(),
  analyze: z.boolean().optional(),
  customer: z.object({ name: z.string().optional(), tax_id: z.string().min(1), email: z.string().optional(), phone1: z.string().optional() }),
});
const Update = z.object({ status: z.enum(["approved", "declined", "fraud", "canceled", "not_authorized"]), comments: z.string().min(1) });

/** The recommendation, the score, the order's status now, and what a person will decide. */
function verdictOn(email: string): [recommendation: string, score: number, status: string, later?: string] {
  if (email.startsWith("fraud@")) return ["DECLINE", 0.95, "declined"];
  if (email.startsWith("doubt@")) return ["REVIEW", 0.6, "pending", "approved"];
  if (email.startsWith("blocked@")) return ["REVIEW", 0.6, "pending", "declined"];
  return ["APPROVE", 0.08, "approved"];
}

const shown = ({ id, status, recommendation, score, sent }: Order): object => ({
  ...sent, id, status, recommendation, score, geolocation: {}, device: {}, navigation: {},
});

const failure = (status: number, where: string, why: unknown): Response => Response.json({ status: "error", message: { where, why } }, { status });
