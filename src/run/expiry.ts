/** expireAfter and misfireGrace: messages that are too old to start. */
import type { Delivery } from "../contract/broker.ts";
import type { MessageLimits } from "../wire/limits.ts";

/** Why this delivery must not start any more; undefined when it may. */
export function expiredReason(
  { publishedAt, attempt }: Delivery,
  limits: MessageLimits,
  taskExpireAfterMs: number | undefined,
  now: number,
): string | undefined {
  const expireAfterMs = limits.expireAfterMs ?? taskExpireAfterMs;
  if (attempt > 1) return undefined; // it did start in time
  const { etaMs, misfireGraceMs } = limits;
  const since = Math.max(publishedAt ?? now, etaMs ?? 0); // a delay is no waiting
  if (expireAfterMs && now - since > expireAfterMs) {
    return `expired: it waited ${now - since} ms until it could start, expireAfter is ${expireAfterMs} ms`;
  }
  if (etaMs !== undefined && misfireGraceMs !== undefined && now - etaMs > misfireGraceMs) {
    return `expired: ${now - etaMs} ms after its eta, misfireGrace is ${misfireGraceMs} ms`;
  }
  return undefined;
}
