/** AFIP: tickets, numbering, the vouchers of three letters, refusals by 200, its own questions. The suite has the common faults. */
import { readFileSync } from "node:fs";
import { generateKeyPairSync, verify, X509Certificate } from "node:crypto";
import { ContentInfo, SignedData } from "@peculiar/asn1-cms";
import { AsnConvert } from "@peculiar/asn1-schema";
import { describe, expect, test } from "vitest";
import { readIdentity, signedData } from "../../providers/afip/cms.ts";
import { afip, APPLIED_WITHIN_MS } from "../../providers/afip/index.ts";
import { parseXml, xml } from "../../providers/afip/soap.ts";
import { afipTwin, TICKET_LASTS_MS } from "../../providers/afip/twin.ts";
import { TWIN_CERTIFICATE, TWIN_PRIVATE_KEY } from "../../providers/afip/twin-identity.ts";
import { Passthrough } from "../../providers/native.ts";
import { OutcomeUnknown, SetupMissing, Unanswered, type CallContext } from "../../providers/provider.ts";
import { MemoryTwinStore } from "../../providers/twin-memory.ts";
import { invoice, type InvoiceRequest } from "../../schema/meta-tools/invoice.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { providerConformance } from "../support/provider-conformance.ts";

const REFERENCE = "0b0e6c1e-6d0f-4f6d-9a53-2f6a52b7c111";
const OTHER_REFERENCE = "9c1b3c0a-98b1-4e93-8b9b-4cf47c7e2222";
const COMPANY = "30-50001091-2";
const PERSON = "20-11111111-2";

const sale = (change: Record<string, unknown> = {}): InvoiceRequest => invoice.input.parse({
  type: "factura_ar", recipient: { name: "Almacén Sur SA", document: COMPANY }, items: [{ description: "Consultoría", amount: 12_100_000 }], ...change,
});

const ofTotal = (amount: number, recipient?: object) => sale({ items: [{ description: "Consultoría", amount }], ...(recipient && { recipient }) });
const finalConsumer = { name: "Ana" };

describe("a factura", () => providerConformance({
  definition: afip, twin: afipTwin,
  verbs: { invoice: { request: sale(), declined: ofTotal(10_013), settles: { to: "authorized", withinSteps: 1 }, carriesReference: false } },
}));

interface Received {
  host: string;
  path: string;
  action: string;
  text: string;
  body: any;
}

async function start({ settings = {}, credentials = {}, live = false }: { settings?: Record<string, string>; credentials?: Record<string, string>; live?: boolean } = {}) {
  const clock = new FakeClock(new Date("2026-11-20T12:00:00.000Z"));
  const store = new MemoryTwinStore(clock);
  const received: Received[] = [];
  const twin = afipTwin.create({ store, clock, settleAfterMs: 1_000, deliver: async () => {} });
  const account = await twin.openAccount({ webhookUrl: "https://shop.example/hook" });
  /** Answers in the twin's place while it is set. */
  const instead: { answer?: (received: Received) => Response | Promise<Response> | undefined } = {};
  const baseUrl = live ? afip.hosts.live : afip.hosts.test;
  // Every world its own certificate text, or the tickets of one would be used in the next, whose clock is another.
  const certificate = `${account.credentials["certificate"]}# ${account.settings["cuit"]}\n`;
  const connection = { credentials: { ...account.credentials, certificate, ...credentials }, settings: { ...account.settings, ...settings }, baseUrl };
  const fetch = async (request: Request) => {
    const text = await request.clone().text();
    const { host, pathname } = new URL(request.url);
    const { Envelope: { Body: body } } = parseXml(text) as { Envelope: { Body: Received["body"] } };
    const one = { host, path: pathname, action: request.headers.get("soapaction")!, text, body };
    received.push(one);
    return (await instead.answer?.(one)) ?? twin.fetch(request);
  };
  const provider = afip.connect(connection, fetch);
  return {
    clock, received, account, instead, twin,
    /** The operations that went out, by name. */
    sent: () => received.map(({ body }) => Object.keys(body)[0]),
    /** The voucher that was asked for last. */
    detail: () => received.findLast(({ body }) => body.FECAESolicitar)!.body.FECAESolicitar.FeCAEReq.FeDetReq.FECAEDetRequest,
    issue: (request: InvoiceRequest, call: CallContext) => provider.invoice!(request, call),
    lookup: (call: CallContext, ref?: string) => provider.lookup!({ verb: "invoice", reference: call.reference, ref, currency: "ARS" }, call),
    /** A tool of ARCA's own, as the server runs it. */
    async tool(name: string, args: object = {}): Promise<any> {
      const tool = afip.native!.tools.find((each) => each.name === name)!;
      const call = newCall(clock);
      return afip.native!.client(connection, fetch).ask(tool.request(tool.input.parse(args), call), Passthrough, call);
    },
  };
}

function newCall(clock: FakeClock, reference = REFERENCE): CallContext {
  const call: CallContext = {
    reference, toolCallId: "tc_1", clock, signal: undefined, acted: false, notes: {},
    note: async (notes) => void (call.notes = { ...call.notes, ...notes }),
  };
  return call;
}

const envelope = (body: string, status = 200) => new Response(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`, { status });
const result = (operation: string, content: string) => envelope(`<${operation}Response><${operation}Result>${content}</${operation}Result></${operation}Response>`);
const fault = (code: string, text: string) => envelope(`<s:Fault><faultcode>${code}</faultcode><faultstring>${text}</faultstring></s:Fault>`, 500);
const error = (code: number, text = "…") => `<Errors><Err><Code>${code}</Code><Msg>${text}</Msg></Err></Errors>`;

describe("a ticket", () => {
  test("is asked for once, by a signed request that lives ten minutes either way, and used for every service call", async () => {
    const { issue, received, sent, clock } = await start();
    await issue(sale(), newCall(clock));
    await issue(sale(), newCall(clock, OTHER_REFERENCE));
    expect(sent()).toEqual(["loginCms", "FECompUltimoAutorizado", "FECAESolicitar", "FECompUltimoAutorizado", "FECAESolicitar"]);
    expect(received[0]).toMatchObject({ host: "wsaahomo.afip.gov.ar", path: "/ws/services/LoginCms", action: '""' });
    const { content } = AsnConvert.parse(Buffer.from(received[0]!.body.loginCms.in0, "base64"), ContentInfo);
    const signed = AsnConvert.parse(content, SignedData);
    const request = Buffer.from(signed.encapContentInfo.eContent!.single!.buffer);
    expect(parseXml(request.toString())).toMatchObject({
      loginTicketRequest: { header: { uniqueId: "1795176000", generationTime: "2026-11-20T08:50:00-03:00", expirationTime: "2026-11-20T09:10:00-03:00" }, service: "wsfe" },
    });
    expect(verify("sha256", request, new X509Certificate(TWIN_CERTIFICATE).publicKey, Buffer.from(signed.signerInfos[0]!.signature.buffer))).toBe(true);
  });

  test("goes with the issuer's CUIT to the service, at the address of its environment", async () => {
    const { issue, received, clock, account } = await start({ live: true });
    await issue(sale(), newCall(clock));
    expect(received.map(({ host, path }) => host + path)).toEqual([
      "wsaa.afip.gov.ar/ws/services/LoginCms", "servicios1.afip.gov.ar/wsfev1/service.asmx", "servicios1.afip.gov.ar/wsfev1/service.asmx",
    ]);
    expect(received[1]).toMatchObject({ action: '"http://ar.gov.afip.dif.FEV1/FECompUltimoAutorizado"' });
    expect(received[1]!.body.FECompUltimoAutorizado).toEqual({
      Auth: { Token: expect.any(String), Sign: expect.any(String), Cuit: account.settings["cuit"] }, PtoVta: "1", CbteTipo: "1",
    });
  });

  test("is replaced when it ends, and when the service refuses it early", async () => {
    const { issue, sent, clock, instead } = await start();
    await issue(sale(), newCall(clock));
    await clock.advance(TICKET_LASTS_MS);
    await issue(sale(), newCall(clock));
    expect(sent().filter((name) => name === "loginCms")).toHaveLength(2);
    instead.answer = ({ body }) => (body.FECompUltimoAutorizado ? result("FECompUltimoAutorizado", error(600, "ValidacionDeToken: No validaron las fechas")) : undefined);
    expect(await issue(sale(), newCall(clock))).toMatchObject({ outcome: "declined", reason: "unauthorized", message: expect.stringContaining("600: ValidacionDeToken") });
    delete instead.answer;
    expect(await issue(sale(), newCall(clock))).toMatchObject({ outcome: "accepted" });
    expect(sent().filter((name) => name === "loginCms")).toHaveLength(3);
  });

  test.each(["ns1:cms.cert.untrusted", "ns1:cms.sign.invalid", "ns1:coe.notAuthorized", "ns1:wsn.notFound"])("a login refused by %s is declined", async (code) => {
    const { issue, clock, instead } = await start();
    instead.answer = () => fault(code, "Certificado no emitido por AC de confianza");
    const call = newCall(clock);
    expect(await issue(sale(), call)).toEqual({ outcome: "declined", reason: "unauthorized", message: `${code}: Certificado no emitido por AC de confianza` });
    expect(call.acted).toBe(false);
  });

  test.each([
    ["a ticket that another process holds", () => fault("ns1:coe.alreadyAuthenticated", "El CEE ya posee un TA valido")],
    ["trouble of WSAA's own", () => fault("ns1:soapenv:Server", "java.lang.NullPointerException")],
    ["a page instead of an answer", () => new Response("<html>mantenimiento</html>", { status: 500 })],
    ["an answer without a ticket", () => envelope("<loginCmsResponse><loginCmsReturn>none</loginCmsReturn></loginCmsResponse>")],
  ])("%s is no refusal: nothing was sent, and a later call may go", async (_what, answer) => {
    const { issue, clock, instead } = await start();
    instead.answer = answer;
    const call = newCall(clock);
    await expect(issue(sale(), call)).rejects.toBeInstanceOf(Unanswered);
    expect(call.acted).toBe(false);
    delete instead.answer;
    expect(await issue(sale(), call)).toMatchObject({ outcome: "accepted" });
  });

  test("a key that is another certificate's, or none, is refused before anything is sent, and not quoted", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    for (const private_key of [other, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"]) {
      const { issue, clock, received } = await start({ credentials: { private_key } });
      const outcome = await issue(sale(), newCall(clock));
      expect(outcome).toMatchObject({ outcome: "declined", reason: "unauthorized" });
      expect(JSON.stringify(outcome)).not.toContain("c2VjcmV0");
      expect(received).toEqual([]);
    }
  });
});

describe("the signature", () => {
  const identity = readIdentity({ certificate: TWIN_CERTIFICATE, key: TWIN_PRIVATE_KEY })!;

  test("is a SignedData with the content, the certificate and one signer, named by issuer and serial number", () => {
    const { contentType, content } = AsnConvert.parse(signedData(Buffer.from("<a>ñ</a>"), identity), ContentInfo);
    const { version, encapContentInfo, certificates, signerInfos } = AsnConvert.parse(content, SignedData);
    expect([contentType, version, encapContentInfo.eContentType, certificates?.length, signerInfos.length]).toEqual(["1.2.840.113549.1.7.2", 1, "1.2.840.113549.1.7.1", 1, 1]);
    expect(Buffer.from(encapContentInfo.eContent!.single!.buffer).toString()).toBe("<a>ñ</a>");
    const [signer] = signerInfos;
    expect(Buffer.from(signer!.sid.issuerAndSerialNumber!.serialNumber).toString("hex")).toBe(identity.certificate.serialNumber.toLowerCase());
    expect([signer!.digestAlgorithm.algorithm, signer!.signatureAlgorithm.algorithm]).toEqual(["2.16.840.1.101.3.4.2.1", "1.2.840.113549.1.1.1"]);
    expect(verify("sha256", Buffer.from("<a>ñ</a>"), identity.certificate.publicKey, Buffer.from(signer!.signature.buffer))).toBe(true);
  });

  test("the twin's key says in its own file that it is for tests only", () => {
    expect(readFileSync(new URL("../../providers/afip/twin-identity.ts", import.meta.url), "utf8")).toContain("TEST ONLY");
  });
});

describe("XML", () => {
  test("values are escaped, undefined is left out, lists are repeated, the order stays", () => {
    expect(xml({ b: "<&>", a: [{ c: 1 }, { c: 2 }], d: undefined, e: { f: "" } })).toBe("<b>&lt;&amp;&gt;</b><a><c>1</c></a><a><c>2</c></a><e><f></f></e>");
  });

  test.each(["<a><b>1</b>", "<a>1</a><b>", "", "<html><br></html>", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'])("%s is not read", (text) => {
    expect(() => parseXml(text)).toThrow();
  });
});

describe("a voucher", () => {
  test("of a company to a registered buyer is a factura A: net and VAT apart, in the order of the schema", async () => {
    const { issue, detail, received, clock } = await start();
    await issue(sale({ dueDate: "2026-12-05" }), newCall(clock));
    expect(received.at(-1)!.body.FECAESolicitar.FeCAEReq.FeCabReq).toEqual({ CantReg: "1", PtoVta: "1", CbteTipo: "1" });
    expect(detail()).toEqual({
      Concepto: "2", DocTipo: "80", DocNro: "30500010912", CbteDesde: "1", CbteHasta: "1", CbteFch: "20261120",
      ImpTotal: "121000.00", ImpTotConc: "0.00", ImpNeto: "100000.00", ImpOpEx: "0.00", ImpTrib: "0.00", ImpIVA: "21000.00",
      FchServDesde: "20261120", FchServHasta: "20261120", FchVtoPago: "20261205", MonId: "PES", MonCotiz: "1", CondicionIVAReceptorId: "1",
      Iva: { AlicIva: { Id: "5", BaseImp: "100000.00", Importe: "21000.00" } },
    });
    expect(Object.keys(detail())).toEqual([
      "Concepto", "DocTipo", "DocNro", "CbteDesde", "CbteHasta", "CbteFch", "ImpTotal", "ImpTotConc", "ImpNeto", "ImpOpEx", "ImpTrib", "ImpIVA",
      "FchServDesde", "FchServHasta", "FchVtoPago", "MonId", "MonCotiz", "CondicionIVAReceptorId", "Iva",
    ]);
  });

  test.each([
    ["nobody named", finalConsumer, { DocTipo: "99", DocNro: "0", CondicionIVAReceptorId: "5" }, "6"],
    ["a DNI", { document: "12.345.678" }, { DocTipo: "96", DocNro: "12345678", CondicionIVAReceptorId: "5" }, "6"],
    ["a monotributista", { document: PERSON, address: { vat_condition: "monotributo" } }, { DocTipo: "80", DocNro: "20111111112", CondicionIVAReceptorId: "6" }, "1"],
    ["an exempt buyer", { document: COMPANY, address: { vat_condition: "4" } }, { DocTipo: "80", CondicionIVAReceptorId: "4" }, "6"],
    ["a buyer with a CUIT that says nothing", { document: COMPANY }, { DocTipo: "80", CondicionIVAReceptorId: "1" }, "1"],
  ])("to %s has the letter and the condition of that buyer", async (_who, recipient, expected, type) => {
    const { issue, detail, received, clock } = await start();
    expect(await issue(sale({ recipient }), newCall(clock))).toMatchObject({ outcome: "accepted" });
    expect(received.at(-1)!.body.FECAESolicitar.FeCAEReq.FeCabReq.CbteTipo).toBe(type);
    expect(detail()).toMatchObject(expected);
  });

  test.each(["monotributo", "exento"])("of an issuer that is %s is a factura C, without VAT", async (vat_condition) => {
    const { issue, detail, received, clock } = await start({ settings: { vat_condition } });
    expect(await issue(ofTotal(12_100), newCall(clock))).toMatchObject({ outcome: "accepted", ref: "11-1-1" });
    expect(received.at(-1)!.body.FECAESolicitar.FeCAEReq.FeCabReq.CbteTipo).toBe("11");
    expect(detail()).toMatchObject({ ImpTotal: "121.00", ImpNeto: "121.00", ImpIVA: "0.00" });
    expect(detail()).not.toHaveProperty("Iva");
  });

  test.each([
    ["21", 100, "0.83", "0.17", "5"], ["10.5", 110_500, "1000.00", "105.00", "4"], ["27", 100, "0.79", "0.21", "6"], ["2.5", 102_501, "1000.01", "25.00", "9"],
    ["5", 105_000, "1000.00", "50.00", "8"], ["0", 5_000, "50.00", "0.00", "3"],
  ])("at %s per cent, %s centavos are %s net and %s VAT, and never a centavo more or less", async (vat_rate, amount, ImpNeto, ImpIVA, Id) => {
    const { issue, detail, clock } = await start({ settings: { vat_rate } });
    expect(await issue(ofTotal(amount), newCall(clock))).toMatchObject({ outcome: "accepted", result: { amount: BigInt(amount) } });
    expect(detail()).toMatchObject({ ImpNeto, ImpIVA, Iva: { AlicIva: { Id, BaseImp: ImpNeto, Importe: ImpIVA } } });
  });

  test("what is exempt from VAT has no net amount and no rate", async () => {
    const { issue, detail, clock } = await start({ settings: { vat_rate: "exento" } });
    expect(await issue(ofTotal(5_000), newCall(clock))).toMatchObject({ outcome: "accepted" });
    expect(detail()).toMatchObject({ ImpNeto: "0.00", ImpOpEx: "50.00", ImpIVA: "0.00" });
    expect(detail()).not.toHaveProperty("Iva");
  });

  test("for goods has no dates of a service, and its day is the day in Buenos Aires", async () => {
    const { issue, detail, clock } = await start({ settings: { concept: "1" } });
    await clock.advance(14 * 3_600_000); // 02:00 UTC of the 21st
    await issue(sale(), newCall(clock));
    expect(detail()).toMatchObject({ Concepto: "1", CbteFch: "20261120" });
    expect(detail()).not.toHaveProperty("FchVtoPago");
  });

  test.each([
    ["recipient.document", { recipient: { document: "30-50001091-3" } }, {}],
    ["recipient.document", { recipient: { document: "12345678", address: { vat_condition: "responsable_inscripto" } } }, {}],
    ["recipient.address.vat_condition", { recipient: { document: PERSON } }, { buyer_vat_condition: "" }],
    ["recipient.address.vat_condition", { recipient: { document: COMPANY, address: { vat_condition: "rich" } } }, {}],
    ["items", { items: [] }, {}],
    ["items.1.amount", { items: [{ amount: 100 }, { description: "B" }] }, {}],
    ["dueDate", { dueDate: "2026-11-19" }, {}],
  ])("what cannot be one names %s and is not sent", async (field, change, settings: Record<string, string>) => {
    const { issue, received, clock } = await start({ settings });
    expect(await issue(sale(change), newCall(clock))).toMatchObject({ outcome: "declined", reason: "invalid_request", field });
    expect(received).toEqual([]);
  });

  test.each([
    ["cuit", { cuit: "" }], ["point_of_sale", { point_of_sale: "one" }], ["vat_condition", { vat_condition: "rich" }], ["concept", { concept: "4" }], ["vat_rate", { vat_rate: "22" }],
  ])("without a usable %s an operator is asked, and nothing is sent", async (setting, settings) => {
    const { issue, received, clock } = await start({ settings });
    const missing = await issue(sale(), newCall(clock)).catch((thrown: unknown) => thrown);
    expect(missing).toBeInstanceOf(SetupMissing);
    expect(missing).toMatchObject({ setting });
    expect(received).toEqual([]);
  });

  test("documents of other countries and amendments are declined", async () => {
    const { issue, received, clock } = await start();
    expect(await issue(sale({ type: "nfse" }), newCall(clock))).toMatchObject({ reason: "not_permitted", field: "type" });
    expect(await issue(sale({ action: "amend", invoice_id: "x" }), newCall(clock))).toMatchObject({ reason: "not_permitted", field: "action" });
    expect(received).toEqual([]);
  });
});

describe("what comes of it", () => {
  test("the answer has number, CAE and day; a lookup and a status read say the same, and when it was processed", async () => {
    const { issue, lookup, clock } = await start();
    const call = newCall(clock);
    const kept = { id: "1-1-1", status: "autorizada", number: "00001-00000001", access_key: expect.stringMatching(/^\d{14}$/), issued_at: "2026-11-20" };
    const outcome = await issue(sale(), call);
    expect(outcome).toEqual({ outcome: "accepted", ref: "1-1-1", state: "authorized", action: "A", result: { ...kept, amount: 12_100_000n } });
    const observed = { ref: "1-1-1", state: "authorized", action: "A", occurredAt: new Date("2026-11-20T12:00:00.000Z"), amountMinor: 12_100_000n, currency: "ARS", result: kept };
    expect(await lookup(newCall(clock), "1-1-1")).toEqual(observed);
    expect(await lookup(call)).toEqual(observed);
    const read = newCall(clock, OTHER_REFERENCE);
    expect(await issue(sale({ action: "status", invoice_id: "1-1-1" }), read)).toEqual(outcome);
    expect(read.acted).toBe(false);
  });

  test.each(["1-1-2", "1-1", "Invoice 1", undefined])("a status read of %s names the field", async (invoice_id) => {
    const { issue, clock } = await start();
    await issue(sale(), newCall(clock));
    expect(await issue(sale({ action: "status", ...(invoice_id && { invoice_id }) }), newCall(clock))).toMatchObject({ outcome: "declined", field: "invoice_id" });
  });

  test("a refusal comes with a 200, is declined with its code, and leaves nothing to look for", async () => {
    const { issue, clock } = await start();
    const call = newCall(clock);
    expect(await issue(ofTotal(10_013), call)).toEqual({ outcome: "declined", reason: "invalid_request", message: "10015: El campo DocNro no es valido." });
    expect(call.acted).toBe(false);
    expect(await issue(sale(), newCall(clock))).toMatchObject({ outcome: "accepted", ref: "1-1-1" });
  });

  test.each([
    ["an active transaction", error(502, "Transacción Activa")],
    ["an approval without a CAE", "<FeDetResp><FECAEDetResponse><CbteFch>20261120</CbteFch><Resultado>A</Resultado></FECAEDetResponse></FeDetResp>"],
    ["a word that is new", "<FeDetResp><FECAEDetResponse><CbteFch>20261120</CbteFch><Resultado>X</Resultado></FECAEDetResponse></FeDetResp>"],
    ["nothing in the answer", ""],
  ])("%s neither authorizes nor refuses: the outcome is unknown", async (_what, content) => {
    const { issue, clock, instead } = await start();
    instead.answer = ({ body }) => (body.FECAESolicitar ? result("FECAESolicitar", content) : undefined);
    const call = newCall(clock);
    await expect(issue(sale(), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(call.acted).toBe(true);
  });

  test("the twin's active transaction, too, and a lookup later finds that nothing was made", async () => {
    const { issue, lookup, clock } = await start();
    const call = newCall(clock);
    await expect(issue(ofTotal(10_014), call)).rejects.toBeInstanceOf(OutcomeUnknown);
    await expect(lookup(call)).rejects.toBeInstanceOf(Unanswered);
    await clock.advance(APPLIED_WITHIN_MS);
    expect(await lookup(call)).toBeUndefined();
  });

  test("a fault that answers the voucher proves nothing either", async () => {
    const { issue, clock, instead } = await start();
    instead.answer = ({ body }) => (body.FECAESolicitar ? fault("soap:Server", "Server was unable to process request.") : undefined);
    await expect(issue(sale(), newCall(clock))).rejects.toBeInstanceOf(OutcomeUnknown);
  });

  test("a point of sale that is not enabled is declined before a voucher is sent, and trouble there is no refusal", async () => {
    const { issue, sent, clock, instead } = await start({ settings: { point_of_sale: "7" } });
    expect(await issue(sale(), newCall(clock))).toMatchObject({ outcome: "declined", message: expect.stringMatching(/^11002: .*punto de venta/) });
    expect(sent()).not.toContain("FECAESolicitar");
    instead.answer = ({ body }) => (body.FECompUltimoAutorizado ? result("FECompUltimoAutorizado", error(501)) : undefined);
    await expect(issue(sale(), newCall(clock))).rejects.toBeInstanceOf(Unanswered);
  });

  test("another error of a lookup is no answer", async () => {
    const { lookup, clock, instead } = await start();
    instead.answer = ({ body }) => (body.FECompConsultar ? result("FECompConsultar", error(500)) : undefined);
    await expect(lookup(newCall(clock), "1-1-1")).rejects.toBeInstanceOf(Unanswered);
    instead.answer = ({ body }) => (body.FECompConsultar ? result("FECompConsultar", error(602)) : undefined);
    await expect(lookup(newCall(clock), "1-1-1")).rejects.toBeInstanceOf(Unanswered);
  });
});

describe("numbers", () => {
  test("invoices that start together take turns, and each has its own", async () => {
    const { issue, clock } = await start();
    const outcomes = await Promise.all(["a", "b", "c"].map((reference) => issue(sale(), newCall(clock, reference))));
    expect(outcomes.map((outcome) => (outcome as { ref: string }).ref)).toEqual(["1-1-1", "1-1-2", "1-1-3"]);
  });

  test("a turn that ends badly does not end the queue", async () => {
    const { issue, clock, instead } = await start();
    let isFirst = true;
    instead.answer = ({ body }) => {
      if (!body.FECAESolicitar || !isFirst) return undefined;
      isFirst = false;
      return new Response("bad gateway", { status: 502 });
    };
    const [first, second] = await Promise.allSettled([issue(sale(), newCall(clock)), issue(sale(), newCall(clock, OTHER_REFERENCE))]);
    expect([first.status, second]).toEqual(["rejected", { status: "fulfilled", value: expect.objectContaining({ outcome: "accepted", ref: "1-1-1" }) }]);
  });

  test("the number and what the voucher says are noted before it is sent", async () => {
    const { issue, clock, instead } = await start();
    const call = newCall(clock);
    let noted: unknown;
    instead.answer = ({ body }) => void (body.FECAESolicitar && (noted = call.notes));
    await issue(sale(), call);
    expect(noted).toEqual({ voucher: "1-1-1", says: "2|80|30500010912|20261120|12100000", sent_at: "2026-11-20T12:00:00.000Z" });
  });

  test("a number that another computer took first is refused for good, and a new call goes on with the next", async () => {
    const { issue, clock, instead } = await start();
    await issue(ofTotal(100, finalConsumer), newCall(clock));
    instead.answer = ({ body }) => (body.FECompUltimoAutorizado ? result("FECompUltimoAutorizado", "<CbteNro>0</CbteNro>") : undefined);
    const call = newCall(clock, OTHER_REFERENCE);
    expect(await issue(ofTotal(200, finalConsumer), call)).toMatchObject({ outcome: "declined", reason: "refused", message: expect.stringMatching(/^10016: .* a new call takes the next number\.$/) });
    expect(call.acted).toBe(false);
    delete instead.answer;
    expect(await issue(ofTotal(200, finalConsumer), call)).toMatchObject({ outcome: "accepted", ref: "6-1-2" });
  });

  test("after silence, a number that another computer's voucher has is not taken for ours", async () => {
    const { issue, lookup, clock, instead } = await start();
    const theirs = newCall(clock);
    await issue(ofTotal(100, finalConsumer), theirs);
    instead.answer = ({ body }) => {
      if (body.FECompUltimoAutorizado) return result("FECompUltimoAutorizado", "<CbteNro>0</CbteNro>");
      return body.FECAESolicitar ? new Response("gateway timeout", { status: 504 }) : undefined;
    };
    const ours = newCall(clock, OTHER_REFERENCE);
    await expect(issue(ofTotal(200, finalConsumer), ours)).rejects.toBeInstanceOf(OutcomeUnknown);
    expect(await lookup(ours)).toBeUndefined();
    expect(await lookup(theirs)).toMatchObject({ ref: "6-1-1", amountMinor: 100n });
  });
});

describe("its own tools", () => {
  test("read numbers and vouchers, as the service writes them", async () => {
    const { tool, issue, clock } = await start();
    await issue(sale(), newCall(clock));
    expect(await tool("get_last_invoice_number", { point_of_sale: 1, invoice_type: 1 })).toEqual({ PtoVta: "1", CbteTipo: "1", CbteNro: "1" });
    expect(await tool("get_invoice", { point_of_sale: 1, invoice_type: 1, invoice_number: 1 })).toMatchObject({ ResultGet: { ImpTotal: "121000.00", CodAutorizacion: expect.any(String) } });
    expect(await tool("get_invoice", { point_of_sale: 1, invoice_type: 1, invoice_number: 9 })).toMatchObject({ Errors: { Err: { Code: "602" } } });
  });

  test("ask for the state of the service without a ticket", async () => {
    const { tool, sent } = await start();
    expect(await tool("get_server_status")).toEqual({ AppServer: "OK", DbServer: "OK", AuthServer: "OK" });
    expect(sent()).toEqual(["FEDummy"]);
  });

  test.each([
    ["list_invoice_types", { ResultGet: { CbteTipo: expect.arrayContaining([expect.objectContaining({ Id: "6", Desc: "Factura B" })]) } }],
    ["list_concept_types", { ResultGet: { ConceptoTipo: expect.any(Array) } }],
    ["list_doc_types", { ResultGet: { DocTipo: expect.any(Array) } }],
    ["list_iva_types", { ResultGet: { IvaTipo: expect.any(Array) } }],
    ["list_currency_types", { ResultGet: { Moneda: expect.any(Array) } }],
    ["list_tax_types", { ResultGet: { TributoTipo: expect.any(Array) } }],
    ["get_authorized_points_of_sale", { ResultGet: { PtoVenta: { Nro: "1", EmisionTipo: "CAE", Bloqueado: "N" } } }],
    ["get_invoice_total_x_request", { RegXReq: "250" }],
  ])("%s", async (name, expected) => {
    expect(await (await start()).tool(name)).toMatchObject(expected);
  });

  test("read an exchange rate", async () => {
    const { tool } = await start();
    expect(await tool("get_currency_rate", { currency: "DOL" })).toEqual({ ResultGet: { MonId: "DOL", MonCotiz: "1450.5", FchCotiz: "20261120" } });
    expect(await tool("get_currency_rate", { currency: "XXX" })).toMatchObject({ Errors: { Err: { Code: "602" } } });
  });
});

describe("the twin", () => {
  const signed = (request: string) => signedData(Buffer.from(request), readIdentity({ certificate: TWIN_CERTIFICATE, key: TWIN_PRIVATE_KEY })!).toString("base64");
  const request = (service: string, from: string, to: string) =>
    `<loginTicketRequest version="1.0"><header><uniqueId>1</uniqueId><generationTime>${from}</generationTime><expirationTime>${to}</expirationTime></header><service>${service}</service></loginTicketRequest>`;
  const [before, now, after] = ["2026-11-20T08:00:00-03:00", "2026-11-20T09:00:00-03:00", "2026-11-20T10:00:00-03:00"];

  test.each([
    ["cms.bad", "bm8gQ01T"],
    ["xml.bad", signed("<a/>")],
    ["xml.generationTime.invalid", signed(request("wsfe", after, after))],
    ["xml.expirationTime.expired", signed(request("wsfe", before, now))],
    ["wsn.notFound", signed(request("padron", before, after))],
    ["cms.sign.invalid", Buffer.from(Buffer.from(signed(request("wsfe", before, after)), "base64").toString("latin1").replace("<uniqueId>1<", "<uniqueId>2<"), "latin1").toString("base64")],
  ])("refuses a login with %s", async (code, in0) => {
    const { twin } = await start();
    const answer = await twin.fetch(new Request("https://wsaahomo.afip.gov.ar/ws/services/LoginCms", { method: "POST", body: await envelope(xml({ loginCms: { in0 } })).text() }));
    expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining(`<faultcode>ns1:${code}</faultcode>`)]);
  });

  test("shows an issuer nothing of another's", async () => {
    const { issue, clock, twin, account } = await start();
    await issue(sale(), newCall(clock));
    const other = await twin.openAccount({ webhookUrl: "https://shop.example/hook" });
    const settings = { ...other.settings, cuit: other.settings["cuit"]! };
    const provider = afip.connect({ credentials: account.credentials, settings, baseUrl: afip.hosts.test }, (asked) => twin.fetch(asked));
    expect(await provider.invoice!(sale({ action: "status", invoice_id: "1-1-1" }), newCall(clock))).toMatchObject({ outcome: "declined", field: "invoice_id" });
  });

  test.each([
    ["10246", { CondicionIVAReceptorId: undefined }], ["10048", { ImpTotal: "2.00" }], ["10018", { ImpNeto: "0.90", ImpIVA: "0.10" }], ["10032", { Concepto: 2 }],
    ["10016", { CbteDesde: 2, CbteHasta: 2 }], ["10000", { CbteFch: "today" }],
  ])("refuses a voucher with %s", async (code, change) => {
    const { tool, received, twin } = await start();
    await tool("list_doc_types");
    const { Auth } = received.at(-1)!.body.FEParamGetTiposDoc;
    const detail = {
      Concepto: 1, DocTipo: 99, DocNro: 0, CbteDesde: 1, CbteHasta: 1, CbteFch: "20261120", ImpTotal: "1.00", ImpTotConc: "0", ImpNeto: "1.00", ImpOpEx: "0", ImpTrib: "0", ImpIVA: "0",
      MonId: "PES", MonCotiz: 1, CondicionIVAReceptorId: 5, ...change,
    };
    const body = xml({ FECAESolicitar: { Auth, FeCAEReq: { FeCabReq: { CantReg: 1, PtoVta: 1, CbteTipo: 11 }, FeDetReq: { FECAEDetRequest: detail } } } });
    const headers = { soapaction: '"http://ar.gov.afip.dif.FEV1/FECAESolicitar"' };
    const answer = await twin.fetch(new Request("https://wswhomo.afip.gov.ar/wsfev1/service.asmx", { method: "POST", headers, body: await envelope(body).text() }));
    expect(await answer.text()).toContain(`<Code>${code}</Code>`);
  });
});
