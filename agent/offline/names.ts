/** Names of people and companies in running text, told by their capitals and by the words around them. */
import type { Found } from "./read.ts";

/** Words with a capital that begin a sentence, name a thing, or name a company that is not a party here. */
const noNames = new Set(
  `pix boleto card cartão cpf cnpj cep nfs-e nfse nf-e nfe nfc-e nota fiscal whatsapp zap sms email e-mail correios
  jadlog loggi azul sedex pac dhl fedex ups melhor envio usdc usdt btc eth matic base polygon ethereum solana
  bitcoin brl usd eur mxn ars kyc qr asaas stripe ebanx iugu stone mercado pago nequi picpay circle charge bill
  collect pay send transfer issue emit create generate make buy print get tell notify message inform let text
  track ship quote verify check invoice list show find discover connect search please hi hello hey thanks thank
  then and also after her his their the a an is i we you my our can could would will when how what which where
  who why do does did if for to from on in by via with request receive buyer customer client phone key label not
  don't never total order payment cobre cobrar cobra pague pagar paga envie enviar envia mande mandar manda
  transfira transferir emita emitir emite gere gerar gera genera crie criar crea faça fazer haz compre comprar
  avise avisar avisa diga informe notifique conte dile rastreie rastrear rastrea cote cotar calcule verifique
  verificar verifica liste mostre encontre descubra conecte conectar por favor olá oi hola bom boa dia tarde
  noite e y o os as um uma eu nós quero preciso gostaria queria pode você como qual quais que quanto onde depois
  então também em no na do da de para ao à cliente comprador telefone celular chave valor pedido etiqueta frete
  factura`.split(/\s+/),
);

/** State capitals: somewhere, and nobody, in a sentence about parcels. */
const capitals = [
  "São Paulo|Sao Paulo|Rio de Janeiro|Belo Horizonte|Brasília|Brasilia|Salvador|Fortaleza|Recife|Porto Alegre|Curitiba",
  "Manaus|Belém|Goiânia|São Luís|Maceió|Natal|Teresina|Campo Grande|João Pessoa|Aracaju|Cuiabá|Porto Velho|Macapá",
  "Florianópolis|Rio Branco|Boa Vista|Palmas|Vitória",
].join("|");
export const PLACES = new RegExp(String.raw`(?<!\p{L})(?:${capitals})(?:\s?[-,/]\s?[A-Z]{2})?(?!\p{L}|\s\p{Lu})`, "gu");

const introducers = new Set(
  `to from for para pra da do de a ao à al charge bill pay invoice send tell notify message inform text verify
  buyer customer client cliente comprador name named nome nombre cobre cobrar cobra pague pagar paga avise
  avisar avisa notifique informe diga verifique verificar verifica o la el sr sra dona dile of`.split(/\s+/),
);

const links = new Set(["da", "de", "do", "das", "dos", "del", "di", "van", "von"]);

/** `words` is a text whose numbers and codes were taken out already. */
export function findNames(words: string): Found<string>[] {
  const capitalized = runsOfCapitals(words).filter(
    (run) => introducers.has(run.before) || isBeforeTaxId(words, run.end) || run.parts > 1,
  );
  return capitalized.length > 0 ? capitalized.map(({ value, at }) => ({ value, at })) : lowerCaseNames(words);
}

interface Run extends Found<string> {
  end: number;
  parts: number;
  /** The word before it, in lower case. */
  before: string;
}

function runsOfCapitals(words: string): Run[] {
  const runs: Run[] = [];
  let open: Run | undefined;
  let before = "";
  for (const { 0: written, index: at } of words.matchAll(/\p{L}[\p{L}\d'’&-]*\.?|[^\s\p{L}]/gu)) {
    const word = written.replace(/['’]s$|[.'’-]+$/gu, "");
    const isPart = /^\p{Lu}/u.test(word) && !noNames.has(word.toLowerCase()) && !/^[A-Z]{2}$/.test(word);
    if (isPart && open && isGapOfLinks(words.slice(open.end, at))) {
      open.value += `${words.slice(open.end, at)}${word}`;
      open.end = at + word.length;
      open.parts += 1;
    } else if (isPart) {
      open = { value: word, at, end: at + word.length, parts: 1, before };
      runs.push(open);
    } else if (!links.has(word)) {
      open = undefined;
    }
    if (/\p{L}/u.test(word)) before = word.toLowerCase();
  }
  return runs;
}

const isGapOfLinks = (gap: string): boolean =>
  /^\s[\p{L}\s]*$/u.test(gap) &&
  gap
    .trim()
    .split(/\s+/)
    .every((word) => word === "" || links.has(word));

const isBeforeTaxId = (words: string, end: number): boolean =>
  /^[\s,(:–-]*(?:CPF|CNPJ)(?!\p{L})/iu.test(words.slice(end));

/** `para maria silva, cpf …`: without capitals, only the document behind it makes a name sure. */
function lowerCaseNames(words: string): Found<string>[] {
  const pattern = new RegExp(
    String.raw`(?<!\p{L})(?:to|from|for|para|pra|da|do|de|of|charge|cobre)\s` +
      String.raw`((?:[\p{Ll}'’]+\s){0,5}[\p{Ll}'’]+)[\s,(:–-]*(?=CPF|CNPJ)`,
    "giu",
  );
  return [...words.matchAll(pattern)].flatMap((match) => {
    const value = match[1] ?? "";
    const isName = value.split(" ").every((word) => links.has(word) || !noNames.has(word));
    return isName ? [{ value, at: match.index + match[0].indexOf(value) }] : [];
  });
}
