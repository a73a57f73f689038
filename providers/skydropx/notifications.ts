/**
 * What Skydropx posts when a parcel moves: `type: "packages"`, signed in `Authorization: HMAC <hex>` with HMAC-SHA512 of the
 * body. It names the shipment by Skydropx' id and carries no id of the event and no time.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { StateOf } from "../../schema/settlement.ts";
import type { InboundMessage, ProviderEvent } from "../provider.ts";

/** The twelve words that the API knows. A parcel that goes back keeps `in_return` to the end. */
const states: Partial<Record<string, StateOf<"shipment">>> = {
  created: "label_ready",
  picked_up: "posted", in_transit: "posted", last_mile: "posted", delivery_attempt: "posted", delivered_to_branch: "posted",
  exception: "posted", retained: "posted",
  delivered: "delivered",
  in_return: "returned",
  canceled: "cancelled", destroyed: "cancelled",
};

export const stateOfStatus = (status: string | undefined): StateOf<"shipment"> | undefined => states[status ?? ""];

export function verify(
  { headers, body }: InboundMessage, { secrets }: { secrets: readonly string[] },
): { ok: true } | { ok: false; reason: string } {
  const [, hex] = /^HMAC\s+([0-9a-f]{128})$/i.exec(headers.get("authorization")?.trim() ?? "") ?? [];
  if (!hex) return { ok: false, reason: "authorization: HMAC is missing" };
  const theirs = Buffer.from(hex, "hex");
  const isOurs = (secret: string) => timingSafeEqual(createHmac("sha512", secret).update(body).digest(), theirs);
  return secrets.some((secret) => secret !== "" && isOurs(secret))
    ? { ok: true }
    : { ok: false, reason: "the signature does not match the body" };
}

const Event = z.object({
  data: z.object({
    id: z.string(),
    type: z.literal("packages"),
    attributes: z.object({
      status: z.string(),
      tracking_number: z.string().nullish(),
      label_url: z.string().nullish(),
      returned_status: z.string().nullish(),
    }),
    relationships: z.object({ shipment: z.object({ data: z.object({ id: z.string().min(1) }) }) }),
  }),
});

export function read({ body }: InboundMessage): ProviderEvent[] {
  const parsed = Event.safeParse(jsonOf(body));
  if (!parsed.success) return [];
  const { id, attributes: { status, tracking_number: code, label_url: url, returned_status: back }, relationships } = parsed.data.data;
  const ref = relationships.shipment.data.id;
  const state = stateOfStatus(status);
  return [{
    // They send no id of an event: a parcel that comes to the same place again says nothing new.
    eventId: `${id}:${status}:${back ?? ""}:${code ?? ""}:${url ? "label" : ""}`,
    ref,
    observation: {
      ref,
      ...(state && { state }),
      action: status,
      result: { ...(code && { tracking_code: code }), ...(url?.startsWith("https://") && { label_url: url }) },
    },
  }];
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
