/**
 * What is particular to one bank. The Central Bank's Pix API (2.9.0) standardizes how a company receives: charges, received
 * Pix, returns. It has no operation that sends, so every bank has its own; what they share is the rest: OAuth client
 * credentials over mutual TLS, a bearer, decimal amounts, a Pix key as the payee. A bank is a row of this type.
 */
import { z } from "zod";
import { fromDecimal } from "../../schema/money.ts";
import type { PixKeyKind } from "../../schema/pix/keys.ts";
import type { StateOf } from "../../schema/settlement.ts";
import type { RequestSpec } from "../http.ts";
import type { ConnectionConfig, ConnectionField, ProviderDefinition } from "../provider.ts";
import type { ReceivingTool } from "./tools.ts";
import type { BankTwin } from "./twin.ts";

export interface Bank {
  /** The server id of the catalogue: `sicoob`. */
  id: string;
  title: string;
  /** The bank in the payment system: 8 digits. */
  ispb: string;
  /** Of the API that sends. */
  hosts: { live: string; test: string };
  token: {
    live: string;
    test: string;
    /** Where client id and secret stand; `id` where the bank knows the client by its certificate and its id alone. */
    client: "basic" | "form" | "id";
    scope?: string;
  };
  /** Beside client id, secret and certificate. */
  credentials?: readonly ConnectionField[];
  settings?: readonly ConnectionField[];
  /** What goes with every request: the header or the query parameter, and the credential or setting it is filled with. */
  carries?: { headers?: Readonly<Record<string, string>>; query?: Readonly<Record<string, string>> };
  /** The same, with a fixed text. */
  headers?: Readonly<Record<string, string>>;
  /** The bank's words for each state; a word in no list is pending. */
  states: Partial<Record<PaymentState, readonly string[]>>;
  /** Words under which the payment waits for a person at the bank. */
  awaitsApproval?: readonly string[];
  /** Where the payee must be named by CPF or CNPJ beside the key. */
  needsDocument?: true;
  repeats: ProviderDefinition["repeats"];
  /** Where the bank serves the standard's API, and which of its tools it is offered with. */
  receives?: { live: string; test: string; scope?: string; tools: readonly ReceivingTool[] };
  orders: Orders;
  /** The field by which the bank's webhook names the payment; absent where its form is not known. */
  notice?: string;
  twin: BankTwin;
}

export type PaymentState = StateOf<"payment">;

/** How a payment is ordered and asked for. */
export interface Orders {
  /** Asked first where the bank wants a draft. It moves nothing, and its answer names the payment. */
  draft?: {
    request(order: Order): RequestSpec;
    told: z.ZodType<Payment>;
    /** Words of a payment that is still a draft; it may be sent at the first. */
    words: readonly [ready: string, ...rest: string[]];
  };
  /** The one request that moves money. */
  send(order: Order): RequestSpec;
  told: z.ZodType<Payment>;
  /** By what the bank can be asked: our reference, or only its own id. */
  foundBy: "reference" | "id";
  /** Undefined when the bank has none. */
  find(at: Whereabouts, ask: Ask): Promise<Payment | undefined>;
}

/** What is asked of the bank. */
export interface Order {
  amountMinor: bigint;
  /** `123.45` */
  amount: string;
  /** The same as a JSON number. */
  value: number;
  key: { kind: PixKeyKind; value: string };
  name: string | undefined;
  /** CPF or CNPJ of the payee. */
  document: string | undefined;
  description: string | undefined;
  reference: string;
  /** Today in São Paulo, `2026-11-20`. */
  day: string;
  settings: ConnectionConfig["settings"];
  /** The draft's id. */
  id: string;
}

/** What a lookup knows of a payment. */
export interface Whereabouts {
  /** The bank's id; empty where it is not known. */
  id: string;
  reference: string;
  settings: ConnectionConfig["settings"];
  /** The day on which it was ordered. */
  day: string | undefined;
}

/** A question without effect; undefined for a 404. */
export type Ask = <Schema extends z.ZodType>(spec: RequestSpec, answer: Schema) => Promise<z.output<Schema> | undefined>;

/** What a bank says of a payment. */
export interface Payment {
  id?: string | undefined;
  /** The bank's own word. */
  status: string;
  /** Our reference, where the bank repeats it. */
  reference?: string | undefined;
  amountMinor?: bigint | undefined;
  endToEndId?: string | undefined;
  /** Why it failed. */
  message?: string | undefined;
}

/** Reais as the banks write them: a decimal text or number, read through its digits. */
export const Reais = z.union([z.string(), z.number()]).transform((value, context) => {
  const amountMinor = fromDecimal(value, "BRL");
  if (amountMinor === undefined) context.addIssue({ code: "custom", message: "expected reais, at most two decimals" });
  return amountMinor ?? z.NEVER;
});

/** Banks have numbers where others have text. */
export const Text = z.union([z.string(), z.number()]).transform(String);
