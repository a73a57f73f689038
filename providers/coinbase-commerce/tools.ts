/** Coinbase Commerce's own tools: one request each. Reference: Commerce API 2018-03-22, "Charges" and "Checkouts", read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Price = z.object({ amount: z.string().regex(/^\d{1,20}(\.\d{1,18})?$/), currency: z.string().min(3).max(5) });
const priced = {
  name: z.string().min(1).max(100), description: z.string().min(1).max(200), pricing_type: z.enum(["fixed_price", "no_price"]),
  local_price: Price.optional().describe("for fixed_price"),
};
const Url = z.url({ protocol: /^https?$/ }).max(2_000);
const page = z.object({
  limit: z.int().min(1).max(100).optional(), starting_after: z.string().max(64).optional(), order: z.enum(["asc", "desc"]).optional(),
});
const query = ({ limit, ...rest }: z.output<typeof page>): Record<string, string | undefined> => ({ ...rest, limit: limit?.toString() });
const coded = z.object({ code: z.string().min(1).max(64) });
const identified = z.object({ id: z.string().min(1).max(64) });

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_charge",
    description: "Create a charge at Coinbase Commerce: a page that is paid once. codespar_crypto_pay does more, and follows it.",
    effect: "moves_money",
    input: z.object({ ...priced, metadata: z.record(z.string(), z.string().max(500)).optional(), redirect_url: Url.optional(), cancel_url: Url.optional() }),
    request: (body) => ({ method: "POST", path: "/charges", body }),
  }),
  nativeTool({
    name: "retrieve_charge",
    description: "Read a charge at Coinbase Commerce by its code or id.",
    effect: "reads",
    input: z.object({ code_or_id: z.string().min(1).max(64) }),
    request: (args) => ({ method: "GET", path: pathOf("/charges/{code_or_id}", args) }),
  }),
  nativeTool({
    name: "list_charges",
    description: "List charges at Coinbase Commerce.",
    effect: "reads",
    input: page,
    request: (args) => ({ method: "GET", path: "/charges", query: query(args) }),
  }),
  nativeTool({
    name: "cancel_charge",
    description: "Cancel a charge at Coinbase Commerce that nobody has paid yet.",
    effect: "writes",
    input: coded,
    request: (args) => ({ method: "POST", path: pathOf("/charges/{code}/cancel", args) }),
  }),
  nativeTool({
    name: "create_checkout",
    description: "Create a checkout at Coinbase Commerce: a page that may be paid any number of times.",
    effect: "writes",
    input: z.object({ ...priced, requested_info: z.array(z.enum(["name", "email"])).max(2).optional() }),
    request: (body) => ({ method: "POST", path: "/checkouts", body }),
  }),
  nativeTool({
    name: "retrieve_checkout",
    description: "Read a checkout at Coinbase Commerce.",
    effect: "reads",
    input: identified,
    request: (args) => ({ method: "GET", path: pathOf("/checkouts/{id}", args) }),
  }),
];
