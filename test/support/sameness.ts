/**
 * What two runs of the same thing, made at the same moment, have in common. Ids, keys and other chance are replaced by
 * placeholders, the same value always by the same one, so that a wrong reference still shows. Everything else stays,
 * every moment included: the clock of a test stands still.
 */
import type { Database } from "../../src/db/connect.ts";
import type { Json } from "./doors.ts";

/** Everything that chance makes, by kind; the forms that hold others first. Twins spell ids as their providers do. */
const chance: readonly (readonly [kind: string, form: RegExp])[] = [
  // A Pix code names its charge, and ends in a checksum over that name; its picture is the same as text.
  ["pix", /000201[0-9]{2}.+?\*{3}6304[0-9A-F]{4}/],
  ["png", /iVBORw0KGgo[A-Za-z0-9+/=]+/],
  ["event", /\bevt_(?:[0-9a-f]{32}&\d+|[A-Za-z0-9]{24}\b)/],
  ["id", /\b(?:org|prj|key|ses|run|tc|ca|lnk|ntf|ltx|px|req|cm|fs)_[0-9A-Za-z]{16,26}/],
  ["key", /\bcs?sk_(?:test|live|internal)_[A-Za-z0-9]{4,32}\b/],
  ["consent_token", /\bctk_[\w-]{32}/],
  ["mandate_token", /\beyJ[\w-]{100,}/],
  ["nonce", /(?<="nonce":")[\w-]{22}/],
  ["ed25519", /(?<![\w-])[\w-]{86}(?![\w-])/],
  ["public_key", /(?<![\w-])[\w-]{43}(?![\w-])/],
  // Of the companies that twins of tax authorities open.
  ["cnpj", /\b\d{8}0001\d{2}\b/],
  ["cuit", /\b30\d{9}\b/],
  // Counted, or drawn, for each account that twins of ePayco and Meta open.
  ["merchant", /\b500\d{3}\b/],
  ["graph_id", /\b\d{15}\b/],
  ["link_token", /\blnk_[A-Za-z0-9]{16,}\b/],
  ["code", /\b(?:pay_|asaas\.com\/i\/)[a-z0-9]{16}\b/],
  // Counted over all accounts of a twin.
  ["customer", /\bcus_\d{12}\b/],
  ["order", /\b(?:ORD|PUR)-\d{6,}\b/],
  ["receipt", /\bcomprovantes\/\d+/],
  ["end_to_end", /\bE\d{20}[0-9A-Za-z]{11}\b/],
  ["label", /\bimprimir\/[\w-]{12}/],
  ["tracking", /\b(?:[A-Z]{2}\d{9}BR|ME\d{5}[A-Z]{4}BR)\b/],
  ["check_code", /\b[A-Z2-9]{4}-[A-Z2-9]{4}\b/],
  ["inquiry", /\b(?:inq|itmpl)_[A-Za-z0-9]{24}\b/],
  ["link", /\bverify\?code=[A-Za-z0-9]{32}\b/],
  ["tool_use", /\btoolu_[0-9a-f]{24}\b/],
  ["uuid", /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/],
  ["signature", /[A-Za-z0-9+/]{86,}={0,2}/],
  ["hash", /\b[0-9a-fA-F]{20,}\b/],
];

const forms = new RegExp(chance.map(([kind, { source }]) => `(?<${kind}>${source})`).join("|"), "g");

/** One for each run: it remembers what it has seen. */
export class Normalizer {
  readonly #known = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** Keys are visited in the order of their names, so that two doors that write them in another order number alike. */
  of(value: unknown): unknown {
    return withoutChance(value, (kind, found) => this.#known.get(found) ?? this.#number(kind, found));
  }

  /**
   * Rows have no order, so each table gets one that no chance decides: by what is left of a row without the chance that
   * was not met before. Rows that stand alone in that are met first, because what they name tells others apart.
   */
  ofRows(tables: Record<string, Json[]>): Record<string, unknown> {
    let left = Object.entries(tables).flatMap(([table, rows]) => rows.map((row) => ({ table, row })));
    for (let met = Infinity; met > 0;) {
      const keyed = left.map((each) => ({ each, key: `${each.table} ${this.#blank(each.row)}` }));
      const count = new Map<string, number>();
      for (const { key } of keyed) count.set(key, (count.get(key) ?? 0) + 1);
      const alone = keyed.filter(({ key }) => count.get(key) === 1).sort(byKey);
      for (const { each } of alone) this.of(each.row);
      left = keyed.filter(({ key }) => count.get(key) !== 1).map(({ each }) => each);
      met = alone.length;
    }
    return Object.fromEntries(Object.entries(tables).map(([table, rows]) => {
      const keyed = rows.map((row) => ({ row, key: this.#blank(row) })).sort(byKey);
      return [table, keyed.map(({ row }) => this.of(row))];
    }));
  }

  #blank(row: Json): string {
    return JSON.stringify(withoutChance(row, (kind, found) => this.#known.get(found) ?? `<${kind}>`));
  }

  #number(kind: string, found: string): string {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    const placeholder = `<${kind} ${count}>`;
    this.#counts.set(kind, count);
    this.#known.set(found, placeholder);
    return placeholder;
  }
}

const byKey = (a: { key: string }, b: { key: string }): number => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

type Replacement = (kind: string, found: string) => string;

function withoutChance(value: unknown, replacement: Replacement): unknown {
  if (typeof value === "string") return replaced(value, replacement);
  if (Array.isArray(value)) return value.map((item) => withoutChance(item, replacement));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  const cleaned = entries.map(([key, member]) => [replaced(key, replacement), withoutChance(member, replacement)]);
  return Object.fromEntries(cleaned) as unknown;
}

const replaced = (text: string, replacement: Replacement): string =>
  text.replace(forms, (...match) => {
    const groups = match.at(-1) as Record<string, string | undefined>;
    const [kind, found] = Object.entries(groups).find(([, value]) => value !== undefined)!;
    return replacement(kind, found!);
  });

/** What counts requests, of which doors make different numbers: it says nothing of their effects. */
const COUNTERS = ["rate_windows"];

/** Every row of an organization or of one project, by table. A table that is added later is read too. */
export async function rowsOf(
  { sql }: Pick<Database, "sql">, owner: { org_id: string } | { project_id: string },
): Promise<Record<string, Json[]>> {
  const [[column, id]] = Object.entries(owner) as [[string, string]];
  const tables = await sql<{ name: string }[]>`
    select table_name as name from information_schema.columns
    where table_schema = 'public' and column_name = ${column} and table_name <> all(${COUNTERS}) order by table_name`;
  const rows: Record<string, Json[]> = {};
  for (const { name } of tables) {
    const found = await sql<{ row: Json }[]>`
      select to_jsonb(t) as row from ${sql(name)} t where ${sql(column)} = ${id}`;
    rows[name] = found.map(({ row }) => legible(row));
  }
  return rows;
}

/** The database's own order, what is sealed, when a key was used, and how much a model read: pictures vary in size. */
const VARIES = ["transaction", "sealed", "wrapped", "last_used_at", "input_tokens"];

/** A row without what varies. The database's own numbers are shared by all tenants; bodies are bytes, and read here. */
function legible({ id, body, ...row }: Json): Json {
  const rest = Object.fromEntries(Object.entries(row).filter(([column]) => !VARIES.includes(column)));
  return { ...rest, ...(typeof id === "string" && { id }), ...(typeof body === "string" && { body: readBody(body) }) };
}

function readBody(hex: string): unknown {
  const text = Buffer.from(hex.slice(2), "hex").toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
