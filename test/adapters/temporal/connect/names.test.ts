/** Queues and ids as Temporal sees them. */
import { describe, expect, it } from "vitest";
import { checkQueue, engineId, prefixOf, quoted } from "../../../../adapters/temporal/connect/names.ts";

describe("names", () => {
  it("a queue and an id are told apart in what Temporal sees, whatever they hold", () => {
    expect(engineId(prefixOf("a"), "b:c")).not.toBe(engineId(prefixOf("a:b"), "c"));
    expect(engineId(prefixOf("a%3Ab"), "c")).not.toBe(engineId(prefixOf("a:b"), "c"));
  });
  it.each(["", "/_sys/x", "__temporal_x", "x".repeat(960), "ü".repeat(490), "\ud800", "taken"])(
    "the queue name %j is refused",
    (name) => {
      expect(() => checkQueue(name, ["taken"])).toThrow(expect.objectContaining({ code: "BAD_QUEUE" }));
    },
  );
  it("the longest queue name leaves room for an id of ours", () => {
    const longest = "x".repeat(957);
    checkQueue(longest, []);
    expect(() => checkQueue(`${longest}x`, [])).toThrow();
    expect(Buffer.byteLength(engineId(prefixOf(longest), "0".repeat(36)))).toBe(1_000);
  });
  it.each(["", "x".repeat(1_000), "\udc00"])("the id %j is refused", (id) => {
    expect(() => engineId(prefixOf("q"), id)).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  });
  it("quotes cannot leave a visibility query", () => expect(quoted("a' OR '\\")).toBe("'a\\' OR \\'\\\\'"));
});
