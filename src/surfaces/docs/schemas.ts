/** Schemas as a reader needs them: a type in words, with links, and tables of fields. */
import { nameOf, type Document, type Schema } from "./document.ts";
import { html, prose, type Html } from "./html.ts";
import { prettyJson } from "./curl.ts";

export interface Field {
  name: string;
  schema: Schema;
  required: boolean;
  description: string | undefined;
  /** Beside the type: where an argument stands, what stands in for it. */
  note?: string;
}

export const shapeId = (name: string): string => `shape-${name}`;

export const fieldsOf = ({ properties = {}, required = [] }: Schema): Field[] =>
  Object.entries(properties).map(([name, schema]) => ({ name, schema, required: required.includes(name), description: schema.description }));

export function fieldTable(title: string, fields: readonly Field[]): Html {
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">${title}</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
<tbody>${fields.map(row)}</tbody></table></div>`;
}

function row({ name, schema, required, description, note }: Field): Html {
  const fallback = schema.default === undefined ? undefined : `${prettyJson(schema.default)} unless given`;
  const notes = [note, required ? "required" : undefined, fallback].filter((each) => each !== undefined);
  return html`<tr><th scope="row"><code>${name}</code>${notes.length === 0 ? "" : html` <small>${notes.join(", ")}</small>`}</th>
<td>${typeOf(schema)}</td><td>${prose(description ?? "")}</td></tr>\n`;
}

/** A schema in a few words. */
export function typeOf({ $ref, type, format, anyOf, oneOf, items, additionalProperties, properties, ...schema }: Schema): Html {
  const choices = anyOf ?? oneOf;
  if ($ref !== undefined) return html`<a href="#${shapeId(nameOf($ref))}">${nameOf($ref)}</a>`;
  if (choices) return joined(choices.map(typeOf), " or ");
  if (schema.enum) return joined(schema.enum.map((value) => html`<code>${String(value)}</code>`), ", ");
  if (schema.const !== undefined) return html`<code>${prettyJson(schema.const)}</code>`;
  if (items) return html`list of ${typeOf(items)}`;
  if (properties) return joined(fieldsOf({ properties }).map(({ name }) => html`<code>${name}</code>`), ", ");
  if (typeof additionalProperties === "object") return html`map of ${typeOf(additionalProperties)}`;
  return html`${[type ?? "any JSON"].flat().join(" or ")}${format === undefined ? "" : html` <small>${format}</small>`}`;
}

const joined = (parts: readonly Html[], by: string): Html => html`${parts.flatMap((part, at) => (at === 0 ? [part] : [html`${by}`, part]))}`;

/** Every schema that has a name, where links lead. */
export const shapeSection = ({ components: { schemas } }: Document): Html => html`<section id="shapes" aria-labelledby="shapes-title">
<h2 id="shapes-title">Shapes</h2>
${Object.entries(schemas).sort(([a], [b]) => a.localeCompare(b)).map(([name, schema]) => html`<article id="${shapeId(name)}" class="shape">
<h3>${name}</h3>
${schema.description === undefined ? "" : html`<p>${prose(schema.description)}</p>`}
${schema.properties ? fieldTable(name, fieldsOf(schema)) : html`<p>${typeOf(schema)}</p>`}
</article>
`)}</section>`;
