/** The banks, as providers and as twins. */
import { bankProvider } from "../index.ts";
import { bankTwin } from "../twin.ts";
import { bancoDoBrasil } from "./banco-do-brasil.ts";
import { c6 } from "./c6.ts";
import { inter } from "./inter.ts";
import { itau } from "./itau.ts";
import { santander } from "./santander.ts";
import { sicoob } from "./sicoob.ts";
import { sicredi } from "./sicredi.ts";
import { bradesco, caixa, original } from "./stand-in.ts";

export const banks = [bancoDoBrasil, bradesco, c6, caixa, inter, itau, original, santander, sicoob, sicredi] as const;

export const bankProviders = banks.map(bankProvider);
export const bankTwins = banks.map(bankTwin);
