/** How Stripe takes parameters: form fields whose names spell the nesting. Reference: docs.stripe.com/api, read 2026-11-20. */

export type FormValue =
  | string | number | bigint | boolean | undefined | readonly FormValue[] | { readonly [name: string]: FormValue };

/**
 * Nested parameters as form fields: `{ items: [{ price: "p" }] }` is `{ "items[0][price]": "p" }`.
 *
 * returns  fields in the order of the input; what is undefined is left out, as is a list or an object without a value
 */
export function formOf(parameters: { readonly [name: string]: FormValue }): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).flatMap(([name, value]) => fieldsOf(name, value)));
}

function fieldsOf(name: string, value: FormValue): [string, string][] {
  if (value === undefined) return [];
  if (typeof value !== "object") return [[name, String(value)]];
  return Object.entries(value).flatMap(([part, inner]) => fieldsOf(`${name}[${part}]`, inner));
}
