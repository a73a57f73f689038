/** What is asked for, in the order it is said. A verb that is denied, reported or only asked about is not a request. */

export type IntentKind =
  | "charge"
  | "pay"
  | "crypto_send"
  | "crypto_receive"
  | "invoice"
  | "label"
  | "quote"
  | "track"
  | "notify"
  | "kyc"
  | "discover"
  | "connections";

export interface Intent {
  kind: IntentKind;
  /** Its part of the text: from its first word (the first intent: from the beginning) to the next intent. */
  from: number;
  to: number;
}

/** What else was read, as far as it decides what a verb such as `send` means. */
export interface Signs {
  amounts: { value: { currency: string }; at: number }[];
}

const TOKENS = new Set(["USDC", "USDT", "BTC", "ETH", "MATIC"]);
const TOKEN = new RegExp(`(?<!\\p{L})(?:${[...TOKENS].join("|")})(?!\\p{L})`, "iu");
const MONEY = new RegExp(`R\\$|US\\$|€|${TOKEN.source}|(?<!\\p{L})(?:reais|dollars?)(?!\\p{L})`, "iu");

/** words  the text with numbers, codes and messages taken out (see `read`) */
export function findIntents(words: string, signs: Signs): Intent[] {
  const hits = withoutOverlaps(hitsOf(words));
  const intents: Intent[] = [];
  hits.forEach((hit, index) => {
    // What is said of a step that is not wanted belongs to no other step either.
    if (!isRequest(words, hit)) return;
    const to = hits[index + 1]?.at ?? words.length;
    const kind = settleKind(hit, to, words, signs);
    const last = intents.at(-1);
    if (kind !== undefined && !isMention(hit, last, words)) intents.push({ kind, from: index === 0 ? 0 : hit.at, to });
    else if (last) last.to = to;
  });
  return intents;
}

/** A noun in a list (`and the invoice`) is a request; in what somebody is to be told or found it is only mentioned. */
function isMention(hit: Hit, last: Intent | undefined, words: string): boolean {
  if (hit.isListed) return last === undefined || last.kind === "notify";
  return last?.kind === "discover" && !/[.!?\n]/.test(words.slice(last.from, hit.at));
}

type HitKind = IntentKind | "send" | "receive";

interface Hit {
  kind: HitKind;
  at: number;
  end: number;
  isListed: boolean;
}

const articles = "a|an|the|new|um|uma|o|a|nova|novo|un|una|la|el|su|sua|her|his|their";
const kinds = "pix|boleto|card|service|shipping|dos correios|correios|jadlog|loggi|sedex|pac|carrier";
const some = `(?:(?:${articles}|${kinds})\\s){0,4}`;
const make =
  "create|generate|issue|emit|buy|purchase|print|get|prepare|raise|" +
  "crie|criar|crea|crear|gere|gerar|gera|genera|generar|emita|emitir|emite|compre|comprar|compra|" +
  "imprima|imprimir|tire|tirar";
/** Also said of money that goes out: `make a Pix` sends one, `create a Pix` asks for one. */
const give = "make|send|do|faça|fazer|faz|mande|mandar|manda|envie|enviar|envia|haz|hacer";
const fiscal = "nfs-?e|nf-?e|nfc-?e|invoice|tax document|fiscal document|notas? fisca(?:l|is)|nota|factura|fatura";
const chargeNoun = "charge|payment request|payment link|cobrança|cobro|link de pagamento";
/** Before a noun of the same spelling: `the charge`, `a Pix charge`. */
const determiners = "the|a|an|this|that|her|his|their|your|my|of|no|any|each|previous|last";
const notNoun = `(?<!(?:^|[^\\p{L}])(?:${determiners})\\s(?:(?:pix|boleto|card|new|last)\\s)?)`;
const conjunction = "(?:,|(?<!\\p{L})(?:and|e|y|then|depois|luego|plus))\\s(?:(?:then|also|também)\\s)?";
const listed = `${conjunction}(?:(?:${articles})\\s)?`;
const show = "list|show|which|what|check|liste|listar|mostre|quais|ver|muestra";
const tool = "(?:tools?|ferramentas?|herramientas?)";

const patterns: [kind: HitKind, pattern: string, isListed?: boolean][] = [
  ["charge", `(?:${make}|${give})\\s${some}(?:${chargeNoun})`],
  ["charge", `(?:${make})\\s${some}(?:qr code|boleto|pix)`],
  ["charge", `${notNoun}(?:charge|bill|collect)|cobre|cobrar|cobra|cóbrale`],
  [
    "pay",
    `(?:${give})\\s(?:(?:${articles})\\s)?(?:pix|transfer|payment|payout|transferência|pagamento|transferencia|pago)`,
  ],
  ["pay", `${notNoun}(?:pay|transfer)|pague|pagar|paga|transfira|transferir|transfere|transfiere`],
  ["send", "send|envie|enviar|envia|envía|mande|mandar|manda"],
  ["receive", "receive|request|receba|receber|recibir|recibe|solicite|solicitar|peça"],
  ["invoice", `(?:${make}|make|faça|fazer|faz|haz|hacer)\\s${some}(?:${fiscal})`],
  ["invoice", `${notNoun}invoice`],
  ["invoice", `${listed}(?:${fiscal})`, true],
  ["label", `(?:${make}|make|faça|fazer|faz|haz|hacer)\\s${some}(?:labels?|etiqueta)`],
  ["label", `${listed}(?:${some})(?:label|etiqueta)`, true],
  ["label", `${notNoun}ship|despache|despachar|despacha`],
  ["quote", `(?:quote|cote|cotar|cotiza|cotizar)|(?:get|give me|faça|fazer)\\s(?:${articles})?\\s?(?:quote|cotação)`],
  ["quote", "(?:calculate|calcule|calcular|calcula)\\s(?:(?:the|o|el)\\s)?(?:shipping|freight|frete|envío|envio)"],
  ["quote", "how much[^.?!\\n]{0,40}(?:ship|shipping|freight)|(?:quanto|cuánto)[^.?!\\n]{0,30}(?:frete|envio|envío)"],
  ["quote", "shipping (?:cost|price|rates?)|frete\\s(?:para|até|pro)"],
  ["track", `${notNoun}track|rastreie|rastrear|rastreia|rastrea|rastree`],
  ["track", "where(?: is|['’]s) (?:the|my|her|his) (?:parcel|package|order)"],
  ["track", "onde est[áa][^.?!\\n]{0,12}(?:encomenda|pacote|pedido)"],
  ["notify", "(?<!(?:the|a|an|this|text|whatsapp|sms|by|via|with|short)\\s)(?:tell|notify|inform|message|text|warn)"],
  ["notify", "let\\s\\p{L}+(?:\\s\\p{L}+){0,2}\\sknow|(?:whatsapp|e-?mail)\\s(?:her|him|them|it|the code)"],
  ["notify", "avise|avisar|avisa|avísale|notifique|notificar|notifica|informe|informar|comunique|diga|conte|dile"],
  ["kyc", "(?:(?:run|do|start|faça|fazer|inicie)\\s)?(?:(?:a|an|um|uma|o)\\s)?kyc"],
  ["kyc", "(?:verify|check|confirm|verifi(?:que|car|ca)|confirme)\\s[^.,;\\n]{0,60}?(?:identity|identidade?)"],
  ["kyc", "(?:identity|sanctions)\\s(?:check|verification|screening)|verificação de identidade"],
  ["discover", `(?:find|search for|look for|encontr(?:e|ar)|procure|busca)\\s(?:(?:a|an|me a|uma|una)\\s)?${tool}`],
  ["discover", `(?:which|what|que|qual|qué)\\s${tool}|discover|descubra`],
  ["connections", `(?:${show})\\s[^.,;\\n]{0,30}?(?:connections|connected|conexões|conectad[oa]s|conexiones)`],
  ["connections", "connect|conecte|conectar|conecta"],
];

const compiled = patterns.map(([kind, pattern, isListed = false]) => ({
  kind,
  isListed,
  // What begins with a comma or a conjunction may stand right behind a word.
  pattern: new RegExp(`${isListed ? "" : "(?<![\\p{L}\\d-])"}(?:${pattern})(?![\\p{L}\\d])`, "giu"),
}));

const hitsOf = (words: string): Hit[] =>
  compiled.flatMap(({ kind, isListed, pattern }) =>
    [...words.matchAll(pattern)].map((match) => ({
      kind,
      isListed,
      at: match.index,
      end: match.index + match[0].length,
    })),
  );

/** The earliest hit wins, and of two that begin together the longer. */
function withoutOverlaps(hits: Hit[]): Hit[] {
  const kept: Hit[] = [];
  for (const hit of hits.sort((a, b) => a.at - b.at || b.end - a.end)) {
    if (hit.at >= (kept.at(-1)?.end ?? 0)) kept.push(hit);
  }
  return kept;
}

const DENIED = /(?<!\p{L})(?:don['’]?t|do not|not|never|without|não|nao|nunca|jamais|sem|sin)\s+(?:\p{L}+\s+)?$/iu;
/** Somebody else is to do it: `ask her to pay`, `para ela pagar`. */
const others = [
  "(?<!(?:want|need|like|have|going|wish|you)\\s)to|she|he|they|who|her|him|them|customer|buyer|will|should|must",
  "when|once|if|after|before|ela|ele|cliente|vai|deve|possa|consiga|quando|se|cuando|(?:para|pra)\\s\\p{L}+",
].join("|");
const OTHERS = new RegExp(`(?<!\\p{L})(?:${others})\\s$`, "iu");
const QUESTION =
  /^\W*(?:how|what|why|did|does|have|has|when|como|o que|por que|quando|cómo|qué|was|were|is|are)(?!\p{L})/iu;
const READS: readonly HitKind[] = ["quote", "track", "discover", "connections"];

function isRequest(words: string, { kind, at, end }: Hit): boolean {
  const before = sentenceBefore(words, at);
  if (DENIED.test(before)) return false;
  if (READS.includes(kind)) return true;
  if (kind === "pay" && OTHERS.test(before)) return false;
  if (kind === "notify" && (/^\s?-?me(?!\p{L})/iu.test(words.slice(end)) || /(?<!\p{L})me\s$/iu.test(before)))
    return false;
  const sentence = before + words.slice(at, end) + /^[^.!?\n]*[.!?]?/u.exec(words.slice(end))![0];
  return !(QUESTION.test(sentence) && sentence.trimEnd().endsWith("?"));
}

const sentenceBefore = (words: string, at: number): string => /[^.!?\n]*$/u.exec(words.slice(0, at))![0];

/** `send`, `request` and their kin say what they mean only by what follows them. */
function settleKind(hit: Hit, to: number, words: string, { amounts }: Signs): IntentKind | undefined {
  const rest = words.slice(hit.at, to);
  const amount = amounts.find(({ at }) => at >= hit.at && at < to);
  // An amount that could not be read is still spoken of, and is asked for once the step is known.
  const amountAt = amount ? amount.at - hit.at : rest.search(MONEY);
  const isToken = amount ? TOKENS.has(amount.value.currency) : TOKEN.test(rest);
  switch (hit.kind) {
    case "charge":
      return isToken ? "crypto_receive" : "charge";
    case "pay":
      return isToken ? "crypto_send" : "pay";
    case "receive":
      if (amountAt < 0) return undefined;
      return isToken ? "crypto_receive" : "charge";
    case "send":
      return whatIsSent(rest, amountAt, isToken);
    default:
      return hit.kind;
  }
}

/** Whatever comes first: `send R$50 … with a message` is a payment, `send a message about R$50` is a message. */
function whatIsSent(rest: string, amountAt: number, isToken: boolean): IntentKind | undefined {
  const firsts: [IntentKind, number][] = [
    [isToken ? "crypto_send" : "pay", amountAt],
    ["notify", rest.search(/(?<!\p{L})(?:whatsapp|zap|sms|e-?mail|message|mensagem|mensaje|text)(?!\p{L})/iu)],
    ["label", rest.search(/(?<!\p{L})(?:parcel|package|encomenda|pacote|paquete)(?!\p{L})/iu)],
  ];
  return firsts.filter(([, at]) => at >= 0).sort(([, a], [, b]) => a - b)[0]?.[0];
}
