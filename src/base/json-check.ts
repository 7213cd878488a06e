/** What JSON can carry unchanged, copied when it is handed over: all else is found before it is sent. */
import { FunboostError } from "./errors.ts";
import { setMember } from "./plain-copy.ts";

/** A value that JSON would change or lose without a word. */
export class Uncarriable {
  /** Where it is: `args.options.when`. Grows at its front on the way back to the root. */
  path = "";
  /** "a Date" */
  readonly what: string;
  /** What to send instead. */
  readonly advice: string;

  constructor(what: string, advice: string) {
    this.what = what;
    this.advice = advice;
  }
}

const maxDepth = 1000;
/** Few values are deeper: before such a one is copied on, it is looked through for a cycle. */
const usualDepth = 32;
const longestPath = 300;
/** Deeper than the walk went. */
class TooDeep extends Uncarriable {
  constructor() {
    super(`nested more than ${maxDepth} levels deep`, "Send a flatter value");
  }
}

const bytesAdvice = 'Send Buffer.from(bytes).toString("base64")';
const advices: Readonly<Record<string, string>> = {
  Date: "Send date.toISOString() or date.getTime()",
  Map: "Send Object.fromEntries(map) or [...map]",
  Set: "Send [...set]",
  Buffer: 'Send buffer.toString("base64")',
  Error: "Send error.message",
  URL: "Send url.href",
  RegExp: "Send regexp.source",
  String: "Send the plain value",
  Number: "Send the plain value",
  Boolean: "Send the plain value",
};

/**
 * A copy of its own, read in the same walk that checks it. Throws BAD_ARGS with the path of the first part of `value`
 * that JSON would change; `where` is the queue.
 */
export function copyJson(value: unknown, path: string, where?: string): unknown {
  const copy = copyCarriable(value, path);
  if (!(copy instanceof Uncarriable)) return copy;
  const text = `${copy.path} is ${copy.what}, which JSON cannot carry. ${copy.advice}.`;
  throw new FunboostError("BAD_ARGS", text, where ? { where } : {});
}

/**
 * A copy, or the first part of `value` that JSON would change. `undefined` itself and undefined members are carried by
 * leaving them out.
 */
export function copyCarriable(value: unknown, path: string): unknown {
  let copy = visit(value, 0, usualDepth);
  if (copy instanceof TooDeep) {
    const cycle = findCycle(value as object, path);
    if (cycle) return cycle;
    copy = visit(value, 0, maxDepth);
  }
  if (copy instanceof Uncarriable) copy.path = shortPath(path + copy.path);
  return copy;
}

// Called for each publish: paths are built only on the way back from a problem.
function visit(value: unknown, depth: number, most: number): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return value;
    case "number":
      return Number.isFinite(value) ? value : new Uncarriable(String(value), "Send null or a text, or leave it out");
    case "object":
      if (value === null) return value;
      if (depth > most) return new TooDeep();
      return Array.isArray(value) ? visitArray(value, depth, most) : visitObject(value, depth, most);
    case "bigint":
      return new Uncarriable(`the bigint ${value}`, "Send String(value)");
    default:
      return new Uncarriable(`a ${typeof value}`, "Leave it out");
  }
}

function visitArray(value: readonly unknown[], depth: number, most: number): unknown {
  const made: unknown[] = new Array(value.length); // one that grows takes room for sixteen
  for (let i = 0; i < value.length; i++) {
    const item = value[i];
    const copy =
      item === undefined
        ? new Uncarriable(i in value ? "undefined" : "a hole", "Send null in its place")
        : visit(item, depth + 1, most);
    if (copy instanceof Uncarriable) return addStep(copy, `[${i}]`);
    made[i] = copy;
  }
  return made;
}

function visitObject(value: object, depth: number, most: number): unknown {
  if (isInstance(value)) return instanceProblem(value);
  const made: Record<string, unknown> = { ...value }; // its getters are asked once
  // Quicker than a list of its keys.
  for (const key in made) {
    const member = made[key];
    if (typeof member === "string" || typeof member === "boolean" || Number.isFinite(member)) continue;
    if (!Object.hasOwn(made, key)) continue; // somebody has put it on Object.prototype
    const copy = visit(member, depth + 1, most);
    if (copy instanceof Uncarriable) return addStep(copy, memberStep(key));
    if (copy === undefined) delete made[key];
    else if (copy !== member) setMember(made, key, copy);
  }
  return made;
}

function addStep(problem: Uncarriable, step: string): Uncarriable {
  problem.path = step + problem.path;
  return problem;
}

function memberStep(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** A path of a thousand steps helps nobody. */
function shortPath(path: string): string {
  const half = longestPath / 2;
  return path.length > longestPath ? `${path.slice(0, half)}…${path.slice(-half)}` : path;
}

function isInstance(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype !== Object.prototype && prototype !== null && !isForeignObjectPrototype(prototype);
}

/** Plain objects of another realm (node:vm, jest) are plain too. */
function isForeignObjectPrototype(prototype: object): boolean {
  return (
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, "hasOwnProperty") &&
    Object.hasOwn(prototype, "isPrototypeOf")
  );
}

function instanceProblem(value: object): Uncarriable {
  const name: string = value instanceof Error ? "Error" : (Object.getPrototypeOf(value)?.constructor?.name ?? "");
  const what =
    name && name !== "Object"
      ? `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`
      : "an object with a prototype of its own";
  const fallback =
    ArrayBuffer.isView(value) || value instanceof ArrayBuffer
      ? bytesAdvice
      : "Send a plain object with what the task needs";
  return new Uncarriable(what, advices[name] ?? fallback);
}

/** An object on the way from the root, and which of its members comes next. */
interface Holder {
  readonly value: object;
  readonly path: string;
  readonly members: readonly (readonly [string, unknown])[];
  next: number;
}

/** The first place where a value holds what holds it. Each object is looked at once, and none that is too deep. */
function findCycle(root: object, rootPath: string): Uncarriable | undefined {
  const paths = new Map<object, string>();
  const done = new Set<object>();
  const stack: Holder[] = [];
  const enter = (value: object, path: string) => {
    paths.set(value, path);
    stack.push({ value, path, members: Object.entries(value), next: 0 });
  };
  enter(root, rootPath);
  for (let holder = stack.at(-1); holder && stack.length <= maxDepth; holder = stack.at(-1)) {
    const [key, value] = holder.members[holder.next++] ?? [];
    if (key === undefined) {
      stack.pop();
      paths.delete(holder.value);
      done.add(holder.value);
    } else if (isHolder(value) && !done.has(value)) {
      const path = holder.path + (Array.isArray(holder.value) ? `[${key}]` : memberStep(key));
      const same = paths.get(value);
      if (same !== undefined) return cycle(path, same);
      enter(value, path);
    }
  }
  return undefined;
}

function isHolder(value: unknown): value is object {
  return typeof value === "object" && value !== null && (Array.isArray(value) || !isInstance(value));
}

function cycle(path: string, same: string): Uncarriable {
  const what = `a cycle: it is the same object as ${shortPath(same)}`;
  return Object.assign(new Uncarriable(what, "Send ids instead of references"), { path: shortPath(path) });
}
