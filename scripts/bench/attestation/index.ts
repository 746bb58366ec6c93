/** `npm run bench -- attestation`: what it costs to trust an enclave. Whole transactions, parser and call data included. */
import { network } from "hardhat";

import { heartbeat } from "../settlement/gas.ts";
import type { Figure, Suite } from "../suite.ts";
import { measureNitro } from "./nitro.ts";
import { measureTdx } from "./tdx.ts";
import { countVectors } from "./vectors.ts";

const suite: Suite = {
  title: "Attestation on chain (gas under Osaka rules, one transaction each)",
  asked: {
    "nitro-cold": "<= 4,500,000",
    "nitro-new-node": "<= 3,500,000",
    "nitro-document": "<= 2,200,000",
    "tdx-quote": "<= 250,000",
    heartbeat: "<= 45,000",
    "prover-seconds": "< 1",
    "vectors-accepted": "all genuine ones",
    "vectors-falsely-accepted": "0",
  },
  async run(print) {
    const nitro = await measureNitro(network);
    print(`Nitro, document ${nitro.document}: hints ${JSON.stringify(nitro.hintBytes)} bytes`);
    const tdx = await measureTdx(network);
    print(`TDX, quote ${tdx.quote}: ${tdx.evidenceBytes} bytes; once a month ${tdx.collateral.map(({ call, gas }) => `${call} ${gas}`).join(", ")}`);
    const vectors = countVectors();
    if (vectors.total === 0) print("../shared/vectors is not here: no vectors counted");
    const figures: Record<string, Figure> = {
      "nitro-cold": nitro.cold,
      "nitro-new-node": nitro.newNode,
      "nitro-document": nitro.documentOnly,
      "tdx-quote": tdx.verify,
      heartbeat: await heartbeat(),
      "prover-seconds": Number(nitro.proverSeconds.toFixed(3)),
      "vectors-accepted": vectors.accepted,
      "vectors-total": vectors.total,
      "vectors-falsely-accepted": vectors.falselyAccepted,
    };
    return figures;
  },
};

export default suite;
