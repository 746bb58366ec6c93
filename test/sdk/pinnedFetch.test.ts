import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { expect } from "chai";
import { webcrypto } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { pinnedFetch, TlsPinError } from "../../sdk/transport/pinnedFetch.ts";
import { spkiHash } from "../../sdk/transport/spki.ts";

async function selfSigned() {
  x509.cryptoProvider.set(webcrypto as Crypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({ name: "CN=node", keys: keys as CryptoKeyPair, signingAlgorithm: algorithm });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return { cert: certificate.toString("pem"), key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n` };
}

describe("pinnedFetch", () => {
  let server: Server;
  let url: string;
  let cert: string;
  const seen: string[] = [];
  let rest: () => void;

  before(async () => {
    const tls = await selfSigned();
    cert = tls.cert;
    server = createServer(tls, (request, response) => {
      seen.push(request.url!);
      if (request.url === "/stream") {
        response.write("one ");
        rest = () => response.end("two");
        return;
      }
      response.setHeader("x-method", request.method!);
      request.pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  it("given the right pin: carries method, body, headers and a streamed answer", async () => {
    const fetch = pinnedFetch(spkiHash(cert));
    const stream = await fetch(`${url}/stream`);
    const reader = stream.body!.getReader();
    expect(Buffer.from((await reader.read()).value!).toString()).to.equal("one ");
    rest();
    expect(Buffer.from((await reader.read()).value!).toString()).to.equal("two");
    const echo = await fetch(`${url}/echo`, { method: "POST", body: "hello", headers: { "content-type": "text/plain" } });
    expect(echo.headers.get("x-method")).to.equal("POST");
    expect(await echo.text()).to.equal("hello");
    fetch.close();
  });

  it("given another key: refuses by name before the request leaves", async () => {
    const count = seen.length;
    const pin = `0x${"11".repeat(32)}` as const;
    const fetch = pinnedFetch(pin);
    const error = await fetch(`${url}/secret-prompt`).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(TlsPinError);
    expect((error as TlsPinError).actual).to.equal(spkiHash(cert));
    expect(seen.length).to.equal(count);
    fetch.close();
  });

  it("refuses plain http", async () => {
    const error = await pinnedFetch(`0x${"11".repeat(32)}`)("http://127.0.0.1:1/").catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(TypeError);
  });
});
