import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below every system's ephemeral range (Linux begins at 32,768, others at 49,152): no outgoing connection and no server
 * that listens on port 0 is given one of these between the look and the use.
 */
const [LOWEST, ABOVE] = [10_000, 32_000];

/** Whether nobody listens on this loopback port. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/**
 * Free loopback ports, no two the same, drawn by lot so that two networks that start together do not meet. A program that
 * was told to use one of them may still take it first; then the process that wanted it says so and the demo names it.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(LOWEST, ABOVE);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}
