/**
 * The stand-in for Pomelo: access tokens by client credentials, and cards that are made, read, searched and controlled.
 * It holds no card number, only four digits. What it leaves out is in README.md.
 */
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import type { Twin, TwinAccount, TwinContext, TwinDefinition } from "../twin.ts";

export const pomeloTwin: TwinDefinition = {
  id: "pomelo",
  hosts: ["api.pomelo.la", "auth.pomelo.la"],
  magic: {
    "cardholder_id unknown": "a cardholder_id that starts with unknown is no user: 400",
    "program_id closed": "a program_id that starts with closed issues no cards any more: 400",
  },
  create: (context) => new PomeloTwin(context),
};

interface App {
  id: string;
  secretHash: string;
}

interface Grant {
  token: string;
  appId: string;
  expiresAt: string;
}

interface StoredCard {
  id: string;
  user_id: string;
  affinity_group_id?: string | undefined;
  card_type: "VIRTUAL" | "PHYSICAL";
  product_type: "PREPAID";
  status: z.output<typeof Status>;
  last_four: string;
  provider: "MASTERCARD";
  start_date: string;
}

const TOKEN_SECONDS = 86_400;
const PAGE_SIZE = 25;
const PAGE_SIZE_MAX = 100;

const Status = z.enum(["CREATED", "ACTIVE", "BLOCKED", "DISABLED", "EMERGENCY"]);
const Address = z.object({
  street_name: z.string(), street_number: z.string().optional(), zip_code: z.string(), city: z.string(), region: z.string().optional(),
  country: z.string().regex(/^[A-Z]{3}$/),
});
const NewCard = z.object({
  user_id: z.string().min(1), card_type: z.enum(["VIRTUAL", "PHYSICAL"]), affinity_group_id: z.string().optional(), address: Address.optional(),
}).refine(({ card_type, address }) => card_type === "VIRTUAL" || address, { path: ["address"], message: "is required for a physical card" });
const Change = z.object({ status: Status, status_reason: z.string().optional() });

class PomeloTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount(): Promise<TwinAccount> {
    const [id, secret] = [randomBytes(12).toString("hex"), randomBytes(24).toString("base64url")];
    await this.#context.store.put(`app/${id}`, { id, secretHash: hash(secret) } satisfies App);
    return { credentials: { client_id: id, client_secret: secret }, settings: {}, webhookSecret: randomBytes(24).toString("base64url") };
  }

  async fetch(request: Request): Promise<Response> {
    const { host, pathname, searchParams } = new URL(request.url);
    const body = json(await request.text());
    if (host === "auth.pomelo.la") return pathname === "/oauth/token" && request.method === "POST" ? this.#grant(body) : notFound("route");
    const appId = await this.#appOf(request);
    if (!appId) return problem(401, "UNAUTHORIZED", "Missing or invalid Bearer token.");
    const [, id] = /^\/cards\/v1(?:\/([^/]+))?$/.exec(pathname) ?? ["", "none/"];
    switch (`${request.method}${id ? " id" : ""}`) {
      case "POST": return this.#create(appId, body);
      case "GET": return this.#search(appId, searchParams);
      case "GET id": return this.#show(appId, decodeURIComponent(id!));
      case "PATCH id": return this.#change(appId, decodeURIComponent(id!), body);
      default: return notFound("route");
    }
  }

  /** Nothing happens here by itself. */
  async run(): Promise<void> {}

  /** The token that is still good is given again until it ends. */
  async #grant(body: unknown): Promise<Response> {
    const { client_id: id, client_secret: secret, audience, grant_type: type } = Credentials.safeParse(body).data ?? {};
    const app = id === undefined ? undefined : await this.#context.store.get<App>(`app/${id}`);
    const isTheirs = app && secret !== undefined && app.secretHash === hash(secret) && audience === "https://api.pomelo.la";
    if (!isTheirs || type !== "client_credentials") return problem(401, "UNAUTHORIZED", "The client could not be authenticated.");
    const now = this.#context.clock.now().getTime();
    const last = await this.#context.store.get<Grant>(`grant/${app.id}`);
    const left = last ? Math.floor((Date.parse(last.expiresAt) - now) / 1000) : 0;
    if (last && left > 0) return Response.json({ access_token: last.token, expires_in: left, token_type: "Bearer", scope: "" });
    const grant: Grant = { token: randomBytes(32).toString("base64url"), appId: app.id, expiresAt: new Date(now + TOKEN_SECONDS * 1000).toISOString() };
    await this.#context.store.put(`grant/${app.id}`, grant);
    await this.#context.store.put(`token/${hash(grant.token)}`, grant);
    return Response.json({ access_token: grant.token, expires_in: TOKEN_SECONDS, token_type: "Bearer", scope: "" });
  }

  async #appOf(request: Request): Promise<string | undefined> {
    const [, token = ""] = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    const grant = await this.#context.store.get<Grant>(`token/${hash(token)}`);
    return grant && Date.parse(grant.expiresAt) > this.#context.clock.now().getTime() ? grant.appId : undefined;
  }

  async #create(appId: string, body: unknown): Promise<Response> {
    const parsed = NewCard.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { user_id, affinity_group_id, card_type } = parsed.data;
    if (user_id.startsWith("unknown")) return problem(400, "INVALID_USER", `There is no user ${user_id}.`);
    if (affinity_group_id?.startsWith("closed")) return problem(400, "INVALID_AFFINITY_GROUP", "The affinity group issues no cards.");
    const nth = await this.#context.store.next("cards");
    const card: StoredCard = {
      id: `crd-${randomUUID()}`, user_id, affinity_group_id, card_type, product_type: "PREPAID", status: card_type === "VIRTUAL" ? "ACTIVE" : "CREATED",
      last_four: String(nth % 10_000).padStart(4, "0"), provider: "MASTERCARD", start_date: this.#context.clock.now().toISOString().slice(0, 10),
    };
    await this.#context.store.put(keyOf(appId, card.id), card);
    return Response.json({ data: card }, { status: 201 });
  }

  async #show(appId: string, id: string): Promise<Response> {
    const card = await this.#context.store.get<StoredCard>(keyOf(appId, id));
    return card ? Response.json({ data: card }) : notFound("card");
  }

  async #search(appId: string, query: URLSearchParams): Promise<Response> {
    const [user, status] = [query.get("user_id"), query.get("status")];
    const size = Math.min(Number(query.get("page[size]")) || PAGE_SIZE, PAGE_SIZE_MAX);
    const page = Number(query.get("page[number]")) || 0;
    const found = (await this.#context.store.list<StoredCard>(keyOf(appId, ""))).filter((card) =>
      (!user || card.user_id === user) && (!status || card.status === status));
    const pagination = { page_size: size, page_number: page, total_pages: Math.ceil(found.length / size), total_elements: found.length };
    return Response.json({ data: found.slice(page * size, (page + 1) * size), meta: { pagination } });
  }

  async #change(appId: string, id: string, body: unknown): Promise<Response> {
    const parsed = Change.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { status } = parsed.data;
    let wasDisabled = false;
    const card = await this.#context.store.update<StoredCard>(keyOf(appId, id), (current) => {
      wasDisabled = current.status === "DISABLED" && status !== "DISABLED";
      return wasDisabled ? current : { ...current, status };
    });
    if (!card) return notFound("card");
    return wasDisabled ? problem(400, "INVALID_STATUS", "A disabled card stays disabled.") : Response.json({ data: card });
  }
}

const Credentials = z.object({ client_id: z.string(), client_secret: z.string(), audience: z.string(), grant_type: z.string() });

const keyOf = (appId: string, cardId: string): string => `card/${appId}/${cardId}`;
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

const problem = (status: number, code: string, detail: string): Response => Response.json({ error: { details: [{ code, detail }] } }, { status });
const notFound = (what: string): Response => problem(404, "NOT_FOUND", `There is no such ${what}.`);

function invalid({ issues: [issue] }: z.ZodError): Response {
  return problem(400, "INVALID_PARAMETER", `${issue?.path.join(".") || "body"}: ${issue?.message}`);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
