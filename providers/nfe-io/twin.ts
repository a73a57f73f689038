/**
 * The twin of NFe.io: accounts of one company each, their service invoices on the way through a city's system, and
 * (`twin-goods.ts`) their invoices of goods on the way through a state's.
 * What it leaves out is in README.md.
 */
import { createHash, createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import { z } from "zod";
import { parseTaxId } from "../../schema/documents.ts";
import { fromDecimal } from "../../schema/money.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";
import { goodsTwin } from "./twin-goods.ts";

export const nfeIoTwin: TwinDefinition = {
  id: "nfe-io",
  hosts: ["api.nfe.io", "api.nfse.io"],
  magic: {
    "amount ending in 13 centavos": "the city refuses the invoice: IssueFailed; of goods: the state does, Error",
    "amount ending in 14 centavos": "the city never answers: WaitingReturn for ever",
  },
  create,
};

interface Account {
  companyId: string;
  webhookUrl: string;
  webhookSecret: string;
}

/** An invoice as the API shows it, with what the API does not show: whose it is. */
interface StoredInvoice {
  companyId: string;
  id: string;
  externalId?: string;
  flowStatus: string;
  servicesAmount: number;
  [field: string]: unknown;
}

/** Service invoices are on one host, invoices of goods on the other. */
const PLACE = /^(?:api\.nfe\.io\/v1|api\.nfse\.io\/v2)\/companies\/([^/]+)\/(serviceinvoices|productinvoices)(?:\/(.+))?$/;
const PAGE_ROWS_DEFAULT = 50;

function create({ store, clock, settleAfterMs, deliver }: TwinContext): Twin {
  const now = () => clock.now().toISOString();
  const invoiceKey = (companyId: string, id: string) => `invoice/${companyId}/${id}`;
  const inSteps = (count: number) => new Date(clock.now().getTime() + count * settleAfterMs);

  const goods = goodsTwin({
    store, clock, settleAfterMs,
    newId: () => randomBytes(16).toString("hex"),
    announce: (companyId, action, payload) => announce(companyId, "product_invoice", { action, payload }),
  });

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname === "/v1/blob/download") return blob(url);
    const [, companyId, kind, rest = ""] = PLACE.exec(url.host + url.pathname) ?? [];
    if (!companyId) return new Response(null, { status: 404 });
    const account = await store.get<Account>(`key/${digestOf(keyOf(request, url))}`);
    if (!account) return new Response(null, { status: 401, headers: { "www-authenticate": "Bearer" } });
    if (account.companyId !== companyId) return Response.json("Company not found.", { status: 404 });
    const [id = "", part = ""] = rest.split("/").map(decodeURIComponent);
    const { method } = request;
    if (kind === "productinvoices") {
      const body: unknown = method === "POST" || method === "PUT" ? await request.json().catch(() => undefined) : undefined;
      return goods.handle({ method, companyId, id, part, query: url.searchParams, body });
    }
    if (method === "GET" && id === "") return list(companyId, url.searchParams);
    if (method === "PUT" && part === "sendemail") return sendEmail(companyId, id);
    if (method === "POST" && id === "") return issue(account, await request.json().catch(() => undefined));
    if (method === "DELETE" && id !== "" && part === "") return cancel(companyId, id);
    if (method === "GET" && id === "external" && part !== "") return search(companyId, part);
    if (method === "GET" && (part === "pdf" || part === "xml")) return file(companyId, id, part);
    if (method === "GET" && id !== "" && part === "") return show(companyId, id);
    return new Response(null, { status: 404 });
  }

  async function issue({ companyId }: Account, body: unknown): Promise<Response> {
    const asked = IssueRequest.safeParse(body);
    if (!asked.success) return refusalOf(asked.error);
    const { externalId } = asked.data;
    if (externalId !== undefined && (await store.next(`external/${companyId}/${externalId}`)) > 1)
      return Response.json(`service invoice with external id (${externalId}) already exists`, { status: 400 });
    const id = randomBytes(12).toString("hex");
    const invoice: StoredInvoice = {
      ...asked.data,
      companyId,
      id,
      environment: "Development",
      flowStatus: "WaitingCalculateTaxes",
      status: "None",
      rpsType: "Rps",
      rpsStatus: "Normal",
      rpsSerialNumber: "IO",
      rpsNumber: await store.next(`rps/${companyId}`),
      baseTaxAmount: asked.data.servicesAmount,
      amountNet: asked.data.servicesAmount,
      createdOn: now(),
      modifiedOn: now(),
    };
    await store.put(invoiceKey(companyId, id), invoice);
    if (externalId !== undefined) await store.put(`external/${companyId}/${externalId}`, id);
    await store.schedule({ name: "send", companyId, id }, inSteps(1));
    if (!neverAnswered(invoice)) await store.schedule({ name: "answer", companyId, id }, inSteps(2));
    return accepted(invoice);
  }

  async function list(companyId: string, query: URLSearchParams): Promise<Response> {
    const invoices = await store.list<StoredInvoice>(invoiceKey(companyId, ""));
    const [page, count] = [Number(query.get("pageIndex") ?? 1), Number(query.get("pageCount") ?? PAGE_ROWS_DEFAULT)];
    return Response.json({ serviceInvoices: invoices.slice((page - 1) * count, page * count).map(shown), page });
  }

  /** No e-mail leaves a twin; that one was asked for is answered. */
  async function sendEmail(companyId: string, id: string): Promise<Response> {
    const invoice = await store.get<StoredInvoice>(invoiceKey(companyId, id));
    return invoice ? Response.json("Email sent.") : notFound(id);
  }

  async function search(companyId: string, externalId: string): Promise<Response> {
    const id = await store.get<string>(`external/${companyId}/${externalId}`);
    const invoice = id && (await store.get<StoredInvoice>(invoiceKey(companyId, id)));
    return Response.json({ serviceInvoices: invoice ? [shown(invoice)] : [], page: 1 });
  }

  async function show(companyId: string, id: string): Promise<Response> {
    const invoice = await store.get<StoredInvoice>(invoiceKey(companyId, id));
    return invoice ? Response.json(shown(invoice)) : notFound(id);
  }

  /** The files are on the other host, under an address that opens without the key. */
  async function file(companyId: string, id: string, kind: string): Promise<Response> {
    const invoice = await store.get<StoredInvoice>(invoiceKey(companyId, id));
    if (!invoice || !["Issued", "Cancelled"].includes(invoice.flowStatus))
      return Response.json({ title: "Not Found", status: 404 }, { status: 404 });
    const location = `https://api.nfse.io/v1/blob/download?b=${kind}&e=${clock.now().getTime()}&s=${digestOf(id)}`;
    return new Response(null, { status: 302, headers: { location } });
  }

  function blob(url: URL): Response {
    if (url.searchParams.get("b") === "xml")
      return new Response("<Nfse><InfNfse></InfNfse></Nfse>", { headers: { "content-type": "application/xml" } });
    return new Response("%PDF-1.4\n%%EOF\n", { headers: { "content-type": "application/pdf" } });
  }

  async function cancel(companyId: string, id: string): Promise<Response> {
    const asked = await change(companyId, id, ["Issued"], { flowStatus: "WaitingSendCancel" });
    if (!asked) return notFound(id);
    if (asked.flowStatus !== "WaitingSendCancel")
      return Response.json("only an issued service invoice can be cancelled", { status: 400 });
    await store.schedule({ name: "cancel", companyId, id }, inSteps(1));
    return accepted(asked);
  }

  /** Changes an invoice that is in one of these states; answers it as it then is, changed or not. */
  async function change(companyId: string, id: string, from: readonly string[], fields: Record<string, unknown>) {
    return store.update<StoredInvoice>(invoiceKey(companyId, id), (invoice) =>
      from.includes(invoice.flowStatus) ? { ...invoice, ...fields, modifiedOn: now() } : invoice);
  }

  async function run({ name, companyId, id }: TwinStep): Promise<void> {
    if (typeof companyId !== "string" || typeof id !== "string") return;
    if (name.startsWith("goods-")) return goods.run(name, companyId, id);
    switch (name) {
      case "send": await change(companyId, id, ["WaitingCalculateTaxes"], { flowStatus: "WaitingReturn" }); break;
      case "answer": await answer(companyId, id); break;
      case "cancel": {
        const done = await change(companyId, id, ["WaitingSendCancel"], {
          flowStatus: "Cancelled",
          status: "Cancelled",
          cancelledOn: now(),
        });
        if (done?.flowStatus === "Cancelled") await announceService("cancelled_successfully", done);
      }
    }
  }

  /** The city answers. A repeat finds the invoice answered and only tells of it again. */
  async function answer(companyId: string, id: string): Promise<void> {
    const waiting = ["WaitingCalculateTaxes", "WaitingReturn"];
    const before = await store.get<StoredInvoice>(invoiceKey(companyId, id));
    if (!before) return;
    if (centavosOf(before) === 13n) {
      const failed = await change(companyId, id, waiting, {
        flowStatus: "IssueFailed",
        status: "Error",
        flowMessage: "E160: o serviço informado não é permitido para o prestador.",
      });
      if (failed?.flowStatus === "IssueFailed") await announceService("issued_failed", failed);
      return;
    }
    const number = waiting.includes(before.flowStatus)
      ? FIRST_NUMBER + (await store.next(`number/${companyId}`))
      : undefined;
    const issued = await change(companyId, id, waiting, {
      flowStatus: "Issued", status: "Issued", number, checkCode: checkCode(), issuedOn: now(),
    });
    if (issued?.flowStatus === "Issued") await announceService("issued_successfully", issued);
  }

  const announceService = (action: string, invoice: StoredInvoice): Promise<void> =>
    announce(invoice.companyId, "service_invoice", { action, payload: shown(invoice) });

  async function announce(companyId: string, event: string, message: object): Promise<void> {
    const account = await store.get<Account>(`company/${companyId}`);
    if (!account) return;
    const body = JSON.stringify(message);
    const signature = createHmac("sha1", account.webhookSecret).update(body).digest("hex").toUpperCase();
    await deliver({
      url: account.webhookUrl,
      body,
      headers: {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "HookShoot/2.0",
        "x-hook-event": event,
        "x-hook-id": randomUUID().replaceAll("-", ""),
        "x-hub-signature": `sha1=${signature}`,
      },
    });
  }

  async function openAccount({ webhookUrl }: { webhookUrl: string }) {
    const apiKey = randomBytes(48).toString("base64url").replace(/[-_]/g, "x");
    const account: Account = {
      companyId: randomBytes(12).toString("hex"),
      webhookUrl,
      webhookSecret: randomBytes(24).toString("hex"),
    };
    await store.put(`key/${digestOf(apiKey)}`, account);
    await store.put(`company/${account.companyId}`, account);
    return {
      credentials: { api_key: apiKey },
      settings: { company_id: account.companyId, city_service_code: "2690", service_description: "Serviços" },
      webhookSecret: account.webhookSecret,
    };
  }

  return { fetch, openAccount, run };
}

/** A city counts on from where the company's earlier invoices stopped. */
const FIRST_NUMBER = 1_000;

/** The key stands alone, after `Basic`, in its own header or in the address; a Bearer token is not taken. */
function keyOf(request: Request, url: URL): string {
  const authorization = request.headers.get("authorization")?.replace(/^Basic /i, "");
  return authorization ?? request.headers.get("x-nfe-apikey") ?? url.searchParams.get("apikey") ?? "";
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const isTaxNumber = (number: number): boolean =>
  [11, 14].some((length) => parseTaxId(String(number).padStart(length, "0"), { environment: "test" }).ok);

// The message of each field is what the API would say; its wording is ours but for the tax number's.
const IssueRequest = z.looseObject({
  cityServiceCode: z.string("city service code is required").min(1, "city service code is required"),
  description: z.string("description is required").min(1, "description is required"),
  servicesAmount: z.number("services amount is required").positive("services amount must be greater than zero"),
  externalId: z.string("external id is not valid").optional(),
  borrower: z.looseObject({
    federalTaxNumber: z.int("borrower federal tax number is not valid")
      .refine(isTaxNumber, "borrower federal tax number is not valid").optional(),
  }).optional(),
});

function refusalOf(error: z.ZodError): Response {
  const { path, message } = error.issues[0] ?? { path: [], message: "is not valid" };
  return Response.json(`${path.join(".") || "body"} ${message}`, { status: 400 });
}

const accepted = (invoice: StoredInvoice): Response => Response.json(shown(invoice), {
  status: 202,
  headers: { location: `http://api.nfe.io/v1/companies/${invoice.companyId}/serviceinvoices/${invoice.id}` },
});

const notFound = (id: string): Response =>
  Response.json(`service invoice with id (${id}) was not found`, { status: 404 });

const shown = ({ companyId: _companyId, ...invoice }: StoredInvoice) => invoice;

const centavosOf = ({ servicesAmount }: StoredInvoice): bigint => (fromDecimal(servicesAmount, "BRL") ?? 0n) % 100n;

const neverAnswered = (invoice: StoredInvoice): boolean => centavosOf(invoice) === 14n;

/** `7KQX-M2PD`: what a city prints for checking an invoice on its page. */
const checkCode = (): string => [4, 4].map((length) =>
  Array.from({ length }, () => CHECK_CODE_LETTERS[randomInt(CHECK_CODE_LETTERS.length)]).join("")).join("-");

const CHECK_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
