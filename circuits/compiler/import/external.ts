import onnxProto from "onnx-proto";
import type { onnx } from "onnx-proto";
import { open, realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";

import { InvalidModelError } from "../errors.ts";

/** Weights beside a model file beyond this do not fit a circuit anyway. */
const MAX_BYTES = 1 << 28;

const EXTERNAL = 1;

/**
 * A model file with the weights that its exporter left in files beside it put back: one array of bytes, which is what is hashed and compiled.
 * Names that lead out of the model's folder, by dots or by links, are refused.
 */
export async function withExternalData(bytes: Uint8Array, path: string): Promise<Uint8Array> {
  let model: onnx.ModelProto;
  try {
    model = onnxProto.onnx.ModelProto.decode(bytes);
  } catch {
    // Whatever is wrong with the bytes, the importer says it.
    return bytes;
  }
  const outside = [...tensors(model.graph)].filter((t) => t.dataLocation === EXTERNAL);
  if (outside.length === 0) return bytes;
  const folder = await realpath(dirname(resolve(path)));
  let total = 0;
  for (const t of outside) {
    const made = await content(t, folder, MAX_BYTES - total);
    total += made.length;
    t.rawData = made;
    t.dataLocation = 0;
    t.externalData = [];
  }
  if (model.functions.length > 0) throw new InvalidModelError("functions of the file and weights outside of it: save it as one file");
  return onnxProto.onnx.ModelProto.encode(model).finish();
}

function* tensors(graph: onnx.IGraphProto | null | undefined): Generator<onnx.ITensorProto> {
  for (const t of graph?.initializer ?? []) yield t;
  for (const t of graph?.sparseInitializer ?? []) for (const part of [t.values, t.indices]) if (part) yield part;
  for (const a of (graph?.node ?? []).flatMap((n) => n.attribute ?? [])) {
    if (a.t) yield a.t;
    for (const t of a.tensors ?? []) yield t;
    for (const g of [a.g, ...(a.graphs ?? [])]) yield* tensors(g);
  }
}

async function content(t: onnx.ITensorProto, folder: string, room: number): Promise<Uint8Array> {
  const entries = new Map((t.externalData ?? []).map((e) => [e.key ?? "", e.value ?? ""]));
  const location = entries.get("location") ?? "";
  const refuse = (why: string): InvalidModelError => new InvalidModelError(`weight "${t.name ?? ""}" lies in "${location}" beside the model, ${why}`);
  const path = join(folder, location);
  if (location === "" || isAbsolute(location) || leaves(folder, path)) throw refuse("which is not a name within the model's folder");
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) throw refuse("which is not there: copy it beside the model, or save the model as one file");
  if (leaves(folder, real)) throw refuse("which is a link out of the model's folder");
  const file = await open(real, "r");
  try {
    const { size } = await file.stat();
    const offset = Number(entries.get("offset") ?? 0);
    const length = Number(entries.get("length") ?? size - offset);
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0 || offset + length > size) {
      throw refuse(`which has ${size} bytes: ${length} from ${offset} on are missing`);
    }
    if (length > room) throw refuse(`which holds more than the ${MAX_BYTES} bytes that fit a circuit`);
    const made = new Uint8Array(length);
    await file.read(made, 0, length, offset);
    return made;
  } finally {
    await file.close();
  }
}

function leaves(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way);
}
