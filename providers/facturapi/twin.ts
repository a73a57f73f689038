/**
 * The twin of Facturapi: one organization an account, its customers, products, e-receipts and invoices, and SAT's answer to
 * them. What it leaves out is in README.md.
 */
import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { z } from "zod";
import { toDecimal } from "../../schema/money.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

export const facturapiTwin: TwinDefinition = {
  id: "facturapi",
  hosts: ["www.facturapi.io"],
  magic: {
    "total ending in 13 centavos": "SAT refuses the invoice at once: 400 invoice_stamping_validation_error",
    "total ending in 14 centavos": "the stamping stutters: 202 and pending, valid one rest later",
    "total ending in 15 centavos": "the stamping stutters: 202 and pending, failed one rest later",
    "total above 1000.00": "a cancellation waits for the buyer, who agrees one rest later",
  },
  create,
};

interface Account {
  organization: string;
  webhookUrl: string;
  webhookSecret: string;
}

type Kind = "invoice" | "customer" | "product" | "receipt";

/** An object as the API shows it. */
interface Shown {
  id: string;
  created_at: string;
  livemode: false;
  [field: string]: unknown;
}

function create({ store, clock, settleAfterMs, deliver }: TwinContext): Twin {
  const now = () => clock.now().toISOString();
  const nextRest = () => new Date(clock.now().getTime() + settleAfterMs);
  const keyOf = (organization: string, kind: Kind, id = "") => `${kind}/${organization}/${id}`;

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, token] = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
    if (!token) return refusal(401, "missing_credentials", "No se proporcionaron credenciales.");
    const account = await store.get<Account>(`key/${digestOf(token)}`);
    if (!account) return refusal(401, "api_key_invalid", "La API key proporcionada no es válida.");
    const [, resource = "", id = "", part = ""] = url.pathname.replace(/^\/v2/, "").split("/").map(decodeURIComponent);
    const { method } = request;
    const kind = kinds[resource];
    if (!kind) return notFound("not_found");
    if (method === "POST" && id === "") return make(account, kind, await bodyOf(request));
    if (method === "GET" && id === "") return list(account, kind, url.searchParams);
    const found = await store.get<Shown>(keyOf(account.organization, kind, id));
    if (!found) return notFound(`${kind}_not_found`);
    if (method === "GET" && part === "") return Response.json(found);
    if (kind !== "invoice") return notFound("not_found");
    switch (`${method} ${part}`) {
      case "GET pdf": return file(found, "%PDF-1.4\n%%EOF\n", "application/pdf");
      case "GET xml": return file(found, "<cfdi:Comprobante/>", "text/xml");
      case "POST email": return found["status"] === "valid" ? Response.json({ ok: true }) : refusal(400, "invoice_email_status_not_allowed", "No se permite enviar la factura.");
      case "PUT status": return Response.json(found);
      case "DELETE ": return cancel(account, found, url.searchParams);
      default: return notFound("not_found");
    }
  }

  async function make(account: Account, kind: Kind, body: unknown): Promise<Response> {
    const asked = requests[kind].safeParse(body);
    if (!asked.success) return invalid(asked.error);
    switch (kind) {
      case "invoice": return issue(account, asked.data as z.output<typeof InvoiceRequest>);
      case "receipt": return receive(account, asked.data as z.output<typeof ReceiptRequest>);
      default: return Response.json(await keep(account, kind, asked.data));
    }
  }

  async function keep({ organization }: Account, kind: Kind, fields: object): Promise<Shown> {
    // Ids grow, as theirs do, so that a list can show the newest first.
    const id = (await store.next("object")).toString(16).padStart(8, "0") + randomBytes(8).toString("hex");
    const shown: Shown = { id, created_at: now(), livemode: false, ...fields };
    await store.put(keyOf(organization, kind, id), shown);
    return shown;
  }

  // Invoices

  async function issue(account: Account, asked: z.output<typeof InvoiceRequest>): Promise<Response> {
    const { organization } = account;
    const { customer: given, items: wanted, idempotency_key: key, series = "F" } = asked;
    const customer = typeof given === "string" ? await store.get<Shown>(keyOf(organization, "customer", given)) : given;
    if (!customer) return notFound("customer_not_found");
    const items = await resolved(account, wanted);
    if (!items) return notFound("product_not_found");
    const totalMinor = totalOf(items);
    const cents = totalMinor % 100n;
    if (cents === 13n) return stampingRefused();
    if (key && (await store.next(`idempotency/${organization}/${key}`)) > 1)
      return refusal(409, "idempotency_key_in_use", "La idempotency key ya está siendo usada.");
    const buyer = typeof given === "string" ? (customer as Shown) : await keep(account, "customer", given);
    const stutters = cents === 14n || cents === 15n;
    const { legal_name, tax_id } = buyer;
    const invoice = await keep(account, "invoice", {
      ...asked, type: "I", organization, items, series, folio_number: await store.next(`folio/${organization}/${series}`),
      customer: { id: buyer.id, legal_name, tax_id, address: { country: "MEX" } },
      status: "pending", cancellation_status: "none", date: now(), total: pesos(totalMinor), currency: asked.currency ?? "MXN", exchange: 1,
      uuid: null, stamp: null, related_documents: [], ...(stutters ? {} : stamped()),
    });
    if (!stutters) return Response.json(invoice);
    await store.schedule({ name: cents === 14n ? "recover" : "fail", organization, id: invoice.id }, nextRest());
    return Response.json(invoice, { status: 202 });
  }

  const stamped = () => {
    const uuid = randomUUID();
    const stamp = { date: now(), signature: randomBytes(24).toString("base64"), sat_cert_number: "30001000000500003456", sat_signature: randomBytes(24).toString("base64") };
    return { status: "valid", uuid, stamp, verification_url: `https://verificacfdi.facturaelectronica.sat.gob.mx/default.aspx?id=${uuid}` };
  };

  /** Items with the products that they name by id; undefined when one is not there. */
  async function resolved({ organization }: Account, items: z.output<typeof Items>) {
    const lines = [];
    for (const { product: named, ...line } of items) {
      const product = typeof named === "string" ? await store.get<Shown & z.output<typeof Product>>(keyOf(organization, "product", named)) : named;
      if (!product) return undefined;
      lines.push({ ...line, product });
    }
    return lines;
  }

  async function cancel({ organization }: Account, invoice: Shown, query: URLSearchParams): Promise<Response> {
    const motive = query.get("motive") ?? "";
    if (!/^0[1-4]$/.test(motive)) return invalidAt("motive", "required", "El campo \"motive\" es requerido.", "query");
    if (motive === "01" && !query.has("substitution")) return refusal(400, "substitution_invoice_required", "Se requiere una factura de sustitución.");
    if (invoice["status"] !== "valid") return refusal(400, "invoice_not_cancelable", "La factura no puede cancelarse.");
    if (invoice["cancellation_status"] === "pending") return refusal(409, "invoice_cancellation_in_progress", "La factura tiene una solicitud de cancelación pendiente.");
    const waits = Number(invoice["total"]) > 1_000;
    const changed = await change(organization, invoice.id, "valid", waits ? { cancellation_status: "pending" } : canceled());
    if (waits) await store.schedule({ name: "accept", organization, id: invoice.id }, nextRest());
    return Response.json(changed);
  }

  const canceled = () => ({ status: "canceled", cancellation_status: "accepted", canceled_at: now() });

  /** Changes an invoice that is in this state; undefined when it is not. */
  async function change(organization: string, id: string, from: string, fields: object): Promise<Shown | undefined> {
    let isChanged = false;
    const shown = await store.update<Shown>(keyOf(organization, "invoice", id), (invoice) => {
      isChanged = invoice["status"] === from;
      return isChanged ? { ...invoice, ...fields } : invoice;
    });
    return isChanged ? shown : undefined;
  }

  async function run({ name, organization, id }: TwinStep): Promise<void> {
    if (typeof organization !== "string" || typeof id !== "string") return;
    const steps: Partial<Record<string, () => Promise<void>>> = {
      recover: async () => announce("invoice.status_updated", await change(organization, id, "pending", stamped())),
      fail: async () => announce("invoice.status_updated", await change(organization, id, "pending", { status: "failed" }), SAT_REFUSAL.message),
      accept: async () => announce("invoice.cancellation_status_updated", await change(organization, id, "valid", canceled())),
    };
    await steps[name]?.();
  }

  async function announce(type: string, invoice: Shown | undefined, problem?: string): Promise<void> {
    const account = invoice && (await store.get<Account>(`organization/${String(invoice["organization"])}`));
    if (!account) return;
    const message = { resource_type: "invoice", resource_id: invoice.id, source: "stamping_async_task", severity: "error", message: problem, created_at: now() };
    const body = JSON.stringify({
      id: randomBytes(12).toString("hex"), created_at: now(), livemode: false, organization: account.organization, type,
      data: { type: "invoice", object: invoice }, related_resource_messages: problem ? [message] : [],
    });
    const signature = createHmac("sha256", account.webhookSecret).update(body).digest("hex");
    await deliver({ url: account.webhookUrl, body, headers: { "content-type": "application/json", "facturapi-signature": signature } });
  }

  // Receipts and lists

  async function receive(account: Account, asked: z.output<typeof ReceiptRequest>): Promise<Response> {
    const items = await resolved(account, asked.items);
    if (!items) return notFound("product_not_found");
    if (asked.idempotency_key && (await store.next(`idempotency/${account.organization}/${asked.idempotency_key}`)) > 1)
      return refusal(409, "idempotency_key_in_use", "La idempotency key ya está siendo usada.");
    const key = randomBytes(6).toString("base64url");
    return Response.json(await keep(account, "receipt", {
      ...asked, items, date: now(), expires_at: new Date(clock.now().getTime() + 7 * 86_400_000).toISOString(), status: "open",
      self_invoice_url: `https://factura.space/empresa-de-prueba/${key}`, key, total: pesos(totalOf(items)), currency: "MXN", exchange: 1,
    }));
  }

  async function list({ organization }: Account, kind: Kind, query: URLSearchParams): Promise<Response> {
    const [page, limit] = [Number(query.get("page") ?? "1"), Number(query.get("limit") ?? "50")];
    if (!(page >= 1 && page <= 30 && limit >= 1 && limit <= 100)) return invalidAt("page", "invalid_value", "La página solicitada excede el límite permitido.", "query");
    const all = (await store.list<Shown>(keyOf(organization, kind))).filter((shown) => matches(shown, query)).reverse();
    const data = all.slice((page - 1) * limit, page * limit);
    return Response.json({ page, total_pages: Math.max(1, Math.ceil(all.length / limit)), total_results: all.length, data });
  }

  async function openAccount({ webhookUrl }: { webhookUrl: string }) {
    const apiKey = `sk_test_${randomBytes(18).toString("base64url").replace(/[-_]/g, "x")}`;
    const account: Account = { organization: randomBytes(12).toString("hex"), webhookUrl, webhookSecret: randomBytes(24).toString("hex") };
    await store.put(`key/${digestOf(apiKey)}`, account);
    await store.put(`organization/${account.organization}`, account);
    return {
      credentials: { api_key: apiKey },
      settings: { payment_form: "03", cfdi_use: "G03", product_key: "80101500", unit_key: "E48", customer_tax_system: "616" },
      webhookSecret: account.webhookSecret,
    };
  }

  return { fetch, openAccount, run };
}

const kinds: Partial<Record<string, Kind>> = { invoices: "invoice", customers: "customer", products: "product", receipts: "receipt" };

function matches(shown: Shown, query: URLSearchParams): boolean {
  const equal = ["external_id", "uuid", "folio_number", "series", "type"].every((name) => !query.has(name) || String(shown[name]) === query.get(name));
  const customer = query.get("customer");
  const isTheirs = !customer || (shown["customer"] as { id?: string } | undefined)?.id === customer;
  const [from, to, q] = [query.get("date[gte]"), query.get("date[lte]"), query.get("q")?.toLowerCase()];
  const date = String(shown["date"] ?? shown.created_at);
  return equal && isTheirs && (!from || date >= from) && (!to || date <= to) && (!q || JSON.stringify(shown).toLowerCase().includes(q));
}

// Totals, in millionths so that no amount passes through a float.

const millionths = (value: number): bigint => {
  const [whole = "0", fraction = ""] = value.toFixed(6).split(".");
  return BigInt(whole + fraction);
};

/** In centavos, half a centavo rounded up. */
function totalOf(items: readonly { quantity: number; discount: number; product: z.output<typeof Product> }[]): bigint {
  return items.reduce((sum, { quantity, discount, product: { price, tax_included: isIncluded, taxes } }) => {
    const net = millionths(quantity) * millionths(price) - millionths(discount) * 1_000_000n;
    const rate = isIncluded ? 0n : (taxes ?? [{ rate: 0.16, withholding: false }]).reduce((all, tax) => all + (tax.withholding ? -1n : 1n) * millionths(tax.rate), 0n);
    const gross = net * (1_000_000n + rate); // in 10^-18
    return sum + (gross + 5n * 10n ** 15n) / 10n ** 16n;
  }, 0n);
}

const pesos = (amountMinor: bigint): number => Number(toDecimal({ amountMinor, currency: "MXN" }));

// Requests and refusals

const required = (field: string) => `El campo "${field}" es requerido.`;
const text = (field: string) => z.string(required(field)).min(1, required(field));

const Tax = z.looseObject({ rate: z.number(required("rate")), type: z.enum(["IVA", "ISR", "IEPS"]).default("IVA"), withholding: z.boolean().default(false) });
const Product = z.looseObject({
  description: text("description"),
  product_key: z.string(required("product_key")).regex(/^\d{8}$/, "No se encontró la clave de producto o servicio."),
  price: z.number(required("price")).positive("El precio debe ser mayor a cero."),
  tax_included: z.boolean().default(true),
  taxability: z.string().default("02"),
  taxes: z.array(Tax).optional(),
  unit_key: z.string().default("H87"),
  unit_name: z.string().default("Elemento"),
});
const Items = z.array(z.looseObject({
  quantity: z.number().positive("La cantidad debe ser mayor a cero.").default(1),
  discount: z.number().min(0).default(0),
  product: z.union([z.string(), Product], required("product")),
}), required("items")).min(1, required("items")).max(5_000);
const Customer = z.looseObject({
  legal_name: text("legal_name"),
  tax_id: z.string(required("tax_id")).regex(/^[A-ZÑ&]{3,4}\d{6}[0-9A-Z]{3}$/, "El RFC no es válido."),
  tax_system: z.string(required("tax_system")).length(3, "El régimen fiscal no es válido."),
  address: z.looseObject({ zip: z.string(required("zip")).length(5, "El código postal no es válido.") }, required("address")),
});
const InvoiceRequest = z.looseObject({
  type: z.literal("I", "El tipo de comprobante no se simula.").default("I"),
  customer: z.union([z.string(), Customer], required("customer")),
  items: Items,
  payment_form: z.string(required("payment_form")).length(2, "La forma de pago no es válida."),
  payment_method: z.enum(["PUE", "PPD"]).default("PUE"),
  use: text("use"),
  currency: z.string().optional(),
  series: z.string().max(25).optional(),
  external_id: z.string().max(100).optional(),
  idempotency_key: z.string().optional(),
});
const ReceiptRequest = z.looseObject({ items: Items, payment_form: z.string(required("payment_form")).length(2), idempotency_key: z.string().optional() });

const requests = { invoice: InvoiceRequest, customer: Customer, product: Product, receipt: ReceiptRequest } satisfies Record<Kind, z.ZodType>;

const bodyOf = (request: Request): Promise<unknown> => request.json().catch(() => undefined);

const SAT_REFUSAL = { message: "El RFC del receptor no se encuentra en la lista de RFC inscritos no cancelados del SAT.", code: "CFDI40145", source: "sat" };

const stampingRefused = (): Response =>
  Response.json({ ok: false, message: "La factura no pasó la validación de timbrado.", status: 400, code: "invoice_stamping_validation_error", errors: [SAT_REFUSAL] }, { status: 400 });

/** The first problem, at its path: within a union, where its only object form fails. */
function invalid({ issues }: z.ZodError): Response {
  const issue = issues[0];
  const [inner] = issue?.code === "invalid_union" ? (issue.errors.at(-1) ?? []) : [];
  const path = [...(issue?.path ?? []), ...(inner?.path ?? [])].join(".");
  return invalidAt(path, "required", inner?.message ?? issue?.message ?? "", "body");
}

const invalidAt = (path: string, code: string, message: string, location: "body" | "query"): Response => Response.json({
  ok: false, message: "La solicitud no es válida.", status: 400, code: "invalid_request", location, path,
  errors: [{ message, code, source: "facturapi", location, path }],
}, { status: 400 });

const refusal = (status: number, code: string, message: string): Response => Response.json({ ok: false, message, status, code }, { status });

const notFound = (code: string): Response => refusal(404, code, "No se encontró el recurso solicitado.");

const digestOf = (value: string): string => createHash("sha256").update(value).digest("hex");

function file({ status }: Shown, content: string, type: string): Response {
  return status === "valid" || status === "canceled"
    ? new Response(content, { headers: { "content-type": type } })
    : refusal(400, "invoice_not_stamped", "La factura no ha sido timbrada.");
}
