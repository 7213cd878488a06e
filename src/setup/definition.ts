/** What boost() was given, before anything is opened; and where definitions are found again. */

import { FunboostError } from "../base/errors.ts";
import { processWide } from "../base/process-wide.ts";
import type { Broker } from "../contract/broker.ts";
import { paramDefaults } from "../options/resolve.ts";
import type { TaskParams } from "../options/task.ts";
import { createListeners } from "../task/listeners.ts";
import type { AnyFunction, Signature } from "../wire/signature.ts";
import { configuration } from "./configure.ts";
import type { Definition } from "./model.ts";

/** By queue name; the same broker and queue occurs once. */
const definitions = processWide("definitions", () => new Map<string, Definition[]>());

export function define(params: TaskParams, fn: AnyFunction | undefined, signature: Signature): Definition {
  // What may be missing of one argument that is an object, a schema says.
  const read = params.input && signature.kind === "object" ? { ...signature, required: 0 } : signature;
  const listeners = createListeners();
  return {
    ...{ params, fn, signature: read, listeners },
    ...{ unknown: undefined, task: undefined, open: undefined, opening: undefined },
  };
}

/** Without the function: nothing here reads a source. */
export function definePublisher(params: TaskParams): Definition {
  return define(params, undefined, publisherSignature(params));
}

/** Names come from `params`; without those, arguments go by position under made-up names. */
function publisherSignature({ params }: TaskParams): Signature {
  if (params === "object") return { kind: "object", names: [], rest: false, required: 1 };
  if (params)
    return {
      kind: "named",
      names: params.map((name) => name.replace(/\?$/, "").replace(/^\.\.\./, "")),
      rest: params.at(-1)?.startsWith("...") ?? false,
      required: 0,
    };
  return { kind: "positional", names: ["args"], rest: true, required: 0 };
}

/** A task's identity is broker, queue and name; defined again, the newer one replaces the older (hot reload). */
export function register(definition: Definition): void {
  const { queue } = definition.params;
  const others = (definitions().get(queue) ?? []).filter((other) => !sameTask(other, definition));
  definitions().set(queue, [...others, definition]);
}

function sameTask(a: Pick<Definition, "params">, b: Pick<Definition, "params">): boolean {
  return a.params.job === b.params.job && sameBroker(a, b);
}

/** All that are defined on its queue, itself included. */
export function tasksBeside(definition: Definition): readonly Definition[] {
  const all = definitions().get(definition.params.queue) ?? [];
  return all.filter((each) => each.fn && sameBroker(each, definition));
}

/** Asked for each message: most queues have one task. */
export function isAlone(definition: Definition): boolean {
  const all = definitions().get(definition.params.queue);
  return all === undefined || all.length === 1 || tasksBeside(definition).length === 1;
}

/** A task as people name it. */
export function titleOf({ queue, job }: { readonly queue: string; readonly job?: string | undefined }): string {
  return job === undefined ? `queue "${queue}"` : `queue "${queue}", job "${job}"`;
}

export function sameBroker(a: Pick<Definition, "params">, b: Pick<Definition, "params">): boolean {
  return brokerOf(a) === brokerOf(b);
}

/** The broker a definition names: its own, else the default. */
export function brokerOf({ params }: Pick<Definition, "params">): string | Broker {
  return params.broker ?? defaultBroker();
}

/** The configured one, else SQLite. */
export function defaultBroker(): string | Broker {
  return configuration().defaults?.broker ?? paramDefaults.broker;
}

export function nameOfBroker(broker: string | Broker): string {
  return typeof broker === "string" ? broker : broker.name;
}

/** The one on this very queue and broker, of this name. */
export function definitionOn(params: TaskParams): Definition | undefined {
  return definitions()
    .get(params.queue)
    ?.find((each) => sameTask(each, { params }));
}

export function findDefinition(queue: string, broker?: string | Broker, job?: string): Definition | undefined {
  const all = (definitions().get(queue) ?? []).filter((each) => each.params.job === job);
  const exact = all.find((each) => brokerOf(each) === broker);
  if (exact) return exact; // also where another is an instance of that name
  const found = all.filter((each) => broker === undefined || nameOfBroker(brokerOf(each)) === broker);
  if (found.length > 1) {
    const names = found.map((each) => nameOfBroker(brokerOf(each))).join(", ");
    throw new FunboostError(
      "BAD_OPTION",
      `Several tasks are defined on queue "${queue}", on ${names}. Say which broker.`,
    );
  }
  return found[0];
}

export function allDefinitions(): Definition[] {
  return [...definitions().values()].flat();
}

/** The names of all queues that this process has defined a task on. */
export function queues(): string[] {
  return [...definitions().keys()];
}
