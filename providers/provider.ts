/**
 * What the server asks of an outside company, and what each answer means.
 *
 * An adapter is a `ProviderDefinition`: facts about the company, and `connect`, which binds credentials to a `Provider`.
 * What a company cannot do is a method its provider does not have. A decline is a value. Silence is not a decline:
 * `http.ts` throws `NotReached` or `OutcomeUnknown`, and no adapter turns either into a failed payment.
 */
import type { Clock } from "../schema/clock.ts";
import type { ChargeRequest, ChargeResult } from "../schema/meta-tools/charge.ts";
import type { CryptoRequest, CryptoResult } from "../schema/meta-tools/crypto-pay.ts";
import type { InvoiceRequest, InvoiceResult } from "../schema/meta-tools/invoice.ts";
import type { IssueRequest, IssueResult } from "../schema/meta-tools/issue.ts";
import type { KycRequest, KycResult } from "../schema/meta-tools/kyc.ts";
import type { NotifyRequest, NotifyResult } from "../schema/meta-tools/notify.ts";
import type { PayoutRequest, PayoutResult } from "../schema/meta-tools/pay.ts";
import type { ShipRequest, ShipResult } from "../schema/meta-tools/ship.ts";
import type { ShopRequest, ShopResult } from "../schema/meta-tools/shop.ts";
import type { Currency } from "../schema/money.ts";
import type { NativeTools } from "./native.ts";
import type { SettlementState } from "../schema/settlement.ts";

/** The one function adapters reach the network with. Test mode hands them the twin's. */
export type Fetch = (request: Request) => Promise<Response>;

/** How a connection proves itself. Source: facts C-31. */
export type AuthType =
  | "api_key" | "path_secret" | "oauth" | "cert" | "hmac_signed" | "jwt_ecdsa" | "two_header" | "http_basic" | "none";

/** One value an operator types when connecting. `secret` ones are encrypted and shown as their last four characters. */
export interface ConnectionField {
  name: string;
  label: string;
  secret: boolean;
  required: boolean;
  hint?: string;
}

/** The verbs of an adapter, and what each takes and gives. A rail row names the verb that serves it. */
export interface ProviderVerbs {
  charge(request: ChargeRequest, call: CallContext): Promise<Outcome<ChargeResult>>;
  payout(request: PayoutRequest, call: CallContext): Promise<Outcome<PayoutResult>>;
  refund(request: RefundRequest, call: CallContext): Promise<Outcome<PayoutResult>>;
  invoice(request: InvoiceRequest, call: CallContext): Promise<Outcome<InvoiceResult>>;
  quote(request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>>;
  label(request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>>;
  track(request: ShipRequest, call: CallContext): Promise<Outcome<ShipResult>>;
  notify(request: NotifyRequest, call: CallContext): Promise<Outcome<NotifyResult>>;
  crypto(request: CryptoRequest, call: CallContext): Promise<Outcome<CryptoResult>>;
  verify(request: KycRequest, call: CallContext): Promise<Outcome<KycResult>>;
  searchProducts(request: ShopRequest, call: CallContext): Promise<Outcome<ShopResult>>;
  /** A shopper's order at a store, which the shopper then pays. Not part of a tool call's dispatch: a job places it. */
  placeOrder(request: ShopRequest, call: CallContext): Promise<Outcome<ShopResult>>;
  issueCard(request: IssueRequest, call: CallContext): Promise<Outcome<IssueResult>>;
  controlCard(request: IssueRequest, call: CallContext): Promise<Outcome<IssueResult>>;
  readCard(request: IssueRequest, call: CallContext): Promise<Outcome<IssueResult>>;
}
export type ProviderVerb = keyof ProviderVerbs;

/** Money of a settled charge to be given back, in whole or in part. */
export interface RefundRequest {
  /** The charge as its provider knows it, and all that was paid. */
  charge: { ref: string; method: string; amount: bigint };
  amount: bigint;
  currency: Currency;
  description?: string;
}

export interface Provider extends Partial<ProviderVerbs> {
  /**
   * What the provider knows of a request of ours. It resolves unknown outcomes and confirms what a webhook claims.
   *
   * returns  undefined only when the provider definitely never had it
   * throws   when the provider cannot say now; the caller asks again later
   */
  lookup?(subject: LookupSubject, call: CallContext): Promise<Observation | undefined>;
  /**
   * Our reference on the object that a notification names by the provider's id alone; absent where every notification carries it.
   *
   * returns  undefined when the provider knows no such object, or it is none of ours
   * throws   when the provider cannot say now; the caller asks again later
   */
  referenceOf?(event: ProviderEvent, call: CallContext): Promise<string | undefined>;
}

export interface ProviderDefinition {
  /** The server id of the catalogue: `asaas`. */
  id: string;
  title: string;
  category: "payments" | "fiscal" | "logistics" | "messaging" | "crypto" | "identity" | "erp" | "ecommerce";
  country: string;
  authType: AuthType;
  /** Where requests go, by environment; no trailing slash. A provider may have more hosts of its own beside these. */
  hosts: { live: string; test: string };
  credentials: readonly ConnectionField[];
  /** Connection settings that are no secrets, such as Persona's `inquiry_template_id`. */
  settings: readonly ConnectionField[];
  /** What a repeated request does there. `ignores` means only our own claim prevents a second effect. */
  repeats: "replays" | "rejects" | "ignores";
  /** Its hosts ask for the connection's client certificate: the credentials of `client-certificate.ts`, presented by `fetch`. */
  mutualTls?: true;
  connect(connection: ConnectionConfig, fetch: Fetch): Provider;
  /** The provider's own tools; absent where only meta-tools reach it. */
  native?: NativeTools;
  /** How the company tells us what happened; absent where it never does. */
  notifications?: NotificationScheme;
}

export interface ConnectionConfig {
  credentials: Readonly<Record<string, string>>;
  settings: Readonly<Record<string, string>>;
  baseUrl: string;
}

/** What an adapter may know of the call it serves. */
export interface CallContext {
  /** UUID v4, ours: goes out as the provider's external reference and comes back in its webhook. */
  reference: string;
  toolCallId: string;
  clock: Clock;
  signal: AbortSignal | undefined;
  /** After this `http.act` sends nothing any more: a process that slept so long may have been declared dead, and its call given up. */
  sendBefore?: Date;
  /** Set by `http.act` while a request with effect may have reached the provider. The pipeline reads it; adapters do not. */
  acted: boolean;
  /** What earlier steps of this call wrote down; a lookup after a crash finds them here. */
  notes: Readonly<Record<string, string>>;
  /** Writes down, durably, an id the next step depends on (Melhor Envio's cart id, before it is paid). */
  note(notes: Record<string, string>): Promise<void>;
}

export type DeclineReason =
  | "invalid_request" | "unauthorized" | "insufficient_funds" | "refused" | "duplicate" | "not_permitted" | "rate_limited" | "unspecified";

export type Outcome<Result> =
  | {
      outcome: "accepted";
      /** The provider's id of what it made. */
      ref: string;
      /** The settlement state at once; most start `pending`. */
      state: SettlementState;
      /** The provider's own word for that state. */
      action: string;
      result: Result;
      /** What the provider took for it, when the answer says so: a label's price. */
      cost?: { amountMinor: bigint; currency: Currency };
    }
  | { outcome: "declined"; reason: DeclineReason; message: string; field?: string; ref?: string };

export interface LookupSubject {
  verb: ProviderVerb;
  reference: string;
  /** The provider's id, once its answer gave it. */
  ref: string | undefined;
  /** The provider's id, should a notification have told it while the answer is missing. */
  told?: string | undefined;
  currency: Currency | undefined;
}

/** What a provider says about one object of ours. */
export interface Observation {
  ref: string;
  state: SettlementState;
  /** The provider's own word: `RECEIVED`, `Issued`. */
  action: string;
  occurredAt?: Date;
  amountMinor?: bigint;
  /** What the provider keeps of the amount. */
  feeMinor?: bigint;
  currency?: Currency;
  endToEndId?: string;
  /** Fields of the tool's result that are known now: an access key, a tracking code. */
  result?: Record<string, unknown>;
  failure?: { reason: DeclineReason; message: string };
}

/** What a message says of an object of ours. Without a state it says only that something changed, and the server asks what. */
export type Claim = Omit<Observation, "state"> & { state?: SettlementState };

/** A message as it arrived, bytes untouched: signatures cover the bytes. */
export interface InboundMessage {
  method: string;
  url: URL;
  headers: Headers;
  body: Uint8Array;
}

export interface NotificationScheme {
  /**
   * Whether the message is the provider's, compared in constant time.
   *
   * secrets  more than one while a secret is being rotated; any may match
   * returns  a reason when it is not
   */
  verify(message: InboundMessage, context: { secrets: readonly string[]; settings: Readonly<Record<string, string>>; now: Date }):
    { ok: true } | { ok: false; reason: string };
  /** What the message claims. Empty when it is of no concern (a test ping, an event we do not read). */
  read(message: InboundMessage): ProviderEvent[];
  /**
   * Answers the question (a GET) that a provider asks before it posts to an address; absent where none does.
   *
   * returns  undefined for who is not the provider
   */
  handshake?(message: InboundMessage, context: { settings: Readonly<Record<string, string>> }): Response | undefined;
  /** The body and status the provider expects as an acknowledgement; 200 `{"received":true}` when absent. */
  acknowledge?(settings: Readonly<Record<string, string>>): Response;
  /** Set where the message is the buyer's browser, sent back to us: it comes by GET, and is answered with a page. */
  byBrowser?: true;
}

/** One claim of a notification. The server confirms money claims with `lookup` before it believes them. */
export interface ProviderEvent {
  /** Unique per provider account; made of stable parts of the message where the provider sends none. */
  eventId: string;
  /** Which of our calls it concerns: by our reference, or by the provider's id. At least one is given. */
  reference?: string;
  ref?: string;
  observation: Claim;
}

/** Nothing left this machine: name not found, connection refused, handshake failed before a byte was sent. */
export class NotReached extends Error {
  override readonly name = "NotReached";
}

/** It left, and no answer or no readable answer came. Only a lookup may follow. */
export class OutcomeUnknown extends Error {
  override readonly name = "OutcomeUnknown";
}

/** The provider answered and refused: a definite answer, with its status and body for the adapter to read. */
export class Rejected extends Error {
  override readonly name = "Rejected";
  readonly status: number;
  readonly body: unknown;
  constructor(provider: string, status: number, body: unknown) {
    super(`${provider} answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

/** A question without effect got no usable answer; asking again is safe. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
}

/** A connection lacks a setting that only an operator can add. */
export class SetupMissing extends Error {
  override readonly name = "SetupMissing";
  readonly setting: string;
  constructor(setting: string) {
    super(`the connection lacks ${setting}`);
    this.setting = setting;
  }
}
