/** The tasks of one queue under one consumer: each message goes to the task whose name it bears. */
import type { Delivery } from "../contract/broker.ts";
import type { Filter } from "../filter/on-run.ts";
import { newTally, type Tally, tallyFields } from "../queue/tally.ts";
import { anyJob, jobOf } from "../run/attempt.ts";
import { createRunner, type Runner } from "../run/run.ts";
import type { RunHost } from "../run/task-run.ts";
import { createUnknownRunner } from "../run/unknown.ts";
import { definitionOn } from "../setup/definition.ts";
import type { Definition, OpenTask } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import type { RunEnd } from "../slots/slot.ts";

/** One task, and what it has done here. */
export interface Member {
  readonly task: OpenTask;
  readonly tally: Tally;
  readonly filter: Filter | undefined;
  readonly run: Runner;
}

export interface Crew {
  /** Gives a delivery to its task. */
  readonly run: Runner;
  /** What all have done. */
  readonly tally: Tally;
  /** Also those in whose place another has come: their runs go on. */
  readonly members: readonly Member[];
  /** In the place of an older one of its name. */
  add(task: OpenTask): void;
}

/** What a consumer gives to each of its tasks. */
export interface CrewHost {
  readonly host: Omit<RunHost, "filter" | "tally">;
  createFilter(task: OpenTask): Filter | undefined;
  report(error: unknown): void;
}

interface State extends CrewHost {
  readonly definition: Definition;
  readonly byJob: Map<string | undefined, Member>;
  readonly members: Member[];
  /** The only task, which takes whatever comes under whatever name. */
  sole: Member | undefined;
}

/** A task that cannot be opened now is tried again. */
const notNow: RunEnd = { settlement: { outcome: "postponed", delayMs: 1_000 } };

export function createCrew(first: OpenTask, crewHost: CrewHost): Crew {
  const { definition } = first;
  const state: State = { ...crewHost, definition, byJob: new Map(), members: [], sole: undefined };
  const unknown = { tally: newTally(), filter: undefined };
  const known = () => [...state.byJob.keys()].filter((job) => job !== undefined);
  const policy = () => state.members.find(({ task }) => task.definition.unknown)?.task.definition.unknown;
  const refuse = createUnknownRunner(first, { ...crewHost.host, ...unknown }, policy, known);
  add(state, first);
  const run: Runner = (delivery, slot) => {
    const member = state.sole ?? memberFor(state, delivery);
    if (member) return member.run(delivery, slot);
    return late(state, delivery).then(
      (found) => (found?.run ?? refuse)(delivery, slot),
      (error: unknown) => {
        state.report(error);
        return notNow;
      },
    );
  };
  return { run, tally: sumOf(unknown.tally, state.members), members: state.members, add: (task) => add(state, task) };
}

function add(state: State, task: OpenTask): Member {
  const { host, createFilter, byJob, members } = state;
  const { job } = task.options;
  const known = byJob.get(job);
  if (known?.task === task) return known;
  const tally = newTally();
  const filter = createFilter(task);
  const member: Member = { task, tally, filter, run: createRunner(task, { ...host, filter, tally }) };
  byJob.set(job, member);
  members.push(member);
  state.sole = job === undefined && byJob.size === 1 ? member : undefined;
  return member;
}

function memberFor({ byJob }: State, delivery: Delivery): Member | undefined {
  return byJob.get(jobOf(delivery)) ?? byJob.get(anyJob);
}

/** One that was defined after consuming had begun. */
async function late(state: State, delivery: Delivery): Promise<Member | undefined> {
  const found = definitionOn({ ...state.definition.params, job: jobOf(delivery) as string });
  return found?.fn && add(state, await openTask(found));
}

function sumOf(unknown: Tally, members: readonly Member[]): Tally {
  const sum = { ...unknown };
  const of = (field: (typeof tallyFields)[number]) =>
    members.reduce((all, { tally }) => all + tally[field], unknown[field]);
  for (const field of tallyFields) Object.defineProperty(sum, field, { get: () => of(field), enumerable: true });
  return sum;
}
