/** What the banks refuse, and why: the Central Bank's problem document (RFC 7807) and the shapes banks have beside it. */
import { z } from "zod";
import type { DeclineReason, Outcome, Rejected } from "../provider.ts";

export type Declined = Extract<Outcome<never>, { outcome: "declined" }>;

/** A refusal of ours, before anything is sent. */
export const refuse = (reason: DeclineReason, field: string, message: string): Declined =>
  ({ outcome: "declined", reason, message, field });

const text = z.string().optional().catch(undefined);
const list = <Item extends z.ZodType>(item: Item) => z.array(item).optional().catch(undefined);

/** Every field is optional: each bank fills its own. */
const Problem = z.object({
  // RFC 7807, as the Central Bank writes it.
  title: text, detail: text, violacoes: list(z.object({ razao: text, propriedade: text })),
  // OAuth.
  error: text, error_description: text,
  // Banco do Brasil; Itaú; Santander.
  erros: list(z.object({ codigo: text, mensagem: text })),
  mensagem: text, campos: list(z.object({ campo: text, mensagem: text })),
  _message: text, _details: text, _errors: list(z.object({ _field: text, _message: text })),
  message: text,
});

/** `said` is what an answer with a 2xx said of why it was refused. */
export function readRefusal({ status, body }: Rejected, { title, said }: { title: string; said: string | undefined }): Declined {
  const problem = Problem.safeParse(body).data ?? {};
  const [at] = [
    ...(problem.violacoes ?? []).map(({ razao, propriedade }) => ({ field: propriedade, words: razao })),
    ...(problem.campos ?? []).map(({ campo, mensagem }) => ({ field: campo, words: mensagem })),
    ...(problem._errors ?? []).map(({ _field, _message }) => ({ field: _field, words: _message })),
    ...(problem.erros ?? []).map(({ mensagem }) => ({ field: undefined, words: mensagem })),
  ];
  const { detail, error_description, error, mensagem, _details, _message, message: other } = problem;
  const message = said ?? at?.words ?? detail ?? problem.title ?? mensagem ?? _details ?? _message ?? error_description ?? error ?? other
    ?? `${title} answered ${status}`;
  const field = fieldOf(at?.field);
  return { outcome: "declined", reason: reasonOf(status, `${message} ${error ?? ""}`, at !== undefined), message, ...(field && { field }) };
}

const statuses = new Map<number, DeclineReason>([[401, "unauthorized"], [403, "unauthorized"], [409, "duplicate"], [429, "rate_limited"]]);

function reasonOf(status: number, words: string, isAboutField: boolean): DeclineReason {
  const byStatus = statuses.get(status);
  if (byStatus) return byStatus;
  if (/invalid_client|unauthorized_client|invalid_scope/.test(words)) return "unauthorized";
  if (/saldo insuficiente|insufici[êe]ncia de (?:saldo|fundos)/i.test(words)) return "insufficient_funds";
  if (/já (?:foi )?utilizad|já existe|duplicad/i.test(words)) return "duplicate";
  return isAboutField ? "invalid_request" : "refused";
}

/** The caller's own name for the field a bank complains of. */
function fieldOf(name = ""): string | undefined {
  if (/valor|value|amount/i.test(name)) return "amount";
  if (/chave|dictcode|content/i.test(name)) return "recipient.pix_key";
  if (/documento/i.test(name)) return "recipient.document";
  return /descricao|remittance|description|mensagem/i.test(name) ? "description" : undefined;
}
