import * as ort from "onnxruntime-node";

type FeedType = "float32" | "int64" | "bool" | "uint8" | "int8" | "int32" | "uint16";

const arrays = { float32: Float32Array, bool: Uint8Array, uint8: Uint8Array, int8: Int8Array, int32: Int32Array, uint16: Uint16Array };

/** ONNX Runtime, the second oracle. */
export async function runtime(onnx: Uint8Array, feeds: Record<string, { shape: number[]; data: number[]; type?: FeedType }>): Promise<Record<string, number[]>> {
  const session = await ort.InferenceSession.create(onnx, { logSeverityLevel: 4 });
  const tensors = Object.entries(feeds).map(([name, f]) => {
    const type = f.type ?? "float32";
    const data = type === "int64" ? BigInt64Array.from(f.data.map(BigInt)) : arrays[type].from(f.data);
    return [name, new ort.Tensor(type, data as Float32Array, f.shape)] as const;
  });
  const made = await session.run(Object.fromEntries(tensors));
  return Object.fromEntries(Object.entries(made).map(([name, t]) => [name, Array.from(t.data as Iterable<unknown>, Number)]));
}
