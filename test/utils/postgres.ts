/** A PostgreSQL server of the test's own: a temporary directory that also holds its socket, gone afterwards. It listens on no port. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface PostgresServer {
  url: string;
  stop(): Promise<void>;
}

/** Where initdb and postgres are, or null: then a test that needs them says so and is skipped. */
export function postgresBinaries(): string | null {
  const folders = [...(process.env.PATH ?? "").split(":"), ...globSync("/usr/lib/postgresql/*/bin")];
  return folders.find((folder) => folder && existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres"))) ?? null;
}

export async function startPostgres(binaries: string): Promise<PostgresServer> {
  const dir = mkdtempSync(join(tmpdir(), "og-postgres-"));
  // PostgreSQL refuses to run as root; nobody owns nothing else.
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  if ("uid" in user) chownSync(dir, 65_534, 65_534);
  const data = join(dir, "data");
  const made = spawnSync(join(binaries, "initdb"), ["--pgdata", data, "--username", "og", "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"], { ...user, cwd: dir, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const server: ChildProcess = spawn(join(binaries, "postgres"), ["-D", data, "-h", "", "-k", dir, "-c", "fsync=off"], { ...user, cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  let log = "";
  await new Promise<void>((resolve, reject) => {
    server.stderr!.on("data", (piece: Buffer) => {
      log += piece.toString();
      if (log.includes("ready to accept connections")) resolve();
    });
    void ended.then(() => reject(new Error(`postgres ended: ${log}`)));
  });
  return {
    url: `postgres://og@localhost/postgres?host=${dir}`,
    async stop() {
      server.kill("SIGINT"); // fast shutdown
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
