/** Statistics of paired runs: medians, and intervals that assume nothing of how the noise is spread. Pure. */

export interface Interval {
  readonly middle: number;
  readonly low: number;
  readonly high: number;
}

/** The value below which the share `q` of all lies; between two values it is in proportion. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The median, and the two values that hold the true one with at least 95 % (sign test). Fewer than 6 values cannot promise that: then the smallest and the largest. */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.max(1, signRank(sorted.length));
  return {
    middle: median(sorted),
    low: sorted[rank - 1] ?? Number.NaN,
    high: sorted[sorted.length - rank] ?? Number.NaN,
  };
}

/** The largest k for which fewer than k of n fair coins show heads in at most 2.5 % of all cases. */
function signRank(n: number): number {
  let exactly = 0.5 ** n;
  let below = 0;
  for (let k = 0; k < n; k++) {
    below += exactly;
    if (below > 0.025) return k;
    exactly *= (n - k) / (k + 1);
  }
  return n;
}

/** Each round's ratio. */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  if (ours.length !== theirs.length)
    throw new Error(`pairs need as many values on both sides, got ${ours.length} and ${theirs.length}`);
  return ours.map((value, i) => value / (theirs[i] as number));
}

/** Order of the variants in a round: each has each place equally often, and every second time around the order is reversed, so that no one is always behind the same other. */
export function orderOf<T>(variants: readonly T[], round: number): T[] {
  const shift = round % variants.length;
  const turned = [...variants.slice(shift), ...variants.slice(0, shift)];
  return Math.floor(round / variants.length) % 2 === 1 ? turned.reverse() : turned;
}

/** Most starts within any second. `times` grow, in milliseconds. */
export function busiestSecond(times: readonly number[]): number {
  let most = 0;
  let from = 0;
  for (let to = 0; to < times.length; to++) {
    while ((times[to] as number) - (times[from] as number) >= 1000) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}
