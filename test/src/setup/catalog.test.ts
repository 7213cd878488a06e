/** registerBroker, brokerName, wrapBroker. */
import { boost, brokerName, configure, registerBroker, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";

const store = memoryStore();
configure({ signals: false, log: { level: "silent" }, store });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

describe("a broker of one's own", () => {
  it("is known by its name, with its options", async () => {
    const made: unknown[] = [];
    registerBroker("my-memory", (options) => {
      made.push(options);
      return memory();
    });
    const task = boost({ queue: "own", broker: brokerName("my-memory"), rpc: true }, (n: number) => n + 1);
    await task.consume();
    expect(await (await task.push(1)).waitResult()).toBe(2);
    expect(made).toEqual([undefined]);
    expect(() => registerBroker("my-memory", memory)).toThrow(/already/);
    expect(() => registerBroker("My Memory", memory)).toThrow(/lower-case/);
    expect(() => registerBroker("memory", memory)).toThrow(/already/);
    expect(() => registerBroker("x", 5 as never)).toThrow(/got 5/);
  });

  it("is named by a text that is known when the program runs, or all names are said", () => {
    expect(brokerName("memory")).toBe("memory");
    registerBroker("late", memory);
    expect(brokerName("late")).toBe("late");
    expect(() => brokerName("sqlit")).toThrow(
      expect.objectContaining({
        code: "BAD_OPTION",
        message: expect.stringMatching(
          /^\[funboost\] There is no broker "sqlit"\. Did you mean "sqlite"\? Known: agenda, .*, memory, sqlite, temporal/,
        ),
      }),
    );
    for (const none of [undefined, "", 5, "toString"]) expect(() => brokerName(none as never)).toThrow(/Known: agenda/);
  });

  it("may be a shipped one with a changed call", async () => {
    const sent: number[] = [];
    const broker = wrapBroker(memory(), (queue, name) => ({
      publish: async (messages) => {
        if (name === "wrapped") sent.push(messages.length);
        return queue.publish(messages);
      },
    }));
    const task = boost({ queue: "wrapped", broker, rpc: true }, (n: number) => n + 1);
    await task.consume();
    expect(await (await task.push(1)).waitResult()).toBe(2);
    expect(sent).toEqual([1]);
  });

  it("is refused when it is none, with what is needed", async () => {
    registerBroker("nothing", () => undefined as never);
    await expect(boost({ queue: "none", broker: brokerName("nothing") }, () => 1).push()).rejects.toMatchObject({
      code: "BAD_OPTION",
      message:
        '[funboost] the factory of "nothing" answered undefined. Needed: a broker, with name, features, open() ' +
        "and close().",
    });
    const { features: _, ...half } = memory();
    expect(() => boost({ queue: "half", broker: half as never }, () => 1)).toThrow(/"broker" is an object/);
    expect(() => wrapBroker(5 as never, () => ({}))).toThrow(
      /wrapBroker\(\) takes a broker as its first argument, got 5/,
    );
    expect(() => wrapBroker(memory(), 5 as never)).toThrow(
      /wrapBroker\(\) takes a function \(queue, name\) => changes, got 5/,
    );
    const silent = wrapBroker(memory(), () => undefined as never);
    await expect(boost({ queue: "silent", broker: silent }, () => 1).push()).rejects.toThrow(
      /answered undefined.*calls to replace, or \{\}/,
    );
  });
});
