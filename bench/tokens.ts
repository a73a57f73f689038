/** What the nine tools cost a model in every request: their definitions as the agent sends them, against our bound. */
import { toolDefinitions } from "../schema/tool-definitions.ts";
import { times, whole, type Section } from "./report.ts";

/** The most that the nine may cost together. `test/src/surfaces/tool-schema.test.ts` holds us to it. */
export const TOKENS_MAX = 1_800;
/** A rule of thumb for English and JSON; the true count is the model's. */
const CHARACTERS_PER_TOKEN = 4;

export interface Tokens {
  tools: { name: string; characters: number; tokens: number }[];
  total: { characters: number; tokens: number };
  /** Of the bound. */
  ratio: number;
}

export function measureTokens(): Tokens {
  const size = (sent: unknown) => {
    const { length: characters } = JSON.stringify(sent);
    return { characters, tokens: characters / CHARACTERS_PER_TOKEN };
  };
  const definitions = toolDefinitions();
  const tools = definitions.map((tool) => ({ name: tool.name, ...size(tool) }));
  const total = size(definitions);
  return { tools, total, ratio: total.tokens / TOKENS_MAX };
}

export const tokensSection = ({ tools, total }: Tokens): Section => ({
  title: `The nine tools as a model reads them, against ${whole(TOKENS_MAX)} tokens`,
  notes: [`Serialized JSON; tokens are characters / ${CHARACTERS_PER_TOKEN}.`],
  header: ["tool", "characters", "tokens", "of the bound"],
  rows: [...tools, { name: "all nine", ...total }].map(({ name, characters, tokens }) =>
    [name, whole(characters), whole(tokens), times(tokens / TOKENS_MAX)]),
});
