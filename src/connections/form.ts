/** The page on which a user connects a server, as HTML: plain, without scripts, and usable by keyboard and screen reader. */
import { createHash } from "node:crypto";
import type { ConnectionField, ProviderDefinition } from "../../providers/provider.ts";
import { CREDENTIAL_CHARS_MAX, SECRET_CHARS_MAX } from "../../schema/connections.ts";
import type { ConnectLink } from "./links.ts";

export interface FormField extends ConnectionField {
  /** Its name in the form: `secret.api_key`, `setting.instance_id`. */
  input: string;
  /** Of several lines: a certificate, a key. */
  isLong: boolean;
  charsMax: number;
}

export const formFields = ({ authType, credentials, settings }: ProviderDefinition): FormField[] => [
  ...credentials.map((field) => sized({ ...field, input: `secret.${field.name}`, isLong: authType === "cert" && field.secret })),
  ...settings.map((field) => sized({ ...field, input: `setting.${field.name}`, isLong: false })),
];

const sized = (field: Omit<FormField, "charsMax">): FormField => ({ ...field, charsMax: field.isLong ? CREDENTIAL_CHARS_MAX : SECRET_CHARS_MAX });

/** What was typed, and what is wrong with it, by the name of the input. Secrets are not shown again. */
export interface Typed {
  values: ReadonlyMap<string, string>;
  problems: ReadonlyMap<string, string>;
}

export function formPage(provider: ProviderDefinition, link: ConnectLink, { values, problems }: Typed): string {
  const { title } = provider;
  const heading = `Connect ${title}`;
  const fields = formFields(provider);
  return page(problems.size > 0 ? `Not connected yet: ${heading}` : heading, `
<h1>${text(heading)}</h1>
<p><strong>${text(link.orgName)}</strong> (${text(link.projectName)}) asks to use ${text(title)} for you.
Your keys are encrypted here and used for that alone. Afterwards you go on to <strong>${text(new URL(link.redirectUri).host)}</strong>.</p>
${link.environment === "test" ? SANDBOX_NOTE : ""}${summary(fields, problems)}
<form method="post" autocomplete="off">
${fields.map((field) => formField(field, { value: values.get(field.input), problem: problems.get(field.input) })).join("\n")}
<button type="submit">Connect</button>
</form>`);
}

const SANDBOX_NOTE = `<p class="note">This is a sandbox: a simulated account is connected, and what you type is not kept. Do not enter real keys.</p>\n`;

/** Reached by a user whose link leads nowhere, or who cannot be helped further. */
export const messagePage = (heading: string, message: string): string => page(heading, `\n<h1>${text(heading)}</h1>\n<p>${text(message)}</p>`);

function summary(fields: readonly FormField[], problems: ReadonlyMap<string, string>): string {
  const wrong = fields.filter(({ input }) => problems.has(input));
  if (wrong.length === 0) return "";
  const lines = wrong.map(({ input, label }) => `<li><a href="#${text(input)}">${text(label)}: ${text(problems.get(input)!)}</a></li>`);
  return `<div role="alert" class="problems"><h2>Please look at these again</h2><ul>${lines.join("")}</ul></div>`;
}

function formField(
  { input, label, hint, secret, required, isLong, charsMax }: FormField,
  { value = "", problem }: { value: string | undefined; problem: string | undefined },
): string {
  const id = text(input);
  const notes = [hint !== undefined && `${id}-hint`, problem !== undefined && `${id}-problem`].filter(Boolean).join(" ");
  const attributes = [
    `id="${id}" name="${id}" maxlength="${charsMax}" autocomplete="off" autocapitalize="none" spellcheck="false"`,
    required && "required",
    notes && `aria-describedby="${notes}"`,
    problem !== undefined && `aria-invalid="true"`,
  ].filter(Boolean).join(" ");
  const control = isLong
    ? `<textarea rows="6" ${attributes}></textarea>`
    : `<input type="${secret ? "password" : "text"}" ${attributes}${secret ? "" : ` value="${text(value)}"`}>`;
  return [
    `<div class="field"><label for="${id}">${text(label)}${required ? "" : " (optional)"}</label>`,
    hint === undefined ? "" : `<p class="hint" id="${id}-hint">${text(hint)}</p>`,
    problem === undefined ? "" : `<p class="problem" id="${id}-problem">${text(problem)}</p>`,
    `${control}</div>`,
  ].join("");
}

const STYLE = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:34rem;padding:2rem 1rem}
h1{font-size:1.5rem}h2{font-size:1rem;margin:0}.field{margin:1.25rem 0}label{display:block;font-weight:600}
input,textarea{box-sizing:border-box;font:inherit;margin-top:.25rem;padding:.5rem;width:100%}.hint{margin:0;opacity:.8}
.problem{font-weight:600;margin:0}.problems,.note{border:2px solid;padding:.75rem 1rem}button{font:inherit;font-weight:600;padding:.6rem 1.5rem}`;

/** Lets the one style in and nothing else; what is sent goes to us alone, and its answer leads to `then`. */
export const contentSecurityPolicy = (then: readonly string[]): string =>
  [
    "default-src 'none'", `style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`, ["form-action 'self'", ...then].join(" "),
    "base-uri 'none'", "frame-ancestors 'none'",
  ].join("; ");

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${text(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>${body}
</main>
</body>
</html>
`;

/** Text for an element or a quoted attribute. */
const text = (raw: string): string => raw.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
