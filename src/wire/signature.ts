/** How the arguments of a function travel: by name, by position, or as one object. Names are read from the source. */
import { describe, FunboostError } from "../base/errors.ts";
import { type Parameter, parseFunction, type Source, sourceOf } from "./function-source.ts";

export interface Signature {
  /** "named": names are the contract; "positional": they are labels; "object": the body is the one argument. */
  readonly kind: "named" | "positional" | "object";
  /** Whatever a message holds is the one argument, of any JSON type. */
  readonly takesAll?: true;
  readonly names: readonly string[];
  /** The last name collects what is left. */
  readonly rest: boolean;
  /**
   * How many leading arguments must be there. 0 for labels: whether a parameter is optional in TypeScript cannot be
   * read from JavaScript.
   */
  readonly required: number;
}

/** Of a function that looks at the data by itself. */
export const wholeData: Signature = { kind: "object", names: [], rest: false, required: 0, takesAll: true };

// biome-ignore lint/suspicious/noExplicitAny: the bound of every function that can be a task
export type AnyFunction = (...args: any[]) => unknown;

type Refuse = (text: string) => never;

const namePattern = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;
/** Names that no parameter may have, and what each is. */
const reserved = new Map([
  ["extra", "funboost's own member of a message"],
  ["__proto__", "not safe in a message"],
]);
const declareParams =
  'Give the names: boost({ params: ["file", "height"] }, fn), or take one object: boost({ params: "object" }, fn)';

/** Throws BAD_OPTION, naming queue and function, for functions whose arguments cannot be carried. */
export function readSignature(fn: AnyFunction, params?: readonly string[] | "object", queue?: string): Signature {
  const refuse = createRefuse(fn, queue);
  if (typeof fn !== "function") return refuse(`the task is ${describe(fn)}, not a function.`);
  const kind = Object.prototype.toString.call(fn);
  if (kind.endsWith("GeneratorFunction]"))
    return refuse("it is a generator: calling it would run nothing. Use a plain or an async function.");
  if (/^class\b/.test(sourceOf(fn))) return refuse("it is a class. Use a function that makes and uses an instance.");
  const parsed = parseFunction(sourceOf(fn));
  if (parsed?.usesThis)
    return refuse(
      "it uses `this`, which no run has: it may be in another process. " +
        "Wrap it in an arrow function: (file) => service.work(file).",
    );
  if (params === "object")
    return fn.length > 1
      ? refuse(`it takes ${fn.length} parameters, and params: "object" gives it one.`)
      : objectSignature(fn.length);
  if (params !== undefined) return namedSignature(fn, params, parsed, refuse);
  return sourceSignature(fn, parsed, refuse);
}

function createRefuse(fn: unknown, queue: string | undefined): Refuse {
  const name = typeof fn === "function" && fn.name ? `function "${fn.name}"` : "the function";
  return (text) => {
    throw new FunboostError("BAD_OPTION", `${name} cannot be a task: ${text}`, queue ? { where: queue } : {});
  };
}

function sourceSignature(fn: AnyFunction, parsed: Source | undefined, refuse: Refuse): Signature {
  const source = sourceOf(fn);
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source))
    return refuse(
      `it is native or bound, so its parameters cannot be read. ${declareParams}, or wrap it: (file) => fn(file).`,
    );
  if (!parsed) return refuse(`its source cannot be read. ${declareParams}.`);
  const { parameters, usesArguments } = parsed;
  const [first] = parameters;
  if (parameters.length === 1 && first?.pattern.type === "ObjectPattern") return destructuredSignature(first, refuse);
  if (parameters.length === 0 && usesArguments)
    return refuse("it reads `arguments`, which have no names. Use a rest parameter: (...items).");
  const names = parameters.map(
    (each, index) =>
      each.name ??
      refuse(
        `parameter ${index + 1} is destructured. Give it a name and take it apart inside, ` +
          `or declare params: ["${each.rest ? "...items" : "options"}"].`,
      ),
  );
  checkNames(names, refuse);
  return { kind: "positional", names, rest: parameters.at(-1)?.rest ?? false, required: 0 };
}

function destructuredSignature({ pattern, optional }: Parameter, refuse: Refuse): Signature {
  const members = pattern.type === "ObjectPattern" ? pattern.properties : [];
  const takesExtra = members.some(
    (each) => each.type === "Property" && !each.computed && each.key.type === "Identifier" && each.key.name === "extra",
  );
  if (takesExtra) refuse('its parameter has a member "extra", which is funboost\'s own in a message. Rename it.');
  return objectSignature(optional ? 0 : 1);
}

function objectSignature(required: number): Signature {
  return { kind: "object", names: [], rest: false, required };
}

function namedSignature(
  fn: AnyFunction,
  params: readonly string[],
  parsed: Source | undefined,
  refuse: Refuse,
): Signature {
  if (!Array.isArray(params) || !params.every((each) => typeof each === "string"))
    return refuse(`"params" is ${describe(params)}. Allowed: a list of names, or "object".`);
  const rest = params.at(-1)?.startsWith("...") ?? false;
  const names = params.map((each) => each.replace(/^\.\.\./, "").replace(/\?$/, ""));
  const early = params.slice(0, -1).find((each) => each.startsWith("..."));
  if (early !== undefined) refuse(`"params" has "${early}" before its end. Only the last name can collect the rest.`);
  checkNames(names, refuse);
  const optionalAt = params.findIndex((each) => each.endsWith("?"));
  const late =
    optionalAt < 0
      ? undefined
      : params.slice(optionalAt).find((each) => !each.endsWith("?") && !each.startsWith("..."));
  if (late !== undefined)
    refuse(`"params" has "${late}" after the optional "${params[optionalAt]}". Mark it "${late}?" or put it first.`);
  const plain = rest ? names.length - 1 : names.length;
  checkCount(fn, plain, rest, parsed, refuse);
  checkNamesOrder(params, names, parsed?.parameters ?? [], refuse);
  return {
    kind: "named",
    names,
    rest,
    required: optionalAt < 0 ? Math.min(plain, requiredBySource(fn, parsed)) : optionalAt,
  };
}

/**
 * Parameters up to the first default. A function that only collects, such as a wrapper, says nothing: all names are
 * needed.
 */
function requiredBySource(fn: AnyFunction, parsed: Source | undefined): number {
  if (!parsed) return fn.length;
  const optional = parsed.parameters.findIndex((each) => each.optional);
  return optional < 0 ? Number.POSITIVE_INFINITY : optional;
}

function checkCount(fn: AnyFunction, plain: number, rest: boolean, parsed: Source | undefined, refuse: Refuse): void {
  if (plain < fn.length && !rest)
    refuse(`"params" has ${count(plain)}, and the function takes ${fn.length}. Name each of its parameters.`);
  if (!parsed || parsed.usesArguments || parsed.parameters.at(-1)?.rest) return;
  const takes = parsed.parameters.length;
  if (plain > takes) refuse(`"params" has ${count(plain)}, and the function takes ${takes}. Name only its parameters.`);
  if (rest) refuse('"params" ends in a rest name, and the function has no rest parameter. Name only its parameters.');
}

/**
 * The source's own names in another order are a mistake that no type can see. Other names, and those of one letter, may
 * be a minifier's, and say nothing.
 */
function checkNamesOrder(
  params: readonly string[],
  names: readonly string[],
  parameters: readonly Parameter[],
  refuse: Refuse,
): void {
  const own = parameters.map(({ name }) => name);
  const at = names.findIndex((name, index) => name !== own[index]);
  const isSame = own.length === names.length && names.every((name) => name.length > 1 && own.includes(name));
  if (at < 0 || !isSame) return;
  const takes = parameters.map(({ name, rest }) => (rest ? `...${name}` : name)).join(", ");
  refuse(
    `"params" is (${params.join(", ")}), and the function takes (${takes}): ` +
      `what is sent as "${names[at]}" would arrive in the parameter called "${own[at]}". ` +
      'Use one order: in the function, or, where nothing else publishes to this queue, in "params" on both sides.',
  );
}

function count(names: number): string {
  return names === 1 ? "1 name" : `${names} names`;
}

function checkNames(names: readonly string[], refuse: Refuse): void {
  names.forEach((name, index) => {
    const reason = reserved.get(name);
    if (reason !== undefined) refuse(`a parameter is called "${name}", which is ${reason}. Rename it.`);
    if (!namePattern.test(name))
      refuse(
        `"params" has ${describe(name)}. ` +
          'Allowed: names such as "file", "file?" (may be missing) and, last, "...files".',
      );
    if (names.indexOf(name) !== index) refuse(`two parameters are called "${name}". Rename one.`);
  });
}
