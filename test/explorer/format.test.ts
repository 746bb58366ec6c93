import { expect } from "chai";
import { ConfigError, parseConfig } from "../../explorer/config.ts";
import { amount, bytes, clean, count, duration, isoOf, linkable, moment, percent, relative, short } from "../../explorer/app/format.ts";
import { hashArg, numberArg, parseRoute } from "../../explorer/app/router.ts";
import { classify } from "../../explorer/app/search.ts";

const HASH = `0x${"ab".repeat(32)}` as const;

describe("explorer: values for people", () => {
  it("numbers: groups, decimals, percent", () => {
    expect([count(1234567n), count(12), count(1000)]).to.deep.equal(["1\u202f234\u202f567", "12", "1\u202f000"]);
    expect([amount(10n ** 18n, 18), amount(1n, 6), amount(1_500_000n, 6), amount(0n, 6), amount(-5n, 0), amount(7n, 0), amount(-1_250n, 3)]).to.deep.equal(["1", "0.000001", "1.5", "0", "−5", "7", "−1.25"]);
    expect([percent(500), percent(1), percent(0)]).to.deep.equal(["5 %", "0.01 %", "0 %"]);
    expect([bytes(0), bytes(1023), bytes(1536), bytes(5 * 1024 ** 2)]).to.deep.equal(["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]);
  });

  it("times, also those that are none", () => {
    expect(moment(1_796_000_000n)).to.equal("2026-11-30 00:53:20 UTC");
    expect([moment(2n ** 64n - 1n), isoOf(2n ** 64n - 1n)]).to.deep.equal(["second 18446744073709551615 (no date)", ""]);
    expect([duration(0), duration(59), duration(3_660), duration(86_400), duration(90_061)]).to.deep.equal(["0 s", "59 s", "1 h 1 min", "1 d", "1 d 1 h"]);
    expect([relative(100n, 100n), relative(40n, 100n), relative(7_300n, 100n)]).to.deep.equal(["now", "1 min ago", "in 2 h"]);
  });

  it("hostile text: no control, no bidirectional mark, no zero width, one line, bounded", () => {
    expect(clean("gpt\u202e4\u0000\u200b\ufeff")).to.equal("gpt�4���");
    expect(clean("a\r\n\tb")).to.equal("a b");
    expect([...clean("😀".repeat(500), 10)]).to.have.length(10);
    expect(clean("x".repeat(10_000_000))).to.have.length(160);
    expect([clean(null), clean(5n), clean(undefined)]).to.deep.equal(["null", "5", "undefined"]);
    expect([short(HASH), short("0x12")]).to.deep.equal(["0xababab…ababab", "0x12"]);
  });

  it("only web addresses without a hidden user become links", () => {
    expect(linkable("https://node.example:8443/a?b#c")).to.equal("https://node.example:8443/a?b#c");
    for (const bad of ["javascript:alert(1)", "data:text/html,x", "https://bank.example@evil.example/", "file:///etc/passwd", "node.example", "", `https://x.example/${"a".repeat(600)}`, "java\nscript:alert(1)"]) expect(linkable(bad), bad).to.equal(null);
  });
});

describe("explorer: addresses and search", () => {
  it("addresses behind #", () => {
    expect(parseRoute(`#/batch/${HASH}`)).to.deep.include({ name: "batch", args: [HASH] });
    expect(parseRoute("#/batches?before=7").query.get("before")).to.equal("7");
    for (const empty of ["", "#", "#/", "#//"]) expect(parseRoute(empty), empty).to.deep.include({ name: "", args: [] });
    expect(parseRoute("#/%E0%A4%A/%").args).to.deep.equal(["%"]);
    expect(parseRoute(`#/${"x".repeat(1e6)}`).name.length).to.be.below(2_100);
    expect([hashArg(HASH.toUpperCase().replace("0X", "0x")), hashArg("0x12"), hashArg(undefined), hashArg(`${HASH}0`)]).to.deep.equal([HASH, null, null, null]);
    expect([numberArg("12"), numberArg("-1"), numberArg("1e3"), numberArg(null), numberArg("9".repeat(40))]).to.deep.equal([12n, undefined, undefined, undefined, undefined]);
  });

  it("what was typed: hash, address, blob id, name", () => {
    for (const typed of [HASH, HASH.slice(2), ` "${HASH}" `, HASH.toUpperCase()]) expect(classify(typed), typed).to.deep.equal({ kind: "hash", hash: HASH });
    expect(classify(`0x${"Cd".repeat(20)}`)).to.deep.equal({ kind: "address", address: `0x${"cd".repeat(20)}` });
    expect(classify("M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk")).to.deep.include({ kind: "blob" });
    expect(classify("M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUl"), "spare bits are set").to.deep.include({ kind: "text" });
    expect(classify("credit-score")).to.deep.equal({ kind: "text", text: "credit-score" });
    for (const empty of ["", "  ", '""']) expect(classify(empty)).to.deep.equal({ kind: "empty" });
    expect(classify(`<script>${"x".repeat(1e5)}`)).to.have.property("text").with.length(80);
  });
});

describe("explorer: configuration", () => {
  const deployment = { chainId: 713370, contracts: { InferenceSettlement: "0x1111111111111111111111111111111111111111" } };
  const good = { name: "devnet", settlement: { rpcUrl: "/via/settlement", deployment, startBlock: 3 }, aggregators: ["https://walrus.example/"], ledgers: ["/via/ledger/0"] };

  it("relative places are the server's own", () => {
    const config = parseConfig(good, "http://127.0.0.1:8700/explorer/");
    expect(config).to.deep.include({ payment: null, aggregators: ["https://walrus.example"], ledgers: ["http://127.0.0.1:8700/via/ledger/0"] });
    expect(config.settlement).to.deep.include({ rpcUrl: "http://127.0.0.1:8700/via/settlement", startBlock: 3n });
  });

  it("says which field is wrong", () => {
    const refused = (change: object) => {
      try {
        parseConfig({ ...good, ...change }, "http://localhost/");
        return "accepted";
      } catch (error) {
        return error instanceof ConfigError ? error.message : `not declared: ${String(error)}`;
      }
    };
    expect(refused({ settlement: null })).to.match(/^settlement must be an object/);
    expect(refused({ settlement: { ...good.settlement, rpcUrl: "javascript:alert(1)" } })).to.match(/^settlement.rpcUrl must be an http/);
    expect(refused({ settlement: { ...good.settlement, startBlock: -1 } })).to.match(/^settlement.startBlock/);
    expect(refused({ settlement: { ...good.settlement, deployment: { chainId: 1, contracts: { X: "0x12" } } } })).to.match(/^settlement.deployment: .*"X" is not an address/);
    expect(refused({ aggregators: "https://walrus.example" })).to.match(/^aggregators must be a list/);
    expect(refused({ ledgers: Array(17).fill("/x") })).to.match(/^ledgers must be a list of at most 16/);
    expect(refused({ aggregators: [5] })).to.match(/^aggregators\[0\] must be/);
  });
});
