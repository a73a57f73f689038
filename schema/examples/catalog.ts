/** One server of the catalogue, and tools. */
import type { Server, Tool } from "../catalog.ts";
import type { Wire } from "../operation.ts";

export const asaas: Wire<typeof Server> = {
  id: "asaas",
  name: "Asaas",
  description: "Serves codespar_charge (pix); codespar_pay (pix); tools of its own (2).",
  category: "payments",
  country: "BR",
  auth_type: "api_key",
  status: "beta",
  capabilities: ["codespar_charge", "codespar_pay"],
  tools_count: 2,
  connectable: true,
  sandbox_available: true,
};

export const getPayment: Wire<typeof Tool> = { name: "asaas/get_payment", server: "asaas", description: "Read a charge at Asaas." };

export const asaasTools: Wire<typeof Tool>[] = [
  { name: "asaas/create_customer", server: "asaas", description: "Create a customer at Asaas." },
  getPayment,
];

export const catalogPage = { total: 23, filtered: 1, limit: 20, offset: 0 };
