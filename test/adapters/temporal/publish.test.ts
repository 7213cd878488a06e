/** What a message is started with. */
import { describe, expect, it } from "vitest";
import { priorityKey } from "../../../adapters/temporal/publish.ts";

describe("priorities", () => {
  const key = (priority: number | undefined, ahead = false) =>
    priorityKey({ body: {}, ahead, ...(priority === undefined ? {} : { priority }) });
  it("bigger is sooner, none is Temporal's default, ahead is before all", () => {
    expect([
      key(-1000),
      key(-100),
      key(-99),
      key(-1),
      key(undefined),
      key(0),
      key(1),
      key(1000),
      key(-5, true),
    ]).toEqual([5, 5, 4, 4, 3, 3, 2, 2, 1]);
  });
});
