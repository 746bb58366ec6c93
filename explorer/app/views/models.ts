/** Model versions: the list, and one of them. */
import { html, nothing } from "lit-html";
import { type Hex, zeroHash } from "viem";
import { type ModelInfo, modelById, modelIdOf, versionsOf } from "../../../sdk/network/models.ts";
import { iModelRegistryAbi } from "../../../types/abi/IModelRegistry.ts";
import { iVerifierRouterAbi } from "../../../types/abi/IVerifierRouter.ts";
import { bytes, clean, moment, percent, reasonOf, short } from "../format.ts";
import type { Net } from "../net.ts";
import { type Loader, NotFound } from "../page.ts";
import { hashArg, numberArg } from "../router.ts";
import { ago, badge, checkList, facts, hashPart, loading, type Part, problem, section, table, time, wholeHash } from "../ui/parts.ts";
import type { PackageVerdict } from "../verify/package.ts";

const PAGE = 25n;
const LEVELS = ["development: the trapdoor is public, anyone forges proofs", "single party: its maker may know the trapdoor", "ceremony, attested"];

const registry = (net: Net) => ({ address: net.settlement.address("ModelRegistry"), abi: iModelRegistryAbi }) as const;
const level = (model: ModelInfo): Part => (model.setupLevel === undefined ? "no proofs" : badge(model.setupLevel === 2 ? "good" : model.setupLevel === 0 ? "bad" : "wait", `level ${model.setupLevel}`));

export const models: Loader = async (net, { query }, { show }) => {
  const from = numberArg(query.get("from")) ?? 0n;
  const [[ids, next], total] = await Promise.all([
    net.settlement.client.readContract({ ...registry(net), functionName: "models", args: [from, PAGE] }),
    net.settlement.client.readContract({ ...registry(net), functionName: "modelCount" }),
  ]);
  const rows = await Promise.all(ids.map((id) => modelById(net.settlement, id)));
  const now = net.now();
  show({
    title: "Model versions",
    body: html`
      <p class="lead">A version is the hash of everything it is, so it cannot change. <em>Set-up level</em> says who could forge its proofs.</p>
      ${section(`${total} in all, oldest first`, table("Model versions", [{ title: "Name" }, { title: "Version" }, { title: "Model" }, { title: "Program" }, { title: "Verification" }, { title: "Set-up" }, { title: "Royalty", number: true }, { title: "Licence" }, { title: "Published" }],
        rows.map((model) => [
          html`<a href=${`#/model/${model.modelId}`}>${clean(model.name, 48)}</a>${model.deprecated ? html` ${badge("plain", "deprecated")}` : nothing}`, clean(model.version, 24), hashPart(model.modelId, `#/model/${model.modelId}`),
          model.kind.toLowerCase(), model.methods.join(", "), level(model), percent(model.royaltyBps), clean(model.licence, 40), ago(model.publishedAt, now),
        ]),
        "No model was published here. Publish one: og model publish."))}
      ${next === 0n ? nothing : html`<nav class="pager" aria-label="More models"><a href=${`#/models?from=${next}`}>Next</a></nav>`}`,
  });
};

export const model: Loader = async (net, { args: [text] }, { show, signal }) => {
  const modelId = hashArg(text);
  if (!modelId) throw new NotFound("The model id in the address is none.", "A model id has 0x and 64 hexadecimal digits.");
  const publishedAt = await net.settlement.client.readContract({ ...registry(net), functionName: "publishedAt", args: [modelId] });
  if (publishedAt === 0n) throw new NotFound(`The registry of chain ${net.settlement.chain.id} has no model ${short(modelId)}.`, "A receipt may name a model that nobody published: then no full node signs for its batch. Look at the list of models.");
  const found = await modelById(net.settlement, modelId);
  const [own, siblings, freeze] = await Promise.all([ownId(net, modelId), versionsOf(net.settlement, found.publisher, found.name), frozen(net, modelId)]);
  const now = net.now();
  const proofs = found.setupLevel !== undefined;
  let content: Part = html`<p><button type="button" @click=${() => void fetchPackage()}>Fetch the package and check it</button></p>`;
  const fetchPackage = async () => {
    const put = (part: Part) => {
      content = part;
      draw();
    };
    put(loading("Fetching and hashing it …"));
    const checker = net.checker();
    signal.addEventListener("abort", () => checker.stop());
    const version = { ...found, kind: found.kind === "Int" ? ("int" as const) : ("float" as const) };
    put(await checker.package({ blobId: found.blobId, version, aggregators: net.aggregators }).then(packagePart, (error: unknown) => problem("The package is not to be had", reasonOf(error), "Try again later, or another network file with og model download.")));
  };
  const draw = () => show({
    title: `${clean(found.name, 60)} ${clean(found.version, 24)}`,
    body: html`
      <p class="state">${found.deprecated ? badge("wait", "Deprecated") : badge("good", "Published")}${freeze && freeze.until > now ? html`${badge("bad", "Proofs frozen")}<span>until ${moment(freeze.until)}</span>` : nothing}
        ${found.successor !== zeroHash ? html`<span>use ${hashPart(found.successor, `#/model/${found.successor}`)} instead</span>` : nothing}</p>
      ${section("Version", html`${facts([
        ["Model id", wholeHash(modelId)],
        ["Publisher", hashPart(found.publisher)],
        ["Published", time(publishedAt, now)],
        ["Program", html`${found.kind.toLowerCase()} <span class="quiet">${found.kind === "Int" ? "one right output for each input" : "no single right output"}</span>`],
        ["Program hash", hashPart(found.programHash)],
        ["Package (Walrus)", hashPart(found.blobId)],
        ["Content hash", hashPart(found.contentHash)],
        ["Manifest hash", html`${hashPart(found.manifestHash)} <span class="quiet">weights, circuit, verifying key</span>`],
        ["Verification", found.methods.join(", ")],
        ["Licence", clean(found.licence)],
        ["Royalty", found.royaltyBps === 0 ? "none" : html`${percent(found.royaltyBps)} to ${hashPart(found.royaltyTo)}`],
      ])}${checkList([{ id: "R8", ok: own, text: own ? "Its id, recomputed here, is the hash of what stands under it." : "Its id is NOT the hash of what stands under it." }])}
      ${content}`)}
      ${proofs ? section("Proofs", facts([
        ["Verifier", hashPart(found.verifier)],
        ["Verifying key", hashPart(found.vkHash)],
        ["Set-up", html`${level(found)} <span class="quiet">${LEVELS[found.setupLevel!] ?? ""}</span>`],
        found.circuitHash !== zeroHash ? ["Universal circuit", hashPart(found.circuitHash)] : null,
        found.weightsHash !== zeroHash ? ["Weights folded in", hashPart(found.weightsHash)] : null,
        ["Freeze", freeze === null ? "unknown" : freeze.until === 0n ? "never frozen" : html`last from ${moment(freeze.since)} to ${moment(freeze.until)}`],
      ])) : nothing}
      ${section("Versions of this name by this publisher", table("Versions", [{ title: "Model" }], siblings.map((id) => [id === modelId ? html`${hashPart(id)} <span class="quiet">this one</span>` : hashPart(id, `#/model/${id}`)]), nothing))}`,
  });
  draw();
};

const HASHES: Record<string, [string, string]> = {
  content: ["Its bytes are the ones that the registry names.", "Its bytes are others than the registry names."],
  program: ["Its program has the registry's program hash.", "Its program has ANOTHER hash than the registry says."],
  fold: ["Its weights are not the prover's to choose.", "Its circuit takes any weights, and its key was not folded: whoever proves chooses them."],
  manifest: ["Weights, circuit and verifying key are the manifest's.", "Weights, circuit or verifying key are NOT the manifest's."],
};

function packagePart({ checks, size, source, refused }: PackageVerdict): Part {
  return html`${checkList(checks.map(({ name, ok }) => ({ id: name, ok, text: HASHES[name]?.[ok ? 0 : 1] ?? name })))}<p class="quiet">${bytes(size)} from ${clean(source)}</p>${refused.map(({ url, reason }) => html`<p class="quiet">${clean(url)}: ${clean(reason)}</p>`)}`;
}

/** R8: the id is the hash of what stands under it. */
async function ownId(net: Net, modelId: Hex): Promise<boolean> {
  const { client } = net.settlement;
  const [version, publisher] = await Promise.all([client.readContract({ ...registry(net), functionName: "model", args: [modelId] }), client.readContract({ ...registry(net), functionName: "publisher", args: [modelId] })]);
  return modelIdOf(net.settlement.chain.id, registry(net).address, publisher, version) === modelId;
}

async function frozen(net: Net, modelId: Hex): Promise<{ since: bigint; until: bigint } | null> {
  if (!net.settlement.has("VerifierRouter")) return null;
  const [since, until] = await net.settlement.client.readContract({ address: net.settlement.address("VerifierRouter"), abi: iVerifierRouterAbi, functionName: "frozen", args: [modelId] });
  return { since, until };
}
