/**
 * The page at /docs: the OpenAPI document for people. Plain HTML that needs no script and asks nobody for anything; what a browser may do
 * with it is said in its headers.
 */
import { createHash } from "node:crypto";
import { operationsOf, type DescribedOperation, type Document } from "./document.ts";
import { Html, html, prose } from "./html.ts";
import { failureId, operationArticle } from "./operation.ts";
import { shapeSection } from "./schemas.ts";
import { STYLE } from "./style.ts";

/** Answers GET and HEAD of the page. The document is read once. */
export function docsPage(document: object): (request: Request) => Response {
  const body = renderDocs(document);
  return (request) => new Response(request.method === "HEAD" ? null : body, { headers });
}

const headers = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "public, max-age=300",
  "content-security-policy": [
    "default-src 'none'", `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`, "base-uri 'none'", "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** The page of a document, whatever is in it. */
export function renderDocs(openApi: object): string {
  const document = openApi as Document;
  const operations = operationsOf(document);
  const subjects = document.tags.map((tag) => ({ ...tag, operations: operations.filter(({ tags }) => tags.includes(tag.name)) }));
  const main = html`<main id="main">
${introduction(document)}
${subjects.map(({ name, description, operations: own }) => html`<section id="${subjectId(name)}" aria-labelledby="${subjectId(name)}-title">
<h2 id="${subjectId(name)}-title">${titleOf(name)}</h2>
${description === undefined ? "" : html`<p>${prose(description)}</p>`}
${own.map((operation) => operationArticle(document, operation))}</section>
`)}
${failureSection(document)}
${shapeSection(document)}
</main>`;
  return frame(document, html`${sideList(subjects)}\n${main}`).text;
}

interface Subject {
  name: string;
  operations: readonly DescribedOperation[];
}

const subjectId = (name: string): string => `subject-${name}`;

/** `toolCalls` is two words to a reader. */
const titleOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace(/^./, (letter) => letter.toUpperCase());

const sideList = (subjects: readonly Subject[]): Html => html`<nav aria-label="Subjects"><ul>
<li><a href="#start">Start here</a></li>
${subjects.map(({ name, operations }) => html`<li><a href="#${subjectId(name)}">${titleOf(name)}</a><ul>
${operations.map(({ id, summary }) => html`<li><a href="#${id}" title="${summary}">${id.startsWith(`${name}.`) ? id.slice(name.length + 1) : id}</a></li>\n`)}</ul></li>
`)}<li><a href="#failures">Failures</a></li>
<li><a href="#shapes">Shapes</a></li>
</ul></nav>`;

const introduction = ({ info: { title, version, description } }: Document): Html => html`<header id="start">
<h1>${title} <small>${version}</small></h1>
<p class="lead">${prose(description)}</p>
<p>Every call is JSON over HTTP with a key in its <code>Authorization</code> header: <code>csk_test_…</code> reaches sandbox providers,
<code>csk_live_…</code> moves money. The commands below read two variables of your shell; one click selects
a whole command:</p>
<pre class="copy">export CODESPAR_BASE_URL=http://localhost:4000
export CODESPAR_API_KEY=csk_test_…</pre>
<p>A call with an <code>Idempotency-Key</code> can be repeated: its effect happens once, and the repeat reads the first answer.
A stream is made of server-sent events and resumes behind <code>Last-Event-ID</code>.</p>
<p>This page is made from <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1). The same operations are fields at <code>/graphql</code> and
procedures at <code>/trpc</code>; the tools are served over MCP at <code>/mcp</code> and listed in <a href="/meta-tools.json">/meta-tools.json</a>.</p>
</header>`;

const failureSection = ({ "x-failures": failures }: Document): Html => html`<section id="failures" aria-labelledby="failures-title">
<h2 id="failures-title">Failures</h2>
<p>A failure is one flat object: <code>code</code> for machines, <code>message</code> for people, and <code>retry</code>, which says whether a repeat
helps: <code>never</code>; with the <code>same_key</code>, which cannot move money twice; <code>after</code> a while; or <code>ask_human</code>, when a person must act
first. What fails in a tool is answered with HTTP 200, <code>success: false</code> and one of the same codes.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Failure</th><th scope="col">HTTP</th><th scope="col">Retry</th><th scope="col">For example</th></tr></thead>
<tbody>${Object.entries(failures).map(([code, { http, retry, message = "" }]) => html`<tr id="${failureId(code)}"><th scope="row"><code>${code}</code></th>
<td>${http}</td><td><code>${retry}</code></td><td>${prose(message)}</td></tr>
`)}</tbody></table></div>
</section>`;

const frame = ({ info: { title } }: Document, body: Html): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: reference</title>
${new Html(`<style>${STYLE}</style>`)}
</head>
<body>
<a class="skip" href="#main">Skip to the reference</a>
${body}
</body>
</html>
`;
