import * as ort from "onnxruntime-node";

/** ONNX Runtime, the second oracle. */
export async function runtime(onnx: Uint8Array, feeds: Record<string, { shape: number[]; data: number[]; type?: "float32" | "int64" | "bool" }>): Promise<Record<string, number[]>> {
  const session = await ort.InferenceSession.create(onnx, { logSeverityLevel: 4 });
  const tensors = Object.entries(feeds).map(([name, f]) => {
    const type = f.type ?? "float32";
    const data = type === "int64" ? BigInt64Array.from(f.data.map(BigInt)) : type === "bool" ? Uint8Array.from(f.data) : Float32Array.from(f.data);
    return [name, new ort.Tensor(type, data as Float32Array, f.shape)] as const;
  });
  const made = await session.run(Object.fromEntries(tensors));
  return Object.fromEntries(Object.entries(made).map(([name, t]) => [name, Array.from(t.data as Iterable<unknown>, Number)]));
}
