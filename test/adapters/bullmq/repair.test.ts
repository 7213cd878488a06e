/** What a job that cannot be read costs beside those that other workers run. */
import { EventEmitter } from "node:events";
import { expect, it, vi } from "vitest";
import { seeToBrokenJobs } from "../../../adapters/bullmq/broken-jobs.ts";

it("a broken job is found by two calls, whatever runs beside it, and goes back with the reason", async () => {
  const active = [...Array.from({ length: 500 }, (_, i) => `other${i}`), "held", "sound", "broken"];
  const mine = new Set(["held", "sound", "broken"]);
  const calls: string[] = [];
  const written: unknown[] = [];
  const count =
    <A extends unknown[], T>(name: string, answer: (...args: A) => T) =>
    async (...args: A): Promise<T> => {
      calls.push(name);
      return answer(...args);
    };
  const lockOf = (key: string) => (mine.has(key.replace(/^q:|:lock$/g, "")) ? "me:1" : "you:1");
  const client = {
    lrange: count("lrange", () => active),
    get: count("get", lockOf),
    mget: count("mget", (keys: string[]) => keys.map(lockOf)),
    hmget: count("hmget", (key: string) => ["{}", key === "q:broken" ? "{" : "0", null]),
    multi: () => ({
      hdel: () => ({ hset: (...fields: unknown[]) => ({ exec: count("exec", () => void written.push(fields)) }) }),
    }),
  };
  const back: unknown[] = [];
  const worker = Object.assign(new EventEmitter(), {
    id: "me",
    toKey: (name: string) => `q:${name}`,
    createJob: () => ({}),
    getBackend: () => ({ moveJobFromActiveToWait: async (...args: unknown[]) => void back.push(args) }),
  });
  const report = vi.fn();
  const held = new Map([[{ id: "held" }, { settlement: undefined, moved: false }]]);
  seeToBrokenJobs(worker as never, client as never, held as never, report);
  worker.emit("error", new SyntaxError("no JSON"));
  await vi.waitUntil(() => back.length > 0);
  expect(back).toEqual([["broken", "me:1"]]);
  expect(JSON.stringify(written)).toContain("the job's progress");
  expect(report).not.toHaveBeenCalled();
  expect(calls.sort()).toEqual(["exec", "hmget", "hmget", "lrange", "mget"]);
});
