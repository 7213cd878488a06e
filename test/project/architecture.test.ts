/** The shape of the tree: rooms and who may import whom, how big files and functions may grow, how peers are loaded. Reads the sources as text. */
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { circles, code, filesUnder, imports, lines, read, root, withoutComments } from "../support/sources.ts";

const manifest = JSON.parse(read("package.json"));
const peers = Object.keys(manifest.peerDependencies);

/**
 * The rooms of src/ from top to bottom, and which of those below each imports. A room may import what its line names and no other; what its
 * line names and no file imports must go.
 */
const rooms: Readonly<Record<string, string>> = {
  doors: "consume publish results queue setup options wire store task base contract",
  consume: "run filter queue setup slots options store base contract",
  run: "filter results queue setup slots options wire store task base contract",
  publish: "filter results setup options wire store task base contract",
  filter: "results setup options wire store task base contract",
  results: "queue setup options store task base contract",
  queue: "setup slots options wire store base contract",
  setup: "emulation options wire store task base contract",
  slots: "options base contract",
  emulation: "wire store base contract",
  options: "wire task base contract",
  wire: "base contract",
  store: "base contract",
  task: "base contract",
  base: "contract",
  contract: "",
};

/** Rooms that do not exist yet, in src/ and beside it, and what they may import: held as soon as they have a file. */
const coming: Readonly<Record<string, string>> = {
  "src/schedules": "publish setup store options base contract",
  "src/workers": "consume setup base",
  "src/classes": "setup options base",
  "src/operate": "queue results setup store options base contract",
  canvas: "funboost",
  cli: "funboost adapters/catalog.ts",
  telemetry: "funboost",
  testing: "funboost src/base/clock.ts",
  web: "funboost",
  migration: "funboost",
};

/** Takers of the whole open task: its definition, the opening, publishing, consuming, running. Others take a part of it. */
const mostTakers = 8;

const builtIn = (name: string) => name.startsWith("node:");
const relative = (name: string) =>
  /^(src|adapters|canvas|cli|telemetry|testing|web|migration|test|examples|bench|scripts)\//.test(name);
const packageName = (name: string) => name.split("/", name.startsWith("@") ? 2 : 1).join("/");
const isPublic = (name: string) => /^funboost($|\/)/.test(name);
const src = filesUnder("src");
const adapters = filesUnder("adapters");

const roomOf = (file: string) => (file.split("/").length === 2 ? "doors" : (file.split("/")[1] as string));
const isComing = (file: string) => Object.keys(coming).find((room) => file.startsWith(`${room}/`));

function offences(files: readonly string[], allowed: (name: string, file: string) => boolean): string[] {
  return files.flatMap((file) =>
    imports(file).flatMap((name) => (allowed(name, file) ? [] : [`${file} imports ${name}`])),
  );
}

describe("rooms", () => {
  const built = src.filter((file) => !isComing(file));
  const arrows = new Map<string, string>();
  for (const file of built)
    for (const name of imports(file).filter((each) => each.startsWith("src/"))) {
      const [from, to] = [roomOf(file), roomOf(name)];
      if (from !== to) arrows.set(`${from} -> ${to}`, `${file} imports ${name}`);
    }
  const table = Object.entries(rooms).flatMap(([from, below]) =>
    below
      .split(" ")
      .filter(Boolean)
      .map((to) => `${from} -> ${to}`),
  );

  it("src holds its doors and these rooms, and nothing else", () => {
    expect(built.map(roomOf).filter((room) => !Object.hasOwn(rooms, room))).toEqual([]);
    const doors = built.filter((file) => roomOf(file) === "doors").map((file) => posix.basename(file, ".ts"));
    expect(doors).toEqual([
      "adopt",
      "boost",
      "core",
      "define-task",
      "index",
      "publish-only",
      "publisher",
      "publishing",
      "store-of",
      "with-lock",
    ]);
    expect(Object.keys(rooms).filter((room) => !built.some((file) => roomOf(file) === room))).toEqual([]);
  });
  it("the table's arrows go down only", () => {
    const floor = Object.keys(rooms);
    expect(
      table.filter((arrow) => {
        const [from, to] = arrow.split(" -> ") as [string, string];
        return floor.indexOf(to) <= floor.indexOf(from);
      }),
    ).toEqual([]);
  });
  it("no arrow that is not in the table", () => {
    expect([...arrows].filter(([arrow]) => !table.includes(arrow)).map(([, example]) => example)).toEqual([]);
  });
  it("no entry of the table that no arrow uses", () => {
    expect(table.filter((arrow) => !arrows.has(arrow))).toEqual([]);
  });
  it("rooms to come import what their line says, from their first file on", () => {
    const files = Object.keys(coming).flatMap((room) => filesUnder(room));
    const allowed = (name: string, file: string) => {
      const room = isComing(file) as string;
      const may = (coming[room] as string).split(" ");
      if (name.startsWith(`${room}/`) || may.includes(name) || (isPublic(name) && may.includes("funboost")))
        return true;
      return !relative(name) || (name.startsWith("src/") && may.includes(roomOf(name)));
    };
    expect(offences(files, allowed)).toEqual([]);
  });
  it("no circle of files, types included", () => {
    expect(circles([...src, ...adapters])).toEqual([]);
  });
  it(`at most ${mostTakers} files name the whole open task`, () => {
    const takers = src.filter((file) => /\bOpenTask\b/.test(code(file)));
    expect(takers.length, takers.join("\n")).toBeLessThanOrEqual(mostTakers);
    expect(takers).toContain("src/setup/model.ts"); // else the type has another name, and this counts nothing
  });
  it("each room says in its first line what it is for", () => {
    const missing = Object.keys(rooms).filter(
      (room) => room !== "doors" && !existsSync(join(root, "src", room, "README.md")),
    );
    expect(missing).toEqual([]);
    const wrong = Object.keys(rooms).filter(
      (room) => room !== "doors" && !/^# `\w+\/`: .{10,}/.test(read(`src/${room}/README.md`)),
    );
    expect(wrong).toEqual([]);
  });
});

describe("imports", () => {
  it("an adapter imports the contract, the ground floor and other adapters", () => {
    const ground = ["src/contract/", "src/base/"];
    const allowed = (name: string) =>
      !relative(name) || name.startsWith("adapters/") || ground.some((room) => name.startsWith(room));
    expect(offences(adapters, allowed)).toEqual([]);
  });
  it("src imports src; only the entries with brokers by name name the catalog", () => {
    const withCatalog = ["src/index.ts", "src/publish-only.ts"];
    const allowed = (name: string, file: string) =>
      !relative(name) || name.startsWith("src/") || (withCatalog.includes(file) && name === "adapters/catalog.ts");
    expect(offences(src, allowed)).toEqual([]);
  });
  it("examples import public entries, engine clients, what dashboards need, and their own folder", () => {
    const clients = [...peers, "express", "agendash", "@bull-board/api", "@bull-board/express"];
    const allowed = (name: string) =>
      builtIn(name) || isPublic(name) || name.startsWith("examples/") || clients.includes(packageName(name));
    expect(offences(filesUnder("examples"), allowed)).toEqual([]);
  });
  it("the conformance kit imports public entries and its own folder", () => {
    const entryFiles = ["src/index.ts", "src/core.ts", "src/contract/index.ts", "vitest"];
    const allowed = (name: string) =>
      builtIn(name) || isPublic(name) || entryFiles.includes(name) || name.startsWith("test/conformance/");
    expect(offences(filesUnder("test/conformance"), allowed)).toEqual([]);
  });
});

describe("packages", () => {
  it("src imports dependencies only, adapters dependencies and optional peers", () => {
    const dependencies = Object.keys(manifest.dependencies);
    const bare = (allowed: string[]) => (name: string) =>
      relative(name) || builtIn(name) || allowed.includes(packageName(name));
    expect([...offences(src, bare(dependencies)), ...offences(adapters, bare([...dependencies, ...peers]))]).toEqual(
      [],
    );
    expect(peers.filter((peer) => manifest.peerDependenciesMeta[peer]?.optional !== true)).toEqual([]);
  });
  it("funboost/publisher reaches no parser, not late either", ({ skip }) => {
    if (!existsSync(join(root, "dist/src/publish-only.js"))) skip("dist is not built");
    const graph = (entry: string) => {
      const seen = new Set([entry]); // a set that grows while it is walked
      for (const file of seen) for (const name of existsSync(join(root, file)) ? imports(file) : []) seen.add(name);
      return [...seen];
    };
    const files = graph("dist/src/publish-only.js");
    expect(files).toContain("dist/src/publish/publish.js");
    expect(files).toContain("dist/adapters/bullmq/broker.js");
    expect(files.filter((name) => name === "acorn" || /wire\/(signature|function-source)/.test(name))).toEqual([]);
    expect(graph("dist/src/index.js")).toContain("acorn"); // else this finds nothing
  });
  it("a peer is loaded by a literal try, await import and catch, and in no other form", () => {
    const literal =
      /try \{[^;]*?\bawait import\("([^"]+)"\)[^;]*;\s*\} catch \(cause\) \{\s*throw missingPeer\(\s*[^,]+,\s*"\1",\s*cause(?:,\s*\[[^;]+\])?,?\s*\);\s*\}/g;
    const typeOnly = /\b(?:import|export) type [^;]*;|\btypeof import\("[^"]+"\)/g;
    const bundledOnly = ["adapters/temporal/workflow/workflow.ts"]; // no process loads it: Temporal bundles it for its sandbox
    const late = adapters
      .filter((file) => !bundledOnly.includes(file))
      .flatMap((file) => {
        const rest = code(file).replace(literal, "").replace(typeOnly, "");
        return imports(file, rest).flatMap((name) =>
          peers.includes(packageName(name)) || name === "libsql" ? [`${file} loads ${name}`] : [],
        );
      });
    expect(late).toEqual([]);
  });
  it("no declaration that funboost, funboost/core, funboost/publisher or funboost/adapter reaches names an engine's client or a module of Node", ({
    skip,
  }) => {
    const entries = ["src/index", "src/core", "src/publish-only", "adapters/adapter"].map(
      (name) => `dist/${name}.d.ts`,
    );
    if (!entries.every((file) => existsSync(join(root, file)))) skip("dist is not built");
    const seen = new Set<string>();
    const visit = (file: string): string[] => {
      if (seen.has(file) || !existsSync(join(root, file))) return [];
      seen.add(file);
      return imports(file).flatMap((name) =>
        relative(name.replace(/^dist\//, ""))
          ? visit(name.replace(/(\.d)?\.[jt]s$/, ".d.ts"))
          : [`${file} names ${name}`],
      );
    };
    const named = entries.flatMap(visit);
    const forbidden = [...peers, "libsql", "node:"]; // Node's own types too: not every user has @types/node
    expect(named.filter((each) => forbidden.some((name) => each.includes(` names ${name}`)))).toEqual([]);
    expect(seen.size).toBeGreaterThan(3);
  });
  it("nothing awaits at the top level: require() would fail", () => {
    const awaiting = [...src, ...adapters].filter((file) =>
      /^(?:export )?(?:(?:const|let) [^=]+= )?await\b|^for await\b/m.test(code(file)),
    );
    expect(awaiting).toEqual([]);
  });
});

describe("sizes", () => {
  it("files stay within 250 lines", () => {
    const long = [...src, ...adapters].filter((file) => lines(file) > 250);
    expect(long.map((file) => `${file}: ${lines(file)} lines`)).toEqual([]);
  });
  it("lines stay within 120 characters", () => {
    const wide = [...src, ...adapters].flatMap((file) =>
      read(file)
        .split("\n")
        .flatMap((line, i) => (line.length > 120 ? [`${file}:${i + 1}`] : [])),
    );
    expect(wide).toEqual([]);
  });
  it("no function of src is over 30 lines, at most 10 of adapters, each with its reason", () => {
    // The linter refuses what is longer, unless such a comment stands above it.
    const reasons = (file: string) =>
      [...read(file).matchAll(/biome-ignore lint\/complexity\/noExcessiveLinesPerFunction: (.*)/g)].map(
        ([, reason]) => `${file}: ${reason}`,
      );
    expect(src.flatMap(reasons)).toEqual([]);
    const long = adapters.flatMap(reasons);
    expect(long.length, long.join("\n")).toBeLessThanOrEqual(10);
    expect(JSON.parse(read("biome.json")).linter.rules.complexity.noExcessiveLinesPerFunction.level).toBe("error");
  });
  it("the first line of every file says its role", () => {
    expect([...src, ...adapters].filter((file) => !/^(\/\*\*|\/\/)/.test(read(file)))).toEqual([]);
  });
});

describe("adapters", () => {
  const brokers = adapters.filter((file) => file.endsWith("/broker.ts")).map((file) => file.split("/")[1] as string);

  it("what is in an engine's folder is nobody else's, but for its store", () => {
    const common = ["shared", "catalog.ts", "adapter.ts"];
    const allowed = (name: string, file: string) => {
      const [engine] = name.match(/(?<=^adapters\/)[^/]+/) ?? [];
      const own = !engine || common.includes(engine) || file.startsWith(`adapters/${engine}/`);
      return own || name.endsWith("/store.ts") || file === "adapters/catalog.ts";
    };
    expect(offences(adapters, allowed)).toEqual([]);
  });
  it("the catalog lists every broker, each by a literal import", () => {
    const listed = [...code("adapters/catalog.ts").matchAll(/import\("\.\/([\w-]+)\/broker\.ts"\)/g)];
    expect(listed.map((match) => match[1]).sort()).toEqual(brokers);
  });
  it("every broker has the kit, and a module that creates it", () => {
    const missing = brokers.flatMap((name) =>
      ["conformance.test.ts", "create.ts"].filter((file) => !existsSync(join(root, `test/adapters/${name}/${file}`))),
    );
    expect(missing).toEqual([]);
  });
});

describe("tests mirror the rooms", () => {
  /** Rows of a room's table: `file.ts` | where it is tested. */
  const testedBy = (room: string) =>
    new Map(
      [...read(`src/${room}/README.md`).matchAll(/^\| `([\w-]+\.ts)` \| (.+) \|$/gm)].map(([, file, where]) => [
        file as string,
        [...(where as string).matchAll(/`([^`]+)`/g)].map(([, path]) => path as string),
      ]),
    );
  const inRooms = src.filter((file) => roomOf(file) !== "doors" && roomOf(file) !== "contract");
  const ownTest = (file: string) => `test/${file.replace(/\.ts$/, ".test.ts")}`;

  it("a file has a test of its name, or its room says what tests it", () => {
    const lost = inRooms.filter(
      (file) => !existsSync(join(root, ownTest(file))) && !testedBy(roomOf(file)).has(posix.basename(file)),
    );
    expect(lost).toEqual([]);
  });
  it("what a room names is there, and needed", () => {
    const wrong = Object.keys(rooms)
      .filter((room) => room !== "doors" && room !== "contract")
      .flatMap((room) =>
        [...testedBy(room)].flatMap(([file, paths]) => {
          if (!src.includes(`src/${room}/${file}`)) return [`src/${room}/README.md: there is no ${file}`];
          if (existsSync(join(root, ownTest(`src/${room}/${file}`))))
            return [`src/${room}/README.md: ${file} has its own`];
          if (paths.length === 0) return [`src/${room}/README.md: ${file} names no test`];
          return paths.flatMap((path) =>
            existsSync(join(root, "test", path)) ? [] : [`${room}/${file}: no test/${path}`],
          );
        }),
      );
    expect(wrong).toEqual([]);
  });
  it("a test of a room tests a file of that room", () => {
    const tests = filesUnder("test/src").filter((file) => file.endsWith(".test.ts"));
    const strays = tests.filter((file) => {
      const name = posix.basename(file).replace(/(\.[\w-]+)?\.test\.ts$/, "");
      return !src.includes(posix.join(posix.dirname(file).replace(/^test\//, ""), `${name}.ts`));
    });
    expect(strays).toEqual([]);
  });
});

describe("the sources as they are read here", () => {
  it("imports are found in every form, and not in comments", () => {
    const text = `import { a } from "./a.ts";\nimport type { B } from "../b.ts";\nexport * from "./c.ts";\nconst d = await import("./d.ts");\ntype E = import("./e.ts").E;\nimport "./f.ts";\n// import "./g.ts"\n/* from "./h.ts" */`;
    expect(imports("src/x/y.ts", withoutComments(text))).toEqual([
      "src/x/a.ts",
      "src/b.ts",
      "src/x/c.ts",
      "src/x/d.ts",
      "src/x/e.ts",
      "src/x/f.ts",
    ]);
  });
  it("a circle is found", () => {
    const fake: Record<string, string[]> = { a: ["b"], b: ["c"], c: ["b"], d: ["a"] };
    expect(circles(Object.keys(fake), (file) => fake[file] as string[])).toEqual([["b", "c"]]);
  });
  it("the tree is read at all", () => {
    expect(src.length).toBeGreaterThan(100);
    expect(readFileSync(join(root, "src/index.ts"), "utf8")).toBe(read("src/index.ts"));
  });
});
