/** Requests of ProofSettlement: contexts, and the order in which a batch is given. */
import { type Address, type Hex, concatHex, encodeAbiParameters, hexToBigInt, keccak256, numberToHex, toBytes } from "viem";

/** Who may settle a request, and on which contract. */
export interface ProofPlace {
  chainId: number;
  /** ProofSettlement. */
  settlement: Address;
  /** Whoever calls it. */
  asker: Address;
}

/** One request; the tuple that `ProofSettlement.settle` takes. */
export interface ProofRequest {
  /** Below 2^96, of the asker's own counting. */
  number: bigint;
  modelId: Hex;
  beneficiary: Address;
  /** Seconds. */
  deadline: bigint;
}

/** A request with its proof. */
export interface ProvedRequest {
  number: bigint;
  proof: Hex;
  /** in..., out...: the public inputs behind ctx. */
  words: readonly bigint[];
}

/** What the requests of a batch share. */
export type ProofTerms = Omit<ProofRequest, "number">;

const TAG = keccak256(toBytes("opengradient.proof-request.v1"));
const CONTEXT_BITS = 248n;
const NUMBER_BITS = 96n;
const SPAN = 256n;

/** asker (160 bits) | number (96). @throws RangeError for a number that does not fit. */
export function requestIdOf(asker: Address, number: bigint): bigint {
  if (number < 0n || number >> NUMBER_BITS !== 0n) throw new RangeError(`A request's number is below 2^96, not ${number}.`);
  return (BigInt(asker) << NUMBER_BITS) | number;
}

/** First public input of a request's proof: what the prover is given as `ctx`. */
export function requestContext({ chainId, settlement, asker }: ProofPlace, { number, modelId, beneficiary, deadline }: ProofRequest): bigint {
  const types = [{ type: "bytes32" }, { type: "uint256" }, { type: "address" }, { type: "uint256" }, { type: "bytes32" }, { type: "address" }, { type: "uint64" }] as const;
  const preimage = encodeAbiParameters(types, [TAG, BigInt(chainId), settlement, requestIdOf(asker, number), modelId, beneficiary, deadline]);
  return hexToBigInt(keccak256(preimage)) & ((1n << CONTEXT_BITS) - 1n);
}

/** keccak256(ctx, words): a request's statement. */
export function requestStatement(place: ProofPlace, request: ProofRequest, words: readonly bigint[]): Hex {
  return keccak256(concatHex([requestContext(place, request), ...words].map((value) => numberToHex(value, { size: 32 }))));
}

/** The tuple `requests` of ProofSettlement.settleBatch, and the words in its order. `order[i]` is the given place of what stands i-th. */
export interface RequestBatch {
  requests: ProofTerms & { first: bigint; offsets: Hex };
  words: bigint[];
  order: number[];
}

/**
 * Puts requests into the order that the contract wants: ascending by statement.
 * @throws RangeError for no request, for a number twice, and for numbers that are 256 or more apart.
 */
export function requestBatch(place: ProofPlace, terms: ProofTerms, asked: readonly Pick<ProvedRequest, "number" | "words">[]): RequestBatch {
  if (asked.length === 0) throw new RangeError("A batch has one request at least.");
  const numbers = asked.map(({ number }) => number);
  const [lowest, highest] = numbers.reduce(([low, high], n) => [n < low ? n : low, n > high ? n : high], [numbers[0]!, numbers[0]!]);
  if (new Set(numbers).size !== numbers.length) throw new RangeError("A request's number stands twice in the batch.");
  if (highest - lowest >= SPAN) throw new RangeError(`Requests ${lowest} and ${highest} are too far apart: numbers of a batch span less than ${SPAN}.`);
  // The contract leaves room for an offset above `first`.
  const ceiling = (1n << NUMBER_BITS) - SPAN;
  const first = lowest < ceiling ? lowest : ceiling;
  const order = asked
    .map(({ number, words }, index) => ({ index, statement: requestStatement(place, { ...terms, number }, words) }))
    .sort((a, b) => (a.statement < b.statement ? -1 : 1))
    .map(({ index }) => index);
  const { modelId, beneficiary, deadline } = terms;
  return {
    requests: { modelId, beneficiary, deadline, first, offsets: concatHex(order.map((index) => numberToHex(numbers[index]! - first, { size: 1 }))) },
    words: order.flatMap((index) => [...asked[index]!.words]),
    order,
  };
}

/** The same with the proofs of a single key, one for each request: the three arguments of ProofSettlement.settleBatch. */
export function provedBatch(place: ProofPlace, terms: ProofTerms, proved: readonly ProvedRequest[]): RequestBatch & { proofs: Hex } {
  const batch = requestBatch(place, terms, proved);
  return { ...batch, proofs: concatHex(batch.order.map((index) => proved[index]!.proof)) };
}
