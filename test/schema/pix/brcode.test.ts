import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildDynamicCode, buildStaticCode, crc16, parseBrCode } from "../../../schema/pix/brcode.ts";

// Public samples of fictitious holders, all recomputed. E1 and E2: the Central Bank's manual; E3 to E5: its API
// documentation.
const E1 =
  "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-4266554400005204000053039865802BR5913Fulano de Tal" +
  "6008BRASILIA62070503***63041D3D";
const E2 =
  "00020101021226700014br.gov.bcb.pix2548pix.example.com/8b3da2f39a4140d1a91abd93113bd441" +
  "5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***630464E4";
const E3 =
  "00020126180014br.gov.bcb.pix5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***80800014br.gov.bcb.pix" +
  "2558pix.example.com/qr/v2/rec/2353c790eefb11eaadc10242ac120002630462C9";
const E4 =
  "00020101021226760014br.gov.bcb.pix2554pix.example.com/qr/v2/8b3da2f39a4140d1a91abd93113bd441" +
  "5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***80800014br.gov.bcb.pix" +
  "2558pix.example.com/qr/v2/rec/94ed2badcbc04c15b0bb7fa35319489063047741";
const E5 =
  "00020101021226810014br.gov.bcb.pix2559pix.example.com/qr/v2/cobv/1e6c54d3ec9449b7a7fc53b6b0f998e7" +
  "5204000053039865802BR5913Fulano de Tal6008BRASILIA62070503***80800014br.gov.bcb.pix" +
  "2558pix.example.com/qr/v2/rec/3ffa640fa4f14080adccb949fa2dc0d06304A441";
const E6 =
  "00020126560014br.gov.bcb.pix0114112223330001810216conta de energia5204000053039865802BR5912SABESP TESTE" +
  "6009SAO PAULO62070503***6304AF33";
const E7 =
  "00020101021226760014br.gov.bcb.pix2554pix.example.com/qr/v2/9d36b84fc70b478fb95c12729b90ca25" +
  "5204000053039865802BR5912EDP TESTE SA6007TAUBATE62120508TXID00026304E47A";
const E8 =
  "00020101021226830014BR.GOV.BCB.PIX2561qrcodespix.sejaefi.com.br/v2/ff719c748dc244a294adee9174ace379" +
  "5204000053039865802BR5905EFISA6008SAOPAULO62070503***6304BAC4";
const E9 =
  "00020101021226770014BR.GOV.BCB.PIX2555pix.example.com/qr/93598be0-1bd0-4997-8318-81776a1d8a99" +
  "5204000053039865802BR5907EMPRESA6009SAO PAULO62070503***6304EEAB";

/** A code whose CRC is right whatever its fields are. */
const sealed = (fields: string): string => `${fields}6304${crc16(`${fields}6304`)}`;
const HEAD = "00020126330014br.gov.bcb.pix011111144477735";
const TAIL = "5204000053039865802BR5904Loja6006Recife";

describe("reading a code", () => {
  test("E1: a static code of a random key, without amount", () => {
    expect(parseBrCode(E1)).toEqual({
      ok: true,
      code: {
        kind: "static",
        key: "123e4567-e12b-12d1-a456-426655440000",
        merchantName: "Fulano de Tal",
        merchantCity: "BRASILIA",
        merchantCategory: "0000",
        singleUse: false,
      },
    });
  });

  test.each([
    ["E2", E2, { kind: "dynamic", location: "pix.example.com/8b3da2f39a4140d1a91abd93113bd441", singleUse: true }],
    ["E3", E3, {
      kind: "recurrence",
      recurrenceLocation: "pix.example.com/qr/v2/rec/2353c790eefb11eaadc10242ac120002",
      singleUse: false,
    }],
    ["E4", E4, {
      kind: "composite",
      location: "pix.example.com/qr/v2/8b3da2f39a4140d1a91abd93113bd441",
      recurrenceLocation: "pix.example.com/qr/v2/rec/94ed2badcbc04c15b0bb7fa353194890",
    }],
    ["E5", E5, {
      kind: "composite",
      location: "pix.example.com/qr/v2/cobv/1e6c54d3ec9449b7a7fc53b6b0f998e7",
      recurrenceLocation: "pix.example.com/qr/v2/rec/3ffa640fa4f14080adccb949fa2dc0d0",
    }],
    ["E6", E6, { kind: "static", key: "11222333000181", description: "conta de energia" }],
    ["E7", E7, { kind: "dynamic", txid: "TXID0002", merchantCity: "TAUBATE" }],
    ["E8, whose GUI is upper case", E8, {
      kind: "dynamic",
      location: "qrcodespix.sejaefi.com.br/v2/ff719c748dc244a294adee9174ace379",
    }],
    ["E9", E9, { kind: "dynamic", location: "pix.example.com/qr/93598be0-1bd0-4997-8318-81776a1d8a99" }],
  ])("%s is told apart by its templates", (_name, text, expected) => {
    expect(parseBrCode(text)).toMatchObject({ ok: true, code: expected });
  });

  test("a code is read with its CRC in lower case, and with the white space that came with a paste", () => {
    expect(parseBrCode(E1.replace("1D3D", "1d3d")).ok).toBe(true);
    expect(parseBrCode(`  ${E1}\n`)).toEqual(parseBrCode(E1));
  });

  test("fields may come in any order, and unknown ones are passed over", () => {
    const shuffled = sealed("0002016006Recife5904Loja5802BR99110007example530398652040000" +
      "26330111111444777350014br.gov.bcb.pix54041.5061081234567862080504AB12");
    expect(parseBrCode(shuffled)).toEqual({
      ok: true,
      code: {
        kind: "static",
        key: "11144477735",
        merchantName: "Loja",
        merchantCity: "Recife",
        merchantCategory: "0000",
        postalCode: "12345678",
        amountMinor: 150n,
        txid: "AB12",
        singleUse: false,
      },
    });
  });

  test("Pix may live in a later template than 26", () => {
    const code = sealed(`00020126130009other.org27330014br.gov.bcb.pix011111144477735${TAIL}`);
    expect(parseBrCode(code)).toMatchObject({ ok: true, code: { kind: "static", key: "11144477735" } });
  });

  test.each([
    ["10.00", 1000n],
    ["10", 1000n],
    ["10.5", 1050n],
    ["0.01", 1n],
    ["9999999999.99", 999_999_999_999n],
  ])("the amount %s is %d centavos", (amount, amountMinor) => {
    const length = String(amount.length).padStart(2, "0");
    const code = sealed(`${HEAD}54${length}${amount}${TAIL}`);
    expect(parseBrCode(code)).toMatchObject({ ok: true, code: { amountMinor } });
  });
});

describe("refusing a code", () => {
  const CRC = "field 63 (CRC) does not match the text: a character was changed, lost or added";
  const AMOUNT = "field 54 (amount): expected reais as 1234.56, above zero";
  const END = "expected field 63 (6304 and 4 hexadecimal digits) at the end; this is cut, or no BR Code";

  test.each([
    ["N1: a vendor's sample whose text was replaced after it was made",
      "00020126600014br.gov.bcb.pix0117john@yourdomain.com0217additional data520400005303986540510.005802BR" +
      "5913Maria Silva6008Brasilia62070503***6304E2CA", CRC],
    ["N1 with its CRC repaired: the name is shorter than it says",
      sealed("00020126600014br.gov.bcb.pix0117john@yourdomain.com0217additional data520400005303986540510.005802BR" +
        "5913Maria Silva6008Brasilia62070503***"),
      "the code: expected a 2-digit id and a 2-digit length at character 118"],
    ["a key longer than its length says", sealed(`00020126330014br.gov.bcb.pix011011144477735${TAIL}`),
      "field 26: expected a 2-digit id and a 2-digit length at character 33"],
    ["N2: a right CRC over a wrong length, which swallows the id of the CRC",
      "00020126360014BR.GOV.BCB.PIX0114+5511943214321520400005303986540566.665802BR5907EMPRESA6008BRASILIA" +
      "62080503***6304170E", "the code: field 30 declares 41 characters, but 3 are left"],
    ["N3: a code cut short", E1.slice(0, -4), END],
    ["N3: a code with a space put in", E1.replace("Fulano de", "Fulano  de"), CRC],
    ["a flipped character", E1.replace("Fulano", "Fulana"), CRC],
    ["a CRC that is not last", sealed(`${HEAD}${TAIL}63041D3D`), "the code: field 63 appears twice"],
    ["a CRC that an unknown field swallows", sealed(`${HEAD}${TAIL}9908`), "field 63 (CRC) must come last"],
    ["something after the CRC", `${E1}0`, END],
    ["a field that comes twice", sealed(`${HEAD}26180014br.gov.bcb.pix${TAIL}`), "the code: field 26 appears twice"],
    ["a length over the end", sealed(`${HEAD}5999Loja`), "the code: field 59 declares 99 characters, but 12 are left"],
    ["a length that is no number", sealed(`${HEAD}52x40000`),
      "the code: expected a 2-digit id and a 2-digit length at character 44"],
    ["an empty name", sealed(`${HEAD}5204000053039865802BR59006006Recife`), "the code: field 59 is empty"],
    ["a name of 26 characters", sealed(`${HEAD}5204000053039865802BR5926${"n".repeat(26)}6006Recife`),
      "field 59 (merchant name): expected 1 to 25 characters"],
    ["an amount with a comma", sealed(`${HEAD}540510,00${TAIL}`), AMOUNT],
    ["an amount of zero", sealed(`${HEAD}54040.00${TAIL}`), AMOUNT],
    ["a negative amount", sealed(`${HEAD}5405-1.00${TAIL}`), AMOUNT],
    ["an amount of three decimals", sealed(`${HEAD}54051.000${TAIL}`), AMOUNT],
    ["a txid of 26 characters", sealed(`${HEAD}${TAIL}62300526${"t".repeat(26)}`),
      "field 62-05 (txid): expected *** or 1 to 25 letters or digits"],
    ["a location with https://", sealed(`00020126470014br.gov.bcb.pix2525https://pix.example.com/a${TAIL}`),
      "field 26-25 (location): expected host and path without https://, at most 77 characters"],
    ["a recurrence with https://", sealed(`${HEAD}${TAIL}80470014br.gov.bcb.pix2525https://pix.example.com/a`),
      "field 80-25 (location): expected host and path without https://, at most 77 characters"],
    ["both a key and a location", sealed(`00020126540014br.gov.bcb.pix0111111444777352517pix.example.com/a${TAIL}`),
      "the Pix template has both a key (01) and a location (25), so whom it pays is open"],
    ["neither key nor location", sealed(`00020126180014br.gov.bcb.pix${TAIL}`),
      "the code has no key (26-01), no location (26-25) and no recurrence (80-25)"],
    ["another payment network's code", sealed(`00020126130009other.org${TAIL}`),
      "none of the fields 26 to 51 is for Pix (sub-field 00 = br.gov.bcb.pix)"],
    ["another currency", sealed(`${HEAD}5204000053038405802BR5904Loja6006Recife`),
      "field 53 (currency): expected 986 (BRL)"],
    ["no city", sealed(`${HEAD}5204000053039865802BR5904Loja`), "field 60 (merchant city) is missing"],
    ["a payload format that is not first", sealed(`${TAIL}${HEAD}`), "field 00 (payload format) must come first"],
    ["an accent, which breaks lengths and CRC elsewhere", sealed(`${HEAD}${TAIL}`).replace("Loja", "Lója"),
      "character 70 is not printable ASCII"],
    ["a text longer than any code", E1.repeat(5), "the code is longer than 512 characters"],
    ["a sentence", "pix do joao", END],
    ["nothing", "", END],
  ])("%s", (_name, text, reason) => {
    expect(parseBrCode(text)).toEqual({ ok: false, reason });
  });

  test("any one changed character is noticed, wherever it stands", () => {
    const anyCharacter = fc.string({ unit: "binary", minLength: 1, maxLength: 1 });
    fc.assert(fc.property(fc.constantFrom(E1, E4, E6), fc.nat(), anyCharacter, (code, seed, character) => {
      const at = seed % code.length;
      const changed = code.slice(0, at) + character + code.slice(at + 1);
      // The case of a CRC digit carries nothing.
      fc.pre(changed.slice(0, -4) + changed.slice(-4).toUpperCase() !== code);
      expect(parseBrCode(changed).ok).toBe(false);
    }), { numRuns: 1000 });
  });

  test("any text is answered, never thrown at", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      expect(parseBrCode(text).ok).toBe(false);
      expect(parseBrCode(sealed(text)).ok).toBe(false);
    }));
  });
});

describe("writing a code", () => {
  test("the manual's samples are written character for character", () => {
    const payee = { merchantName: "Fulano de Tal", merchantCity: "BRASILIA" };
    expect(buildStaticCode({ key: "123E4567-e12b-12d1-a456-426655440000", ...payee })).toBe(E1);
    expect(buildDynamicCode({ location: "pix.example.com/8b3da2f39a4140d1a91abd93113bd441", ...payee })).toBe(E2);
    expect(buildStaticCode({
      key: "11.222.333/0001-81",
      description: "conta de energia",
      merchantName: "SABESP TESTE",
      merchantCity: "SAO PAULO",
    })).toBe(E6);
  });

  test("amount and txid are written, with two decimals", () => {
    const code = buildStaticCode({
      key: "+55 11 94321-4321", amountMinor: 6666n, txid: "PEDIDO42", merchantName: "Loja", merchantCity: "Recife",
    });
    expect(code).toContain("540566.66");
    expect(code).toContain("62120508PEDIDO42");
    expect(parseBrCode(code)).toMatchObject({
      ok: true, code: { key: "+5511943214321", amountMinor: 6666n, txid: "PEDIDO42" },
    });
  });

  test("names lose their accents and what ASCII lacks, and are cut without a trailing space", () => {
    const code = buildStaticCode({
      key: "11144477735", merchantName: "Açaí & Cia — Pão do João 🌸 Ltda", merchantCity: "Rio das Ostras – RJ",
    });
    expect(parseBrCode(code)).toMatchObject({
      ok: true, code: { merchantName: "Acai & Cia Pao do Joao Lt", merchantCity: "Rio das Ostras" },
    });
  });

  test("a description is cut to what the key leaves, and dropped when that is nothing", () => {
    const written = (key: string) => {
      const code = buildStaticCode({ key, description: "d".repeat(99), merchantName: "Loja", merchantCity: "Recife" });
      const parsed = parseBrCode(code);
      return parsed.ok && parsed.code.kind === "static" ? parsed.code.description?.length : parsed;
    };
    expect(written("11144477735")).toBe(62);
    expect(written(`${"a".repeat(60)}@example.com`)).toBe(1);
    expect(written(`${"a".repeat(61)}@example.com`)).toBeUndefined();
    expect(written(`${"a".repeat(65)}@example.com`)).toBeUndefined();
  });

  const code = { key: "11144477735", merchantName: "Loja", merchantCity: "Recife" };
  test.each([
    ["a key of no kind", { ...code, key: "11943214321" }, /^key: expected a CPF/],
    ["an amount of zero", { ...code, amountMinor: 0n }, /^amountMinor: expected 1 to 999999999999 centavos/],
    ["a negative amount", { ...code, amountMinor: -1n }, /^amountMinor:/],
    ["an amount of 14 characters", { ...code, amountMinor: 1_000_000_000_000n }, /^amountMinor:/],
    ["a txid of 26 characters", { ...code, txid: "t".repeat(26) }, /^txid: expected 1 to 25/],
    ["an empty txid", { ...code, txid: "" }, /^txid:/],
    ["a name without ASCII text", { ...code, merchantName: "日本" }, /^merchantName: expected a text/],
    ["an empty city", { ...code, merchantCity: " " }, /^merchantCity: expected a text/],
  ])("%s is refused by name", (_name, fields, message) => {
    expect(() => buildStaticCode(fields)).toThrow(message);
    expect(() => buildStaticCode(fields)).toThrow(RangeError);
  });

  test.each([
    "https://pix.example.com/a",
    "pix.example.com",
    `pix.example.com/${"a".repeat(62)}`,
    "user@pix.example.com/a",
    "pix.example.com/a b",
    "",
  ])("the location '%s' is refused", (location) => {
    expect(() => buildDynamicCode({ location, merchantName: "Loja", merchantCity: "Recife" })).toThrow(
      new RangeError("location: expected host and path without https://, at most 77 characters"),
    );
  });

  const payee = {
    merchantName: fc.stringMatching(/^[A-Za-z]([A-Za-z ]{0,23}[A-Za-z])?$/).filter((name) => !name.includes("  ")),
    merchantCity: fc.stringMatching(/^[A-Z]{1,15}$/),
    amountMinor: fc.option(fc.bigInt(1n, 999_999_999_999n), { nil: undefined }),
  };

  test("what is written is what is read: static codes", () => {
    const fields = fc.record({
      ...payee,
      key: fc.oneof(fc.uuid(), fc.constantFrom("11144477735", "12ABC34501DE35", "+5511943214321", "loja@example.com")),
      txid: fc.option(fc.stringMatching(/^[a-zA-Z0-9]{1,25}$/), { nil: undefined }),
      description: fc.option(fc.stringMatching(/^[a-z]{1,30}$/), { nil: undefined }),
    });
    fc.assert(fc.property(fields, (written) => {
      expect(parseBrCode(buildStaticCode(written))).toEqual({
        ok: true, code: { kind: "static", merchantCategory: "0000", singleUse: false, ...written },
      });
    }));
  });

  test("what is written is what is read: dynamic codes", () => {
    const location = fc.stringMatching(/^[a-z]{1,10}\.example\.com\/qr\/[a-z0-9-]{1,40}$/);
    const fields = fc.record({ ...payee, location });
    fc.assert(fc.property(fields, (written) => {
      expect(parseBrCode(buildDynamicCode(written))).toEqual({
        ok: true, code: { kind: "dynamic", merchantCategory: "0000", singleUse: true, ...written },
      });
    }));
  });

  test("whatever the names are, the code is valid or the names are refused", () => {
    const anyText = fc.string({ unit: "binary" });
    fc.assert(fc.property(anyText, anyText, (merchantName, merchantCity) => {
      let written: string;
      try {
        written = buildStaticCode({ key: "11144477735", merchantName, merchantCity, description: merchantName });
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        return;
      }
      expect(parseBrCode(written)).toMatchObject({ ok: true });
    }));
  });
});

test("the CRC is CRC-16/CCITT-FALSE", () => {
  expect(crc16("123456789")).toBe("29B1");
  expect(crc16("")).toBe("FFFF");
});
