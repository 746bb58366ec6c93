/** Writes a network as an ONNX file: opset 13, float32, fixed batch of one, named weights. */
import protobuf from "onnx-proto";

import type { ConvLayer, Layer } from "./nn/layers.ts";
import { outputSides } from "./nn/layers.ts";
import type { Network } from "./nn/network.ts";

const { onnx } = protobuf;

export const OPSET = 13;

export interface GraphOptions {
  readonly name: string;
  readonly description: string;
  readonly input: string;
  readonly inputShape: readonly number[];
  readonly output: string;
  /** A last operator that the trainer does not know as a layer, e.g. `Exp` after a logarithm was learnt. */
  readonly finalOperator?: "Exp";
}

type Node = protobuf.onnx.INodeProto;
type Tensor = protobuf.onnx.ITensorProto;

export function toOnnx(network: Network, options: GraphOptions): Uint8Array {
  const nodes: Node[] = [];
  const initializer: Tensor[] = [];
  const counts = new Map<string, number>();
  let value = options.input;
  let shape = [...options.inputShape];

  const add = (opType: string, inputs: string[], attribute: protobuf.onnx.IAttributeProto[] = []): void => {
    const count = (counts.get(opType) ?? 0) + 1;
    counts.set(opType, count);
    const name = `${opType.toLowerCase()}_${count}`;
    nodes.push({ name, opType, input: [value, ...inputs], output: [`${name}_out`], attribute });
    value = `${name}_out`;
  };
  const weights = (layer: Layer, index: number): string[] =>
    layer.parameters.map((p) => {
      const name = `layer_${index}_${p.role}`;
      initializer.push(floatTensor(name, p.shape, p.value));
      return name;
    });

  network.layers.forEach((layer, index) => {
    if (layer.kind === "dense") {
      if (shape.length > 2) {
        add("Flatten", [], [integer("axis", 1)]);
        shape = [1, layer.inputs];
      }
      add("Gemm", weights(layer, index), [float("alpha", 1), float("beta", 1), integer("transB", 1)]);
      shape = [1, layer.outputs];
    } else if (layer.kind === "conv") {
      add("Conv", weights(layer, index), convAttributes(layer));
      shape = convShape(layer);
    } else {
      add("Relu", []);
    }
  });
  if (options.finalOperator) add(options.finalOperator, []);
  nodes.at(-1)!.output = [options.output];

  return onnx.ModelProto.encode({
    irVersion: 8,
    producerName: "opengradient-protocol",
    producerVersion: "1",
    docString: options.description,
    opsetImport: [{ domain: "", version: OPSET }],
    graph: {
      name: options.name,
      node: nodes,
      initializer,
      input: [valueInfo(options.input, options.inputShape)],
      output: [valueInfo(options.output, shape)],
    },
  }).finish();
}

/** Operator types in use, sorted. */
export function operatorsOf(bytes: Uint8Array): string[] {
  const model = onnx.ModelProto.decode(bytes);
  return [...new Set((model.graph?.node ?? []).map((node) => node.opType ?? ""))].sort();
}

function convShape({ geometry }: ConvLayer): number[] {
  const { height, width } = outputSides(geometry);
  return geometry.rank === 1 ? [1, geometry.filters, width] : [1, geometry.filters, height, width];
}

function convAttributes({ geometry: g }: ConvLayer): protobuf.onnx.IAttributeProto[] {
  const sides = (height: number, width: number): number[] => (g.rank === 1 ? [width] : [height, width]);
  return [
    integers("kernel_shape", sides(g.kernelHeight, g.kernelWidth)),
    integers("strides", sides(g.strideHeight, g.strideWidth)),
    integers("pads", sides(0, 0).flatMap(() => [0, 0])),
    integers("dilations", sides(1, 1)),
    integer("group", 1),
  ];
}

const { AttributeType } = onnx.AttributeProto;
const integer = (name: string, i: number): protobuf.onnx.IAttributeProto => ({ name, i, type: AttributeType.INT });
const integers = (name: string, ints: number[]): protobuf.onnx.IAttributeProto => ({ name, ints, type: AttributeType.INTS });
const float = (name: string, f: number): protobuf.onnx.IAttributeProto => ({ name, f, type: AttributeType.FLOAT });

function floatTensor(name: string, dims: readonly number[], values: Float64Array): Tensor {
  const rawData = new Uint8Array(values.length * 4);
  const view = new DataView(rawData.buffer);
  values.forEach((v, i) => view.setFloat32(i * 4, v, true));
  return { name, dims: [...dims], dataType: onnx.TensorProto.DataType.FLOAT, rawData };
}

function valueInfo(name: string, shape: readonly number[]): protobuf.onnx.IValueInfoProto {
  const dim = shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: onnx.TensorProto.DataType.FLOAT, shape: { dim } } } };
}
