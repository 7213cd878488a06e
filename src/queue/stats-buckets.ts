/** Where the store keeps what a queue has done: totals, and one bucket a minute. */

export const minuteMs = 60_000;
export const bucketTtlMs = 48 * 60 * minuteMs;

export const minuteOf = (ms: number) => Math.floor(ms / minuteMs);
export const totalKey = (scope: string, field: string) => `stats:${encodeURIComponent(scope)}:${field}`;
export const bucketKey = (scope: string, minute: number, field: string) =>
  `stats:${encodeURIComponent(scope)}:${minute}:${field}`;
