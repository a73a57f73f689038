/** The register of postal codes that Brazilian twins answer from: the capital of the state that a range belongs to, a street and a district made up. */

export interface Capital {
  code: string;
  name: string;
  state: string;
}

/** São Paulo also for the ranges that are not told here. Codes: IBGE. */
export function capitalAt(postalCode: string): Capital {
  const range = Number(postalCode.slice(0, 2));
  return capitals.find(({ from, to }) => range >= from && range <= to) ?? SAO_PAULO;
}

const SAO_PAULO: Capital = { code: "3550308", name: "São Paulo", state: "SP" };
const capitals: readonly (Capital & { from: number; to: number })[] = [
  { from: 20, to: 28, code: "3304557", name: "Rio de Janeiro", state: "RJ" },
  { from: 30, to: 39, code: "3106200", name: "Belo Horizonte", state: "MG" },
  { from: 40, to: 48, code: "2927408", name: "Salvador", state: "BA" },
  { from: 80, to: 87, code: "4106902", name: "Curitiba", state: "PR" },
  { from: 90, to: 99, code: "4314902", name: "Porto Alegre", state: "RS" },
];
