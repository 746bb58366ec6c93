import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { expect } from "chai";
import { constants, createPublicKey, verify } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { type Hex, hexToBytes, sha256 } from "viem";
import { type ChatRequest, canonicalRequest, evidenceMessage, inputHash, outputHash, teeId } from "../../sdk/opengradient/evidence.ts";
import { PythonFloat, pythonJson } from "../../sdk/opengradient/pythonJson.ts";

interface Vector {
  canonical_request: ChatRequest;
  canonical_request_bytes: string;
  signed_output: string;
  input_hash: Hex;
  output_hash: Hex;
  timestamp: number;
  message_hash: Hex;
  rsa_pss_inner_sha256: Hex;
  signature_hex: Hex;
}

const VECTORS = "../shared/vectors/opengradient.json";

describe("OpenGradient-format evidence", () => {
  it("Python's json.dumps: floats, escapes, order of keys", () => {
    // Expected texts were written by CPython 3.11.
    expect(pythonJson(new PythonFloat(0))).to.equal("0.0");
    expect(pythonJson(new PythonFloat(1))).to.equal("1.0");
    expect(pythonJson(0.7)).to.equal("0.7");
    expect(pythonJson(1e-5)).to.equal("1e-05");
    expect(pythonJson(1.5e-7)).to.equal("1.5e-07");
    expect(pythonJson(0.0001)).to.equal("0.0001");
    expect(pythonJson(new PythonFloat(1e16))).to.equal("1e+16");
    expect(pythonJson(new PythonFloat(123456789012345.0))).to.equal("123456789012345.0");
    expect(pythonJson(new PythonFloat(-0))).to.equal("-0.0");
    expect(pythonJson(12.25)).to.equal("12.25");
    expect(pythonJson({ b: [1, null, true], a: "é€😀\u007f\n\"" })).to.equal('{"a": "\\u00e9\\u20ac\\ud83d\\ude00\u007f\\n\\"", "b": [1, null, true]}');
    expect(pythonJson({ "\uffff": 1, "\u{1f600}": 2 })).to.equal('{"\\uffff": 1, "\\ud83d\\ude00": 2}');
    expect(() => pythonJson(new PythonFloat(NaN))).to.throw(TypeError, "no NaN");
  });

  it("vectors: canonical bytes, hashes, signature and batch root", function () {
    if (!existsSync(VECTORS)) {
      console.log(`      skipped: ${VECTORS} is not here`);
      return this.skip();
    }
    const vectors = JSON.parse(readFileSync(VECTORS, "utf8"));
    const der = hexToBytes(vectors.public_key_der);
    expect(teeId(der)).to.equal(vectors.tee_id);
    const key = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
    const leaves = vectors.cases.map((vector: Vector) => {
      const { canonical_request: request, signed_output: output } = vector;
      expect(canonicalRequest(request)).to.equal(vector.canonical_request_bytes);
      expect(inputHash(request)).to.equal(vector.input_hash);
      expect(outputHash(output)).to.equal(vector.output_hash);
      const message = evidenceMessage(vector.input_hash, vector.output_hash, BigInt(vector.timestamp));
      expect(message).to.equal(vector.message_hash);
      expect(sha256(message)).to.equal(vector.rsa_pss_inner_sha256);
      const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
      expect(verify("sha256", hexToBytes(message), pss, hexToBytes(vector.signature_hex))).to.equal(true);
      return [vectors.tee_id, vector.input_hash, vector.output_hash, vector.signature_hex, vector.timestamp];
    });
    expect(StandardMerkleTree.of(leaves, vectors.batch.leaf_types).root).to.equal(vectors.batch.root);
  });
});
