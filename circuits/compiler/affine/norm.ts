/** A row of a sparse matrix: columns and coefficients. */
export interface Row {
  readonly idx: ArrayLike<number>;
  readonly k: ArrayLike<number>;
}

/** Larger Gram matrices than this take longer to factor than the bound is worth. */
const MAX_SIDE = 1200;
/** A matrix with one term in so many cells or more is laid out in full. */
const DENSE = 4;
const ROUNDS = 40;
const TRIES = [1.004, 1.02, 1.08, 1.3];
/**
 * Relative room for everything that doubles lose here. The Gram matrix of m terms a cell is off by at most m 2^-53 times the squared
 * Frobenius norm, and a Cholesky factorisation of side n that ends proves positive definiteness up to (n + 2) 2^-53 times the trace
 * (Rump 2006); both are below n (m + n) 2^-53 times the norm's square, so with n <= 2^11 and m <= 2^20 this covers them.
 */
const SLACK = 1 + 2 ** -20;
const MAX_TERMS = 1 << 20;

/** An upper bound, not an estimate, of the spectral norm. */
export function spectralBound(rows: readonly Row[]): number {
  const columns = new Map<number, number>();
  const down: number[] = [];
  let one = 0;
  for (const r of rows) {
    let sum = 0;
    for (let i = 0; i < r.idx.length; i++) {
      const at = columns.get(r.idx[i] as number) ?? columns.size;
      columns.set(r.idx[i] as number, at);
      const v = Math.abs(r.k[i] as number);
      sum += v;
      down[at] = (down[at] ?? 0) + v;
    }
    one = Math.max(one, sum);
  }
  // The square of the norm is at most the product of the two norms that need no work, and never more than all squares together.
  const simple = Math.min(Math.sqrt(one * down.reduce((m, v) => Math.max(m, v), 0)), Math.sqrt(squares(rows))) * SLACK;
  const side = Math.min(rows.length, columns.size);
  if (side === 0 || simple === 0) return 0;
  if (side === 1 || side > MAX_SIDE || rows.length + columns.size > MAX_TERMS || !Number.isFinite(simple)) return simple;
  const g = gram(rows, columns, side);
  const guess = largest(g, side);
  for (const factor of TRIES) {
    if (guess * factor >= simple * simple) break;
    if (positive(g, side, guess * factor)) return Math.sqrt(guess * factor) * SLACK;
  }
  return simple;
}

function squares(rows: readonly Row[]): number {
  let sum = 0;
  for (const { k } of rows) for (let i = 0; i < k.length; i++) sum += (k[i] as number) ** 2;
  return sum;
}

/** Of a matrix by its shorter side: that of its columns, or of its rows. Lower half, row by row. */
function gram(rows: readonly Row[], columns: ReadonlyMap<number, number>, side: number): Float64Array {
  const terms = rows.reduce((sum, r) => sum + r.idx.length, 0);
  const length = Math.max(rows.length, columns.size);
  return terms * DENSE >= side * length ? denseGram(rows, columns, side, length) : sparseGram(rows, columns, side);
}

/** Lines of the longer side, each with its places on the shorter one. */
function lines(rows: readonly Row[], columns: ReadonlyMap<number, number>, side: number): Row[] {
  if (side === columns.size) return rows.map((r) => ({ idx: Array.from(r.idx, (c) => columns.get(c) as number), k: r.k }));
  const out = Array.from({ length: columns.size }, () => ({ idx: [] as number[], k: [] as number[] }));
  rows.forEach((r, i) => {
    for (let j = 0; j < r.idx.length; j++) {
      const line = out[columns.get(r.idx[j] as number) as number] as { idx: number[]; k: number[] };
      line.idx.push(i);
      line.k.push(r.k[j] as number);
    }
  });
  return out;
}

/** Sum of the outer products of the lines. */
function sparseGram(rows: readonly Row[], columns: ReadonlyMap<number, number>, n: number): Float64Array {
  const g = new Float64Array(n * n);
  for (const { idx, k } of lines(rows, columns, n)) {
    for (let i = 0; i < idx.length; i++) {
      const [a, v] = [idx[i] as number, k[i] as number];
      for (let j = 0; j <= i; j++) {
        const b = idx[j] as number;
        const at = b <= a ? a * n + b : b * n + a;
        g[at] = (g[at] as number) + v * (k[j] as number);
      }
    }
  }
  return g;
}

/** Scalar products of what stands along the longer side, four at a time. */
function denseGram(rows: readonly Row[], columns: ReadonlyMap<number, number>, n: number, m: number): Float64Array {
  const t = new Float64Array(n * m);
  const byRow = n === rows.length;
  rows.forEach((r, i) => {
    for (let j = 0; j < r.idx.length; j++) {
      const c = columns.get(r.idx[j] as number) as number;
      const at = byRow ? i * m + c : c * m + i;
      t[at] = (t[at] as number) + (r.k[j] as number);
    }
  });
  const g = new Float64Array(n * n);
  for (let i = 0; i < n; i += 4) {
    // The last block may count its last line more than once.
    const own = [0, 1, 2, 3].map((o) => Math.min(i + o, n - 1)) as [number, number, number, number];
    const [a, b, c, d] = own.map((o) => t.subarray(o * m, o * m + m)) as [Float64Array, Float64Array, Float64Array, Float64Array];
    for (let j = 0; j <= own[3]; j++) {
      const line = t.subarray(j * m, j * m + m);
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let k = 0; k < m; k++) {
        const v = line[k] as number;
        s0 += v * (a[k] as number);
        s1 += v * (b[k] as number);
        s2 += v * (c[k] as number);
        s3 += v * (d[k] as number);
      }
      g[own[0] * n + j] = s0;
      g[own[1] * n + j] = s1;
      g[own[2] * n + j] = s2;
      g[own[3] * n + j] = s3;
    }
  }
  return g;
}

/** Power iteration: a guess of the largest eigenvalue, from below. */
function largest(g: Float64Array, n: number): number {
  let x = Float64Array.from({ length: n }, (_, i) => 1 + ((i * 7919) % 101) / 101 - (i % 2));
  let value = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const y = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const xi = x[i] as number;
      let sum = 0;
      for (let j = 0; j < i; j++) {
        const v = g[i * n + j] as number;
        sum += v * (x[j] as number);
        y[j] = (y[j] as number) + v * xi;
      }
      y[i] = (y[i] as number) + sum + (g[i * n + i] as number) * xi;
    }
    const length = Math.sqrt(y.reduce((s, v) => s + v * v, 0));
    if (length === 0) break;
    const before = Math.sqrt(x.reduce((s, v) => s + v * v, 0));
    value = length / before;
    x = y.map((v) => v / length);
  }
  return value;
}

/** Whether Cholesky's factorisation of mu - G comes to its end. */
function positive(g: Float64Array, n: number, mu: number): boolean {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const own = l.subarray(i * n, i * n + i + 1);
    for (let j = 0; j <= i; j++) {
      const other = l.subarray(j * n, j * n + j + 1);
      let sum = (i === j ? mu : 0) - (g[i * n + j] as number);
      for (let k = 0; k < j; k++) sum -= (own[k] as number) * (other[k] as number);
      if (i > j) own[j] = sum / (other[j] as number);
      else if (sum > 0) own[i] = Math.sqrt(sum);
      else return false;
    }
  }
  return true;
}
