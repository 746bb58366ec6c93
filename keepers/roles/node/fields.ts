import { field, type Fields, parse } from "../../config/index.ts";
import { ENCLAVE_KINDS } from "./evidence.ts";

/** What every registered node says of itself. */
export const nodeFields = {
  nodeId: field({ env: "OG_NODE_ID", default: "", description: "Node that a cold operator registered for this process; empty: the hot key registers one itself.", parse: parse.optional(parse.bytes32) }),
  payout: field({ env: "OG_PAYOUT", default: "", description: "Who the node's earnings are credited to; empty: the hot key (devnets only).", parse: parse.optional(parse.address) }),
  bond: field({ env: "OG_BOND", default: "0", unit: "smallest unit of the bond token", description: "Bond put down at registration; 0: the role's minimum.", parse: parse.wholeAmount }),
  policyId: field({ env: "OG_POLICY_ID", default: `0x${"00".repeat(32)}`, description: "Image policy that this node follows; 0 is the network's default.", parse: parse.bytes32 }),
  enclave: field({ env: "OG_ENCLAVE", default: "nitro", description: "Where the evidence comes from: nitro (an enclave's server), tdx (configfs-tsm), dstack (guest agent) or simulated (devnets).", parse: parse.oneOf(...ENCLAVE_KINDS) }),
  enclaveUrl: field({ env: "OG_ENCLAVE_URL", default: "http://127.0.0.1:7047", description: "The enclave's own server.", parse: parse.url }),
  devRoot: field({ env: "OG_DEV_ROOT", default: "./data/development-root.json", description: "Development authority's root, for simulated enclaves.", parse: parse.required }),
  devImage: field({ env: "OG_DEV_IMAGE", default: "opengradient development image", description: "Text whose SHA-384 is PCR0 to PCR2 of a simulated enclave.", parse: parse.required }),
  heartbeatMs: field({ env: "OG_HEARTBEAT_MS", default: "15000", unit: "ms", description: "How often the node looks whether a heartbeat or a new attestation is due.", parse: parse.integer({ min: 500 }) }),
  relays: field({ env: "OG_RELAYS", default: "", description: "Ids of full nodes that carry this node's heartbeats, comma-separated; it sends one itself when none of them did in time. Empty: it always does.", parse: parse.list(parse.bytes32) }),
  listen: field({ env: "OG_LISTEN", default: "127.0.0.1:0", description: "Address of the node's public server.", parse: parse.listenAddress }),
  endpoint: field({ env: "OG_ENDPOINT", default: "", description: "URL under which clients reach the public server; empty: the address it listens on.", parse: parse.optional(parse.url) }),
} satisfies Fields;
