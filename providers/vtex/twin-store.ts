/** What the twin's stores sell, what delivery costs there, and the streets they know. Every account has the same. */

interface Sku {
  id: string;
  name: string;
  priceCents: number;
  stock: number;
}

interface Product {
  id: string;
  name: string;
  slug: string;
  skus: readonly Sku[];
}

const catalogue: readonly Product[] = [
  {
    id: "1", name: "Camiseta Básica", slug: "camiseta-basica",
    skus: [
      { id: "101", name: "Camiseta Básica P", priceCents: 4_990, stock: 0 },
      { id: "102", name: "Camiseta Básica M", priceCents: 4_990, stock: 12 },
      { id: "103", name: "Camiseta Básica G", priceCents: 5_490, stock: 7 },
    ],
  },
  { id: "2", name: "Ração para Cães 15 kg", slug: "racao-para-caes-15-kg", skus: [{ id: "201", name: "Ração para Cães 15 kg", priceCents: 18_999, stock: 40 }] },
  { id: "3", name: "Tênis de Corrida", slug: "tenis-de-corrida", skus: [{ id: "301", name: "Tênis de Corrida 40", priceCents: 29_900, stock: 3 }] },
  { id: "4", name: "Cafeteira Esgotada", slug: "cafeteira-esgotada", skus: [{ id: "401", name: "Cafeteira", priceCents: 15_000, stock: 0 }] },
  ...["901", "902", "903"].map((id): Product => ({ id, name: `Produto ${id}`, slug: `produto-${id}`, skus: [{ id, name: `Produto ${id}`, priceCents: 1_000, stock: 9 }] })),
];

const skus = new Map(catalogue.flatMap((product) => product.skus.map((sku) => [sku.id, sku])));

export const skuOf = (id: string): Sku | undefined => skus.get(id);

/**
 * Products in the shape of the catalogue's search.
 *
 * path  `slug/p` for one product; empty for a search by the words of `ft`
 */
export function findProducts(account: string, query: URLSearchParams, path: string): object[] {
  const [from, to] = [Number(query.get("_from") ?? 0), Number(query.get("_to") ?? 9)];
  const words = plain(query.get("ft") ?? "").split(/\s+/).filter(Boolean);
  const found = path === ""
    ? catalogue.filter(({ name }) => words.every((word) => plain(name).includes(word)))
    : catalogue.filter(({ slug }) => path === `${slug}/p`);
  return found.slice(from, to + 1).map((product) => shown(account, product));
}

const plain = (text: string): string => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

const shown = (account: string, { id, name, slug, skus: variants }: Product): object => ({
  productId: id, productName: name, linkText: slug, link: `https://${account}.vtexcommercestable.com.br/${slug}/p`,
  items: variants.map((sku) => ({
    itemId: sku.id, name: sku.name, images: [{ imageUrl: `https://${account}.vteximg.com.br/arquivos/ids/${sku.id}.jpg` }],
    sellers: [{ sellerId: "1", sellerDefault: true, commertialOffer: { Price: sku.priceCents / 100, AvailableQuantity: sku.stock } }],
  })),
});

/** Per item, in cents. A point to fetch it from costs nothing, and is no delivery. */
export function deliveriesTo(postalCode: string): { id: string; name: string; price: number; shippingEstimate: string; deliveryChannel: string }[] {
  const pickUp = { id: "Retira", name: "Retira na loja", price: 0, shippingEstimate: "1bd", deliveryChannel: "pickup-in-point" };
  if (postalCode === "99999999") return [pickUp];
  return [
    pickUp,
    { id: "Expressa", name: "Expressa", price: 1_990, shippingEstimate: "1bd", deliveryChannel: "delivery" },
    { id: "Normal", name: "Normal", price: 990, shippingEstimate: "5bd", deliveryChannel: "delivery" },
  ];
}

export const streetOf = (postalCode: string): object =>
  ({ postalCode, country: "BRA", street: "Rua Augusta", neighborhood: "Consolação", city: "São Paulo", state: "SP" });
