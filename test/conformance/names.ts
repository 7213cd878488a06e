/** Names: what engines make of odd ids and queue names. Taken as they are, or refused before anything is sent. */
import assert from "node:assert/strict";
import { fct, isFunboostError } from "../../src/index.ts";
import { type Case, cases } from "./case.ts";
import { range } from "./track.ts";

const odd = [
  "two words",
  "ü 🎬 世",
  "e\u0301",
  "a/b/../c",
  "a\\b",
  "100%",
  "%2F",
  "?x=1&y#z",
  "*",
  "'\"`;--",
  "{a}",
  "__proto__",
  "two\nlines",
  "nul\u0000",
];
const oddIds = [...odd, " edges ", "\ud800", "x".repeat(200)];
const oddQueues = [...odd.slice(0, -2), "a.b-c_d", "a:b"];

/** Undefined where `work` was refused with this code. */
async function unlessRefused<T>(code: string, what: string, work: () => Promise<T>): Promise<T | undefined> {
  return work().catch((error: unknown) => {
    assert.equal(
      isFunboostError(error) ? error.code : error,
      code,
      `${what} is neither taken nor refused with ${code}`,
    );
    return undefined;
  });
}

function takesIds(ids: readonly string[]): Case["run"] {
  return async ({ task, consume, until }) => {
    const seen = new Set<string>();
    const job = task({}, (_n: number) => void seen.add(fct.taskId ?? ""));
    await consume(job);
    const handles = await job.publishMany(ids.map((taskId, n) => ({ args: [n] as [number], taskId })));
    assert.deepEqual(
      handles.map(({ id }) => id),
      ids,
    );
    await until("all are handled", () => seen.size >= ids.length);
    assert.deepEqual([...seen].sort(), [...ids].sort());
  };
}

export const names = cases({
  "texts with colons can be task ids": takesIds(["0:1", "order:42", "a:b:c:d", ":", "order%3A42"]),

  "whole numbers can be task ids": takesIds(["12345", "7"]),

  async "a task id comes back as it was given, or is refused before anything is sent"({
    task,
    consume,
    patienceMs,
    features,
  }) {
    const job = task({ rpc: true }, (n: number) => [n, fct.taskId]);
    const taken: { readonly n: number; readonly id: string; waitResult(): Promise<unknown> }[] = [];
    for (const [n, taskId] of oddIds.entries()) {
      const handle = await unlessRefused("BAD_OPTION", `the id ${JSON.stringify(taskId)}`, () =>
        job.publish([n], { taskId }),
      );
      if (!handle) continue;
      assert.equal(handle.id, taskId);
      taken.push({ n, id: taskId, waitResult: () => handle.waitResult({ timeout: patienceMs }) });
    }
    if (features.exactCount) assert.equal(await job.count(), taken.length, "what was refused was sent");
    await consume(job);
    assert.deepEqual(
      await Promise.all(taken.map((each) => each.waitResult())),
      taken.map(({ n, id }) => [n, id]),
    );
  },

  "a queue name works as it is, or is refused with BAD_QUEUE": {
    timeoutMs: 90_000, // some engines start a worker for each
    async run({ task, consume, queue, patienceMs }) {
      const long = queue.padEnd(180, "q");
      for (const name of [...oddQueues.map((each) => `${queue}${each}`), long]) {
        const job = task({ queue: name, rpc: true }, (n: number) => n + 1);
        const handle = await unlessRefused("BAD_QUEUE", `the queue ${JSON.stringify(name)}`, () => job.push(1));
        if (!handle) continue;
        const consumer = await consume(job);
        assert.equal(await handle.waitResult({ timeout: patienceMs }), 2, name);
        await consumer.close();
      }
    },
  },

  async "a queue with the longest name that is taken has dead letters too"({ task, consume, queue, until }) {
    for (const length of [255, 200, 190, 100]) {
      const name = queue.padEnd(length, "q");
      const define = async () => task({ queue: name, params: ["n"] }, (_n: number) => {});
      const job = await define().catch(() => undefined);
      if (!job || !(await unlessRefused("BAD_QUEUE", `a name of ${length}`, () => job.push(1)))) continue;
      await consume(job);
      await job.publishRaw("no call");
      return until(
        `a queue whose name has ${length} characters has its dead letter`,
        async () => (await job.deadLetters.count()) === 1,
      );
    }
    assert.fail("a name of 100 characters is refused");
  },

  async "queues whose names are alike do not mix"({ task, consume, queue, until, holds }) {
    const alike = [queue, queue.toUpperCase(), ...[".sub", ":sub", "_dlx", ".", " "].map((end) => `${queue}${end}`)];
    const seen: string[] = [];
    const jobs = alike.map((name) =>
      task({ queue: name }, (text: string) => void seen.push(`${text} in ${fct.queue}`)),
    );
    const taken = await Promise.all(
      jobs.map((job, i) =>
        unlessRefused("BAD_QUEUE", `the queue "${alike[i]}"`, () => job.pushMany([[`${alike[i]}`]])),
      ),
    );
    await consume(jobs[0] as (typeof jobs)[0]);
    await until("the first queue's message is handled", () => seen.length > 0);
    await holds("no other queue's message is handled", () => seen.length === 1, 200);
    const rest = range(alike.length).filter((i) => i > 0 && taken[i]);
    for (const i of rest) await consume(jobs[i] as (typeof jobs)[0]);
    await until("all are handled", () => seen.length === rest.length + 1);
    assert.deepEqual([...seen].sort(), [0, ...rest].map((i) => `${alike[i]} in ${alike[i]}`).sort());
  },
});
