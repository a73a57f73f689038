/**
 * Pomelo (pomelo.la): virtual and physical cards, issued to users of the merchant's program. Reference: Pomelo Cards and
 * Authentication APIs, OpenAPI documents derived from developers.pomelo.la (api-evangelist/pomelo), read 2026-11-20.
 * Quirks: a card carries no reference of ours, so one whose answer was lost stays unknown; the number and the security
 * code are never asked for, and nothing longer than four digits is read where the last four stand.
 */
import { z } from "zod";
import type { IssueRequest, IssueResult } from "../../schema/meta-tools/issue.ts";
import { httpClient, type HttpClient } from "../http.ts";
import {
  Rejected, SetupMissing, Unanswered, type CallContext, type ConnectionConfig, type DeclineReason, type Fetch,
  type LookupSubject, type Observation, type Outcome, type ProviderDefinition,
} from "../provider.ts";
import { withBearer, type Granted } from "../tokens.ts";

const API = "https://api.pomelo.la";
const TOKEN_URL = "https://auth.pomelo.la/oauth/token";

export const pomelo: ProviderDefinition = {
  id: "pomelo",
  title: "Pomelo",
  category: "payments",
  country: "LATAM",
  authType: "oauth",
  // The addresses of their sandbox come with a contract and are not published.
  hosts: { live: API, test: API },
  credentials: [
    { name: "client_id", label: "Client ID", secret: false, required: true },
    { name: "client_secret", label: "Client secret", secret: true, required: true },
  ],
  settings: [],
  repeats: "ignores",
  connect(connection, fetch) {
    const http = authorized(connection, fetch);
    return {
      issueCard: (request, call) => issueCard(http, request, call),
      controlCard: (request, call) => controlCard(http, request, call),
      readCard: (request, call) => readCard(http, request, call),
      lookup: (subject, call) => lookup(http, subject, call),
    };
  },
};

function authorized({ credentials, baseUrl }: ConnectionConfig, fetch: Fetch): HttpClient {
  const { client_id, client_secret } = credentials;
  if (!client_id) throw new SetupMissing("client_id");
  if (!client_secret) throw new SetupMissing("client_secret");
  const http = httpClient({ provider: "pomelo", baseUrl, fetch });
  const body = { client_id, client_secret, audience: API, grant_type: "client_credentials" };
  const grant = async (call: CallContext): Promise<Granted> => {
    const { access_token: token, expires_in: expiresInSeconds } = await http.ask({ method: "POST", path: TOKEN_URL, body }, Token, call);
    return { token, expiresInSeconds };
  };
  return withBearer(http, { provider: "pomelo", credentials, baseUrl }, grant);
}

const Token = z.object({ access_token: z.string().min(1), expires_in: z.number() });

async function issueCard(http: HttpClient, request: IssueRequest, call: CallContext): Promise<Outcome<IssueResult>> {
  const body = toCard(request);
  if ("outcome" in body) return body;
  return answered(() => http.act({ method: "POST", path: "/cards/v1", body }, Card, call));
}

async function controlCard(http: HttpClient, { card_id: cardId, control }: IssueRequest, call: CallContext): Promise<Outcome<IssueResult>> {
  if (!cardId) return refuse("card_id", "Expected the id of a card.");
  if (!control) return refuse("control", "Expected freeze, unfreeze or cancel.");
  const status = wanted[control];
  await call.note({ card_id: cardId, wanted_status: status });
  const body = { status, status_reason: "CLIENT_INTERNAL_REASON" };
  return answered(() => http.act({ method: "PATCH", path: pathOf(cardId), body }, Card, call));
}

async function readCard(http: HttpClient, { card_id: cardId }: IssueRequest, call: CallContext): Promise<Outcome<IssueResult>> {
  if (!cardId) return refuse("card_id", "Expected the id of a card.");
  return answered(() => http.ask({ method: "GET", path: pathOf(cardId) }, Card, call));
}

const pathOf = (cardId: string): string => `/cards/v1/${encodeURIComponent(cardId)}`;

const wanted: Record<NonNullable<IssueRequest["control"]>, string> = { freeze: "BLOCKED", unfreeze: "ACTIVE", cancel: "DISABLED" };

type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

const refuse = (field: string, message: string): Declined => ({ outcome: "declined", reason: "invalid_request", message, field });

function toCard({ action, cardholder_id, program_id, shipping_address: to }: IssueRequest): object | Declined {
  const common = { user_id: cardholder_id, affinity_group_id: program_id };
  if (action !== "card-physical") return { ...common, card_type: "VIRTUAL" };
  const country = countries[to?.country.toUpperCase() ?? ""];
  if (!to || !country) return refuse("shipping_address.country", `Expected one of ${Object.keys(countries).join(", ")}.`);
  return {
    ...common, card_type: "PHYSICAL",
    address: { street_name: to.line_1, street_number: to.number, zip_code: to.postal_code, city: to.city, region: to.state, country },
  };
}

/** ISO 3166-1: three letters by two, for the countries of Latin America. */
const countries: Partial<Record<string, string>> = {
  AR: "ARG", BO: "BOL", BR: "BRA", CL: "CHL", CO: "COL", CR: "CRI", DO: "DOM", EC: "ECU", GT: "GTM", HN: "HND", MX: "MEX", NI: "NIC",
  PA: "PAN", PE: "PER", PY: "PRY", SV: "SLV", UY: "URY",
};

// Reading back

/** Only what we show. Whatever else a card has, its number above all, is not read. */
const Card = z.object({
  data: z.object({
    id: z.string().min(1),
    user_id: z.string().optional(),
    affinity_group_id: z.string().optional(),
    card_type: z.enum(["VIRTUAL", "PHYSICAL"]).optional().catch(undefined),
    status: z.string(),
    last_four: z.string().regex(/^\d{4}$/).optional().catch(undefined),
  }),
});
type Card = z.output<typeof Card>;

async function answered(send: () => Promise<Card>): Promise<Outcome<IssueResult>> {
  try {
    const card = await send();
    const result = toResult(card);
    return { outcome: "accepted", ref: result.id, state: "pending", action: result.status, result };
  } catch (error) {
    if (error instanceof Rejected) return declineOf(error);
    throw error;
  }
}

function toResult({ data: { id, status, card_type, last_four, user_id, affinity_group_id } }: Card): IssueResult {
  return {
    id, card_id: id, status, ...(card_type && { card_type }), ...(last_four && { last_four }),
    ...(user_id && { cardholder_id: user_id }), ...(affinity_group_id && { program_id: affinity_group_id }),
  };
}

const Refusal = z.object({
  error: z.object({ details: z.array(z.object({ code: z.string().nullish(), detail: z.string().nullish() })).min(1) }),
});

/** Of a provider's own sentence, this much is passed on. */
const REFUSAL_CHARS_MAX = 200;

function declineOf({ status, body }: Rejected): Declined {
  const { code, detail } = Refusal.safeParse(body).data?.error.details[0] ?? {};
  const why = (detail || code || `HTTP ${status}`).slice(0, REFUSAL_CHARS_MAX);
  return { outcome: "declined", reason: declines[status] ?? "unspecified", message: `Pomelo refused: ${why}` };
}

/** By HTTP status; no list of their codes is published. */
const declines: Partial<Record<number, DeclineReason>> = {
  400: "invalid_request", 401: "unauthorized", 403: "not_permitted", 404: "invalid_request", 409: "refused", 422: "invalid_request", 429: "rate_limited",
};

async function lookup(http: HttpClient, subject: LookupSubject, call: CallContext): Promise<Observation | undefined> {
  const { card_id: noted, wanted_status: wantedStatus } = call.notes;
  const cardId = subject.ref ?? subject.told ?? noted;
  if (!cardId) {
    if (subject.verb === "controlCard") return undefined; // the card is written down before it is touched
    throw new Unanswered("pomelo: a new card can be found by its id alone");
  }
  const found = await find(http, cardId, call);
  // A card in another state was never brought to this one, or has left it since: either way the control does not hold.
  if (!found || (wantedStatus !== undefined && found.data.status !== wantedStatus)) return undefined;
  const { id, ...result } = toResult(found);
  return { ref: id, state: "pending", action: result.status, result };
}

async function find(http: HttpClient, cardId: string, call: CallContext): Promise<Card | undefined> {
  try {
    return await http.ask({ method: "GET", path: pathOf(cardId) }, Card, call);
  } catch (error) {
    if (error instanceof Rejected && error.status === 404) return undefined;
    throw error;
  }
}
