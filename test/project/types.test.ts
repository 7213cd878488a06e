/** Types flow from the function to push and to the result. Checked by `npm run types`; runs as an ordinary test too. */
import {
  asCompleted,
  type BrokerName,
  boost,
  brokerName,
  type Completed,
  configure,
  type Duration,
  getOrCreate,
  type Handle,
  type Publishing,
  publisher,
  type Task,
  type TaskParams,
  taskParams,
  waitAll,
  withLock,
  wrapBroker,
} from "funboost";
import { agenda } from "funboost/adapters/agenda";
import type {} from "funboost/adapters/bullmq";
import { memory } from "funboost/adapters/memory";
import { sqlite } from "funboost/adapters/sqlite";
import type { Broker } from "funboost/contract";
import { describe, expectTypeOf, it } from "vitest";

declare module "funboost" {
  interface Brokers {
    "types-own": { options: { depth?: number }; brokerOptions: { loud?: boolean } };
  }
}

/** Without a walk through types that contain themselves. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

describe("types", () => {
  it("push takes the function's parameters, waitResult gives its awaited return", () => {
    const task = boost({ queue: "types.plain" }, async (file: string, height: number) => `${file}_${height}`);
    expectTypeOf(task.push).parameters.toEqualTypeOf<[file: string, height: number]>();
    expectTypeOf(task.push).returns.resolves.toEqualTypeOf<Handle<string, [file: string, height: number]>>();
    expectTypeOf(task.handle("id").update).parameters.toEqualTypeOf<[args: [file: string, height: number]]>();
    expectTypeOf(task.pushMany).parameter(0).toEqualTypeOf<readonly [file: string, height: number][]>();
    expectTypeOf<ReturnType<typeof task>>().resolves.toEqualTypeOf<string>();
    // @ts-expect-error a number is no file
    void (() => task.push(1, 2));
    // @ts-expect-error one argument is missing
    void (() => task.push("a"));
    // @ts-expect-error wrong args in a list
    void (() => task.pushMany([["a", "b"]]));
  });

  it("optional, default and rest parameters keep their shape", () => {
    const optional = boost({ queue: "types.optional" }, (a: string, b?: number) => `${a}${b}`);
    expectTypeOf<Parameters<typeof optional.push>>().toEqualTypeOf<[a: string, b?: number | undefined]>();
    const withDefault = boost({ queue: "types.default" }, (a: string, b = 3) => a.repeat(b));
    expectTypeOf(withDefault.push).toBeCallableWith("a");
    expectTypeOf(withDefault.push).parameter(1).toEqualTypeOf<number | undefined>();
    const rest = boost({ queue: "types.rest" }, (a: string, ...more: number[]) => a + more.length);
    expectTypeOf(rest.push).parameters.toEqualTypeOf<[a: string, ...more: number[]]>();
  });

  it("a destructured parameter is one object", () => {
    const task = boost({ queue: "types.object" }, ({ to, cents }: { to: string; cents: number }) => ({ to, cents }));
    expectTypeOf(task.push).parameter(0).toEqualTypeOf<{ to: string; cents: number }>();
    expectTypeOf(task.handle)
      .returns.toHaveProperty("waitResult")
      .returns.resolves.toEqualTypeOf<{ to: string; cents: number }>();
    // @ts-expect-error cents is missing
    void (() => task.push({ to: "x" }));
  });

  it("curried calls and generics infer", () => {
    const curried = boost({ queue: "types.curried" })((n: number) => n > 1);
    expectTypeOf(curried.push).returns.resolves.toEqualTypeOf<Handle<boolean, [n: number]>>();
    const generic = boost({ queue: "types.generic" }, <T extends { id: number }>(value: T) => value.id);
    expectTypeOf(generic({ id: 1, more: "kept" })).toEqualTypeOf<number>();
    expectTypeOf(generic.push).returns.resolves.toEqualTypeOf<Handle<number, [value: { id: number }]>>();
  });

  it("convert answers the function's arguments", () => {
    boost({ queue: "types.convert", convert: (raw) => [String(raw), 1] }, (a: string, b: number) => a + b);
    // @ts-expect-error the second is no number
    boost({ queue: "types.convert2", convert: (raw) => [String(raw), "1"] }, (a: string, b: number) => a + b);
  });

  it("a publisher has the task's types and none of its run members", () => {
    const task = boost({ queue: "types.publisher" }, async (n: number) => [n]);
    const jobs = publisher<typeof task>({ queue: "types.publisher" });
    expectTypeOf(jobs.push).parameters.toEqualTypeOf<[n: number]>();
    expectTypeOf(jobs.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<number[]>();
    expectTypeOf(jobs).not.toHaveProperty("consume");
  });

  it("a callback in the params takes nothing away from the task", () => {
    const filter = { key: (a, b) => `${a}${b}` } satisfies { key: (a: string, b: number) => string };
    const expression = boost(
      { queue: "types.key", filter: { key: (a, b) => `${a}${b}` } },
      async function named(a: string, b: number) {
        return a.repeat(b);
      },
    );
    expectTypeOf(expression.push).parameters.toEqualTypeOf<[a: string, b: number]>();
    expectTypeOf(expression.push).returns.resolves.toEqualTypeOf<Handle<string, [a: string, b: number]>>();
    const arrow = boost({ queue: "types.key2", filter }, async (a: string, b: number) => a.repeat(b));
    expectTypeOf(arrow.push).parameters.toEqualTypeOf<[a: string, b: number]>();
    // @ts-expect-error the parameters are known
    boost({ queue: "types.key3", filter: { key: (a) => a.toFixed() } }, (a: string) => a);
    const optional = boost({ queue: "types.key4", filter: { key: (a, b) => `${a}${b}` } }, (a: string, b = 3) => a + b);
    expectTypeOf(optional.push).parameters.toEqualTypeOf<[a: string, b?: number | undefined]>();
    const other = getOrCreate({ queue: "types.key5", filter: { key: (a) => a } }, async function named(a: string) {
      return a.length;
    });
    expectTypeOf(other.push).parameters.toEqualTypeOf<[a: string]>();
  });

  it("a function whose type tells nothing is refused, in words", () => {
    const some: CallableFunction = () => 1;
    // @ts-expect-error nothing is known of its parameters
    void (() => boost({ queue: "types.function" }, some));
    // @ts-expect-error the task's type is not named
    void (() => publisher({ queue: "types.publisher" }).push(1));
  });

  it("brokers are known by name: what is none does not compile, what is registered does", () => {
    // @ts-expect-error no such broker
    void (() => boost({ queue: "types.broker", broker: "sqlit" }, () => 1));
    // @ts-expect-error a text may be any
    void ((broker: string) => boost({ queue: "types.broker", broker }, () => 1));
    boost({ queue: "types.broker", broker: "types-own" }, () => 1);
    void ((text: string) => boost({ queue: "types.broker", broker: brokerName(text) }, () => 1));
    expectTypeOf<"bullmq">().toExtend<BrokerName>();
    expectTypeOf<"types-own">().toExtend<BrokerName>();
    // @ts-expect-error no such broker
    void (() => configure({ brokers: { sqlit: {} } }));
    void (() => withLock("x", { broker: "sqlite" }, () => 1));
    // @ts-expect-error no such broker
    void (() => withLock("x", { broker: "sqlit" }, () => 1));
    // @ts-expect-error no such broker
    void (() => publisher<() => void>({ queue: "types.broker", broker: "sqlit" }));
  });

  it("brokerOptions are those of the broker, by name and by instance", () => {
    const fn = (a: string) => a;
    boost({ queue: "types.options", broker: "bullmq", brokerOptions: { job: { removeOnComplete: true } } }, fn);
    // @ts-expect-error no option of BullMQ
    void (() => boost({ queue: "types.options", broker: "bullmq", brokerOptions: { jobs: {} } }, fn));
    boost({ queue: "types.options", broker: agenda(), brokerOptions: { keepDone: true } }, fn);
    // @ts-expect-error no option of Agenda
    void (() => boost({ queue: "types.options", broker: agenda(), brokerOptions: { keepDone: 1 } }, fn));
    // @ts-expect-error memory has none
    void (() => boost({ queue: "types.options", broker: "memory", brokerOptions: { keepDone: true } }, fn));
    boost({ queue: "types.options", broker: "types-own", brokerOptions: { loud: true } }, fn);
    // @ts-expect-error a text is not true
    void (() => boost({ queue: "types.options", broker: "types-own", brokerOptions: { loud: "yes" } }, fn));
    boost({ queue: "types.options", broker: wrapBroker(agenda(), () => ({})), brokerOptions: { keepDone: true } }, fn);
    // Where the broker is known by its name only, and where it is a default's, they are any object.
    const unknownBroker = agenda() as Broker;
    boost({ queue: "types.options", broker: unknownBroker, brokerOptions: { keepDone: 1 } }, fn);
    boost({ queue: "types.options", brokerOptions: { keepDone: 1 } }, fn);
    // @ts-expect-error no option of Agenda
    void (() => getOrCreate({ queue: "types.options", broker: agenda(), brokerOptions: { keepDone: 1 } }, fn));
    // @ts-expect-error no option of Agenda
    void (() => boost({ queue: "types.options", broker: agenda(), brokerOptions: { keepDone: 1 } })(fn));
  });

  it("params of whatever broker are spread beside any broker", () => {
    const fn = (a: string) => a;
    const params: TaskParams = { queue: "types.spread", maxRetries: 3 };
    const part: Partial<TaskParams> = { maxRetries: 3 };
    for (const broker of ["memory", "sqlite", "bullmq", "agenda"] as const) {
      boost({ ...params, broker, queue: `types.spread.${broker}` }, fn);
      boost({ ...part, broker, queue: `types.part.${broker}` }, fn);
    }
    boost({ ...params, broker: "memory" }, fn);
    boost({ ...params, queue: "types.spread2", broker: "sqlite" }, fn);
    boost({ ...params, queue: "types.spread3", broker: memory() }, fn);
    boost({ ...params, queue: "types.spread4", broker: sqlite() }, fn);
    boost({ ...params, queue: "types.spread5", broker: "bullmq" }, fn);
    boost({ ...part, queue: "types.part", broker: "memory" }, fn);
    boost({ ...part, queue: "types.part2", broker: memory() }, fn);
    // @ts-expect-error memory has none
    void (() => boost({ queue: "types.options", broker: memory(), brokerOptions: { keepDone: true } }, fn));
  });

  it("configure({ brokers }) takes each broker's own options", () => {
    void (() => configure({ brokers: { bullmq: { url: process.env.REDIS_URL }, sqlite: { synchronous: "full" } } }));
    // @ts-expect-error no option of BullMQ
    void (() => configure({ brokers: { bullmq: { host: "x" } } }));
    // @ts-expect-error no such value
    void (() => configure({ brokers: { sqlite: { synchronous: "never" } } }));
    void (() => configure({ brokers: { "types-own": { depth: 3 } } }));
    // @ts-expect-error no number
    void (() => configure({ brokers: { "types-own": { depth: "3" } } }));
  });

  it("durations are numbers and texts with a unit", () => {
    const fn = () => 1;
    boost({ queue: "types.time", timeout: " .5 h", expireAfter: "1.5h ", rpc: { ttl: "10 s" }, backoff: 0 }, fn);
    boost({ queue: "types.time", qps: { count: 1, per: "1m" }, filter: { ttl: "7d" }, backoff: { base: "1s" } }, fn);
    void ((text: string) => boost({ queue: "types.time", timeout: text as Duration }, fn));
    // @ts-expect-error no unit of time
    void (() => boost({ queue: "types.time", timeout: "5 parsecs" }, fn));
    // @ts-expect-error no unit
    void (() => boost({ queue: "types.time", backoff: "5" }, fn));
    // @ts-expect-error no number
    void (() => boost({ queue: "types.time", rpc: { timeout: "soon" } }, fn));
    // @ts-expect-error two in one
    void (() => withLock("types.time", { wait: "1h30m" }, fn));
    // @ts-expect-error a text may be anything
    void ((text: string) => boost({ queue: "types.time", timeout: text }, fn));
  });

  it("arguments that JSON would change do not compile", () => {
    const task = boost({ queue: "types.sent" }, (_at: Date | string, _more?: { tags: Set<string> | string[] }) => 1);
    expectTypeOf(task).parameter(0).toEqualTypeOf<Date | string>(); // a plain call sends nothing
    void (() => task.push("2026-01-01", { tags: ["a"] }));
    // @ts-expect-error a Date
    void (() => task.push(new Date()));
    // @ts-expect-error a Set in an object
    void (() => task.push("2026-01-01", { tags: new Set("a") }));
    // @ts-expect-error a Date
    void (() => task.publish([new Date()]));
    // @ts-expect-error a Date
    void (() => task.pushMany([[new Date()]]));
    // @ts-expect-error a Date
    void (() => task.publishMany([{ args: [new Date()] }]));
    // @ts-expect-error a Date
    void (() => publisher<typeof task>({ queue: "types.sent" }).push(new Date()));
    class Money {
      cents = 1;
      plus(other: Money) {
        return this.cents + other.cents;
      }
    }
    const odd = boost(
      { queue: "types.odd" },
      (..._all: (Money | Map<string, 1> | bigint | symbol | (() => 1) | 1)[]) => {},
    );
    void (() => odd.push(1, 1));
    // @ts-expect-error an instance of a class with methods
    void (() => odd.push(new Money()));
    // @ts-expect-error a Map
    void (() => odd.push(new Map()));
    // @ts-expect-error a bigint
    void (() => odd.push(1n));
    // @ts-expect-error a symbol
    void (() => odd.push(Symbol()));
    // @ts-expect-error a function
    void (() => odd.push(() => 1));
    const bytes = boost({ queue: "types.bytes" }, (_bytes: Buffer | Uint8Array | Promise<string> | null) => {});
    void (() => bytes.push(null));
    // @ts-expect-error bytes
    void (() => bytes.push(Buffer.from("a")));
    // @ts-expect-error a promise
    void (() => bytes.push(Promise.resolve("a")));
  });

  it("arguments that JSON carries keep their types", () => {
    type Json = null | string | Json[] | { [key: string]: Json };
    interface Tree {
      readonly id: string & { readonly brand: "id" };
      readonly children?: readonly Tree[];
      readonly rest: unknown;
    }
    const task = boost({ queue: "types.kept" }, (_tree: Tree, _json: Json, _pair: readonly [a: 1, b?: "b"]) => {});
    const same: Same<Parameters<typeof task.push>, Parameters<typeof task>> = true;
    void same;
    // biome-ignore lint/suspicious/noExplicitAny: what is tested
    const loose = boost({ queue: "types.loose" }, (_any: any, _unknown: unknown, _record: Record<string, any>) => {});
    // biome-ignore lint/suspicious/noExplicitAny: what is tested
    expectTypeOf(loose.push).parameters.toEqualTypeOf<[_any: any, _unknown: unknown, _record: Record<string, any>]>();
    const each = <Args extends readonly unknown[]>(jobs: Publishing<Args, unknown>, ...args: Args) =>
      jobs.push(...args);
    void (() => each(task, { id: "a" as Tree["id"], rest: 1 }, [], [1]));
  });

  it("arguments of a type that plain values have keep it", () => {
    const task = boost(
      { queue: "types.plainly" },
      (_ids: Iterable<string>, _shown: { toString(): string }, _sized: { length: number }) => 1,
    );
    void (() => task.push(["a"], "a", "a"));
    void (() => task.push("a", 1, [1]));
  });

  it("a caller's own type parameters go through", () => {
    class Queue<T extends object> {
      private readonly task;
      constructor(queue: string, work: (job: T) => Promise<void>) {
        this.task = boost({ queue }, work);
      }
      add(job: T) {
        return this.task.push(job);
      }
      addAll(jobs: T[]) {
        return this.task.pushMany(jobs.map((job): [T] => [job]));
      }
    }
    void (() => new Queue<{ id: string }>("types.queue", async () => {}).add({ id: "a" }));
    function sender<Args extends unknown[], R>(queue: string, fn: (...args: Args) => R) {
      const task = boost({ queue }, fn);
      return (...args: Args) => task.push(...args);
    }
    expectTypeOf(sender("types.sender", (a: string, b?: number) => a.repeat(b ?? 1))).parameters.toEqualTypeOf<
      [a: string, b?: number | undefined]
    >();
    // biome-ignore lint/suspicious/noExplicitAny: what is tested
    function make<F extends (...args: any[]) => unknown>(queue: string, fn: F) {
      return [boost({ queue }, fn), getOrCreate({ queue }, fn), boost({ queue: `${queue}2` })(fn)] as const;
    }
    const [task, again, curried] = make("types.make", (at: Date | string, n: number) => [at, n]);
    void (() => [task.push("a", 1), again.push("a", 1), curried.push("a", 1)]);
    // @ts-expect-error a Date, which is known here
    void (() => task.push(new Date(), 1));
    // biome-ignore lint/suspicious/noExplicitAny: what is tested
    const push = <F extends (...args: any[]) => unknown>(to: Task<F>, ...args: Parameters<F>) => to.push(...args);
    const plain = boost({ queue: "types.push" }, (a: string) => a);
    void (() => push(plain, "a"));
    function dated<T>(fn: (at: Date, job: T) => void, job: T) {
      // @ts-expect-error a Date beside what is not known
      void (() => boost({ queue: "types.dated" }, fn).push(new Date(), job));
    }
    void dated;
  });

  it("functions with a `this` do not compile", () => {
    function owned(this: { n: number }, a: number) {
      return this.n + a;
    }
    // @ts-expect-error a task has no this
    void (() => boost({ queue: "types.this" }, owned));
    // @ts-expect-error a task has no this
    void (() => boost({ queue: "types.this" })(owned));
    const none = boost({ queue: "types.this" }, function plain(this: void, a: number) {
      return a;
    });
    expectTypeOf(none.push).parameters.toEqualTypeOf<[a: number]>();
  });

  it("shared params stay what they are, and are checked", () => {
    const shared = taskParams({
      broker: "bullmq",
      timeout: "30s",
      rpc: { ttl: "1h" },
      log: "error",
      errors: [TypeError],
    });
    const task = boost({ ...shared, queue: "types.shared", maxRetries: 1 }, async (a: string) => a.length);
    expectTypeOf(task.push).parameters.toEqualTypeOf<[a: string]>();
    void (() => publisher<typeof task>({ queue: "types.shared", ...taskParams({ broker: agenda(), params: ["a"] }) }));
    void ((text: string) =>
      boost({ ...taskParams({ broker: brokerName(text), use: [(_task, next) => next()] }), queue: "q" }, () => 1));
    // @ts-expect-error no option of BullMQ
    void (() => boost({ ...shared, queue: "types.shared", brokerOptions: { jobs: {} } }, () => 1));
    // @ts-expect-error no such option
    void (() => taskParams({ maxRetrys: 1 }));
    const own = taskParams({ broker: "bullmq", brokerOptions: { job: { removeOnComplete: true } } });
    boost({ ...own, queue: "types.shared.own" }, () => 1);
    taskParams({ broker: agenda(), brokerOptions: { keepDone: true } });
    taskParams({ broker: "memory", brokerOptions: {} });
    taskParams({ brokerOptions: { whatever: 1 } });
    void ((broker: "bullmq" | "memory") => taskParams({ broker, brokerOptions: { job: {} } }));
    void ((broker: Broker) => taskParams({ broker, brokerOptions: { whatever: 1 } }));
    // @ts-expect-error no option of BullMQ
    void (() => taskParams({ broker: "bullmq", brokerOptions: { jobs: 1 } }));
    // @ts-expect-error no option of BullMQ, beside one that is
    void (() => taskParams({ broker: "bullmq", brokerOptions: { job: {}, jobs: 1 } }));
    // @ts-expect-error no option of Agenda
    void (() => taskParams({ broker: agenda(), brokerOptions: { keepdone: true } }));
    // @ts-expect-error no unit of time
    void (() => taskParams({ timeout: "5 parsecs" }));
    // @ts-expect-error no such broker
    void (() => taskParams({ broker: "sqlit" }));
  });

  it("waits for handles of different types give a tuple, and a union", () => {
    const text = boost({ queue: "types.wait" }, async (a: string) => a);
    const count = boost({ queue: "types.wait2" }, (a: number) => a);
    void (async () => {
      const many = await waitAll(await text.pushMany([["a"]]));
      expectTypeOf(many).toEqualTypeOf<string[]>();
      const [a, b] = [await text.push("a"), await count.push(1)];
      expectTypeOf(await waitAll([a, b], { timeout: "5s" })).toEqualTypeOf<[string, number]>();
      expectTypeOf(await waitAll([a, b] as const)).toEqualTypeOf<[string, number]>();
      const mixed: (Handle<string> | Handle<number>)[] = [a, b];
      expectTypeOf(await waitAll(mixed)).toEqualTypeOf<(string | number)[]>();
      const some: readonly Handle<string>[] = [a];
      expectTypeOf(await waitAll(some)).toEqualTypeOf<string[]>();
      for await (const done of asCompleted([a, b])) {
        expectTypeOf(done).toEqualTypeOf<Completed<string> | Completed<number>>();
        if ("value" in done) expectTypeOf(done.value).toEqualTypeOf<string | number>();
      }
      for await (const done of asCompleted(some)) expectTypeOf(done).toEqualTypeOf<Completed<string>>();
      expectTypeOf(await waitAll<string>([a])).toEqualTypeOf<string[]>();
      for await (const done of asCompleted<string>(some)) expectTypeOf(done).toEqualTypeOf<Completed<string>>();
      // @ts-expect-error no handle
      await waitAll([a, 1]);
    });
  });

  it("unknown options do not compile", () => {
    // @ts-expect-error no such option
    void (() => boost({ queue: "types.unknown", maxRetrys: 3 }, () => 1));
  });
});
