/** Reads an OpenAPI document the way the page tells it: subjects, their operations, and what each is made of. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema: Schema;
  example?: unknown;
}

interface Reference {
  $ref: string;
}

interface Media {
  schema: Schema;
  example?: unknown;
  examples?: Record<string, { summary?: string; value: unknown } | Reference>;
}

export type Content = Record<string, Media>;

interface Responses {
  [status: string]: { description: string; content?: Content };
}

interface PathOperation {
  operationId: string;
  summary: string;
  description?: string;
  tags: string[];
  security?: unknown[];
  parameters?: (Parameter | Reference)[];
  requestBody?: { content: Content };
  responses: Responses;
}

export interface Document {
  info: { title: string; version: string; description: string };
  tags: { name: string; description?: string }[];
  paths: Record<string, Record<string, PathOperation> & { parameters?: Parameter[] }>;
  components: { schemas: Record<string, Schema> };
  "x-failures": Record<string, FailureRow>;
}

export interface FailureRow {
  http: number;
  retry: string;
  message?: string;
  /** Any call may meet it. */
  anywhere?: boolean;
}

export interface Route {
  id: string;
  method: string;
  path: string;
}

export interface DescribedOperation extends Route, Omit<PathOperation, "parameters"> {
  parameters: Parameter[];
  /** Further routes that do the same. */
  aliases: Route[];
}

export interface Example {
  summary: string | undefined;
  value: unknown;
}

const ALIAS = ".alias";

/** Every operation in the document's order; aliases are told with what they are aliases of. */
export function operationsOf(document: Document): DescribedOperation[] {
  const all = Object.entries(document.paths).flatMap(([path, { parameters = [], ...methods }]) =>
    Object.entries(methods as Record<string, PathOperation>).map(([method, operation]) => ({
      ...operation, id: operation.operationId, method: method.toUpperCase(), path,
      parameters: [...parameters, ...(operation.parameters ?? [])].map((parameter) => resolve<Parameter>(document, parameter)),
    })));
  return all.filter(({ id }) => !id.endsWith(ALIAS)).map((operation) =>
    ({ ...operation, aliases: all.filter(({ id }) => id === operation.id + ALIAS) }));
}

/** What a body shows, first things first; failures, which are shown elsewhere, are references and left out. */
export function examplesOf({ example, examples = {} }: Media): Example[] {
  if (example !== undefined) return [{ summary: undefined, value: example }];
  return Object.values(examples).flatMap((each) => ("value" in each ? [{ summary: each.summary, value: each.value }] : []));
}

/** The codes that the responses name. */
export const codesOf = ({ responses }: { responses: Responses }): string[] =>
  Object.values(responses).flatMap(({ content = {} }) => Object.values(content).flatMap(({ examples = {} }) =>
    Object.values(examples).flatMap((each) => ("$ref" in each ? [nameOf(each.$ref)] : []))));

/** The last part of a reference: the name of what it refers to. */
export const nameOf = (reference: string): string => reference.slice(reference.lastIndexOf("/") + 1);

function resolve<Target>(document: Document, value: Target | Reference): Target {
  if (typeof value !== "object" || value === null || !("$ref" in value)) return value as Target;
  return value.$ref.slice(2).split("/").reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document) as Target;
}
