/** Focus NFe's "gatilhos": the document as a read would answer it, with the value that was chosen for `Authorization`. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";
import { FiscalDocument, toObservation } from "./answers.ts";

/** A shared secret, sent as it is with every message: no signature, no time. */
export function verify(message: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = message.headers.get("authorization");
  if (!given) return { ok: false, reason: "the header authorization is missing" };
  const isOurs = secrets.some((secret) => secret !== "" && timingSafeEqual(digest(secret), digest(given)));
  return isOurs ? { ok: true } : { ok: false, reason: "the header authorization is not the one of this hook" };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** The addresses of the files begin with the connection's, so the lookup that follows tells them. */
export function read(message: InboundMessage): ProviderEvent[] {
  const { data: told } = FiscalDocument.safeParse(jsonOf(message));
  if (!told) return [];
  const { result, ...claim } = toObservation(told, { kind: told.cnpj_prestador ? "nfse" : "nfe", baseUrl: "" });
  const { pdf_url: _pdf, xml_url: _xml, ...known } = result ?? {};
  return [{ eventId: `${told.ref}:${told.status}`, ref: told.ref, reference: told.ref, observation: { ...claim, result: known } }];
}

function jsonOf({ body }: InboundMessage): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
