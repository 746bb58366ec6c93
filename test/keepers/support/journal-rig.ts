import { type Hex, keccak256, toHex } from "viem";
import { createPool } from "../../../keepers/chain/index.ts";
import { type SimulatedClock, simulatedClock } from "../../../keepers/clock/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { localSigner } from "../../../keepers/signer/index.ts";
import { openStore, type Store } from "../../../keepers/storage/index.ts";
import { createJournal, type Intent, type Journal, type JournalHook, type Timing } from "../../../keepers/tx/index.ts";
import { type FakeChain, fakeChain, type Faults } from "./fake-chain.ts";

export const TARGET = "0x1000000000000000000000000000000000000001";
export const PRIVATE_KEY = keccak256(toHex("a throw-away key of the tests"));
export const GWEI = 1_000_000_000n;

export interface Rig {
  chain: FakeChain;
  clock: SimulatedClock;
  store: Store;
  journal: Journal;
  address: `0x${string}`;
  intent(name: string, extra?: Partial<Intent>): Intent;
  /** Ends of the submitted intents: "final" or an error's code. */
  outcomes: Map<string, string>;
  submit(intent: Intent): void;
  /** Passes of the journal with a block between them. */
  rounds(count: number, options?: { mine?: boolean; seconds?: number }): Promise<void>;
  /** The same store and chain under a new journal, as after a kill. */
  restart(hook?: JournalHook): void;
}

export interface RigOptions {
  seed?: number;
  faults?: Faults[];
  timing?: Partial<Timing>;
  hook?: JournalHook;
  limits?: { maxFeePerGas: bigint; maxTxCost: bigint; maxDayCost: bigint };
  store?: Store;
}

export function journalRig(options: RigOptions = {}): Rig {
  const { seed = 1, faults = [{}], timing = {}, limits = { maxFeePerGas: 500n * GWEI, maxTxCost: 10n ** 18n, maxDayCost: 10n ** 20n } } = options;
  const chain = fakeChain();
  const clock = simulatedClock(seed);
  const store = options.store ?? openStore(":memory:");
  const data = (name: string) => keccak256(toHex(name)).slice(0, 10) as Hex;
  const signer = localSigner(PRIVATE_KEY, { rules: anySelector(), maxFee: 10n ** 19n });

  /** The rig's policy allows every selector that the tests use. */
  function anySelector() {
    return new Proxy([] as { chainId: number; to: `0x${string}`; selector: Hex }[], {
      get: (target, property) =>
        property === "find" ? (test: (rule: { chainId: number; to: Hex; selector: Hex }) => boolean) => names.map((name) => ({ chainId: 31337, to: TARGET as Hex, selector: data(name) })).find(test) : Reflect.get(target, property),
    });
  }
  const names: string[] = [];

  function build(hook?: JournalHook): Journal {
    const endpoints = faults.map((fault, index) => chain.endpoint(`rpc${index}`, clock, fault));
    const pool = createPool({ chainId: chain.chainId, endpoints, clock, logger: silentLogger });
    return createJournal({
      store, clock, logger: silentLogger, hook, leaseTtlMs: 1_000_000,
      chains: [{ pool, signer, limits, timing: { confirmations: 2, ...timing } }],
    });
  }

  const rig: Rig = {
    chain, clock, store, address: signer.address, outcomes: new Map(),
    journal: build(options.hook),
    intent(name, extra = {}) {
      names.push(name);
      return { key: name, chainId: chain.chainId, to: TARGET, data: data(name), label: name, ...extra };
    },
    submit(intent) {
      rig.journal.submit(intent).then(
        () => rig.outcomes.set(intent.key, "final"),
        (error: { code?: string; message: string }) => rig.outcomes.set(intent.key, error.code ?? error.message),
      );
    },
    async rounds(count, { mine = true, seconds = 2 } = {}) {
      for (let i = 0; i < count; i++) {
        await rig.journal.tick();
        if (mine) chain.mine(1, seconds);
        await clock.advance(seconds * 1_000);
      }
    },
    restart(hook) {
      store.run("DELETE FROM leases");
      rig.journal = build(hook);
    },
  };
  return rig;
}
