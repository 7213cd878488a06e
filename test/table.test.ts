/** The README tells what the adapters declare, and the kit proves what they declare. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { catalogBrokers, tableOf, withTable } from "../scripts/table.ts";
import type { Features } from "../src/contract/index.ts";
import { allCases } from "./conformance/index.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

describe("the table of brokers and features", () => {
  it("is in the README as the adapters declare it (npm run table writes it)", async () => {
    expect(readme).toBe(withTable(readme, tableOf(await catalogBrokers())));
  });

  it("would differ if an adapter declared something else", async () => {
    const [first, ...others] = await catalogBrokers();
    if (!first) throw new Error("the catalog is empty");
    const changed = { ...first, features: { ...first.features, durable: !first.features.durable } };
    expect(tableOf([changed, ...others])).not.toBe(tableOf([first, ...others]));
  });

  it("says where its marks belong when the README has none", () => {
    expect(() => withTable("# no marks", "")).toThrow("<!-- brokers:start -->");
  });

  it("holds nothing that no case proves", async () => {
    const proven = new Set(allCases.flatMap(({ feature, needs = [] }) => [...needs, ...(feature ? [feature] : [])]));
    for (const { name, features } of await catalogBrokers()) {
      const declared = (Object.keys(features) as (keyof Features)[]).filter((feature) => features[feature]);
      expect(
        declared.filter((feature) => !proven.has(feature)),
        name,
      ).toEqual([]);
    }
  });
});
