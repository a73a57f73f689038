/**
 * Asaas as a `Fetch` that answers in memory and at once: one customer, and charges that stay pending. What a charge
 * takes over it is our own time. It keeps nothing, so that a long run measures the same thing from end to end.
 */
import { randomUUID } from "node:crypto";
import { asaas } from "../providers/asaas/index.ts";
import { qrPng } from "../providers/qr-png.ts";
import { providers } from "../providers/index.ts";
import type { Fetch, ProviderDefinition } from "../providers/provider.ts";
import { buildDynamicCode } from "../schema/pix/brcode.ts";

/** A charge that it accepts. */
export const pixCharge = {
  amount: 15_000, currency: "BRL", method: "pix", description: "Order 1234",
  buyer: { name: "Maria Silva", document: "111.444.777-35" },
} as const;

/** Every provider, Asaas without the wait for it. */
export const providersAtOnce: readonly ProviderDefinition[] = providers.map((provider) =>
  provider.id === asaas.id ? { ...asaas, connect: (connection) => asaas.connect(connection, answerAtOnce) } : provider);

const answerAtOnce: Fetch = async (request) => {
  const { pathname } = new URL(request.url);
  if (pathname.endsWith("/customers")) return Response.json(customers);
  if (pathname.endsWith("/pixQrCode")) return Response.json(qrCode);
  if (pathname.endsWith("/payments")) return Response.json(paymentOf((await request.json()) as Asked));
  throw new Error(`nothing answers ${request.method} ${pathname} at once`);
};

const customers = { data: [{ id: "cus_000000000001", cpfCnpj: "11144477735", deleted: false }], hasMore: false };

interface Asked {
  value: number;
  externalReference: string;
}

function paymentOf({ value, externalReference }: Asked): object {
  const id = `pay_${randomUUID()}`;
  const invoiceUrl = `https://sandbox.asaas.com/i/${id}`;
  return { id, status: "PENDING", value, netValue: value - 1.99, externalReference, invoiceUrl, deleted: false };
}

const payload = buildDynamicCode({
  location: "pix-h.asaas.com/qr/cobv/00000000000000000000000000000000", amountMinor: BigInt(pixCharge.amount),
  merchantName: "Loja de Teste", merchantCity: "Joinville",
});
const qrCode = { payload, encodedImage: qrPng(payload).toString("base64"), expirationDate: "2099-12-31 23:59:59" };
