import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildBankSlip, formatBoleto, parseBoleto, type Boleto } from "../../schema/boleto.ts";

const TODAY = "2026-11-20";

function read(text: string, today = TODAY): Boleto {
  const parsed = parseBoleto(text, { today });
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.boleto;
}
const reason = (text: string): string | undefined => {
  const parsed = parseBoleto(text, { today: TODAY });
  return parsed.ok ? undefined : parsed.reason;
};

/** As documents of Asaas and Pluggy, a public parser and two utilities' bills print them. */
const asaasSlip = "03399.77779 29900.000000 04751.101017 1 81510000002990";
const interSlip = "07790.00116 12064.449908 08159.365561 7 90020000015130";
const bancoDoBrasilSlip = "00190500954014481606906809350314337370000000100";
const electricity = "836400000045837401380055515194495112081437529738";
const government = "858900000204000003281833240720183105618666712531";

describe("a bank slip", () => {
  test.each([
    [asaasSlip, { bank: "033", amountMinor: 2_990n, dueDate: "2020-01-31" }],
    [interSlip, { bank: "077", amountMinor: 15_130n, dueDate: "2022-05-31" }],
  ])("is read as it is printed: %s", (line, expected) => {
    expect(read(line)).toMatchObject({ kind: "bank", line: line.replace(/\D/g, ""), ...expected });
  });

  test("has one line and one barcode, and either gives the other", () => {
    const line = "00190000090275928800021932978170187890000005000";
    const barcode = "00191878900000050000000002759288002193297817";
    const slip = { kind: "bank", line, barcode, bank: "001", freeField: "0000002759288002193297817", amountMinor: 5_000n, dueDate: "2021-10-30" };
    expect(read(line)).toEqual(slip);
    expect(read(barcode)).toEqual(slip);
  });

  test("is printed in five fields", () => {
    expect(formatBoleto(read(bancoDoBrasilSlip))).toBe("00190.50095 40144.816069 06809.350314 3 37370000000100");
  });

  test("may leave its amount and its due date open", () => {
    const withCheck = (check: number) => `0019${check}${"0".repeat(14)}0500940144816060680935031`;
    const [open] = Array.from({ length: 10 }, (_, check) => parseBoleto(withCheck(check), { today: TODAY })).flatMap((read) => (read.ok ? [read.boleto] : []));
    expect(open).toMatchObject({ kind: "bank", bank: "001" });
    expect(open).not.toHaveProperty("amountMinor");
    expect(open).not.toHaveProperty("dueDate");
  });

  test.each([
    ["one field's own digit", bancoDoBrasilSlip.replace(/^00190/, "00180"), "the check digit of field 1 does not match: a digit was changed, lost or added"],
    ["the amount, which only the slip's digit covers", bancoDoBrasilSlip.replace(/100$/, "900"), "the check digit of the slip does not match: digits were changed"],
    ["a length that is neither", "0019050095401448160690680935031433737000000010", "expected 47 digits (a bank slip) or 48 (a collection slip), not 46"],
    ["letters", "0019A", "expected digits, perhaps with dots, hyphens and spaces"],
    ["another currency", "00101878900000050000000002759288002193297817", "the slip is not in reais"],
    ["nothing", "", "expected 47 digits (a bank slip) or 48 (a collection slip), not 0"],
  ])("is refused for %s", (_what, line, expected) => {
    expect(reason(line)).toBe(expected);
  });

  test("whose due-date factor is below 1000 is refused", () => {
    const barcode = (check: number) => `0019${check}099900000050000000002759288002193297817`;
    const reasons = Array.from({ length: 10 }, (_, check) => reason(barcode(check)));
    expect(reasons.filter((why) => why === "the due-date factor is neither 0000 nor 1000 to 9999")).toHaveLength(1);
  });
});

describe("the due-date factor", () => {
  const slip = (dueDate: string) => buildBankSlip({ bank: "237", freeField: "0".repeat(25), amountMinor: 100n, dueDate });
  const factor = (dueDate: string) => slip(dueDate).slice(33, 37);

  test("goes from 1000 to 9999 and then begins anew", () => {
    expect([factor("2000-07-03"), factor("2025-02-21"), factor("2025-02-22"), factor("2026-11-20"), factor("2049-10-13"), factor("2049-10-14")])
      .toEqual(["1000", "9999", "1000", "1636", "9999", "1000"]);
  });

  test("is read as the day nearest to today", () => {
    expect(read(slip("2025-02-22"), "2025-02-01")).toMatchObject({ dueDate: "2025-02-22" });
    expect(read(slip("2025-02-21"), "2025-03-01")).toMatchObject({ dueDate: "2025-02-21" });
    expect(read(slip("2025-02-22"), "2003-01-01")).toMatchObject({ dueDate: "2000-07-03" });
  });

  test.each(["1999-12-31", "2026-13-01", "soon", ""])("cannot say %s", (dueDate) => {
    expect(() => slip(dueDate)).toThrow(new RangeError("dueDate: expected a day such as 2026-12-24, of 2000-07-03 or later"));
  });
});

describe("a collection slip", () => {
  test("of electricity is read by modulo 10", () => {
    expect(read(electricity)).toEqual({
      kind: "collection", line: electricity, barcode: "83640000004837401380055151944951108143752973", segment: 3, amountMinor: 48_374n,
    });
  });

  test("of a government is read by modulo 11, from its barcode too", () => {
    const slip = { kind: "collection", line: government, barcode: "85890000020000003281832407201831061866671253", segment: 5, amountMinor: 200_000n };
    expect(read(government)).toEqual(slip);
    expect(read(slip.barcode)).toEqual(slip);
  });

  test("is printed in four blocks", () => {
    expect(formatBoleto(read(electricity))).toBe("83640000004-5 83740138005-5 51519449511-2 08143752973-8");
    expect(read(formatBoleto(read(government)))).toEqual(read(government));
  });

  test.each([
    ["a digit of its second block", electricity.replace("837401", "837402"), "the check digit of block 2 does not match: a digit was changed, lost or added"],
    ["its general digit", "83650000004837401380055151944951108143752973", "the check digit of the slip does not match: digits were changed"],
    ["no 8 at its beginning", `1${electricity.slice(1)}`, "48 digits are a collection slip, which begins with 8 and has 6 to 9 as its third digit"],
    ["a kind of value that is none", `831${electricity.slice(3)}`, "48 digits are a collection slip, which begins with 8 and has 6 to 9 as its third digit"],
  ])("is refused for %s", (_what, line, expected) => {
    expect(reason(line)).toBe(expected);
  });
});

describe("a slip that is written", () => {
  const freeField = fc.stringMatching(/^\d{25}$/);
  const slips = fc.record({
    bank: fc.stringMatching(/^[0-7]\d{2}$/),
    freeField,
    amountMinor: fc.bigInt({ min: 1n, max: 9_999_999_999n }),
    dueDate: fc.date({ min: new Date("2020-01-01"), max: new Date("2035-12-31"), noInvalidDate: true }).map((day) => day.toISOString().slice(0, 10)),
  });

  test("is read back as it was meant", () => {
    fc.assert(fc.property(slips, (slip) => {
      expect(read(buildBankSlip(slip))).toMatchObject({ kind: "bank", ...slip });
    }));
  });

  test("is not taken with any one digit changed", () => {
    fc.assert(fc.property(slips, fc.nat({ max: 46 }), fc.integer({ min: 1, max: 9 }), (slip, at, by) => {
      const line = buildBankSlip(slip);
      const changed = `${line.slice(0, at)}${(Number(line[at]) + by) % 10}${line.slice(at + 1)}`;
      const parsed = parseBoleto(changed, { today: TODAY });
      // The slip's own rule writes 10 and 11 as 1 too, so that a digit outside the three fields may hide another.
      if (at < 32) expect(parsed.ok).toBe(false);
    }));
  });

  test.each([
    [{ bank: "1" }, "bank: expected 3 digits"],
    [{ freeField: "1" }, "freeField: expected 25 digits"],
    [{ amountMinor: 10_000_000_000n }, "amountMinor: expected 0 to 9999999999 centavos"],
    [{ amountMinor: -1n }, "amountMinor: expected 0 to 9999999999 centavos"],
  ])("is refused with a field that cannot be", (change, message) => {
    const slip = { bank: "237", freeField: "1".repeat(25), amountMinor: 1n, dueDate: "2026-12-24" };
    expect(() => buildBankSlip({ ...slip, ...change })).toThrow(new RangeError(message));
  });
});
