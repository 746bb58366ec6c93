import { isKeeperError } from "../../../keepers/errors/index.ts";

/** Tests look at codes, never at text. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return isKeeperError(error) ? error.code : `not ours: ${String(error)}`;
  }
  return "no error";
}
