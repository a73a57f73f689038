/**
 * Truora's twin: web tokens, identity processes and background checks on their three hosts, and webhooks that are JWTs.
 * Nobody opens a link: a process starts one rest after its token and ends one rest later, as its `magic` inputs say.
 */
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const truoraTwin: TwinDefinition = {
  id: "truora",
  hosts: ["api.identity.truora.com", "api.account.truora.com", "api.checks.truora.com"],
  magic: {
    "e-mail declined@": "a process for an e-mail that starts with declined@ fails, declined",
    "e-mail expired@": "one for expired@ is never finished and fails, expired",
    "e-mail refused@": "a token for refused@ is answered with 400",
    "document 000.000.101-54": "a check of it completes with score 0.05: a risk of 0.95",
    "document 000.000.102-35": "a check of it completes with score 0.3: a risk of 0.7",
    "document 000.000.103-16": "a check of it ends in error",
    "document 000.000.104-05": "a check of it is answered with 400",
  },
  create: (context) => new TruoraTwin(context),
};

interface Account {
  key: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface Process {
  id: string;
  key: string;
  accountId: string;
  /** Undefined until the person opens the link. */
  status?: string;
  failureStatus?: string;
  declinedReason?: string;
}

interface Check {
  id: string;
  key: string;
  nationalId: string;
  country: string;
  status: string;
  score: number;
}

const FLOW_ID = "IPFsandbox0000000000000000000000000";

class TruoraTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const account: Account = { key: `truora-${randomUUID()}`, webhookUrl, webhookSecret: randomUUID() };
    await this.#context.store.put(`account/${account.key}`, account);
    return {
      credentials: { api_key: account.key },
      settings: { flow_id: FLOW_ID, redirect_url: "https://example.com/verified", country: "BR", user_authorized: "yes", review_from: "0.6", reject_from: "0.9" },
      webhookSecret: account.webhookSecret,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const { host, pathname } = new URL(request.url);
    const account = await this.#context.store.get<Account>(`account/${request.headers.get("truora-api-key") ?? ""}`);
    if (!account) return failure(401, "Unauthorized");
    const form = new URLSearchParams(await request.text());
    const [, processId] = /^\/v1\/processes\/([^/]+)\/result$/.exec(pathname) ?? [];
    const [, checkId] = /^\/v1\/checks\/([^/]+)$/.exec(pathname) ?? [];
    const made = request.method === "POST";
    if (host === "api.account.truora.com" && pathname === "/v1/api-keys" && made) return this.#token(account, form);
    if (host === "api.checks.truora.com" && pathname === "/v1/checks" && made) return this.#check(account, form);
    if (host === "api.checks.truora.com" && checkId) return this.#showCheck(account, checkId);
    if (host === "api.identity.truora.com" && processId) return this.#showProcess(account, processId);
    return failure(404, "not found");
  }

  async run(step: TwinStep): Promise<void> {
    if (step.name === "complete") return this.#complete(String(step["key"]));
    const to = String(step["to"]);
    let moved = false;
    const process = await this.#context.store.update<Process>(String(step["key"]), (current) => {
      moved = current.status === undefined ? to === "pending" : current.status === "pending" && to !== "pending";
      return moved ? { ...current, status: to, ...(to === "failure" && reasonsOf(String(step["why"]))) } : current;
    });
    if (!process || !moved) return;
    const action = to === "pending" ? "created" : to === "success" ? "success" : "failed";
    await this.#tell(process.key, "identity_process", action, {
      identity_process_id: process.id, account_id: process.accountId, flow_id: FLOW_ID, status: to,
    });
  }

  async #token(account: Account, form: URLSearchParams): Promise<Response> {
    const missing = ["key_type", "grant", "flow_id", "redirect_url", "country"].find((name) => !form.get(name));
    if (missing) return failure(400, `${missing} is required`);
    if (form.get("flow_id") !== FLOW_ID) return failure(404, "flow not found");
    const email = form.get("emails") ?? "";
    if (email.startsWith("refused@")) return failure(400, "emails has an invalid e-mail address");
    const accountId = form.get("account_id") || `ACC${randomBytes(16).toString("hex")}`;
    const process: Process = { id: `IDP${randomBytes(16).toString("hex")}`, key: account.key, accountId };
    const key = processKey(account, process.id);
    await this.#context.store.put(key, process);
    const why = ["declined", "expired"].find((word) => email.startsWith(`${word}@`));
    await this.#schedule({ name: "move", key, to: "pending" }, 1);
    await this.#schedule({ name: "move", key, to: why ? "failure" : "success", why }, 2);
    const additional = JSON.stringify({ process_id: process.id, flow_id: FLOW_ID, redirect_url: form.get("redirect_url") });
    const claims = { account_id: accountId, additional_data: additional, grant: "digital-identity", key_type: "web", jti: randomUUID() };
    return Response.json({ api_key: jwt(claims, randomUUID()), message: "API key created successfully" });
  }

  async #check(account: Account, form: URLSearchParams): Promise<Response> {
    const [nationalId, country] = [form.get("national_id"), form.get("country")];
    if (!nationalId || !country || form.get("type") !== "person") return failure(400, "national_id, country and type are required");
    if (form.get("user_authorized") !== "true") return failure(400, "user_authorized must be true");
    if (nationalId === "00000010405") return failure(400, "national_id is not valid");
    const same = `same/${account.key}/${country}/${nationalId}`;
    const known = form.get("force_creation") === "true" ? undefined : await this.#context.store.get<string>(same);
    const before = known && (await this.#context.store.get<Check>(known));
    if (before) return Response.json({ check: shown(before) });
    const check: Check = { id: `CHK${randomBytes(16).toString("hex")}`, key: account.key, nationalId, country, status: "not_started", score: -1 };
    const key = checkKey(account, check.id);
    await this.#context.store.put(key, check);
    await this.#context.store.put(same, key);
    await this.#schedule({ name: "complete", key }, 1);
    return Response.json({ check: shown(check) }, { status: 201 });
  }

  async #complete(key: string): Promise<void> {
    let moved = false;
    const check = await this.#context.store.update<Check>(key, (current) => {
      moved = current.status === "not_started";
      return moved ? { ...current, ...endOf(current.nationalId) } : current;
    });
    if (check && moved) await this.#tell(check.key, "check", "completed", { check_id: check.id, status: check.status });
  }

  async #showProcess(account: Account, id: string): Promise<Response> {
    const process = await this.#context.store.get<Process>(processKey(account, id));
    if (!process?.status) return failure(404, "process not found");
    const { accountId, status, failureStatus, declinedReason } = process;
    return Response.json({
      process_id: id, account_id: accountId, flow_id: FLOW_ID, status, validations: [],
      ...(failureStatus && { failure_status: failureStatus }), ...(declinedReason && { declined_reason: declinedReason }),
    });
  }

  async #showCheck(account: Account, id: string): Promise<Response> {
    const check = await this.#context.store.get<Check>(checkKey(account, id));
    return check ? Response.json({ check: shown(check) }) : failure(404, "check not found");
  }

  async #schedule(step: TwinStep, rests: number): Promise<void> {
    await this.#context.store.schedule(step, new Date(this.#context.clock.now().getTime() + rests * this.#context.settleAfterMs));
  }

  async #tell(key: string, type: string, action: string, object: object): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${key}`);
    if (!account) return;
    const claims = {
      iss: "Truora", iat: Math.floor(this.#context.clock.now().getTime() / 1_000), events: [{ event_type: type, event_action: action, object }],
    };
    await this.#context.deliver({ url: account.webhookUrl, body: jwt(claims, account.webhookSecret), headers: { "content-type": "application/jwt" } });
  }
}

const processKey = (account: Account, id: string): string => `process/${account.key}/${id}`;
const checkKey = (account: Account, id: string): string => `check/${account.key}/${id}`;

const reasonsOf = (why: string): object => (why === "expired" ? { failureStatus: "expired" } : { failureStatus: "declined", declinedReason: "invalid_document" });

const ends = new Map([
  ["00000010154", { status: "completed", score: 0.05 }], ["00000010235", { status: "completed", score: 0.3 }], ["00000010316", { status: "error", score: -1 }],
]);
const endOf = (nationalId: string): { status: string; score: number } => ends.get(nationalId) ?? { status: "completed", score: 0.98 };

const shown = ({ id, nationalId, country, status, score }: Check): object =>
  ({ check_id: id, national_id: nationalId, country, type: "person", status, score, scores: [] });

/** HS256. */
function jwt(claims: object, secret: string): string {
  const signed = [{ alg: "HS256", typ: "JWT" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

const failure = (status: number, message: string): Response => Response.json({ code: status, http_code: status, message }, { status });
