import { expect } from "chai";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** From the top; a file may import from its own layer's folder and from layers below. */
const LAYERS = [
  ["bin"],
  ["app", "ops"],
  ["roles"],
  ["jobs", "tx", "proving", "walrus", "payments", "inference", "gateway", "models", "http", "upstream"],
  ["chain", "attestation", "signer", "storage"],
  ["logger", "metrics"],
  ["config", "errors", "clock"],
];
const levelOf = (folder: string) => LAYERS.findIndex((layer) => layer.includes(folder));

describe("keepers: arrows only down", () => {
  const files = globSync("keepers/*/**/*.ts");
  const arrows = files.flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/^(?:import|export)[^;]*?from "(\.[^"]+)"/gm)].map(([, target]) => ({
      file,
      from: file.split("/")[1]!,
      to: normalize(join(dirname(file), target!)),
    })),
  );

  it("reads every import", () => expect(arrows.length).to.be.greaterThan(40));

  it("every folder has its layer", () => {
    const unknown = new Set(files.map((file) => file.split("/")[1]!).filter((folder) => levelOf(folder) < 0));
    expect([...unknown]).to.deep.equal([]);
  });

  it("no module imports from a layer above its own", () => {
    const up = arrows.filter(({ from, to }) => to.startsWith("keepers/") && levelOf(to.split("/")[1]!) < levelOf(from));
    expect(up.map(({ file, to }) => `${file} -> ${to}`)).to.deep.equal([]);
  });

  it("outside of keepers/ they know only the SDK, generated types and the models' room", () => {
    const strange = arrows.filter(({ to }) => !/^(keepers|sdk|types|models|circuits)\//.test(to));
    expect(strange.map(({ file, to }) => `${file} -> ${to}`)).to.deep.equal([]);
  });
});
