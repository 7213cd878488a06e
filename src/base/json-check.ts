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
  const copy = visit(value, 0, value);
  if (copy instanceof Uncarriable) copy.path = path + copy.path;
  return copy;
}

// Called for each publish: paths are built only on the way back from a problem.
function visit(value: unknown, depth: number, root: unknown): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return value;
    case "number":
      return Number.isFinite(value) ? value : new Uncarriable(String(value), "Send null or a text, or leave it out");
    case "object":
      if (value === null) return value;
      if (depth > maxDepth) return tooDeep(root);
      return Array.isArray(value) ? visitArray(value, depth, root) : visitObject(value, depth, root);
    case "bigint":
      return new Uncarriable(`the bigint ${value}`, "Send String(value)");
    default:
      return new Uncarriable(`a ${typeof value}`, "Leave it out");
  }
}

function visitArray(value: readonly unknown[], depth: number, root: unknown): unknown {
  const made: unknown[] = [];
  for (let i = 0; i < value.length; i++) {
    const item = value[i];
    const copy =
      item === undefined
        ? new Uncarriable(i in value ? "undefined" : "a hole", "Send null in its place")
        : visit(item, depth + 1, root);
    if (copy instanceof Uncarriable) return addStep(copy, `[${i}]`);
    made.push(copy);
  }
  return made;
}

function visitObject(value: object, depth: number, root: unknown): unknown {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !isForeignObjectPrototype(prototype))
    return instanceProblem(value);
  const made: Record<string, unknown> = { ...value }; // its getters are asked once
  // Quicker than a list of its keys.
  for (const key in made) {
    const member = made[key];
    if (typeof member === "string" || typeof member === "boolean" || Number.isFinite(member)) continue;
    if (!Object.hasOwn(made, key)) continue; // somebody has put it on Object.prototype
    const copy = visit(member, depth + 1, root);
    if (copy instanceof Uncarriable)
      return addStep(copy, /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
    if (copy === undefined) delete made[key];
    else if (copy !== member) setMember(made, key, copy);
  }
  return made;
}

function addStep(problem: Uncarriable, step: string): Uncarriable {
  // A path of a thousand steps helps nobody.
  problem.path = problem.path.length > 300 ? problem.path : step + problem.path;
  return problem;
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

function tooDeep(root: unknown): Uncarriable {
  const cyclic = hasCycle(root);
  const what = cyclic ? "part of a cycle (it contains itself)" : `nested more than ${maxDepth} levels deep`;
  return new Uncarriable(what, cyclic ? "Send ids instead of references" : "Send a flatter value");
}

/** Iterative: `undefined` on the stack marks that the last ancestor is done. */
function hasCycle(root: unknown): boolean {
  const ancestors = new Set<unknown>();
  const path: unknown[] = [];
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const value = stack.pop();
    if (value === undefined) ancestors.delete(path.pop());
    else if (ancestors.has(value)) return true;
    else if (typeof value === "object" && value !== null) {
      ancestors.add(value);
      path.push(value);
      stack.push(undefined);
      for (const member of Object.values(value)) if (typeof member === "object" && member !== null) stack.push(member);
    }
  }
  return false;
}
