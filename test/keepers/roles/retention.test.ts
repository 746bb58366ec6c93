import { expect } from "chai";
import { keccak256, toHex } from "viem";
import { expiredBlobs, type MirroredBlob } from "../../../keepers/roles/full/retention.ts";

describe("a full node's mirror", () => {
  const hash = keccak256(toHex("batch"));
  const expired = (blob: Partial<MirroredBlob>, now = 100) => expiredBlobs([{ hash, writtenAt: 0, header: null, ...blob }], now, 50).length === 1;
  const header = (change: Partial<NonNullable<MirroredBlob["header"]>>) => ({ header: { pending: false, checked: true, decidedAt: 50, ...change } });

  it("keeps what is pending, whatever its age: it answers demands", () => {
    expect(expired(header({ pending: true, decidedAt: 0 }), 1e12)).to.equal(false);
  });

  it("keeps a decided one for the retention time, then lets it go; one that was not checked yet stays", () => {
    expect(expired(header({ decidedAt: 51 }))).to.equal(false);
    expect(expired(header({ decidedAt: 50 }))).to.equal(true);
    expect(expired(header({ checked: false }))).to.equal(false);
  });

  it("a blob of no header of this chain goes by its own age", () => {
    expect(expired({ writtenAt: 51 })).to.equal(false);
    expect(expired({ writtenAt: 50 })).to.equal(true);
  });
});
