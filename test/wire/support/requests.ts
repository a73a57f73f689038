/** What the clients' requests have in common: where they go, and what they say of themselves. */
import type { ClientOptions } from "./start.ts";

/** The key, and the project where one is configured: the header is absent otherwise. */
export const identityOf = ({ apiKey, projectId }: ClientOptions): Record<string, string> => ({
  authorization: `Bearer ${apiKey}`,
  ...(projectId !== undefined && { "x-codespar-project": projectId }),
});

/** A refusal as an SDK throws it. `status` is 0 where no answer came. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly body: unknown;

  constructor(message: string, { status, code, body }: { status: number; code?: string | undefined; body?: unknown }) {
    super(message);
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

/** Both SDKs find the code in `code`, else in `error`, where that is text; a nested object gives them none. */
export function codeIn(body: unknown): string | undefined {
  const { code, error } = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  if (typeof code === "string") return code;
  return typeof error === "string" ? error : undefined;
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What `execute` gives its caller, in every client. */
export interface ToolResult {
  success: boolean;
  data: any;
  error: string | null;
  duration: number;
  server: string;
  tool: string;
  tool_call_id?: string | null;
  called_at?: string;
}

/** Neither SDK throws for a refused execution: it makes a failed result of it, and the payload is lost. */
export const refusedResult = (tool: string, status: number, text: string): ToolResult =>
  ({ success: false, data: null, error: `${status}: ${text}`, duration: 0, server: "", tool });

export interface SessionRow {
  id: string;
  org_id: string;
  project_id: string;
  user_id: string;
  servers: string[];
  status: "active" | "closed" | "error";
  created_at: string;
  closed_at: string | null;
}

export interface ServerRow {
  id: string;
  name: string;
  category: string;
  country: string;
  auth_type: "oauth" | "api_key" | "cert" | "none";
  connected: boolean;
}

export interface ToolRow {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
  server: string;
}

export interface PaymentEnvelope {
  tool_call_id: string;
  payment_status: string;
  idempotency_key: string | null;
  original_status: string;
  events: { event_type: string; received_at: string; provider: string | null; provider_action: string | null; payment_id: string | null }[];
}

export interface VerificationEnvelope {
  tool_call_id: string;
  verification_status: string;
  idempotency_key: string | null;
  original_status: string;
  hosted_url: string | null;
  events: { event_type: string; received_at: string; provider: string | null; verification_id: string | null }[];
}

export interface ConnectLink {
  link_token: string;
  authorize_url: string;
  expires_at: string;
}

export interface ProxyAnswer {
  status: number;
  data: unknown;
  headers: Record<string, string>;
  duration: number;
  proxy_call_id?: string;
}
