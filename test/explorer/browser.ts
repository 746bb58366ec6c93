/** A real browser, where there is one, by its debugging protocol: no driver package is needed for one page. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PATIENCE_MS = 45_000;

/** Path of an installed Chromium, if any. */
export function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
}

export interface Browser {
  /** Opens an address and waits until the page shows `wanted`. */
  open(url: string, wanted: RegExp): Promise<string>;
  /** Errors and violations of the page's policy so far. */
  complaints: string[];
  close(): Promise<void>;
}

export async function startBrowser(chromium: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "og-chromium-"));
  const child = spawn(chromium, ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  const endpoint = await new Promise<string>((resolve, reject) => {
    let told = "";
    child.stderr.on("data", (piece: Buffer) => {
      told += piece.toString();
      const url = /DevTools listening on (ws:\S+)/.exec(told)?.[1];
      if (url) resolve(url);
    });
    child.once("exit", (code) => reject(new Error(`the browser ended (${code}): ${told.slice(-500)}`)));
    child.once("error", reject);
  });
  const socket = new WebSocket(endpoint);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("the browser's debugging port does not answer"));
  });
  const waiting = new Map<number, (result: never) => void>();
  const complaints: string[] = [];
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(String(data)) as { id?: number; result?: unknown; method?: string; params?: { entry?: { level: string; text: string; url?: string }; exceptionDetails?: { text: string; exception?: { description?: string } } } };
    if (message.id !== undefined) return waiting.get(message.id)?.(message.result as never);
    const { entry, exceptionDetails } = message.params ?? {};
    if (message.method === "Log.entryAdded" && entry?.level === "error") complaints.push(`${entry.text} ${entry.url ?? ""}`);
    if (message.method === "Runtime.exceptionThrown") complaints.push(exceptionDetails?.exception?.description ?? exceptionDetails?.text ?? "exception");
  };
  let next = 1;
  const call = <T>(method: string, params: object = {}, sessionId?: string) =>
    new Promise<T>((resolve) => {
      waiting.set(next, resolve as never);
      socket.send(JSON.stringify({ id: next++, method, params, ...(sessionId ? { sessionId } : {}) }));
    });
  const { targetId } = await call<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await call<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
  for (const domain of ["Log", "Runtime", "Page"]) await call(`${domain}.enable`, {}, sessionId);
  const text = async () => (await call<{ result: { value?: string } }>("Runtime.evaluate", { expression: "document.body ? document.body.innerText : ''" }, sessionId)).result.value ?? "";
  return {
    complaints,
    async open(url, wanted) {
      await call("Page.navigate", { url }, sessionId);
      for (const deadline = performance.now() + PATIENCE_MS; ; ) {
        const shown = (await text()).replace(/\s+/g, " ");
        if (wanted.test(shown)) return shown;
        if (performance.now() > deadline) throw new Error(`the browser did not show ${wanted}; it shows: ${shown.slice(0, 800)}; complaints: ${complaints.join("; ")}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async close() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      await call("Browser.close");
      socket.close();
      await gone;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
