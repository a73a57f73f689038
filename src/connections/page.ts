/**
 * The page behind a connect link. The token in its address is all the authority there is: no cookie, no session, so nothing another
 * site can borrow; a form that was not sent from this page is refused all the same.
 */
import type { ProviderDefinition } from "../../providers/provider.ts";
import type { Platform } from "../platform.ts";
import { contentSecurityPolicy, formFields, formPage, messagePage, type FormField, type Typed } from "./form.ts";
import { findLink, useLink, type ConnectLink } from "./links.ts";
import { connect } from "./manage.ts";

/** Answers GET, HEAD and POST of a link's page. Never throws. */
export async function answerConnectPage(platform: Platform, request: Request, token: string): Promise<Response> {
  try {
    const link = await findLink(platform, token);
    const provider = link && platform.providers.find((each) => each.id === link.serverId);
    if (!link || !provider) return linkGone();
    if (request.method === "POST") return await submit(platform, request, { token, link, provider });
    const page = showForm(provider, link, { values: new Map(), problems: new Map() }, 200);
    return request.method === "HEAD" ? new Response(null, page) : page;
  } catch (error) {
    platform.log.error({ err: error }, "a connect page failed");
    return html(messagePage("Something went wrong", "Nothing was connected. Please try again in a moment."), 500);
  }
}

async function submit(
  platform: Platform,
  request: Request,
  { token, link, provider }: { token: string; link: ConnectLink; provider: ProviderDefinition },
): Promise<Response> {
  if (!isFromThisPage(platform, request) || !request.headers.get("content-type")?.startsWith(FORM))
    return html(messagePage("Not sent from this page", "Open the link again and fill in the form there."), 403);
  const typed = readForm(formFields(provider), new URLSearchParams(await request.text()));
  if (typed.problems.size > 0) return showForm(provider, link, typed, 422);
  const made = await useLink(platform, token, () =>
    connect(platform, {
      ...link, provider, credentials: valuesOf(typed, "secret."), settings: valuesOf(typed, "setting."), displayName: undefined,
    }));
  if (!made) return linkGone();
  return new Response(null, { status: 303, headers: { ...headers([]), location: onward(link.redirectUri, made.connection.id) } });
}

const FORM = "application/x-www-form-urlencoded";

/** Browsers say where a form comes from, in one header or the other; what says neither is no browser. */
function isFromThisPage({ publicUrl }: Platform, { headers, url }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  const origin = headers.get("origin");
  if (origin === null) return true;
  return URL.canParse(origin) && [new URL(url).host, new URL(publicUrl).host].includes(new URL(origin).host);
}

function readForm(fields: readonly FormField[], sent: URLSearchParams): Typed {
  const values = new Map(fields.map(({ input }) => [input, sent.get(input)?.trim() ?? ""]));
  const problems = new Map<string, string>();
  for (const { input, required, charsMax } of fields) {
    const { length } = values.get(input)!;
    if (required && length === 0) problems.set(input, "please fill this in");
    if (length > charsMax) problems.set(input, `at most ${charsMax} characters`);
  }
  return { values, problems };
}

/** What was typed into fields of this kind, by the names that the server gives them. */
const valuesOf = ({ values }: Typed, kind: string): Record<string, string> =>
  Object.fromEntries([...values].filter(([input, value]) => input.startsWith(kind) && value !== "").map(([input, value]) => [input.slice(kind.length), value]));

/** Written behind what the address has already, which stays as it is. */
function onward(redirectUri: string, connectionId: string): string {
  const url = new URL(redirectUri);
  url.search = [url.search.slice(1), `status=connected&connection_id=${connectionId}`].filter(Boolean).join("&");
  return url.href;
}

const linkGone = (): Response =>
  html(messagePage("This link cannot be used", "It was used already, or its time is over. Ask for a new one where you got it."), 410);

/** The form's answer leads on to another site, and from there perhaps further: browsers hold the form to that, too. */
const showForm = (provider: ProviderDefinition, link: ConnectLink, typed: Typed, status: number): Response =>
  html(formPage(provider, link, typed), status, ["https:", new URL(link.redirectUri).origin]);

const html = (body: string, status: number, then: readonly string[] = []): Response =>
  new Response(body, { status, headers: { ...headers(then), "content-type": "text/html; charset=utf-8" } });

const headers = (then: readonly string[]): Record<string, string> => ({
  "cache-control": "no-store",
  "content-security-policy": contentSecurityPolicy(then),
  // Its address is a secret: no other site is told where its visitor came from.
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
});
