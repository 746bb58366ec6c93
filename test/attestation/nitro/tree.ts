/**
 * A document as a tree: the CBOR envelope, the CBOR payload in it, the DER of the certificates in that. Every node can be written
 * in a form that it should not have; the lengths above it are then right or, on purpose, those of before.
 */
import { concat } from "../../../keepers/attestation/development/der.ts";
import { head } from "../../../keepers/attestation/development/document.ts";

/** How a node's head is written. "kept" is as it was read, whatever the content is now. */
export type Form = "shortest" | "wide" | "indefinite" | "kept";

interface Base {
  /** Head as it was read. */
  head: Uint8Array;
  form: Form;
  /** Bytes written after the node, inside its parent. */
  tail: Uint8Array;
}

export interface CborNode extends Base {
  kind: "cbor";
  major: number;
  value: bigint;
  indefinite: boolean;
  /** Entries of arrays, keys and values of maps, the inside of a tag, or what a byte string holds. */
  children: Node[];
  /** Content of strings that hold no tree. */
  content: Uint8Array;
}

export interface DerNode extends Base {
  kind: "der";
  tag: number;
  children: Node[];
  content: Uint8Array;
}

export type Node = CborNode | DerNode;

const NOTHING = new Uint8Array();
const BREAK = Uint8Array.of(0xff);

export function parseCbor(bytes: Uint8Array, at = 0): { node: CborNode; next: number } {
  const initial = bytes[at] as number;
  const info = initial & 31;
  const size = info < 24 || info === 31 ? 0 : 1 << (info - 24);
  const argument = bytes.subarray(at + 1, at + 1 + size).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const value = size === 0 ? BigInt(info) : argument;
  const major = initial >> 5;
  const indefinite = info === 31;
  const node: CborNode = {
    kind: "cbor",
    head: bytes.subarray(at, at + 1 + size),
    form: "shortest",
    tail: NOTHING,
    major,
    value,
    indefinite,
    children: [],
    content: NOTHING,
  };
  let next = at + 1 + size;
  if (major === 2 || major === 3) {
    node.content = bytes.subarray(next, next + Number(value));
    next += Number(value);
  } else if (major === 4 || major === 5) {
    const count = indefinite ? Infinity : Number(value) * (major === 5 ? 2 : 1);
    while (node.children.length < count && bytes[next] !== 0xff) {
      const child = parseCbor(bytes, next);
      node.children.push(child.node);
      next = child.next;
    }
    if (indefinite) next++;
  } else if (major === 6) {
    const child = parseCbor(bytes, next);
    node.children.push(child.node);
    next = child.next;
  }
  return { node, next };
}

export function parseDer(bytes: Uint8Array, at = 0): { node: DerNode; next: number } {
  const tag = bytes[at] as number;
  const short = bytes[at + 1] as number;
  const size = short < 0x80 ? 0 : short - 0x80;
  const length = size === 0 ? short : bytes.subarray(at + 2, at + 2 + size).reduce((sum, byte) => sum * 256 + byte, 0);
  const start = at + 2 + size;
  const content = bytes.subarray(start, start + length);
  const node: DerNode = { kind: "der", head: bytes.subarray(at, start), form: "shortest", tail: NOTHING, tag, children: [], content };
  // Constructed types, and the octet strings and bit strings that hold a structure.
  const holds = (tag & 0x20) !== 0 ? 0 : tag === 0x04 && content[0] === 0x30 ? 0 : undefined;
  if (holds !== undefined) {
    for (let next = 0; next < content.length; ) {
      const child = parseDer(content, next);
      node.children.push(child.node);
      next = child.next;
    }
  }
  return { node, next: start + length };
}

/** The whole document, opened as far as there is structure. */
export function parseTree(document: Uint8Array): CborNode {
  const { node } = parseCbor(document);
  const envelope = node.major === 6 ? (node.children[0] as CborNode) : node;
  const payload = envelope.children[2] as CborNode;
  const fields = parseCbor(payload.content).node;
  payload.children = [fields];
  for (let i = 0; i < fields.children.length; i += 2) {
    const key = Buffer.from((fields.children[i] as CborNode).content).toString();
    const value = fields.children[i + 1] as CborNode;
    const holders = key === "certificate" ? [value] : key === "cabundle" ? (value.children as CborNode[]) : [];
    for (const holder of holders) holder.children = [parseDer(holder.content).node];
  }
  return node;
}

function lengthOfDer(length: number, form: Form): Uint8Array {
  if (form === "indefinite") return Uint8Array.of(0x80);
  if (form === "wide") return Uint8Array.of(0x83, 0, length >> 8, length & 0xff);
  if (length < 0x80) return Uint8Array.of(length);
  return length < 0x100 ? Uint8Array.of(0x81, length) : Uint8Array.of(0x82, length >> 8, length & 0xff);
}

function headOfCbor(major: number, value: bigint, form: Form): Uint8Array {
  if (form === "indefinite") return Uint8Array.of((major << 5) | 31);
  if (form !== "wide") return head(major, value);
  const bytes = Uint8Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(56 - 8 * i)) & 0xffn));
  return concat(Uint8Array.of((major << 5) | 27), bytes);
}

export function writeTree(node: Node): Uint8Array {
  const inside = node.children.length > 0 ? concat(...node.children.map(writeTree)) : node.content;
  if (node.kind === "der") {
    const start = node.form === "kept" ? node.head : concat(Uint8Array.of(node.tag), lengthOfDer(inside.length, node.form));
    return concat(start, inside, node.form === "indefinite" ? Uint8Array.of(0, 0) : NOTHING, node.tail);
  }
  const form = node.form === "shortest" && node.indefinite ? "indefinite" : node.form;
  if (form === "kept") return concat(node.head, inside, node.indefinite ? BREAK : NOTHING, node.tail);
  if (node.major === 7) return concat(node.head, node.tail);
  return concat(headOfCbor(node.major, argumentOf(node, inside), form), inside, form === "indefinite" ? BREAK : NOTHING, node.tail);
}

/** Length of a string, count of entries, or the number itself. */
function argumentOf(node: CborNode, inside: Uint8Array): bigint {
  if (node.major === 2 || node.major === 3) return BigInt(inside.length);
  if (node.major === 4) return BigInt(node.children.length);
  return node.major === 5 ? BigInt(node.children.length >> 1) : node.value;
}

/** All nodes below and including this one, parents first. */
export function allNodes(node: Node): Node[] {
  return [node, ...node.children.flatMap(allNodes)];
}
