/** The part of the twin that issues invoices of goods (NF-e): queued, processed, then authorized or refused by the state. */
import { randomInt } from "node:crypto";
import { z } from "zod";
import { checkDigits } from "../../schema/documents.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { TwinContext } from "../twin.ts";

interface Goods {
  companyId: string;
  id: string;
  status: string;
  items: { totalAmount: number }[];
  [field: string]: unknown;
}

export interface GoodsRequest {
  method: string;
  companyId: string;
  /** Empty for the collection. */
  id: string;
  part: string;
  query: URLSearchParams;
  body: unknown;
}

interface Surroundings extends Pick<TwinContext, "store" | "clock" | "settleAfterMs"> {
  newId(): string;
  announce(companyId: string, action: string, payload: object): Promise<void>;
}

/** The state that answers: São Paulo, by its IBGE code. */
const STATE = "35";
const PAGE_ROWS_DEFAULT = 10;

export function goodsTwin({ store, clock, settleAfterMs, newId, announce }: Surroundings) {
  const keyOf = (companyId: string, id: string) => `goods/${companyId}/${id}`;
  const now = () => clock.now().toISOString();
  const schedule = (name: string, companyId: string, id: string, rests: number) =>
    store.schedule({ name, companyId, id }, new Date(clock.now().getTime() + rests * settleAfterMs));

  async function handle(asked: GoodsRequest): Promise<Response> {
    const { method, companyId, id, part, query, body } = asked;
    if (id === "") return method === "POST" ? issue(companyId, body) : list(companyId, query);
    const found = await store.get<Goods>(keyOf(companyId, id));
    if (!found) return refusal(404, `product invoice ${id} was not found`);
    switch (`${method} ${part}`) {
      case "GET ": return Response.json(shown(found));
      case "GET pdf":
      case "GET xml": return file(found, part);
      case "DELETE ": return queue(found, "goods-cancel");
      case "PUT correctionletter": return queue(found, "goods-correct");
      default: return new Response(null, { status: 404 });
    }
  }

  async function issue(companyId: string, body: unknown): Promise<Response> {
    const asked = IssueRequest.safeParse(body);
    if (!asked.success) return refusal(400, `${asked.error.issues[0]?.path.join(".") || "body"} is not valid`);
    const id = newId();
    const invoice: Goods = {
      ...asked.data, companyId, id, status: "Created", environmentType: "Test",
      serie: asked.data.serie ?? 1, number: asked.data.number ?? await store.next(`goods-number/${companyId}`), createdOn: now(), modifiedOn: now(),
    };
    await store.put(keyOf(companyId, id), invoice);
    await schedule("goods-send", companyId, id, 1);
    await schedule("goods-answer", companyId, id, 2);
    return Response.json({ ...asked.data, id, serie: invoice["serie"], number: invoice["number"] }, { status: 202 });
  }

  async function list(companyId: string, query: URLSearchParams): Promise<Response> {
    if (!query.get("environment")) return refusal(400, "environment is required");
    const rows = (await store.list<Goods>(keyOf(companyId, ""))).filter((row) => row["environmentType"] === query.get("environment"));
    const from = rows.findIndex(({ id }) => id === query.get("startingAfter")) + 1;
    const limit = Number(query.get("limit") ?? PAGE_ROWS_DEFAULT);
    return Response.json({ productInvoices: rows.slice(from, from + limit).map(shown), hasMore: from + limit < rows.length });
  }

  function file({ id, status }: Goods, kind: string): Response {
    if (!["Issued", "Cancelled"].includes(status)) return refusal(404, "the file does not exist yet");
    return Response.json({ uri: `https://api.nfse.io/v1/blob/download?b=${kind}&s=${id}` });
  }

  /** What the state is asked of an issued invoice is queued, and answered a rest later. */
  async function queue({ companyId, id, status }: Goods, step: string): Promise<Response> {
    if (status !== "Issued") return refusal(400, `an invoice that is ${status} cannot be changed`);
    await schedule(step, companyId, id, 1);
    return new Response(null, { status: 204 });
  }

  const change = (companyId: string, id: string, from: readonly string[], fields: (invoice: Goods) => object) =>
    store.update<Goods>(keyOf(companyId, id), (invoice) =>
      from.includes(invoice.status) ? { ...invoice, ...fields(invoice), modifiedOn: now() } : invoice);

  /** A step that came due. A repeat finds it done and only tells of it again. */
  async function run(name: string, companyId: string, id: string): Promise<void> {
    if (name === "goods-send") return void (await change(companyId, id, ["Created"], () => ({ status: "Processing" })));
    if (name === "goods-cancel") {
      const done = await change(companyId, id, ["Issued"], () => ({ status: "Cancelled" }));
      if (done?.status === "Cancelled") await announce(companyId, "product_invoice.cancelled_successfully", shown(done));
    }
    if (name === "goods-correct") {
      await change(companyId, id, ["Issued"], () => ({ lastEvents: { events: [{ type: "correctionletter" }] } }));
    }
    if (name !== "goods-answer") return;
    const done = await change(companyId, id, ["Created", "Processing"], answered);
    if (done?.status === "Issued") await announce(companyId, "product_invoice.issued_successfully", shown(done));
    if (done?.status === "Error") await announce(companyId, "product_invoice.issued_failed", shown(done));
  }

  function answered(invoice: Goods): object {
    const total = invoice.items.reduce((sum, { totalAmount }) => sum + (fromDecimal(totalAmount, "BRL") ?? 0n), 0n);
    if (total % 100n === 13n) return { status: "Error", lastEvents: { events: [{ type: "issueError" }] } };
    const authorization = { accessKey: accessKey(clock.now(), Number(invoice["serie"]), Number(invoice["number"])), receiptOn: now(), message: "100" };
    return { status: "Issued", authorization };
  }

  return { handle, run };
}

const shown = ({ companyId: _companyId, items: _items, ...invoice }: Goods): object => invoice;

const refusal = (status: number, message: string): Response => Response.json({ errors: [{ code: status, message }] }, { status });

const IssueRequest = z.looseObject({
  operationNature: z.string().min(1),
  buyer: z.looseObject({ name: z.string().min(1), federalTaxNumber: z.int() }),
  items: z.array(z.looseObject({ description: z.string().min(1), cfop: z.int(), quantity: z.number().positive(), totalAmount: z.number() })).min(1),
  payment: z.array(z.looseObject({ paymentDetail: z.array(z.looseObject({ amount: z.number() })) })).min(1),
  serie: z.int().optional(),
  number: z.int().optional(),
});

/** 44 digits: state, year and month, CNPJ, model 55, series, number, kind, a random code, and a check digit (modulo 11). */
function accessKey(at: Date, serie: number, number: number): string {
  const yearMonth = at.toISOString().slice(2, 7).replace("-", "");
  const pad = (value: number, length: number) => String(value).padStart(length, "0");
  const body = `${STATE}${yearMonth}1122233300018155${pad(serie, 3)}${pad(number, 9)}1${pad(randomInt(10 ** 8), 8)}`;
  return body + checkDigits("nfe_key", body);
}
