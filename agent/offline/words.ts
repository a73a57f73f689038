/** What the planner says, in the language it was spoken to. */
import type { IntentKind } from "./intents.ts";
import { display, type Money } from "../../schema/money.ts";

export type Language = "en" | "pt" | "es";

export type Missing =
  | "amount"
  | "name"
  | "document"
  | "valid_document"
  | "due_date"
  | "pix_key"
  | "pix_code"
  | "wallet"
  | "postal_code"
  | "tracking_code"
  | "phone"
  | "email"
  | "message";

/** What a message to a buyer or payee is about. */
export interface MessageFacts {
  kind: IntentKind;
  amount: Money | undefined;
  name: string | undefined;
  code: string | undefined;
  link: string | undefined;
  invoiceNumber: string | undefined;
  trackingCode: string | undefined;
}

export interface Words {
  /** Each step as a noun. */
  step: Record<IntentKind, string>;
  ask: Record<Missing, string>;
  /** Between the last two of a list. */
  and: string;
  /** Names before a value: `Pix code: …`. */
  label: Record<"pixCode" | "link" | "trackingCode" | "number" | "cost" | "expires", string>;
  to: string;
  days: string;
  nothingFound: string;
  need(step: string, asks: string): string;
  failed(step: string, code: string, sentence: string): string;
  unclear(step: string, toolCallId: string | undefined): string;
  notDone(steps: string): string;
  notOffered(step: string, tool: string): string;
  message(facts: MessageFacts): string;
  help: string;
}

/** Lines of a message; those without a value are left out. */
const lines = (...parts: (string | undefined | false)[]): string => parts.filter(Boolean).join("\n");

const of = (amount: Money | undefined, preposition: string): string =>
  amount ? ` ${preposition} ${display(amount)}` : "";

const SAMPLE =
  "Charge R$150 via Pix to Maria Silva, CPF 111.444.777-35, then issue the NFS-e, create a Correios label to " +
  "01310-100 and tell her on WhatsApp +5511999998888";
const AMOSTRA =
  "Cobre R$ 150,00 no Pix da Maria Silva, CPF 111.444.777-35, emita a NFS-e, gere a etiqueta dos Correios para " +
  "01310-100 e avise no WhatsApp +5511999998888";

const en: Words = {
  step: {
    charge: "the charge",
    pay: "the payment",
    crypto_send: "the crypto transfer",
    crypto_receive: "the crypto charge",
    invoice: "the NFS-e",
    label: "the shipping label",
    quote: "the shipping quote",
    track: "the tracking",
    notify: "the message",
    kyc: "the identity check",
    discover: "the tool search",
    connections: "the connections",
  },
  ask: {
    amount: "one exact amount with its currency, such as R$150.00",
    name: "the person's or company's name",
    document: "the CPF or CNPJ",
    valid_document: "a CPF or CNPJ whose check digits match: a character of the one given is wrong, please check it",
    due_date: "the due date, such as 2026-12-10",
    pix_code: "the whole Pix code: the one given is incomplete or changed",
    pix_key: "one Pix key (e-mail, phone, CPF, CNPJ or random key)",
    wallet: "the wallet address",
    postal_code: "the destination CEP, such as 01310-100",
    tracking_code: "the tracking code",
    phone: "one phone number with area code, such as +5511999998888",
    email: "one e-mail address",
    message: "what the message should say",
  },
  and: "and",
  label: {
    pixCode: "Pix code",
    link: "Link",
    trackingCode: "Tracking code",
    number: "Number",
    cost: "Cost",
    expires: "Expires",
  },
  to: "to",
  days: "days",
  nothingFound: "nothing found",
  need: (step, asks) => `For ${step} I still need ${asks}. I have not started it.`,
  failed: (step, code, sentence) => `${capitalized(step)} failed (${code}). ${sentence} I did not repeat it.`,
  unclear: (step, id) =>
    `It is not known yet whether ${step} happened${id ? ` (${id})` : ""}. ` +
    "Please follow its status, and do not ask for it again before that is known.",
  notDone: (steps) => `Not done because of that: ${steps}.`,
  notOffered: (step, tool) => `For ${step} I would need ${tool}, which this session does not offer.`,
  message: ({ kind, amount, name, code, link, invoiceNumber, trackingCode }) =>
    lines(
      kind === "pay" || kind === "crypto_send"
        ? `Hello! A payment${of(amount, "of")} is on its way to you.`
        : `Hello${name ? `, ${name}` : ""}! ` +
            (amount ? `Here is your charge${of(amount, "of")}.` : "There is news on your order."),
      code && `Pix code to copy and paste: ${code}`,
      link && `Pay here: ${link}`,
      invoiceNumber && `NFS-e number: ${invoiceNumber}`,
      trackingCode && `Tracking code: ${trackingCode}`,
    ),
  help: `I am the sandbox's offline planner, not a language model: I only read plain requests in English and \
Portuguese. I can charge, pay by Pix, issue an NFS-e, quote, buy and track shipping, send a WhatsApp message, \
SMS or e-mail, verify an identity, send or request USDC, find tools and list connections. For example: \
"${SAMPLE}". To talk to a real model, set ANTHROPIC_API_KEY and restart the server.`,
};

const pt: Words = {
  step: {
    charge: "a cobrança",
    pay: "o pagamento",
    crypto_send: "a transferência de cripto",
    crypto_receive: "a cobrança em cripto",
    invoice: "a NFS-e",
    label: "a etiqueta de envio",
    quote: "a cotação de frete",
    track: "o rastreio",
    notify: "a mensagem",
    kyc: "a verificação de identidade",
    discover: "a busca de ferramentas",
    connections: "as conexões",
  },
  ask: {
    amount: "um valor exato com a moeda, como R$ 150,00",
    name: "o nome da pessoa ou empresa",
    document: "o CPF ou CNPJ",
    valid_document:
      "um CPF ou CNPJ com dígitos verificadores corretos: há um caractere errado no que foi informado, confira",
    due_date: "a data de vencimento, como 10/12/2026",
    pix_code: "o Pix copia e cola inteiro: o informado está incompleto ou alterado",
    pix_key: "uma chave Pix (e-mail, telefone, CPF, CNPJ ou aleatória)",
    wallet: "o endereço da carteira",
    postal_code: "o CEP de destino, como 01310-100",
    tracking_code: "o código de rastreio",
    phone: "um telefone com DDD, como +5511999998888",
    email: "um endereço de e-mail",
    message: "o que a mensagem deve dizer",
  },
  and: "e",
  label: {
    pixCode: "Pix copia e cola",
    link: "Link",
    trackingCode: "Código de rastreio",
    number: "Número",
    cost: "Custo",
    expires: "Vence",
  },
  to: "para",
  days: "dias",
  nothingFound: "nada encontrado",
  need: (step, asks) => `Para ${step} ainda preciso de: ${asks}. Não iniciei nada disso.`,
  failed: (step, code, sentence) => `Falhou: ${step} (${code}). ${sentence} Não repeti a chamada.`,
  unclear: (step, id) =>
    `Ainda não se sabe se aconteceu: ${step}${id ? ` (${id})` : ""}. ` +
    "Acompanhe o status e não peça de novo antes de saber.",
  notDone: (steps) => `Por isso não fiz: ${steps}.`,
  notOffered: (step, tool) => `Para ${step} eu precisaria de ${tool}, que esta sessão não oferece.`,
  message: ({ kind, amount, name, code, link, invoiceNumber, trackingCode }) =>
    lines(
      kind === "pay" || kind === "crypto_send"
        ? `Olá! Um pagamento${of(amount, "de")} está a caminho.`
        : `Olá${name ? `, ${name}` : ""}! ` +
            (amount ? `Aqui está sua cobrança${of(amount, "de")}.` : "Há novidades no seu pedido."),
      code && `Pix copia e cola: ${code}`,
      link && `Pague aqui: ${link}`,
      invoiceNumber && `Número da NFS-e: ${invoiceNumber}`,
      trackingCode && `Código de rastreio: ${trackingCode}`,
    ),
  help: `Sou o planejador offline do sandbox, não um modelo de linguagem: só leio pedidos diretos em português e \
inglês. Posso cobrar, pagar por Pix, emitir NFS-e, cotar, comprar e rastrear fretes, enviar mensagem por \
WhatsApp, SMS ou e-mail, verificar identidade, enviar ou pedir USDC, procurar ferramentas e listar conexões. Por \
exemplo: "${AMOSTRA}". Para falar com um modelo de verdade, defina ANTHROPIC_API_KEY e reinicie o servidor.`,
};

const es: Words = {
  step: {
    charge: "el cobro",
    pay: "el pago",
    crypto_send: "la transferencia de cripto",
    crypto_receive: "el cobro en cripto",
    invoice: "la factura (NFS-e)",
    label: "la etiqueta de envío",
    quote: "la cotización de envío",
    track: "el rastreo",
    notify: "el mensaje",
    kyc: "la verificación de identidad",
    discover: "la búsqueda de herramientas",
    connections: "las conexiones",
  },
  ask: {
    amount: "un importe exacto con su moneda, como R$ 150,00",
    name: "el nombre de la persona o empresa",
    document: "el CPF o CNPJ",
    valid_document:
      "un CPF o CNPJ con dígitos verificadores correctos: hay un carácter equivocado en el indicado, revíselo",
    due_date: "la fecha de vencimiento, como 10/12/2026",
    pix_code: "el código Pix completo: el indicado está incompleto o cambiado",
    pix_key: "una clave Pix (correo, teléfono, CPF, CNPJ o aleatoria)",
    wallet: "la dirección de la billetera",
    postal_code: "el CEP de destino, como 01310-100",
    tracking_code: "el código de rastreo",
    phone: "un teléfono con código de área, como +5511999998888",
    email: "una dirección de correo",
    message: "qué debe decir el mensaje",
  },
  and: "y",
  label: {
    pixCode: "Código Pix",
    link: "Enlace",
    trackingCode: "Código de rastreo",
    number: "Número",
    cost: "Costo",
    expires: "Vence",
  },
  to: "para",
  days: "días",
  nothingFound: "nada encontrado",
  need: (step, asks) => `Para ${step} todavía necesito: ${asks}. No lo he iniciado.`,
  failed: (step, code, sentence) => `Falló: ${step} (${code}). ${sentence} No repetí la llamada.`,
  unclear: (step, id) =>
    `Todavía no se sabe si ocurrió: ${step}${id ? ` (${id})` : ""}. ` +
    "Siga su estado y no lo pida de nuevo antes de saberlo.",
  notDone: (steps) => `Por eso no hice: ${steps}.`,
  notOffered: (step, tool) => `Para ${step} necesitaría ${tool}, que esta sesión no ofrece.`,
  message: ({ kind, amount, name, code, link, invoiceNumber, trackingCode }) =>
    lines(
      kind === "pay" || kind === "crypto_send"
        ? `¡Hola! Un pago${of(amount, "de")} está en camino.`
        : `¡Hola${name ? `, ${name}` : ""}! ` +
            (amount ? `Aquí está su cobro${of(amount, "de")}.` : "Hay novedades de su pedido."),
      code && `Código Pix para copiar y pegar: ${code}`,
      link && `Pague aquí: ${link}`,
      invoiceNumber && `Número de la NFS-e: ${invoiceNumber}`,
      trackingCode && `Código de rastreo: ${trackingCode}`,
    ),
  help: `Soy el planificador sin conexión del sandbox, no un modelo de lenguaje: solo leo pedidos directos en \
portugués e inglés, y algo de español. Puedo cobrar, pagar por Pix, emitir NFS-e, cotizar, comprar y rastrear \
envíos, enviar mensajes, verificar identidad, enviar o pedir USDC, buscar herramientas y listar conexiones. Por \
ejemplo: "${AMOSTRA}". Para hablar con un modelo real, defina ANTHROPIC_API_KEY y reinicie el servidor.`,
};

export const words: Record<Language, Words> = { en, pt, es };

export const capitalized = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

const anyOf = (...alternatives: string[]): RegExp =>
  new RegExp(String.raw`(?<!\p{L})(?:${alternatives.join("|")})(?!\p{L})`, "giu");

/** Words that one language has and the others have not, or seldom. */
const marks: Record<Language, RegExp> = {
  en: anyOf(
    "the|and|to|via|then|issue|charge|pay|send|tell|with|ship|label|track|verify|hello|hi|please|her|him|invoice|list",
    "find|my|what|how",
  ),
  pt: anyOf(
    "cobre|cobrar|cobrança|pague|transfira|envie|mande|emita|gere|crie|nota fiscal|avise|para|no|na|da|do|dos|com|e",
    "reais|frete|rastreie|você|não|olá|oi|bom dia|boa tarde|verifique|liste|conexões|quanto|quais|uma?",
    "por favor|obrigad[oa]",
  ),
  es: anyOf(
    "cobra|paga|envía|emite|genera|factura|dile|avísale|y|el|la|un|una|por|hola|verifica|identidad|rastrea|cuánto",
    "herramienta|muestra|buenos|gracias|qué|mí",
  ),
};

/** English where nothing speaks for another. */
export function languageOf(text: string): Language {
  const count = (language: Language) => text.match(marks[language])?.length ?? 0;
  return (["en", "pt", "es"] as const).reduce((best, language) => (count(language) > count(best) ? language : best));
}
