/**
 * The settlement chain's contracts, in order. Every step looks first whether it is done: a second run sends nothing.
 *   1 bond token (devnets)   2 AccessManager   3 MeasurementPolicy   4 SignatureChecker   5 AttestationGate
 *   6 Groth16Keys and Groth16Fold   7 ModelRegistry   8 VerifierRouter   9 Foundation, and what it builds: NodeRegistry, Committee,
 *   InferenceSettlement, FaultCourt, Demands, FullNodeRewards, which name each other in their constructors   10 ProofSettlement   11 Traps
 *   12 DataFeeds   13 HealthLens   14 Nitro and Intel verifiers, each under a given root   15 wiring: which verifier serves which
 *   TEE type, and that the court may stop the proofs of a version whose image and proof disagree
 */
import { type Address, type Hex, encodeDeployData, getContractAddress, toFunctionSelector } from "viem";
import { generatorTable } from "../../sdk/attestation/p384/index.ts";
import { type DeployChain, artifact } from "./chain.ts";
import { COURT_ROLE } from "./roles.ts";
import { deploymentPath, readDeploymentFile, writeDeploymentFile } from "./files.ts";
import { DEVNET_DIVISOR, rewardSettleTime, type SettlementParameters, settlementParameters, trapParameters } from "./parameters.ts";

export interface SettlementAddresses {
  /** The bond token: TestBond on devnets. */
  BondToken: Address;
  AccessManager: Address;
  MeasurementPolicy: Address;
  SignatureChecker: Address;
  AttestationGate: Address;
  Foundation: Address;
  NodeRegistry: Address;
  Groth16Keys: Address;
  Groth16Fold: Address;
  ModelRegistry: Address;
  VerifierRouter: Address;
  Committee: Address;
  InferenceSettlement: Address;
  ProofSettlement: Address;
  FaultCourt: Address;
  Demands: Address;
  FullNodeRewards: Address;
  Traps: Address;
  DataFeeds: Address;
  HealthLens: Address;
  /** Only when a Nitro root was given. */
  Sha384?: Address;
  Sha384Pair?: Address;
  P384?: Address;
  NitroVerifier?: Address;
  /** Only when an Intel root was given. */
  IntelStatements?: Address;
  IntelCollateral?: Address;
  TdxVerifier?: Address;
}

export interface SettlementDeployment {
  /** 1 on public chains; devnets take 1,440. Ignored when `parameters` are given. */
  timeDivisor?: number;
  parameters?: SettlementParameters;
  /** A token that exists; on devnets a TestBond is deployed when absent. */
  bondToken?: Address;
  /** Root of Nitro attestations as NitroVerifier takes it: the development root on devnets only. */
  nitroRoot?: Hex;
  /** Root of Intel quotes and collateral, keccak256 of its DER: a development root on devnets only. */
  intelRoot?: Hex;
  /** Addresses of an earlier run. */
  known?: Partial<SettlementAddresses>;
  onStep?(name: string, address: Address): void;
}

export async function deploySettlement(chain: DeployChain, options: SettlementDeployment = {}): Promise<SettlementAddresses> {
  const parameters = options.parameters ?? settlementParameters(options.timeDivisor ?? DEVNET_DIVISOR);
  const known = options.known ?? {};
  if (known.NodeRegistry && !known.Foundation) {
    throw new Error(`the registry at ${known.NodeRegistry} was not built by a Foundation: what serves it cannot serve another one; deploy anew, under another name`);
  }
  const step = async (name: keyof SettlementAddresses, args: readonly unknown[], contract: string = name): Promise<Address> => {
    const before = known[name];
    if (before && (await chain.hasCode(before))) return before;
    const { abi, bytecode } = artifact(contract);
    const address = await chain.deploy(abi, bytecode, args);
    options.onStep?.(name, address);
    return address;
  };

  const { policy } = parameters;
  const BondToken = options.bondToken ?? (await step("BondToken", [], "TestBond"));
  const AccessManager = await step("AccessManager", [chain.deployer]);
  const MeasurementPolicy = await step("MeasurementPolicy", [AccessManager, policy.delay, policy.teeTypes, policy.tcbStatuses]);
  const SignatureChecker = await step("SignatureChecker", []);
  const AttestationGate = await step("AttestationGate", [
    AccessManager,
    MeasurementPolicy,
    parameters.attestationMaxAge,
    parameters.nonceMaxBlocks,
  ]);
  const Groth16Keys = await step("Groth16Keys", [AccessManager]);
  const Groth16Fold = await step("Groth16Fold", [AccessManager, Groth16Keys, parameters.fold.bond, parameters.fold.window]);
  const ModelRegistry = await step("ModelRegistry", [Groth16Keys, Groth16Fold]);
  const VerifierRouter = await step("VerifierRouter", [AccessManager, ModelRegistry]);
  const Foundation = await step("Foundation", []);
  const built = foundation(chain, Foundation, options.onStep);
  const [NodeRegistry, Committee, InferenceSettlement, FaultCourt, Demands, FullNodeRewards] = built.addresses;
  const authorities = { settlement: InferenceSettlement, committee: Committee, court: FaultCourt, demands: Demands, pool: FullNodeRewards };
  await built.next("NodeRegistry", [BondToken, MeasurementPolicy, AttestationGate, SignatureChecker, parameters.registry, authorities]);
  await built.next("Committee", [NodeRegistry, parameters.committee]);
  await built.next("InferenceSettlement", [AccessManager, NodeRegistry, SignatureChecker, VerifierRouter, parameters.settlement]);
  await built.next("FaultCourt", [NodeRegistry, InferenceSettlement, ModelRegistry, VerifierRouter, parameters.court]);
  await built.next("Demands", [InferenceSettlement]);
  await built.next("FullNodeRewards", [BondToken, NodeRegistry, Committee, InferenceSettlement, rewardSettleTime(parameters)]);
  const ProofSettlement = await step("ProofSettlement", [VerifierRouter]);
  const Traps = await step("Traps", [BondToken, InferenceSettlement, FaultCourt, FullNodeRewards, trapParameters(parameters)]);
  const DataFeeds = await step("DataFeeds", [NodeRegistry, SignatureChecker]);
  const HealthLens = await step("HealthLens", [NodeRegistry, BondToken, InferenceSettlement, Committee, MeasurementPolicy, ModelRegistry]);
  const addresses: SettlementAddresses = {
    BondToken,
    AccessManager,
    MeasurementPolicy,
    SignatureChecker,
    AttestationGate,
    Foundation,
    NodeRegistry,
    Groth16Keys,
    Groth16Fold,
    ModelRegistry,
    VerifierRouter,
    Committee,
    InferenceSettlement,
    ProofSettlement,
    FaultCourt,
    Demands,
    FullNodeRewards,
    Traps,
    DataFeeds,
    HealthLens,
  };
  if (options.nitroRoot) {
    addresses.Sha384 = await step("Sha384", []);
    addresses.Sha384Pair = await step("Sha384Pair", [addresses.Sha384]);
    addresses.P384 = await step("P384", [generatorTable()]);
    addresses.NitroVerifier = await step("NitroVerifier", [options.nitroRoot, addresses.Sha384Pair, addresses.P384, AccessManager]);
  }
  if (options.intelRoot) {
    addresses.IntelStatements = await step("IntelStatements", []);
    addresses.IntelCollateral = await step("IntelCollateral", [options.intelRoot, addresses.IntelStatements]);
    addresses.TdxVerifier = await step("TdxVerifier", [addresses.IntelCollateral]);
  }
  await wire(chain, addresses);
  return addresses;
}

/** What a Foundation builds, one after the other, at addresses that are known before. What stands is passed over. */
function foundation(chain: DeployChain, from: Address, onStep: SettlementDeployment["onStep"]) {
  const place = (n: bigint): Address => getContractAddress({ from, nonce: n });
  const addresses = [place(1n), place(2n), place(3n), place(4n), place(5n), place(6n)] as const;
  let n = 0;
  const next = async (name: string, args: readonly unknown[]): Promise<void> => {
    const address = addresses[n++]!;
    if (await chain.hasCode(address)) return;
    const { abi, bytecode } = artifact(name);
    await chain.write(from, artifact("Foundation").abi, "build", [encodeDeployData({ abi, bytecode, args } as never)]);
    if (!(await chain.hasCode(address))) throw new Error(`the foundation at ${from} built ${name} elsewhere than at ${address}: another run was at work; deploy under a new name`);
    onStep?.(name, address);
  };
  return { addresses, next };
}

/** Deploys and writes `deployments/<chainId>-<name>/addresses.json`; what the file names and the chain has is kept. */
export async function deploySettlementTo(
  chain: DeployChain,
  name: string,
  options: SettlementDeployment & { root?: string } = {},
): Promise<SettlementAddresses> {
  const path = deploymentPath(chain.chainId, name, options.root);
  const { hash: genesisHash, number } = await chain.client.getBlock({ blockNumber: 0n }).then(async (genesis) => ({
    hash: genesis.hash,
    number: await chain.client.getBlockNumber(),
  }));
  const file = readDeploymentFile(path, genesisHash);
  const known = { ...(file?.contracts as Partial<SettlementAddresses> | undefined), ...options.known };
  const addresses = await deploySettlement(chain, { ...options, known });
  const contracts = { ...file?.contracts, ...addresses } as Record<string, Address>;
  writeDeploymentFile(path, { chainId: chain.chainId, genesisHash, startBlock: file?.startBlock ?? Number(number), contracts });
  return addresses;
}

/** Puts an image on the default policy's list, unless it is there. @returns whether something was sent. */
export async function approveImage(chain: DeployChain, policy: Address, workload: Hex, imageId: Hex): Promise<boolean> {
  const { abi } = artifact("MeasurementPolicy");
  const policyId = `0x${"00".repeat(32)}` as Hex;
  const { approvedFrom } = (await chain.read(policy, abi, "image", [policyId, workload, imageId])) as { approvedFrom: bigint };
  if (approvedFrom !== 0n) return false;
  await chain.write(policy, abi, "approveImage", [policyId, workload, imageId]);
  return true;
}

async function wire(chain: DeployChain, addresses: SettlementAddresses): Promise<void> {
  // The one thing that the court may do to a model: stop its proofs while image and proof disagree.
  const manager = artifact("AccessManager").abi;
  const [isMember] = (await chain.read(addresses.AccessManager, manager, "hasRole", [COURT_ROLE, addresses.FaultCourt])) as [boolean, number];
  if (!isMember) {
    const selector = toFunctionSelector("freezeContradicted(bytes32)");
    await chain.write(addresses.AccessManager, manager, "setTargetFunctionRole", [addresses.VerifierRouter, [selector], COURT_ROLE]);
    await chain.write(addresses.AccessManager, manager, "grantRole", [COURT_ROLE, addresses.FaultCourt, 0]);
  }
  // Nitro, TDX, SGX: one contract reads both kinds of quotes, and policies say which of them they take.
  const verifiers = { 1: addresses.NitroVerifier, 2: addresses.TdxVerifier, 3: addresses.TdxVerifier };
  const gate = artifact("AttestationGate").abi;
  for (const [teeType, verifier] of Object.entries(verifiers)) {
    if (verifier === undefined) continue;
    const current = await chain.read(addresses.AttestationGate, gate, "attestationVerifier", [Number(teeType)]);
    if (current !== verifier) await chain.write(addresses.AttestationGate, gate, "setAttestationVerifier", [Number(teeType), verifier]);
  }
}
