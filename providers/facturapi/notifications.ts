/** Facturapi's webhooks: `{id, created_at, type, data: {type, object}}`, signed by HMAC-SHA256 over the bytes, in hex. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { InboundMessage, NotificationScheme, ProviderEvent } from "../provider.ts";
import { Invoice, momentOf, toObservation } from "./answers.ts";

const SIGNATURE_HEADER = "facturapi-signature";

/** There is no time in it: an old message cannot be told, and is the same event again. */
export function verify(message: InboundMessage, { secrets }: { secrets: readonly string[] }): ReturnType<NotificationScheme["verify"]> {
  const given = /^([0-9a-f]{64})$/i.exec(message.headers.get(SIGNATURE_HEADER) ?? "")?.[1];
  if (!given) return { ok: false, reason: `${SIGNATURE_HEADER} is missing or is not 64 hex digits` };
  const theirs = Buffer.from(given, "hex");
  const isOurs = (secret: string) => timingSafeEqual(createHmac("sha256", secret).update(message.body).digest(), theirs);
  return secrets.some((secret) => secret !== "" && isOurs(secret))
    ? { ok: true }
    : { ok: false, reason: `${SIGNATURE_HEADER} does not match the body` };
}

const Message = z.object({
  id: z.string().min(1),
  type: z.enum(["invoice.status_updated", "invoice.cancellation_status_updated"]),
  created_at: z.string().nullish(),
  data: z.object({ object: Invoice.extend({ status: z.string().nullish() }) }),
  related_resource_messages: z.array(z.object({ severity: z.string().nullish(), message: z.string().nullish() })).nullish(),
});

/** An object may be its id alone: then the message says only that something changed. */
export function read(message: InboundMessage): ProviderEvent[] {
  const { data: told } = Message.safeParse(jsonOf(message));
  if (!told) return [];
  const { status, ...invoice } = told.data.object;
  const occurredAt = momentOf(told.created_at);
  const observation = status ? claimOf({ ...invoice, status }, told.related_resource_messages ?? []) : { ref: invoice.id, action: told.type };
  return [{
    eventId: told.id,
    ref: invoice.id,
    ...(invoice.external_id && { reference: invoice.external_id }),
    observation: { ...observation, ...(occurredAt && { occurredAt }) },
  }];
}

/** Without the addresses of its files: they begin with the connection's, and the lookup that follows tells them. */
function claimOf(invoice: Invoice, messages: readonly { severity?: string | null | undefined; message?: string | null | undefined }[]) {
  const { result, ...claim } = toObservation(invoice, "", messages.find(({ severity }) => severity === "error")?.message ?? undefined);
  const { pdf_url: _pdf, xml_url: _xml, ...known } = result ?? {};
  return { ...claim, result: known };
}

function jsonOf({ body }: InboundMessage): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
