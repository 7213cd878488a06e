/** BullMQ 5 and 6 and this package on one queue: the same cases, whichever of both carries this package. */
import { boost } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import { afterEach, describe, expect, it } from "vitest";

export type Bullmq = typeof import("bullmq");
type BareQueue = import("bullmq").Queue;

export interface Majors {
  readonly url: string;
  readonly five: Bullmq;
  readonly six: Bullmq;
}

const range = (n: number) => Array.from({ length: n }, (_, i) => i);
const prefix = `majors${process.pid}${Date.now().toString(36)}`;
let counter = 0;

async function until(what: () => unknown): Promise<void> {
  await expect.poll(async () => Boolean(await what()), { timeout: 20_000, interval: 10 }).toBe(true);
}

/** One queue, as each of the three sees it; all that waits is removed at the end. */
function createWorld({ url, five, six }: Majors) {
  const ends: (() => Promise<unknown>)[] = [];
  const name = `q${counter++}`;
  const { hostname, port } = new URL(url);
  const options = { prefix, connection: { host: hostname, port: Number(port || 6379), maxRetriesPerRequest: null } };
  const bare = ({ Queue }: Bullmq): BareQueue => {
    const queue = new Queue(name, options);
    ends.push(() => queue.close());
    return queue;
  };
  const queues = { five: bare(five), six: bare(six) };
  ends.push(() => queues.six.obliterate({ force: true }));
  const broker = bullmq({ url, prefix, storePrefix: `${prefix}:` });
  ends.push(() => broker.close());
  return {
    ...queues,
    async ours() {
      return broker.open({ queue: name, options: {}, leaseMs: 15_000 });
    },
    task: (run: (n: number) => unknown, concurrency = 4) =>
      boost({ queue: name, broker, params: ["n"], concurrency }, run),
    work({ Worker }: Bullmq, run: (n: number) => unknown) {
      const worker = new Worker(name, async ({ data }) => run(data.n), { ...options, concurrency: 4 });
      worker.on("error", () => {});
      ends.push(() => worker.close());
    },
    defer: (end: () => Promise<unknown>) => void ends.push(end),
    async end() {
      for (const each of ends.splice(0).reverse()) await each();
    },
  };
}

const addMany = (queue: BareQueue, from: number, n: number) =>
  queue.addBulk(range(n).map((i) => ({ name: "theirs", data: { n: from + i } })));

export function describeMajors(title: string, majors: Majors): void {
  const worlds: ReturnType<typeof createWorld>[] = [];
  const fresh = () => {
    const world = createWorld(majors);
    worlds.push(world);
    return world;
  };
  afterEach(async () => {
    for (const world of worlds.splice(0)) await world.end();
  });

  describe(title, () => {
    const title = "producers of both add %d jobs and more while it is paused by us, and none is lost";
    it.each([4, 5_200])(title, { timeout: 60_000 }, async (n) => {
      const { five, six, ours, task, defer } = fresh();
      const queue = await ours();
      const seen = new Set<number>();
      const job = task((i) => void seen.add(i), 50);
      const all = n + 12;
      await addMany(six, 0, 2);
      await queue.setPaused?.(true);
      await addMany(five, 2, n);
      await addMany(six, n + 2, 4);
      await queue.setPaused?.(true); // whoever pauses twice loses nothing either
      await addMany(six, n + 6, 2);
      await addMany(five, n + 8, 2);
      await queue.publish([all - 2, all - 1].map((n) => ({ body: { n } })));
      expect([await queue.paused?.(), (await queue.count?.())?.ready]).toEqual([true, all]);
      const consumer = await job.consume();
      defer(() => consumer.close());
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(seen.size).toBe(0);
      await queue.setPaused?.(false);
      await until(() => seen.size === all);
      await until(async () => (await queue.count?.())?.ready === 0);
    });

    it("what 5 has parked is counted, shown, found, cancelled and put in order, and runs when we resume", async () => {
      const { five, ours, task, defer } = fresh();
      const queue = await ours();
      const jobs = await addMany(five, 0, 4);
      await five.pause();
      await addMany(five, 4, 2);
      const shown = async () => (await queue.peek?.(10))?.map(({ body }) => (body as { n: number }).n);
      expect([(await queue.count?.())?.ready, await queue.paused?.(), await shown()]).toEqual([
        6,
        true,
        [0, 1, 2, 3, 4, 5],
      ]);
      expect(await queue.state?.(jobs[1]?.id ?? "")).toBe("waiting");
      expect(await queue.cancel?.([jobs[1]?.id ?? ""])).toEqual([jobs[1]?.id]);
      await queue.publish([{ body: { n: 6 }, priority: 5 }]);
      expect(await shown()).toEqual([6, 0, 2, 3, 4, 5]);
      const seen: number[] = [];
      const consumer = await task((n) => void seen.push(n), 1).consume();
      defer(() => consumer.close());
      await queue.setPaused?.(false);
      await until(() => seen.length === 6);
      expect(seen).toEqual([6, 0, 2, 3, 4, 5]);
    });

    it("what 5 has parked can be cleared", async () => {
      const { five, ours } = fresh();
      const queue = await ours();
      await addMany(five, 0, 4);
      await five.pause();
      await queue.clear?.();
      expect((await queue.count?.())?.ready).toBe(0);
    });

    it("what we have paused, 5 resumes, and the other way round", async () => {
      const { five, ours, task, defer } = fresh();
      const queue = await ours();
      const seen = new Set<number>();
      const consumer = await task((n) => void seen.add(n)).consume();
      defer(() => consumer.close());
      await queue.setPaused?.(true);
      await addMany(five, 0, 3);
      await five.resume();
      await until(() => seen.size === 3);
      await five.pause();
      await addMany(five, 3, 3);
      await queue.setPaused?.(false);
      await until(() => seen.size === 6);
    });

    it("workers of both and ours run 300 jobs, each once", async () => {
      const { five, six, task, work, defer } = fresh();
      const runs: string[] = [];
      const by = (who: string) => async (n: number) => {
        runs.push(`${who} ${n}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      };
      const job = task(by("ours"));
      await job.pushMany(range(30).map((n) => [n]));
      work(majors.five, by("five"));
      work(majors.six, by("six"));
      const consumer = await job.consume();
      defer(() => consumer.close());
      for (const from of range(9).map((i) => 30 * (i + 1))) {
        if (from % 90 === 0) await job.pushMany(range(30).map((i) => [from + i]));
        else await addMany(from % 60 === 0 ? five : six, from, 30);
      }
      await until(() => runs.length >= 300);
      await until(async () => (await job.count()) === 0);
      expect(runs.map((each) => Number(each.split(" ")[1])).sort((a, b) => a - b)).toEqual(range(300));
      expect([...new Set(runs.map((each) => each.split(" ")[0]))].sort()).toEqual(["five", "ours", "six"]);
    });
  });
}
