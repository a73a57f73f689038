import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isEndToEndId, isReturnId, isTxid, makeEndToEndId, makeReturnId, makeTxid, parsePixKey,
} from "../../../schema/pix/keys.ts";

describe("Pix keys", () => {
  test.each([
    ["111.444.777-35", "cpf", "11144477735"],
    ["11144477735", "cpf", "11144477735"],
    ["11.222.333/0001-81", "cnpj", "11222333000181"],
    ["12.abc.345/01de-35", "cnpj", "12ABC34501DE35"],
    ["+55 (11) 94321-4321", "phone", "+5511943214321"],
    ["+5511943214321", "phone", "+5511943214321"],
    ["Fulano.de.Tal@Example.COM", "email", "fulano.de.tal@example.com"],
    ["123E4567-E12B-12D1-A456-426655440000", "evp", "123e4567-e12b-12d1-a456-426655440000"],
    ["  11144477735\n", "cpf", "11144477735"],
  ])("%s is a key of kind %s", (text, kind, value) => {
    expect(parsePixKey(text)).toEqual({ ok: true, kind, value });
  });

  test("eleven digits that are no CPF are refused, never taken for a phone", () => {
    expect(parsePixKey("11943214321")).toEqual({
      ok: false,
      reason: "expected a CPF whose check digits match; a character of this one is wrong; " +
        "a phone begins with +55, an e-mail has an @, a random key is a UUID",
    });
  });

  test.each([
    ["a phone without its plus sign", "5511943214321"],
    ["a phone in national form", "(11) 94321-4321"],
    ["a Mexican CLABE", "646180110400000007"],
    ["the sample CPF, which no directory has", "12345678900"],
    ["a UUID without hyphens", "123e4567e12b12d1a456426655440000"],
    ["an address without a domain", "fulano@"],
    ["an address with two at signs", "fulano@tal@example.com"],
    ["an accented address", "joão@example.com"],
    ["an address with the Kelvin sign for its k", "\u212Aelvin@example.com"],
    ["nothing", ""],
  ])("%s is refused", (_name, text) => {
    expect(parsePixKey(text).ok).toBe(false);
  });

  test("an e-mail may have 77 characters and no more", () => {
    expect(parsePixKey(`${"a".repeat(65)}@example.com`).ok).toBe(true);
    expect(parsePixKey(`${"a".repeat(66)}@example.com`)).toEqual({
      ok: false,
      reason: "expected a Pix key of at most 77 characters",
    });
  });

  test("a canonical key is read as itself", () => {
    const key = fc.oneof(
      fc.uuid(),
      fc.stringMatching(/^\+55[1-9]{2}9[0-9]{8}$/),
      fc.stringMatching(/^[a-z][a-z0-9.]{0,20}@[a-z]{1,10}\.com$/),
    );
    fc.assert(fc.property(key, (text) => {
      expect(parsePixKey(text)).toMatchObject({ ok: true, value: text });
    }));
  });
});

describe("txids", () => {
  test("where a txid is met decides its length", () => {
    const lengths = (use: "dynamic" | "static" | "received") =>
      [0, 1, 25, 26, 35, 36].filter((length) => isTxid("a".repeat(length), use));
    expect(lengths("dynamic")).toEqual([26, 35]);
    expect(lengths("static")).toEqual([1, 25]);
    expect(lengths("received")).toEqual([1, 25, 26, 35]);
    expect(isTxid("order-1", "static")).toBe(false);
    expect(isTxid("***", "static")).toBe(false);
  });

  test("the txid of a charge is its id without punctuation, the same every time", () => {
    expect(makeTxid("tc_01jd5m8q4xk2v7w9y3z6a0b1c2")).toBe("tc01jd5m8q4xk2v7w9y3z6a0b1c2");
    expect(makeTxid("0b54ad09-3f1c-4c69-9f36-1d7f2a8e9c10")).toBe("0b54ad093f1c4c699f361d7f2a8e9c10");
  });

  test.each(["tc_123", "", "tc_01jd5m8q4xk2v7w9y3z6a0b1c2!", "a".repeat(36)])("the id '%s' makes no txid", (id) => {
    expect(() => makeTxid(id)).toThrow(new RangeError("id: expected 26 to 35 letters and digits, besides _ and -"));
  });
});

describe("payment ids", () => {
  const parts = { ispb: "12345678", at: new Date("2024-04-23T10:30:59.999Z"), unique: "ab1diuLs08D" };

  test("an end-to-end id says institution and minute in UTC", () => {
    expect(makeEndToEndId(parts)).toBe("E12345678202404231030ab1diuLs08D");
    expect(makeReturnId(parts)).toBe("D12345678202404231030ab1diuLs08D");
  });

  test.each([
    ["another letter", "X12345678202404231030ab1diuLs08D"],
    ["31 characters", "E12345678202404231030ab1diuLs08"],
    ["a 31st of February", "E12345678202402311030ab1diuLs08D"],
    ["minute 60", "E12345678202404231060ab1diuLs08D"],
    ["punctuation", "E12345678202404231030ab1diuLs0-D"],
    ["nothing", ""],
  ])("%s is no end-to-end id", (_name, text) => {
    expect(isEndToEndId(text)).toBe(false);
  });

  test("a payment's id is not a return's", () => {
    expect(isReturnId("E12345678202404231030ab1diuLs08D")).toBe(false);
    expect(isEndToEndId("D12345678202404231030ab1diuLs08D")).toBe(false);
  });

  test("parts of another form are refused by name", () => {
    expect(() => makeEndToEndId({ ...parts, ispb: "1234567" })).toThrow(/^ispb: expected 8/);
    expect(() => makeReturnId({ ...parts, unique: "short" })).toThrow(/^unique: expected 11/);
  });

  test("what is made is what is checked, and the API's 32 letters or digits", () => {
    const anyParts = fc.record({
      ispb: fc.stringMatching(/^[0-9A-Z]{8}$/),
      at: fc.date({ min: new Date("2020-11-16"), max: new Date("2100-01-01"), noInvalidDate: true }),
      unique: fc.stringMatching(/^[a-zA-Z0-9]{11}$/),
    });
    fc.assert(fc.property(anyParts, (made) => {
      expect(isEndToEndId(makeEndToEndId(made))).toBe(true);
      expect(isReturnId(makeReturnId(made))).toBe(true);
      expect(makeEndToEndId(made)).toMatch(/^[a-zA-Z0-9]{32}$/);
    }));
  });
});
