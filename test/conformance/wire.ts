/** The wire: bodies that others wrote, good and bad. */
import assert from "node:assert/strict";
import { fct, RequeueError, RetryError } from "../../src/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { reasonOf } from "./dead-letters.ts";
import { range, sorted, track } from "./track.ts";

/** Bodies that Python funboost 54.8 wrote for `add(a, b, c=3)`, as they were on the wire. */
const golden = {
  push: '{"b":2,"a":1,"extra":{"task_id":"01a1fcb7-6e8d-72ae-89b1-a972ad20ea15","publish_time":1795241242.2532,"publish_time_format":"2026-11-21 14:07:22"}}',
  publish:
    '{"a":5,"b":6,"extra":{"max_retry_times":7,"countdown":null,"eta":null,"user_extra_info":{"u":1},"other_extra_params":{"priroty":4},"filter_str":"x","task_id":"01a1fcb7-6e8d-72ae-89b1-a972ad20ea16","publish_time":1795241242.6544,"publish_time_format":"2026-11-21 14:07:22"}}',
};

/** As late as a message may be due. */
const lastDay = Date.UTC(9999, 11, 31);

/** True where the engine holds text: there a body is published as the text that it is. */
async function holdsText(context: Context): Promise<boolean> {
  const queue = await context.open(`${context.queue}-probe`);
  let body: unknown;
  const consumer = await queue.consume(
    async (delivery) => {
      body = delivery.body;
      return { outcome: "done" };
    },
    { signal: false, onSettled: () => {}, onError: () => {} },
  );
  await queue.publish([{ body: { probe: 1, extra: {} } }]);
  consumer.setWindow(1);
  await context.until("the probe is delivered", () => body !== undefined);
  await consumer.close();
  return typeof body === "string";
}

/** One text for a body, whether its engine holds text or JSON. */
function meaning(body: unknown): string {
  if (typeof body !== "string") return JSON.stringify(body);
  try {
    return meaning(JSON.parse(body));
  } catch {
    return body;
  }
}

export const wire = cases({
  async "a plain foreign body is consumed as the task's args"({ task, consume, until }) {
    const seen: unknown[][] = [];
    const job = task(
      { params: ["file", "height", "options?"] },
      (file: string, height: number, options = "none") => void seen.push([file, height, options]),
    );
    await consume(job);
    await job.publishRaw({ file: "a.mov", height: 720 });
    await job.publishRaw({ options: "some", height: 1080, file: "b.mov" });
    await until("both are handled", () => seen.length === 2);
    assert.deepEqual(seen.sort(), [
      ["a.mov", 720, "none"],
      ["b.mov", 1080, "some"],
    ]);
  },

  async "a foreign body is the whole argument of a one-parameter task"({ task, consume, until }) {
    const seen: unknown[] = [];
    const job = task({}, (order: unknown) => void seen.push(order));
    await consume(job);
    await job.publishRaw({ id: 7, lines: [{ sku: "x" }] });
    await until("it is handled", () => seen.length === 1);
    assert.deepEqual(seen, [{ id: 7, lines: [{ sku: "x" }] }]);
  },

  async "Python's golden samples give the same values"(context) {
    const { task, consume, until } = context;
    const seen: unknown[] = [];
    const job = task({ params: ["a", "b", "c?"] }, (a: number, b: number, c = 3) => void seen.push([a, b, c]));
    const asText = await holdsText(context);
    await consume(job);
    for (const body of Object.values(golden)) await job.publishRaw(asText ? body : JSON.parse(body));
    await until("both are handled", () => seen.length === 2);
    assert.deepEqual(seen.sort(), [
      [1, 2, 3],
      [5, 6, 3],
    ]);
  },

  async "an integer above 2^53 survives where the engine holds text"(context) {
    const { task, consume, until } = context;
    if (!(await holdsText(context))) return;
    const seen: unknown[] = [];
    const job = task({ params: ["id", "n"] }, (id: unknown, n: unknown) => void seen.push(id, n));
    await consume(job);
    await job.publishRaw('{"id":1795241242123456789,"n":12}');
    await until("it is handled", () => seen.length === 2);
    assert.deepEqual(seen, [1795241242123456789n, 12]);
  },

  "a call that does not fit the task is put off, uncounted, until a version comes that takes it": {
    feature: "retry",
    async run({ task, consume, until, holds }) {
      const seen: unknown[] = [];
      const old = task({ params: ["file"], maxRetries: 0 }, (file: string) => void seen.push(file));
      const worker = await consume(old);
      await old.publishRaw({ file: "a.mov", height: 720 });
      await old.push("good");
      await until("the good one is handled", () => seen.length === 1);
      await holds("it is no dead letter", async () => (await old.deadLetters.count()) === 0, 1_500);
      await worker.close();
      const job = task({ params: ["file", "height"], maxRetries: 0 }, (file: string, height: number) => {
        seen.push([file, height, fct.attempt]);
      });
      await consume(job);
      await until("the new version has taken it", () => seen.length === 2);
      assert.deepEqual(seen, ["good", ["a.mov", 720, 1]]);
      await until("nothing is left", async () => (await job.count()) === 0);
      assert.equal(await job.deadLetters.count(), 0);
    },
  },

  async "arguments that Python pickled are a bad message, with the reason"({ task, consume, until }) {
    const seen = track<unknown>();
    const job = task({ params: ["a", "b"] }, (a: unknown, _b: unknown) => seen.run(a));
    await consume(job);
    const extra = { task_id: "pickled", can_not_json_serializable_keys: ["b"] };
    await job.publishRaw({ a: 1, b: "b'\\x80\\x04\\x95'", extra });
    await job.push("good", 1);
    await until("the good one is handled", () => seen.ended.length === 1);
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    const [letter] = await job.deadLetters.list(1);
    assert.match(reasonOf(letter?.body), /"b" was pickled by Python/);
    assert.deepEqual(seen.started, ["good"]);
  },

  async "a number of more digits than can be read is a bad message, and a long text is none"({ task, consume, until }) {
    const seen = track<unknown>();
    const job = task({ params: ["n"] }, (n: unknown) => seen.run(n));
    await consume(job);
    const digits = "7".repeat(20_000);
    await job.publishRaw(`{"n":${digits}}`);
    await job.publishRaw(`{"n":"${digits}"}`);
    await until("the text is handled", () => seen.ended.length === 1);
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    const [letter] = await job.deadLetters.list(1);
    assert.match(reasonOf(letter?.body), /a number of more than 4300 digits/);
    assert.equal((letter?.body as { raw?: unknown } | undefined)?.raw, `{"n":${digits}}`);
    assert.deepEqual(seen.started, [digits]);
  },

  async "a body that is nested too deep to be written again is a bad message"({ task, consume, until }) {
    const seen = track<unknown>();
    const job = task({ params: ["tree"], maxRetries: 0 }, (tree: unknown) => seen.run(tree));
    await consume(job);
    const deep = `{"tree":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
    await job.publishRaw(deep);
    await job.push("good");
    await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
    const [letter] = await job.deadLetters.list(1);
    assert.match(reasonOf(letter?.body), /nested more than 1100 levels deep/);
    assert.equal((letter?.body as { raw?: unknown } | undefined)?.raw, deep);
    await until("the good one is handled", () => seen.ended.length === 1);
    assert.deepEqual(seen.started, ["good"]);
  },

  "a message of the engine's own client is consumed, and retried like any other": {
    foreign: true,
    feature: "retry",
    async run(context) {
      const seen: unknown[] = [];
      const job = context.task(
        { params: ["file", "height"], maxRetries: 1, backoff: 100 },
        (file: string, height: number) => {
          seen.push([file, height, fct.attempt]);
          if (seen.length === 1) throw new Error("once");
        },
      );
      await context.publishForeign({ file: "a.mov", height: 720 });
      await context.consume(job);
      await context.until("it ran twice", () => seen.length >= 2);
      assert.deepEqual(
        seen,
        [1, 2].map((attempt) => ["a.mov", 720, attempt]),
      );
      await context.until("the queue is empty", async () => (await job.count()) === 0);
    },
  },

  "a dead letter of the engine's own client comes back as it was, as often as it fails": {
    foreign: true,
    async run({ task, consume, until, publishForeign }) {
      const seen: unknown[] = [];
      const job = task({ adopt: true, concurrency: 1, maxRetries: 0, deadLetter: true }, (data: object) => {
        seen.push([data, fct.attempt, fct.job?.name]);
        throw new Error("no");
      });
      const isDead = async () => (await job.deadLetters.count()) === 1;
      await consume(job); // some make their tables then
      await publishForeign({ file: "a.mov", height: 720 });
      await until("the dead letter is there", isDead);
      const life = [...seen];
      assert.deepEqual((life[0] as unknown[]).slice(0, 2), [{ file: "a.mov", height: 720 }, 1]);
      for (const lives of [2, 3]) {
        assert.equal(await job.deadLetters.redrive(), 1);
        await until("it is dead again", async () => seen.length === lives * life.length && (await isDead()));
        assert.deepEqual(seen.slice(-life.length), life);
      }
    },
  },

  "a thousand malformed messages between good ones lose nothing and stop nothing": {
    alone: true,
    timeoutMs: 60_000,
    async run({ task, consume, until, patienceMs, many }) {
      const rounds = many(10);
      const bad: unknown[] = ["{not json", "", "plain text", 42, null, [1, 2], true, "[1,2", '"quoted"', [[]]];
      const seen = track<number>();
      const job = task({ params: ["n"], concurrency: 20 }, (n: number) => seen.run(n));
      await consume(job);
      for (const round of range(rounds)) {
        await Promise.all(range(100).map((i) => job.publishRaw(bad[i % bad.length])));
        await job.pushMany(range(10).map((i) => [round * 10 + i]));
      }
      await until("the good ones are handled", () => seen.ended.length >= rounds * 10, patienceMs * 2);
      await until(
        "the dead letters are there",
        async () => (await job.deadLetters.count()) === rounds * 100,
        patienceMs * 2,
      );
      assert.deepEqual(sorted(seen.started), range(rounds * 10));
      const letters = (await job.deadLetters.list(1_000)) as unknown as {
        body: { raw: unknown; extra: { reason: string } };
      }[];
      assert.equal(letters.length, rounds * 100);
      assert.ok(
        letters.every(({ body }) => body.extra.reason.length > 10),
        "each says why",
      );
      const kept = new Set(letters.map(({ body }) => meaning(body.raw)));
      for (const raw of bad)
        assert.ok(kept.has(meaning(raw)), `${JSON.stringify(raw)} is kept; there are ${[...kept].join("; ")}`);
      await job.push(1_000);
      await until("the consumer goes on", () => seen.ended.includes(1_000));
    },
  },

  async "convert takes bodies of any form"({ task, consume, until }) {
    const seen: unknown[] = [];
    const job = task({ convert: (raw) => [String(raw), 1] }, (text: string, n: number) => void seen.push([text, n]));
    await consume(job);
    await job.publishRaw("line;of;csv");
    await job.push("ours", 2);
    await until("both are handled", () => seen.length === 2);
    assert.deepEqual(seen.sort(), [
      ["line;of;csv", 1],
      ["ours", 2],
    ]);
  },

  async "args bind by position, whatever names a bundler gave them"({ task, consume, until }) {
    const seen: unknown[] = [];
    const before = task(
      { concurrency: 1 },
      (from: string, to: string, cents: number) => void seen.push([from, to, cents]),
    );
    await before.push("a", "b", 1);
    const after = task({ concurrency: 1 }, (r: string, n: string, t: number) => void seen.push([r, n, t]));
    await after.push("c", "d", 2);
    await consume(after);
    await until("both are handled", () => seen.length === 2);
    assert.deepEqual(seen.sort(), [
      ["a", "b", 1],
      ["c", "d", 2],
    ]);
  },

  async "optional, default and rest parameters arrive as they were given"({ task, consume, until }) {
    const seen: unknown[] = [];
    const job = task({}, (a: number, b = 5, ...rest: number[]) => void seen.push([a, b, rest, fct.args?.length]));
    await consume(job);
    await job.push(1);
    await job.push(1, 2);
    await job.push(1, 2, 3, 4);
    await until("three are handled", () => seen.length === 3);
    assert.deepEqual(seen.sort(), [
      [1, 2, [], 2],
      [1, 2, [3, 4], 4],
      [1, 5, [], 1],
    ]);
  },

  async "a destructured parameter is the body"({ task, consume, until }) {
    const seen: unknown[] = [];
    const job = task({}, ({ file, size = 1 }: { file: string; size?: number }) => void seen.push([file, size]));
    await consume(job);
    await job.push({ file: "a" });
    await job.publishRaw({ file: "b", size: 2 });
    await until("two are handled", () => seen.length === 2);
    assert.deepEqual(seen.sort(), [
      ["a", 1],
      ["b", 2],
    ]);
  },

  "a time that no clock holds is a bad message, one at the end of time waits, and neither hinders others": {
    needs: ["ids"],
    uses: ["delay", "retry"],
    async run({ task, consume, until, many }) {
      const seen = track<number>();
      const job = task({ params: ["n"], concurrency: 2 }, (n: number) => {
        if (n === -1) throw new RetryError({ after: Number.POSITIVE_INFINITY });
        if (n === -2) throw new RequeueError({ after: 1e300 });
        return seen.run(n, async () => {});
      });
      const extras = [
        { countdown: 1e300 },
        { countdown: -5 },
        { countdown: "soon" },
        { publish_time: 1e300, countdown: 1 },
        { publish_time: -1 },
        { msg_expire_seconds: 1e300 },
        { function_timeout: 1e300 },
      ];
      for (const extra of extras) await job.publishRaw({ n: 1, extra });
      await job.publish([3], { eta: lastDay });
      await job.publishRaw({ n: 4, extra: { eta: lastDay } });
      await job.pushMany([[-1], [-2]]);
      const good = range(many(20)).map((n) => n + 100);
      await job.pushMany(good.map((n) => [n]));
      await consume(job);
      await until("the others have run", () => seen.started.length === good.length);
      await until("the bad ones are dead letters", async () => (await job.deadLetters.count()) === extras.length);
      await until("the late ones wait", async () => (await job.count()) === 4);
      await job.clear();
      assert.deepEqual([sorted(seen.started), await job.count()], [good, 0]);
    },
  },
});
