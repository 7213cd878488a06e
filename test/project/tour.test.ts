/** docs/tour.md: what it names is there. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { code, filesUnder, read, root } from "../support/sources.ts";

const tour = read("docs/tour.md");
const rows = [...tour.matchAll(/^\| ([^|]+\?) \| `([^`]+)` \| `([^`]+)` \|$/gm)].map(
  ([, question, file, name]) => [question, file, name] as [string, string, string],
);

/** Declares it: a function, a constant, a class, a method, or a member that is a function. */
function declares(file: string, name: string): boolean {
  const text = code(file);
  const top = new RegExp(`^(?:export )?(?:async )?(?:function\\*?|const|class|interface|type) ${name}\\b`, "m");
  const method = new RegExp(`^ {2,4}(?:(?:async )?${name}\\([^)]*\\)[^;]*\\{|${name}: \\([^)]*\\)[^;]* =>.*)$`, "m");
  return top.test(text) || method.test(text);
}

describe("the tour", () => {
  it("answers fifteen questions", () => {
    expect(rows.length).toBe(15);
  });
  it.each(rows)("%s", (_, file, name) => {
    expect(existsSync(join(root, file)), file).toBe(true);
    expect(declares(file, name), `${file} declares ${name}`).toBe(true);
  });
  it("names files and functions that are there, in its walks too", () => {
    const short = [...tour.matchAll(/`((?:[\w-]+\/)?[\w-]+\.ts)`/g)].map(([, file]) => `src/${file}`);
    const full = [...tour.matchAll(/`((?:src|adapters|test)\/[\w/-]+\.ts)`/g)].map(([, file]) => file as string);
    const files = [...short.filter((file) => !full.includes(file.slice(4))), ...full];
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    const pairs = [...tour.matchAll(/`([\w.]+)` \(`((?:[\w-]+\/)?[\w-]+\.ts)`\)/g)];
    const wrong = pairs.flatMap(([, name, file]) =>
      declares(`src/${file}`, (name as string).split(".").at(-1) as string) ? [] : [`${file}: ${name}`],
    );
    expect(wrong).toEqual([]);
    expect(pairs.length).toBeGreaterThan(15);
  });
  it("draws every room, and arrows of the architecture only", () => {
    const drawn = [...tour.matchAll(/^ {2}(\w+)(?:\["[^"]*"\])?(?: --> (.+))?$/gm)];
    const rooms = new Set(filesUnder("src").flatMap((file) => file.match(/^src\/(\w+)\/./)?.[1] ?? []));
    expect([...rooms].filter((room) => !drawn.some(([, name]) => name === room))).toEqual([]);
    const table = read("test/project/architecture.test.ts");
    const wrong = drawn.flatMap(([, from, to]) =>
      (to?.split(" & ") ?? []).filter(
        (each) => from !== "adapters" && !new RegExp(`^  ${from}: "[^"]*\\b${each}\\b`, "m").test(table),
      ),
    );
    expect(wrong).toEqual([]);
  });
});
