/** What the keeper and its runtime process say to each other. */
import type { RuntimeTensor, TensorDescription } from "./tensors.ts";

export type ToRuntime =
  | { readonly kind: "load"; readonly id: number; readonly model: string; readonly bytes: Uint8Array }
  | { readonly kind: "run"; readonly id: number; readonly model: string; readonly inputs: readonly RuntimeTensor[] }
  | { readonly kind: "drop"; readonly id: number; readonly model: string };

export interface LoadedModel {
  readonly inputs: readonly RawDescription[];
  readonly outputs: readonly RawDescription[];
}

/** As the runtime tells it: types that we do not serve are still possible here. */
export type RawDescription = Omit<TensorDescription, "type"> & { readonly type: string };

export type FromRuntime =
  | { readonly id: number; readonly loaded: LoadedModel }
  | { readonly id: number; readonly outputs: readonly RuntimeTensor[] }
  | { readonly id: number; readonly done: true }
  | { readonly id: number; readonly error: string };
