import { type Hex, bytesToHex } from "viem";
import { activeNodes, type NodeInfo, nodeById, registryKey } from "../network/nodes.ts";
import type { ChainAccess } from "../network/network.ts";
import { type ModelInfo, modelById } from "../network/models.ts";
import { Role, Verification, nameOf } from "../protocol/enums.ts";
import type { RegistryKey } from "../receipts/verify.ts";
import { pinnedFetch } from "../transport/pinnedFetch.ts";

/** A model as a node's `/v1/models` lists it. */
export interface ListedModel {
  id: string;
  modelId: Hex;
  route: string;
  /** Names of `Verification`. */
  verification: string[];
  program: string;
}

/** No node, or none that does what was asked. */
export class NodeUnavailableError extends Error {
  readonly code = "NODE_UNAVAILABLE";
  constructor(message: string) {
    super(message);
    this.name = "NodeUnavailableError";
  }
}

/**
 * One node, spoken to only over the TLS key that its attestation binds. Key epochs are read from the chain, once each.
 */
export class NodeSession {
  readonly info: NodeInfo;
  readonly fetch: ReturnType<typeof pinnedFetch>;
  readonly #settlement: ChainAccess;
  readonly #versions = new Map<string, ModelInfo>();

  private constructor(settlement: ChainAccess, info: NodeInfo) {
    this.#settlement = settlement;
    this.info = info;
    this.fetch = pinnedFetch(info.tlsSpkiHash);
  }

  /** @throws NodeUnavailableError when the registry does not hold the node as Active. */
  static async open(settlement: ChainAccess, nodeId: Hex): Promise<NodeSession> {
    const info = await nodeById(settlement, nodeId);
    if (info.status !== "Active") throw new NodeUnavailableError(`Node ${nodeId} is ${info.status}, not Active; choose another one (og node list).`);
    return new NodeSession(settlement, info);
  }

  /** The first Active inference node that serves `model` under `verification` (a name of `Verification`). */
  static async find(settlement: ChainAccess, model: string, verification: string): Promise<NodeSession> {
    const tried: string[] = [];
    for (const info of await activeNodes(settlement, Role.Inference)) {
      const session = new NodeSession(settlement, info);
      try {
        const models = await session.models();
        if (models.some((listed) => (listed.id === model || listed.modelId === model) && listed.verification.includes(verification))) return session;
        tried.push(`${info.endpoint} does not offer it`);
      } catch (error) {
        tried.push(`${info.endpoint}: ${error instanceof Error ? error.message : String(error)}`);
      }
      session.close();
    }
    throw new NodeUnavailableError(`No active node serves "${model}" with ${verification}. Tried: ${tried.join("; ") || "none is registered"}.`);
  }

  url(path: string): string {
    return new URL(path, this.info.endpoint).toString();
  }

  async models(): Promise<ListedModel[]> {
    const { data } = (await (await this.fetch(this.url("/v1/models"))).json()) as { data: ListedModel[] };
    return data;
  }

  /**
   * The version that answers `model` under `verification`: named by the node, and held against the registry's own name.
   * @throws NodeUnavailableError when the node does not offer it, or calls another model by that name.
   */
  async version(model: string, verification: number): Promise<ModelInfo> {
    const key = `${model} ${verification}`;
    const known = this.#versions.get(key);
    if (known) return known;
    const method = nameOf(Verification, verification);
    const listed = (await this.models()).find((entry) => (entry.id === model || entry.modelId === model) && entry.verification.includes(method));
    if (!listed) throw new NodeUnavailableError(`${this.info.endpoint} does not offer "${model}" with ${method}.`);
    const version = await modelById(this.#settlement, listed.modelId);
    if (model !== listed.modelId && version.name !== model) {
      throw new NodeUnavailableError(`${this.info.endpoint} calls ${listed.modelId} "${model}", but the registry calls it "${version.name}".`);
    }
    this.#versions.set(key, version);
    return version;
  }

  /** JSON of a free route. @throws NodeError with the node's own code and sentence. */
  async get(path: string): Promise<unknown> {
    const response = await this.fetch(this.url(path));
    if (!response.ok) throw await nodeError(response);
    return response.json();
  }

  /** The key epoch of a receipt, and whether the registry holds it as valid for `issuedAt` (seconds). */
  key(keyId: Hex, issuedAt: bigint): Promise<RegistryKey> {
    return registryKey(this.#settlement, keyId, issuedAt);
  }

  /** Ends the kept-alive connections. */
  close(): void {
    this.fetch.close();
  }
}

/** What the node answered instead of an answer. */
export class NodeError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(`the node answered ${status} ${code}: ${message}`);
    this.name = "NodeError";
    this.status = status;
    this.code = code;
  }
}

/** Reads `{error: {code, message}}` of a refused request. */
export async function nodeError(response: Response): Promise<NodeError> {
  const body = (await response.json().catch(() => undefined)) as { error?: { code?: string; message?: string } } | undefined;
  return new NodeError(response.status, body?.error?.code ?? "UNKNOWN", body?.error?.message ?? response.statusText);
}

/** 32 random bytes as hexadecimal. */
export function randomId(): Hex {
  return bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
}
