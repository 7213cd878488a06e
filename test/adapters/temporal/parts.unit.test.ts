/** Parts of the Temporal adapter, without a server. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { temporal } from "../../../adapters/temporal/broker.ts";
import { isTooLarge, refuseOld } from "../../../adapters/temporal/connect/client.ts";
import {
  checkQueue,
  engineId,
  fromPayload,
  type PollAnswer,
  prefixOf,
  quoted,
  toPayload,
} from "../../../adapters/temporal/connect/protocol.ts";
import { toDelivery, toTask } from "../../../adapters/temporal/consume/activity-task.ts";
import { fateAfter } from "../../../adapters/temporal/consume/delivery-counts.ts";
import { makePolls } from "../../../adapters/temporal/consume/polls.ts";
import { checkMessage, checkSpec } from "../../../adapters/temporal/options.ts";
import { priorityKey } from "../../../adapters/temporal/publish.ts";
import { workflowBundle } from "../../../adapters/temporal/workflow/bundle.ts";
import { useOrchestrator } from "../../../adapters/temporal/workflow/orchestrator.ts";
import { makeSlots } from "../../../adapters/temporal/workflow/slots.ts";
import { sleep } from "../../../src/base/clock.ts";

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

describe("options", () => {
  it.each([
    [{}, "127.0.0.1:7233"],
    [{ address: "t.example" }, "t.example:7233"],
    [{ url: "temporal://t.example:7000/" }, "t.example:7000"],
    [{ address: "[::1]" }, "[::1]:7233"],
  ])("%j connects to %s", (options, text) => expect(temporal(options).address?.()).toBe(text));
  it.each([
    { adress: "x" },
    { mode: "fast" },
    { address: "me:secret@host" },
    { address: "a b" },
    { address: 7233 },
    { address: "host:0" },
    { address: "host:99999" },
    { tls: "yes" },
    { apiKey: "" },
    { apiKey: 5 },
    { metadata: { a: 5 } },
    null,
    [],
    { url: "redis://host" },
    { namespace: "" },
    { orchestrator: "" },
    { orchestrator: "funboost.pause" },
    { bundle: {} },
    { bundle: "file.js" },
  ])("%j is refused", (options) => {
    const make = () => temporal(options as never);
    expect(make).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
    expect(make).not.toThrow(/secret@/);
  });
  it.each([
    [{ mode: "auto" }, 0, true],
    [{ sumary: "x" }, 0, true],
    [{ mode: "activity" }, 0, false],
    [{ mode: "activity" }, 5, true],
  ])(
    "%j of a message with a delay of %d is refused where standalone activities are %s and have no delay",
    (native, delayMs, standalone) => {
      const queue = {
        queue: "q",
        client: { server: { standalone, standaloneDelay: false }, target: { address: "t.example:7233" } },
      };
      expect(() => checkMessage(queue as never, { body: {}, delayMs, native })).toThrow(
        expect.objectContaining({ code: "BAD_OPTION" }),
      );
      expect(
        checkMessage(queue as never, { body: {}, delayMs, native: { mode: "workflow", summary: "x" } }),
      ).toBeUndefined();
    },
  );
});

describe("brokerOptions", () => {
  const check = (options: Record<string, unknown>) =>
    checkSpec({ queue: "q", options, leaseMs: 1_000 }, "orchestrator");
  it("take a mode and Temporal's own rate", () =>
    expect(check({ mode: "workflow", maxTaskQueueActivitiesPerSecond: 0.5 }).mode).toBe("workflow"));
  it.each([
    { worker: {} },
    { mode: "fast" },
    { maxTaskQueueActivitiesPerSecond: 0 },
    { maxTaskQueueActivitiesPerSecond: "5" },
  ])("%j is refused", (options) => {
    expect(() => check(options)).toThrow(
      expect.objectContaining({ code: "BAD_OPTION", message: expect.stringContaining('brokerOptions of "q"') }),
    );
  });
});

describe("a server's version", () => {
  const target = { address: "t.example:7233", namespace: "default" };
  it("before 1.29 is refused, with what to do", () => {
    const refused = {
      code: "BROKER_REFUSED",
      message: expect.stringMatching(/t\.example:7233 is of version 1\.28\.4: .* 1\.29 or later/),
    };
    expect(() => refuseOld("1.28.4", target)).toThrow(expect.objectContaining(refused));
  });
  it.each(["1.29.0", "1.31.2", "2.0.0", ""])("%j is taken", (version) =>
    expect(refuseOld(version, target)).toBeUndefined(),
  );
});

describe("a result that the server refuses", () => {
  const error = (code: number, message: string) => Object.assign(new Error(message), { code });
  it("is too large where it says so, and not where it is busy", () => {
    expect(isTooLarge(error(3, "Complete result exceeds size limit."))).toBe(true);
    expect(isTooLarge(error(8, "grpc: received message larger than max (5000000 vs. 4194304)"))).toBe(true);
    expect(isTooLarge(error(8, "namespace rate limit exceeded"))).toBe(false);
  });
});

describe("polls", () => {
  const task = { taskToken: new Uint8Array([1]) } as PollAnswer;
  const nothing = { taskToken: new Uint8Array() } as PollAnswer;
  function polls(window: number) {
    const asked: { resolve(answer: PollAnswer): void; reject(error: Error): void }[] = [];
    const [stop, errors] = [new AbortController(), [] as unknown[]];
    const state = { window, held: 0, fetches: 0 };
    const made = makePolls({
      ask: () => new Promise((resolve, reject) => void asked.push({ resolve, reject })),
      room: () => state.window - state.held,
      onTask: () => state.held++,
      onError: (error) => errors.push(error),
      onPoll: () => state.fetches++,
      stop: stop.signal,
    });
    const answer = async (with_: PollAnswer, times = 1) => {
      for (let i = 0; i < times; i++) asked.shift()?.resolve(with_);
      await sleep(0);
    };
    return { ...made, asked, state, stop, errors, answer };
  }

  it("are two while nothing comes, ten while tasks come, and two again", async () => {
    const { fill, open, answer } = polls(100);
    fill();
    expect(open()).toBe(2);
    await answer(task, 20);
    for (let i = 0; i < 8; i++) await answer(task);
    expect(open()).toBe(10);
    await answer(nothing, 10);
    expect(open()).toBe(2);
  });
  it("are never more than there is room for", async () => {
    const { fill, open, answer, state } = polls(3);
    fill();
    await answer(task, 2);
    expect([open(), state.held]).toEqual([1, 2]);
    await answer(task);
    fill();
    expect(open()).toBe(0);
    state.held = 0;
    fill();
    expect(open()).toBe(3);
    state.window = 0;
    await answer(nothing, 3);
    expect(open()).toBe(0);
  });
  it("rest after a failure, which is told once, and count as fetches again when one is answered", async () => {
    const { fill, open, asked, errors, state, answer } = polls(5);
    fill();
    for (const each of asked.splice(0)) each.reject(new Error("away"));
    await sleep(0);
    fill();
    expect([open(), errors.length]).toEqual([0, 1]);
    await expect.poll(() => open()).toBe(2);
    expect(state.fetches).toBe(2);
    await answer(nothing);
    expect(state.fetches).toBe(4); // its end, and the next one's begin
  });
  it("are not opened after the end, but what they bring is handed on", async () => {
    const { fill, open, answer, stop, state } = polls(5);
    fill();
    stop.abort();
    await answer(task);
    expect([open(), state.held]).toEqual([1, 1]);
  });
});

describe("a polled task", () => {
  const answerOf = (more: Record<string, unknown>) =>
    ({ taskToken: new Uint8Array([1]), attempt: 1, activityId: "a", activityRunId: "r", ...more }) as never;
  const payloads = (...values: unknown[]) => ({ payloads: values.map((value) => toPayload(value)) });
  const delivery = (more: Record<string, unknown>) =>
    toDelivery("q", toTask(answerOf(more)), { attempt: 1, crashes: 0 }, undefined);
  const workflow = (workflowId: string, name = "q") => ({
    workflowExecution: { workflowId, runId: "r" },
    workflowType: { name },
  });
  it("of ours has our id; of others, what tells it apart", () => {
    expect(delivery({ activityId: "boost:q:7" }).id).toBe("7");
    expect(delivery(workflow("boost:q:7")).id).toBe("7");
    expect(delivery({ activityId: "theirs" }).id).toBe("theirs");
    expect(delivery(workflow("boost:q:7", "theirs")).id).toBe("boost:q:7/a");
  });
  it("has one argument as its body, several as a list", () => {
    expect(delivery({ input: payloads({ n: 1 }) }).body).toEqual({ n: 1 });
    expect(delivery({ input: payloads({ n: 1 }, { funboost: { leaseMs: 1, publishedAt: 5 } }) })).toMatchObject({
      body: { n: 1 },
      publishedAt: 5,
    });
    expect(delivery({ input: payloads(1, 2) }).body).toEqual([1, 2]);
  });
  it("cannot be given back where this is its last attempt", () => {
    const isLast = (attempt: number, maximumAttempts: number) =>
      toTask(answerOf({ attempt, retryPolicy: { maximumAttempts } })).isLast;
    expect([isLast(1, 1), isLast(1, 2), isLast(2, 2), isLast(9, 0)]).toEqual([true, false, true, false]);
  });
});

describe("attempts and crashes", () => {
  const details = (value: unknown) => ({ payloads: [toPayload(value)] });
  const before = { attempt: 2, crashes: 1 };
  it("our own failures say what comes next", () => {
    const ours = { applicationFailureInfo: { type: "RangeError", details: details({ attempt: 3, crashes: 1 }) } };
    expect(fateAfter(ours, before)).toEqual({ attempt: 3, crashes: 1 });
  });
  it("a missing heartbeat is a crash, and no attempt", () =>
    expect(fateAfter({ timeoutFailureInfo: { timeoutType: 4 } }, before)).toEqual({ attempt: 2, crashes: 2 }));
  it("a failure that somebody else reported is an attempt", () => {
    expect(fateAfter({ applicationFailureInfo: { details: details("theirs") } }, before)).toEqual({
      attempt: 3,
      crashes: 1,
    });
  });
});

describe("priorities", () => {
  const key = (priority: number | undefined, ahead = false) =>
    priorityKey({ body: {}, ahead, ...(priority === undefined ? {} : { priority }) });
  it("bigger is sooner, none is Temporal's default, ahead is before all", () => {
    expect([
      key(-1000),
      key(-100),
      key(-99),
      key(-1),
      key(undefined),
      key(0),
      key(1),
      key(1000),
      key(-5, true),
    ]).toEqual([5, 5, 4, 4, 3, 3, 2, 2, 1]);
  });
});

describe("an orchestrator's slots", () => {
  const context = {} as never;
  it("never grants more than there is room for, wakes when there is more, and forgets who has given up", async () => {
    let room = 1;
    const slots = makeSlots(
      () => room,
      () => {},
    );
    const granted: number[] = [];
    const stop = new AbortController();
    const reserve = (n: number, signal = new AbortController().signal) =>
      slots.supplier.reserveSlot(context, signal).then(() => granted.push(n));
    void reserve(1);
    const givenUp = reserve(2, stop.signal);
    void reserve(3);
    await sleep(1);
    expect(granted).toEqual([1]);
    stop.abort(new Error("no longer"));
    await expect(givenUp).rejects.toThrow("no longer");
    room = 2;
    slots.grant();
    await sleep(1);
    expect([granted, slots.polling(), slots.supplier.tryReserveSlot(context)]).toEqual([[1, 3], 2, null]);
    room = 0;
    void reserve(4);
    slots.supplier.releaseSlot({ permit: {} });
    await sleep(1);
    expect(granted).toEqual([1, 3]);
  });
});

describe("an orchestrator", () => {
  it("tells each of its users of its errors, for as long as they use it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funboost-orchestrator-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const codePath = join(folder, "bundle.js");
    writeFileSync(codePath, "");
    const runs: { fail(error: Error): void; end(): void }[] = [];
    const worker = () => ({
      run: () => new Promise<void>((end, fail) => void runs.push({ fail, end })),
      getState: () => "RUNNING",
      shutdown: () => runs.at(-1)?.end(),
    });
    const peer = {
      Runtime: { install: () => {} },
      DefaultLogger: class {},
      NativeConnection: { connect: async () => ({ close: async () => {} }) },
      Worker: { create: async () => worker() },
    };
    const options = {
      target: { address: "t.example:7233", namespace: "n" },
      identity: "i",
      taskQueue: "o",
      bundle: { codePath },
    };
    const heard: [string[], string[]] = [[], []];
    const use = (one: 0 | 1) =>
      useOrchestrator(peer as never, options, (error) => heard[one].push((error as Error).message));
    const [first, second] = [await use(0), await use(1)];
    runs[0]?.fail(new Error("both"));
    await expect.poll(() => runs).toHaveLength(2);
    await first();
    runs[1]?.fail(new Error("the second alone"));
    await expect.poll(() => runs).toHaveLength(3);
    await second();
    expect(heard).toEqual([["both"], ["both", "the second alone"]]);
  });
});

describe("the bundle", () => {
  it("is kept in the user's cache folder, for this user alone, and a file of one's own is taken instead", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funboost-bundle-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    vi.stubEnv("XDG_CACHE_HOME", folder);
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.resetModules();
    const again = (await import("../../../adapters/temporal/workflow/bundle.ts")).workflowBundle;
    const builds = vi.fn(async () => ({ code: "the bundle" }));
    expect(await again({ bundleWorkflowCode: builds }, undefined)).toEqual({ code: "the bundle" });
    const [file = ""] = readdirSync(join(folder, "funboost"));
    expect(file).toMatch(/^temporal-workflow-[\da-f]{32}\.js$/);
    if (process.platform !== "win32") expect(statSync(join(folder, "funboost")).mode & 0o077).toBe(0);
    vi.resetModules();
    const third = (await import("../../../adapters/temporal/workflow/bundle.ts")).workflowBundle;
    expect(await third({ bundleWorkflowCode: builds }, undefined)).toEqual({ code: "the bundle" });
    expect(builds).toHaveBeenCalledTimes(1);
    expect(await workflowBundle({ bundleWorkflowCode: builds }, { codePath: join(folder, "funboost", file) })).toEqual({
      code: "the bundle",
    });
    await expect(
      workflowBundle({ bundleWorkflowCode: builds }, { codePath: join(folder, "none.js") }),
    ).rejects.toMatchObject({ code: "BAD_OPTION" });
  });
});

it("payloads of other clients are read", () => {
  expect(fromPayload({ metadata: { encoding: Buffer.from("binary/null") } })).toBeUndefined();
  expect(fromPayload({ metadata: { encoding: Buffer.from("json/protobuf") }, data: Buffer.from('{"a":1}') })).toEqual({
    a: 1,
  });
  expect([undefined, null, 0, "", [1]].map((value) => fromPayload(toPayload(value)))).toEqual([
    undefined,
    null,
    0,
    "",
    [1],
  ]);
});
