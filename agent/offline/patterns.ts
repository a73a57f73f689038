/** How the things that `read.ts` looks for are written. Groups are said where there are any. */

/** Stands in the words for every character that was read, so that words on either side of a find do not meet. */
export const TAKEN = "\u0000";

const anyOf = (...alternatives: string[]): RegExp => new RegExp(alternatives.join("|"), "giu");

export const pixCode = /000201[^\n]{20,500}6304[0-9A-F]{4}/giu;
/** What begins like one and may have been cut. */
export const pixCodeStart = /000201\S*/gu;

export const email = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/gu;
export const uuid = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/giu;

/** Ethereum and its kin, Bitcoin, Solana. Letter case tells, in the last one. */
export const wallet = new RegExp(
  String.raw`\b(?:0x[0-9a-fA-F]{40}|bc1[a-z0-9]{25,60}|` +
    String.raw`(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[1-9A-HJ-NP-Za-km-z]{32,44})\b`,
  "gu",
);

const tell =
  "tell|notify|let|message|text|inform|warn|" +
  "avise|avisa|avisar|avisando|diga|informe|informa|informar|notifique|conte|dile";
const nextStep = String.raw`,?\s(?:and then|then|e depois|depois|y luego|luego)\s`;

/** What follows `tell her that`, `saying`, `avise que` (group 1): up to the end of the sentence or the next step. */
export const said = new RegExp(
  String.raw`(?:(?<!\p{L})(?:${tell})(?!\p{L})(?:(?![.;!?](?:\s|$))[^\n;])*?(?<!\p{L})(?:that|que)|` +
    String.raw`(?<!\p{L})(?:saying|dizendo|diciendo)(?:\s(?:that|que))?):?\s+` +
    String.raw`["“]?((?:(?!${TAKEN}|["”]|${nextStep})[^\n;])+?)["”]?` +
    String.raw`(?=[.!?]?(?:[\s.]*$|[.!?]\s|[\n;"”]|${nextStep}))`,
  "giu",
);

/** As posts all over the world write it (group 1), or whatever is called one (group 2). */
export const tracking = anyOf(
  String.raw`\b([A-Z]{2}\d{9}[A-Z]{2})\b`,
  String.raw`(?:tracking code|código de (?:rastreio|rastreamento))[:\s]+([A-Z0-9-]*\d[A-Z0-9-]{4,40})`,
);

/** Group 1. A number of any length behind its label is a document, if perhaps a wrong one. */
export const labelledTaxId = new RegExp(
  String.raw`(?<!\p{L})(?:CPF|CNPJ)(?!\p{L})(?:\s*(?:is|é|es|do cliente|number|número|n[ºo°]?\.?|[:#]))*\s*` +
    String.raw`(\d{3}[ .]\d{3}[ .]\d{3}[ -]\d{2}(?!\d)|[0-9A-Z]{2}[\d.A-Z/-]{3,18}\d(?![\p{L}\d]))`,
  "giu",
);

export const formattedTaxId = anyOf(
  String.raw`(?<![\p{L}\d.])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\p{L}\d])`,
  String.raw`(?<![\p{L}\d.])[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}\/[0-9A-Z]{4}-\d{2}(?![\p{L}\d])`,
);

export const internationalPhone = anyOf(
  String.raw`\+\d{8,15}(?![\d-])`,
  String.raw`\+55[\s-]?\(?\d{2}\)?[\s-]?(?:9\s?)?\d{4}[\s-]?\d{4}(?!\d)`,
  String.raw`\+\d{1,3}(?:[\s-]\(?\d{1,4}\)?){2,4}(?!\d)`,
);
export const nationalPhone = /(?<![\d.,$-])\(?\d{2}\)?[\s-]?(?:9\s?)?\d{4}[\s-]\d{4}(?![\d-])/gu;

/** Labelled, with its hyphen, or named as where something goes: groups 1 to 3. */
export const postalCode = anyOf(
  String.raw`(?<!\p{L})CEP(?!\p{L})[\s:]*(\d{5}-?\d{3})(?!\d)`,
  String.raw`(?<![\p{L}\d.,$-])(\d{5}-\d{3})(?![\d-])`,
  String.raw`(?<!\p{L})(?:to|para|a)\s(\d{8})(?!\d)`,
);

/** Eleven digits may be a CPF or a phone; the reader tells. */
export const bareDigits = /(?<![\d.,$-])\d{10,14}(?![\d,])/gu;

/** Whole (group 1), or by day, month and year (groups 2 to 4). */
export const date = /\b(\d{4}-\d{2}-\d{2})\b|\b(\d{2})\/(\d{2})\/(\d{4})\b/gu;

/** Figure and unit. */
export const weight = /(?<![\p{L}\d.,])(\d{1,3}(?:[.,]\d{1,3})?)\s?(kg|g)(?!\p{L})/giu;

/** Group 1 is inside the quotation marks. */
export const quote = /["“«]([^"”»\n]{2,500})["”»]/gu;
