/** A keeper's platform over the simulated chain of `settlementWorld`: real journal, store, signer and pool, no process. */
import { bytesToHex, type Hex, keccak256, parseEther, toHex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { clientOver, createPool, moneyClientOver, RpcAnswerError, type RpcEndpoint } from "../../../keepers/chain/index.ts";
import { systemClock } from "../../../keepers/clock/index.ts";
import type { Deployment } from "../../../keepers/config/index.ts";
import { createJobs } from "../../../keepers/jobs/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { createMetrics } from "../../../keepers/metrics/index.ts";
import type { EvidenceMaker } from "../../../keepers/roles/node/index.ts";
import type { Platform } from "../../../keepers/roles/platform.ts";
import { localSigner, type PolicyRule } from "../../../keepers/signer/index.ts";
import { kvMigration, openStore } from "../../../keepers/storage/index.ts";
import { createJournal } from "../../../keepers/tx/index.ts";
import { bytes32, encodeAttestation, IMAGE, TEE, type World } from "../../utils/settlement-world.ts";

/**
 * Milliseconds for an answer of a chain in this process, and for a lane's lease: a test that computes holds the thread, and
 * an answer that has come must not be late because of it.
 */
export const PATIENCE = 600_000;

/** Where the contracts of the world are, as a keeper reads it. */
export function deploymentOf(w: World): Deployment {
  const addresses = w.addresses as unknown as Record<string, Hex>;
  return { chainId: w.chainId, startBlock: 0n, has: (name) => name in addresses, address: (name) => addresses[name]! };
}

/**
 * @param rules What the hot key may do. Stop it at the end: the journal keeps a lane.
 * @param database A file, to start again with what an earlier platform of the same name has left.
 */
export async function worldPlatform(w: World, name: string, rules: (deployment: Deployment) => PolicyRule[], database = ":memory:"): Promise<Platform & { stop(): Promise<void> }> {
  const deployment = deploymentOf(w);
  const clock = systemClock();
  const store = openStore(database);
  store.migrate(kvMigration);
  const endpoint: RpcEndpoint = {
    name: "in memory",
    async call(method, params) {
      try {
        return await w.provider.request({ method, params: params as unknown[] });
      } catch (error) {
        const { code, message, data } = error as { code?: number; message: string; data?: unknown };
        throw new RpcAnswerError(code ?? -32000, message, data);
      }
    },
  };
  const pool = createPool({ chainId: w.chainId, endpoints: [endpoint], clock, logger: silentLogger, timeoutMs: PATIENCE });
  const key = keccak256(toHex(`keeper ${name}`));
  await w.networkHelpers.setBalance(privateKeyToAddress(key), parseEther("100"));
  const signer = localSigner(key, { rules: rules(deployment), maxFee: parseEther("1") });
  const limits = { maxFeePerGas: 500_000_000_000n, maxTxCost: parseEther("1"), maxDayCost: parseEther("10") };
  const journal = createJournal({ store, clock, logger: silentLogger, leaseTtlMs: PATIENCE, chains: [{ pool, signer, limits, timing: { confirmations: 1, pollMs: 20 } }] });
  const metrics = createMetrics();
  journal.start();
  return {
    name, clock, logger: silentLogger, metrics, store, signer, journal, jobs: createJobs({ clock, logger: silentLogger, metrics }), payment: null,
    settlement: { chainId: w.chainId, deployment, pool, client: clientOver(pool), moneyClient: moneyClientOver(pool), confirmations: 1, reorgDepth: 64, pollMs: 50 },
    async stop() {
      await journal.stop();
      store.close();
    },
  };
}

/** Evidence for the world's verifier, which believes what it is told: what an enclave's driver makes for a node. */
export function testEvidence(w: World, device: string): EvidenceMaker {
  const hash = (bytes: Uint8Array) => keccak256(bytesToHex(bytes));
  return async ({ publicKey, userData, nonce }) => {
    const attestation = {
      imageId: IMAGE, deviceId: bytes32(device), publicKeyHash: hash(publicKey), userDataHash: hash(userData), nonceHash: hash(nonce), attestedAt: await w.now(), validUntil: (await w.now()) + 2_592_000n,
      teeType: TEE, tcbStatus: 0, debug: false,
    };
    return { teeType: TEE, evidence: encodeAttestation(attestation), hints: "0x" };
  };
}
