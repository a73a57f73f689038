/**
 * Canonical JSON (RFC 8785, June 2020): one spelling for each JSON value, so that equal values have equal hashes
 * whatever the order in which their keys were written.
 */
import { hash } from "node:crypto";

/** Deeper than any document of ours; keeps a hostile or cyclic value from exhausting the stack. */
export const DEPTH_MAX = 128;

/**
 * Writes a JSON value canonically: keys in the order of their UTF-16 code units, numbers and strings as ECMAScript
 * writes them, and no white space.
 *
 * value    null, booleans, finite numbers, strings, arrays and plain objects of these, nested up to `DEPTH_MAX`.
 *          Nothing is converted or dropped on the way, because what is not written is not signed: a Date, a Map and
 *          `toJSON` are refused, and so is a member that is undefined. `-0` is written `0`.
 * throws   TypeError naming the place (`$.items[2].price`): not a JSON value; a bigint (write it as a decimal string);
 *          NaN or an infinity; a string or key with a lone surrogate, which UTF-8 cannot carry; nesting beyond
 *          `DEPTH_MAX`
 */
export const canonical = (value: unknown): string => write(value, "$", 0);

/** The lower-case hexadecimal SHA-256 of `canonical(value)` in UTF-8: 64 characters. Throws as `canonical` does. */
export const fingerprint = (value: unknown): string => hash("sha256", canonical(value), "hex");

function write(value: unknown, place: string, depth: number): string {
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === "string") return quote(value, place);
  if (typeof value === "number") return writeNumber(value, place);
  if (typeof value === "bigint") throw new TypeError(`${place} is a bigint; write it as a decimal string`);
  if (typeof value !== "object") throw new TypeError(`${place} is ${typeof value}, which JSON does not have`);
  if (depth === DEPTH_MAX) throw new TypeError(`${place} is deeper than ${DEPTH_MAX} levels, or contains itself`);
  return Array.isArray(value) ? writeArray(value, place, depth + 1) : writeObject(value, place, depth + 1);
}

// RFC 8785, 3.2.2.3 asks for ECMAScript's Number::toString, which is String().
function writeNumber(value: number, place: string): string {
  if (!Number.isFinite(value)) throw new TypeError(`${place} is ${value}, which JSON does not have`);
  return String(value);
}

const LONE_SURROGATE = /\p{Surrogate}/u;

// RFC 8785, 3.2.2.2 asks for JSON.stringify's escapes, save that it would write a lone surrogate as \udXXX.
function quote(text: string, place: string): string {
  if (LONE_SURROGATE.test(text)) throw new TypeError(`${place} has a lone surrogate, which is not a character`);
  return JSON.stringify(text);
}

const writeArray = (items: readonly unknown[], place: string, depth: number): string =>
  // Array.from visits holes, which map would skip; a hole is undefined and is refused.
  `[${Array.from(items, (item, index) => write(item, `${place}[${index}]`, depth)).join(",")}]`;

function writeObject(object: object, place: string, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`${place} is not a plain object; turn dates, maps and class instances into JSON first`);
  }
  // A plain sort() orders by UTF-16 code units, which is RFC 8785, 3.2.3.
  const members = Object.keys(object).sort().map((key) => {
    const member = (object as Record<string, unknown>)[key];
    return `${quote(key, place)}:${write(member, `${place}.${key}`, depth)}`;
  });
  return `{${members.join(",")}}`;
}
