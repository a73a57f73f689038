/**
 * The caller's own books (`codespar_ledger`): entries between accounts of their naming, in the same double entry as the
 * server's. An account that begins with `@` is theirs; the server's own are read here and written by settlements alone.
 */
import { Failure } from "../../schema/failures.ts";
import { newId } from "../../schema/ids.ts";
import type { LedgerRequest, LedgerResult } from "../../schema/meta-tools/ledger.ts";
import { currencies, isCurrency, type Currency } from "../../schema/money.ts";
import type { Principal } from "../access/keys.ts";
import type { TransactionSql } from "../db/connect.ts";
import type { Platform } from "../platform.ts";
import { post } from "./post.ts";
import { balanced, type Entry } from "./rules.ts";

/** An effect of ours on behalf of a claimed call, in the transaction of its claim; `target` is who carries it on, where it was routed. JSON comes back. */
export type LocalAct = (
  tx: TransactionSql,
  call: { orgId: string; projectId: string; toolCallId: string; at: Date },
  by: { platform: Platform; target: { provider: string; connectionId: string } | undefined },
) => Promise<object>;

/** Posts once: the claim holds the key. Throws invalid_args for sides that differ. */
export function bookEntry(request: LedgerRequest): LocalAct {
  const { asset, description = "Entry", source = [], destination = [] } = request;
  checkScale(request);
  for (const [field, side] of [["source", source], ["destination", destination]] as const)
    if (side.length === 0) throw new Failure("invalid_args", { field, problem: "is required for an entry", expected: "a list of { account, amount }" });
  const [from, to] = [sum(source), sum(destination)];
  if (from !== to) throw new Failure("invalid_args", { field: "destination", problem: `adds up to ${to}, and source to ${from}`, expected: `amounts that add up to ${from}` });
  const entries: Entry[] = [
    ...destination.map(({ account, amount }) => ({ account, currency: asset, direction: "debit" as const, amountMinor: amount })),
    ...source.map(({ account, amount }) => ({ account, currency: asset, direction: "credit" as const, amountMinor: amount })),
  ];
  return async (tx, { toolCallId, at, ...tenant }) => {
    const id = newId("ledgerTransaction", at);
    await post(tx, tenant, { ...balanced({ key: `entry:${toolCallId}`, toolCallId, description, occurredAt: at, entries }), id }, at);
    return { id, status: "POSTED" } satisfies LedgerResult;
  };
}

const sum = (side: readonly { amount: bigint }[]): bigint => side.reduce((total, { amount }) => total + amount, 0n);

/** An account needs no row: it is whatever entries name. What is answered is what it is called. */
export function openAccount(request: LedgerRequest): LocalAct {
  const { alias, asset } = request;
  if (alias === undefined) throw new Failure("invalid_args", { field: "alias", problem: "is required for an account", expected: "an alias such as @wallet/user_123" });
  checkScale(request);
  return async () => ({ id: `${alias}:${asset}`, account_id: alias, alias, status: "ACTIVE" }) satisfies LedgerResult;
}

/** A scale is no choice: it says whether the caller counts as these books do. */
function checkScale({ scale, asset }: LedgerRequest): void {
  if (scale !== undefined && scale !== currencies[asset])
    throw new Failure("invalid_args", { field: "scale", problem: `is ${scale}, but ${asset} has ${currencies[asset]} decimals here`, expected: String(currencies[asset]) });
}

/** What went in less what went out, an asset each; an account that no entry names has none. */
export async function accountBalance({ db }: Platform, { projectId }: Principal, { account }: LedgerRequest): Promise<LedgerResult> {
  if (account === undefined) throw new Failure("invalid_args", { field: "account", problem: "is required for a balance", expected: "an account's alias" });
  const rows = await db.sql<{ currency: Currency; balance: string }[]>`
    select currency, sum(case direction when 'debit' then amount_minor else -amount_minor end)::text as balance
    from ledger_entries where project_id = ${projectId} and account = ${account} group by currency order by currency`;
  return {
    account_id: account, alias: account,
    balances: rows.map(({ currency, balance }) => ({ asset: currency, scale: isCurrency(currency) ? currencies[currency] : 2, balance })),
  };
}
