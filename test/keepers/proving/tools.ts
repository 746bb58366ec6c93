import { isKeeperError } from "../../../keepers/errors/index.ts";

/** Family and code of the KeeperError that `promise` ends in. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isKeeperError(error)) return `${error.family} ${error.code}`;
    throw error;
  }
  return "no error";
}
