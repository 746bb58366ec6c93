import { isKeeperError, type KeeperError } from "../../keepers/errors/index.ts";

/** The declared error that this ends in. Success, and an error that nobody declared, fail the test. */
export async function refusalOf(work: Promise<unknown>): Promise<KeeperError> {
  try {
    await work;
  } catch (error) {
    if (isKeeperError(error)) return error;
    throw error;
  }
  throw new Error("expected a refusal");
}
