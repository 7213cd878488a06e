/** Edits: what waits or is delayed gets other arguments, or another time. */
import assert from "node:assert/strict";
import { fct, isFunboostError } from "../../src/index.ts";
import { type Case, cases } from "./case.ts";
import type { Context } from "./context.ts";
import { range } from "./track.ts";
import { gate } from "./until.ts";

/** Where the engine cannot change a message, both calls are refused by name, and nothing is changed. */
const edit =
  (run: Case["run"]): Case["run"] =>
  async (context) =>
    (await isRefused(context)) ? undefined : run(context);

async function isRefused({ open, queue, task, broker }: Context): Promise<boolean> {
  const { update, reschedule } = await open(`${queue}-look`);
  assert.equal(update === undefined, reschedule === undefined, "an engine that changes one changes both");
  if (update) return false;
  const handle = await task({ queue: `${queue}-refused` }, (_n: number) => {}).push(1);
  for (const [name, call] of Object.entries({
    update: () => handle.update([2]),
    reschedule: () => handle.reschedule({ delay: 0 }),
  }))
    await assert.rejects(call, (error) => {
      assert.ok(
        isFunboostError(error) && error.code === "UNSUPPORTED" && error.message.includes(broker.name),
        `${error}`,
      );
      return error.message.includes(`handle.${name}()`);
    });
  await handle.cancel();
  return true;
}

export const edits = cases({
  "a task that waits gets other arguments, and keeps its options": edit(
    async ({ task, consume, patienceMs, queue }) => {
      const door = gate();
      const job = task({ rpc: true, concurrency: 1 }, async (text: string, n: number) => {
        await door.opened;
        return [text, n, fct.headers.who, fct.taskId];
      });
      const [waits, delayed] = await job.publishMany([
        { args: ["old", 1], headers: { who: "ada" }, taskId: "waits" },
        { args: ["old", 2], headers: { who: "bob" }, taskId: "delayed", delay: 300 },
      ]);
      if (!waits || !delayed) throw new Error("two handles");
      assert.deepEqual(await Promise.all([waits.update(["new", 3]), job.handle("delayed").update(["新", 4])]), [
        true,
        true,
      ]);
      assert.equal(await waits.update(["newer", 5]), true);
      await assert.rejects(
        () => waits.update([(() => 1) as never, 1]),
        (error) => isFunboostError(error) && error.code === "BAD_ARGS",
      );
      await consume(job);
      door.open();
      assert.deepEqual(await waits.waitResult({ timeout: patienceMs }), ["newer", 5, "ada", "waits"]);
      assert.deepEqual(await delayed.waitResult({ timeout: patienceMs }), ["新", 4, "bob", "delayed"]);
      assert.deepEqual(
        [
          await waits.update(["late", 6]),
          await waits.reschedule({ delay: 0 }),
          await job.handle("nobody").update(["x", 1]),
        ],
        [false, false, false],
        queue,
      );
    },
  ),

  "what runs is not edited": edit(async ({ task, consume, until, patienceMs }) => {
    const door = gate();
    let started = 0;
    const job = task({ rpc: true, concurrency: 1, prefetch: 0 }, async (n: number) => {
      started++;
      await door.opened;
      return n;
    });
    await consume(job);
    const handle = await job.push(1);
    await until("it runs", () => started === 1);
    assert.deepEqual([await handle.update([2]), await handle.reschedule({ delay: "1h" })], [false, false]);
    door.open();
    assert.equal(await handle.waitResult({ timeout: patienceMs }), 1);
  }),

  "a delayed task can run at once, and one that waits later": edit(async ({ task, consume, until, earlyMs }) => {
    const ranAt = new Map<string, number>();
    const job = task({}, (name: string) => void ranAt.set(name, performance.now()));
    const soon = await job.publish(["soon"], { delay: "1h" });
    const later = await job.push("later");
    const from = performance.now();
    assert.deepEqual([await soon.reschedule({ delay: 0 }), await later.reschedule({ delay: 2_000 })], [true, true]);
    await consume(job);
    await until("both have run", () => ranAt.size === 2);
    assert.deepEqual([...ranAt.keys()], ["soon", "later"]);
    assert.ok((ranAt.get("later") ?? 0) - from > 2_000 - earlyMs, "the other ran in time");
  }),

  "a task expires so long after the time that it was moved to": edit(async ({ task, consume, patienceMs }) => {
    const job = task({ rpc: true, params: ["n"], expireAfter: "30s" }, (n: number) => n);
    const handle = await job.publish([1], { expireAfter: 3_000 });
    assert.equal(await handle.reschedule({ delay: 3_300 }), true);
    await consume(job);
    assert.equal(await handle.waitResult({ timeout: patienceMs }), 1);
  }),

  "edits while it is consumed: each runs once, with new arguments where the edit said so": edit(
    async ({ task, consume, until, many }) => {
      const n = many(100);
      const seen: number[] = [];
      const job = task({ concurrency: 5 }, (value: number) => void seen.push(value));
      await job.pushMany([]);
      const handles = await job.pushMany(range(n).map((i) => [i]));
      const consuming = consume(job);
      const edited = await Promise.all(handles.map((handle, i) => handle.update([i + 10_000])));
      await consuming;
      await until("all have run", () => seen.length >= n);
      assert.deepEqual(
        seen.sort((a, b) => a - b),
        range(n)
          .map((i) => (edited[i] ? i + 10_000 : i))
          .sort((a, b) => a - b),
      );
    },
  ),
});
