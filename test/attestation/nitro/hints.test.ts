/** What hints can do with the real curve kernel: make a call fail, and nothing else. */
import { expect } from "chai";

import { AWS_NITRO_ROOT, buildNitroCall, toHex } from "../../../sdk/attestation/nitro/index.ts";
import type { Hex } from "../../../sdk/attestation/nitro/index.ts";
import { runs } from "../../utils/deep.ts";
import { Random } from "../../utils/random.ts";
import { chainAt, deployWithKernel } from "./chain.ts";
import { NOW, forge, forgedRoot } from "./forge.ts";
import { nitroVectors, skipWithoutVectors } from "./vectors.ts";

const CAP = { gasLimit: 16_777_216n };

describe("Nitro hints", function () {
  this.timeout(1_200_000);
  const root = forgedRoot();

  async function deployed(now = NOW, pinned: Hex = root) {
    const connection = await chainAt(now);
    const { verifier } = await deployWithKernel(connection, pinned);
    await connection.networkHelpers.time.increaseTo(now);
    const says = async (evidence: Hex, hints: Hex): Promise<string> => {
      try {
        await verifier.verify.staticCall(evidence, hints, CAP);
        return "ok";
      } catch (error: unknown) {
        return /custom error '(\w+)\(/.exec(String(error))?.[1] ?? `undeclared: ${String(error)}`;
      }
    };
    return { verifier, says };
  }

  it("pitfall 11: serve one document only", async () => {
    const { says } = await deployed();
    const [a, b] = [forge({ nonce: new Uint8Array(32).fill(1) }), forge({ nonce: new Uint8Array(32).fill(2) })];
    const call = await buildNitroCall(a.document, { root });
    expect(await says(call.evidence, call.hints)).to.equal("ok");
    expect(await says(toHex(b.document), call.hints)).to.match(/^P384/);
  });

  it("pitfall 11: are consumed to the last byte", async () => {
    const { says } = await deployed();
    const { evidence, hints } = await buildNitroCall(forge().document, { root });
    expect(await says(evidence, `${hints}00`)).to.equal("P384HintsLength");
    expect(await says(evidence, hints.slice(0, -2) as Hex)).to.match(/^P384/);
    expect(await says(evidence, hints.slice(0, 6) as Hex)).to.match(/^P384/);
  });

  it("pitfall 11: fail with a declared reason when any byte is another", async () => {
    const { says } = await deployed();
    const { evidence, hints } = await buildNitroCall(forge().document, { root });
    const random = new Random(11);
    const bytes = Buffer.from(hints.slice(2), "hex");
    for (let run = 0; run < runs(6, 200); run++) {
      const other = Buffer.from(bytes);
      const at = random.below(other.length);
      other[at] = (other[at] as number) ^ (1 + random.below(255));
      // The second byte may say that the leaf is to be remembered: a wish, not a proof.
      if (at === 1 && other[at] === 1) continue;
      expect(await says(evidence, toHex(other)), `byte ${at}`).to.match(/^(P384|Nitro(Hints|NotCached))/);
    }
  });

  it("do not lend a genuine document's proof to one whose signature is another", async function () {
    skipWithoutVectors(this);
    const [bad] = nitroVectors().filter(({ genuine }) => !genuine);
    const twin = nitroVectors().find(({ genuine, now }) => genuine && now === bad!.now);
    if (!bad || !twin) this.skip();
    const { says } = await deployed(bad!.now, AWS_NITRO_ROOT);
    const { evidence, hints } = await buildNitroCall(twin!.bytes, { root: AWS_NITRO_ROOT });
    expect(await says(evidence, hints)).to.equal("ok");
    expect(await says(toHex(bad!.bytes), hints)).to.match(/^P384/);
  });

  it("stay good when somebody else adds records first", async () => {
    const { verifier, says } = await deployed();
    const { document } = forge();
    const early = await buildNitroCall(document, { root });
    await verifier.verify(early.evidence, early.hints, CAP);
    expect(await says(early.evidence, early.hints)).to.equal("ok");
  });
});
