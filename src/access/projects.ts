/** What a project has chosen for itself, and the merchant it acts for. */
import type { AmountUnit } from "../../schema/money.ts";
import type { z } from "zod";

export interface ProjectSettings {
  /** In which unit this project writes charge amounts. Unset is minor in test and a refusal in live (C-61). */
  chargeAmountUnit?: z.infer<typeof AmountUnit>;
  /** Whether the next provider is tried when nothing left this machine (C-02). Off unless switched on. */
  failoverWhenNotReached?: boolean;
  /** Binds direct calls of providers' own tools to the session's servers, as agents and MCP always are (C-56). */
  strictServers?: boolean;
  merchant?: Merchant;
}

/** The company a project acts for: what a request may leave out is taken from here. */
export interface Merchant {
  name: string;
  taxId: string;
  city: string;
  sender: { postal_code: string; name: string; document: string; phone: string; line_1: string; number: string; city: string; state: string };
  defaultService: { description: string; serviceCode: string };
  defaultParcel: { weight_g: number; width_cm: number; height_cm: number; length_cm: number };
}

/** The sandbox's merchant, so that a plain sentence is a complete request. CNPJ and address are sample values. */
export const sandboxMerchant: Merchant = {
  name: "Loja Exemplo Ltda",
  taxId: "11222333000181",
  city: "Sao Paulo",
  sender: {
    postal_code: "04538132", name: "Loja Exemplo Ltda", document: "11222333000181", phone: "+551130000000",
    line_1: "Avenida Brigadeiro Faria Lima", number: "3477", city: "Sao Paulo", state: "SP",
  },
  defaultService: { description: "Serviços prestados", serviceCode: "2690" },
  defaultParcel: { weight_g: 300, width_cm: 11, height_cm: 6, length_cm: 16 },
};
