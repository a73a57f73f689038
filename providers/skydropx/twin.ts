/**
 * The twin of Skydropx: client credentials, quotations that fill in while they are read, shipments paid from credits that
 * get their label and move by themselves, and signed webhooks. What it leaves out is in README.md.
 */
import { createHash, createHmac, randomBytes, randomInt, randomUUID } from "node:crypto";
import { z } from "zod";
import { fromDecimal, toDecimal } from "../../schema/money.ts";
import type { Twin, TwinContext, TwinDefinition, TwinStep } from "../twin.ts";

/** Codes that no place has. */
const MAGIC = { uncovered: "00901", poor: "00902", cancelled: "00903", returned: "00904", slow: "00905" } as const;

export const skydropxTwin: TwinDefinition = {
  id: "skydropx",
  hosts: ["pro.skydropx.com", "api-pro.skydropx.com", "sb-pro.skydropx.com"],
  magic: {
    [`destination ${MAGIC.uncovered}`]: "no carrier covers it",
    [`destination ${MAGIC.poor}`]: "the credits do not pay the label",
    [`destination ${MAGIC.cancelled}`]: "the label is cancelled and refunded instead of made",
    [`destination ${MAGIC.returned}`]: "the parcel goes back",
    [`destination ${MAGIC.slow}`]: "one carrier never answers, so the quotation is never complete",
  },
  create,
};

interface Account {
  clientId: string;
  secretDigest: string;
  webhookUrl: string;
  webhookSecret: string;
}

interface Quotation {
  id: string;
  clientId: string;
  rates: { id: string; carrier: number }[];
  weightKg: number;
  insured: string;
  to: string;
  read: number;
}

interface Shipment {
  id: string;
  packageId: string;
  clientId: string;
  carrier: string;
  total: string;
  to: string;
  workflow: string;
  payment: string;
  status: string;
  tracking: string | null;
  labelUrl: string | null;
  createdAt: string;
  events: { id: string; status: string; description: string; date: string }[];
}

const TOKEN_VALID_S = 7_200;
/** Centavos for any parcel and for each kilogram begun; days. */
const CARRIERS = [
  { name: "estafeta", title: "Estafeta", service: "Terrestre", code: "estafeta_ground", minor: [11_850n, 1_240n], days: 4 },
  { name: "dhl", title: "DHL", service: "Standard", code: "dhl_standard", minor: [13_300n, 980n], days: 3 },
  { name: "fedex", title: "FedEx", service: "Express Saver", code: "fedex_express_saver", minor: [18_990n, 2_100n], days: 1 },
] as const;

function create({ store, clock, settleAfterMs, deliver }: TwinContext): Twin {
  const shipmentKey = (id: string) => `shipment/${id}`;
  const now = () => clock.now().toISOString();

  async function fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.replace(/^\/api\/v1/, "").replace(/\/$/, "");
    if (path === "/oauth/token") return grant(new URLSearchParams(await request.text()));
    const account = await accountOf(request);
    if (!account) return Response.json({ error: "invalid_token", error_description: "The access token expired" }, { status: 401 });
    const body: unknown = await request.json().catch(() => undefined);
    switch (`${request.method} ${path}`) {
      case "POST /quotations": return quote(account, body);
      case "POST /shipments": return buy(account, body);
      case "GET /shipments": return list(account);
      case "GET /shipments/tracking": return track(account, url.searchParams);
      case "GET /shipments/carrier_services":
        return Response.json({ data: CARRIERS.map(({ name, service, code }) => ({ carrier_name: name, service_name: service, service_code: code })) });
    }
    const [, family, id = "", action] = /^\/(quotations|shipments)\/([^/]+)(\/cancellations)?$/.exec(path) ?? [];
    if (request.method === "GET" && family === "quotations") return readQuotation(account, id);
    if (request.method === "GET" && family === "shipments" && !action) return readShipment(account, id);
    return request.method === "POST" && action ? cancel(account, id) : missing();
  }

  async function grant(form: URLSearchParams): Promise<Response> {
    const account = await store.get<Account>(`account/${form.get("client_id")}`);
    if (!account || account.secretDigest !== digestOf(form.get("client_secret") ?? "") || form.get("grant_type") !== "client_credentials")
      return Response.json({ error: "invalid_client", error_description: "Client authentication failed" }, { status: 401 });
    const token = randomBytes(32).toString("base64url");
    await store.put(`token/${digestOf(token)}`, { clientId: account.clientId, until: clock.now().getTime() + TOKEN_VALID_S * 1_000 });
    return Response.json({
      access_token: token, token_type: "Bearer", expires_in: TOKEN_VALID_S, scope: "default", created_at: Math.floor(clock.now().getTime() / 1_000),
    });
  }

  async function accountOf(request: Request): Promise<Account | undefined> {
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    const known = await store.get<{ clientId: string; until: number }>(`token/${digestOf(token)}`);
    return known && known.until > clock.now().getTime() ? store.get<Account>(`account/${known.clientId}`) : undefined;
  }

  /** The same question is the same quotation. */
  async function quote({ clientId }: Account, body: unknown): Promise<Response> {
    const asked = QuotationRequest.safeParse(body);
    if (!asked.success) return unprocessable(asked.error);
    const key = `asked/${digestOf(JSON.stringify([clientId, body]))}`;
    const known = await store.get<string>(key);
    if (known) return Response.json(shownQuotation((await filled(known))!), { status: 201 });
    const { address_to: to, parcels } = asked.data.quotation;
    const quotation: Quotation = {
      id: randomUUID(),
      clientId,
      rates: CARRIERS.map((_, carrier) => ({ id: randomUUID(), carrier })),
      weightKg: parcels.reduce((sum, { weight }) => sum + weight, 0),
      insured: String(parcels[0]?.declared_value ?? 0),
      to: to.postal_code,
      read: 0,
    };
    await store.put(`quotation/${quotation.id}`, quotation);
    await store.put(key, quotation.id);
    for (const { id } of quotation.rates) await store.put(`rate/${id}`, quotation.id);
    return Response.json(shownQuotation(quotation), { status: 201 });
  }

  async function readQuotation({ clientId }: Account, id: string): Promise<Response> {
    const quotation = await filled(id);
    return quotation?.clientId === clientId ? Response.json(shownQuotation(quotation)) : missing();
  }

  const filled = (id: string) => store.update<Quotation>(`quotation/${id}`, (current) => ({ ...current, read: current.read + 1 }));

  /** A rate is bought once: asked for again, it is answered with what it bought. */
  async function buy(account: Account, body: unknown): Promise<Response> {
    const asked = ShipmentRequest.safeParse(body);
    if (!asked.success) return unprocessable(asked.error);
    const { rate_id: rateId } = asked.data.shipment;
    const bought = await store.get<string>(`bought/${rateId}`);
    if (bought) return Response.json(shownShipment((await store.get<Shipment>(shipmentKey(bought)))!));
    const quotation = await store.get<Quotation>(`quotation/${await store.get<string>(`rate/${rateId}`)}`);
    const rate = quotation?.rates.find(({ id }) => id === rateId);
    if (!quotation || !rate || quotation.clientId !== account.clientId)
      return Response.json({ errors: { rate_id: ["no es válido"] } }, { status: 422 });
    if (quotation.to === MAGIC.poor)
      return Response.json({ errors: ["No tienes los créditos suficientes para este envío. Agrega créditos y continúa."] }, { status: 422 });
    const shipment: Shipment = {
      id: randomUUID(),
      packageId: randomUUID(),
      clientId: account.clientId,
      carrier: CARRIERS[rate.carrier]!.name,
      total: totalOf(quotation, rate.carrier),
      to: quotation.to,
      workflow: "in_progress",
      payment: "paid",
      status: "created",
      tracking: null,
      labelUrl: null,
      createdAt: now(),
      events: [],
    };
    await store.put(shipmentKey(shipment.id), shipment);
    await store.put(`bought/${rateId}`, shipment.id);
    for (const [index, name] of ["label", "pick_up", "arrive"].entries())
      await store.schedule({ name, id: shipment.id }, new Date(clock.now().getTime() + (index + 1) * settleAfterMs));
    return Response.json(shownShipment(shipment), { status: 202 });
  }

  async function list({ clientId }: Account): Promise<Response> {
    const own = (await store.list<Shipment>("shipment/")).filter((one) => one.clientId === clientId);
    return Response.json({ data: own.map((one) => shownShipment(one).data) });
  }

  async function readShipment({ clientId }: Account, id: string): Promise<Response> {
    const shipment = await store.get<Shipment>(shipmentKey(id));
    return shipment?.clientId === clientId ? Response.json(shownShipment(shipment)) : missing();
  }

  async function cancel(account: Account, id: string): Promise<Response> {
    const shipment = await store.get<Shipment>(shipmentKey(id));
    if (shipment?.clientId !== account.clientId) return missing();
    const changed = await move(id, "created", { workflow: "cancelled", payment: "refunded", status: "canceled" });
    if (changed?.status !== "canceled") return Response.json({ errors: ["El envío no puede ser cancelado."] }, { status: 422 });
    return Response.json({ data: { id: randomUUID(), type: "cancellation", attributes: { shipment_id: id, status: "approved" } } }, { status: 201 });
  }

  async function track({ clientId }: Account, query: URLSearchParams): Promise<Response> {
    const found = (await store.list<Shipment>("shipment/")).find((one) =>
      one.clientId === clientId && one.tracking === query.get("tracking_number") && one.carrier === query.get("carrier_name"));
    if (!found) return missing();
    const data = found.events.toReversed().map(({ id, status, description, date }) => ({
      id, type: "shipment_event", attributes: { status, description: description || null, event_description: description, location: null, date },
    }));
    return Response.json({ data });
  }

  /** A repeat finds it done and only tells of it again. */
  async function run({ name, id }: TwinStep): Promise<void> {
    if (typeof id !== "string") return;
    const shipment = await store.get<Shipment>(shipmentKey(id));
    if (!shipment || shipment.status === "canceled") return;
    if (name === "label") {
      await (shipment.to === MAGIC.cancelled
        ? move(id, "created", { workflow: "cancelled", payment: "refunded", status: "canceled" })
        : move(id, "created", { workflow: "success", tracking: `8${randomInt(1e9).toString().padStart(9, "0")}`, labelUrl: `https://sb-pro.skydropx.com/labels/${randomBytes(9).toString("base64url")}.pdf` }));
    }
    if (name === "pick_up") await move(id, "created", { status: "picked_up" });
    if (name === "arrive") await move(id, "picked_up", { status: shipment.to === MAGIC.returned ? "in_return" : "delivered" });
    await announce(id);
  }

  async function move(id: string, from: string, change: Partial<Shipment>): Promise<Shipment | undefined> {
    return store.update<Shipment>(shipmentKey(id), (current) => {
      if (current.status !== from || (change.tracking && current.tracking)) return current;
      const { status } = change;
      // The tracking begins when the parcel is picked up.
      const event = status && status !== "canceled" ? [{ id: randomUUID(), status, description: TEXTS[status] ?? "", date: now() }] : [];
      return { ...current, ...change, events: [...current.events, ...event] };
    });
  }

  async function announce(id: string): Promise<void> {
    const shipment = await store.get<Shipment>(shipmentKey(id));
    const account = shipment && (await store.get<Account>(`account/${shipment.clientId}`));
    if (!account) return;
    const { packageId, status, tracking, labelUrl } = shipment;
    const body = JSON.stringify({
      data: {
        id: packageId,
        type: "packages",
        attributes: {
          status, tracking_number: tracking, tracking_url_provider: null, label_url: labelUrl, event_description: TEXTS[status] ?? "",
          returned: status === "in_return", returned_status: status === "in_return" ? "in_transit" : null,
        },
        relationships: { shipment: { data: { id, type: "shipments" } } },
      },
    });
    const signature = createHmac("sha512", account.webhookSecret).update(body).digest("hex");
    await deliver({ url: account.webhookUrl, body, headers: { "content-type": "application/json", authorization: `HMAC ${signature}` } });
  }

  async function openAccount({ webhookUrl }: { webhookUrl: string }) {
    const secret = () => randomBytes(32).toString("base64url").replace(/[-_]/g, "x");
    const [clientId, clientSecret, webhookSecret] = [secret(), secret(), secret()];
    await store.put(`account/${clientId}`, { clientId, secretDigest: digestOf(clientSecret), webhookUrl, webhookSecret });
    return {
      credentials: { client_id: clientId, client_secret: clientSecret },
      settings: {
        contact_email: "sandbox@example.com",
        consignment_note: "53102400",
        origin_postal_code: "64000",
        origin_name: "Tienda de Prueba",
        origin_phone: "8181234567",
        origin_line_1: "Avenida Constitución",
        origin_number: "100",
        origin_district: "Centro",
        origin_city: "Monterrey",
        origin_state: "Nuevo León",
        parcel_weight_g: "500",
        parcel_width_cm: "16",
        parcel_height_cm: "6",
        parcel_length_cm: "22",
      },
      webhookSecret,
    };
  }

  return { fetch, openAccount, run };
}

const TEXTS: Partial<Record<string, string>> = { in_return: "Paquete en retorno" };

function shownQuotation(quotation: Quotation) {
  const { id, rates, to, read } = quotation;
  const isPending = (carrier: number) => read === 0 || (to === MAGIC.slow && carrier === 1);
  return {
    id,
    is_completed: !rates.some(({ carrier }) => isPending(carrier)),
    rates: rates.map(({ id: rateId, carrier: index }) => {
      const { name, title, service, code, days } = CARRIERS[index]!;
      const total = totalOf(quotation, index);
      const head = {
        id: rateId, provider_name: name, provider_display_name: title, provider_service_name: service, provider_service_code: code,
      };
      if (isPending(index)) return { ...head, success: false, status: "pending", amount: null, total: null, days: null };
      if (to === MAGIC.uncovered) return { ...head, success: false, status: "no_coverage", amount: null, total: null, days: null };
      return { ...head, success: true, status: "price_found_internal", currency_code: "MXN", amount: total, total, days };
    }),
  };
}

function totalOf({ weightKg, insured }: Quotation, carrier: number): string {
  const [base, kilogram] = CARRIERS[carrier]!.minor;
  const amountMinor = base + kilogram * BigInt(Math.ceil(weightKg)) + (fromDecimal(insured, "MXN") ?? 0n) / 50n;
  return toDecimal({ amountMinor, currency: "MXN" });
}

function shownShipment({ id, packageId, carrier, total, workflow, payment, status, tracking, labelUrl, createdAt }: Shipment) {
  const error = { error_code: null, error_message: null, error_message_detail: null };
  return {
    data: {
      id,
      type: "shipment",
      attributes: {
        carrier_name: carrier, workflow_status: workflow, payment_status: payment, total, source: "api", master_tracking_number: tracking,
        error_detail: error, created_at: createdAt, updated_at: createdAt,
      },
      relationships: { packages: { data: [{ id: packageId, type: "package" }] } },
    },
    included: [{ id: packageId, type: "package", attributes: { tracking_number: tracking, tracking_status: status, label_url: labelUrl } }],
  };
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");

const blank = "no puede estar en blanco";
const Text = z.string(blank).min(1, blank);
const AreaRequest = z.object({
  country_code: Text, postal_code: z.string(blank).regex(/^\d{5}$/, "no existe"), area_level1: Text, area_level2: Text,
  reference: z.string().max(30, "es demasiado largo").optional(),
});
const QuotationRequest = z.object({
  quotation: z.object({
    address_from: AreaRequest,
    address_to: AreaRequest,
    parcels: z.array(z.object({
      length: z.int().positive(), width: z.int().positive(), height: z.int().positive(), weight: z.number().positive(), declared_value: z.number().optional(),
    })).min(1, blank),
  }),
});
const ContactRequest = z.object({ street1: Text, name: Text, company: Text, phone: z.string(blank).regex(/^\d{10}$/, "no es válido"), email: Text });
const ShipmentRequest = z.object({
  shipment: z.object({
    rate_id: Text,
    address_from: ContactRequest,
    address_to: ContactRequest,
    packages: z.array(z.object({ package_number: Text, package_type: Text, consignment_note: z.string(blank).regex(/^\d{8}$/, "no está incluido en la lista") })).min(1, blank),
  }),
});

/** `{ errors: { address_to: { phone: ["no es válido"] } } }`. */
function unprocessable(error: z.ZodError): Response {
  const { path, message } = error.issues[0] ?? { path: [], message: "" };
  const errors = path.slice(1).reduceRight<unknown>((inner, name) => ({ [String(name)]: inner }), [message]);
  return Response.json({ errors }, { status: 422 });
}

const missing = (): Response => Response.json({ error: "Not Found" }, { status: 404 });
