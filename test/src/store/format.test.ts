/** A store that follows another contract. */
import { boost, configure } from "funboost";
import { describe, expect, it } from "vitest";
import { memory } from "../../../adapters/memory/broker.ts";
import { memoryStore } from "../../../adapters/memory/store.ts";
import type { Store } from "../../../src/contract/index.ts";

describe("a store of another contract", () => {
  it("is refused by its name, with what to do", async () => {
    const { format: _, ...first } = memoryStore();
    const broker = { ...memory(), store: async () => first as Store };
    const task = boost({ queue: "format.first", broker }, () => {});
    expect(() => configure({ store: first as Store })).toThrow(/the store "memory" has no `format`/);
    await expect(task.push()).rejects.toThrow(
      /the store "memory" has no `format`.*takes format 2\. Update the package/,
    );
    const third = { ...memoryStore(), format: 3 } as unknown as Store;
    const later = boost({ queue: "format.third", broker: { ...memory(), store: async () => third } }, () => {});
    await expect(later.push()).rejects.toThrow(/has `format` 3/);
  });
});
