import { type Hex, concatHex, keccak256, numberToHex, zeroHash } from "viem";

/**
 * Positional Merkle tree, contracts/libraries/PositionalTree.sol:
 * node = keccak(0x01 | left | right), absent leaves are 0, root = keccak(0x02 | uint32 count | top).
 */
export interface PositionalTree {
  root: Hex;
  count: number;
  /** Sibling hashes from the leaf at `index` up to the top. */
  path(index: number): Hex[];
  /** Multiproof of several leaves, ascending: siblings that do not follow from them, level by level from the leaves up. */
  paths(indices: readonly number[]): Hex[];
}

/** @throws RangeError on no leaves or more than 2^32 - 1. */
export function positionalTree(leaves: readonly Hex[]): PositionalTree {
  const count = leaves.length;
  if (count === 0 || count > 0xffff_ffff) throw new RangeError(`a tree has 1 to 4,294,967,295 leaves, not ${count}`);
  // absent[h] is the root of an all-absent subtree of height h.
  const absent: Hex[] = [zeroHash];
  const levels: Hex[][] = [[...leaves]];
  for (let height = 0; levels[height]!.length > 1; height++) {
    const level = levels[height]!;
    const parents: Hex[] = [];
    for (let i = 0; i < level.length; i += 2) parents.push(treeNode(level[i]!, level[i + 1] ?? absent[height]!));
    levels.push(parents);
    absent.push(treeNode(absent[height]!, absent[height]!));
  }
  const inside = (index: number) => {
    if (!Number.isInteger(index) || index < 0 || index >= count) throw new RangeError(`index ${index} is outside of the ${count} leaves`);
  };
  return {
    root: treeRoot(count, levels.at(-1)![0]!),
    count,
    path(index) {
      inside(index);
      return levels.slice(0, -1).map((level, height) => level[(index >> height) ^ 1] ?? absent[height]!);
    },
    paths(indices) {
      indices.forEach(inside);
      if (indices.some((index, i) => i > 0 && index <= indices[i - 1]!)) throw new RangeError("the leaves of a multiproof ascend");
      let known = [...indices];
      return levels.slice(0, -1).flatMap((level, height) => {
        const here = new Set(known);
        const siblings = known.filter((index) => !here.has(index ^ 1)).map((index) => level[index ^ 1] ?? absent[height]!);
        known = [...new Set(known.map((index) => index >> 1))];
        return siblings;
      });
    },
  };
}

/** Root that a leaf at `index` of `count` leads to; compare it with the header's. */
export function rootFromPath(leaf: Hex, index: number, count: number, path: readonly Hex[]): Hex {
  if (index < 0 || index >= count || path.length !== treeDepth(count)) throw new RangeError(`path of ${path.length} does not fit leaf ${index} of ${count}`);
  let node = leaf;
  path.forEach((sibling, level) => {
    node = (index >> level) & 1 ? treeNode(sibling, node) : treeNode(node, sibling);
  });
  return treeRoot(count, node);
}

/** ceil(log2(count)). */
export function treeDepth(count: number): number {
  return Math.ceil(Math.log2(count));
}

function treeNode(left: Hex, right: Hex): Hex {
  return keccak256(concatHex(["0x01", left, right]));
}

function treeRoot(count: number, top: Hex): Hex {
  return keccak256(concatHex(["0x02", numberToHex(count, { size: 4 }), top]));
}
