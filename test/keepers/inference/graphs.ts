/** Small ONNX graphs for tests. */
import protobuf from "onnx-proto";

const { onnx } = protobuf;
const TYPES = { float32: 1, int32: 6, int64: 7, string: 8, bool: 9, uint8: 2 } as const;

export interface Port {
  readonly name: string;
  readonly type?: keyof typeof TYPES;
  readonly shape: readonly (number | string)[];
}

export function port({ name, type = "float32", shape }: Port): protobuf.onnx.IValueInfoProto {
  const dim = shape.map((side) => (typeof side === "number" ? { dimValue: side } : { dimParam: side }));
  return { name, type: { tensorType: { elemType: TYPES[type], shape: { dim } } } };
}

export interface GraphParts {
  readonly nodes: readonly protobuf.onnx.INodeProto[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly initializer?: readonly protobuf.onnx.ITensorProto[];
  readonly domains?: readonly string[];
}

export function graphBytes({ nodes, inputs, outputs, initializer = [], domains = [] }: GraphParts): Uint8Array {
  return onnx.ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 13 }, ...domains.map((domain) => ({ domain, version: 1 }))],
    graph: { name: "test", node: [...nodes], input: inputs.map(port), output: outputs.map(port), initializer: [...initializer] },
  }).finish();
}

/** A graph of one operator. */
export function single(opType: string, inputs: readonly Port[], output: Port, domain = ""): Uint8Array {
  const node = { opType, domain, input: inputs.map((p) => p.name), output: [output.name] };
  return graphBytes({ nodes: [node], inputs, outputs: [output], domains: domain ? [domain] : [] });
}

/** Counts to 2^40: ends some time next year. */
export function endless(): Uint8Array {
  const int64 = (name: string, value: bigint): protobuf.onnx.ITensorProto => {
    const rawData = new Uint8Array(8);
    new DataView(rawData.buffer).setBigInt64(0, value, true);
    return { name, dims: [], dataType: TYPES.int64, rawData };
  };
  const flag: protobuf.onnx.ITensorProto = { name: "yes", dims: [], dataType: TYPES.bool, rawData: Uint8Array.of(1) };
  const body: protobuf.onnx.IGraphProto = {
    name: "body",
    node: [
      { opType: "Identity", input: ["go"], output: ["go_on"] },
      { opType: "Add", input: ["sum_in", "sum_in"], output: ["sum_out"] },
    ],
    input: [
      port({ name: "turn", type: "int64", shape: [] }),
      port({ name: "go", type: "bool", shape: [] }),
      port({ name: "sum_in", shape: [1] }),
    ],
    output: [port({ name: "go_on", type: "bool", shape: [] }), port({ name: "sum_out", shape: [1] })],
  };
  const loop = { opType: "Loop", input: ["turns", "yes", "x"], output: ["y"], attribute: [{ name: "body", g: body, type: 5 }] };
  return graphBytes({
    nodes: [loop],
    inputs: [{ name: "x", shape: [1] }],
    outputs: [{ name: "y", shape: [1] }],
    initializer: [int64("turns", 2n ** 40n), flag],
  });
}
