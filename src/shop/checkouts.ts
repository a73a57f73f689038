/**
 * A shopper's order at a store: begun in the transaction that claims the call, placed once by a job of whatever process comes first,
 * and read by its id from then on. An order that was perhaps placed is not placed again: nobody has its Pix code, so it lapses unpaid.
 */
import type { CallContext, Outcome } from "../../providers/provider.ts";
import { NotReached, SetupMissing, Unanswered } from "../../providers/provider.ts";
import { Failure } from "../../schema/failures.ts";
import { newId, newIdempotencyKey } from "../../schema/ids.ts";
import { isMercadoLivre, shop, vtexAccountOf, type CheckoutError, type CheckoutReason, type ShopRequest, type ShopResult } from "../../schema/meta-tools/shop.ts";
import type { Principal } from "../access/keys.ts";
import { findConnection, openProvider } from "../connections/connections.ts";
import type { Job } from "../jobs/jobs.ts";
import { plainJson } from "../json.ts";
import type { LocalAct } from "../ledger/books.ts";
import type { Platform } from "../platform.ts";

/** After this nothing more is sent for an order, so that a process that takes over its job finds it over: less than a job's lease. */
const PLACE_MS_MAX = 50_000;

interface CheckoutJob {
  checkoutId: string;
}

/**
 * Who can place the order.
 *
 * returns  `store` for a store's own API; `page` for a page that only a browser could order from, and this server has none
 * throws   items_required, meli_url_required, invalid_args
 */
export function checkoutRail({ merchant, items, url }: ShopRequest): "store" | "page" {
  const wantsPage = merchant !== undefined && isMercadoLivre(merchant);
  if (wantsPage && url === undefined) throw new Failure("meli_url_required", { field: "url", expected: "the address of a listing" });
  if (items === undefined && url === undefined) throw new Failure("items_required", { field: "items", expected: "a list of { variant_id, quantity }" });
  if (items !== undefined && url !== undefined) throw new Failure("invalid_args", { field: "url", problem: "stands beside items", expected: "one of the two" });
  if (url === undefined) return "store";
  return wantsPage || !isStorePage(url) ? "page" : "store";
}

/** A bare name is an account, and no page. */
const isStorePage = (url: string): boolean => new URL(url).hostname.includes(".") && vtexAccountOf(url) !== undefined;

/** Begins a checkout; without somebody to place the order, one that is canceled by the time it is read. */
export function beginCheckout(request: ShopRequest): LocalAct {
  return async (tx, { orgId, projectId, toolCallId, at }, { platform, target }) => {
    const id = newId("checkout", at);
    const { merchant, items, url, buyer, address } = request;
    const sealed = target && (await platform.vault.seal(tx, sealedAt({ orgId, projectId, id }), JSON.stringify(plainJson({ merchant, items, url, buyer, address })), at));
    const { status, error, reasonCode, reasonHint } = target ? { ...IN_PROGRESS } : { status: "canceled", ...NO_BROWSER };
    await tx`
      insert into checkouts (org_id, project_id, id, tool_call_id, provider, connection_id, status, sealed, error, reason_code, reason_hint, notes, created_at, ended_at)
      values (${orgId}, ${projectId}, ${id}, ${toolCallId}, ${target?.provider ?? null}, ${target?.connectionId ?? null}, ${status}, ${sealed ?? null},
        ${error ?? null}, ${reasonCode ?? null}, ${reasonHint ?? null}, '{}', ${at}, ${target ? null : at})`;
    if (target) await platform.jobs.add(tx, { orgId, projectId, kind: "checkout", key: id, payload: { checkoutId: id } satisfies CheckoutJob, runAt: at });
    return { checkout_session_id: id, status: "in_progress", message: "Read its checkout_status for the Pix code." } satisfies Partial<ShopResult>;
  };
}

interface Canceled {
  error: CheckoutError;
  reasonCode: CheckoutReason;
  /** A sentence of ours: it names no shopper. */
  reasonHint: string;
}

const IN_PROGRESS: { status: string } & Partial<Canceled> = { status: "in_progress" };
const NO_BROWSER: Canceled = {
  error: "browser_worker_unconfigured", reasonCode: "checkout_failed",
  reasonHint: "Only a browser could order from this page, and this server drives none. Name a VTEX store and its items.",
};
const DIED: Canceled = {
  error: "browser_worker_failed", reasonCode: "checkout_failed", reasonHint: "The server stopped while the order was being placed. An order the store may have lapses unpaid.",
};

/** What became of a checkout. One that is not of this project answers as one that never was. */
export async function checkoutStatus({ db, vault }: Platform, { projectId }: Principal, { checkout_session_id: id }: ShopRequest): Promise<ShopResult & object> {
  if (id === undefined) throw new Failure("invalid_args", { field: "checkout_session_id", problem: "is required for checkout_status", expected: "the id of a checkout" });
  const row = await read({ db }, projectId, id);
  if (!row) return { checkout_session_id: id, status: "canceled", error: "browser_worker_status_failed" };
  const common = { checkout_session_id: id, status: row.status, ...(row.provider && { rail: row.provider }) };
  if (row.status === "in_progress") return common;
  if (row.status === "canceled") return { ...common, error: row.error!, reason_code: row.reasonCode!, reason_hint: row.reasonHint! };
  const { pix } = JSON.parse(await vault.open(db.sql, sealedAt(row), row.sealed!)) as { pix: string };
  return plainJson({ ...common, total_minor: row.totalMinor, pix_copia_e_cola: pix }) as ShopResult & object;
}

interface Checkout extends Partial<Canceled> {
  orgId: string;
  projectId: string;
  id: string;
  toolCallId: string;
  provider: string | null;
  connectionId: string | null;
  status: "in_progress" | "ready_for_payment" | "canceled";
  sealed: string | null;
  totalMinor: bigint | null;
}

async function read({ db }: Pick<Platform, "db">, projectId: string, id: string): Promise<Checkout | undefined> {
  const [row] = await db.sql<Checkout[]>`
    select org_id as "orgId", project_id as "projectId", id, tool_call_id as "toolCallId", provider, connection_id as "connectionId", status, sealed,
      total_minor as "totalMinor", error, reason_code as "reasonCode", reason_hint as "reasonHint"
    from checkouts where project_id = ${projectId} and id = ${id}`;
  return row;
}

/** Places the order of a checkout. A job that comes again finds it taken up: the process that was at it has died. */
export async function runCheckout(platform: Platform, { projectId, payload: { checkoutId: id } }: Job<CheckoutJob>): Promise<void> {
  const { db, clock } = platform;
  const taken = await db.sql`
    update checkouts set started_at = ${clock.now()} where project_id = ${projectId} and id = ${id} and status = 'in_progress' and started_at is null returning id`;
  const row = await read({ db }, projectId, id);
  if (!row || row.status !== "in_progress") return;
  await end(platform, row, taken.length > 0 ? await place(platform, row) : DIED);
}

type Ended = Canceled | { totalMinor: bigint; pix: string };

async function place(platform: Platform, row: Checkout): Promise<Ended> {
  try {
    const connection = await findConnection(platform, row.provider!, row.connectionId!);
    if (!connection) return canceled("browser_worker_unconfigured", "not_connected", `${row.provider} is not connected any more.`);
    const provider = await openProvider(platform, connection);
    if (!provider.placeOrder) throw new Error(`${row.provider} places no orders`);
    const asked: unknown = JSON.parse(await platform.vault.open(platform.db.sql, sealedAt(row), row.sealed!));
    return endOf(await provider.placeOrder(shop.input.parse(asked), contextOf(platform, row)));
  } catch (error) {
    return failed(platform, row, error);
  }
}

function contextOf({ db, clock }: Platform, { projectId, id, toolCallId }: Checkout): CallContext {
  const notes: Record<string, string> = {};
  return {
    reference: newIdempotencyKey(), toolCallId, clock, signal: undefined, acted: false, notes,
    sendBefore: new Date(clock.now().getTime() + PLACE_MS_MAX),
    note: async (more) => {
      Object.assign(notes, more);
      await db.sql`update checkouts set notes = notes || ${db.sql.json(more)} where project_id = ${projectId} and id = ${id}`;
    },
  };
}

const canceled = (error: CheckoutError, reasonCode: CheckoutReason, reasonHint: string): Canceled => ({ error, reasonCode, reasonHint });

function endOf(answer: Outcome<ShopResult>): Ended {
  if (answer.outcome === "declined") return canceled("browser_worker_checkout_failed", reasonOf(answer), answer.message);
  const { total_minor: totalMinor, pix_copia_e_cola: pix } = answer.result;
  if (totalMinor === undefined || pix === undefined) throw new Error("an order was placed, and nothing says how it is paid");
  return { totalMinor, pix };
}

/** By what the refusal is about. */
function reasonOf({ reason, field = "" }: Extract<Outcome<unknown>, { outcome: "declined" }>): CheckoutReason {
  if (reason === "rate_limited") return "store_temporarily_unavailable";
  if (field.startsWith("buyer")) return "identity_required";
  return field === "address" ? "no_shipping" : "checkout_failed";
}

/** Why, in the log, in words of our own client: what a store answers may name the shopper. */
function failed({ log }: Platform, { id, toolCallId }: Checkout, error: unknown): Canceled {
  log.warn({ checkoutId: id, toolCallId, reason: error instanceof Error ? `${error.name}: ${error.message}` : "unknown" }, "an order could not be placed");
  if (error instanceof SetupMissing) return canceled("browser_worker_unconfigured", "not_connected", `No store was named, and the connection has no ${error.setting}.`);
  if (error instanceof NotReached || error instanceof Unanswered)
    return canceled("browser_worker_failed", "store_temporarily_unavailable", "The store could not be reached. Nothing was ordered that can be paid.");
  return canceled("browser_worker_failed", "checkout_failed", "The store gave no readable answer. An order it may have lapses unpaid.");
}

/** What it came to, said once: whoever comes later changes nothing. The shopper is forgotten with it. */
async function end({ db, vault, clock }: Platform, row: Checkout, ended: Ended): Promise<void> {
  const now = clock.now();
  const isReady = "pix" in ended;
  const sealed = isReady ? await vault.seal(db.sql, sealedAt(row), JSON.stringify({ pix: ended.pix }), now) : null;
  const { error = null, reasonCode = null, reasonHint = null } = isReady ? {} : ended;
  // A canceled one stands for no intent any more: an agent may correct it and ask again.
  await db.sql`
    with ended as (
      update checkouts set status = ${isReady ? "ready_for_payment" : "canceled"}, sealed = ${sealed}, total_minor = ${isReady ? ended.totalMinor : null},
        error = ${error}, reason_code = ${reasonCode}, reason_hint = ${reasonHint}, ended_at = ${now}
      where project_id = ${row.projectId} and id = ${row.id} and status = 'in_progress' returning project_id, tool_call_id, status)
    update tool_calls t set intent = null
    from ended e where e.status = 'canceled' and t.project_id = e.project_id and t.id = e.tool_call_id`;
}

const sealedAt = ({ orgId, projectId, id }: Pick<Checkout, "orgId" | "projectId" | "id">) => ({ orgId, projectId, row: id, column: "checkouts.sealed" });
