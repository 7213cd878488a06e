/** What the Temporal adapter's options may be. */
import { describe, expect, it } from "vitest";
import { temporal } from "../../../adapters/temporal/broker.ts";
import { checkMessage, checkSpec } from "../../../adapters/temporal/options.ts";

describe("options", () => {
  it.each([
    [{}, "127.0.0.1:7233"],
    [{ address: "t.example" }, "t.example:7233"],
    [{ url: "temporal://t.example:7000/" }, "t.example:7000"],
    [{ address: "[::1]" }, "[::1]:7233"],
  ])("%j connects to %s", (options, text) => expect(temporal(options).address?.()).toBe(text));
  it.each([
    { adress: "x" },
    { mode: "fast" },
    { address: "me:secret@host" },
    { address: "a b" },
    { address: 7233 },
    { address: "host:0" },
    { address: "host:99999" },
    { tls: "yes" },
    { apiKey: "" },
    { apiKey: 5 },
    { metadata: { a: 5 } },
    null,
    [],
    { url: "redis://host" },
    { namespace: "" },
    { orchestrator: "" },
    { orchestrator: "funboost.pause" },
    { bundle: {} },
    { bundle: "file.js" },
  ])("%j is refused", (options) => {
    const make = () => temporal(options as never);
    expect(make).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
    expect(make).not.toThrow(/secret@/);
  });
  it.each([
    [{ mode: "auto" }, 0, true],
    [{ sumary: "x" }, 0, true],
    [{ mode: "activity" }, 0, false],
    [{ mode: "activity" }, 5, true],
  ])(
    "%j of a message with a delay of %d is refused where standalone activities are %s and have no delay",
    (native, delayMs, standalone) => {
      const queue = {
        queue: "q",
        client: { server: { standalone, standaloneDelay: false }, target: { address: "t.example:7233" } },
      };
      expect(() => checkMessage(queue as never, { body: {}, delayMs, native })).toThrow(
        expect.objectContaining({ code: "BAD_OPTION" }),
      );
      expect(
        checkMessage(queue as never, { body: {}, delayMs, native: { mode: "workflow", summary: "x" } }),
      ).toBeUndefined();
    },
  );
});

describe("brokerOptions", () => {
  const check = (options: Record<string, unknown>) =>
    checkSpec({ queue: "q", options, leaseMs: 1_000 }, "orchestrator");
  it("take a mode and Temporal's own rate", () =>
    expect(check({ mode: "workflow", maxTaskQueueActivitiesPerSecond: 0.5 }).mode).toBe("workflow"));
  it.each([
    { worker: {} },
    { mode: "fast" },
    { maxTaskQueueActivitiesPerSecond: 0 },
    { maxTaskQueueActivitiesPerSecond: "5" },
  ])("%j is refused", (options) => {
    expect(() => check(options)).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", message: expect.stringContaining('brokerOptions of "q"') }),
    );
  });
});
