/** The shop's project, its keys, and its connection to Asaas. */
import type { Connection } from "../connections.ts";
import type { ApiKey, IssuedApiKey } from "../keys.ts";
import type { Wire } from "../operation.ts";
import type { Project } from "../projects.ts";
import { at, connectionId, keyId, orgId, projectId } from "./cast.ts";

export const project: Wire<typeof Project> = {
  id: projectId,
  org_id: orgId,
  name: "Loja de Teste",
  slug: "loja-de-teste",
  is_default: true,
  environment: "test",
  settings: { charge_amount_unit: "minor", failover_when_not_reached: false, strict_servers: false, tool_set: "core9", merchant: null },
  created_at: at("09:00:00.000"),
};

export const newProject: Wire<typeof Project> = {
  ...project,
  id: "prj_Imjj3HqYGVddFaHS", name: "Loja ao vivo", slug: "loja", is_default: false, environment: "live", created_at: at("10:00:00.000"),
  settings: { ...project.settings, charge_amount_unit: null },
};

export const merchant: NonNullable<Wire<typeof Project>["settings"]["merchant"]> = {
  name: "Loja de Teste Ltda",
  tax_id: "11222333000181",
  city: "Joinville",
  sender: {
    postal_code: "89201000", name: "Loja de Teste Ltda", document: "11222333000181", phone: "+554730000000",
    line_1: "Rua do Príncipe", number: "100", city: "Joinville", state: "SC",
  },
  default_service: { description: "Serviços prestados", service_code: "2690" },
  default_parcel: { weight_g: 300, width_cm: 11, height_cm: 6, length_cm: 16 },
};

export const apiKey: Wire<typeof ApiKey> = {
  id: keyId,
  name: "backend",
  prefix: "csk_test_Exam",
  project_id: projectId,
  environment: "test",
  scopes: ["sessions:create", "sessions:read", "tools:execute", "tool-calls:read"],
  created_at: at("09:00:00.000"),
  last_used_at: at("12:00:00.000"),
  expires_at: null,
  revoked_at: null,
};

export const newKey: Wire<typeof IssuedApiKey> = {
  ...apiKey,
  id: "key_01m7w6yd6062yh0kff80v57jv6",
  created_at: at("10:10:00.000"),
  last_used_at: null,
  full_key: "csk_test_ExampleExampleExampleExample",
  warning: "Keep this key now: it is stored as a hash and cannot be shown again.",
};

export const connection: Wire<typeof Connection> = {
  id: connectionId,
  server_id: "asaas",
  user_id: null,
  environment: "test",
  auth_type: "api_key",
  status: "connected",
  display_name: "Asaas of the shop",
  connection_metadata: { wallet: "loja" },
  webhook_url: `https://pay.example.com/v1/webhooks/asaas/${connectionId}`,
  created_at: at("09:00:00.000"),
  connected_at: at("09:00:00.000"),
  revoked_at: null,
};
