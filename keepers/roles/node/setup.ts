import { join } from "node:path";
import { type ConfigOf, isDevnet } from "../../config/index.ts";
import { fatal } from "../../errors/index.ts";
import { createTlsIdentity, type TlsIdentity, tlsIdentityInFile } from "../../http/index.ts";
import type { Platform } from "../platform.ts";
import { evidenceMaker } from "./evidence.ts";
import type { nodeFields } from "./fields.ts";
import type { NodeOptions } from "./identity.ts";

export interface NodeSetup {
  tls: TlsIdentity;
  node: Pick<NodeOptions, "payout" | "policyId" | "bond" | "nodeId" | "makeEvidence" | "heartbeatMs" | "relays">;
}

/** What every role needs for being a node, from its configuration. @throws `node.no_payout` outside of devnets. */
export async function nodeSetup({ clock, settlement, signer }: Platform, config: ConfigOf<typeof nodeFields> & { dataDir: string }): Promise<NodeSetup> {
  if (!config.payout && !isDevnet(settlement.chainId)) throw fatal("node.no_payout", "OG_PAYOUT is missing: earnings of a public chain never go to a hot key by default.");
  const host = config.endpoint ? new URL(config.endpoint).hostname : config.listen.host;
  const tls = config.enclave === "simulated" ? await tlsIdentityInFile(join(config.dataDir, "tls.json"), host, clock.now()) : await createTlsIdentity(host, clock.now());
  const { policyId, bond, nodeId, heartbeatMs, relays } = config;
  const makeEvidence = evidenceMaker({ ...config, instance: signer.address, chain: settlement });
  return { tls, node: { payout: config.payout ?? signer.address, policyId, bond, nodeId, heartbeatMs, relays, makeEvidence } };
}
