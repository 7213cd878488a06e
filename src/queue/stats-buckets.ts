/** Where the store keeps what a queue has done: totals, and one bucket a minute. */
import { placeOf } from "../store/scope.ts";

export const minuteMs = 60_000;
export const bucketTtlMs = 48 * 60 * minuteMs;

export const minuteOf = (ms: number) => Math.floor(ms / minuteMs);
export const totalKey = (scope: string, field: string) => `stats:${encodeURIComponent(scope)}:${field}`;
/** `job`: of one task of a queue that has several. */
export const bucketKey = (scope: string, minute: number, field: string, job?: string) =>
  `stats:${placeOf(scope, job)}:${minute}:${field}`;
