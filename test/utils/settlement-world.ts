/** A settlement chain with everything deployed, and nodes that attest through a verifier which believes what it is told. */
import { HDNodeWallet, type Result, SigningKey, type ContractTransactionResponse, type Wallet } from "ethers";
import { network } from "hardhat";
import { type Address, type Hex, custom, defineChain, encodeAbiParameters, keccak256, toBytes } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { deployChain } from "../../scripts/deploy/chain.ts";
import { type SettlementParameters, settlementParameters } from "../../scripts/deploy/parameters.ts";
import { deploySettlement } from "../../scripts/deploy/settlement.ts";
import { KeyType, Role } from "../../sdk/protocol/index.ts";
import type {
  AttestationGate, Committee, DataFeeds, Demands, FaultCourt, HealthLens, InferenceSettlement, MeasurementPolicy, ModelRegistry, NodeRegistry, ProofSettlement, SignatureChecker, TestBond,
  VerifierRouter,
} from "../../types/contracts/index.js";

export const WORKLOAD = keccak256(toBytes("og.test"));
export const IMAGE = keccak256(toBytes("image 1"));
export const TEE = 9; // the test verifier's type: policy 0 accepts types 1, 2 and this one
export const ZERO = `0x${"00".repeat(32)}` as Hex;
export const bytes32 = (label: string): Hex => keccak256(toBytes(label));
const mnemonic = "test test test test test test test test test test test junk";

/** How a key epoch signs 32 bytes. */
export interface Signer {
  keyType: number;
  publicKey: Hex;
  sign(digest: Hex): Hex;
}

export function secpSigner(seed: string): Signer {
  const key = new SigningKey(keccak256(toBytes(seed)));
  return { keyType: KeyType.Secp256k1, publicKey: key.publicKey as Hex, sign: (digest) => key.sign(digest).serialized as Hex };
}

export interface TestNode {
  nodeId: Hex;
  keyId: Hex;
  operator: Wallet | HDNodeWallet;
  authorizer: Wallet | HDNodeWallet;
  signer: Signer;
}

export type World = Awaited<ReturnType<typeof settlementWorld>>;

const ATTESTATION = [
  {
    type: "tuple",
    components: [
      { name: "imageId", type: "bytes32" },
      { name: "deviceId", type: "bytes32" },
      { name: "publicKeyHash", type: "bytes32" },
      { name: "userDataHash", type: "bytes32" },
      { name: "nonceHash", type: "bytes32" },
      { name: "attestedAt", type: "uint64" },
      { name: "validUntil", type: "uint64" },
      { name: "teeType", type: "uint8" },
      { name: "tcbStatus", type: "uint8" },
      { name: "debug", type: "bool" },
    ],
  },
] as const;

export interface Attestation {
  imageId: Hex;
  deviceId: Hex;
  publicKeyHash: Hex;
  userDataHash: Hex;
  nonceHash: Hex;
  attestedAt: bigint;
  validUntil: bigint;
  teeType: number;
  tcbStatus: number;
  debug: boolean;
}

export const encodeAttestation = (attestation: Attestation): Hex => encodeAbiParameters(ATTESTATION, [attestation]);

/** Where a node is reached; by default nowhere. */
export interface Reach {
  endpoint: string;
  tlsSpkiHash: Hex;
}

/**
 * @param change Adjusts the devnet's parameters.
 * @param behindSeconds How far the chain's clock begins behind the machine's. It gains a second a block, and other processes go by the machine's.
 */
export async function settlementWorld(change: (parameters: SettlementParameters) => void = () => {}, behindSeconds = 0) {
  // Else the chain begins when the test run began: keepers in the same test go by the wall's clock, and so does the other chain.
  const connection = await network.create({ network: "default", override: { initialDate: new Date(Date.now() - behindSeconds * 1_000) } });
  const { ethers, provider, networkHelpers } = connection;
  const chainId = Number((await ethers.provider.getNetwork()).chainId);
  const chain = defineChain({
    id: chainId,
    name: "test",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: ["http://unused.invalid"] } },
    testnet: true,
  });
  const transport = custom({ request: (args) => provider.request(args as never) as Promise<unknown> }, { retryCount: 0 });
  const deployer = deployChain({ chain, transport, account: mnemonicToAccount(mnemonic) });
  const parameters = settlementParameters(1_440);
  parameters.policy.teeTypes |= 1 << TEE;
  parameters.attestationMaxAge = 300n;
  change(parameters);
  const addresses = await deploySettlement(deployer, { parameters });
  const at = async <T>(name: string, address: Address) => (await ethers.getContractAt(name, address)) as unknown as T;
  const contracts = {
    token: await at<TestBond>("TestBond", addresses.BondToken),
    policy: await at<MeasurementPolicy>("MeasurementPolicy", addresses.MeasurementPolicy),
    signatures: await at<SignatureChecker>("SignatureChecker", addresses.SignatureChecker),
    gate: await at<AttestationGate>("AttestationGate", addresses.AttestationGate),
    registry: await at<NodeRegistry>("NodeRegistry", addresses.NodeRegistry),
    models: await at<ModelRegistry>("ModelRegistry", addresses.ModelRegistry),
    router: await at<VerifierRouter>("VerifierRouter", addresses.VerifierRouter),
    committee: await at<Committee>("Committee", addresses.Committee),
    settlement: await at<InferenceSettlement>("InferenceSettlement", addresses.InferenceSettlement),
    proofs: await at<ProofSettlement>("ProofSettlement", addresses.ProofSettlement),
    court: await at<FaultCourt>("FaultCourt", addresses.FaultCourt),
    demands: await at<Demands>("Demands", addresses.Demands),
    health: await at<HealthLens>("HealthLens", addresses.HealthLens),
    feeds: await at<DataFeeds>("DataFeeds", addresses.DataFeeds),
  };
  const { token, policy, gate, registry } = contracts;
  const [admin, relayer] = await ethers.getSigners();
  const testVerifier = await ethers.deployContract("TestAttestationVerifier");
  await gate.setAttestationVerifier(TEE, testVerifier);
  await policy.approveImage(ZERO, WORKLOAD, IMAGE);
  // As on a chain that has long been quiet. A new one begins with a base fee that no call sees and each block lowers: what a
  // transaction has to bring would depend on how many came before it.
  await networkHelpers.setNextBlockBaseFeePerGas(7n);

  const now = async () => BigInt((await ethers.provider.getBlock("latest"))!.timestamp);
  let accounts = 0;
  const account = async () => {
    const wallet = HDNodeWallet.fromPhrase(mnemonic, "", `m/44'/60'/1'/0/${accounts++}`).connect(ethers.provider);
    await networkHelpers.setBalance(wallet.address, 10n ** 20n);
    return wallet;
  };

  /** A registered node without a key. */
  async function registerNode(role: number, options: { operator?: HDNodeWallet; bond?: bigint; policyId?: Hex; payout?: string; reach?: Reach } = {}) {
    const operator = options.operator ?? (await account());
    const authorizer = await account();
    const bond = options.bond ?? (role === Role.Full ? parameters.registry.minBondFull : parameters.registry.minBondInference) * 2n;
    await token.mint(operator.address, bond);
    await token.connect(operator).approve(registry, bond);
    const nodeId = (await registry.nodeIdOf(operator.address, await registry.nodeCount(operator.address))) as Hex;
    const params = {
      role,
      payout: options.payout ?? operator.address,
      paymentAuthorizer: authorizer.address,
      ...(options.reach ?? { endpoint: "https://node.invalid", tlsSpkiHash: bytes32("tls") }),
      hpkeKeyHash: ZERO,
      policyId: options.policyId ?? ZERO,
      workload: WORKLOAD,
    };
    await registry.connect(operator).register(params, bond);
    return { nodeId, operator, authorizer, params };
  }

  /** The attestation that this node needs now; tests bend it. */
  async function attestationFor(node: { nodeId: Hex; operator: { address: string } }, signer: Signer) {
    const nonceBlock = (await ethers.provider.getBlockNumber()) - 1; // a view at the head does not know the head's hash
    const nonce = (await registry.attestationNonce(node.operator.address, nonceBlock)) as Hex;
    const binding = (await registry.bindingHash(node.nodeId, signer.keyType, signer.publicKey)) as Hex;
    const attestation: Attestation = {
      imageId: IMAGE,
      deviceId: bytes32("device"),
      publicKeyHash: keccak256(signer.publicKey),
      userDataHash: keccak256(binding),
      nonceHash: keccak256(nonce),
      attestedAt: await now(),
      validUntil: (await now()) + 30n * 86_400n,
      teeType: TEE,
      tcbStatus: 0,
      debug: false,
    };
    const params = { keyType: signer.keyType, publicKey: signer.publicKey, nonceBlock, teeType: TEE };
    return { attestation, params };
  }

  async function attest(node: { nodeId: Hex; operator: HDNodeWallet }, signer: Signer): Promise<{ keyId: Hex; tx: ContractTransactionResponse }> {
    const { attestation, params } = await attestationFor(node, signer);
    const tx = await registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation(attestation), "0x");
    return { keyId: (await registry.node(node.nodeId)).keyId as Hex, tx };
  }

  /** Signs as a contract of the deployment: what only an authority may do, without the reason that it would need. */
  async function acting(name: "InferenceSettlement" | "Committee" | "FaultCourt" | "Demands") {
    await networkHelpers.impersonateAccount(addresses[name]);
    await networkHelpers.setBalance(addresses[name], 10n ** 20n);
    return ethers.getSigner(addresses[name]);
  }

  let seeds = 0;
  /** An Active node. */
  async function addNode(role: number, options: { signer?: Signer; operator?: HDNodeWallet; bond?: bigint; policyId?: Hex; payout?: string; reach?: Reach } = {}) {
    const registered = await registerNode(role, options);
    const signer = options.signer ?? secpSigner(`node ${seeds++}`);
    const { keyId } = await attest(registered, signer);
    return { ...registered, keyId, signer };
  }

  /** What the chain keeps of a posted header of this hash. */
  async function batchOf(hash: string) {
    const [posted] = await contracts.settlement.queryFilter(contracts.settlement.filters.HeaderPosted(hash));
    if (!posted) throw new Error(`no header ${hash} was posted`);
    return contracts.settlement.batch((posted.args.header as unknown as Result).toObject() as never);
  }

  return {
    ...connection, provider, ...contracts, addresses, parameters, deployer, admin: admin!, relayer: relayer!, chainId, now, account,
    acting, registerNode, attestationFor, attest, addNode, batchOf,
  };
}
