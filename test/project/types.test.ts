/** Types flow from the function to push and to the result. Checked by `npm run types`; runs as an ordinary test too. */
import { boost, getOrCreate, type Handle, publisher } from "funboost";
import { describe, expectTypeOf, it } from "vitest";

describe("types", () => {
  it("push takes the function's parameters, waitResult gives its awaited return", () => {
    const task = boost({ queue: "types.plain" }, async (file: string, height: number) => `${file}_${height}`);
    expectTypeOf(task.push).parameters.toEqualTypeOf<[file: string, height: number]>();
    expectTypeOf(task.push).returns.resolves.toEqualTypeOf<Handle<string>>();
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
    expectTypeOf(curried.push).returns.resolves.toEqualTypeOf<Handle<boolean>>();
    const generic = boost({ queue: "types.generic" }, <T extends { id: number }>(value: T) => value.id);
    expectTypeOf(generic({ id: 1, more: "kept" })).toEqualTypeOf<number>();
    expectTypeOf(generic.push).returns.resolves.toEqualTypeOf<Handle<number>>();
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
    expectTypeOf(expression.push).returns.resolves.toEqualTypeOf<Handle<string>>();
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

  it("unknown options do not compile", () => {
    // @ts-expect-error no such option
    void (() => boost({ queue: "types.unknown", maxRetrys: 3 }, () => 1));
  });
});
