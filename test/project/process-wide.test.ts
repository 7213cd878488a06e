/** What all copies of funboost in a process share, held against the key that it lies under. */
import { AsyncLocalStorage } from "node:async_hooks";
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import type { ConfigureOptions } from "../../src/setup/configure.ts";
import type { TraceHooks } from "../../src/task/trace.ts";

/** The description of the key. Change it together with the shape, never the shape alone. */
const key = "funboost.v4";

const words = (text: string) => text.split(" ");

/** By path from the key: the names of members, or what else it is. `[]` is an entry. */
const shape = {
  "": [
    ...words("brokers catalog configuration consumers definitions lifetime"),
    ...words("runs signals tasks timezone trace trials"),
  ],
  brokers: "Map",
  "brokers[]": words("broker store"),
  catalog: words("brokers"),
  configuration: words("configuration"),
  "configuration.configuration": words("brokers defaults lease log signals store timezone trace"),
  consumers: "Set",
  "consumers[]": words("concurrency consumed consumer definition forget opening running stop suspended"),
  definitions: "Map",
  "definitions[]": "Array",
  lifetime: words("generation shuttingDown used"),
  runs: "AsyncLocalStorage",
  "runs[]": [
    ...words("args attempt cancel children controller end ended headers host job logger message native"),
    ...words("progress publishedAt queue reportStuck slowDown stopReason suspend taskId"),
  ],
  signals: words("remove"),
  tasks: "Set",
  "tasks[]": words("fn listeners open opening params signature task unknown"),
  "tasks[].open": [
    ...words("address brokerName call deadLetters definition leaseMs listeners log native"),
    ...words("options outbox queue recorder scope store"),
  ],
  "tasks[].open.options": [
    ...words("adopt backoff broker brokerOptions concurrency convert deadLetter errors expireAfterMs filter input"),
    ...words("job limits log maxCrashes maxRequeues maxRetries maxSuspended onRecord output pool prefetch"),
    ...words("publishTimeoutMs qpsScope queue record rpc timeoutMs use usePublish"),
  ],
  "tasks[].signature": words("kind names required rest"),
  timezone: words("timezone"),
  trace: words("hooks"),
  "trace.hooks": words("inject run"),
  trials: words("give take"),
};

const advice =
  "What copies of funboost share has another shape. Raise the key in src/base/process-wide.ts, " +
  "so that an old copy and a new one do not read each other's state; then write key and shape here.";

/** What an old copy has left: whoever touches it is seen. */
const touches = vi.hoisted(() => {
  const seen: string[] = [];
  Object.defineProperty(globalThis, Symbol.for("funboost.v2"), {
    get: () => void seen.push("read"),
    set: () => void seen.push("written"),
  });
  return seen;
});

/** Required: a member that is new is missing here, which the compiler says. */
const trace: Required<TraceHooks> = { inject: () => ({}), run: (_, work) => work() };
const configuration: Required<ConfigureOptions> = {
  brokers: {},
  defaults: {},
  lease: "15s",
  log: { level: "silent" },
  signals: true,
  store: memoryStore(),
  timezone: "UTC",
  trace,
};

type Shared = Record<string, unknown>;
const shared = () => (globalThis as unknown as Record<symbol, Shared>)[Symbol.for(key)] as Shared;
let run: object | undefined;

beforeAll(async () => {
  configure(configuration);
  const task = boost({ queue: "shape", broker: memory(), rpc: true, record: true }, () => {
    run = (shared().runs as { getStore(): object }).getStore();
  });
  await task.consume();
  await (await task.push()).waitResult();
});
afterAll(() => shutdown({ grace: 100 }));

/** Own members, and those of its class. */
function members(value: object): string[] {
  const prototype = Object.getPrototypeOf(value);
  const ofClass = prototype === Object.prototype ? [] : Object.getOwnPropertyNames(prototype);
  return [...Object.keys(value), ...ofClass.filter((name) => name !== "constructor")].sort();
}

async function shapeOf(states: Shared): Promise<Record<string, unknown>> {
  const first = async (name: string) => (await [...(states[name] as Iterable<unknown>)][0]) as never;
  const [, broker]: [unknown, Promise<object>] = await first("brokers");
  const [, definitions]: [unknown, object] = await first("definitions");
  const task: Record<"open" | "signature", object> & { open: { options: object } } = await first("tasks");
  const inner = {
    "": states,
    "brokers[]": await broker,
    "configuration.configuration": (states.configuration as Record<string, object>).configuration,
    "consumers[]": await first("consumers"),
    "definitions[]": definitions,
    "runs[]": run,
    "tasks[]": task,
    "tasks[].open": task.open,
    "tasks[].open.options": task.open.options,
    "tasks[].signature": task.signature,
    "trace.hooks": (states.trace as Record<string, object>).hooks,
  };
  const builtIn = [Map, Set, Array, AsyncLocalStorage];
  const describeState = (value: object) =>
    builtIn.some((each) => value instanceof each) ? value.constructor.name : members(value);
  return Object.fromEntries(
    Object.entries({ ...states, ...inner }).map(([path, value]) => [path, describeState(value as object)]),
  );
}

it("the process-wide key is raised when the shape changes", async () => {
  const keys = Object.getOwnPropertySymbols(globalThis).map((symbol) => Symbol.keyFor(symbol));
  expect(
    keys.filter((each) => each?.startsWith("funboost.")),
    advice,
  ).toEqual(["funboost.v2", key]);
  expect(await shapeOf(shared()), advice).toEqual(shape);
});

it("an old copy's state is neither read nor written", () => {
  expect(touches).toEqual([]);
});
