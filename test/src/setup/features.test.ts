/** task.features(): who does what. */
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import type { Broker } from "funboost/contract";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, expect, it } from "vitest";
import { bareBroker } from "../../support/bare-broker.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

const of = (broker: Broker) => boost({ queue: "features", broker, maxRetries: 0 }, () => {}).features();

it("tells what an engine does by itself", async () => {
  expect(await of(memory())).toMatchObject({ delay: "native", retry: "native", durable: "no" });
});

it("tells what is done around it, and what nobody can do without a store", async () => {
  const store = memoryStore();
  expect(await of({ ...bareBroker(), store: async () => store })).toMatchObject({
    ids: "emulated",
    delay: "emulated",
    priority: "emulated",
    durable: "no",
  });
  expect(await of(bareBroker())).toMatchObject({ ids: "emulated", priority: "emulated", delay: "no", pause: "no" });
});
