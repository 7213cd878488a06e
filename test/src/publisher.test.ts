/** What a publisher has not. */
import { boost, configure, publisher } from "funboost";
import { memory } from "funboost/adapters/memory";
import { expect, it } from "vitest";

configure({ signals: false, log: { level: "silent" } });

it("says of each call that needs the task that it does", () => {
  const broker = memory();
  const task = boost({ queue: "publisher", broker }, () => 1);
  const jobs = publisher<typeof task>({ queue: "publisher", broker });
  const missing = Object.keys(task).filter((name) => !Object.keys(jobs).includes(name) && name !== "params");
  expect(missing).toHaveLength(10);
  for (const name of missing)
    expect(() => jobs[name as keyof typeof jobs]).toThrow(
      `[funboost] [publisher] publisher() has no "${name}": it needs the task. Call it on what boost() answered`,
    );
  expect("then" in jobs).toBe(false); // it can be awaited
});
