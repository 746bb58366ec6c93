import { type Address, type Hex, concatHex, encodeAbiParameters, keccak256, toBytes } from "viem";

/** Prices of one model version, smallest token units. Prices of units are per million: tokens cost less than a unit each. */
export interface Price {
  modelId: Hex;
  perRequest: bigint;
  perMillionInput: bigint;
  /** Answer and reasoning units count as output units in a receipt; see `chargeOf`. */
  perMillionOutput: bigint;
  perMillionReasoning: bigint;
}

/** A node's published price list in one token. Its hash stands in offers, terms and, through them, in every receipt. */
export interface Tariff {
  chainId: bigint;
  token: Address;
  /** Strictly ascending by modelId. */
  prices: readonly Price[];
}

/** What an answer used. `reasoning` is the part of the output that is not the answer itself, and not contained in `output`. */
export interface Usage {
  input: bigint;
  output: bigint;
  reasoning?: bigint;
}

const MILLION = 1_000_000n;
const PRICE_TYPEHASH = keccak256(
  toBytes("Price(bytes32 modelId,uint128 perRequest,uint128 perMillionInput,uint128 perMillionOutput,uint128 perMillionReasoning)"),
);
const TARIFF_TYPEHASH = keccak256(toBytes(
  "Tariff(uint256 chainId,address token,Price[] prices)" +
  "Price(bytes32 modelId,uint128 perRequest,uint128 perMillionInput,uint128 perMillionOutput,uint128 perMillionReasoning)",
));

const words = (types: readonly string[], values: readonly unknown[]): Hex =>
  encodeAbiParameters(types.map((type) => ({ type })), values);

export function priceHash(price: Price): Hex {
  return keccak256(words(
    ["bytes32", "bytes32", "uint128", "uint128", "uint128", "uint128"],
    [PRICE_TYPEHASH, price.modelId, price.perRequest, price.perMillionInput, price.perMillionOutput, price.perMillionReasoning],
  ));
}

/** EIP-712 struct hash of the list; contracts/types/Tariff.sol. @throws RangeError when the list is not strictly ascending. */
export function tariffHash(tariff: Tariff): Hex {
  tariff.prices.forEach((price, i) => {
    if (i > 0 && BigInt(price.modelId) <= BigInt(tariff.prices[i - 1]!.modelId)) {
      throw new RangeError(`prices must ascend by modelId: ${price.modelId} at ${i} does not`);
    }
  });
  const list = keccak256(tariff.prices.length === 0 ? "0x" : concatHex(tariff.prices.map(priceHash)));
  return keccak256(words(["bytes32", "uint256", "address", "bytes32"], [TARIFF_TYPEHASH, tariff.chainId, tariff.token, list]));
}

/**
 * The one rounding rule: the request's price plus the units' price, the sum of which is rounded up once to a token unit.
 * A receipt carries `outputUnits = output + reasoning`, so what anyone can prove from signed units is that a charge is above
 * `mostFor`: all output at the dearer of the two output prices.
 */
export function chargeOf(price: Price, usage: Usage): bigint {
  const units =
    usage.input * price.perMillionInput + usage.output * price.perMillionOutput + (usage.reasoning ?? 0n) * price.perMillionReasoning;
  return price.perRequest + (units + MILLION - 1n) / MILLION;
}

/** Most that a receipt with these units may charge. */
export function mostFor(price: Price, inputUnits: bigint, outputUnits: bigint): bigint {
  const dearer = price.perMillionOutput > price.perMillionReasoning ? price.perMillionOutput : price.perMillionReasoning;
  return chargeOf({ ...price, perMillionOutput: dearer }, { input: inputUnits, output: outputUnits });
}

/** What an answer costs: never above the ceiling that the payer signed. */
export function chargeWithin(price: Price, usage: Usage, ceiling: bigint): bigint {
  const charge = chargeOf(price, usage);
  return charge < ceiling ? charge : ceiling;
}

/** What a request may cost at most: the quote that a payer signs before it is answered. */
export function ceilingOf(price: Price, inputUnits: bigint, maxOutputUnits: bigint): bigint {
  return mostFor(price, inputUnits, maxOutputUnits);
}

export function priceFor(tariff: Tariff, modelId: Hex): Price | undefined {
  return tariff.prices.find((price) => price.modelId.toLowerCase() === modelId.toLowerCase());
}
