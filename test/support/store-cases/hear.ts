/** What a store promises that tells of results by a call. */
import { expect } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import type { StoreCase } from "./case.ts";

const put = ({ results }: Store, id: string, outcome: string) => results.put("q", [{ id, outcome, ttlMs: 10_000 }]);

/** What was heard, in order. */
function ear({ results }: Store) {
  const heard: (string | Error)[] = [];
  const hear = (id: string) => results.wait.hear?.("q", id, (outcome) => heard.push(outcome)) ?? (() => {});
  const told = async (count: number) => {
    for (let n = 0; n < 400 && heard.length < count; n++) await sleep(5);
    await sleep(20); // nothing more comes
    return heard;
  };
  return { hear, told };
}

export const hearCases: Readonly<Record<string, StoreCase>> = {
  "tells all who hear, once, of what is there and of what comes": async ({ store, other }) => {
    if (!store.results.wait.hear) return;
    const { hear, told } = ear(store);
    await put(other, "1", "one");
    for (const id of ["1", "1", "2", "2", "2"]) hear(id);
    expect(await told(2)).toEqual(["one", "one"]);
    await put(other, "2", "two");
    expect(await told(5)).toEqual(["one", "one", "two", "two", "two"]);
  },
  "tells nobody who hears no more, and goes on telling others": async ({ store, other }) => {
    if (!store.results.wait.hear) return;
    const { hear, told } = ear(store);
    const [first, , last] = [hear("1"), hear("1"), hear("1"), hear("2")];
    first();
    last?.();
    await sleep(30);
    hear("2")();
    await put(other, "1", "one");
    await put(store, "2", "two");
    expect([...(await told(2))].sort()).toEqual(["one", "two"]);
  },
  "tells who hears that it was closed": async ({ open }) => {
    const store = await open();
    if (!store.results.wait.hear) return;
    const { hear, told } = ear(store);
    hear("1");
    hear("1");
    await sleep(30);
    await store.close();
    const closed = expect.objectContaining({ code: "STORE" });
    expect(await told(2)).toEqual([closed, closed]);
  },
};
