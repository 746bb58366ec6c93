/** The positional tree (contracts/libraries/PositionalTree.sol) over a stream of leaves, in logarithmic memory. */
import { keccak_256 } from "@noble/hashes/sha3.js";

export interface TreeBuilder {
  add(leaf: Uint8Array): void;
  count(): number;
  /** Root that binds the number of leaves; complete the paths by it. @throws RangeError without leaves. */
  root(): Uint8Array;
  /** Siblings of a watched leaf, from below; whole once `root` was asked for. */
  path(index: number): Uint8Array[];
}

/** @param watched Indices of leaves whose paths are wanted: noted on the way, so that no level has to be kept. */
export function treeBuilder(watched: readonly number[] = []): TreeBuilder {
  // full[h]: root of a complete subtree of height h that waits for its right sibling.
  const full: (Uint8Array | undefined)[] = [];
  const paths = new Map<number, Uint8Array[]>(watched.map((index) => [index, []]));
  let count = 0;

  /** `left` and `right` of height `height` get a parent, above leaf `below`. */
  function note(height: number, below: number, left: Uint8Array, right: Uint8Array): void {
    for (const [index, path] of paths) {
      if (index >>> (height + 1) === below >>> (height + 1)) path[height] = (index >>> height) & 1 ? left : right;
    }
  }

  return {
    count: () => count,
    path: (index) => {
      const path = paths.get(index);
      if (!path) throw new RangeError(`leaf ${index} was not watched`);
      return path;
    },
    add(leaf) {
      let node = leaf;
      let height = 0;
      while (full[height]) {
        if (paths.size > 0) note(height, count, full[height]!, node);
        node = treeNode(full[height]!, node);
        full[height] = undefined;
        height++;
      }
      full[height] = node;
      count++;
    },
    root() {
      if (count === 0) throw new RangeError("a tree has at least one leaf");
      const depth = Math.ceil(Math.log2(count));
      let node: Uint8Array | null = null;
      let absent: Uint8Array = new Uint8Array(32);
      for (let height = 0; height <= depth; height++) {
        const left = full[height];
        if (height === depth) {
          node = left ?? node!;
          break;
        }
        const [even, odd]: [Uint8Array | null, Uint8Array] = left ? [left, node ?? absent] : [node, absent];
        if (even) {
          note(height, count - 1, even, odd);
          node = treeNode(even, odd);
        }
        absent = treeNode(absent, absent);
      }
      const bound = new Uint8Array(37);
      bound[0] = 0x02;
      new DataView(bound.buffer).setUint32(1, count);
      bound.set(node!, 5);
      return keccak_256(bound);
    },
  };
}

/** Siblings of leaf `index`, from leaf hashes that stand one after the other. */
export function pathFromLeaves(leaves: Uint8Array, index: number): Uint8Array[] {
  let level = leaves;
  let position = index;
  let absent: Uint8Array = new Uint8Array(32);
  const path: Uint8Array[] = [];
  while (level.length > 32) {
    const sibling = (position ^ 1) * 32;
    path.push(sibling < level.length ? level.slice(sibling, sibling + 32) : absent);
    const parents = new Uint8Array(Math.ceil(level.length / 64) * 32);
    for (let offset = 0; offset < level.length; offset += 64) {
      const right = offset + 32 < level.length ? level.subarray(offset + 32, offset + 64) : absent;
      parents.set(treeNode(level.subarray(offset, offset + 32), right), offset / 2);
    }
    level = parents;
    position >>= 1;
    absent = treeNode(absent, absent);
  }
  return path;
}

const scratch = new Uint8Array(65);

function treeNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  scratch[0] = 0x01;
  scratch.set(left, 1);
  scratch.set(right, 33);
  return keccak_256(scratch);
}
