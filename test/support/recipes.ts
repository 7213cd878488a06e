/** The settings that docs/guides/bundlers.md gives, as files of an application. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./installed.ts";

const guide = readFileSync(join(root, "docs/guides/bundlers.md"), "utf8");
const blocks = [...guide.matchAll(/^```js\n(\/\/ (\S+)\n[\s\S]*?)^```$/gm)];

/** Writes the block that is this file into the folder, and answers where it is. */
export function writeRecipe(folder: string, file: string): string {
  const text = blocks.find(([, , name]) => name === file)?.[1];
  if (text === undefined) throw new Error(`docs/guides/bundlers.md has no block // ${file}`);
  writeFileSync(join(folder, file), text);
  return join(folder, file);
}

/** The arguments of the command for this program. */
export function recipeArguments(program: string): string[] {
  const line = guide.split("\n").find((each) => each.startsWith(`npx ${program} `));
  if (line === undefined) throw new Error(`docs/guides/bundlers.md has no command npx ${program}`);
  return line.split(" ").slice(2);
}
