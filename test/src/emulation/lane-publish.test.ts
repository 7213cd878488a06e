import { expect, it } from "vitest";
import { withAhead } from "../../../src/emulation/ahead.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { withPriority } from "../../../src/emulation/priority.ts";
import { wrapBroker } from "../../../src/index.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { spec, v, withAllLanes } from "./setup.ts";

it("publishes to several lanes and answers in order", async () => {
  const queue = await withAllLanes().open(spec("q"));
  const published = await queue.publish([
    v(1, { id: "a" }),
    v(2, { id: "b", priority: 5 }),
    v(3, { id: "c" }),
    v(4, { id: "d", ahead: true }),
  ]);
  expect(published.map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
});

it("says what the lanes before have accepted when one refuses", async () => {
  const broker = wrapBroker(bareBroker(), ({ publish }, name) => ({
    publish: (messages) => (name === "q.p3" ? Promise.reject(new Error("full")) : publish(messages)),
  }));
  const queue = await withPriority(withAhead(withIds(broker))).open(spec("q"));
  const messages = [
    v(1, { id: "a" }),
    v(2, { id: "b", priority: 5 }),
    v(3, { id: "c" }),
    v(4, { id: "d", ahead: true }),
  ];
  await expect(queue.publish(messages)).rejects.toMatchObject({ message: "full", accepted: ["a", "c"] });
});

it("refuses the name of another queue's lane", async () => {
  await expect(withAllLanes().open(spec("q.sub"))).rejects.toThrow('"q.sub" belongs to the queue "q"');
});
