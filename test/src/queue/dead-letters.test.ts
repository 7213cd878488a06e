/** The dead-letter queue that is set for all tasks. */
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";

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
