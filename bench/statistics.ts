export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly p95: number;
  readonly minimum: number;
  readonly maximum: number;
}

/** Nearest-rank quantile; `fraction` in 0..1. NaN for an empty list. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[half] as number;
  return ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2;
}

export function summarize(values: readonly number[]): Summary {
  return { count: values.length, median: median(values), p95: quantile(values, 0.95), minimum: Math.min(...values), maximum: Math.max(...values) };
}
