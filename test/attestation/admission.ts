/** A settlement chain whose gate reads real formats: Nitro documents and Intel quotes, each under a development root. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import type { HDNodeWallet } from "ethers";

import { DevelopmentPlatform } from "../../keepers/attestation/development/intel.ts";
import { DevelopmentAuthority, SimulatedEnclave, createRoot } from "../../keepers/attestation/index.ts";
import type { AttestationRequest } from "../../keepers/attestation/index.ts";
import { claimsOf, requestedReportData } from "../../keepers/attestation/quote.ts";
import { deploySettlement } from "../../scripts/deploy/settlement.ts";
import { IntelCollateral, collateralCalls, openQuote, verifyIntel } from "../../sdk/attestation/intel/index.ts";
import type { CollateralBundle, QuoteParts } from "../../sdk/attestation/intel/index.ts";
import { buildNitroCall, keccakHex, verifyNitro } from "../../sdk/attestation/nitro/index.ts";
import { Role } from "../../sdk/protocol/index.ts";
import type { AttestationGate, IntelCollateral as IntelCollateralContract, NitroVerifier, TdxVerifier } from "../../types/contracts/index.js";
import { type Signer, WORKLOAD, type World, ZERO, secpSigner, settlementWorld } from "../utils/settlement-world.ts";

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.slice(2), "hex"));
export const hex = (value: Uint8Array): `0x${string}` => `0x${Buffer.from(value).toString("hex")}`;
const MODULE = "i-0123456789abcdef0-enc0123456789abcdef";

export interface Candidate {
  nodeId: `0x${string}`;
  operator: HDNodeWallet;
  signer: Signer;
  nonceBlock: number;
  request: AttestationRequest;
}

export type Admission = Awaited<ReturnType<typeof admissionWorld>>;

export async function admissionWorld() {
  const w: World = await settlementWorld();
  const now = Number(await w.now());
  const platform = new DevelopmentPlatform(now);
  const authority = new DevelopmentAuthority(createRoot(now));
  const nitroRoot = keccakHex(authority.root.certificate);
  const { parameters, addresses: known } = w;
  const addresses = await deploySettlement(w.deployer, { parameters, known, nitroRoot, intelRoot: platform.root });
  const at = async <T>(name: string, address: string | undefined) => (await w.ethers.getContractAt(name, address!)) as unknown as T;
  const collateral = await at<IntelCollateralContract>("IntelCollateral", addresses.IntelCollateral);
  const verifiers = { tdx: await at<TdxVerifier>("TdxVerifier", addresses.TdxVerifier), nitro: await at<NitroVerifier>("NitroVerifier", addresses.NitroVerifier) };

  async function record(bundle: CollateralBundle): Promise<void> {
    for (const { functionName, args } of collateralCalls(bundle)) {
      const data = collateral.interface.encodeFunctionData(functionName as "upsertCertificate", args as unknown as [string]);
      const tx = { to: await collateral.getAddress(), data, gasLimit: 16_777_216n };
      // On record already: a second bundle of one platform brings newer lists and statements only.
      if (functionName === "upsertCertificate" && (await w.admin.call(tx).catch(() => undefined)) === undefined) continue;
      await w.admin.sendTransaction(tx);
    }
  }
  await record(platform.bundle());

  let seeds = 0;
  /** A registered node and what its next attestation must bind. */
  async function candidate(from?: Pick<Candidate, "nodeId" | "operator">, signer = secpSigner(`admission ${seeds++}`)): Promise<Candidate> {
    const { nodeId, operator } = from ?? (await w.registerNode(Role.Inference));
    const nonceBlock = (await w.ethers.provider.getBlockNumber()) - 1;
    const [binding, nonce] = [
      await w.registry.bindingHash(nodeId, signer.keyType, signer.publicKey),
      await w.registry.attestationNonce(operator.address, nonceBlock),
    ];
    return { nodeId, operator, signer, nonceBlock, request: { publicKey: bytes(signer.publicKey), userData: bytes(binding), nonce: bytes(nonce) } };
  }

  /** Evidence of a quote that says what the edit makes of it, genuinely signed. */
  function quoted(request: AttestationRequest, edit: (draft: QuoteParts) => void = () => {}, version = 4): Uint8Array {
    const draft = platform.draft({ version, reportData: requestedReportData(request) });
    edit(draft);
    return openQuote(platform.wholeQuote(platform.seal(draft)), claimsOf(request)).evidence;
  }

  const wholeQuoteFor = (request: AttestationRequest): Uint8Array => platform.quote(requestedReportData(request));

  const documentOf = async (request: AttestationRequest, measured = true): Promise<Uint8Array> => {
    const pcrs = new Map(measured ? [0, 1, 2].map((index) => [index, new Uint8Array(48).fill(index + 1)]) : []);
    const enclave = new SimulatedEnclave({ authority, moduleId: MODULE, pcrs, now: async () => Number(await w.now()) * 1000 });
    return (await enclave.attest(request)).document;
  };

  const tdxImage = async (evidence: Uint8Array) => {
    const twin = IntelCollateral.from(platform.bundle(), platform.root, now);
    return verifyIntel(evidence, { collateral: twin, now: Number(await w.now()) }).attestation;
  };
  const nitroImage = async (document: Uint8Array) => verifyNitro(document, { root: nitroRoot, now: Number(await w.now()) }).attestation;
  const approve = async (imageId: `0x${string}`): Promise<void> => {
    if (!(await w.policy.isApproved(ZERO, WORKLOAD, imageId))) await w.policy.approveImage(ZERO, WORKLOAD, imageId);
  };

  const attest = ({ nodeId, operator, signer, nonceBlock }: Candidate, teeType: number, evidence: Uint8Array | string, hints = "0x") => {
    const params = { keyType: signer.keyType, publicKey: signer.publicKey, nonceBlock, teeType };
    return w.registry.connect(operator).attest(nodeId, params, evidence, hints, { gasLimit: 16_777_216n });
  };
  const attestNitro = async (node: Candidate, document: Uint8Array) => {
    const readRecords = async (keys: readonly `0x${string}`[]) => (await verifiers.nitro.records([...keys])).map(({ role }) => ({ role: Number(role) }));
    const { evidence, hints } = await buildNitroCall(document, { root: nitroRoot, readRecords });
    return attest(node, 1, evidence, hints);
  };

  /** The chain behind HTTP, for programs that know nothing but an address. */
  async function serve(): Promise<{ url: string; close: () => void }> {
    const server = createServer((incoming, response) => {
      let body = "";
      incoming.on("data", (chunk: Buffer) => (body += chunk.toString()));
      incoming.on("end", () => {
        const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] };
        const answer = (content: object): void => void response.setHeader("content-type", "application/json").end(JSON.stringify({ jsonrpc: "2.0", id, ...content }));
        w.ethers.provider.send(method, params).then(
          (result: unknown) => answer({ result }),
          (error: unknown) => {
            const { code = -32_000, message, data } = error as { code?: number; message: string; data?: unknown };
            answer({ error: { code, message, data } });
          },
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
  }

  return {
    w, platform, authority, nitroRoot, addresses, verifiers, collateral, gate: w.gate as AttestationGate,
    record, candidate, quoted, wholeQuoteFor, documentOf, tdxImage, nitroImage, approve, attest, attestNitro, serve,
  };
}
