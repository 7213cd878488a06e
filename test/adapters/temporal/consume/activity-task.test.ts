/** What a delivery has of the task that a poll brought. */
import { describe, expect, it } from "vitest";
import { toPayload } from "../../../../adapters/temporal/connect/payload.ts";
import { toActivityTask, toDelivery } from "../../../../adapters/temporal/consume/activity-task.ts";

describe("a polled task", () => {
  const answerOf = (more: Record<string, unknown>) =>
    ({ taskToken: new Uint8Array([1]), attempt: 1, activityId: "a", activityRunId: "r", ...more }) as never;
  const payloads = (...values: unknown[]) => ({ payloads: values.map((value) => toPayload(value)) });
  const delivery = (more: Record<string, unknown>) =>
    toDelivery("q", toActivityTask(answerOf(more)), { attempt: 1, crashes: 0 }, undefined);
  const workflow = (workflowId: string, name = "q") => ({
    workflowExecution: { workflowId, runId: "r" },
    workflowType: { name },
  });
  it("of ours has our id; of others, what tells it apart", () => {
    expect(delivery({ activityId: "boost:q:7" }).id).toBe("7");
    expect(delivery(workflow("boost:q:7")).id).toBe("7");
    expect(delivery({ activityId: "theirs" }).id).toBe("theirs");
    expect(delivery(workflow("boost:q:7", "theirs")).id).toBe("boost:q:7/a");
  });
  it("has one argument as its body, several as a list", () => {
    expect(delivery({ input: payloads({ n: 1 }) }).body).toEqual({ n: 1 });
    expect(delivery({ input: payloads({ n: 1 }, { funboost: { leaseMs: 1, publishedAt: 5 } }) })).toMatchObject({
      body: { n: 1 },
      publishedAt: 5,
    });
    expect(delivery({ input: payloads(1, 2) }).body).toEqual([1, 2]);
  });
  it("keeps as text what no value can be made of", () => {
    const foreign = (text: string) => [{ metadata: { encoding: Buffer.from("json/plain") }, data: Buffer.from(text) }];
    for (const text of ["{no json", `[${"9".repeat(5_000)}]`])
      expect(delivery({ input: { payloads: foreign(text) } }).body).toBe(text);
    expect(delivery({ input: { payloads: foreign("null") } }).body).toBe(null);
  });
  it("cannot be given back where this is its last attempt", () => {
    const isLast = (attempt: number, maximumAttempts: number) =>
      toActivityTask(answerOf({ attempt, retryPolicy: { maximumAttempts } })).isLast;
    expect([isLast(1, 1), isLast(1, 2), isLast(2, 2), isLast(9, 0)]).toEqual([true, false, true, false]);
  });
});
