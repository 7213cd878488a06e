/** Trace context from publisher to run to children. */
import { AsyncLocalStorage } from "node:async_hooks";
import { boost, configure, fct, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, expect, it } from "vitest";

const tracer = new AsyncLocalStorage<string>();
afterEach(() => shutdown({ grace: 100 }));

it("goes on from a task to its children; the message's own headers win", async () => {
  configure({ signals: false, log: { level: "silent" } });
  const broker = memory();
  const child = boost({ queue: "trace.child", broker, rpc: true }, () => ({ ...fct.headers }));
  const parent = boost({ queue: "trace.parent", broker, rpc: true }, async () => [
    await (await child.push()).waitResult(),
    await (await child.publish([], { headers: { traceparent: "own", more: "1" } })).waitResult(),
  ]);
  await child.consume();
  await parent.consume();
  const handle = await parent.publish([], { headers: { traceparent: "00-a-b-01", tracestate: "x=1", private: "no" } });
  expect(await handle.waitResult()).toEqual([
    { traceparent: "00-a-b-01", tracestate: "x=1" },
    { traceparent: "own", tracestate: "x=1", more: "1" },
  ]);
});

it("is what the application's tracer says, on both sides", async () => {
  configure({
    signals: false,
    log: { level: "silent" },
    trace: {
      inject: () => (tracer.getStore() ? { traceparent: tracer.getStore() as string } : (undefined as never)),
      run: (headers, work) => tracer.run(`child of ${headers.traceparent}`, work),
    },
  });
  const task = boost({ queue: "trace.own", broker: memory(), rpc: true }, async () => tracer.getStore());
  await task.consume();
  expect(await (await tracer.run("web request", () => task.push())).waitResult()).toBe("child of web request");
  expect(await (await task.push()).waitResult()).toBe("child of undefined");
  expect(() => configure({ trace: { inject: 5 } as never })).toThrow();
});
