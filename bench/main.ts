/**
 * `npm run bench`: what we claim about speed, measured now and here. Every figure stands beside a ceiling or a peer
 * of the same run.
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
import { inspect, parseArgs } from "node:util";
import { connectionUrl, openDatabase } from "../src/db/connect.ts";
import { startEmbeddedPostgres } from "../src/db/embedded.ts";
import { removeDataDir } from "../test/support/global-setup.ts";
import { chargesSection, measureCharges } from "./charges.ts";
import { doorsSection, measureDoors } from "./doors.ts";
import { fanoutSection, measureFanout } from "./fanout.ts";
import { interruption } from "./measure.ts";
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
  const databases = names.some((name) => benches[name]!.needsDatabase) ? await openDatabases() : undefined;
  try {
    const machine: Machine = {
      date: new Date().toISOString().slice(0, 10), cores: availableParallelism(), node: process.versions.node,
      database: databases ? `PostgreSQL ${databases.version} (its own, fsync on)` : "no database",
    };
    const measured: Record<string, Measured> = {};
    for (const name of names) {
      interruption.signal.throwIfAborted();
      process.stderr.write(`measuring ${name} …\n`);
      measured[name] = await benches[name]!.measure({ databaseUrl: (await databases?.create()) ?? "", seconds });
    }
    const sections = Object.values(measured).map(({ section }) => section);
    const figures = Object.fromEntries(Object.entries(measured).map(([name, { figures }]) => [name, figures]));
    if (json) process.stdout.write(`${JSON.stringify({ ...machine, seconds, ...figures })}\n`);
    else process.stdout.write(`\n${terminalText(machine, sections)}`);
    if (!writeReadme) return;
    const block = markdown(machine, commandOf(seconds), sections);
    await writeFile(README, withBlock(await readFile(README, "utf8"), block));
  } finally {
    await databases?.close();
  }
}

function readArguments(): { names: string[]; seconds: number; json: boolean; writeReadme: boolean } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string" },
      "write-readme": { type: "boolean", default: false },
    },
  });
  const known = Object.keys(benches);
  const seconds = values.seconds === undefined ? SECONDS_DEFAULT : Number(values.seconds);
  if (!(seconds > 0 && seconds <= SECONDS_MAX))
    throw new UsageError(`--seconds: expected a number above 0, at most ${SECONDS_MAX}. Example: --seconds 5`);
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`${unknown}: expected ${known.join(", ")}, or nothing for all`);
  if (values["write-readme"] && positionals.length > 0)
    throw new UsageError("--write-readme: name no benchmark; the README has all of them");
  const names = positionals.length > 0 ? positionals : known;
  return { names, seconds, json: values.json, writeReadme: values["write-readme"] };
}

/** Its sentence is all there is to say. */
class UsageError extends Error {
  override readonly name = "UsageError";
}

const commandOf = (seconds: number): string =>
  seconds === SECONDS_DEFAULT ? "npm run bench" : `npm run bench -- --seconds ${seconds}`;

interface Databases {
  version: string;
  /** A new, empty database; returns its URL. */
  create(): Promise<string>;
  close(): Promise<void>;
}

/** A PostgreSQL for this run, as `npm start` brings it: a benchmark finds no rows but its own. */
async function openDatabases(): Promise<Databases> {
  const dataDir = await mkdtemp(join(tmpdir(), "codespar-bench-"));
  const server = await startEmbeddedPostgres({ dataDir });
  const admin = openDatabase({ url: server.url, applicationName: "bench" });
  const [row] = await admin.sql<{ version: string }[]>`
    select split_part(current_setting('server_version'), ' ', 1) as version`;
  return {
    version: row!.version,
    create: async () => {
      const database = `bench_${randomUUID().replaceAll("-", "")}`;
      await admin.sql.unsafe(`create database ${database}`);
      return connectionUrl({ ...server.connection, database });
    },
    close: async () => {
      await admin.close();
      await server.stop();
      await removeDataDir(dataDir);
    },
  };
}

// PostgreSQL is in a process group of its own, which Ctrl-C does not reach: whatever is started is stopped in order.
process.on("SIGINT", () => interruption.abort(new UsageError("interrupted")));
try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof UsageError ? error.message : inspect(error)}\n`);
  process.exitCode = 1;
}
