export { faultOf, onnxInference } from "./onnx.ts";
export type { OnnxInference, OnnxModel, OnnxOptions, RequestTensors } from "./onnx.ts";
export { inspectModel } from "./inspect.ts";
export type { ModelFacts } from "./inspect.ts";
export type { RequestTensor, ResponseTensor, Scalar, TensorDescription, TensorType } from "./tensors.ts";
