/**
 * The contract as files that reviewers read the diff of: `schema/published/`, and the rails as a page beside their providers.
 * `npm run publish:contract` writes them; with `--check` it exits 1 and names the first line that differs.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { railTable } from "./rail-table.ts";
import { wholeContract } from "./surfaces/contract.ts";
import { printSchema } from "./surfaces/graphql/graphql-js.ts";
import { buildGraphqlSchema } from "./surfaces/graphql/schema.ts";
import { openApiDocument } from "./surfaces/rest/openapi.ts";
import { toolDefinitions } from "../schema/tool-definitions.ts";

/** The text of every published file, by name. */
export function publishedFiles(): Record<string, string> {
  const graphql = buildGraphqlSchema(wholeContract, { door: NOBODY, report: () => {} });
  return {
    "schema.graphql": `${printSchema(graphql)}\n`,
    "openapi.json": jsonFile(openApiDocument()),
    "tools.json": jsonFile(toolDefinitions()),
    "../../providers/RAILS.md": railTable(),
  };
}

/** Where `published` differs from `current`, for a person: undefined when it does not. */
export function differenceOf(name: string, published: string | undefined, current: string): string | undefined {
  if (published === current) return undefined;
  if (published === undefined) return `${name} is missing`;
  const [before, now] = [published.split("\n"), current.split("\n")];
  const at = now.findIndex((line, index) => line !== before[index]);
  if (at === -1) return `${name} has lines at its end that the contract has not`;
  return `${name}:${at + 1} is ${JSON.stringify(before[at])}, the contract says ${JSON.stringify(now[at])}`;
}

/** Nobody is called while a schema is printed. */
const NOBODY = {} as Parameters<typeof buildGraphqlSchema>[1]["door"];

const jsonFile = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const FOLDER = new URL("../schema/published/", import.meta.url);

async function write(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  for (const [name, text] of Object.entries(publishedFiles())) await writeFile(new URL(name, FOLDER), text);
}

async function check(): Promise<void> {
  const differences = await Promise.all(Object.entries(publishedFiles()).map(async ([name, text]) =>
    differenceOf(name, await readFile(new URL(name, FOLDER), "utf8").catch(() => undefined), text)));
  const found = differences.filter((difference) => difference !== undefined);
  if (found.length === 0) return;
  console.error([...found, "Run `npm run publish:contract` and review the diff of schema/published."].join("\n"));
  process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await (process.argv.includes("--check") ? check() : write());
