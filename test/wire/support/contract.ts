/**
 * Our stand-in for a validating proxy: a fetch that holds every exchange against the published OpenAPI document, the request (path,
 * method, credential, query, body) as well as the answer (status, media type, body, each frame of a stream). What it finds is kept,
 * not thrown: some clients swallow errors, and a violation must fail the test all the same.
 */
import { readFileSync } from "node:fs";
import { Ajv2020, type AnySchema, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";

type Json = Record<string, unknown>;
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** What went over the wire once. */
export interface Exchange {
  method: string;
  /** Path and query as the client spelled them. */
  target: string;
  /** The path in the document, such as `/v1/sessions/{session_id}`. */
  template: string | undefined;
  headers: Headers;
  /** The bytes of the body; undefined where there was none. */
  body: string | undefined;
  status: number;
  /** The frames of a stream as they came, comments included. */
  frames: string[];
}

export interface ContractFetch {
  fetch: Fetch;
  /** Says that the next request is meant to break the contract: it has to, and its answer is held against the contract all the same. */
  misuseNext(): void;
  readonly exchanges: Exchange[];
  /** The violations since the last call, in words. */
  takeViolations(): string[];
}

interface Operation {
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Record<string, { schema: Json }> };
  responses: Record<string, { content?: Record<string, { schema: Json }> }>;
}

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required: boolean;
  schema: Json;
}

const COMPONENTS = "#/components/";

/** The document, its references made absolute so that any part of it can be compiled by itself. */
const published = readFileSync(new URL("../../../schema/published/openapi.json", import.meta.url), "utf8");
const contract = JSON.parse(published.replaceAll(`"${COMPONENTS}schemas/`, `"contract${COMPONENTS}schemas/`)) as {
  paths: Record<string, Record<string, Operation> & { parameters?: Parameter[] }>;
  components: Record<string, Record<string, unknown>>;
};

const ajvOptions = { strict: false, allErrors: true, validateSchema: false };
const exact = new Ajv2020(ajvOptions);
/** A query is text, so a number in it is read as one. */
const lenient = new Ajv2020({ ...ajvOptions, coerceTypes: true });
for (const ajv of [exact, lenient]) {
  formats.default(ajv);
  ajv.addSchema({ components: contract.components }, "contract");
}

const compiled = new Map<AnySchema, ValidateFunction>();

/** What is wrong with a value, in words; nothing where it fits. */
function problemsOf(schema: Json, value: unknown, ajv = exact): string[] {
  const validate = compiled.get(schema) ?? ajv.compile(schema);
  compiled.set(schema, validate);
  if (validate(value)) return [];
  return validate.errors!.map(({ instancePath, message }) => `${instancePath || "it"} ${message}: ${JSON.stringify(value).slice(0, 300)}`);
}

/** A parameter is spelled out, or a reference to a shared one. */
function parameterAt(written: Parameter | { $ref: string }): Parameter {
  if (!("$ref" in written)) return written;
  const [kind, name] = written.$ref.slice(COMPONENTS.length).split("/") as [string, string];
  return contract.components[kind]![name] as Parameter;
}

interface Place {
  template: string;
  operation: Operation;
  parameters: Parameter[];
  /** The values of the path's parameters. */
  inPath: Json;
}

const segmentsOf = (path: string): string[] => path.split("/").filter(Boolean);
const isParameter = (segment: string): boolean => segment.startsWith("{");

/** Where a request belongs. Duplicate slashes count once, as we promise; a literal segment wins over a parameter. */
function placeOf(method: string, path: string): Place | undefined {
  const segments = segmentsOf(path);
  const fits = (template: string): boolean => {
    const wanted = segmentsOf(template);
    return wanted.length === segments.length && wanted.every((segment, at) => isParameter(segment) || segment === segments[at]);
  };
  const [template] = Object.keys(contract.paths).filter((each) => contract.paths[each]![method.toLowerCase()] && fits(each))
    .sort((a, b) => segmentsOf(a).filter(isParameter).length - segmentsOf(b).filter(isParameter).length);
  if (template === undefined) return undefined;
  const operation = contract.paths[template]![method.toLowerCase()]!;
  const values = segmentsOf(template).map((segment, at) => [segment, decodeURIComponent(segments[at]!)] as const);
  const named = values.filter(([segment]) => isParameter(segment));
  return {
    template, operation, inPath: Object.fromEntries(named.map(([segment, value]) => [segment.slice(1, -1), value])),
    parameters: [...(contract.paths[template]!.parameters ?? []), ...(operation.parameters ?? [])].map(parameterAt),
  };
}

function requestProblems({ operation, parameters, inPath }: Place, url: URL, headers: Headers, body: string | undefined): string[] {
  const query = Object.fromEntries(url.searchParams);
  const given = { path: inPath, query, header: Object.fromEntries(headers) };
  const unknown = Object.keys(query).filter((name) => !parameters.some((parameter) => parameter.in === "query" && parameter.name === name));
  return [
    ...unknown.map((name) => `the query parameter ${name} is not described`),
    ...parameters.flatMap(({ name, in: place, required, schema }) => {
      const value = given[place][place === "header" ? name.toLowerCase() : name];
      if (value === undefined) return required ? [`${name} is missing in the ${place}`] : [];
      return problemsOf(schema, value, lenient).map((problem) => `${name} in the ${place}: ${problem}`);
    }),
    ...(operation.security?.length === 0 || headers.get("authorization")?.startsWith("Bearer ") ? [] : ["there is no bearer credential"]),
    ...bodyProblems(operation, body),
  ];
}

function bodyProblems({ requestBody }: Operation, body: string | undefined): string[] {
  if (!body) return requestBody?.required ? ["the body is missing"] : [];
  const members = JSON.parse(body) as Json;
  const schema = requestBody?.content["application/json"]?.schema ?? { type: "object", properties: {} };
  const described = schema["properties"] as Json | undefined;
  const unknown = described ? Object.keys(members).filter((name) => !Object.hasOwn(described, name)) : [];
  return [...unknown.map((name) => `the member ${name} of the body is not described`), ...problemsOf(schema, members)];
}

function answerProblems({ operation: { responses } }: Place, status: number, mediaType: string, text: string): string[] {
  const described = responses[status];
  if (!described) return [`the status ${status} is not described: ${text.slice(0, 300)}`];
  if (!described.content) return text === "" ? [] : [`a body is not described: ${text.slice(0, 300)}`];
  const schema = described.content[mediaType]?.schema;
  if (!schema) return [`the media type ${mediaType || "none"} is not described`];
  return problemsOf(schema, mediaType?.endsWith("json") ? JSON.parse(text) : text);
}

export function contractFetch(): ContractFetch {
  const exchanges: Exchange[] = [];
  let violations: string[] = [];
  let nextIsMisuse = false;

  const exchange: Fetch = async (given, init = {}) => {
    const isMisuse = nextIsMisuse;
    nextIsMisuse = false;
    const url = new URL(given);
    const { method = "GET" } = init;
    const request = `${method} ${url.pathname}${url.search}`;
    const complain = (problem: string) => violations.push(`${request}: ${problem}`);
    const place = placeOf(method, url.pathname);
    const headers = new Headers(init.headers);
    const body = init.body as string | undefined;
    const wrong = place ? requestProblems(place, url, headers, body) : ["the route is not described"];
    if (isMisuse && wrong.length === 0) complain("it is said to break the contract, and does not");
    if (!isMisuse) wrong.forEach(complain);

    const response = await fetch(url, init);
    const { status } = response;
    const seen: Exchange = { method, target: url.pathname + url.search, template: place?.template, headers, body, status, frames: [] };
    exchanges.push(seen);
    if (!place) return response;
    const mediaType = (response.headers.get("content-type") ?? "").split(";")[0]!;
    if (mediaType === "text/event-stream" && response.body) {
      const described = place.operation.responses[status]?.content?.[mediaType]?.schema;
      if (!described) complain("a stream is not described");
      const watched = response.body.pipeThrough(framesTo((frame) => {
        seen.frames.push(frame);
        frameProblems((described?.["contentSchema"] ?? {}) as Json, frame).forEach(complain);
      }, (rest) => complain(`the last frame has no blank line behind it: ${JSON.stringify(rest)}`)));
      return new Response(watched, { status, headers: response.headers });
    }
    const text = await response.text();
    answerProblems(place, status, mediaType, text).forEach((problem) => complain(`${status}, ${problem}`));
    return new Response(text === "" ? null : text, { status, headers: response.headers });
  };

  return {
    fetch: exchange,
    misuseNext: () => void (nextIsMisuse = true),
    exchanges,
    takeViolations: () => {
      const taken = violations;
      violations = [];
      return taken;
    },
  };
}

/** Lets bytes pass as they come, and tells every whole frame, and what is left behind the last one. */
function framesTo(told: (frame: string) => void, unfinished: (rest: string) => void): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  let rest = "";
  return new TransformStream({
    transform: (chunk, controller) => {
      const frames = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = frames.pop()!;
      frames.forEach(told);
      controller.enqueue(chunk);
    },
    flush: () => {
      if (rest !== "") unfinished(rest);
    },
  });
}

/** What every reader needs of a frame (LF, one line of data, `data: ` with its space), and what the contract says of the data. */
function frameProblems(schema: Json, frame: string): string[] {
  if (frame.includes("\r")) return [`a frame has a carriage return: ${JSON.stringify(frame)}`];
  if (frame.startsWith(":")) return frame.includes("\n") ? [`a comment shares its frame: ${JSON.stringify(frame)}`] : [];
  const data = frame.split("\n").filter((line) => line.startsWith("data:"));
  if (data.length !== 1 || !data[0]!.startsWith("data: ")) return [`a frame has not one line of data: ${JSON.stringify(frame)}`];
  return problemsOf(schema, JSON.parse(data[0]!.slice("data: ".length))).map((problem) => `a frame of the stream: ${problem}`);
}
