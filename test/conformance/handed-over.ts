/** What a caller hands over is read at that moment: nothing that is done to it later is sent, run or kept. */
import assert from "node:assert/strict";
import { fct, type PublishMiddleware, type TaskRow } from "../../src/index.ts";
import { cases } from "./case.ts";
import { sorted } from "./track.ts";
import { rejection, working } from "./until.ts";

interface Order {
  n: number;
  readonly lines: { sku: unknown }[];
}

const order = (): Order => ({ n: 0, lines: [{ sku: "a" }] });

export const handedOver = cases({
  async "one object that is pushed again and again is sent as it was at each call"({ task, consume, until }) {
    const seen: Order[] = [];
    const job = task({}, (given: Order) => void seen.push(given));
    const given = order();
    const pushes: Promise<unknown>[] = [];
    for (given.n = 1; given.n <= 3; given.n++) pushes.push(job.push(given));
    for (; given.n <= 6; given.n++) pushes.push(job.publish([given], { expireAfter: "1h" }));
    pushes.push(job.pushMany([[given]]));
    given.n = 8;
    const items = [{ args: [given] as [Order] }];
    pushes.push(job.publishMany(items));
    given.n = 9;
    items.length = 0;
    pushes.push(job.publishRaw(given));
    given.n = 99;
    if (given.lines[0]) given.lines[0].sku = new Date();
    await Promise.all(pushes);
    await consume(job);
    await until("all are handled", () => seen.length === 9);
    assert.deepEqual(sorted(seen.map(({ n }) => n)), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.ok(
      seen.every(({ lines }) => lines[0]?.sku === "a"),
      JSON.stringify(seen),
    );
  },

  async "headers and options are read when publish is called, behind middleware too"({ task, consume, until }) {
    const seen: unknown[] = [];
    const run = (given: Order) => void seen.push([given.n, given.lines[0]?.sku, fct.headers.tenant]);
    const plain = task({}, run);
    const slowly: PublishMiddleware = async (_, next) => {
      await working(5);
      return next();
    };
    const behind = task({ queue: `kit-middleware-${Math.random().toString(36).slice(2)}`, usePublish: [slowly] }, run);
    for (const job of [plain, behind]) {
      const given = order();
      const headers = { tenant: "one" };
      const options = { headers };
      const publishing = job.publish([given], options);
      Object.assign(given, { n: 2 });
      Object.assign(given.lines[0] ?? {}, { sku: new Map() });
      headers.tenant = "two";
      options.headers = { tenant: "three" };
      await publishing;
      await consume(job);
    }
    await until("both are handled", () => seen.length === 2);
    assert.deepEqual(seen, [
      [0, "a", "one"],
      [0, "a", "one"],
    ]);
  },

  async "large numbers arrive as the numbers that they were"({ task, consume, until }) {
    const given = [2 ** 53, -(2 ** 53), 1e17, 1795241242123 * 1e6, 2 ** 63, 1e21, 2 ** 53 - 1, 1e-7, 1.5e300];
    const seen: unknown[] = [];
    const job = task({}, (...numbers: unknown[]) => void seen.push(...numbers));
    await consume(job);
    await job.push(...given);
    await job.push({ deep: [given] });
    await until("both are handled", () => seen.length === given.length + 1);
    assert.deepEqual(
      seen.filter((each) => typeof each !== "object"),
      given,
    );
    assert.deepEqual(
      seen.find((each) => typeof each === "object"),
      { deep: [given] },
    );
  },

  async "a number whose digits a Number loses is a BigInt where it came as text"({ task, consume, until }) {
    const seen: unknown[] = [];
    const job = task({ params: ["ids"] }, (ids: unknown) => void seen.push(ids));
    await consume(job);
    await job.publishRaw('{"ids":[9007199254740993,9007199254740992,100000000000000000,-12345678901234567891,1e400]}');
    await until("it is handled", () => seen.length === 1);
    assert.deepEqual(seen, [
      [9007199254740993n, 9007199254740992, 1e17, -12345678901234567891n, Number.POSITIVE_INFINITY],
    ]);
  },

  "a run that changes its arguments changes them for nobody else": {
    uses: ["retry"],
    async run({ task, consume, until, patienceMs }) {
      const seen: unknown[] = [];
      let broken = true;
      const job = task({ rpc: true, maxRetries: 1, backoff: 0, deadLetter: true }, (given: Order, list: number[]) => {
        seen.push(structuredClone([given, list, fct.message, fct.headers]));
        given.n++;
        given.lines.push({ sku: "b" });
        list.length = 0;
        Object.assign(fct.message as object, { given: 0 });
        Object.assign(fct.headers, { tenant: "two" });
        if (broken) throw new Error("not yet");
      });
      await consume(job);
      const error = await rejection(
        (await job.publish([order(), [1, 2]], { headers: { tenant: "one" } })).waitResult({ timeout: patienceMs }),
      );
      assert.equal(error.status, "dead");
      await until("the dead letter is there", async () => (await job.deadLetters.count()) === 1);
      broken = false;
      await job.deadLetters.redrive();
      await until("it has run again", () => seen.length === 3);
      for (const [given, list, message, headers] of seen as [Order, number[], Record<string, unknown>, object][]) {
        assert.deepEqual([given, list, headers], [order(), [1, 2], { tenant: "one" }]);
        assert.deepEqual([message.given, message.list], [order(), [1, 2]]);
      }
    },
  },

  "a result is what it was when the run returned it": {
    needs: ["ids"],
    async run({ task, consume, until, patienceMs }) {
      const shared = { runs: 0, list: [0] };
      const told: unknown[] = [];
      const onRecord = (row: TaskRow) => void told.push(structuredClone(row.result));
      const job = task({ rpc: true, concurrency: 1, onRecord }, () => {
        shared.runs++;
        queueMicrotask(() => Object.assign(shared, { runs: -1, list: new Map() }));
        return shared;
      });
      await consume(job);
      const handle = await job.publish([], { taskId: "known" }); // that it has ended is kept before its row is told
      assert.deepEqual(await handle.waitResult({ timeout: patienceMs }), { runs: 1, list: [0] });
      await until("its row is told", () => told.length === 1);
      assert.deepEqual(told, [{ runs: 1, list: [0] }]);
    },
  },

  async "an id for a child fits at any depth, and stays the same over retries"({ task, consume, until }) {
    const seen: string[] = [];
    const depth = 8;
    const job = task({ backoff: 0, maxRetries: 1 }, async (level: number): Promise<void> => {
      const id = fct.childId(`child of a parent at level ${level}`);
      await job.publish([level + 1], level < depth ? { taskId: id } : { delay: "1h" });
      seen.push(id);
      if (fct.attempt === 1) throw new Error("again");
    });
    await consume(job);
    await job.push(0);
    // Without ids of its own an engine may take one id twice.
    const repeated = () => new Set(seen.filter((id, i) => seen.indexOf(id) < i)).size;
    await until("all have run twice", () => repeated() > depth);
    assert.ok(
      seen.every((id) => id.length <= 200),
      seen.join("\n"),
    );
    assert.equal(new Set(seen).size, depth + 1, "each level has one id");
  },
});
