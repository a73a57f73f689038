/**
 * What a meta-tool is: one definition gives the arguments that callers may write, the smaller set that models are shown,
 * the published spellings that mean the same, and the shape of the result.
 */
import { z } from "zod";
import { AMOUNT_MINOR_MAX } from "../money.ts";
import type { Effect } from "../operation.ts";
import type { SettlementKind } from "../settlement.ts";

export interface MetaTool<
  Name extends string = string,
  Input extends z.ZodType = z.ZodType,
  Output extends z.ZodType = z.ZodType,
> {
  readonly name: Name;
  /** Written for a model: when to use it, and what comes back. */
  readonly description: string;
  readonly effect: Effect;
  /** Which kind of settlement follows the answer; absent when the answer is final. */
  readonly settles?: SettlementKind;
  /** Everything a caller may write. */
  readonly input: Input;
  /** What a model is shown: a subset of `input`. */
  readonly shown: z.ZodObject;
  /** Advertised as required although a default stands behind it, where a published definition says so. */
  readonly advertisedRequired: readonly string[];
  /** Other published spellings: `[theirs, ours]`, dotted paths, `[]` for every element of a list. */
  readonly aliases: readonly (readonly [from: string, to: string])[];
  /** Reshapes what a rename cannot express; runs after the aliases, on plain JSON. */
  readonly reshape: (args: JsonObject) => JsonObject;
  /** What a provider is asked, where that is not the arguments themselves. */
  readonly asked?: (parsed: never) => object;
  /** What is answered of a provider's result, where that is not the result itself. */
  readonly told?: (result: never) => object;
  /** Arguments and fields of the result that no tool call's row keeps: who a shopper is, and what only the shopper may pay. */
  readonly unkept?: readonly string[];
  readonly output: Output;
}

export type JsonObject = Record<string, unknown>;

/** Arguments every acting tool takes from callers. Models never see them: a key made up by a model protects nothing. */
export const callerArguments = {
  provider: z.string().optional().describe("Forces one provider; the router chooses when absent."),
  idempotency_key: z.string().optional().describe("Your name for this one effect; a repeat returns the first answer."),
  metadata: z.record(z.string(), z.unknown()).optional().describe("Kept on the tool call."),
};

/** Arguments of a payment made for a consumer, as released definitions spell them. */
export const mandateArguments = {
  mandateId: z.string().max(64).optional().describe("The mandate this payment is made under; it is counted against its caps."),
  agent_id: z.string().max(128).optional().describe("Who spends; the mandate must be for this agent."),
};

export function metaTool<
  const Name extends string,
  Shown extends z.ZodRawShape,
  Output extends z.ZodType,
  Caller extends z.ZodRawShape = Record<never, never>,
>(definition: {
  name: Name;
  description: string;
  effect: Effect;
  settles?: SettlementKind;
  shown: Shown;
  caller?: Caller;
  advertisedRequired?: readonly string[];
  aliases?: readonly (readonly [string, string])[];
  reshape?: (args: JsonObject) => JsonObject;
  asked?: (parsed: never) => object;
  told?: (result: never) => object;
  unkept?: readonly string[];
  output: Output;
}): MetaTool<Name, z.ZodObject<Shown & Caller>, Output> {
  const { shown, caller, aliases = [], reshape = (args) => args, advertisedRequired = [], ...rest } = definition;
  return {
    ...rest,
    aliases,
    reshape,
    advertisedRequired,
    shown: z.object(shown),
    input: z.object({ ...shown, ...caller }) as unknown as z.ZodObject<Shown & Caller>,
  };
}

/** An amount in an argument: a JSON integer of minor units, above zero. Decodes to `bigint`. */
export const AmountArgument = z
  .number()
  .superRefine((amount, context) => {
    if (!Number.isInteger(amount))
      context.addIssue({ code: "custom", message: "expected an integer in minor units", params: { failure: "amount_fraction" } });
    else if (amount <= 0 || BigInt(amount) > AMOUNT_MINOR_MAX)
      context.addIssue({ code: "custom", message: `expected 1 to ${AMOUNT_MINOR_MAX} minor units, not ${amount}` });
  })
  .transform((amount) => BigInt(amount))
  .meta({ type: "integer" });

/** A person or company on either side of a movement. */
export const party = {
  name: z.string().min(1).max(200).optional(),
  document: z.string().max(32).optional().describe("CPF or CNPJ"),
  email: z.string().max(254).optional(),
  phone: z.string().max(32).optional(),
};

/**
 * Renames published spellings to ours. A canonical spelling that is present wins; `null` counts as absent.
 *
 * args     plain JSON; not changed
 * returns  a deep copy without nulls, aliases moved to their canonical places
 */
export function respell(tool: Pick<MetaTool, "aliases" | "reshape">, args: JsonObject): JsonObject {
  const copy = withoutNulls(args) as JsonObject;
  for (const [from, to] of tool.aliases) move(copy, from, to);
  return tool.reshape(copy);
}

function move(root: JsonObject, from: string, to: string): void {
  const [list, rest] = from.split("[].");
  if (list !== undefined && rest !== undefined) {
    const rows = root[list];
    const target = to.split("[].")[1]!;
    if (Array.isArray(rows)) for (const row of rows) if (isObject(row)) move(row, rest, target);
    return;
  }
  const value = take(root, from.split("."));
  if (value !== undefined) place(root, to.split("."), value);
}

function take(root: JsonObject, path: string[]): unknown {
  const holder = path.slice(0, -1).reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), root);
  const last = path[path.length - 1]!;
  if (!isObject(holder) || !Object.hasOwn(holder, last)) return undefined;
  const value = holder[last];
  delete holder[last];
  return value;
}

function place(root: JsonObject, path: string[], value: unknown): void {
  let at = root;
  for (const key of path.slice(0, -1)) {
    if (!isObject(at[key])) at[key] = {};
    at = at[key] as JsonObject;
  }
  at[path[path.length - 1]!] ??= value;
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNulls);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null).map(([key, item]) => [key, withoutNulls(item)]));
}
