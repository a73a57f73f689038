/**
 * Persona's twin: inquiries under `/api/v1`, JSON:API, idempotency keys that replay, one-time links, and webhooks
 * signed with the account's secret. Nobody opens the link: an inquiry moves on by itself, as its `magic` inputs say.
 */
import { createHash, createHmac, randomInt, randomUUID } from "node:crypto";
import { z } from "zod";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const personaTwin: TwinDefinition = {
  id: "persona",
  hosts: ["api.withpersona.com"],
  magic: {
    "name Declined": "a name with the word Declined, or document 000.000.101-54, completes and is then declined",
    "name Review": "a name with the word Review, or document 000.000.102-35, completes and is then marked for review",
    "name Failed": "a name with the word Failed fails instead of completing",
    "name Expired": "a name with the word Expired, or document 000.000.103-16, is never finished and expires",
    "email refused@": "an e-mail that starts with refused@ is answered with 422",
  },
  create: (context) => new PersonaTwin(context),
};

interface Account {
  token: string;
  templateId: string;
  webhookUrl: string;
  webhookSecret: string;
}

type Status =
  | "created" | "pending" | "completed" | "failed" | "expired" | "needs_review" | "approved" | "declined";

interface Inquiry {
  id: string;
  token: string;
  templateId: string;
  status: Status;
  referenceId: string | null;
  fields: Record<string, string>;
  createdAt: string;
  /** The rank of the last status that was announced; below every rank at first. */
  told: number;
}

/** The answer that a key replays. */
interface Kept {
  request: string;
  status: number;
  body: string;
}

const PAGE_MAX = 100;
const PAGE_DEFAULT = 10;

class PersonaTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const account: Account = {
      token: `persona_sandbox_${randomUUID()}`,
      templateId: `itmpl_${alphanumerics(24)}`,
      webhookUrl,
      webhookSecret: `wbhsec_${randomUUID()}`,
    };
    await this.#context.store.put(`account/${account.token}`, account);
    return {
      credentials: { api_key: account.token },
      settings: { inquiry_template_id: account.templateId, document_field: "identification-number" },
      webhookSecret: account.webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, token = ""] = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    const account = await this.#context.store.get<Account>(`account/${token}`);
    if (!account) return problem(401, { title: "Unauthorized", details: "An invalid API key was provided." });
    const [, id, action] = /^\/api\/v1\/inquiries(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(pathname) ?? ["", "", "none"];
    const body = await request.text();
    switch (`${request.method}${id ? " id" : ""}${action ? ` ${action}` : ""}`) {
      case "POST": return this.#once(account, request, body, () => this.#create(account, body));
      case "POST id generate-one-time-link": return this.#once(account, request, body, () => this.#link(account, id!));
      case "GET id": return this.#show(account, id!);
      case "GET": return this.#list(account, searchParams);
      default: return problem(404, { title: "Not found", details: `There is no ${request.method} ${pathname}.` });
    }
  }

  /** Moves an inquiry on and announces it. A step that comes again, or after a later one, changes nothing. */
  async run(step: TwinStep): Promise<void> {
    const to = step["to"] as Status;
    let moved = false;
    const inquiry = await this.#context.store.update<Inquiry>(String(step["key"]), (current) => {
      moved = rank[to] > current.told;
      return moved ? { ...current, status: to, told: rank[to] } : current;
    });
    if (inquiry && moved) await this.#announce(inquiry);
  }

  /** With an idempotency key the first answer is kept, whatever it is, and given again to the same request. */
  async #once(account: Account, request: Request, body: string, answer: () => Promise<Response>): Promise<Response> {
    const key = request.headers.get("idempotency-key");
    if (!key) return answer();
    const place = `key/${account.token}/${key}`;
    const asked = createHash("sha256").update(`${request.url}\n${body}`).digest("hex");
    if ((await this.#context.store.next(`${place}/uses`)) === 1) {
      const first = await answer();
      const kept: Kept = { request: asked, status: first.status, body: await first.text() };
      await this.#context.store.put(place, kept);
      return replayed(kept);
    }
    const kept = await this.#context.store.get<Kept>(place);
    if (kept?.request === asked) return replayed(kept);
    return problem(409, { title: "Conflict", details: "The idempotency key was used with other parameters." });
  }

  async #create(account: Account, body: string): Promise<Response> {
    const parsed = CreateInquiry.safeParse(json(body));
    if (!parsed.success) {
      const at = parsed.error.issues[0]?.path.join("/") ?? "";
      const details = `param is missing or the value is invalid: ${at || "data"}`;
      return problem(400, { title: "Bad request", details, source: { pointer: `/${at}` } });
    }
    const { attributes } = parsed.data.data;
    const refusal = refusalOf(attributes, account);
    if (refusal) return refusal;
    const now = this.#context.clock.now();
    const inquiry: Inquiry = {
      id: `inq_${alphanumerics(24)}`,
      token: account.token,
      templateId: account.templateId,
      status: "created",
      referenceId: attributes["reference-id"] ?? null,
      fields: attributes.fields ?? {},
      createdAt: now.toISOString(),
      told: -1,
    };
    const key = keyOf(account, inquiry.id);
    await this.#context.store.put(key, inquiry);
    const reference = inquiry.referenceId;
    if (reference) await this.#context.store.put(referenceKey(account, reference, inquiry.id), inquiry.id);
    for (const [rests, to] of lifeOf(inquiry).entries()) {
      const at = new Date(now.getTime() + rests * this.#context.settleAfterMs);
      await this.#context.store.schedule({ name: "move", key, to }, at);
    }
    return Response.json({ data: shown(inquiry) }, { status: 201 });
  }

  async #link(account: Account, id: string): Promise<Response> {
    const inquiry = await this.#context.store.get<Inquiry>(keyOf(account, id));
    if (!inquiry) return notFound(id);
    const link = `https://withpersona.com/verify?code=${alphanumerics(32)}`;
    return Response.json({ data: shown(inquiry), meta: { "one-time-link": link } });
  }

  async #show(account: Account, id: string): Promise<Response> {
    const inquiry = await this.#context.store.get<Inquiry>(keyOf(account, id));
    return inquiry ? Response.json({ data: shown(inquiry) }) : notFound(id);
  }

  async #list(account: Account, query: URLSearchParams): Promise<Response> {
    const size = Math.min(Number(query.get("page[size]")) || PAGE_DEFAULT, PAGE_MAX);
    const reference = query.get("filter[reference-id]");
    const found = reference
      ? await this.#byReference(account, reference)
      : await this.#context.store.list<Inquiry>(keyOf(account, ""));
    const newestFirst = found.sort((a, b) => b.createdAt.localeCompare(a.createdAt)).slice(0, size);
    return Response.json({ data: newestFirst.map(shown), links: { prev: null, next: null } });
  }

  async #byReference(account: Account, reference: string): Promise<Inquiry[]> {
    const ids = await this.#context.store.list<string>(referenceKey(account, reference, ""));
    const inquiries = ids.map((id) => this.#context.store.get<Inquiry>(keyOf(account, id)));
    return (await Promise.all(inquiries)).filter((inquiry) => inquiry !== undefined);
  }

  async #announce(inquiry: Inquiry): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${inquiry.token}`);
    if (!account) return;
    const now = this.#context.clock.now();
    const attributes = {
      name: eventNames[inquiry.status],
      payload: { data: shown(inquiry) },
      "created-at": now.toISOString(),
    };
    const body = JSON.stringify({ data: { type: "event", id: `evt_${alphanumerics(24)}`, attributes } });
    const t = Math.floor(now.getTime() / 1000);
    const v1 = createHmac("sha256", account.webhookSecret).update(`${t}.${body}`).digest("hex");
    await this.#context.deliver({
      url: account.webhookUrl,
      body,
      headers: { "content-type": "application/json", "persona-signature": `t=${t},v1=${v1}` },
    });
  }
}

const keyOf = (account: Account, id: string): string => `inquiry/${account.token}/${id}`;

const referenceKey = (account: Account, reference: string, id: string): string =>
  `reference/${account.token}/${reference}/${id}`;

const rank: Record<Status, number> = {
  created: 0, pending: 1, completed: 2, failed: 3, expired: 3, needs_review: 3, approved: 3, declined: 3,
};

const eventNames: Record<Status, string> = {
  created: "inquiry.created",
  pending: "inquiry.started",
  completed: "inquiry.completed",
  failed: "inquiry.failed",
  expired: "inquiry.expired",
  needs_review: "inquiry.marked-for-review",
  approved: "inquiry.approved",
  declined: "inquiry.declined",
};

const CreateInquiry = z.object({
  data: z.object({
    attributes: z.object({
      "inquiry-template-id": z.string(),
      "reference-id": z.string().optional(),
      fields: z.record(z.string(), z.string()).optional(),
    }),
  }),
});
type Attributes = z.output<typeof CreateInquiry>["data"]["attributes"];

function refusalOf(attributes: Attributes, account: Account): Response | undefined {
  const invalid = (details: string, pointer: string) =>
    problem(422, { title: "Record invalid", details, source: { pointer: `/data/attributes/${pointer}` } });
  if (attributes["inquiry-template-id"] !== account.templateId)
    return invalid("Inquiry template could not be found", "inquiry-template-id");
  if (attributes.fields?.["email-address"]?.startsWith("refused@"))
    return invalid("Email address is invalid", "fields/email-address");
  return undefined;
}

/** What becomes of the inquiry, one status a rest. */
function lifeOf({ fields }: Inquiry): Status[] {
  const values = Object.values(fields);
  const says = (word: string, document?: string) =>
    values.some((value) => new RegExp(`\\b${word}\\b`, "i").test(value) || value.replace(/\D/g, "") === document);
  if (says("expired", "00000010316")) return ["created", "pending", "expired"];
  if (says("failed")) return ["created", "pending", "failed"];
  if (says("declined", "00000010154")) return ["created", "pending", "completed", "declined"];
  if (says("review", "00000010235")) return ["created", "pending", "completed", "needs_review"];
  return ["created", "pending", "completed", "approved"];
}

const shown = ({ id, status, referenceId, fields, createdAt, templateId }: Inquiry): object => ({
  type: "inquiry",
  id,
  attributes: {
    status,
    "reference-id": referenceId,
    "created-at": createdAt,
    fields: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { type: "string", value }])),
  },
  relationships: { "inquiry-template": { data: { type: "inquiry-template", id: templateId } } },
});

const replayed = ({ status, body }: Kept): Response =>
  new Response(body, { status, headers: { "content-type": "application/json" } });

const notFound = (id: string): Response => problem(404, { title: "Not found", details: `There is no inquiry ${id}.` });

const problem = (status: number, error: { title: string; details: string; source?: { pointer: string } }): Response =>
  Response.json({ errors: [error] }, { status });

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";

const alphanumerics = (length: number): string =>
  Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
