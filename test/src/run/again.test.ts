/** What comes after a run that failed: the task's own `backoff` as a function, and the rules of who published it. */
import { type BackoffFunction, boost, fct, shutdown, type TaskParams, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Broker, Rules, Settlement } from "../../../src/contract/index.ts";

let n = 0;
const queue = () => `again.${n++}`;
const quiet = { log: false } as const;

afterEach(() => shutdown({ grace: 100 }));

/** Memory, whose messages were all published by others; `seen` gets each settlement. */
function foreign(rules: Rules, seen: Settlement[] = []): Broker {
  return wrapBroker(memory(), (inner) => ({
    ...inner,
    consume: (handler, options) =>
      inner.consume(async (delivery) => {
        const settlement = await handler({ ...delivery, rules });
        seen.push(settlement);
        return settlement;
      }, options),
  }));
}

const rulesOf = (rules: Partial<Rules>): Rules => ({
  maxRetries: 0,
  delayMs: () => 0,
  reads: () => undefined,
  ...rules,
});

async function runs(params: Partial<TaskParams>, fail: (attempt: number) => unknown): Promise<number> {
  let count = 0;
  const task = boost({ ...quiet, queue: queue(), broker: memory(), params: [], ...params }, () => {
    count++;
    throw fail(fct.attempt ?? 0);
  });
  await task.consume();
  await task.publishRaw({});
  await task.waitIdle();
  return count;
}

describe("backoff as a function", () => {
  it("gets the attempt and the very error, and answers the wait", async () => {
    const asked: [number, unknown][] = [];
    class Busy extends Error {
      readonly waiting = 3;
    }
    const backoff: BackoffFunction = ({ attempt, error }) => {
      asked.push([attempt, (error as Busy).waiting]);
      return attempt === 1 ? "5ms" : 0;
    };
    expect(await runs({ backoff, maxRetries: 2 }, () => new Busy())).toBe(3);
    expect(asked).toEqual([
      [1, 3],
      [2, 3],
    ]);
  });

  it("ends the retries with false", async () => {
    expect(await runs({ backoff: ({ attempt }) => attempt < 2 && 0, maxRetries: 9 }, () => new Error("x"))).toBe(2);
  });

  it("waits as most do where it throws, or answers no time", async () => {
    const lines: string[] = [];
    const write = (_fields: object, text: string) => void lines.push(text);
    const logger = { debug() {}, info: write, warn: write, error: write };
    for (const wrong of ["soon", undefined, Number.NaN, -1]) {
      const backoff = (() => wrong) as unknown as BackoffFunction;
      await runs({ backoff, maxRetries: 1, log: { logger } }, () => new Error("x"));
    }
    expect(lines.filter((each) => each.startsWith("backoff threw"))).toHaveLength(4);
  }, 15_000);
});

describe("rules of who published it", () => {
  it("hold for a task that adopts, and for no other", async () => {
    const broker = () => foreign(rulesOf({ maxRetries: 1 }));
    const params = { maxRetries: 3, backoff: 0 } as const;
    expect(await runs({ ...params, broker: broker(), adopt: true, concurrency: 1 }, () => new Error("x"))).toBe(2);
    expect(await runs({ ...params, broker: broker() }, () => new Error("x"))).toBe(4);
  });

  it("read what was thrown: final, or moved, which is settled as such", async () => {
    const seen: Settlement[] = [];
    const thrown = { name: "Final" };
    const reads: Rules["reads"] = (error) => (error === thrown ? "final" : undefined);
    const adopt = { adopt: true, concurrency: 1 } as const;
    const broker = foreign(rulesOf({ maxRetries: 5, reads }), seen);
    expect(await runs({ ...adopt, broker }, (attempt) => (attempt === 2 ? thrown : new Error("x")))).toBe(2);
    expect(seen.map(({ outcome }) => outcome)).toEqual(["retry", "failed"]);
    const by = new Error("moved");
    const moves: Settlement[] = [];
    const moving = foreign(rulesOf({ reads: (error) => (error === by ? "moved" : undefined) }), moves);
    const task = boost({ ...quiet, queue: queue(), broker: moving, params: [], ...adopt }, () => {
      if (moves.length === 0) throw by;
    });
    await task.consume();
    await task.publishRaw({});
    await task.waitIdle();
    expect(moves).toEqual([{ outcome: "moved", by }, { outcome: "done" }]);
  });

  it("take no member of the data for their own, and ignore what the task has no name for", async () => {
    const got: unknown[] = [];
    const broker = foreign(rulesOf({}));
    const params = ["user", "extra?"].slice(0, 1);
    const adopt = { ...quiet, broker, adopt: true, concurrency: 1 } as const;
    const named = boost({ ...adopt, queue: queue(), params }, (user: string) => void got.push(user));
    const whole = boost({ ...adopt, queue: queue() }, (data: unknown) => void got.push(data));
    const data = { user: "ann", extra: { msg_expire_seconds: -1 }, locale: "de" };
    for (const task of [named, whole]) {
      await task.consume();
      await task.publishRaw(data);
    }
    for (const each of [null, 7, "12", [1, 2], false]) await whole.publishRaw(each);
    await named.waitIdle();
    await whole.waitIdle();
    expect(got).toEqual(["ann", data, null, 7, "12", [1, 2], false]);
  });

  it("keep its dead letter in the engine, unless the task says where", async () => {
    const adopt = { ...quiet, adopt: true, concurrency: 1, params: ["a"] } as const;
    const broker = foreign(rulesOf({}));
    const task = boost({ ...adopt, broker, queue: queue() }, (_a: string) => {});
    const said = boost({ ...adopt, broker, queue: queue(), deadLetter: true }, (_a: string) => {});
    for (const each of [task, said]) {
      await each.consume();
      await each.publishRaw([]); // no call of theirs
    }
    await expect.poll(() => said.deadLetters.count()).toBe(1);
    await task.waitIdle();
    expect(await task.deadLetters.count()).toBe(0);
  });
});

it("adopting demands a concurrency", () => {
  const adopt = (params: Partial<TaskParams>) => boost({ queue: "old", adopt: true, ...params }, () => {});
  expect(() => adopt({})).toThrow('[old] "adopt: true" needs "concurrency", which is not given.');
  expect(() => adopt({ concurrency: 1 })).not.toThrow();
});
