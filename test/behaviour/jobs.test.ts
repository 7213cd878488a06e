/** Several tasks on one queue: what is written, who takes what, and what is refused. */
import {
  boost,
  checkTasks,
  configure,
  consumeAll,
  getOrCreate,
  getTask,
  publisher,
  shutdown,
  taskParams,
} from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { bodyValue } from "../../src/base/json.ts";
import type { Message } from "../../src/contract/index.ts";
import { wrapBroker } from "../../src/index.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));
let counter = 0;
const fresh = () => ({ queue: `jobs-${counter++}`, broker: memory() });

/** A broker, and the messages as it gets them. */
function noting(keepsJob: boolean) {
  const sent: Message[] = [];
  const broker = wrapBroker(memory(), (queue) => ({
    keepsJob,
    publish: (messages) => {
      sent.push(...messages.map((each) => ({ ...each, body: bodyValue(each.body) as never })));
      return queue.publish(messages);
    },
  }));
  return { broker, sent, queue: `jobs-${counter++}` };
}

describe("what is written", () => {
  it("nothing without a job, and extra.job with one, from the first push on", async () => {
    const { broker, sent, queue } = noting(false);
    const plain = boost({ queue: `${queue}-plain`, broker }, (_n: number) => {});
    const follow = boost({ queue, job: "follow", broker }, (_n: number) => {});
    const named = publisher<(n: number) => void>({ queue, job: "follow", broker, params: ["n"] });
    for (const each of [plain, follow, follow, named, named]) await each.push(1);
    const extra = { order: ["_n"] };
    expect(sent.map(({ body }) => body)).toEqual([
      { _n: 1, extra },
      { _n: 1, extra: { ...extra, job: "follow" } },
      { _n: 1, extra: { ...extra, job: "follow" } },
      { n: 1, extra: { job: "follow" } },
      { n: 1, extra: { job: "follow" } },
    ]);
    expect(sent.filter((each) => "job" in each || "retries" in each)).toEqual([]);
  });

  it("a raw body keeps what it is, whatever it is", async () => {
    const { broker, sent, queue } = noting(false);
    const follow = boost({ queue, job: "follow", broker, convert: (raw) => [raw] }, (_raw: unknown) => {});
    for (const each of [{ a: 1 }, "text", [1]]) await follow.publishRaw(each);
    expect(sent.map(({ body }) => body)).toEqual([
      { a: 1, extra: { is_auto_fill_extra: true, job: "follow" } },
      { raw: "text", extra: { is_raw: true, job: "follow" } },
      { raw: [1], extra: { is_raw: true, job: "follow" } },
    ]);
  });

  it("beside the body where the engine keeps it, with the task's retries for workers of others", async () => {
    const { broker, sent, queue } = noting(true);
    const own = { maxRetries: 2, backoff: { type: "fixed", base: 500 } } as const;
    const follow = boost({ queue, job: "follow", broker, params: ["n"], ...own }, (_n: number) => {});
    await follow.push(1);
    await follow.publish([1], { maxRetries: 7 });
    expect(sent[0]).toEqual({
      body: { n: 1 },
      job: "follow",
      retries: { max: 2, type: "fixed", baseMs: 500, jitter: false },
    });
    expect(sent[1]).toMatchObject({ job: "follow", retries: { max: 7 } });
  });

  it.each([
    [{ factor: 1, base: 500, jitter: false }, "fixed", 500, undefined],
    [{ base: 500, cap: 500, jitter: false }, "fixed", 500, undefined],
    [{ base: 500, cap: 2_000, jitter: false }, "exponential", 500, undefined], // 500, 1000, 2000: the cap says nothing
    [{ base: 500, cap: 1_999, jitter: false }, "exponential", 500, /"backoff" has a cap of 1999 ms/],
    [{ base: 500, factor: 3, jitter: false }, "exponential", 500, /"backoff" has the factor 3/],
  ] as const)(
    "backoff %j is told as well as it can be, and once where it cannot",
    async (backoff, type, baseMs, says) => {
      const { broker, sent, queue } = noting(true);
      const lines: string[] = [];
      const write = (_fields: object, text: string) => void lines.push(text);
      const log = { logger: { debug: write, info: write, warn: write, error: write }, level: "warn" } as const;
      const follow = boost({ queue, job: "follow", broker, params: ["n"], backoff, log }, (_n: number) => {});
      await follow.push(1);
      await follow.push(2);
      expect(sent.map(({ retries }) => retries)).toEqual([1, 2].map(() => ({ max: 3, type, baseMs, jitter: false })));
      expect(lines).toEqual(says ? [expect.stringMatching(says)] : []);
    },
  );
});

/** A queue of two tasks, of which the first is consumed in its version 1. */
async function followed() {
  const where = fresh();
  const make = (version: number) =>
    boost({ ...where, job: "follow", rpc: true }, function follow() {
      return version;
    });
  const unfollow = boost({ ...where, job: "unfollow", rpc: true }, () => "unfollow");
  await make(1).consume();
  return { make, unfollow };
}

describe("who takes what", () => {
  it("a function defined again under its job takes the place of the older one, and the others go on", async () => {
    const { make, unfollow } = await followed();
    await unfollow.consume();
    const second = make(2);
    await second.consume();
    expect(await (await second.push()).waitResult()).toBe(2);
    expect(await (await unfollow.push()).waitResult()).toBe("unfollow");
  });

  it("one that is defined again leaves the others consumed, also when it is closed", async () => {
    const { make, unfollow } = await followed();
    const others = await unfollow.consume();
    const second = make(2);
    const consumer = await second.consume();
    expect(await (await second.push()).waitResult()).toBe(2);
    await consumer.close();
    expect(await (await unfollow.push()).waitResult()).toBe("unfollow");
    await others.close();
    await unfollow.push();
    expect(await unfollow.count()).toBe(1);
  });

  it("a task alone on its queue leaves a name to the task that is defined for it later", async () => {
    const where = fresh();
    const plain = boost({ ...where, rpc: true }, (n: number) => `plain ${n}`);
    await plain.consume();
    const follow = boost({ ...where, job: "follow", rpc: true }, (n: number) => `follow ${n}`);
    expect(await (await follow.push(1)).waitResult()).toBe("follow 1");
    expect(await (await plain.push(1)).waitResult()).toBe("plain 1");
  });

  it("a raw body that is a dead letter comes back to its task", async () => {
    const where = fresh();
    const seen: unknown[] = [];
    const follow = boost(
      { ...where, job: "follow", rpc: true, maxRetries: 0, deadLetter: true, convert: (raw) => [raw] },
      (text: unknown) => {
        if (seen.push(text) === 1) throw new Error("no");
      },
    );
    await follow.consume();
    await expect((await follow.publishRaw("text")).waitResult()).rejects.toThrow("no");
    expect(await follow.deadLetters.redrive()).toBe(1);
    await expect.poll(() => seen).toEqual(["text", "text"]);
  });

  it("a task alone on its queue, without a job, takes all names, as ever", async () => {
    const where = fresh();
    const all = boost({ ...where, rpc: true, params: ["n"] }, (n: number) => n);
    await all.consume();
    const handle = await publisher<(n: number) => number>({ ...where, job: "odd", rpc: true, params: ["n"] }).push(3);
    expect(await handle.waitResult()).toBe(3);
  });

  it("consumeAll() has one row of health for a queue, and its close() ends all", async () => {
    const where = fresh();
    const tasks = ["follow", "unfollow"].map((job) => boost({ ...where, job }, () => {}));
    const worker = await consumeAll(tasks);
    expect((await worker.health()).queues.map(({ queue }) => queue)).toEqual([where.queue]);
    await worker.close();
    await tasks[0]?.push();
    expect(await tasks[0]?.count()).toBe(1);
  });

  it("getTask() and getOrCreate() know the job", () => {
    const where = fresh();
    const follow = boost({ ...where, job: "follow" }, () => 1);
    expect(getTask(where.queue, { job: "follow" })).toBe(follow);
    expect(getTask(where.queue)).toBeUndefined();
    expect(getOrCreate({ ...where, job: "follow" }, () => 1)).toBe(follow);
    expect(getOrCreate({ ...where, job: "unfollow" }, () => 1)).not.toBe(follow);
    expect([follow.job, follow.queue]).toEqual(["follow", where.queue]);
  });
});

describe("what is refused", () => {
  it("a job that is no name, the queue's own, or that of all", () => {
    const name = fresh().queue;
    for (const job of ["", 5, name, "*", "x".repeat(191)])
      expect(() => boost({ queue: name, job: job as string }, () => {})).toThrow(/"job" is /);
    expect(() => boost({ queue: name, job: "a", deadLetter: "a" }, () => {})).toThrow(/"deadLetter" is "a"/);
    expect(() => taskParams({ job: 5 as never })).toThrow(/"job" is 5/);
    expect(() => configure({ defaults: { job: "follow" } as never })).toThrow(/"job" cannot be a default/);
  });

  it("tasks of one queue that want it served differently: by consume() of either, and by checkTasks()", async () => {
    const where = fresh();
    const follow = boost({ ...where, job: "follow", qps: 5 }, () => {});
    await follow.consume();
    const unfollow = boost({ ...where, job: "unfollow" }, () => {});
    const text = /"(concurrency|qps)" is the queue's.*job "follow" has .*job "unfollow" has .*Give both the same/;
    await expect(unfollow.consume()).rejects.toThrow(text);
    await expect(checkTasks()).rejects.toThrow(text);
    boost({ ...where, job: "unfollow", qps: 5 }, () => {}); // nobody else meets it
  });

  it("another concurrency for the second consumer of a queue", async () => {
    const where = fresh();
    const [follow, unfollow] = ["follow", "unfollow"].map((job) => boost({ ...where, job, concurrency: 2 }, () => {}));
    await follow?.consume({ concurrency: 3 });
    await expect(unfollow?.consume({ concurrency: 4 })).rejects.toThrow(/"concurrency".* has 3.* has 4/);
    await unfollow?.consume({ concurrency: 3 });
  });
});
