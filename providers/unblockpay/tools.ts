/**
 * UnblockPay's own tools: one request each. Reference: UnblockPay guide, "Wallet Transfer", "Transactions", and its API
 * reference, read 2026-11-20. Names are the public MCP server's; what it calls is stale, so the requests are the guide's.
 */
import { z } from "zod";
import { nativeTool, pathOf, type NativeTool } from "../native.ts";

const Id = z.string().min(1).max(100);
const Chain = z.enum(["solana", "ethereum", "polygon", "tron", "base"]);

export const tools: readonly NativeTool[] = [
  nativeTool({
    name: "create_transfer",
    description: "Move stablecoins out of an UnblockPay wallet, on its own network. It cannot be cancelled; codespar_crypto_pay follows it.",
    effect: "moves_money",
    input: z.object({
      customer_id: Id, wallet_id: Id, blockchain: Chain, currency: z.enum(["USDC", "USDT"]), amount: z.number().positive().describe("in units: 10.5"),
      address: z.string().min(8).max(128),
    }),
    request: ({ customer_id, wallet_id, blockchain: payment_rail, currency, amount, address }) => ({
      method: "POST", path: "/wallet-transfer",
      body: { amount, customer_id, sender: { currency, payment_rail, wallet_id }, receiver: { currency, payment_rail, address } },
    }),
  }),
  nativeTool({
    name: "get_transaction",
    description: "Read a transaction at UnblockPay: its status, its two sides.",
    effect: "reads",
    input: z.object({ id: Id }),
    request: (args) => ({ method: "GET", path: pathOf("/transactions/{id}", args) }),
  }),
  nativeTool({
    name: "create_wallet",
    description: "Create a wallet for an approved customer of UnblockPay.",
    effect: "writes",
    input: z.object({ customer_id: Id, name: z.string().min(1).max(100), blockchain: Chain }),
    request: (body) => ({ method: "POST", path: "/wallets", body }),
  }),
  nativeTool({
    name: "list_wallets",
    description: "List the wallets at UnblockPay.",
    effect: "reads",
    input: z.object({ limit: z.int().min(1).max(100).optional(), offset: z.int().min(0).optional() }),
    request: ({ limit, offset }) => ({ method: "GET", path: "/wallets", query: { limit: limit?.toString(), offset: offset?.toString() } }),
  }),
];
