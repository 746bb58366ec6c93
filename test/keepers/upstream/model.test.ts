import { expect } from "chai";
import fc from "fast-check";

import { corpusText, loadLanguageModel, trainLanguageModel } from "../../../keepers/upstream/model/index.ts";
import type { LanguageModel, Sampling } from "../../../keepers/upstream/model/index.ts";

describe("embedded language model", () => {
  let model: LanguageModel;
  const sampling: Sampling = { temperature: 0.8, topP: 1, seed: 1, maxTokens: 64 };
  const answer = (question: string, more: Partial<Sampling> = {}): string =>
    model.tokenizer.decode([...model.answer(question, { ...sampling, ...more })]);

  before(() => {
    model = trainLanguageModel();
  });

  it("trains to the same bytes, and comes back from them", () => {
    expect(trainLanguageModel().hash).to.equal(model.hash);
    const loaded = loadLanguageModel(model.artifact);
    expect([...loaded.answer("What is a receipt?", sampling)]).to.deep.equal([...model.answer("What is a receipt?", sampling)]);
    expect(() => loadLanguageModel(new TextEncoder().encode("{}"))).to.throw().with.property("code", "upstream.model");
  });

  it("tokenises any text without loss", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 400 }), (text) => {
        expect(model.tokenizer.decode(model.tokenizer.encode(text))).to.equal(text);
      }),
    );
    for (const text of ["", " ", "ü🦭", "a".repeat(5_000), "🦭".repeat(600), "The settlement chain", "\n\n  x"]) {
      expect(model.tokenizer.decode(model.tokenizer.encode(text))).to.equal(text);
    }
    // A tokenizer that learnt from the protocol's text needs few tokens for it.
    const text = "The settlement chain keeps one slot for its header.";
    expect(model.tokenizer.encode(text).length).to.be.lessThan(text.length / 3);
  });

  it("predicts text that it has not seen better than single tokens do", () => {
    const held: string[] = [];
    const kept: string[] = [];
    let count = 0;
    for (const paragraph of corpusText().split("\n\n")) {
      if (!paragraph.startsWith("# ") && count++ % 10 === 5) held.push(paragraph.trim());
      else kept.push(paragraph);
    }
    const bytes = held.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    const bitsPerByte = (order: number): number => {
      const trained = trainLanguageModel(kept.join("\n\n"), 1_200, order);
      return held.reduce((sum, text) => sum + trained.bits(text), 0) / bytes;
    };
    const full = bitsPerByte(7);
    expect(full).to.be.lessThan(2.5);
    expect(full).to.be.lessThan(bitsPerByte(1) - 0.1);
  });

  it("gives any text a chance, and none certainty", () => {
    // Zero bits would be certainty, and infinity would be impossible.
    for (const text of ["The payer signs a voucher.", "zzz qqq 🦭"]) {
      expect(model.bits(text)).to.be.greaterThan(1).and.lessThan(10_000);
    }
  });

  it("is the same for the same seed, another for another, and greedy at temperature zero", () => {
    expect(answer("How do payments work?")).to.equal(answer("How do payments work?"));
    const answers = new Set(Array.from({ length: 8 }, (_, seed) => answer("How do payments work?", { seed })));
    expect(answers.size).to.be.greaterThan(1);
    expect(answer("escrow", { temperature: 0, seed: 1 })).to.equal(answer("escrow", { temperature: 0, seed: 2 }));
  });

  it("stays near the question", () => {
    const about: readonly (readonly [string, RegExp])[] = [
      ["Tell me about vouchers and the channel", /voucher|channel/i],
      ["What is attestation of an enclave?", /attest|enclave|environment|transport/i],
      ["How does Walrus blob storage work?", /walrus|blob|aggregator|store/i],
      ["who are you?", /model|token/i],
      ["pineapple", /model|token/i],
    ];
    for (const [question, expected] of about) expect(answer(question), question).to.match(expected);
  });

  it("stops at the length that was asked for, and says so", () => {
    const generator = model.answer("What is a receipt?", { ...sampling, maxTokens: 5 });
    let tokens = 0;
    let step = generator.next();
    for (; !step.done; step = generator.next()) tokens++;
    expect([tokens, step.value]).to.deep.equal([5, "length"]);
  });
});
