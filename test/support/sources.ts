/** The sources as text: which files there are, what each imports, and where imports go in a circle. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const read = (file: string) => readFileSync(join(root, file), "utf8");
export const lines = (file: string) => read(file).trimEnd().split("\n").length;

/** All TypeScript files below a folder, as paths from the root with forward slashes. */
export function filesUnder(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((each) => each.isFile() && each.name.endsWith(".ts") && !each.name.endsWith(".d.ts"));
  return files.map((each) => join(each.parentPath, each.name).slice(root.length).replaceAll("\\", "/")).sort();
}

/** Without comments, which hold examples, and without texts in other quotes than those of imports, which hold other programs. */
export const withoutComments = (text: string) =>
  text.replace(/("(?:\\.|[^"\\\n])*")|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "$1");
export const code = (file: string) => withoutComments(read(file));

const importPattern = /(?:\bfrom\s+|\bimport\s+|\b(?:import|require)\s*\(\s*)"([^"]+)"/g;

/** What a file imports: relative names as paths from the root, others as they are. */
export function imports(file: string, text = code(file)): string[] {
  const names = [...text.matchAll(importPattern)].map((match) => match[1] as string);
  return names.map((name) => (name.startsWith(".") ? posix.join(posix.dirname(file), name) : name));
}

/** Groups of files that reach each other by imports, types included. */
export function circles(
  files: readonly string[],
  importsOf: (file: string) => readonly string[] = imports,
): string[][] {
  const reach = new Map(files.map((file) => [file, reachable(file, files, importsOf)]));
  const seen = new Set<string>();
  return files.flatMap((file) => {
    if (seen.has(file) || !reach.get(file)?.has(file)) return [];
    const circle = files.filter((other) => reach.get(file)?.has(other) && reach.get(other)?.has(file));
    for (const each of circle) seen.add(each);
    return [circle];
  });
}

function reachable(
  from: string,
  files: readonly string[],
  importsOf: (file: string) => readonly string[],
): Set<string> {
  const known = new Set(files);
  const found = new Set<string>();
  const waiting = [from];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop())
    for (const name of importsOf(file).filter((each) => known.has(each) && !found.has(each))) {
      found.add(name);
      waiting.push(name);
    }
  return found;
}
