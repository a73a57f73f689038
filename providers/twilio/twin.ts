/**
 * The stand-in for Twilio: messages that are queued, sent and delivered with signed status callbacks, verifications by
 * code, and lookups of numbers. What it leaves out is in README.md.
 */
import { createHash, createHmac, randomBytes } from "node:crypto";
import { normalizePhone } from "../../schema/documents.ts";
import type { Twin, TwinAccount, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const twilioTwin: TwinDefinition = {
  id: "twilio",
  hosts: ["api.twilio.com", "verify.twilio.com", "lookups.twilio.com"],
  magic: {
    "+15005550001": "is no valid number: 400, code 21211 (Twilio's own test number)",
    "+15005550004": "has opted out: 400, code 21610 (Twilio's own test number)",
    "+15005550009": "takes no SMS: 400, code 21614 (Twilio's own test number)",
    phone_4040: "a phone that ends in 4040 is unknown: the message is sent, then undelivered, code 30005",
    phone_4041: "a phone that ends in 4041 is switched off: the message is sent and never delivered",
    phone_4042: "a phone that ends in 4042 has its WhatsApp messages read",
    phone_4043: "a phone that ends in 4043 is refused at once: 400, code 21211",
    phone_4044: "a phone that ends in 4044 has no open WhatsApp window: text fails, code 63016; a template is delivered",
    "code 123456": "is the right code of every verification",
  },
  create: (context) => new TwilioTwin(context),
};

interface Account {
  sid: string;
  tokenHash: string;
  /** Twilio signs with the token itself. */
  token: string;
}

interface Status {
  status: string;
  errorCode?: number;
}

interface Message {
  sid: string;
  accountSid: string;
  createdAtMs: number;
  sentAtMs: number | null;
  form: Record<string, string>;
  from: string | null;
  status: string;
  errorCode: number | null;
  /** The statuses ahead of it, and how many it has been through. */
  life: readonly Status[];
  lived: number;
}

interface Verification {
  sid: string;
  to: string;
  channel: string;
  status: string;
  attempts: number;
  createdAtMs: number;
}

interface Call {
  account: Account;
  /** What the pattern found in the path. */
  parts: string[];
  query: URLSearchParams;
  form: Record<string, string>;
}

type Handler = (call: Call) => Promise<Response>;

const RIGHT_CODE = "123456";
const CHECKS_MAX = 5;
const VERIFICATION_TTL_MS = 600_000;
const PAGE_ROWS_DEFAULT = 50;
const errorTexts: Record<number, string> = { 30005: "Unknown destination handset", 63016: "Outside the messaging window" };

class TwilioTwin implements Twin {
  readonly #context: TwinContext;

  constructor(context: TwinContext) {
    this.#context = context;
  }

  async openAccount({ webhookUrl }: { webhookUrl: string }): Promise<TwinAccount> {
    const token = randomBytes(16).toString("hex");
    const account: Account = { sid: sid("AC"), tokenHash: hash(token), token };
    await this.#context.store.put(`account/${account.sid}`, account);
    return {
      credentials: { auth_token: token },
      settings: { account_sid: account.sid, sms_from: "+15005550006", whatsapp_from: "+15005550006", notification_url: webhookUrl },
      webhookSecret: token,
    };
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const account = await this.#authenticate(request.headers.get("authorization"));
    if (!account) return failure(401, 20003, "Authenticate");
    const place = `${request.method} ${url.host}${url.pathname}`;
    for (const [pattern, handle] of this.#routes) {
      const match = pattern.exec(place);
      if (!match) continue;
      const form = Object.fromEntries(new URLSearchParams(await request.text()));
      return handle({ account, parts: match.slice(1).map(decodeURIComponent), query: url.searchParams, form });
    }
    return missing(url.pathname);
  }

  async #authenticate(header: string | null): Promise<Account | undefined> {
    const [user = "", token = ""] = Buffer.from(header?.replace(/^Basic /i, "") ?? "", "base64").toString().split(":");
    const account = await this.#context.store.get<Account>(`account/${user}`);
    return account?.tokenHash === hash(token) ? account : undefined;
  }

  readonly #routes: readonly [RegExp, Handler][] = [
    [/^POST api\.twilio\.com\/2010-04-01\/Accounts\/(\w+)\/Messages\.json$/, (call) => this.#send(call)],
    [/^GET api\.twilio\.com\/2010-04-01\/Accounts\/(\w+)\/Messages\.json$/, (call) => this.#list(call)],
    [/^GET api\.twilio\.com\/2010-04-01\/Accounts\/(\w+)\/Messages\/(\w+)\.json$/, (call) => this.#show(call)],
    [/^DELETE api\.twilio\.com\/2010-04-01\/Accounts\/(\w+)\/Messages\/(\w+)\.json$/, (call) => this.#delete(call)],
    [/^POST verify\.twilio\.com\/v2\/Services$/, (call) => this.#createService(call)],
    [/^POST verify\.twilio\.com\/v2\/Services\/(\w+)\/Verifications$/, (call) => this.#startVerification(call)],
    [/^POST verify\.twilio\.com\/v2\/Services\/(\w+)\/VerificationCheck$/, (call) => this.#check(call)],
    [/^GET lookups\.twilio\.com\/v2\/PhoneNumbers\/([^/]+)$/, async ({ parts: [number = ""] }) => lookUp(number)],
  ];

  // Messages

  async #send({ account, parts: [accountSid], form }: Call): Promise<Response> {
    if (accountSid !== account.sid) return missing(`/Accounts/${accountSid}`);
    const refused = refusalOf(form);
    if (refused) return refused;
    const life = lifeOf(form);
    const message: Message = {
      sid: sid("SM"), accountSid: account.sid, createdAtMs: this.#nowMs(), sentAtMs: null, form,
      from: form["From"] ?? null, status: form["From"] ? "queued" : "accepted", errorCode: null, life, lived: 0,
    };
    await this.#context.store.put(`message/${message.sid}`, message);
    for (const index of life.keys()) await this.#schedule({ name: "live", sid: message.sid, index }, index + 1);
    return Response.json(shown(message), { status: 201 });
  }

  async #show({ account, parts: [, messageSid = ""] }: Call): Promise<Response> {
    const message = await this.#mine(account, messageSid);
    return message ? Response.json(shown(message)) : missing(`/Messages/${messageSid}`);
  }

  async #delete({ account, parts: [, messageSid = ""] }: Call): Promise<Response> {
    if (!(await this.#mine(account, messageSid))) return missing(`/Messages/${messageSid}`);
    await this.#context.store.put(`message/${messageSid}`, null);
    return new Response(null, { status: 204 });
  }

  async #mine(account: Account, messageSid: string): Promise<Message | undefined> {
    const message = await this.#context.store.get<Message | null>(`message/${messageSid}`);
    return message?.accountSid === account.sid ? message : undefined;
  }

  async #list({ account, query }: Call): Promise<Response> {
    const all = await this.#context.store.list<Message | null>("message/");
    const isWanted = ({ form, from, sentAtMs }: Message) =>
      [null, form["To"]].includes(query.get("To")) && [null, from].includes(query.get("From")) && isWithin(sentAtMs, query);
    const rows = all.filter((row) => row !== null).filter((row) => row.accountSid === account.sid && isWanted(row));
    rows.sort((a, b) => b.createdAtMs - a.createdAtMs);
    const size = Number(query.get("PageSize") ?? PAGE_ROWS_DEFAULT);
    return Response.json({ messages: rows.slice(0, size).map(shown), page: 0, page_size: size, next_page_uri: null });
  }

  // Verifications

  async #createService({ account, form: { FriendlyName: name, CodeLength: length = "6" } }: Call): Promise<Response> {
    if (!name) return failure(400, 60200, "Invalid parameter: FriendlyName");
    const service = { sid: sid("VA"), account_sid: account.sid, friendly_name: name, code_length: Number(length) };
    await this.#context.store.put(`service/${account.sid}/${service.sid}`, service);
    return Response.json(service, { status: 201 });
  }

  async #startVerification({ account, parts: [service = ""], form: { To: to = "", Channel: channel = "" } }: Call): Promise<Response> {
    if (!(await this.#context.store.get(`service/${account.sid}/${service}`))) return missing(`/Services/${service}`);
    const isReachable = channel === "email" ? to.includes("@") : /^\+[1-9]\d{6,14}$/.test(to);
    if (!isReachable) return failure(400, 60200, `Invalid parameter: To`);
    const verification: Verification = { sid: sid("VE"), to, channel, status: "pending", attempts: 0, createdAtMs: this.#nowMs() };
    await this.#context.store.put(`verification/${service}/${to}`, verification);
    return Response.json(shownVerification(verification, account, service), { status: 201 });
  }

  async #check({ account, parts: [service = ""], form: { To: to = "", Code: code } }: Call): Promise<Response> {
    if (!(await this.#context.store.get(`service/${account.sid}/${service}`))) return missing(`/Services/${service}`);
    const now = this.#nowMs();
    const open = (verification: Verification) => verification.status === "pending" && now < verification.createdAtMs + VERIFICATION_TTL_MS;
    const before = await this.#context.store.get<Verification>(`verification/${service}/${to}`);
    if (!before || !open(before)) return missing("/VerificationCheck");
    if (before.attempts >= CHECKS_MAX) return failure(429, 60202, "Max check attempts reached");
    const after = await this.#context.store.update<Verification>(`verification/${service}/${to}`, (current) =>
      ({ ...current, attempts: current.attempts + 1, status: code === RIGHT_CODE ? "approved" : current.status }));
    return Response.json(shownVerification(after ?? before, account, service));
  }

  // Life cycle

  async run(step: TwinStep): Promise<void> {
    const index = Number(step["index"]);
    const key = `message/${String(step["sid"])}`;
    const before = await this.#context.store.get<Message | null>(key);
    if (!before) return;
    const now = this.#nowMs();
    const message = await this.#context.store.update<Message>(key, (stored) => (stored.lived === index ? arrive(stored, now) : stored));
    // A repeat finds the status reached and tells it again.
    if (message?.lived === index + 1) await this.#tell(message);
  }

  async #tell({ sid: messageSid, accountSid, form, from, status, errorCode }: Message): Promise<void> {
    const account = await this.#context.store.get<Account>(`account/${accountSid}`);
    const url = form["StatusCallback"];
    if (!account || !url) return;
    const parameters: Record<string, string> = {
      SmsSid: messageSid, SmsStatus: status, MessageSid: messageSid, MessageStatus: status, To: form["To"] ?? "", From: from ?? "",
      AccountSid: accountSid, ApiVersion: "2010-04-01", ...(errorCode !== null && { ErrorCode: String(errorCode) }),
    };
    const signed = url + Object.keys(parameters).sort().map((name) => name + parameters[name]).join("");
    await this.#context.deliver({
      url,
      headers: {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "x-twilio-signature": createHmac("sha1", account.token).update(signed).digest("base64"),
      },
      body: new URLSearchParams(parameters).toString(),
    });
  }

  #schedule(step: TwinStep, rests: number): Promise<void> {
    return this.#context.store.schedule(step, new Date(this.#nowMs() + rests * this.#context.settleAfterMs));
  }

  #nowMs(): number {
    return this.#context.clock.now().getTime();
  }
}

function refusalOf({ To: to = "", From: from, MessagingServiceSid: service, Body: body, ContentSid: content, MediaUrl: media }: Record<string, string>): Response | undefined {
  const number = to.replace(/^whatsapp:/, "");
  if (!/^\+[1-9]\d{6,14}$/.test(number) || number === "+15005550001" || number.endsWith("4043")) {
    return failure(400, 21211, `Invalid 'To' Phone Number: ${to}`);
  }
  if (number === "+15005550004") return failure(400, 21610, "Attempt to send to unsubscribed recipient");
  if (number === "+15005550009") return failure(400, 21614, `'To' number is not a valid mobile number`);
  if (!from && !service) return failure(400, 21603, "A 'From' or 'MessagingServiceSid' parameter is required");
  if (from && from.startsWith("whatsapp:") !== to.startsWith("whatsapp:")) return failure(400, 21910, "Invalid From and To pair");
  if (!body && !content && !media) return failure(400, 21619, "A text message body or media urls must be specified");
  if (body && body.length > 1_600) return failure(400, 21617, "The concatenated message body exceeds the 1600 character limit");
  return undefined;
}

/** A status every `settleAfterMs`, by the last four digits of the phone. */
function lifeOf({ To: to = "", ContentSid: content }: Record<string, string>): readonly Status[] {
  const isWhatsApp = to.startsWith("whatsapp:");
  const delivered: Status[] = [{ status: "sent" }, { status: "delivered" }];
  switch (to.slice(-4)) {
    case "4040": return [{ status: "sent" }, { status: "undelivered", errorCode: 30005 }];
    case "4041": return [{ status: "sent" }];
    case "4042": return isWhatsApp ? [...delivered, { status: "read" }] : delivered;
    case "4044": return isWhatsApp && !content ? [{ status: "failed", errorCode: 63016 }] : delivered;
    default: return delivered;
  }
}

function arrive(message: Message, now: number): Message {
  const { status, errorCode = null } = message.life[message.lived]!;
  return { ...message, lived: message.lived + 1, status, errorCode, from: message.from ?? "+15005550006", sentAtMs: message.sentAtMs ?? now };
}

function shown({ sid: messageSid, accountSid, createdAtMs, sentAtMs, form, from, status, errorCode }: Message) {
  return {
    sid: messageSid, account_sid: accountSid, messaging_service_sid: form["MessagingServiceSid"] ?? null, to: form["To"], from,
    body: form["Body"] ?? "", status, num_segments: "1", num_media: form["MediaUrl"] ? "1" : "0", direction: "outbound-api",
    api_version: "2010-04-01", price: null, price_unit: "USD", error_code: errorCode, error_message: errorTexts[errorCode ?? 0] ?? null,
    date_created: rfc2822(createdAtMs), date_updated: rfc2822(sentAtMs ?? createdAtMs), date_sent: sentAtMs && rfc2822(sentAtMs),
    uri: `/2010-04-01/Accounts/${accountSid}/Messages/${messageSid}.json`,
  };
}

const shownVerification = ({ sid: own, to, channel, status, createdAtMs }: Verification, account: Account, service: string) => ({
  sid: own, service_sid: service, account_sid: account.sid, to, channel, status, valid: status === "approved", amount: null, payee: null,
  date_created: new Date(createdAtMs).toISOString(),
});

/** `DateSent` is a day; `DateSent>` and `DateSent<` include it. */
function isWithin(sentAtMs: number | null, query: URLSearchParams): boolean {
  const day = sentAtMs === null ? undefined : new Date(sentAtMs).toISOString().slice(0, 10);
  const [on, after, before] = [query.get("DateSent"), query.get("DateSent>"), query.get("DateSent<")];
  if (on === null && after === null && before === null) return true;
  return day !== undefined && (on === null || day === on) && (after === null || day >= after) && (before === null || day <= before);
}

function lookUp(number: string): Response {
  const phone = normalizePhone(number, "BR");
  const base = { url: `https://lookups.twilio.com/v2/PhoneNumbers/${number}`, phone_number: number };
  if (!phone.ok) return Response.json({ ...base, valid: false, validation_errors: ["NOT_A_NUMBER"], country_code: null, national_format: null });
  const isBrazilian = phone.value.startsWith("+55");
  return Response.json({
    ...base, phone_number: phone.value, valid: true, validation_errors: [], country_code: isBrazilian ? "BR" : null,
    calling_country_code: isBrazilian ? "55" : null, national_format: isBrazilian ? phone.value.slice(3) : null, line_type_intelligence: null,
  });
}

const rfc2822 = (atMs: number): string => new Date(atMs).toUTCString().replace("GMT", "+0000");

const failure = (status: number, code: number, message: string): Response =>
  Response.json({ code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status }, { status });

const missing = (path: string): Response => failure(404, 20404, `The requested resource ${path} was not found`);

const sid = (prefix: string): string => prefix + randomBytes(16).toString("hex");
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
