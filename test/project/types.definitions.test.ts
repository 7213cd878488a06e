/** Types flow from a schema, and from a definition, to push, to the function and to the result. */
import { type as ark } from "arktype";
import { boost, defineTask, getOrCreate, publisher, type Schema, type Task, type TaskDefinition } from "funboost";
import { memory } from "funboost/adapters/memory";
import * as v from "valibot";
import { describe, expectTypeOf, it } from "vitest";
import * as z from "zod";

const dated = z.object({ at: z.coerce.date<string>(), times: z.number().default(3) });

describe("input", () => {
  it("zod: push takes its input, the function its output, which is inferred", () => {
    const task = boost({ queue: "input.zod", input: dated }, (order) => {
      expectTypeOf(order).toEqualTypeOf<{ at: Date; times: number }>();
      return order.at.getTime();
    });
    expectTypeOf(task.push).parameters.toEqualTypeOf<[arg: { at: string; times?: number | undefined }]>();
    expectTypeOf(task).parameter(0).toEqualTypeOf<{ at: Date; times: number }>();
    expectTypeOf(task.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<number>();
    expectTypeOf(task.publish).parameter(0).toEqualTypeOf<[arg: { at: string; times?: number | undefined }]>();
    const jobs = publisher<typeof task>({ queue: "input.zod", input: dated });
    expectTypeOf(jobs.push).parameters.toEqualTypeOf<[arg: { at: string; times?: number | undefined }]>();
    expectTypeOf(jobs.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<number>();
    // @ts-expect-error a Date is none of what the schema takes
    void (() => task.push({ at: new Date() }));
    // @ts-expect-error the function is called plainly with what the schema makes
    void (() => task({ at: "2026-11-30" }));
  });

  it("valibot and arktype: the same", () => {
    const toDate = v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
    );
    const ofValibot = boost({ queue: "input.v", input: v.object({ at: toDate }) }, ({ at }) => at.getTime());
    expectTypeOf(ofValibot.push).parameters.toEqualTypeOf<[arg: { at: string }]>();
    const ofArktype = boost({ queue: "input.a", input: ark({ at: "string.date.parse" }) }, async ({ at }) =>
      at.getTime(),
    );
    expectTypeOf(ofArktype.push).parameters.toEqualTypeOf<[arg: { at: string }]>();
    expectTypeOf(ofArktype.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<number>();
  });

  it("a tuple of two and more is the list of arguments, all else the one argument", () => {
    const input = z.tuple([z.string(), z.coerce.number<string>().default(3)]);
    const task = boost({ queue: "input.tuple", input }, (text, times) => text.repeat(times));
    expectTypeOf(task.push).toBeCallableWith("a");
    expectTypeOf(task.push).toBeCallableWith("a", "3");
    // @ts-expect-error a text is asked for
    void (() => task.push("a", 3));
    const more = boost({ queue: "input.more", input: z.tuple([z.string()], z.number()) }, (text, ...all) => {
      expectTypeOf(all).toEqualTypeOf<number[]>();
      return text;
    });
    expectTypeOf(more.push).parameters.toEqualTypeOf<[string, ...number[]]>();
    const list = boost({ queue: "input.list", input: z.array(z.number()) }, (all) => all.length);
    expectTypeOf(list.push).parameters.toEqualTypeOf<[arg: number[]]>();
    const single = boost({ queue: "input.single", input: z.tuple([z.number()]) }, (list) => list[0]);
    expectTypeOf(single.push).parameters.toEqualTypeOf<[arg: [number]]>();
    const maybe = boost({ queue: "input.maybe", input: z.string().default("x") }, (text) => text);
    expectTypeOf(maybe.push).parameters.toEqualTypeOf<[arg?: string | undefined]>();
  });

  it("which of the two it is, what the schema takes decides", () => {
    const spread = z.object({ a: z.string() }).transform(({ a }): [string, number] => [a, a.length]);
    const one = boost({ queue: "input.spread", input: spread }, (pair) => pair[0].repeat(pair[1]));
    expectTypeOf(one).parameters.toEqualTypeOf<[pair: [string, number]]>();
    expectTypeOf(one.push).parameters.toEqualTypeOf<[arg: { a: string }]>();
    const defined = defineTask({ queue: "input.spread2", input: spread });
    boost({ ...defined }, (pair) => expectTypeOf(pair).toEqualTypeOf<[string, number]>());
    const upper = z.tuple([z.string(), z.number()]).transform(([a, n]): [string, Date] => [a, new Date(n)]);
    const two = boost({ queue: "input.list2", input: upper }, (a, at) => a + at.getTime());
    expectTypeOf(two.push).parameters.toEqualTypeOf<[string, number]>();
    const packed = z.tuple([z.string(), z.number()]).transform(([a, n]) => ({ a, n }));
    // @ts-expect-error a list of arguments must stay one
    void (() => boost({ queue: "input.packed", input: packed }, ({ a, n }: { a: string; n: number }) => a + n));
  });

  it("beside a definition with types: it must take what callers send, and the function gets what it makes", () => {
    const definition = defineTask<(at: string) => Promise<number>>({ queue: "input.beside", params: ["at"] });
    const task = boost({ ...definition, input: z.coerce.date<string>() }, async (at) => at.getTime());
    expectTypeOf(task).parameters.toEqualTypeOf<[arg: Date]>();
    expectTypeOf(task.push).parameters.toEqualTypeOf<[at: string]>();
    // @ts-expect-error the result is a number
    void (() => boost({ ...definition, input: z.coerce.date<string>() }, async (at) => at.toISOString()));
    // @ts-expect-error callers send a text
    void (() => boost({ ...definition, input: z.number() }, async (at) => at));
  });

  it("a schema that does not fit the function does not compile", () => {
    const takesText = (order: { at: string }) => order;
    // @ts-expect-error the schema makes a Date
    void (() => boost({ queue: "input.misfit", input: dated }, takesText));
    const takesTwo = (a: { at: Date }, b: number) => [a, b];
    // @ts-expect-error the schema makes one argument
    void (() => boost({ queue: "input.misfit2", input: dated }, takesTwo));
    const takesTexts = (a: string, b: string) => a + b;
    const pair = z.tuple([z.string(), z.number()]);
    // @ts-expect-error the second is a number
    void (() => boost({ queue: "input.misfit3", input: pair }, takesTexts));
    // @ts-expect-error the same for queues made at run time
    void (() => getOrCreate({ queue: "input.misfit4", input: dated }, takesText));
    const day = boost({ queue: "input.date", input: z.object({ at: z.date() }) }, ({ at }) => at.getTime());
    // @ts-expect-error the schema takes a Date only, and none can be sent
    void (() => day.push({ at: new Date() }));
    // @ts-expect-error an option that does not exist, beside a schema
    void (() => boost({ queue: "input.unknown", input: dated, maxRetrys: 3 }, () => 1));
  });

  it("filter and convert have what travels; a schema without types fits any function", () => {
    const input = z.tuple([z.string(), z.coerce.date<string>()]);
    const filter = { key: (text: string, at: string) => text + at };
    boost({ queue: "input.filter", input, filter, convert: (raw) => [String(raw), "2026"] }, (text, at) => [text, at]);
    // @ts-expect-error a Date does not travel
    void (() => boost({ queue: "input.convert", input, convert: () => ["a", new Date()] }, (a, b) => [a, b]));
    const any: Schema = input;
    const task = boost({ queue: "input.any", input: any }, (text: string, n = 3) => text.repeat(n));
    expectTypeOf(task.push).parameters.toEqualTypeOf<[text: string, n?: number | undefined]>();
    const curried = boost({ queue: "input.curried", input: dated })((order) => order.at);
    expectTypeOf(curried.push).parameters.toEqualTypeOf<[arg: { at: string; times?: number | undefined }]>();
  });
});

const mail = defineTask<(to: string, subject: string) => Promise<number>>({
  queue: "mail",
  broker: "memory",
  params: ["to", "subject"],
  rpc: true,
  maxRetries: 5,
  backoff: "1s",
});
const signup = defineTask({ queue: "signup", input: dated, output: z.object({ id: z.number() }) });

describe("defineTask", () => {
  it("gives the function its parameters, with a spread and without", () => {
    const send = boost({ ...mail, concurrency: 4 }, async (to, subject) => {
      expectTypeOf([to, subject]).toEqualTypeOf<string[]>();
      return 1;
    });
    expectTypeOf(send.push).parameters.toEqualTypeOf<[to: string, subject: string]>();
    expectTypeOf(send.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<number>();
    boost(mail, (to, _subject) => to.length);
    const key = boost({ ...mail, filter: { key: (to, subject) => to + subject } }, async function named(to, subject) {
      return to.length + subject.length;
    });
    expectTypeOf(key.push).parameters.toEqualTypeOf<[to: string, subject: string]>();
    // @ts-expect-error subject is a text
    void (() => boost({ ...mail }, async (_to, subject: number) => subject));
    // @ts-expect-error the result is a number
    void (() => boost({ ...mail }, async (to, subject) => to + subject));
    // @ts-expect-error an option that does not exist
    void (() => boost({ ...mail, concurency: 4 }, async () => 1));
  });

  it("gives the publisher its types", () => {
    const mails = publisher(mail);
    expectTypeOf(mails.push).parameters.toEqualTypeOf<[to: string, subject: string]>();
    expectTypeOf(mails.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<number>();
    expectTypeOf(publisher({ ...mail, log: false }).push).parameters.toEqualTypeOf<[to: string, subject: string]>();
    // @ts-expect-error subject is a text
    void (() => mails.push("a", 5));
    // @ts-expect-error it does not consume
    void (() => mails.consume());
  });

  it("from schemas: push takes what they take, the function gets and answers what they make and take", () => {
    const task = boost({ ...signup, timeout: "1m" }, async ({ at, times }) => ({ id: at.getTime() * times }));
    expectTypeOf(task.push).parameters.toEqualTypeOf<[arg: { at: string; times?: number | undefined }]>();
    expectTypeOf(publisher(signup).push).parameters.toEqualTypeOf<[arg: { at: string; times?: number | undefined }]>();
    expectTypeOf(publisher(signup).handle)
      .returns.toHaveProperty("waitResult")
      .returns.resolves.toEqualTypeOf<{ id: number }>();
    // @ts-expect-error the result has an id
    void (() => boost({ ...signup }, async () => ({ name: "x" })));
    const plain = defineTask({ queue: "plain", input: v.object({ n: v.number() }) });
    const one = boost({ ...plain }, async ({ n }) => n);
    expectTypeOf(one.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<number>();
    expectTypeOf(publisher(plain).push).parameters.toEqualTypeOf<[arg: { n: number }]>();
  });

  it("what it answers is TaskDefinition of the function", () => {
    const named: TaskDefinition<(to: string, subject: string) => Promise<number>> = mail;
    boost({ ...named, queue: "mail.named" }, async (to, subject) => to.length + subject.length);
    const tasks: Record<string, TaskDefinition> = { mail, signup };
    void tasks;
  });

  it("is spread beside another broker", () => {
    const plain = defineTask<(a: string) => number>({ queue: "spread" });
    boost({ ...plain, broker: memory() }, (a) => a.length);
    boost({ ...plain, queue: "spread2", broker: "memory" }, (a) => a.length);
    boost({ ...plain, queue: "spread3", broker: "sqlite" }, (a) => a.length);
  });

  it("a function that answers something fits where nothing is made of it", () => {
    const list: string[] = [];
    const add = boost({ ...defineTask<(a: string) => void>({ queue: "void" }) }, (a) => list.push(a));
    expectTypeOf(add.push).parameters.toEqualTypeOf<[a: string]>();
    expectTypeOf(add.handle).returns.toHaveProperty("waitResult").returns.resolves.toEqualTypeOf<void>();
    boost({ ...defineTask<(a: string) => Promise<void>>({ queue: "void2" }) }, async (a) => list.push(a));
  });

  it("a schema beside a function's type must fit it", () => {
    defineTask<(user: { name: string }) => Promise<void>>({ queue: "both", input: z.object({ name: z.string() }) });
    // @ts-expect-error the schema takes a text and makes a Date of it
    void (() => defineTask<(at: { at: Date }) => void>({ queue: "both", input: dated }));
    // @ts-expect-error only a run has it
    void (() => defineTask({ queue: "run", concurrency: 4 }));
  });

  it("without types it leaves them to the function", () => {
    const untyped = defineTask({ queue: "untyped" });
    const task = boost({ ...untyped }, (n: number, text = "a") => text.repeat(n));
    expectTypeOf(task.push).parameters.toEqualTypeOf<[n: number, text?: string | undefined]>();
    // @ts-expect-error nothing is known of its arguments
    void (() => publisher(untyped).push(1));
    expectTypeOf(publisher({ queue: "untyped", input: dated }).push)
      .parameter(0)
      .toHaveProperty("at");
  });

  it("a task's type names what push takes", () => {
    const named: Task<(order: { at: Date; times: number }) => number, [arg: { at: string }]> = boost(
      { queue: "named", input: z.object({ at: z.coerce.date<string>(), times: z.number().default(1) }) },
      (order) => order.times,
    );
    expectTypeOf(named.push).parameters.toEqualTypeOf<[arg: { at: string }]>();
  });
});

describe("job", () => {
  it("is taken by boost(), defineTask(), publisher() and shared params, and is a text", () => {
    const follow = defineTask<(from: string) => number>({ queue: "types.jobs", job: "follow", params: ["from"] });
    const task = boost({ ...follow, broker: memory() }, (from) => from.length);
    expectTypeOf(task.push).parameters.toEqualTypeOf<[from: string]>();
    expectTypeOf(publisher(follow).push).parameters.toEqualTypeOf<[from: string]>();
    expectTypeOf(task.job).toEqualTypeOf<string | undefined>();
    // @ts-expect-error a name is a text
    void (() => boost({ queue: "types.jobs", job: 5 }, () => {}));
  });
});
