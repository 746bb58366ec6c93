/** The default prover as a program: `node snarkjs-program.ts KEY WITNESS` prints proof and public signals. */
import * as snarkjs from "snarkjs";

import { dieWithParent } from "../jobs/orphan.ts";

dieWithParent();
const [zkey, witness] = process.argv.slice(2);
const { proof, publicSignals } = await snarkjs.groth16.prove(zkey!, witness!);
process.stdout.write(JSON.stringify({ proof, publicSignals }), () => {
  // Worker threads would keep the process alive for a while longer.
  process.exit(0);
});
