/** The demo's input: the Markdown files of the installed packages, by package. */
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

export function markdownByPackage(root: string, limit: number): Map<string, string[]> {
  const found = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(md|markdown)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .slice(0, limit);
  const packages = new Map<string, string[]>();
  for (const file of found) {
    const name = packageOf(relative(root, file));
    packages.set(name, [...(packages.get(name) ?? []), file]);
  }
  return packages;
}

function packageOf(path: string): string {
  const [first = "", second = ""] = path.split(sep);
  return first.startsWith("@") ? `${first}/${second}` : first;
}
