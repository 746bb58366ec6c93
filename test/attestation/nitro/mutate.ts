/** Mutations of a document that know its structure. The same seed makes the same bytes. */
import { concat } from "../../../keepers/attestation/development/der.ts";
import type { Random } from "../../utils/random.ts";
import { allNodes, parseTree, writeTree } from "./tree.ts";
import type { CborNode, Form, Node } from "./tree.ts";

type Mutation = (random: Random, nodes: Node[], root: CborNode) => void;

const leaves = (nodes: Node[]): Node[] => nodes.filter((node) => node.children.length === 0 && node.content.length > 0);
const parents = (nodes: Node[]): Node[] => nodes.filter((node) => node.children.length > 1);
const FORMS: readonly Form[] = ["wide", "indefinite", "kept"];
const TAGS = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x17, 0x18, 0x30, 0x31, 0x80, 0xa0, 0xa3] as const;
/** Numbers around the edges of encodings and limits. */
const EDGES = [0n, 1n, 23n, 24n, 31n, 32n, 127n, 128n, 255n, 256n, 1024n, 65535n, 65536n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n];

const withByte = (bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? change(byte) & 0xff : byte));

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "flip a bit of a value": (random, nodes) => {
    const node = random.pick(leaves(nodes));
    node.content = withByte(node.content, random.below(node.content.length), (byte) => byte ^ (1 << random.below(8)));
  },
  "write a length in another form": (random, nodes) => {
    random.pick(nodes).form = random.pick(FORMS);
  },
  "change the head": (random, nodes) => {
    const node = random.pick(nodes);
    node.form = "kept";
    node.head = withByte(node.head, random.below(node.head.length), () => random.below(256));
  },
  "change the type": (random, nodes) => {
    const node = random.pick(nodes);
    if (node.kind === "der") node.tag = random.pick(TAGS);
    else node.major = random.below(8);
  },
  "announce a reserved length": (random, nodes) => {
    const node = random.pick(nodes.filter((each) => each.kind === "cbor")) as CborNode;
    node.form = "kept";
    node.head = Uint8Array.of((node.major << 5) | (28 + random.below(4)));
  },
  "announce an edge": (random, nodes) => {
    const node = random.pick(nodes.filter((each) => each.kind === "cbor")) as CborNode;
    const value = random.pick(EDGES);
    const bytes = Uint8Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(56 - 8 * i)) & 0xffn));
    node.form = "kept";
    node.head = concat(Uint8Array.of((node.major << 5) | 27), bytes);
  },
  "shorten or lengthen a value, lengths right": (random, nodes) => {
    const node = random.pick(leaves(nodes));
    const length = random.pick([0, node.content.length - 1, node.content.length + 1, random.below(node.content.length + 1)]);
    node.content = concat(node.content, random.bytes(1)).subarray(0, length);
  },
  "shorten or lengthen a value, lengths as before": (random, nodes) => {
    const node = random.pick(leaves(nodes));
    node.form = "kept";
    node.content = random.below(2) === 0 ? node.content.subarray(1) : concat(node.content, random.bytes(1));
  },
  "leave bytes behind a node": (random, nodes) => {
    const tails = ["00", "ff", "0500", "f6"].map((hex) => new Uint8Array(Buffer.from(hex, "hex")));
    random.pick(nodes).tail = random.pick([...tails, random.bytes(3)]);
  },
  "remove a child": (random, nodes) => {
    const { children } = random.pick(parents(nodes));
    children.splice(random.below(children.length), 1);
  },
  "repeat a child": (random, nodes) => {
    const { children } = random.pick(parents(nodes));
    const at = random.below(children.length);
    children.splice(at, 0, children[at] as Node);
  },
  "swap two children": (random, nodes) => {
    const { children } = random.pick(parents(nodes));
    const [a, b] = [random.below(children.length), random.below(children.length)];
    [children[a], children[b]] = [children[b] as Node, children[a] as Node];
  },
  "repeat an entry of a map": (random, nodes) => {
    const { children } = random.pick(nodes.filter((node) => node.kind === "cbor" && node.major === 5 && node.children.length > 1));
    const at = 2 * random.below(children.length >> 1);
    children.push(children[at] as Node, children[at + 1] as Node);
  },
  "put another node in its place": (random, nodes) => {
    const parent = random.pick(parents(nodes));
    parent.children[random.below(parent.children.length)] = random.pick(nodes.filter((node) => !allNodes(node).includes(parent)));
  },
  "nest a node deeply": (random, nodes) => {
    const parent = random.pick(nodes.filter((node) => node.kind === "cbor" && node.children.length > 0)) as CborNode;
    const at = random.below(parent.children.length);
    for (let depth = random.below(12); depth >= 0; depth--) {
      const children = [parent.children[at] as Node];
      parent.children[at] = { ...parent, major: 4, indefinite: false, form: "shortest", children };
    }
  },
  "make a map or array definite or not": (random, nodes) => {
    const node = random.pick(nodes.filter((each) => each.kind === "cbor" && (each.major === 4 || each.major === 5))) as CborNode;
    node.indefinite = !node.indefinite;
  },
  "put zeros or ones in a value": (random, nodes) => {
    const node = random.pick(leaves(nodes));
    node.content = new Uint8Array(node.content.length).fill(random.pick([0, 0xff]));
  },
};

const NAMES = Object.keys(MUTATIONS);

export interface Mutant {
  bytes: Uint8Array;
  /** What was done, for the report of a failure. */
  done: string;
}

/** One to three changes of the tree, or one of the plain bytes. */
export function mutate(document: Uint8Array, random: Random): Mutant {
  if (random.below(8) === 0) return mutateBytes(document, random);
  const root = parseTree(document);
  const done: string[] = [];
  for (let left = random.pick([1, 1, 1, 2, 3]); left > 0; left--) {
    const name = random.pick(NAMES);
    // The upper levels are few among hundreds of nodes: half of the changes go there.
    const nodes = allNodes(root);
    const shallow = nodes.filter((node) => node.kind === "cbor");
    try {
      (MUTATIONS[name] as Mutation)(random, random.below(2) === 0 ? shallow : nodes, root);
      done.push(name);
    } catch (error: unknown) {
      // An earlier change may have left nothing of the kind that this one needs.
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return { bytes: writeTree(root), done: done.join(", ") };
}

function mutateBytes(document: Uint8Array, random: Random): Mutant {
  const at = random.below(document.length);
  switch (random.below(4)) {
    case 0:
      return { bytes: document.subarray(0, at), done: `cut at ${at}` };
    case 1:
      return { bytes: concat(document, random.bytes(1 + random.below(4))), done: "bytes at the end" };
    case 2:
      return { bytes: concat(document.subarray(0, at), random.bytes(1), document.subarray(at)), done: `byte inserted at ${at}` };
    default:
      return { bytes: withByte(document, at, (byte) => byte ^ (1 + random.below(255))), done: `byte ${at} changed` };
  }
}
