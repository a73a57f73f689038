/** codespar_discover: which tool serves a need. Meta-tools by their rails, and providers' own tools, by how alike the words are. */
import { rails } from "../../providers/rails.ts";
import type { DiscoverRequest, DiscoverResult } from "../../schema/meta-tools/discover.ts";
import { metaToolList } from "../../schema/meta-tools/index.ts";
import type { Principal } from "../access/keys.ts";
import { listConnected } from "../connections/connections.ts";
import type { Platform } from "../platform.ts";
import { catalogEntry } from "../rails/catalog.ts";

/** `server_id/tool_name` can be executed: a meta-tool so named goes to that provider. */
interface Match {
  server_id: string;
  tool_name: string;
  description: string;
  trigram_similarity: number;
  connection_status: "connected" | "disconnected";
}

/** How alike two texts must be to be named at all. */
const SIMILARITY_MIN = 0.08;
/** What being connected is worth against being more alike. */
const CONNECTED_BONUS = 0.1;
/** A meta-tool is routed, followed and booked; a provider's own tool has to fit the need so much better. */
const META_BONUS = 0.1;

export async function discover(
  platform: Platform, { projectId }: Principal, userId: string, { use_case, category, country, limit }: DiscoverRequest,
): Promise<DiscoverResult> {
  const connected = new Set((await listConnected(platform, projectId, userId)).map((connection) => connection.serverId));
  const matches = [...railed(platform), ...native(platform)]
    .map(({ words, ...found }): Match => ({
      ...found, trigram_similarity: similarity(use_case, words), connection_status: connected.has(found.server_id) ? "connected" : "disconnected",
    }))
    .filter(({ server_id, trigram_similarity }) => {
      const server = catalogEntry(platform, server_id);
      return trigram_similarity >= SIMILARITY_MIN && (!category || server?.category === category) && (!country || server?.country === country);
    })
    .toSorted((a, b) => weight(b) - weight(a))
    .slice(0, limit)
    .map((match) => ({ ...match, http_method: "POST", endpoint_template: "/v1/sessions/{session_id}/execute", cosine_distance: null, known_pitfalls: [], recommended_plan: [] }));
  const [recommended = null, ...related] = matches;
  return {
    use_case, search_strategy: recommended ? "trigram" : "empty", recommended, related, matches,
    next_steps: recommended ? [nextStep(recommended)] : ["Nothing here does that. Say it in other words, or name a category or country."],
  };
}

function nextStep({ server_id, tool_name, connection_status }: Match): string {
  const tool = isMeta(tool_name) ? tool_name : `${server_id}/${tool_name}`;
  return connection_status === "connected" ? `Call ${tool}.` : `Connect ${server_id}, then call ${tool}.`;
}

type Found = Pick<Match, "server_id" | "tool_name" | "description"> & { words: string };

const railed = (platform: Platform): Found[] => rails.map((rail) => {
  const tool = metaToolList.find((each) => each.name === rail.tool)!;
  const through = catalogEntry(platform, rail.provider)?.name ?? rail.provider;
  const description = `${tool.description} ${rail.method}${rail.currencies ? ` in ${rail.currencies.join(", ")}` : ""} through ${through} (${rail.country}).`;
  return { server_id: rail.provider, tool_name: rail.tool, description, words: `${rail.tool.replace("codespar_", "")} ${description}` };
});

const native = ({ providers }: Platform): Found[] => providers.flatMap(({ id, title, native: own }) =>
  (own?.tools ?? []).map(({ name, description }) => ({ server_id: id, tool_name: name, description, words: `${name.replaceAll("_", " ")} ${description} ${title}` })));

const isMeta = (name: string): boolean => name.startsWith("codespar_");

const weight = ({ trigram_similarity, connection_status, tool_name }: Match): number =>
  trigram_similarity + (connection_status === "connected" ? CONNECTED_BONUS : 0) + (isMeta(tool_name) ? META_BONUS : 0);

/** The share of the shorter text's trigrams that the other has too, from 0 to 1 (overlap coefficient). */
function similarity(a: string, b: string): number {
  const [left, right] = [trigrams(a), trigrams(b)];
  const common = [...left].filter((gram) => right.has(gram)).length;
  return common === 0 ? 0 : common / Math.min(left.size, right.size);
}

function trigrams(text: string): Set<string> {
  const words = text.toLowerCase().normalize("NFD").replace(/[^a-z0-9 ]/g, "").split(/\s+/).filter(Boolean);
  return new Set(words.flatMap((word) => Array.from({ length: word.length }, (_, index) => ` ${word} `.slice(index, index + 3))));
}
