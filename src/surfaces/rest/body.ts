/** Bodies: read once and within a limit, and their JSON. */
import type { IncomingMessage } from "node:http";
import { Failure } from "../../../schema/failures.ts";

/** Largest body of any request. */
export const BODY_BYTES_MAX = 1024 * 1024;
/** How much of a refused body is read and thrown away, so that its sender gets to read the refusal. */
const REFUSED_BYTES_MAX = 8 * BODY_BYTES_MAX;
/** Deepest nesting of a JSON body: what works on it recurses. */
export const JSON_DEPTH_MAX = 64;

/**
 * The body of a request from a socket, counted while it arrives.
 *
 * returns  undefined where there is none; `gone` when its sender left halfway
 * throws   body_too_large
 */
export function readNode(request: IncomingMessage): Promise<Buffer | undefined | "gone"> {
  const { "content-length": announced, "transfer-encoding": encoding } = request.headers;
  if (encoding === undefined && (announced === undefined || announced === "0")) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let isRefused = Number(announced) > BODY_BYTES_MAX;
    if (isRefused) reject(tooLarge());
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > REFUSED_BYTES_MAX) request.destroy();
      else if (!isRefused && bytes > BODY_BYTES_MAX) {
        isRefused = true;
        chunks.length = 0;
        reject(tooLarge());
      } else if (!isRefused) chunks.push(chunk);
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", () => resolve("gone"));
    request.once("close", () => resolve("gone"));
  });
}

/** The same for a request without a socket. */
export async function readWeb(request: Request): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (!request.body) return undefined;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

const tooLarge = (): Failure => new Failure("body_too_large", { limitBytes: BODY_BYTES_MAX });

/** The fields of a JSON body, `null` left out. Released clients announce JSON and send nothing: that is no fields. */
export function fieldsOf(body: Uint8Array | undefined): Record<string, unknown> {
  const json = parseJson(body) ?? {};
  if (typeof json !== "object" || Array.isArray(json)) throw malformed("it is not an object");
  return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null));
}

/** The JSON of a body, undefined when there is none; throws body_malformed. */
export function parseJson(body: Uint8Array | undefined): unknown {
  const text = decode(body);
  if (text === "") return undefined;
  const json = parse(text);
  if (isDeeper(json, JSON_DEPTH_MAX)) throw malformed(`it is nested deeper than ${JSON_DEPTH_MAX}`);
  return json;
}

function decode(body: Uint8Array | undefined): string {
  try {
    return UTF8.decode(body).trim();
  } catch (error) {
    throw malformed("it is not UTF-8", error);
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

// The parser's own message repeats the text, which may hold personal data; only the place is ours to tell.
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [, position] = /at position (\d+)/.exec(String(error)) ?? [];
    throw malformed(position ? `it stops being JSON at character ${position}` : "it is not JSON");
  }
}

const malformed = (problem: string, cause?: unknown): Failure =>
  new Failure("body_malformed", { problem, expected: "one JSON object" }, { cause });

function isDeeper(json: unknown, depth: number): boolean {
  if (typeof json !== "object" || json === null) return false;
  return depth === 0 || Object.values(json).some((value) => isDeeper(value, depth - 1));
}
