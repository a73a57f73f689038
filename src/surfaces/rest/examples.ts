/** The examples of the contract as REST spells them: which part is path, query or body, the shapes of shapes.ts, the frames of sse.ts. */
import { failureExamples as fillings, retryAfterSeconds } from "../../../schema/examples/failures.ts";
import { Failure, failureBody, type FailureBody, type FailureCode } from "../../../schema/failures.ts";
import type { SubscriptionName } from "../../../schema/index.ts";
import type { AnyOperation, Operation, Subscription } from "../../../schema/operation.ts";
import type { Shape } from "./shapes.ts";
import { scripts, type Script } from "./sse.ts";

const REQUEST_ID = "req_01m7wd848g4d02zq1rw9knd5xy";

/** What OpenAPI calls a map of examples; a member `examples` of it, or nothing where there are none. */
export type Examples = { examples?: Record<string, { summary?: string; value: unknown }> };

/** The argument in the first example that gives it. */
export function argumentExample({ examples = [] }: AnyOperation, name: string): { example?: unknown } {
  const inputs = examples.map(({ input }) => input as Record<string, unknown>);
  const given = inputs.find((input) => input[name] !== undefined);
  return given ? { example: given[name] } : {};
}

/** The bodies that hold these fields of the input. */
export function bodyExamples({ examples = [] }: AnyOperation, fields: readonly string[]): Examples {
  return named(examples.map(({ shows, input }) => {
    const given = Object.entries(input as object).filter(([name]) => fields.includes(name));
    return { shows, value: Object.fromEntries(given) };
  }));
}

/** The bodies that are answered with this status. */
export function answerExamples({ examples = [], successStatus }: Operation, shape: Shape, status: number): Examples {
  const answered = examples.filter(({ output }) => (shape.statusOf?.(output) ?? successStatus ?? 200) === status);
  return named(answered.map(({ shows, output }) => ({ shows, value: shape.output?.(output) ?? output })));
}

/** Whole streams, frame by frame; one that ends by itself ends as it would. */
export function frameExamples({ name, examples = [] }: Subscription): Examples {
  const script = scripts[name as SubscriptionName] as Script<unknown>;
  return named(examples.map(({ shows, items }) => {
    const frames = items.map((item, at) => script.frame(item, idOf(item, at), at === 0));
    const isOver = items.some((item) => script.after(item) === "linger");
    return { shows, value: [script.opening ?? "", ...frames, isOver ? script.farewell("terminal", REQUEST_ID) : ""].join("") };
  }));
}

/** The body of every failure that has an example, tools' own among them. */
export const failureExamples: Readonly<Record<string, FailureBody>> = Object.fromEntries(
  (Object.keys(fillings) as FailureCode[]).map((code) => {
    const seconds = retryAfterSeconds[code];
    const failure = new Failure(code, fillings[code] as never, seconds === undefined ? {} : { retryAfterSeconds: seconds });
    return [code, failureBody(failure, REQUEST_ID)];
  }),
);

/** Where items have a cursor it is the frame's id; elsewhere the id is nobody's business but the server's. */
const idOf = (item: unknown, at: number): string => (item as { cursor?: string }).cursor ?? String(at + 1);

function named(examples: readonly { shows: string | undefined; value: unknown }[]): Examples {
  if (examples.length === 0) return {};
  return {
    examples: Object.fromEntries(examples.map(({ shows, value }, at) => [
      shows === undefined ? `example${at + 1}` : slug(shows), { ...(shows !== undefined && { summary: shows }), value },
    ])),
  };
}

const slug = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
