/** From what is asked for to the tool calls that do it, each with its arguments or with what is missing for them. */
import { type Money, toDecimal } from "../../schema/money.ts";
import type { MetaToolName } from "../../schema/meta-tools/index.ts";
import { findIntents, type Intent, type IntentKind } from "./intents.ts";
import { field, type Outcome } from "./outcomes.ts";
import { type Found, type Reading, read, type TaxId } from "./read.ts";
import { languageOf, type Language, type Missing, words } from "./words.ts";

export interface Step {
  kind: IntentKind;
  tool: MetaToolName;
  /** The step whose success this one builds on. */
  after: Step | undefined;
  missing: Missing[];
  /** For the report: whom and how much it is about. */
  about: { amount: Money | undefined; name: string | undefined };
  /** The arguments. Asked for only when nothing is missing and everything before is done. */
  input(done: (step: Step) => Outcome | undefined): Record<string, unknown>;
}

export interface Request {
  language: Language;
  steps: Step[];
}

/** More steps than a person asks for in one message; what is beyond is not planned. */
const STEPS_MAX = 12;

export function planRequest(text: string): Request {
  const language = languageOf(text);
  const reading = read(text, { dayFirst: language !== "en" });
  const parts = findIntents(reading.words, reading).slice(0, STEPS_MAX).map((intent) => partOf(reading, intent));
  const steps: Step[] = [];
  for (const part of parts) {
    const step = toStep(part, { parts, steps, language });
    // One sentence that names a movement twice asks for one movement.
    if (!steps.some((earlier) => isSameMovement(earlier, step))) steps.push(step);
  }
  return { language, steps };
}

/** What was read between the first word of an intent and the next intent. */
interface Part extends Reading {
  kind: IntentKind;
}

interface Around {
  parts: readonly Part[];
  steps: readonly Step[];
  language: Language;
}

function partOf(reading: Reading, { kind, from, to }: Intent): Part {
  const within = <Value>(found: readonly Found<Value>[]) => found.filter(({ at }) => at >= from && at < to);
  const { words: text, ...lists } = reading;
  const own = Object.fromEntries(Object.entries(lists).map(([name, found]) => [name, within(found as Found<unknown>[])]));
  return { kind, words: text.slice(from, to), ...(own as unknown as Omit<Reading, "words">) };
}

const tools: Record<IntentKind, MetaToolName> = {
  charge: "codespar_charge",
  pay: "codespar_pay",
  crypto_send: "codespar_crypto_pay",
  crypto_receive: "codespar_crypto_pay",
  invoice: "codespar_invoice",
  label: "codespar_ship",
  quote: "codespar_ship",
  track: "codespar_ship",
  notify: "codespar_notify",
  kyc: "codespar_kyc",
  discover: "codespar_discover",
  connections: "codespar_manage_connections",
};

function toStep(part: Part, around: Around): Step {
  const draft = drafts[part.kind](part, around);
  return { kind: part.kind, tool: tools[part.kind], after: undefined, missing: [], about: { amount: undefined, name: undefined }, ...draft };
}

type Draft = Pick<Step, "input"> & Partial<Omit<Step, "kind" | "tool">>;

const drafts: Record<IntentKind, (part: Part, around: Around) => Draft> = {
  charge(part, { parts }) {
    const amount = amountOf(part);
    const buyer = partyOf(part, parts);
    const method = methodOf(part.words) ?? (amount?.currency === "BRL" || !amount ? "pix" : "card");
    const needsDocument = method === "pix" || method === "boleto";
    const dueDate = only(part.dates);
    const speaksOfDueDate = part.dates.length > 0 || DUE.test(part.words);
    return {
      about: { amount, name: buyer.name },
      missing: missing({
        amount, name: buyer.name, ...documentNeed(buyer.taxId, needsDocument), ...(speaksOfDueDate && { due_date: dueDate }),
      }),
      input: () => ({
        ...money(amount!), method, ...optional({ description: part.quotes[0]?.value, due_date: dueDate }),
        buyer: partyArguments(buyer),
      }),
    };
  },

  pay(part) {
    const amount = amountOf(part);
    const pixCode = only(part.pixCodes);
    const payee = { name: only(part.names), taxId: only(part.taxIds) };
    const pixKey = pixKeyOf(part);
    const isWrong = payee.taxId?.isValid === false;
    const needs = { amount, pix_key: pixKey, ...(isWrong && { valid_document: undefined }) };
    return {
      about: { amount, name: payee.name ?? pixKey },
      // A pasted Pix code carries payee and amount.
      missing: pixCode ? [] : part.brokenPixCodes.length > 0 ? ["pix_code"] : missing(needs),
      input: () => ({
        action: "pay", ...(amount && money(amount)), method: "pix",
        ...(pixCode
          ? { copia_e_cola: pixCode }
          : { recipient: { pix_key: pixKey, ...optional({ name: payee.name, document: payee.taxId?.value }) } }),
        ...optional({ description: part.quotes[0]?.value }),
      }),
    };
  },

  crypto_send(part) {
    const amount = amountOf(part);
    const wallet = only(part.wallets);
    return {
      about: { amount, name: wallet },
      missing: missing({ amount, wallet }),
      input: () => ({ ...cryptoArguments(part, amount!), direction: "send", recipient: { wallet_address: wallet } }),
    };
  },

  crypto_receive(part) {
    const amount = amountOf(part);
    return {
      about: { amount, name: only(part.names) },
      missing: missing({ amount }),
      input: () => ({ ...cryptoArguments(part, amount!), direction: "receive" }),
    };
  },

  invoice(part, { parts, steps }) {
    const charge = lastOf(steps, ["charge"]);
    const amount = part.amounts.length > 0 ? amountOf(part) : charge?.about.amount;
    const recipient = partyOf(part, parts, charge?.about.name);
    return {
      after: charge,
      about: { amount, name: recipient.name },
      missing: missing({ amount, name: recipient.name, ...documentNeed(recipient.taxId, true) }),
      input: () => ({
        type: /(?<!\p{L})nf-?e(?!\p{L})/iu.test(part.words) ? "nfe" : "nfse", action: "issue",
        recipient: partyArguments(recipient),
        items: [{ ...optional({ description: part.quotes[0]?.value }), amount: Number(amount!.amountMinor) }],
      }),
    };
  },

  label(part, { parts, steps }) {
    const charge = lastOf(steps, ["charge"]);
    const receiver = partyOf(part, parts, charge?.about.name);
    const postalCode = only(part.postalCodes) ?? only(parts.flatMap((other) => other.postalCodes));
    return {
      after: charge,
      about: { amount: undefined, name: receiver.name },
      missing: missing({ postal_code: postalCode, ...documentNeed(receiver.taxId, false) }),
      input: () => ({
        action: "label", ...optional({ carrier: carrierOf(part.words) }),
        destination: { postal_code: postalCode, ...partyArguments({ ...receiver, email: undefined }) }, ...parcels(part),
      }),
    };
  },

  quote(part) {
    const postalCode = only(part.postalCodes);
    return {
      missing: missing({ postal_code: postalCode }),
      input: () => ({
        action: "quote", ...optional({ carrier: carrierOf(part.words) }), destination: { postal_code: postalCode }, ...parcels(part),
      }),
    };
  },

  track(part, { steps }) {
    const written = only(part.trackingCodes);
    const label = written === undefined ? lastOf(steps, ["label"]) : undefined;
    return {
      after: label,
      missing: missing({ tracking_code: written ?? label }),
      input: (done) => ({
        action: "track", ...optional({ carrier: carrierOf(part.words) }),
        tracking_code: written ?? field((label && done(label)?.body) ?? {}, "tracking_code", "id") ?? "",
      }),
    };
  },

  notify(part, { parts, steps, language }) {
    const subject = lastOf(steps, ["charge", "pay", "crypto_receive", "crypto_send"]) ?? steps.at(-1);
    const party = partyOf(part, parts, subject?.about.name);
    const channel = channelOf(part);
    const to = channel === "email" ? party.email : party.phone;
    const said = part.messages[0]?.value ?? part.quotes[0]?.value;
    return {
      after: subject,
      about: { amount: undefined, name: to },
      missing: missing({ [channel === "email" ? "email" : "phone"]: to, message: said ?? subject }),
      input: (done) => ({ channel, to, message: said ?? messageAbout({ subject: subject!, steps, done, language }) }),
    };
  },

  kyc(part, { parts }) {
    const subject = partyOf(part, parts);
    return {
      about: { amount: undefined, name: subject.name },
      missing: missing({ name: subject.name, ...documentNeed(subject.taxId, false) }),
      input: () => ({
        subject: { ...partyArguments(subject), ...optional({ document_type: subject.taxId?.kind }) },
        check_type: /sanctions|sanç/iu.test(part.words) ? "sanctions" : "identity",
      }),
    };
  },

  discover: (part) => ({ input: () => ({ use_case: part.words.replaceAll("\u0000", "").trim().slice(0, 500) }) }),

  connections(part) {
    const server = /(?<!\p{L})(?:connect|conecte|conectar|conecta)\s(?:(?:to|the|o|a|ao|à|el|con)\s)?(\p{L}[\p{L}\d-]+)/iu.exec(part.words)?.[1];
    return { input: () => (server ? { action: "initiate", server_id: server.toLowerCase() } : { action: "list" }) };
  },
};

const isSameMovement = (a: Step, b: Step): boolean =>
  a.tool === b.tool && ["charge", "pay", "crypto_send", "crypto_receive"].includes(a.kind) && a.missing.length + b.missing.length === 0 &&
  JSON.stringify(a.input(() => undefined)) === JSON.stringify(b.input(() => undefined));

const lastOf = (steps: readonly Step[], kinds: readonly IntentKind[]): Step | undefined =>
  steps.findLast(({ kind }) => kinds.includes(kind));

/** The names of those values that are undefined. */
const missing = (needs: Partial<Record<Missing, unknown>>): Missing[] =>
  (Object.keys(needs) as Missing[]).filter((name) => needs[name] === undefined);

const documentNeed = (taxId: TaxId | undefined, isNeeded: boolean): Partial<Record<Missing, unknown>> => {
  if (taxId && !taxId.isValid) return { valid_document: undefined };
  return isNeeded ? { document: taxId } : {};
};

const optional = <Values extends Record<string, unknown>>(values: Values): Partial<Values> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Values>;

/** The one value that all finds agree on. Two different ones are as good as none: choosing would be a guess. */
function only<Value>(found: readonly Found<Value>[]): Value | undefined {
  const distinct = new Map(found.map(({ value }) => [key(value), value]));
  return distinct.size === 1 ? [...distinct.values()][0] : undefined;
}

const key = (value: unknown): string =>
  JSON.stringify(value, (_name, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)).toLowerCase();

/** Words that make the one figure beside them a part of a sum: `10%`, `3x`, `each`, `50 centavos`. */
const ARITHMETIC = /%|(?<!\p{L})(?:centavos?|cents?|parcelas?|installments?|each|cada|times|vezes|per|veces|cuotas?)(?!\p{L})|\d\s?x(?!\p{L})/iu;

const amountOf = ({ amounts, words: text }: Part): Money | undefined => (ARITHMETIC.test(text) ? undefined : only(amounts));

const money = ({ amountMinor, currency }: Money) => ({ amount: Number(amountMinor), currency });

const DUE = /(?<!\p{L})(?:due|vencimento|vence|vencendo)(?!\p{L})/iu;

const METHODS: [RegExp, string][] = [
  [/(?<!\p{L})boleto(?!\p{L})/iu, "boleto"],
  [/(?<!\p{L})(?:card|cartão|tarjeta|crédito|credit)(?!\p{L})/iu, "card"],
  [/(?<!\p{L})pix(?!\p{L})/iu, "pix"],
];
const methodOf = (text: string): string | undefined => METHODS.find(([pattern]) => pattern.test(text))?.[1];

const CARRIER = /(?<!\p{L})(correios|jadlog|loggi|azul|dhl|fedex|ups|melhor envio)(?!\p{L})/iu;
const carrierOf = (text: string): string | undefined => CARRIER.exec(text)?.[1]?.toLowerCase();

const NETWORK = /(?<!\p{L})(base|polygon|ethereum|solana|bitcoin)(?!\p{L})/iu;

const cryptoArguments = ({ words: text }: Part, amount: Money) => ({
  amount: toDecimal(amount).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""),
  currency: amount.currency,
  ...optional({ network: NETWORK.exec(text)?.[1]?.toLowerCase() }),
});

const parcels = ({ weightsG }: Part) => (weightsG.length > 0 ? { items: weightsG.map(({ value }) => ({ weight_g: value })) } : {});

const channelOf = ({ words: text, phones, emails }: Part): "whatsapp" | "sms" | "email" => {
  if (/(?<!\p{L})sms(?!\p{L})/iu.test(text)) return "sms";
  const isByEmail = /(?<!\p{L})e-?mail(?!\p{L})/iu.test(text) || (emails.length > 0 && phones.length === 0);
  return isByEmail && !/whatsapp/iu.test(text) ? "email" : "whatsapp";
};

/** The key to pay to: of the payment's own words only. A document is taken for one where Pix or a key is spoken of. */
function pixKeyOf({ words: text, emails, phones, randomKeys, taxIds }: Part): string | undefined {
  const explicit = [...emails, ...phones, ...randomKeys];
  if (explicit.length > 0) return only(explicit);
  return /(?<!\p{L})(?:pix|key|chave|llave)(?!\p{L})/iu.test(text) ? only(taxIds)?.value : undefined;
}

interface Party {
  name: string | undefined;
  taxId: TaxId | undefined;
  phone: string | undefined;
  email: string | undefined;
}

/**
 * The party of one part. What the part does not say is taken from parts about the same person, or about nobody by name;
 * never from one that names somebody else.
 *
 * subject  whom the step is about that this one builds on
 */
function partyOf(part: Part, parts: readonly Part[], subject?: string): Party {
  const named = part.names.length > 0 ? nameOf(part) : subject ?? only(parts.flatMap(({ names }) => names));
  const own = { taxId: only(part.taxIds), phone: only(part.phones), email: only(part.emails) };
  const others = parts.filter((other) => other !== part && other.kind !== "pay" && isAbout(other, named));
  const elsewhere = <Value>(list: (part: Part) => Found<Value>[]) => only(others.flatMap(list));
  return {
    name: named,
    taxId: part.taxIds.length > 0 ? own.taxId : elsewhere(({ taxIds }) => taxIds),
    phone: part.phones.length > 0 ? own.phone : elsewhere(({ phones }) => phones),
    email: part.emails.length > 0 ? own.email : elsewhere(({ emails }) => emails),
  };
}

/** Of several names the one that a document stands behind: `for Consulting to Maria Silva, CPF …`. */
const nameOf = ({ names, taxIds }: Part): string | undefined =>
  only(names) ?? only(names.filter(({ value, at }) => taxIds.some((taxId) => taxId.at > at && taxId.at - at - value.length < 16)));

const isAbout = ({ names }: Part, name: string | undefined): boolean =>
  names.length === 0 || (name !== undefined && names.every(({ value }) => value.toLowerCase() === name.toLowerCase()));

const partyArguments = ({ name, taxId, phone, email }: Party) => optional({ name, document: taxId?.value, phone, email });

function messageAbout({ subject, steps, done, language }: {
  subject: Step;
  steps: readonly Step[];
  done: (step: Step) => Outcome | undefined;
  language: Language;
}): string {
  const bodyOf = (kind: IntentKind) => {
    const step = steps.find((one) => one.kind === kind);
    const outcome = step && done(step);
    return outcome?.isOk ? outcome.body : {};
  };
  const body = done(subject)?.body ?? {};
  return words[language].message({
    kind: subject.kind,
    ...subject.about,
    code: field(body, "pix_copy_paste", "copia_e_cola"),
    link: field(body, "checkout_url", "charge_url", "payment_url", "inquiry_url"),
    invoiceNumber: field(bodyOf("invoice"), "number"),
    trackingCode: field(bodyOf("label"), "tracking_code"),
  });
}
