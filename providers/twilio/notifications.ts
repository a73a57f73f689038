/**
 * Status callbacks: forms, signed with the account's auth token over the address that Twilio was given and the sorted
 * parameters (HMAC-SHA1, base64). Reference: "Webhooks security", read 2026-11-20. The signature covers the query, and with it our
 * reference; it has no time.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";
import { failureOf, messageStates } from "./answers.ts";

/** The parameter of the callback's address that carries our reference. */
export const REFERENCE = "reference";

export function verify(
  message: InboundMessage, { secrets, settings }: { secrets: readonly string[]; settings: Readonly<Record<string, string>> },
): ReturnType<NotificationScheme["verify"]> {
  const given = message.headers.get("x-twilio-signature");
  if (!given) return { ok: false, reason: "the signature is missing" };
  const signed = addressOf(message.url, settings["notification_url"]) + sortedParameters(message.body);
  const isOurs = secrets.some((secret) => secret !== "" && isSame(signatureOf(signed, secret), given));
  return isOurs ? { ok: true } : { ok: false, reason: "the signature is not the account's" };
}

/** Behind a proxy a request shows another host than Twilio called, so the address we gave counts, with the query that came. */
function addressOf(url: URL, registered: string | undefined): string {
  if (!registered) return url.href;
  const address = new URL(registered);
  address.search = url.search;
  return address.href;
}

const sortedParameters = (body: Uint8Array): string =>
  [...parametersOf(body)].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([name, value]) => name + value).join("");

const parametersOf = (body: Uint8Array): URLSearchParams => new URLSearchParams(new TextDecoder().decode(body));

const signatureOf = (text: string, secret: string): string => createHmac("sha1", secret).update(text).digest("base64");

function isSame(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function read({ url, body }: InboundMessage): ProviderEvent[] {
  const parameters = parametersOf(body);
  const [ref, action] = [parameters.get("MessageSid"), parameters.get("MessageStatus")];
  const state = messageStates.get(action ?? "");
  if (!ref || !action || !state) return [];
  const reference = url.searchParams.get(REFERENCE);
  const code = Number(parameters.get("ErrorCode")) || null;
  const failure = state === "failed" ? { failure: failureOf(action, code, parameters.get("ErrorMessage")) } : {};
  return [{ eventId: `${ref}:${action}`, ref, ...(reference && { reference }), observation: { ref, state, action, ...failure } }];
}
