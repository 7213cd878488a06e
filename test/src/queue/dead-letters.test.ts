/** The dead-letter queue that is set for all tasks. */
import { boost, configure, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { until } from "../../support/consuming.ts";

afterEach(() => shutdown({ grace: 100 }));

describe("a default dead-letter queue", () => {
  it("does not feed the task that consumes it", async () => {
    configure({ defaults: { deadLetter: "graveyard", maxRetries: 0 }, log: { level: "silent" } });
    const broker = memory();
    let runs = 0;
    const graveyard = boost({ queue: "graveyard", broker, params: [] }, () => {
      runs++;
      throw new Error("no peace");
    });
    await graveyard.consume();
    await graveyard.push();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(runs).toBe(1);
  });
});

it("what an engine has parsed and nobody can write again is a dead letter too, as text", async () => {
  configure({ log: { level: "silent" } });
  const deep = `{"tree":${"[".repeat(20_000)}${"]".repeat(20_000)},"n":1}`;
  const broker = wrapBroker(memory(), (queue) => ({
    consume: (handler, options) =>
      queue.consume(
        (delivery) => handler({ ...delivery, body: JSON.parse(String(delivery.body)) as unknown }),
        options,
      ),
  }));
  let runs = 0;
  const job = boost({ queue: "parsed", broker, params: ["tree", "n"] }, (_tree: unknown, _n: number) => void runs++);
  await job.consume();
  await job.publishRaw(deep);
  await until(async () => (await job.deadLetters.count()) === 1);
  const [letter] = await job.deadLetters.list();
  expect(letter?.body).toMatchObject({ raw: deep, extra: { reason: expect.stringContaining("nested too deep") } });
  expect([runs, await job.count()]).toEqual([0, 0]);
});
