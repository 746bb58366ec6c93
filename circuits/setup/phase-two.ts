/** snarkjs's part of a set-up: making and checking keys of phase 2, with what it says when it refuses. */
import * as snarkjs from "snarkjs";

interface Complaints {
  logger: snarkjs.Logger;
  /** What was complained of last, without its capital label. */
  last(): string | undefined;
}

/** snarkjs returns false and logs the reason. */
function listen(): Complaints {
  let last: string | undefined;
  const ignore = () => {};
  return { logger: { debug: ignore, info: ignore, warn: ignore, error: (text) => (last = text.replace(/^INVALID:\s*/, "")) }, last: () => last };
}

/** The key before any contribution. Deterministic. @throws Error with snarkjs's reason */
export async function makeInitialKey(r1cs: string, ptau: string, zkey: string): Promise<void> {
  const { logger, last } = listen();
  const made = await snarkjs.zKey.newZKey(r1cs, ptau, zkey, logger);
  if (!(made instanceof Uint8Array)) throw new Error(`snarkjs did not make a key: ${last() ?? "it does not say why"}`);
}

/**
 * Whether `zkey` follows from circuit, powers of tau and the contributions that it records: undefined, or what does not hold. The
 * initial key is made as the file `initial`, not in memory as snarkjs's own verification of an r1cs has it; key and powers of tau are
 * read in chunks. What memory holds is the circuit's rows and a few vectors as long as its domain.
 */
export async function verifyPhaseTwo(r1cs: string, ptau: string, zkey: string, initial: string): Promise<string | undefined> {
  await makeInitialKey(r1cs, ptau, initial);
  const { logger, last } = listen();
  return (await snarkjs.zKey.verifyFromInit(initial, ptau, zkey, logger)) ? undefined : (last() ?? "a contribution's proof of knowledge is wrong");
}
