/** A deadline around each call of MongoDB's driver. */
import { within } from "../../src/base/clock.ts";

export const answerTimeoutMs = 10_000;

type Call = (...args: unknown[]) => unknown;

/**
 * The same object of the driver, whose calls answer in time. The driver's own timeout begins when a command is written:
 * one that meets a socket which was destroyed a moment ago waits for ever for it to drain (seen in mongodb 7.9, when
 * connections are cut under load).
 */
export function answerInTime<T extends object>(target: T): T {
  const timely = (value: unknown): unknown => {
    if (value instanceof Promise) return inTime(value);
    return typeof (value as { toArray?: unknown } | undefined)?.toArray === "function"
      ? answerInTime(value as object)
      : value;
  };
  return new Proxy(target, {
    get(own, name) {
      const member: unknown = Reflect.get(own, name, own);
      return typeof member === "function" ? (...args: unknown[]) => timely((member as Call).apply(own, args)) : member;
    },
  });
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  if (await within(answer, answerTimeoutMs)) return answer;
  throw Object.assign(new Error(`no answer within ${answerTimeoutMs} ms`), { name: "MongoNetworkTimeoutError" });
}
