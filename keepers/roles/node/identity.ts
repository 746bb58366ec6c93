/** A node's life on chain: registered with bond, admitted by attestation, kept alive, admitted again before the key ends. */
import { type Address, type Hex, hexToBytes, keccak256, parseEventLogs, toHex } from "viem";
import { heartbeatDigest, KeyType } from "../../../sdk/protocol/index.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { fatal, isKeeperError, retryable } from "../../errors/index.ts";
import { kv } from "../../storage/index.ts";
import type { TxReceipt } from "../../tx/index.ts";
import type { Platform, ReadyCheck } from "../platform.ts";
import { decideNode, type NodeSnapshot, NodeStatus, type NodeStep } from "./decide.ts";
import type { EvidenceMaker } from "./evidence.ts";
import { createReceiptKey, type ReceiptKey } from "./key.ts";
import { registryCalls } from "./registry-calls.ts";
import { type Beat, type HandIn, handInOverHttps, relayBlock, relayOf } from "./relays.ts";

export interface NodeOptions {
  /** `Role` of the protocol. */
  role: number;
  /** keccak256("og.inference"), ("og.data"), ("og.full"). */
  workload: Hex;
  policyId: Hex;
  payout: Address;
  paymentAuthorizer: Address;
  endpoint: string;
  tlsSpkiHash: Hex;
  hpkeKeyHash: Hex;
  /** 0: the role's minimum. */
  bond: bigint;
  /** Registered by somebody else (a cold operator). */
  nodeId?: Hex;
  makeEvidence: EvidenceMaker;
  heartbeatMs: number;
  /** Full nodes that carry this node's heartbeats; it sends one itself when none of them did in time. */
  relays?: readonly Hex[];
  /** Default: over HTTPS. */
  handIn?: HandIn;
}

/** The key that signs now. Take it once per object that you sign: a renewal swaps it. */
export interface CurrentKey {
  nodeId: Hex;
  keyId: Hex;
  publicKey: Hex;
  /** Seconds, chain time: receipts issued outside of this are refused. */
  validFrom: bigint;
  validUntil: bigint;
  /** secp256k1, r | s | v over the 32 bytes as they are. */
  sign(digest: Hex): Promise<Hex>;
}

export interface NodeIdentity {
  /** Throws `node.not_admitted` before `start` is through. */
  current(): CurrentKey;
  nodeId(): Hex;
  /** Registers and attests if need be; afterwards the node is Active. */
  start(): Promise<void>;
  ready: ReadyCheck;
  status(): object;
}

/** Seconds before the end of a key's validity at which the next one is opened. */
const RENEW_BEFORE = 1_800n;
const MAX_STEPS = 8;
/** Seconds after which a heartbeat or attestation that did not get through is withdrawn: a newer one follows. */
const PATIENCE = 240n;

export function createNodeIdentity(platform: Platform, options: NodeOptions): NodeIdentity {
  const { settlement, signer, clock, store, jobs } = platform;
  const logger = platform.logger.child({ part: "node" });
  const registry = settlement.deployment.address("NodeRegistry");
  const facts = kv(store);
  const calls = registryCalls(platform, registry);
  const relays = options.relays ?? [];
  const handIn = options.handIn ?? handInOverHttps({ settlement, logger });
  let handedIn = -1n;
  let nodeId: Hex | null = options.nodeId ?? (facts.get("nodeId") as Hex | undefined) ?? null;
  let active: CurrentKey | null = null;
  let blocked: string | null = "not registered yet";

  async function snapshot(): Promise<NodeSnapshot & { operator: Address }> {
    const head = await settlement.pool.head();
    const { heartbeatBlocks } = await calls.params();
    nodeId ??= await findOwn();
    const common = { headNumber: head.number, headTime: head.timestamp, heartbeatBlocks, ownPublicKeyHash: active ? keccak256(active.publicKey) : null };
    if (nodeId === null) return { ...common, node: null, operator: signer.address };
    const node = await calls.node(nodeId);
    if (node.status === NodeStatus.None) throw fatal("node.unknown", `The registry knows no node ${nodeId}.`, { nodeId });
    const key = node.keyId === `0x${"00".repeat(32)}` ? null : await calls.key(node.keyId);
    return {
      ...common,
      operator: node.operator,
      node: {
        status: node.status, endpoint: node.endpoint, tlsSpkiHash: node.tlsSpkiHash, lastHeartbeat: node.lastHeartbeat,
        key: key && { publicKeyHash: key.publicKeyHash, status: key.status, validUntil: key.validUntil },
      },
    };
  }

  /** After a lost database: this key's node of this role stands on chain. */
  async function findOwn(): Promise<Hex | null> {
    for (const id of await calls.nodesOf(signer.address)) {
      const node = await calls.node(id);
      if (node.role !== options.role || node.status === NodeStatus.Exited || node.status === NodeStatus.Banned) continue;
      logger.info({ nodeId: id }, "own node found on chain");
      facts.set("nodeId", id);
      return id;
    }
    return null;
  }

  async function register(): Promise<void> {
    const { role, payout, paymentAuthorizer, endpoint, tlsSpkiHash, hpkeKeyHash, policyId, workload } = options;
    const bond = options.bond || (await calls.minBond(role));
    const n = BigInt((await calls.nodesOf(signer.address)).length);
    await calls.approveBond(bond, n);
    const receipt = await calls.send("register", [{ role, payout, paymentAuthorizer, endpoint, tlsSpkiHash, hpkeKeyHash, policyId, workload }, bond], toHex(n));
    const [event] = parse(receipt, "NodeRegistered");
    nodeId = event!.args.nodeId;
    facts.set("nodeId", nodeId);
    logger.info({ nodeId, bond, tx: receipt.transactionHash, gas: receipt.gasUsed }, "node registered");
  }

  async function attest(operator: Address, why: string): Promise<void> {
    const key: ReceiptKey = createReceiptKey((length) => clock.randomBytes(length));
    const head = await settlement.pool.head();
    // One block back: the newest one's hash is not yet known to the block that will carry the transaction's predecessor.
    const nonceBlock = head.number > 0n ? head.number - 1n : 0n;
    const [userData, nonce] = await Promise.all([calls.bindingHash(nodeId!, key.publicKey), calls.attestationNonce(operator, nonceBlock)]);
    const started = clock.now();
    const { teeType, evidence, hints } = await options.makeEvidence({ publicKey: hexToBytes(key.publicKey), userData: hexToBytes(userData), nonce: hexToBytes(nonce) });
    const params = { keyType: KeyType.Secp256k1, publicKey: key.publicKey, nonceBlock, teeType };
    const receipt = await calls.send("attest", [nodeId!, params, evidence, hints], keccak256(key.publicKey), head.timestamp + PATIENCE).catch(late);
    const [event] = parse(receipt, "KeyEpochOpened");
    const { keyId, key: epoch } = event!.args;
    active = { nodeId: nodeId!, keyId, publicKey: key.publicKey, validFrom: epoch.validFrom, validUntil: epoch.validUntil, sign: key.sign };
    logger.info({ nodeId, keyId, why, tx: receipt.transactionHash, gas: receipt.gasUsed, ms: clock.now() - started }, "key epoch opened");
  }

  /** What did not get through in time is worth a new one: at a start the keeper tries again instead of ending. */
  function late(error: unknown): never {
    if (!isKeeperError(error) || (error.code !== "tx.cancelled" && error.details.code !== "tx.deadline")) throw error;
    throw retryable("node.late", `The attestation was not on the chain within ${PATIENCE} s; a new one follows.`, { nodeId, patience: PATIENCE }, { cause: error });
  }

  async function beatFor(blockNumber: bigint): Promise<Beat> {
    const block = await settlement.client.getBlock({ blockNumber });
    const statement = { nodeId: nodeId!, blockNumber, blockHash: block.hash };
    return { nodeId: nodeId!, blockNumber, signature: await active!.sign(heartbeatDigest(statement, { chainId: settlement.chainId, verifyingContract: registry })) };
  }

  async function heartbeat(headNumber: bigint, headTime: bigint): Promise<void> {
    const { blockNumber, signature } = await beatFor(headNumber > 0n ? headNumber - 1n : 0n);
    await calls.send("heartbeat", [nodeId!, blockNumber, signature], `${nodeId}:${blockNumber}`, headTime + PATIENCE);
  }

  /** To one relay a step, and to the next one at the next step, until the chain shows it. */
  async function handInDue({ headNumber, heartbeatBlocks, node }: NodeSnapshot): Promise<void> {
    const blockNumber = relayBlock(headNumber, heartbeatBlocks);
    if (blockNumber <= handedIn || blockNumber <= node!.lastHeartbeat) return;
    const relay = relayOf(relays, { nodeId: nodeId!, blockNumber }, heartbeatBlocks);
    const taken = await handIn(relay, await beatFor(blockNumber));
    handedIn = blockNumber;
    logger.debug({ relay, blockNumber, taken }, "heartbeat handed in");
  }

  /** One step at a time, each from a fresh look at the chain. Returns what was done last. */
  async function advance(): Promise<NodeStep> {
    const seen = await snapshot();
    const step = decideNode(seen, { endpoint: options.endpoint, tlsSpkiHash: options.tlsSpkiHash, renewBefore: RENEW_BEFORE, relayed: relays.length > 0 });
    if (step.kind === "register") await register();
    else if (step.kind === "setEndpoint") await calls.send("setEndpoint", [nodeId!, options.endpoint, options.tlsSpkiHash, options.hpkeKeyHash], `${nodeId}:${options.endpoint}:${options.tlsSpkiHash}`);
    else if (step.kind === "attest") await attest(seen.operator, step.why);
    else if (step.kind === "handIn") await handInDue(seen);
    else if (step.kind === "heartbeat") await heartbeat(seen.headNumber, seen.headTime);
    blocked = step.kind === "stop" ? step.why : active ? null : "no admitted key";
    return step;
  }

  function parse<const N extends "NodeRegistered" | "KeyEpochOpened">(receipt: TxReceipt, eventName: N) {
    const events = parseEventLogs({ abi: iNodeRegistryAbi, eventName, logs: receipt.logs as never }).filter(({ address }) => address.toLowerCase() === registry.toLowerCase());
    if (events.length === 0) throw fatal("node.no_event", `The transaction ${receipt.transactionHash} has no ${eventName}.`, { hash: receipt.transactionHash });
    return events;
  }

  return {
    nodeId() {
      if (nodeId === null) throw retryable("node.not_admitted", "The node is not registered yet.");
      return nodeId;
    },
    current() {
      if (!active) throw retryable("node.not_admitted", "The node has no admitted key yet.");
      return active;
    },
    async start() {
      for (let i = 0; i < MAX_STEPS; i++) {
        const step = await advance();
        if (step.kind === "stop") throw fatal("node.stopped", `This node takes no work: ${step.why}.`, { nodeId });
        if ((step.kind === "none" || step.kind === "handIn") && active) {
          jobs.every("node", options.heartbeatMs, keepAlive);
          return;
        }
      }
      throw retryable("node.unsettled", "The node did not come to rest: another process may be changing it.", { nodeId });
    },
    ready: () => blocked,
    status: () => ({ nodeId, keyId: active?.keyId ?? null, validUntil: active?.validUntil.toString() ?? null, endpoint: options.endpoint, blocked }),
  };

  async function keepAlive(): Promise<void> {
    try {
      const step = await advance();
      if (step.kind === "stop") logger.error({ nodeId, why: step.why }, "the node takes no work");
    } catch (error) {
      // Somebody relayed a newer heartbeat first: the node is alive, and that is all we want.
      if (isKeeperError(error) && error.details.code === "revert:NodeRegistryHeartbeatOld") return;
      throw error;
    }
  }
}
