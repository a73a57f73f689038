/**
 * `npm run bench`: what we claim about speed, measured now and here. Every figure stands beside a ceiling or a peer of the same run.
 *
 *   npm run bench                     all four; `-- charges`, `-- doors`, `-- fanout`, `-- tokens` for one or some
 *   npm run bench -- --seconds 10     measures each thing for so long (default 2)
 *   npm run bench -- --json           the figures as JSON
 *   npm run bench -- --write-readme   puts the tables into README.md
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connectionUrl, openDatabase, type Database } from "../src/db/connect.ts";
import { startEmbeddedPostgres } from "../src/db/embedded.ts";
import { removeDataDir } from "../test/support/global-setup.ts";
import { chargesSection, measureCharges } from "./charges.ts";
import { doorsSection, measureDoors } from "./doors.ts";
import { fanoutSection, measureFanout } from "./fanout.ts";
import { markdown, terminalText, withBlock, type Machine, type Section } from "./report.ts";
import { measureTokens, tokensSection } from "./tokens.ts";

interface Measured {
  figures: object;
  section: Section;
}

interface Bench {
  needsDatabase: boolean;
  measure(options: { databaseUrl: string; seconds: number }): Promise<Measured>;
}

const bench = <Figures extends object>(
  needsDatabase: boolean,
  measure: (options: { databaseUrl: string; seconds: number }) => Figures | Promise<Figures>,
  section: (figures: Figures) => Section,
): Bench => ({
  needsDatabase,
  measure: async (options) => {
    const figures = await measure(options);
    return { figures, section: section(figures) };
  },
});

const benches: Record<string, Bench> = {
  charges: bench(true, measureCharges, chargesSection),
  doors: bench(true, measureDoors, doorsSection),
  fanout: bench(true, measureFanout, fanoutSection),
  tokens: bench(false, measureTokens, tokensSection),
};

const SECONDS_DEFAULT = 2;
const SECONDS_MAX = 600;
const README = new URL("../README.md", import.meta.url);

async function main(): Promise<void> {
  const { names, seconds, json, writeReadme } = readArguments();
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const machine = machineNow(names.some((name) => benches[name]!.needsDatabase) ? await openMachine() : undefined);
  try {
    const measured: Record<string, Measured> = {};
    for (const name of names) {
      say(`measuring ${name} …`);
      const { needsDatabase, measure } = benches[name]!;
      measured[name] = await measure({ databaseUrl: needsDatabase ? await machine.newDatabase() : "", seconds });
    }
    const sections = Object.values(measured).map(({ section }) => section);
    const figures = Object.fromEntries(Object.entries(measured).map(([name, { figures }]) => [name, figures]));
    if (json) process.stdout.write(`${JSON.stringify({ ...machine.described, seconds, ...figures })}\n`);
    else process.stdout.write(`\n${terminalText(machine.described, sections)}`);
    if (writeReadme) await writeFile(README, withBlock(await readFile(README, "utf8"), markdown(machine.described, "npm run bench", sections)));
  } finally {
    await machine.close();
  }
}
