/** expireAfter and misfireGrace: messages that are too old to start. */
import type { Delivery } from "../contract/broker.ts";
import type { MessageLimits } from "../message.ts";

/** Why this delivery must not start any more; undefined when it may. */
export function expiredReason(
  { publishedAt, attempt }: Delivery,
  limits: MessageLimits,
  taskExpireAfterMs: number | undefined,
  now: number,
): string | undefined {
  const expireAfterMs = limits.expireAfterMs ?? taskExpireAfterMs;
  if (expireAfterMs && publishedAt !== undefined && now - publishedAt > expireAfterMs) {
    return `expired: ${now - publishedAt} ms old when it could start, expireAfter is ${expireAfterMs} ms`;
  }
  const { etaMs, misfireGraceMs } = limits;
  if (attempt === 1 && etaMs !== undefined && misfireGraceMs !== undefined && now - etaMs > misfireGraceMs) {
    return `expired: ${now - etaMs} ms after its eta, misfireGrace is ${misfireGraceMs} ms`;
  }
  return undefined;
}
