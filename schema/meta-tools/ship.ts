/** codespar_ship: quotes, labels and tracking. Sources: facts 3.5 and wire 6.1. */
import { z } from "zod";
import { MinorUnits } from "../money.ts";
import { AmountArgument, callerArguments, isObject, metaTool, type JsonObject } from "./meta-tool.ts";

const place = z.object({
  postal_code: z.string().min(4).max(12),
  name: z.string().max(200).optional(),
  document: z.string().max(32).optional(),
  phone: z.string().max(32).optional(),
  line_1: z.string().max(200).optional(),
  number: z.string().max(20).optional(),
  city: z.string().max(100).optional(),
  state: z.string().max(40).optional(),
  country: z.string().length(2).optional().describe("ISO 3166, BR unless said"),
});

const parcel = z.object({
  weight_g: z.number().positive().max(100_000),
  width_cm: z.number().positive().max(300).optional(),
  height_cm: z.number().positive().max(300).optional(),
  length_cm: z.number().positive().max(300).optional(),
  quantity: z.int().positive().max(1000).default(1),
  declared_value: AmountArgument.optional().describe("minor units"),
  description: z.string().max(200).optional(),
});

export const ship = metaTool({
  name: "codespar_ship",
  description: "Quote, buy a label for, or track a parcel sent by the merchant. items default to the usual parcel.",
  effect: "moves_money",
  settles: "shipment",
  shown: {
    action: z.enum(["label", "quote", "track"]).default("label"),
    destination: place.optional(),
    items: z.array(parcel).max(100).optional(),
    carrier: z.string().max(40).optional().describe("e.g. correios"),
    service_level: z.enum(["cheapest", "fastest", "standard"]).default("cheapest"),
    tracking_code: z.string().max(128).optional().describe("for track"),
  },
  caller: { ...callerArguments, origin: place.optional(), service_id: z.string().max(64).optional().describe("A quote's service_id.") },
  advertisedRequired: ["action"],
  aliases: [
    ["origin.postalCode", "origin.postal_code"],
    ["destination.postalCode", "destination.postal_code"],
    ["items[].weight_grams", "items[].weight_g"],
    ["rail", "action"],
  ],
  reshape: (args) => packageInfoAsItem(railAsAction(args)),
  output: z.object({
    id: z.string(),
    status: z.string(),
    carrier: z.string().optional(),
    service: z.string().optional(),
    tracking_code: z.string().optional(),
    label_url: z.string().optional(),
    estimated_delivery: z.string().optional(),
    cost_minor: MinorUnits.optional(),
    quotes: z
      .array(
        z.object({
          service_id: z.string(),
          carrier: z.string(),
          service: z.string(),
          cost_minor: MinorUnits,
          delivery_days: z.int().optional(),
        }),
      )
      .optional(),
    events: z.array(z.object({ status: z.string(), at: z.string() })).optional(),
  }),
});
export type ShipRequest = z.output<typeof ship.input>;
export type ShipResult = z.output<typeof ship.output>;

const railAsAction = (args: JsonObject): JsonObject =>
  typeof args["action"] === "string" ? { ...args, action: args["action"].replace(/^domestic-/, "") } : args;

/** An older spelling describes one parcel in kilograms: `packageInfo { weight, width, height, length }`. */
function packageInfoAsItem(args: JsonObject): JsonObject {
  const { packageInfo, ...rest } = args;
  if (!isObject(packageInfo) || rest["items"] !== undefined) return args;
  const { weight, width, height, length } = packageInfo;
  return {
    ...rest,
    items: [{
      weight_g: typeof weight === "number" ? Math.round(weight * 1000) : weight,
      width_cm: width, height_cm: height, length_cm: length,
    }],
  };
}
