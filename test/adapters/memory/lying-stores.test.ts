/** The store suite finds each store that breaks the contract, by the case that says so. */
import { describe, expect, it } from "vitest";
import { memoryStore } from "../../../adapters/memory/store.ts";
import { contractLies } from "../../support/contract-lies.ts";
import { storeCases } from "../../support/store-cases.ts";

describe("a store that", () => {
  it.each(Object.entries(contractLies))("%s is found", async (_, { noticedBy, lie }) => {
    const check = storeCases[noticedBy];
    if (!check) throw new Error(`there is no case "${noticedBy}"`);
    const honest = memoryStore();
    await check({ store: honest, other: honest, open: async () => honest });
    const inner = memoryStore();
    const liar = { ...inner, ...lie(inner) };
    await expect(check({ store: liar, other: liar, open: async () => liar })).rejects.toThrow();
  });
});
