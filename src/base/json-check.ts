/** What JSON can carry unchanged: all else is found before it is sent. */
import { FunboostError } from "./errors.ts";

/** A value that JSON would change or lose without a word. */
export interface Uncarriable {
  /** Where it is: `args.options.when`. */
  readonly path: string;
  /** "a Date" */
  readonly what: string;
  /** What to send instead. */
  readonly advice: string;
}

/** The same on its way back to the root: `path` grows at its front. */
type Problem = { path: string; readonly what: string; readonly advice: string };

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

/** Throws BAD_ARGS with the path of the first part of `value` that JSON would change; `where` is the queue. */
export function checkJson(value: unknown, path: string, where?: string): void {
  const problem = visit(value, 0, value);
  if (problem)
    throw new FunboostError(
      "BAD_ARGS",
      `${path}${problem.path} is ${problem.what}, which JSON cannot carry. ${problem.advice}.`,
      where ? { where } : {},
    );
}

/**
 * The first part of `value` that JSON would change; undefined when there is none. `undefined` itself and undefined
 * members are carried by leaving them out.
 */
export function findUncarriable(value: unknown, path: string): Uncarriable | undefined {
  const problem = visit(value, 0, value);
  return problem && { ...problem, path: path + problem.path };
}

// Called for each publish: paths are built only on the way back from a problem.
function visit(value: unknown, depth: number, root: unknown): Problem | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return undefined;
    case "number":
      return Number.isFinite(value)
        ? undefined
        : { path: "", what: String(value), advice: "Send null or a text, or leave it out" };
    case "object":
      if (value === null) return undefined;
      if (depth > maxDepth) return tooDeep(root);
      return Array.isArray(value) ? visitArray(value, depth, root) : visitObject(value, depth, root);
    case "bigint":
      return { path: "", what: `the bigint ${value}`, advice: "Send String(value)" };
    default:
      return { path: "", what: `a ${typeof value}`, advice: "Leave it out" };
  }
}

function visitArray(value: readonly unknown[], depth: number, root: unknown): Problem | undefined {
  for (let i = 0; i < value.length; i++) {
    const item = value[i];
    const problem =
      item === undefined
        ? { path: "", what: i in value ? "undefined" : "a hole", advice: "Send null in its place" }
        : visit(item, depth + 1, root);
    if (problem) return addStep(problem, `[${i}]`);
  }
  return undefined;
}

function visitObject(value: object, depth: number, root: unknown): Problem | undefined {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !isForeignObjectPrototype(prototype))
    return instanceProblem(value);
  for (const key of Object.keys(value)) {
    const problem = visit((value as Record<string, unknown>)[key], depth + 1, root);
    if (problem) return addStep(problem, /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
  }
  return undefined;
}

function addStep(problem: Problem, step: string): Problem {
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

function instanceProblem(value: object): Problem {
  const name: string = value instanceof Error ? "Error" : (Object.getPrototypeOf(value)?.constructor?.name ?? "");
  const what =
    name && name !== "Object"
      ? `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`
      : "an object with a prototype of its own";
  const fallback =
    ArrayBuffer.isView(value) || value instanceof ArrayBuffer
      ? bytesAdvice
      : "Send a plain object with what the task needs";
  return { path: "", what, advice: advices[name] ?? fallback };
}

function tooDeep(root: unknown): Problem {
  const cyclic = hasCycle(root);
  const what = cyclic ? "part of a cycle (it contains itself)" : `nested more than ${maxDepth} levels deep`;
  return { path: "", what, advice: cyclic ? "Send ids instead of references" : "Send a flatter value" };
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
