/** One operation of the page: how it is called, what it answers, and how it may fail. */
import { curl, prettyJson } from "./curl.ts";
import { codesOf, examplesOf, type Content, type DescribedOperation, type Document, type Example, type Parameter } from "./document.ts";
import { html, prose, type Html } from "./html.ts";
import { fieldsOf, fieldTable, typeOf, type Field } from "./schemas.ts";

export const failureId = (code: string): string => `failure-${code}`;

export function operationArticle(document: Document, operation: DescribedOperation): Html {
  const { id, method, path, summary, description, aliases } = operation;
  return html`<article id="${id}" class="operation" aria-labelledby="${id}-title">
<div class="told">
<h3 id="${id}-title"><a href="#${id}">${summary}</a></h3>
<p class="route">${routeOf(method, path)} <small>${id}</small></p>
${aliases.map((alias) => html`<p class="route also" id="${alias.id}">also ${routeOf(alias.method, alias.path)}</p>\n`)}
${description === undefined ? "" : html`<p>${prose(description)}</p>`}
${argumentTables(operation)}
${failureTable(document, operation)}
</div>
<div class="shown">
${requests(operation)}
${Object.entries(operation.responses).flatMap(([status, { content }]) => answers(status, content))}
</div>
</article>
`;
}

const routeOf = (method: string, path: string): Html => html`<code class="method ${method.toLowerCase()}">${method}</code> <code class="path">${path}</code>`;

function argumentTables({ parameters, requestBody }: DescribedOperation): Html {
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  const fields = body ? fieldsOf(body) : [];
  return html`${parameters.length === 0 ? "" : fieldTable("Parameter", parameters.map(asField))}
${fields.length === 0 ? "" : fieldTable("Body", fields)}`;
}

const asField = ({ name, in: place, required = false, description, schema, example }: Parameter): Field => ({
  name, schema, required, note: place,
  description: [description, example === undefined ? undefined : `Such as \`${String(example)}\`.`].filter(Boolean).join(" "),
});

/** Its own failures; those that any call may meet stand folded. */
function failureTable(document: Document, operation: DescribedOperation): Html {
  const isCommon = (code: string) => document["x-failures"][code]?.anywhere === true;
  const codes = [...new Set(codesOf(operation))];
  const [own, common] = [codes.filter((code) => !isCommon(code)), codes.filter(isCommon)];
  return html`${own.length === 0 ? "" : failureRows(document, own)}
${common.length === 0 ? "" : html`<details><summary>Failures that any call may meet</summary>${failureRows(document, common)}</details>`}`;
}

function failureRows({ "x-failures": failures }: Document, codes: readonly string[]): Html {
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">Failure</th><th scope="col">HTTP</th><th scope="col">Retry</th></tr></thead>
<tbody>${codes.map((code) => html`<tr><th scope="row"><a href="#${failureId(code)}"><code>${code}</code></a></th>
<td>${failures[code]?.http}</td><td><code>${failures[code]?.retry}</code></td></tr>\n`)}</tbody></table></div>`;
}

/** The first example as a command, the bodies of the others behind it. */
function requests(operation: DescribedOperation): Html {
  const [first, ...others] = Object.values(operation.requestBody?.content ?? {}).flatMap(examplesOf);
  return html`<section class="block"><h4>Request${first?.summary === undefined ? "" : `: ${first.summary}`}</h4>
<pre class="copy">${curl(operation)}</pre>${others.map(folded)}</section>
`;
}

/** What a status is answered with; failures are shown once for all, further below. */
function answers(status: string, content: Content | undefined): Html[] {
  if (!content) return [html`<section class="block"><h4>Answer ${status} <small>without a body</small></h4></section>\n`];
  return Object.entries(content).map(([type, media]) => {
    const [first, ...others] = examplesOf(media);
    if (!first) return html``;
    const kind = type === "application/json" ? typeOf(media.schema) : html`<small>${type}</small>`;
    return html`<section class="block"><h4>Answer ${status} ${kind}</h4>
${first.summary === undefined ? "" : html`<p>${first.summary}</p>`}<pre>${written(first.value)}</pre>${others.map(folded)}</section>
`;
  });
}

const folded = ({ summary, value }: Example): Html => html`<details><summary>${summary ?? "Another"}</summary><pre>${written(value)}</pre></details>`;

const written = (value: unknown): string => (typeof value === "string" ? value : prettyJson(value));
