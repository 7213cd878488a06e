/** What every store promises of notices. */
import { expect } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import { type StoreCase, soon } from "./case.ts";

export const news: Record<string, StoreCase> = {
  "tells subscribers of a channel, and nobody who has left": async ({ store, other }) => {
    const heard: string[] = [];
    const left: string[] = [];
    const stop = await other.subscribe("c", (text) => void left.push(text));
    for (const each of [store, other]) await each.subscribe("c", (text) => void heard.push(text));
    await store.notify("other", "nobody");
    await store.notify("c", "one");
    await store.notify("c", "two");
    await soon(() => expect([heard.length, left]).toEqual([4, ["one", "two"]]));
    stop();
    stop();
    await store.notify("c", "too late");
    await soon(() => expect(heard.slice(4)).toEqual(["too late", "too late"]));
    await sleep(30);
    expect(left).toEqual(["one", "two"]);
    expect(heard.filter((text) => text === "one")).toHaveLength(2);
  },
  "tells a function that subscribed twice twice, and once when it has left once": async ({ store, other }) => {
    const heard: string[] = [];
    const hear = (text: string) => void heard.push(text);
    const stop = await other.subscribe("c", hear);
    await other.subscribe("c", hear);
    await store.notify("c", "both");
    await soon(() => expect(heard).toEqual(["both", "both"]));
    stop();
    stop();
    await store.notify("c", "one");
    await soon(() => expect(heard.slice(2)).toEqual(["one"]));
  },
};
