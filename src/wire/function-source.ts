/** The parameters of a function, read from its source. */
import {
  type Options as AcornOptions,
  type AnyNode,
  type CallExpression,
  type Function as ParsedFunction,
  type Pattern,
  parseExpressionAt,
} from "acorn";

export interface Source {
  readonly parameters: readonly Parameter[];
  readonly usesArguments: boolean;
  readonly usesThis: boolean;
}

/** A parameter as the source has it. */
export interface Parameter {
  /** Undefined where it is destructured. */
  readonly name: string | undefined;
  readonly pattern: Pattern;
  readonly optional: boolean;
  readonly rest: boolean;
}

export function sourceOf(fn: (...args: never[]) => unknown): string {
  return Function.prototype.toString.call(fn);
}

/** As an expression, as a class's method, as an object's method; undefined when none of it parses. */
export function parseFunction(source: string): Source | undefined {
  const shapes: readonly [string, string][] = [
    ["(", ")"],
    ["(class { ", " })"],
    ["({ ", " })"],
  ];
  for (const sourceType of ["module", "script"] as const) {
    const options: AcornOptions = {
      ecmaVersion: "latest",
      sourceType,
      checkPrivateFields: false,
      allowSuperOutsideMethod: true,
    };
    for (const [before, after] of shapes) {
      const found = tryParse(before + source + after, options);
      if (found)
        return {
          parameters: found.params.map(toParameter),
          usesArguments:
            found.type !== "ArrowFunctionExpression" && found.params.concat(found.body as never).some(readsArguments),
          // What asks how it was called, as mocks do, is no method.
          usesThis:
            found.type !== "ArrowFunctionExpression" &&
            ![...found.params, found.body].some(asksHowCalled) &&
            [...found.params, found.body].some(usesThis),
        };
    }
  }
  return undefined;
}

function tryParse(source: string, options: AcornOptions): ParsedFunction | undefined {
  try {
    const node: AnyNode = parseExpressionAt(source, 0, options);
    if (node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression") return node;
    const [member] =
      node.type === "ClassExpression" ? node.body.body : node.type === "ObjectExpression" ? node.properties : [];
    if (member?.type !== "MethodDefinition" && member?.type !== "Property") return undefined;
    const isMethod = member.type === "MethodDefinition" ? member.kind === "method" : member.method;
    return isMethod && member.value.type === "FunctionExpression" ? member.value : undefined;
  } catch {
    return undefined; // the next shape may fit
  }
}

function toParameter(node: Pattern): Parameter {
  const optional = node.type === "AssignmentPattern";
  const rest = node.type === "RestElement";
  const pattern = optional ? node.left : rest ? node.argument : node;
  return { name: pattern.type === "Identifier" ? pattern.name : undefined, pattern, optional, rest };
}

/** Whether `arguments` is read, not counting nested functions (which have their own) and members of that name. */
function readsArguments(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return false;
  if (Array.isArray(node)) return node.some(readsArguments);
  const each = node as AnyNode;
  if (each.type === "FunctionExpression" || each.type === "FunctionDeclaration") return false;
  if (each.type === "Identifier") return each.name === "arguments";
  if (each.type === "MemberExpression" && !each.computed) return readsArguments(each.object);
  if (
    (each.type === "Property" || each.type === "MethodDefinition" || each.type === "PropertyDefinition") &&
    !each.computed
  )
    return readsArguments(each.value);
  return Object.values(each).some(readsArguments);
}

/** Whether `new.target` is read, not counting nested functions, which have their own. */
function asksHowCalled(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return false;
  const { type, meta } = node as { type?: AnyNode["type"]; meta?: { name: string } };
  if (type === "MetaProperty") return meta?.name === "new";
  if (type === "FunctionExpression" || type === "FunctionDeclaration") return false;
  return Object.values(node).some(asksHowCalled);
}

/** Whether `this` is used, not counting what has its own: nested functions, and the fields of classes. */
function usesThis(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return false;
  if (Array.isArray(node)) return node.some(usesThis);
  const each = node as AnyNode;
  switch (each.type) {
    case "ThisExpression":
      return true;
    case "FunctionExpression":
    case "FunctionDeclaration":
    case "StaticBlock":
      return false;
    case "MethodDefinition":
    case "PropertyDefinition":
      return each.computed && usesThis(each.key);
    case "CallExpression":
      return partsOfCall(each).some(usesThis);
    case "LogicalExpression": // `this || globalThis` does without
      return usesThis(
        each.operator !== "&&" && each.left.type === "ThisExpression" ? each.right : [each.left, each.right],
      );
    default:
      return Object.values(each).some(usesThis);
  }
}

/**
 * Wrappers, mocks and what compilers write for older targets hand `this` on, used or not: `f.apply(this, args)`,
 * `__awaiter(this, ...)`. A function beside it is run with it.
 */
function partsOfCall({ callee, arguments: given }: CallExpression): unknown[] {
  const others = given.filter((each) => each.type !== "ThisExpression");
  const isHandedOn = others.length < given.length;
  return [callee, ...others.map((each) => (isHandedOn && each.type === "FunctionExpression" ? each.body : each))];
}
