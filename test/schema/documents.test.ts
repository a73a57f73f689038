import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkDigits, formatDocument, isSampleTaxId, normalizePhone, parseDocument, parseTaxId, type DocumentKind,
} from "../../schema/documents.ts";

describe("Brazilian tax ids", () => {
  test.each([
    ["529.982.247-25", "52998224725"],
    ["111.444.777-35", "11144477735"],
    ["390.533.447-05", "39053344705"],
    ["123 456 789 09", "12345678909"],
  ])("%s is a CPF in any punctuation", (text, value) => {
    expect(parseTaxId(text)).toEqual({ ok: true, kind: "cpf", value });
    expect(parseTaxId(value)).toEqual({ ok: true, kind: "cpf", value });
  });

  test.each([
    ["11.222.333/0001-81", "11222333000181"],
    ["00.000.000/0001-91", "00000000000191"],
    ["33.000.167/0001-01", "33000167000101"],
    ["12.ABC.345/01DE-35", "12ABC34501DE35"],
    ["12.abc.345/0001-88", "12ABC345000188"],
  ])("%s is a CNPJ, numeric or alphanumeric", (text, value) => {
    expect(parseTaxId(text)).toEqual({ ok: true, kind: "cnpj", value });
  });

  test("a wrong check digit is refused without repeating the number", () => {
    const reason = "expected a CPF whose check digits match; a character of this one is wrong";
    expect(parseTaxId("111.444.777-36")).toEqual({ ok: false, reason });
  });

  test("a text of no known length is told which shapes were expected", () => {
    expect(parseTaxId("1114447773")).toEqual({
      ok: false,
      reason: "expected a CPF (11 digits, not all the same) or " +
        "a CNPJ (12 letters or digits and 2 digits, not all zero), got 10 characters",
    });
  });

  test.each([
    ["a CPF of one repeated digit", "111.111.111-11"],
    ["a CNPJ of zeros", "00.000.000/0000-00"],
    ["letters in a CPF", "111.444.777-3A"],
    ["letters as CNPJ check digits", "12.ABC.345/01DE-3A"],
    ["other punctuation", "111,444,777-35"],
    ["digits of another script", "١١١٤٤٤٧٧٧٣٥"],
    ["a letter that only looks like one when upper-cased", "12.ABC.345/01Dſ-35"],
    ["nothing", ""],
  ])("%s is refused", (_name, text) => {
    expect(parseTaxId(text).ok).toBe(false);
  });

  test("the sample CPF of the published samples passes in test and fails in live", () => {
    const sample = { ok: true, kind: "cpf", value: "12345678900" };
    expect(parseTaxId("123.456.789-00", { environment: "test" })).toEqual(sample);
    expect(parseTaxId("12345678900", { environment: "live" }).ok).toBe(false);
    expect(parseTaxId("12345678900").ok).toBe(false);
  });

  test("no other bad number passes in test, and the sample is no tax id elsewhere", () => {
    expect(parseTaxId("12345678901", { environment: "test" }).ok).toBe(false);
    expect(parseTaxId("12345678900", { environment: "test", country: "AR" }).ok).toBe(false);
    expect(isSampleTaxId("123.456.789-00")).toBe(true);
    expect(isSampleTaxId("123.456.789-09")).toBe(false);
  });

  test("the rule itself misses some errors: two remainders share a digit, and letters 11 apart weigh the same", () => {
    expect(checkDigits("cpf", "100000001")).toBe("08");
    expect(checkDigits("cpf", "200000001")).toBe("08");
    expect(checkDigits("cnpj", "12ABC3450001")).toBe("88");
    expect(checkDigits("cnpj", "126BC3450001")).toBe("88");
  });
});

describe("tax ids of the neighbours", () => {
  test.each([
    ["AR", "cuit", "33-69345023-9", "33693450239"],
    ["AR", "cuit", "20-12345678-6", "20123456786"],
    ["AR", "cuit", "30-54674267-5", "30546742675"],
    ["CL", "rut", "12.345.678-5", "123456785"],
    ["CL", "rut", "60.805.000-0", "608050000"],
    ["CL", "rut", "76.086.428-5", "760864285"],
    ["CL", "rut", "97.004.000-5", "970040005"],
    ["CL", "rut", "11.111.111-1", "111111111"],
    ["CL", "rut", "6-k", "6K"],
    ["CL", "rut", "1.000.005-K", "1000005K"],
    ["CO", "nit", "800.197.268-4", "8001972684"],
    ["CO", "nit", "890903938-8", "8909039388"],
    ["CO", "nit", "860002964-4", "8600029644"],
    ["CO", "nit", "860034313-7", "8600343137"],
    ["CO", "nit", "899999068-1", "8999990681"],
  ] as const)("%s: a %s may be written %s", (country, kind, text, value) => {
    expect(parseTaxId(text, { country })).toEqual({ ok: true, kind, value });
  });

  test("a CUIT often quoted with a wrong check digit is refused", () => {
    expect(parseTaxId("30-54674267-9", { country: "AR" }).ok).toBe(false);
  });

  test("a CUIT whose sum leaves 1 has no check digit, so none fits", () => {
    expect(checkDigits("cuit", "2000000002")).toBe("8");
    expect(checkDigits("cuit", "2000000001")).toBeUndefined();
    for (const digit of "0123456789") expect(parseTaxId(`2000000001${digit}`, { country: "AR" }).ok).toBe(false);
  });

  test("a CUIT of an unassigned prefix is refused", () => {
    expect(parseTaxId("99-12345678-0", { country: "AR" })).toEqual({
      ok: false,
      reason: "expected a CUIT (11 digits that begin with 20, 23 to 27, 30, 33 or 34), got 11 characters",
    });
  });

  test("leading zeros of a RUT are padding, so both spellings are one RUT", () => {
    expect(parseTaxId("06.000.005-0", { country: "CL" })).toEqual({ ok: true, kind: "rut", value: "60000050" });
    expect(parseTaxId("6.000.005-0", { country: "CL" })).toEqual({ ok: true, kind: "rut", value: "60000050" });
  });

  test("a tax id of one country is not read as another's", () => {
    expect(parseTaxId("111.444.777-35", { country: "AR" }).ok).toBe(false);
    expect(parseTaxId("33-69345023-9", { country: "BR" }).ok).toBe(false);
  });
});

describe("other documents", () => {
  test.each([
    "032180000118359719",
    "002180032240946700",
    "103150124152345786",
    "646180110400000007",
  ])("%s is a CLABE", (value) => {
    expect(parseDocument(value, ["clabe"])).toEqual({ ok: true, kind: "clabe", value });
  });

  test.each([
    ["an NF-e", "52060433009911002506550120000007800267301615"],
    ["an NFC-e whose check digit is 0", "13181017921427000125650010000000309887251170"],
    ["an NF-e of an alphanumeric CNPJ", "35260712ABC34501DE35550010000000011000000014"],
  ])("the access key of %s verifies, and is computed from its first 43 characters", (_name, value) => {
    expect(parseDocument(value, ["nfe_key"])).toEqual({ ok: true, kind: "nfe_key", value });
    expect(checkDigits("nfe_key", value.slice(0, 43))).toBe(value.slice(43));
  });

  test("an access key may be written in groups of four, and letters outside the CNPJ are refused", () => {
    expect(parseDocument("5206 0433 0099 1100 2506 5501 2000 0007 8002 6730 1615", ["nfe_key"]).ok).toBe(true);
    expect(parseDocument("5206043300991100250655012000000780026730161A", ["nfe_key"])).toEqual({
      ok: false,
      reason: "expected an NF-e access key (44 characters: digits, and letters only within the issuer's CNPJ), " +
        "got 44 characters",
    });
  });

  test("a CEP is 8 digits, with or without its hyphen", () => {
    expect(parseDocument("01310-100", ["cep"])).toEqual({ ok: true, kind: "cep", value: "01310100" });
    expect(parseDocument("1310-100", ["cep"])).toEqual({
      ok: false,
      reason: "expected a CEP (8 digits), got 7 characters",
    });
    expect(parseDocument("00000-000", ["cep"]).ok).toBe(false);
  });

  test.each([
    ["cpf", "11144477735", "111.444.777-35"],
    ["cnpj", "12ABC34501DE35", "12.ABC.345/01DE-35"],
    ["cuit", "33693450239", "33-69345023-9"],
    ["rut", "608050000", "60.805.000-0"],
    ["rut", "6K", "6-K"],
    ["nit", "8001972684", "800.197.268-4"],
    ["clabe", "032180000118359719", "032 180 00011835971 9"],
    [
      "nfe_key",
      "52060433009911002506550120000007800267301615",
      "5206 0433 0099 1100 2506 5501 2000 0007 8002 6730 1615",
    ],
    ["cep", "01310100", "01310-100"],
  ] as const)("a %s is formatted as people write it", (kind, value, written) => {
    expect(formatDocument({ kind, value })).toBe(written);
  });

  test("check digits of something else are not computed", () => {
    expect(() => checkDigits("cpf", "11144477")).toThrow(new RangeError("base: expected the beginning of a CPF"));
    expect(() => checkDigits("cnpj", "12abc34501de")).toThrow(RangeError);
  });
});

describe("check digits, for any document", () => {
  const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{${length}}$`));
  const bases: Record<Exclude<DocumentKind, "cep">, fc.Arbitrary<string>> = {
    cpf: digits(9).filter((base) => !/^(.)\1*$/.test(base)),
    cnpj: fc.stringMatching(/^[1-9A-Z][0-9A-Z]{11}$/),
    cuit: fc.stringMatching(/^(2[0347]|3[034])[0-9]{8}$/).filter((base) => checkDigits("cuit", base) !== undefined),
    rut: fc.stringMatching(/^[1-9][0-9]{0,7}$/),
    nit: fc.stringMatching(/^[1-9][0-9]{0,14}$/),
    clabe: fc.stringMatching(/^[1-9][0-9]{16}$/),
    nfe_key: fc.stringMatching(/^[0-9]{6}[0-9A-Z]{12}[0-9]{25}$/),
  };
  const kinds = Object.keys(bases) as (keyof typeof bases)[];
  const replaced = (text: string, at: number, character: string) => text.slice(0, at) + character + text.slice(at + 1);

  test.each(kinds)("%s: the computed check digits verify, through formatting and back", (kind) => {
    fc.assert(fc.property(bases[kind], (base) => {
      const value = base + checkDigits(kind, base);
      expect(parseDocument(formatDocument({ kind, value }), [kind])).toEqual({ ok: true, kind, value });
    }));
  });

  test.each(kinds)("%s: any other check digit fails", (kind) => {
    fc.assert(fc.property(bases[kind], fc.constantFrom(..."0123456789"), fc.nat(1), (base, digit, fromEnd) => {
      const check = checkDigits(kind, base)!;
      const at = Math.max(base.length, base.length + check.length - 1 - fromEnd);
      const value = base + check;
      fc.pre(value[at] !== digit);
      expect(parseDocument(replaced(value, at, digit), [kind]).ok).toBe(false);
    }));
  });

  test.each(["cuit", "rut", "clabe"] as const)("%s: any one changed digit fails, wherever it stands", (kind) => {
    fc.assert(fc.property(bases[kind], fc.nat(), fc.constantFrom(..."0123456789"), (base, seed, digit) => {
      const value = base + checkDigits(kind, base);
      const at = seed % value.length;
      fc.pre(value[at] !== digit);
      const changed = replaced(value, at, digit);
      // A zero in front shortens a RUT, and what is left may be someone else's.
      fc.pre(!changed.startsWith("0"));
      expect(parseDocument(changed, [kind]).ok).toBe(false);
    }));
  });
});

describe("phone numbers", () => {
  test.each([
    ["+55 11 99999-8888", "BR", "+5511999998888"],
    ["(11) 99999-8888", "BR", "+5511999998888"],
    ["011 99999.8888", "BR", "+5511999998888"],
    ["5511999998888", "BR", "+5511999998888"],
    ["55 99999-8888", "BR", "+5555999998888"],
    ["+55 (11) 3333-4444", "BR", "+551133334444"],
    ["55 1234 5678", "MX", "+525512345678"],
    ["+54 9 11 2345-6789", "AR", "+5491123456789"],
    ["9 8765 4321", "CL", "+56987654321"],
    ["300 123 4567", "CO", "+573001234567"],
    ["+1 (415) 555-0100", "BR", "+14155550100"],
  ] as const)("%s in %s is %s", (text, country, value) => {
    expect(normalizePhone(text, country)).toEqual({ ok: true, kind: "phone", value });
  });

  test.each([
    ["an 8-digit mobile of the old plan", "+55 11 9999-8888"],
    ["an area code with a zero", "(10) 99999-8888"],
    ["a number without its area code", "99999-8888"],
    ["letters", "11 9999O-8888"],
    ["nothing", ""],
  ])("%s is refused with what a Brazilian number looks like", (_name, text) => {
    expect(normalizePhone(text, "BR")).toEqual({
      ok: false,
      reason: "expected a phone number of +55: area code and 9 digits (mobile) or 8 (landline)",
    });
  });

  test("a plus sign and too few digits is no phone number", () => {
    expect(normalizePhone("+12", "BR")).toEqual({
      ok: false,
      reason: "expected a phone number: + and 7 to 15 digits, the calling code first",
    });
  });

  test("a normalized number normalizes to itself", () => {
    fc.assert(fc.property(fc.stringMatching(/^[1-9]{2}9[0-9]{8}$/), (national) => {
      expect(normalizePhone(`+55${national}`, "MX")).toEqual({ ok: true, kind: "phone", value: `+55${national}` });
      expect(normalizePhone(national, "BR")).toEqual({ ok: true, kind: "phone", value: `+55${national}` });
    }));
  });
});
