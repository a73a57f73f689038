/** Foxbit's own tools: one request each, in Foxbit's words. Reference: Foxbit REST API v3, as CCXT shows it, read 2026-11-20. */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const symbol = z.object({ symbol: z.string().regex(/^[a-z0-9]{2,20}$/).describe("usdtbrl") });
const Decimal = z.string().regex(/^\d{1,20}(\.\d{1,18})?$/).describe("10.5");
const orderId = z.object({ id: z.string().regex(/^\d{1,20}$/) });
const Time = z.iso.datetime({ offset: true }).optional();

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "list_markets",
    description: "List Foxbit's markets, with their smallest quantities and steps.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/markets" }),
  }),
  nativeTool({
    name: "get_ticker",
    description: "Read the last 24 hours of a market at Foxbit: price, volume, best offers.",
    effect: "reads",
    input: symbol,
    request: (args) => ({ method: "GET", path: pathOf("/markets/{symbol}/ticker/24hr", args) }),
  }),
  nativeTool({
    name: "get_orderbook",
    description: "Read the order book of a market at Foxbit.",
    effect: "reads",
    input: symbol.extend({ depth: z.int().min(1).max(200).optional() }),
    request: ({ depth, ...args }) => ({ method: "GET", path: pathOf("/markets/{symbol}/orderbook", args), query: { depth: depth?.toString() } }),
  }),
  nativeTool({
    name: "get_account_balances",
    description: "Read the balances of the account at Foxbit.",
    effect: "reads",
    input: z.object({}),
    request: () => ({ method: "GET", path: "/accounts" }),
  }),
  nativeTool({
    name: "create_order",
    description: "Buy or sell at Foxbit, at the market's price or at a limit.",
    effect: "moves_money",
    input: z.object({
      market_symbol: symbol.shape.symbol, side: z.enum(["BUY", "SELL"]), type: z.enum(["LIMIT", "MARKET"]), quantity: Decimal,
      price: Decimal.optional().describe("for LIMIT"), client_order_id: z.string().regex(/^\d{1,18}$/).optional().describe("digits, yours"),
    }),
    request: (body) => ({ method: "POST", path: "/orders", body }),
  }),
  nativeTool({
    name: "get_order",
    description: "Read an order at Foxbit: its state, what was executed.",
    effect: "reads",
    input: orderId,
    request: (args) => ({ method: "GET", path: pathOf("/orders/by-order-id/{id}", args) }),
  }),
  nativeTool({
    name: "list_orders",
    description: "List the account's orders at Foxbit.",
    effect: "reads",
    input: z.object({
      market_symbol: symbol.shape.symbol.optional(), state: z.enum(["ACTIVE", "FILLED", "CANCELED", "PARTIALLY_FILLED", "PARTIALLY_CANCELED"]).optional(),
      side: z.enum(["BUY", "SELL"]).optional(), start_time: Time, end_time: Time, page_size: z.int().min(1).max(100).optional(),
      page: z.int().min(1).max(10_000).optional(),
    }),
    request: ({ page_size, page, ...query }) => ({ method: "GET", path: "/orders", query: { ...query, page_size: page_size?.toString(), page: page?.toString() } }),
  }),
  nativeTool({
    name: "cancel_order",
    description: "Cancel an order at Foxbit that is not filled.",
    effect: "writes",
    input: orderId,
    request: ({ id }) => ({ method: "PUT", path: "/orders/cancel", body: { type: "ID", id: Number(id) } }),
  }),
];
