/** JSON at any depth. */
import { stringifyJson } from "./json.ts";

/** A part of the text. */
class Fragment {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** JSON of a value that is too deep for `JSON.stringify`, which calls itself for each level. */
export function stringifyDeep(value: unknown): string {
  let text = "";
  const left: unknown[] = [value];
  while (left.length > 0) {
    const each = left.pop();
    if (each instanceof Fragment) text += each.text;
    else if (isOpen(each)) for (const part of partsOf(each).reverse()) left.push(part);
    else text += stringifyJson(each);
  }
  return text;
}

function isOpen(value: unknown): value is object {
  return typeof value === "object" && value !== null && !("toJSON" in value);
}

function partsOf(value: object): unknown[] {
  if (Array.isArray(value)) return [new Fragment("["), ...separated(value.map((item) => [item])), new Fragment("]")];
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  const parts = members.map(([key, member]) => [new Fragment(`${JSON.stringify(key)}:`), member]);
  return [new Fragment("{"), ...separated(parts), new Fragment("}")];
}

function separated(parts: readonly (readonly unknown[])[]): unknown[] {
  return parts.flatMap((part, i) => (i === 0 ? part : [new Fragment(","), ...part]));
}
