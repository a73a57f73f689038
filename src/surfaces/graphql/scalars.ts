/**
 * Scalars of the contract, made from the wire side of their schemas. They check only what the type says; whether a
 * timestamp is one is decided once, behind the door.
 */
import type { WireShape } from "../../../schema/wire-schema.ts";
import { GraphQLError, Kind, print, valueFromASTUntyped, type ValueNode } from "./graphql-js.ts";

interface ScalarCoercion {
  serialize(value: unknown): unknown;
  parseValue(value: unknown): unknown;
  parseLiteral(node: ValueNode, variables?: Record<string, unknown> | null): unknown;
}

export function scalarCoercion(name: string, shape: WireShape): ScalarCoercion {
  const leaf = leaves[shape.kind as keyof typeof leaves] as Leaf | undefined;
  return leaf === undefined ? anyJson : strict(name, leaf);
}

/** What a wire type takes, as a value or as a literal of the query; undefined for anything else. */
interface Leaf {
  expected: string;
  read(value: unknown): unknown;
  literal(node: ValueNode): unknown;
}

const leaves = {
  integer: {
    expected: "an integer from -(2^53-1) to 2^53-1",
    read: exactInteger,
    // As text: a number might already be rounded.
    literal: (node) => (node.kind === Kind.INT || node.kind === Kind.STRING ? node.value : undefined),
  },
  number: {
    expected: "a number",
    read: (value) => (typeof value === "number" ? value : undefined),
    literal: (node) => (node.kind === Kind.INT || node.kind === Kind.FLOAT ? Number(node.value) : undefined),
  },
  string: {
    expected: "a string",
    read: (value) => (typeof value === "string" ? value : undefined),
    literal: (node) => (node.kind === Kind.STRING ? node.value : undefined),
  },
  boolean: {
    expected: "true or false",
    read: (value) => (typeof value === "boolean" ? value : undefined),
    literal: (node) => (node.kind === Kind.BOOLEAN ? node.value : undefined),
  },
} as const satisfies Record<string, Leaf>;

/** Objects and lists inside keep the spelling of their keys. */
const anyJson: ScalarCoercion = {
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
};

function strict(name: string, { expected, read, literal }: Leaf): ScalarCoercion {
  const parse = (value: unknown, written: () => string) => {
    const known = read(value);
    if (known === undefined) throw new GraphQLError(`${name}: expected ${expected}, not ${written()}.`);
    return known;
  };
  return {
    parseValue: (value) => parse(value, () => JSON.stringify(value)),
    parseLiteral: (node) => parse(literal(node), () => print(node)),
    serialize(value) {
      const known = read(value);
      // Not a GraphQLError: what the door answered is not the caller's mistake.
      if (known === undefined) throw new TypeError(`${name} cannot carry ${String(value)}`);
      return known;
    },
  };
}

/** Text is as good as a number, because not every client can write an integer beyond 2^31. */
function exactInteger(value: unknown): number | undefined {
  const integer = typeof value === "string" && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(integer) ? (integer as number) : undefined;
}
