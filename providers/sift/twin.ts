/**
 * Sift's twin: events and scores under `/v205`, decisions under `/v3`, and a webhook for every decision. It learns nothing: a
 * score follows from the e-mail address, as its `magic` inputs say. A user in doubt is decided on by an analyst one rest later.
 */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import { basic, jsonOf } from "../parts.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const siftTwin: TwinDefinition = {
  id: "sift",
  hosts: ["api.sift.com"],
  magic: {
    "e-mail fraud@": "a user whose e-mail starts with fraud@ scores 0.95",
    "e-mail doubt@": "one with doubt@ scores 0.7, and one rest later an analyst accepts the user",
    "e-mail blocked@": "one with blocked@ scores 0.7, and one rest later an analyst blocks the user",
    "e-mail refused@": "one with refused@ is answered with status 53, invalid characters in a field's value",
  },
  create: (context) => new SiftTwin(context),
};

interface Account {
  key: string;
  accountId: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface User {
  key: string;
  userId: string;
  score: number;
  decision?: { id: string; category: string; source: string; time: number };
}

const ABUSE_TYPE = "payment_abuse";
/** Decisions of every account; an id that is not among them is refused. */
const decisionCategories = new Map([["looks_ok_payment_abuse", "accept"], ["watch_payment_abuse", "watch"], ["looks_bad_payment_abuse", "block"]]);

class SiftTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const account: Account = { key: randomBytes(8).toString("hex"), accountId: randomBytes(12).toString("hex"), webhookUrl, webhookSecret: randomUUID() };
    await this.#context.store.put(`account/${account.key}`, account);
    return {
      credentials: { api_key: account.key },
      settings: { account_id: account.accountId, review_from: "0.6", reject_from: "0.9" },
      webhookSecret: account.webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const body = jsonOf(await request.text());
    const key = pathname === "/v205/events" ? Keyed.safeParse(body).data?.$api_key : keyOf(request);
    const account = await this.#context.store.get<Account>(`account/${key ?? ""}`);
    if (!account) return failure(pathname === "/v205/events" ? 400 : 401, 51, "Invalid API Key. Please check your credentials and try again.");
    const [, userId = "", what] = /^\/v205\/users\/([^/]+)\/(score|labels)$/.exec(pathname) ?? [];
    const [, accountId, decidedId = ""] = /^\/v3\/accounts\/([^/]+)\/users\/([^/]+)\/decisions$/.exec(pathname) ?? [];
    if (pathname === "/v205/events" && request.method === "POST") return this.#event(account, body, new URL(request.url).searchParams);
    if (what === "score") return this.#score(account, decodeURIComponent(userId));
    if (what === "labels" && request.method === "POST") return Response.json(OK, { status: 201 });
    if (accountId === account.accountId) return this.#decisions(account, decodeURIComponent(decidedId), request.method, body);
    return Response.json({ error: "not_found", description: "No such resource" }, { status: 404 });
  }

  async run(step: TwinStep): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${String(step["key"])}`);
    if (account) await this.#decide(account, String(step["userId"]), { decision_id: String(step["decision"]), source: "MANUAL_REVIEW" });
  }

  async #event(account: Account, body: unknown, query: URLSearchParams): Promise<Response> {
    const event = Event.safeParse(body);
    if (!event.success) return failure(400, 55, `Missing required field: ${event.error.issues[0]!.path.join(".")}`);
    const { $user_id: userId, $user_email: email = "", $type: type } = event.data;
    if (email.startsWith("refused@")) return failure(400, 53, "Invalid characters in field value: $user_email");
    const before = await this.#context.store.get<User>(userKey(account, userId));
    const [score, decision] = futureOf(email);
    if (!before) {
      await this.#context.store.put(userKey(account, userId), { key: account.key, userId, score: email ? score : 0.12 } satisfies User);
      const at = new Date(this.#context.clock.now().getTime() + this.#context.settleAfterMs);
      if (decision) await this.#context.store.schedule({ name: "decide", key: account.key, userId, decision }, at);
    }
    const user = (await this.#context.store.get<User>(userKey(account, userId)))!;
    return Response.json({
      ...OK, time: Math.floor(this.#context.clock.now().getTime() / 1_000), request: JSON.stringify({ $type: type, $user_id: userId }),
      ...(query.get("return_score") === "true" && { score_response: { ...OK, ...shown(user) } }),
    });
  }

  async #score(account: Account, userId: string): Promise<Response> {
    const user = await this.#context.store.get<User>(userKey(account, userId));
    return user ? Response.json({ ...OK, ...shown(user) }) : failure(404, 54, "Specified user_id has no scorable events");
  }

  async #decisions(account: Account, userId: string, method: string, body: unknown): Promise<Response> {
    if (method === "POST") {
      const wanted = Decision.safeParse(body);
      if (!wanted.success || !decisionCategories.has(wanted.data.decision_id))
        return Response.json({ error: "bad_request", description: "decision_id is not one of this account's decisions" }, { status: 400 });
      const decided = await this.#decide(account, userId, wanted.data);
      if (decided) return Response.json(decided);
    }
    const user = await this.#context.store.get<User>(userKey(account, userId));
    const { id, time } = user?.decision ?? {};
    return Response.json({ decisions: id ? { [ABUSE_TYPE]: { decision: { id }, time, webhook_succeeded: true } } : {} });
  }

  /** A decision that stands already is not told again. */
  async #decide(account: Account, userId: string, { decision_id: id, source }: z.output<typeof Decision>): Promise<object | undefined> {
    const time = this.#context.clock.now().getTime();
    let isNew = false;
    const user = await this.#context.store.update<User>(userKey(account, userId), (current) => {
      isNew = current.decision?.id !== id;
      return isNew ? { ...current, decision: { id, category: decisionCategories.get(id)!, source, time } } : current;
    });
    if (!user) return undefined;
    const told = { entity: { type: "user", id: userId }, decision: { id }, time };
    if (isNew) await this.#tell(account, JSON.stringify(told));
    return told;
  }

  async #tell({ webhookUrl, webhookSecret }: Account, body: string): Promise<void> {
    const signature = `sha1=${createHmac("sha1", webhookSecret).update(body).digest("hex")}`;
    await this.#context.deliver({ url: webhookUrl, body, headers: { "content-type": "application/json", "x-sift-science-signature": signature } });
  }
}

const OK = { status: 0, error_message: "OK" };
const Keyed = z.object({ $api_key: z.string() });
const Event = z.object({ $type: z.string().min(1), $user_id: z.string().min(1), $user_email: z.string().optional() });
const Decision = z.object({ decision_id: z.string(), source: z.string() });

const userKey = (account: Account, userId: string): string => `user/${account.key}/${userId}`;

function keyOf(request: Request): string | undefined {
  const header = request.headers.get("authorization") ?? "";
  const key = Buffer.from(header.replace(/^Basic /, ""), "base64").toString().replace(/:$/, "");
  return header === basic(key, "") ? key : undefined;
}

/** The score, and what an analyst will decide. */
function futureOf(email: string): [score: number, decision?: string] {
  if (email.startsWith("fraud@")) return [0.95];
  if (email.startsWith("doubt@")) return [0.7, "looks_ok_payment_abuse"];
  if (email.startsWith("blocked@")) return [0.7, "looks_bad_payment_abuse"];
  return [0.12];
}

const shown = ({ userId, score, decision }: User): object => ({
  user_id: userId,
  scores: { [ABUSE_TYPE]: { score, reasons: [] } },
  latest_decisions: decision ? { [ABUSE_TYPE]: decision } : {},
});

const failure = (http: number, status: number, message: string): Response => Response.json({ status, error_message: message }, { status: http });
