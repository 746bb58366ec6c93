import { expect } from "chai";
import type { Address, Hex } from "viem";
import { committeeListHash, type Finality, finalityDigest, type Rotation, rotationDigest } from "../../../sdk/protocol/index.ts";
import { bytes32 } from "../../utils/settlement-world.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";

describe("full nodes guard what the payment chain is told", () => {
  let rig: FullRig;
  before(async () => {
    rig = await fullRig();
    await rig.open();
    await rig.round(["handover"]);
  });
  after(() => rig.stop());

  const members = async () => (await rig.world.committee.members(1n)).map(({ signer, stake }) => ({ signer: signer as Address, stake }));
  const quorum = async (digest: Hex) => {
    const keys = new Map(rig.members.map(({ node }) => [node.authorizer.address, node.authorizer.signingKey]));
    const list = await members();
    return { signers: (1n << BigInt(list.length)) - 1n, signatures: `0x${list.map(({ signer }) => keys.get(signer)!.sign(digest).serialized.slice(2)).join("")}` };
  };
  const stakes = () => Promise.all(rig.members.map(async ({ node }) => (await rig.world.registry.bond(node.nodeId)).free));
  const guard = async () => {
    for (const { guard: one } of rig.members) await one.step();
  };
  const place = { paymentChainId: 713371n, get inbox() { return rig.payment.SettlementInbox; } };

  it("true keep-alives and hand-overs cost nobody anything", async () => {
    const before = await stakes();
    await rig.pass(30);
    await rig.round(["handover"]);
    await rig.round(["handover"]);
    await guard();
    expect(await stakes()).to.deep.equal(before);
  });

  it("a certificate of a header that the settlement chain never saw costs its signers, once", async () => {
    const now = await rig.world.now();
    const finality: Finality = { paymentChainId: 713371n, inbox: place.inbox, committeeEpoch: 1n, headerHash: bytes32("invented"), slot: bytes32("invented"), channelsRoot: bytes32("root"), status: 3, settledAt: now, validUntil: now + 100n };
    const before = await stakes();
    await rig.inbox.record({ finality, members: await members(), quorum: await quorum(finalityDigest(finality, rig.domain)) });
    await guard();
    await guard();
    const fine = rig.world.parameters.committee.falseStatementSlash;
    expect((await stakes()).map((left, i) => before[i]! - left)).to.deep.equal([fine, fine, fine]);
  });

  it("a hand-over to a list that the settlement chain does not have costs its signers", async () => {
    const next = [{ signer: "0x00000000000000000000000000000000000000aa" as Address, stake: 1n }];
    const rotation: Rotation = { paymentChainId: 713371n, inbox: place.inbox, epoch: 2n, listHash: committeeListHash(2n, next), validUntil: (await rig.world.now()) + 1_000n };
    const before = await stakes();
    await rig.inbox.rotate(rotation, next, await members(), await quorum(rotationDigest(rotation, rig.domain)));
    await guard();
    expect((await stakes()).every((left, i) => left < before[i]!)).to.equal(true);
  });
});
