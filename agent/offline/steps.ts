/** From what is asked for to the tool calls that do it, each with its arguments or with what is missing for them. */
import type { MetaToolName } from "../../schema/meta-tools/index.ts";
import type { Money } from "../../schema/money.ts";
import { findIntents, type IntentKind } from "./intents.ts";
import { field, type Outcome } from "./outcomes.ts";
import {
  amountOf,
  carrierOf,
  channelOf,
  cryptoArguments,
  isDueDateSpokenOf,
  methodOf,
  money,
  only,
  optional,
  parcels,
  type Part,
  partOf,
  partyArguments,
  partyOf,
  pixKeyOf,
} from "./parts.ts";
import { TAKEN } from "./patterns.ts";
import { read, type TaxId } from "./read.ts";
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

/** A longer text is no plain request, and its reading takes time that grows with its square. */
const TEXT_CHARS_MAX = 2_000;

export function planRequest(text: string): Request {
  if (text.length > TEXT_CHARS_MAX) return { language: languageOf(text.slice(0, TEXT_CHARS_MAX)), steps: [] };
  const language = languageOf(text);
  const reading = read(text, { dayFirst: language !== "en" });
  const parts = findIntents(reading.words, reading)
    .slice(0, STEPS_MAX)
    .map((intent) => partOf(reading, intent));
  const steps: Step[] = [];
  for (const part of parts) {
    const step = toStep(part, { parts, steps, language });
    // One sentence that names a movement twice asks for one movement.
    if (!steps.some((earlier) => isSameMovement(earlier, step))) steps.push(step);
  }
  return { language, steps };
}

interface Around {
  parts: readonly Part[];
  steps: readonly Step[];
  language: Language;
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
  return {
    kind: part.kind,
    tool: tools[part.kind],
    after: undefined,
    missing: [],
    about: { amount: undefined, name: undefined },
    ...draft,
  };
}

type Draft = Pick<Step, "input"> & Partial<Omit<Step, "kind" | "tool">>;

const drafts: Record<IntentKind, (part: Part, around: Around) => Draft> = {
  charge(part, { parts }) {
    const amount = amountOf(part);
    const buyer = partyOf(part, parts);
    const method = methodOf(part.words) ?? (amount?.currency === "BRL" || !amount ? "pix" : "card");
    const needsDocument = method === "pix" || method === "boleto";
    const dueDate = only(part.dates);
    const speaksOfDueDate = isDueDateSpokenOf(part);
    return {
      about: { amount, name: buyer.name },
      missing: missing({
        amount,
        name: buyer.name,
        ...documentNeed(buyer.taxId, needsDocument),
        ...(speaksOfDueDate && { due_date: dueDate }),
      }),
      input: () => ({
        ...money(amount!),
        method,
        ...optional({ description: part.quotes[0]?.value, due_date: dueDate }),
        buyer: partyArguments(buyer),
      }),
    };
  },

  pay(part) {
    if (part.pixCodes.length + part.brokenPixCodes.length > 0) return payCode(part);
    const amount = amountOf(part);
    const name = only(part.names);
    const taxId = only(part.taxIds);
    const pixKey = pixKeyOf(part);
    return {
      about: { amount, name: name ?? pixKey },
      missing: missing({ amount, pix_key: pixKey, ...documentNeed(taxId, false) }),
      input: () => ({
        action: "pay",
        ...money(amount!),
        method: "pix",
        recipient: { pix_key: pixKey, ...optional({ name, document: taxId?.value }) },
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
        type: /(?<!\p{L})nf-?e(?!\p{L})/iu.test(part.words) ? "nfe" : "nfse",
        action: "issue",
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
        action: "label",
        ...optional({ carrier: carrierOf(part.words) }),
        destination: { postal_code: postalCode, ...partyArguments({ ...receiver, email: undefined }) },
        ...parcels(part),
      }),
    };
  },

  quote(part) {
    const postalCode = only(part.postalCodes);
    return {
      missing: missing({ postal_code: postalCode }),
      input: () => ({
        action: "quote",
        ...optional({ carrier: carrierOf(part.words) }),
        destination: { postal_code: postalCode },
        ...parcels(part),
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
        action: "track",
        ...optional({ carrier: carrierOf(part.words) }),
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

  discover: (part) => ({ input: () => ({ use_case: part.words.replaceAll(TAKEN, "").trim().slice(0, 500) }) }),

  connections(part) {
    const server =
      /(?<!\p{L})(?:connect|conecte|conectar|conecta)\s(?:(?:to|the|o|a|ao|à|el|con)\s)?(\p{L}[\p{L}\d-]+)/iu.exec(
        part.words,
      )?.[1];
    return { input: () => (server ? { action: "initiate", server_id: server.toLowerCase() } : { action: "list" }) };
  },
};

/** A pasted Pix code carries payee and amount. */
function payCode(part: Part): Draft {
  const amount = amountOf(part);
  const code = part.brokenPixCodes.length > 0 ? undefined : only(part.pixCodes);
  return {
    about: { amount, name: undefined },
    missing: missing({ pix_code: code }),
    input: () => ({ action: "pay", ...(amount && money(amount)), method: "pix", copia_e_cola: code }),
  };
}

const isSameMovement = (a: Step, b: Step): boolean =>
  a.tool === b.tool &&
  ["charge", "pay", "crypto_send", "crypto_receive"].includes(a.kind) &&
  a.missing.length + b.missing.length === 0 &&
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

function messageAbout({
  subject,
  steps,
  done,
  language,
}: {
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
