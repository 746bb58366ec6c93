/**
 * Asks until `look` gives something; what it throws is taken for "not yet", and told if the wait was in vain.
 *
 * The limit is the patience of a test on the slowest machine, far above what anything takes: it ends a wait that would never
 * end, and judges no speed. Where a test can make a thing happen itself, it does so instead of waiting for it.
 */
export async function until<T>(what: string, look: () => Promise<T | null | undefined | false> | T | null | undefined | false, seconds = 300): Promise<T> {
  const end = performance.now() + seconds * 1_000;
  let last = "";
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      last = "";
    } catch (error) {
      last = `; the last look failed: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > end) throw new Error(`${what} did not happen within ${seconds} s${last}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
