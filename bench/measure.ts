/** Clocks and rounds: how one run is measured, and how several variants take turns. */
import type { ConsumeOptions, TaskMembers } from "funboost";
import { orderOf } from "./pairs.ts";

export interface Sample {
  readonly perSecond: number;
  /** CPU of this process for each job. */
  readonly cpuUs: number;
}

/** Answers a function that ends the measurement of `jobs` jobs. */
export function stopwatch(): (jobs: number) => Sample {
  const cpuFrom = process.cpuUsage();
  const from = performance.now();
  return (jobs) => {
    const seconds = (performance.now() - from) / 1000;
    const { user, system } = process.cpuUsage(cpuFrom);
    return { perSecond: jobs / seconds, cpuUs: (user + system) / jobs };
  };
}

export interface Meter {
  /** To be called by each run. */
  readonly hit: () => void;
  readonly calls: () => number;
  /** To the last run of `expected`. */
  readonly done: Promise<Sample>;
}

/** From the first run on, so that connecting is not measured; or from now on. */
export function meter(expected: number, from: "first" | "start" = "first"): Meter {
  let calls = 0;
  let stop = stopwatch();
  let settle: (sample: Sample) => void;
  const done = new Promise<Sample>((resolve) => (settle = resolve));
  const hit = () => {
    calls++;
    if (calls === 1 && from === "first") stop = stopwatch();
    else if (calls === expected) settle(stop(from === "first" ? expected - 1 : expected));
  };
  return { hit, calls: () => calls, done };
}

/** `work` for each index, `lanes` at a time. */
export async function inFlight(count: number, lanes: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

export function mustBe(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`${what}: ${got}, must be ${wanted}. The figures would be worth nothing.`);
}

export interface RoundsOptions {
  readonly rounds: number;
  /** First rounds, which are not counted: the compiler and the caches settle in them. */
  readonly warmUps: number;
  readonly say: (text: string) => void;
}

/** Runs all variants once in each round, in changing order. A variant answers one sample, or one for each thing it measures. */
export async function interleave<Name extends string, Measured extends Sample | Readonly<Record<string, Sample>>>(
  variants: Readonly<Record<Name, () => Promise<Measured>>>,
  { rounds, warmUps, say }: RoundsOptions,
): Promise<Record<Name, Measured[]>> {
  const names = Object.keys(variants) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as Measured[]])) as Record<Name, Measured[]>;
  for (let round = -warmUps; round < rounds; round++) {
    const took: string[] = [];
    for (const name of orderOf(names, Math.max(0, round))) {
      const sample = await variants[name]();
      if (round >= 0) samples[name].push(sample);
      took.push(`${name} ${speeds(sample)}`);
    }
    say(`${round < 0 ? "warm-up" : `round ${round + 1}/${rounds}`}: ${took.join(", ")}`);
  }
  return samples;
}

function speeds(measured: Sample | Readonly<Record<string, Sample>>): string {
  const samples =
    "perSecond" in measured ? [measured as Sample] : Object.values(measured as Readonly<Record<string, Sample>>);
  return samples.map(({ perSecond }) => `${Math.round(perSecond)}/s`).join(" and ");
}

/** Consumes what waits; checks that all of it ran, once, and that nothing is left. */
export async function consumeAll(
  task: Pick<TaskMembers<never, unknown>, "consume" | "count">,
  runs: Meter,
  jobs: number,
  options?: ConsumeOptions,
): Promise<Sample> {
  const consumer = await task.consume(options);
  const sample = await runs.done;
  await consumer.close();
  mustBe("runs", runs.calls(), jobs);
  mustBe("messages left", await task.count(), 0);
  return sample;
}
