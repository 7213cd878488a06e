/** What only Agenda can get wrong, on each of its backends; all else is in the conformance kit. */
import { spawn } from "node:child_process";
import { inspect } from "node:util";
import { Agenda, type AgendaBackend, type JobParameters } from "agenda";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { agenda } from "../../../adapters/agenda/broker.ts";
import { jobName } from "../../../adapters/agenda/ids.ts";
import { adoptMongo } from "../../../adapters/agenda/mongo.ts";
import type { Pool } from "../../../adapters/agenda/postgres-table.ts";
import { createServerClock } from "../../../adapters/agenda/server-clock.ts";
import { setClock, sleep } from "../../../src/base/clock.ts";
import type { Broker, BrokerQueue, Delivery, Settlement } from "../../../src/contract/index.ts";
import { configure } from "../../../src/index.ts";
import { rejection } from "../../conformance/until.ts";
import { handClock } from "../../support/hand-clock.ts";
import { serviceFor, startPrivate } from "../../support/services.ts";
import { backendFor } from "./foreign.ts";

configure({ signals: false, log: { level: "silent" } });
const run = `u${process.pid}${Date.now().toString(36)}`;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const services = [
  ["postgres", await serviceFor("postgres"), "POSTGRES_URL"],
  ["redis", await serviceFor("redis"), "REDIS_URL"],
  ["mongo", await serviceFor("mongodb"), "MONGODB_URL"],
] as const;
afterAll(() => Promise.all(services.map(([, service]) => service.stop())));

const done: Settlement = { outcome: "done" };
const until = (condition: () => unknown) =>
  expect.poll(async () => Boolean(await condition()), { timeout: 15_000, interval: 10 }).toBe(true);
let counter = 0;

async function consume(
  queue: BrokerQueue,
  answer: (delivery: Delivery) => Settlement | Promise<Settlement>,
  window = 1,
) {
  const seen: Delivery[] = [];
  const settled: string[] = [];
  const errors: Error[] = [];
  const consumer = await queue.consume(
    async (delivery) => {
      seen.push(delivery);
      return answer(delivery);
    },
    { signal: true, onSettled: (_delivery, how) => settled.push(how), onError: (error) => errors.push(error) },
  );
  ends.push(() => consumer.close({ force: true }));
  consumer.setWindow(window);
  return { consumer, seen, settled, errors };
}

function gate() {
  let open = (_settlement: Settlement) => {};
  const opened = new Promise<Settlement>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Writes what Agenda never does: into the data of one row, into the times and counts of another. */
const spoil = {
  async postgres(backend: AgendaBackend, _url: string, data: string) {
    const { pool } = backend.repository as unknown as { pool: Pool };
    await pool.query(`UPDATE ${run} SET data = '"{no json"' WHERE id = $1`, [data]);
  },
  async redis(_backend: AgendaBackend, url: string, data: string, facts: string) {
    const redis = new Redis(url);
    await redis.hset(`${run}:agenda:job:${data}`, "data", "{no json", "skipDays", "[");
    const times = ["startDate", "yesterday", "lastRunAt", "never", "failedAt", "x"];
    await redis.hset(`${run}:agenda:job:${facts}`, ...times, "failCount", "many", "failReason", "");
    redis.disconnect();
  },
  async mongo(backend: AgendaBackend, _url: string, data: string, facts: string) {
    const { collection } = backend.repository as unknown as { collection: Documents };
    const idOf = async (id: string) =>
      (await collection.find({}).toArray()).find(({ _id }) => String(_id) === id)?._id as object;
    await collection.updateOne({ _id: await idOf(data) }, { $set: { data: "{no json" } });
    const odd = { startDate: "yesterday", lastRunAt: 5, failCount: "many", failReason: { no: "text" } };
    await collection.updateOne({ _id: await idOf(facts) }, { $set: odd });
  },
};

interface Documents {
  find(filter: object): { toArray(): Promise<{ _id: object }[]> };
  updateOne(filter: object, change: object): Promise<unknown>;
}

/** Gives back what has lapsed: noted first, taken when its holder has had time to renew. */
async function rescue(queue: BrokerQueue, leaseMs: number): Promise<void> {
  await queue.maintain?.(new AbortController().signal);
  await sleep(0.6 * leaseMs);
  await queue.maintain?.(new AbortController().signal);
}

for (const [kind, service, variable] of services) {
  const url = service.settings?.[variable] ?? "";
  const collection = kind === "redis" ? `${run}:agenda:` : run;

  describe.skipIf(service.unavailable)(
    `Agenda on ${kind}${kind === "mongo" ? " (a stand-in, unless MONGODB_URL names a MongoDB)" : ""}`,
    () => {
      let backend: AgendaBackend;
      let theirs: Agenda;
      beforeAll(async () => {
        const broker = agenda({ url, collection });
        await broker.open({ queue: "makes-the-table", options: {}, leaseMs: 1_000 });
        await broker.close();
        backend = await backendFor(url, collection);
        theirs = new Agenda({ backend, processEvery: 100 });
        await theirs.ready;
      });
      afterAll(async () => {
        await theirs.cancelAll();
        await backend.disconnect();
      });

      async function fresh(
        options: Record<string, unknown> = {},
        leaseMs = 15_000,
        given: Record<string, unknown> = { url, collection },
      ) {
        const broker: Broker = agenda(given);
        ends.push(() => broker.close());
        const name = `q${counter++}`;
        return { broker, name, queue: await broker.open({ queue: name, options, leaseMs }) };
      }

      async function rowsOf(name: string): Promise<readonly (JobParameters & { state: string })[]> {
        return (await theirs.queryJobs({ name })).jobs as (JobParameters & { state: string })[];
      }

      it("a waiting job shows its name and its arguments in Agenda's own query", async () => {
        const { queue, name } = await fresh();
        await queue.publish([{ body: { file: "a.mov", height: 720 } }]);
        await until(async () => (await rowsOf(name))[0]?.state === "queued"); // Agenda compares with this machine's clock, we write the server's
        expect((await rowsOf(name)).map(({ data, state, failCount }) => [data, state, failCount])).toEqual([
          [{ file: "a.mov", height: 720 }, "queued", undefined],
        ]);
      });

      it("a running job is locked by us, a done one is gone, a failed one says why in Agenda's words", async () => {
        const { queue, name } = await fresh({ keepFailed: true });
        const door = gate();
        const { settled } = await consume(
          queue,
          ({ body }) =>
            (body as { n: number }).n === 1 ? door.opened : { outcome: "failed", error: new Error("no stock") },
          2,
        );
        await queue.publish([{ body: { n: 1 } }, { body: { n: 2 } }]);
        await until(() => settled.length === 1);
        const byState = Object.fromEntries((await rowsOf(name)).map((row) => [row.state, row]));
        expect(Object.keys(byState).sort()).toEqual(["failed", "running"]);
        expect(byState.running?.lastModifiedBy).toMatch(/^funboost:.*:\d+:/);
        const { failReason, failCount, failedAt, lastFinishedAt, lastRunAt, lockedAt, nextRunAt } =
          byState.failed as JobParameters;
        expect([failReason, failCount, lockedAt, nextRunAt]).toEqual(["no stock", 1, undefined, null]);
        for (const date of [failedAt, lastFinishedAt, lastRunAt])
          expect(Math.abs(Date.now() - (date as Date).getTime())).toBeLessThan(10_000);
        door.open(done);
        await until(async () => (await rowsOf(name)).length === 1);
      });

      it("keepDone keeps a done job, as completed; a failed one stays by default, except on Redis", async () => {
        const keeping = await fresh({ keepDone: true });
        const one = await consume(keeping.queue, () => done);
        await keeping.queue.publish([{ body: { n: 1 } }]);
        await until(() => one.settled.length === 1);
        expect((await rowsOf(keeping.name)).map(({ state, lockedAt }) => [state, lockedAt])).toEqual([
          ["completed", undefined],
        ]);
        const plain = await fresh();
        const two = await consume(plain.queue, () => ({ outcome: "failed", error: new Error("no") }));
        await plain.queue.publish([{ body: { n: 1 } }]);
        await until(() => two.settled.length === 1);
        expect((await rowsOf(plain.name)).map(({ state }) => state)).toEqual(kind === "redis" ? [] : ["failed"]);
      });

      it("a job of agenda.now() is taken at once, with its data; one without data is an empty object", async () => {
        const { queue, name } = await fresh();
        const { seen } = await consume(queue, () => done, 2);
        await sleep(100);
        await theirs.now(name, { to: "ada" });
        await (theirs as unknown as { now(name: string): Promise<unknown> }).now(name);
        await until(() => seen.length === 2);
        expect(seen.map(({ body, attempt }) => [body, attempt])).toEqual([
          [{ to: "ada" }, 1],
          [{}, 1],
        ]);
      });

      it("rows that others have spoilt hold nobody up", async () => {
        const { queue } = await fresh();
        const published = await queue.publish([1, 2, 3, 4].map((i) => ({ body: { n: i } })));
        const [, data = "", facts = ""] = published.map(({ id }) => id);
        await spoil[kind](backend, url, data, facts);
        expect((await queue.peek?.(10))?.length).toBe(4);
        const { seen, settled, errors } = await consume(
          queue,
          ({ id, attempt }) =>
            id === facts && attempt === 1 ? { outcome: "retry", error: new Error("once"), delayMs: 10 } : done,
          4,
        );
        await until(() => settled.length === 5);
        expect(seen.find(({ id }) => id === data)?.body).toBe("{no json");
        expect(seen.filter(({ id }) => id === facts).map(({ attempt }) => attempt)).toEqual([1, 2]);
        expect(errors).toEqual([]);
        expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 0 });
      });

      it("a bare Agenda worker runs what we publish", async () => {
        const { queue, name } = await fresh();
        const ran: unknown[] = [];
        const worker = new Agenda({
          backend: await backendFor(url, collection),
          processEvery: 100,
          removeOnComplete: true,
        });
        worker.define(name, async (job) => void ran.push(job.attrs.data));
        await worker.start();
        ends.push(() => worker.stop());
        await queue.publish([{ body: { n: 1 } }, { body: { n: 2 } }]);
        await until(() => ran.length === 2);
        expect(ran).toEqual(expect.arrayContaining([{ n: 1 }, { n: 2 }]));
      });

      it("the lock of a bare worker is respected for its lifetime, and then its job is delivered as a crash", async () => {
        const lockLifetime = 1_500;
        const { queue, name } = await fresh({ lockLifetime }, 200);
        await theirs.now(name, { n: 1 });
        const now = new Date();
        const soon = new Date(now.getTime() + 1_000); // as Agenda looks ahead: on Redis a job's score is above its own millisecond
        expect(
          await theirs.db.getNextJobToRun(name, soon, new Date(0), now, { lastModifiedBy: "theirs" }),
        ).toBeDefined();
        const lockedAt = (await rowsOf(name))[0]?.lockedAt?.getTime() ?? 0;
        let seenAt = 0;
        const { seen } = await consume(queue, () => {
          seenAt = Date.now();
          return done;
        });
        await until(async () => {
          await queue.maintain?.(new AbortController().signal);
          return seen.length === 1;
        });
        expect([seen[0]?.crashes, seen[0]?.attempt]).toEqual([1, 1]);
        expect(seenAt - lockedAt).toBeGreaterThan(0.9 * lockLifetime); // by two clocks
      });

      it("a job of agenda.every() is run and stays for its next time", async () => {
        const { queue, name } = await fresh();
        const { seen, settled } = await consume(queue, () => done);
        await theirs.every("1 hour", name, { n: 1 });
        await until(() => settled.length === 1);
        const [row] = await rowsOf(name);
        const inMs = (row?.nextRunAt?.getTime() ?? 0) - Date.now();
        expect([seen.length, row?.lockedAt, inMs > 3_500_000 && inMs < 3_700_000]).toEqual([1, undefined, true]);
      });

      it("a job of agenda.every() keeps its priority", async () => {
        const { queue, name } = await fresh();
        let runs = 0;
        const { settled } = await consume(queue, () =>
          ++runs === 1 ? { outcome: "retry", error: new Error("once"), delayMs: 1 } : done,
        );
        await theirs.create(name, { n: 1 }).repeatEvery("1 hour").priority("high").save();
        await until(() => settled.length === 2);
        expect((await rowsOf(name))[0]?.priority).toBe(10);
      });

      // On MongoDB it takes the lock away, from bare workers too: the job runs twice.
      it.skipIf(kind === "mongo")(
        "agenda.every() once more while the job runs, as each start of an app calls it, is no reason to lose its end",
        async () => {
          const { queue, name } = await fresh();
          const { opened, open } = gate();
          const { seen, settled, consumer } = await consume(queue, () => opened);
          await theirs.every("1 hour", name, { n: 1 });
          await until(() => seen.length === 1);
          await theirs.every("2 hours", name, { n: 1 });
          await consumer.renew?.();
          open(done);
          await until(() => settled.length > 0);
          const [row] = await rowsOf(name);
          const inMs = (row?.nextRunAt?.getTime() ?? 0) - Date.now();
          expect([settled, row?.lockedAt, inMs > 7_100_000 && inMs < 7_300_000, seen.length]).toEqual([
            ["applied"],
            undefined,
            true,
            1,
          ]);
        },
      );

      it("an error whose message no database keeps holds up nobody", async () => {
        const { queue, name } = await fresh({ keepFailed: true });
        const texts = ["a\0b", "a\ud800b", "a\udc00b", "a😀b"];
        const failed = (delivery: Delivery): Settlement => ({
          outcome: "failed",
          error: new Error(texts[(delivery.body as { n: number }).n]),
        });
        const { settled, errors } = await consume(queue, failed, 4);
        await queue.publish(texts.map((_, n) => ({ body: { n } })));
        await until(() => settled.length === 4);
        const reasons = (await rowsOf(name)).map(({ failReason }) => failReason);
        expect([reasons.sort(), errors]).toEqual([["a\ufffdb", "a\ufffdb", "a\ufffdb", "a😀b"].sort(), []]);
      });

      it("a late finisher changes nothing: neither while another holds its job, nor after that", async () => {
        const first = await fresh({ keepDone: true }, 200);
        const doors = [gate(), gate(), gate()] as const;
        const late = await consume(first.queue, () => doors[late.seen.length - 1 === 0 ? 0 : 1].opened, 2);
        await first.queue.publish([{ body: { n: 1 } }, { body: { n: 2 } }]);
        await until(() => late.seen.length === 2);
        late.consumer.setWindow(0);
        const other = agenda({ url, collection });
        ends.push(() => other.close());
        const second = await other.open({ queue: first.name, options: { keepDone: true }, leaseMs: 200 });
        const inTime = await consume(second, () => doors[2].opened, 2);
        await sleep(300);
        await rescue(second, 200);
        await until(() => inTime.seen.length === 2);
        expect(inTime.seen.map(({ crashes }) => crashes)).toEqual([1, 1]);
        const held = await rowsOf(first.name);
        await late.consumer.renew?.();
        expect(late.seen.map(({ signal }) => signal?.aborted)).toEqual([true, true]);
        doors[0].open(done); // kept, so it would be written
        doors[1].open({ outcome: "retry", error: new Error("late"), delayMs: 0 });
        await until(() => late.settled.length === 2);
        expect(late.settled).toEqual(["stale", "stale"]);
        expect(await rowsOf(first.name)).toEqual(held);
        doors[2].open({ outcome: "retry", error: new Error("theirs"), delayMs: 60_000 });
        await until(() => inTime.settled.length === 2);
        expect([
          inTime.settled,
          (await rowsOf(first.name)).map(({ failReason }) => failReason?.startsWith("theirs")),
        ]).toEqual([
          ["applied", "applied"],
          [true, true],
        ]);
      });

      it("a late finisher removes nothing that another holds", async () => {
        const first = await fresh({}, 200);
        const doors = [gate(), gate()] as const;
        const late = await consume(first.queue, () => doors[0].opened);
        await first.queue.publish([{ body: { n: 1 } }]);
        await until(() => late.seen.length === 1);
        late.consumer.setWindow(0);
        const other = agenda({ url, collection });
        ends.push(() => other.close());
        const second = await other.open({ queue: first.name, options: {}, leaseMs: 200 });
        const inTime = await consume(second, () => doors[1].opened);
        await sleep(300);
        await rescue(second, 200);
        await until(() => inTime.seen.length === 1);
        doors[0].open(done);
        await until(() => late.settled.length === 1);
        expect([late.settled, (await rowsOf(first.name)).length]).toEqual([["stale"], 1]);
        doors[1].open(done);
        await until(() => inTime.settled.length === 1);
        expect([inTime.settled, await rowsOf(first.name)]).toEqual([["applied"], []]);
      });

      it("a job that was removed by hand while it ran is stale, and does not come back", async () => {
        const { queue, name } = await fresh({ keepDone: true });
        const door = gate();
        const { seen, settled } = await consume(queue, () => door.opened);
        await queue.publish([{ body: { n: 1 } }]);
        await until(() => seen.length === 1);
        await theirs.cancel({ name });
        door.open(done);
        await until(() => settled.length === 1);
        expect([settled, await rowsOf(name)]).toEqual([["stale"], []]);
      });

      it("renew() keeps the lock of a job that runs longer than its lease", async () => {
        const leaseMs = 1_000; // longer than a busy machine lets pass between a renewal and the maintenance after it
        const { queue, name } = await fresh({}, leaseMs);
        const door = gate();
        const { consumer, seen, settled } = await consume(queue, () => door.opened, 2);
        await queue.publish([{ body: { n: 1 } }]);
        await until(() => seen.length === 1);
        const lockedAt = async () => (await rowsOf(name))[0]?.lockedAt?.getTime() ?? 0;
        const before = await lockedAt();
        for (let turn = 0; turn < 8; turn++) {
          await sleep(leaseMs / 4);
          await consumer.renew?.();
          await queue.maintain?.(new AbortController().signal);
        }
        expect(await lockedAt()).toBeGreaterThan(before);
        door.open(done);
        await until(() => settled.length === 1);
        expect([seen.length, settled]).toEqual([1, ["applied"]]);
      });

      it("a lock that lapsed while the server stood still is its holder's: a rescue leaves him time to renew", async () => {
        const leaseMs = 1_000;
        const { queue, name } = await fresh({}, leaseMs);
        const other = agenda({ url, collection });
        ends.push(() => other.close());
        const rescuer = await other.open({ queue: name, options: {}, leaseMs });
        const door = gate();
        const { consumer, seen, settled } = await consume(queue, () => door.opened, 2);
        await queue.publish([{ body: { n: 1 } }]);
        await until(() => seen.length === 1);
        for (let standstill = 0; standstill < 2; standstill++) {
          await sleep(1.5 * leaseMs);
          await rescuer.maintain?.(new AbortController().signal); // the second time its note is from before
        }
        await consumer.renew?.();
        await rescue(rescuer, leaseMs);
        door.open(done);
        await until(() => settled.length === 1);
        expect([seen.length, settled]).toEqual([1, ["applied"]]);
      });

      it("200 jobs are run once each by two consumers beside maintenance", async () => {
        const { queue, name } = await fresh();
        const other = agenda({ url, collection });
        ends.push(() => other.close());
        const second = await other.open({ queue: name, options: {}, leaseMs: 15_000 });
        const workers = await Promise.all([queue, second].map((each) => consume(each, () => done, 10)));
        await queue.publish(Array.from({ length: 200 }, (_, n) => ({ body: { n } })));
        const seen = () => workers.flatMap((worker) => worker.seen.map(({ body }) => (body as { n: number }).n));
        await until(async () => {
          await second.maintain?.(new AbortController().signal);
          return seen().length >= 200 && (await queue.count?.())?.running === 0;
        });
        expect(seen().sort((one, two) => one - two)).toEqual(Array.from({ length: 200 }, (_, n) => n));
      });

      it("an id that a caller gave is taken once, also by twenty at once, and answers cancel, state and reschedule", async () => {
        const { queue, name } = await fresh();
        const tries = await Promise.all(
          Array.from({ length: 20 }, () => queue.publish([{ id: "order:42", body: { n: 1 }, delayMs: 3_600_000 }])),
        );
        expect(tries.flat().filter(({ existing }) => !existing).length).toBe(1);
        expect([await rowsOf(name).then((rows) => rows.length), await queue.state?.("order:42")]).toEqual([
          1,
          "delayed",
        ]);
        expect(await queue.reschedule?.("order:42", { delayMs: 0 })).toBe(true);
        await until(async () => (await queue.state?.("order:42")) === "waiting");
        expect(await queue.cancel?.(["order:42", "order:43"])).toEqual(["order:42"]);
        expect([await queue.state?.("order:42"), await rowsOf(name)]).toEqual(["unknown", []]);
      });

      it("a message without an id has the row's own, and answers to it", async () => {
        const { queue, name } = await fresh();
        const [published] = await queue.publish([{ body: { n: 1 } }]);
        const [row] = await rowsOf(name);
        expect([String(row?._id), await queue.state?.(published?.id ?? "")]).toEqual([published?.id, "waiting"]);
        expect(await queue.cancel?.([published?.id ?? ""])).toEqual([published?.id]);
      });

      it("a job that Agenda has disabled is not taken", async () => {
        const { queue, name } = await fresh();
        await queue.publish([{ body: { n: 1 } }]);
        await theirs.disable({ name });
        const { seen } = await consume(queue, () => done);
        await sleep(300);
        expect(seen).toEqual([]);
        await theirs.enable({ name });
        await until(() => seen.length === 1);
      });

      it("a message that cannot be taken rejects alone, and its neighbours of the same tick are published", async () => {
        const { queue } = await fresh();
        const tooDeep = kind === "redis" ? undefined : "\ud800";
        const calls = [
          queue.publish([{ body: { n: 1 } }]),
          queue.publish([{ body: { text: tooDeep ?? 10n } as never }]),
          queue.publish([{ body: { n: 2 } }]),
        ];
        const answers = await Promise.allSettled(calls);
        expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
        expect((await queue.count?.())?.ready).toBe(2);
      });

      it("a given backend works and stays open", async () => {
        const given = await backendFor(url, collection);
        await given.connect();
        ends.push(() => given.disconnect());
        const { queue, broker } = await fresh({}, 15_000, { backend: given });
        const { seen } = await consume(queue, () => done);
        await queue.publish([{ body: { n: 1 } }]);
        await until(() => seen.length === 1);
        await broker.close();
        expect(await given.repository.getQueueSize()).toBeGreaterThanOrEqual(0);
      });

      it("the order holds for 500 messages of one call and for calls one after another", async () => {
        const { queue } = await fresh();
        await queue.publish(Array.from({ length: 400 }, (_, n) => ({ body: { n } })));
        for (let n = 400; n < 450; n++) void queue.publish([{ body: { n } }]);
        await until(async () => (await queue.count?.())?.ready === 450);
        const { seen } = await consume(queue, () => done, 30);
        await until(() => seen.length === 450);
        expect(seen.map(({ body }) => (body as { n: number }).n)).toEqual(Array.from({ length: 450 }, (_, n) => n));
      });

      it("a script that only publishes ends by itself", async () => {
        const { code, ms, name } = await publishInChild(url, collection); // from its publish on: how long it loads is the machine's
        expect(code).toBe(0);
        expect(ms).toBeLessThan(kind === "mongo" ? 8_000 : 6_000);
        expect((await rowsOf(name)).map(({ data }) => data)).toEqual([{ n: 1 }]);
      });
    },
  );
}

/** A process of its own, from the built package. */
async function publishInChild(url: string, collection: string) {
  const name = `q${counter++}`;
  const dist = new URL(`../../../${process.env.FUNBOOST_TEST_DIST ?? "dist"}/`, import.meta.url);
  const code = `import { boost } from ${JSON.stringify(new URL("src/index.js", dist).href)};
import { agenda } from ${JSON.stringify(new URL("adapters/agenda/broker.js", dist).href)};
const task = boost({ queue: ${JSON.stringify(name)}, params: ["n"], broker: agenda({ url: ${JSON.stringify(url)}, collection: ${JSON.stringify(collection)} }), maxRetries: 0 }, (n) => n);
await task.publishRaw({ n: 1 });
process.stdout.write("published");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  let published = Number.NaN;
  child.stdout.once("data", () => (published = performance.now()));
  const exit = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { code: exit, ms: performance.now() - published, name };
}

describe("servers that fail", () => {
  const kinds = [
    ["postgres", "POSTGRES_URL", "PostgreSQL"],
    ["redis", "REDIS_URL", "Redis"],
    ["mongodb", "MONGODB_URL", "MongoDB"],
  ] as const;

  it.each(kinds)(
    "%s: nobody there is BROKER_DOWN, with the engine and the address, and without the password",
    async (kind, _variable, engine) => {
      const broker = agenda({ url: `${kind}://me:s3cret@127.0.0.1:1/x` });
      ends.push(() => broker.close());
      const started = performance.now();
      const error = await broker
        .open({ queue: "q", options: {}, leaseMs: 1_000 })
        .catch((thrown: Error & { code?: string }) => thrown);
      expect(error).toMatchObject({ code: "BROKER_DOWN", message: expect.stringContaining(`${engine} at `) });
      expect((error as Error).message).toContain("127.0.0.1:1");
      expect(String((error as Error).stack) + String((error as Error).cause)).not.toContain("s3cret");
      expect(performance.now() - started).toBeLessThan(8_000);
    },
  );

  it.each(kinds)(
    "%s: a publish while the server is down rejects and is not sent later; afterwards all works by itself",
    async (name, variable) => {
      const server = await startPrivate(name, { durable: true });
      if (server.unavailable) return;
      ends.push(() => server.stop());
      const broker = agenda({ url: server.settings?.[variable] ?? "" });
      ends.push(() => broker.close());
      const queue = await broker.open({ queue: "q", options: {}, leaseMs: 1_000 });
      const { seen } = await consume(queue, () => done, 5);
      await queue.publish([{ body: { n: 1 } }]);
      await until(() => seen.length === 1);
      await server.kill();
      await sleep(1_000); // the threads of a Java server end a little later
      await expect(queue.publish([{ body: { n: 2 } }])).rejects.toMatchObject({ code: "BROKER_DOWN" });
      await server.restart();
      await until(() =>
        queue.publish([{ body: { n: 3 } }]).then(
          () => true,
          () => false,
        ),
      );
      await until(() => seen.length === 2);
      await sleep(300);
      expect(seen.map(({ body }) => (body as { n: number }).n)).toEqual([1, 3]);
    },
    60_000,
  );

  it("a database that is missing is BROKER_REFUSED, with the address and what to do", async (context) => {
    const [, postgres] = services[0];
    if (postgres.unavailable) return context.skip();
    const url = new URL(postgres.settings?.POSTGRES_URL ?? "");
    url.pathname = "/no_such_database";
    const broker = agenda({ url: String(url) });
    ends.push(() => broker.close());
    await expect(broker.open({ queue: "q", options: {}, leaseMs: 1_000 })).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.stringMatching(/PostgreSQL at postgres:.*no_such_database.*Check user, password, database/),
    });
  });

  it("a user that Redis does not know is BROKER_REFUSED", async (context) => {
    const [, redis] = services[1];
    if (redis.unavailable) return context.skip();
    const url = new URL(redis.settings?.REDIS_URL ?? "");
    url.username = "nobody";
    url.password = "wrong";
    const broker = agenda({ url: String(url) });
    ends.push(() => broker.close());
    await expect(broker.open({ queue: "q", options: {}, leaseMs: 1_000 })).rejects.toMatchObject({
      code: "BROKER_REFUSED",
    });
  });
});

describe("a given MongoDB backend that never answers", () => {
  it("is BROKER_DOWN, in our commands and in those of its repository", async () => {
    const never = new Promise<never>(() => {});
    const collection = { find: () => ({ toArray: () => never }), aggregate: () => ({ toArray: () => never }) };
    const backend = {
      repository: { collection, getDb: () => ({}), queryJobs: () => never },
    } as unknown as AgendaBackend;
    const time = handClock();
    ends.push(() => setClock());
    const { call, table, backend: used } = await adoptMongo(backend);
    const calls: (() => Promise<unknown>)[] = [
      () => table.first("q", 1, new Date()),
      () => table.counts("q", new Date()),
      () => used.repository.queryJobs({ ids: [] }),
    ];
    const answers = Promise.all(calls.map((each) => rejection(call(each))));
    await time.pass(10_001);
    expect((await answers).map(({ code }) => code)).toEqual(Array(3).fill("BROKER_DOWN"));
  });
});

describe("before anything is sent", () => {
  it("wrong options name what is allowed", () => {
    expect(() => agenda({ url: "mysql://me:s3cret@h/x" })).toThrow(
      /must begin with postgres:\/\/.*got "mysql:\/\/\*\*\*@h\/x"/,
    );
    expect(() => agenda({ table: "x" } as never)).toThrow(/no "table"/);
    expect(() => agenda({ backend: { name: "Files", repository: {} } as never })).toThrow(/"Files"/);
  });

  it("a url that cannot be read shows no part of its password", async () => {
    for (const url of [
      "postgres://u:pa/ss@127.0.0.1:1/x",
      "redis://u:pa/ss@127.0.0.1:1/0",
      "redis://u:pa%ss@127.0.0.1:1",
      "mongodb://u:pa/ss@127.0.0.1:1/x",
    ]) {
      const broker = agenda({ url });
      ends.push(() => broker.close());
      const error = (await broker
        .open({ queue: "q", options: {}, leaseMs: 1_000 })
        .catch((thrown: unknown) => thrown)) as Error & { code: string };
      expect(error.code).toBe(url.startsWith("mongodb") ? "BROKER_REFUSED" : "BAD_OPTION");
      expect(`${inspect(error, { depth: 9 })} ${broker.address?.()}`).not.toMatch(/pa.?ss@|ss@127/);
    }
    expect(() => agenda({ url: "mysql://u:pa/ss@h/x" })).toThrow(/"mysql:\/\/\*\*\*@h\/x"/);
  });

  it("names that are too long keep their beginning and stay apart", () => {
    const [one, two] = ["a", "b"].map((end) => jobName("q".repeat(300) + end)) as [string, string];
    expect([one.length < 256, one.startsWith("qqq"), one === two, jobName("short")]).toEqual([
      true,
      true,
      false,
      "short",
    ]);
  });

  it("tickets follow the server's clock, in order, also when the wall clock jumps", async () => {
    let server = 1_000_000;
    const time = createServerClock(async () => server);
    await time.sync();
    const tickets = Array.from({ length: 9_000 }, () => time.ticket(0));
    const places = tickets.map(({ at, rank }) => at.getTime() * 10_000 + rank);
    expect(places.every((place, i) => i === 0 || place > (places[i - 1] as number))).toBe(true);
    server -= 60_000; // it was set back
    await time.sync();
    expect(Math.abs(time.ticket(0).at.getTime() - server)).toBeLessThan(1_000);
  });
});
