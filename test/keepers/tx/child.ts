/** A keeper's journal as a process of its own, for being killed: `node child.ts <db> <rpc> <point to die at, or ""> <deadline, or "">`. */
import { createPool, httpEndpoint } from "../../../keepers/chain/index.ts";
import { systemClock } from "../../../keepers/clock/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { localSigner } from "../../../keepers/signer/index.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { createJournal } from "../../../keepers/tx/index.ts";
import { GWEI, PRIVATE_KEY, TARGET } from "../support/journal-rig.ts";

function run([path, url, point, deadline]: readonly string[]): void {
  const clock = systemClock();
  const pool = createPool({ chainId: 31337, endpoints: [httpEndpoint(url!)], clock, logger: silentLogger });
  const signer = localSigner(PRIVATE_KEY, { rules: [{ chainId: 31337, to: TARGET, selector: "0x11223344" }], maxFee: 10n ** 18n });
  const journal = createJournal({
    store: openStore(path!), clock, logger: silentLogger,
    chains: [{ pool, signer, limits: { maxFeePerGas: 500n * GWEI, maxTxCost: 10n ** 18n, maxDayCost: 10n ** 20n }, timing: { confirmations: 2, pollMs: 20 } }],
    hook: (reached) => {
      if (reached === point) process.kill(process.pid, "SIGKILL");
    },
  });
  journal.start();
  journal.submit({ key: "the intent", chainId: 31337, to: TARGET, data: "0x11223344", deadline: deadline ? BigInt(deadline) : undefined }).then(
    ({ hash }) => finish(`final ${hash}`),
    (error: { code?: string }) => finish(error.code ?? String(error)),
  );
}

function finish(outcome: string): void {
  process.stdout.write(`${outcome}\n`);
  process.exit(0);
}

// The test runner loads every file below test/: only a process of its own runs.
if (import.meta.main) run(process.argv.slice(2));
