/** The shape of the tree: who may import whom, how big files may grow, how peers are loaded. Reads the sources as text. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (file: string) => readFileSync(join(root, file), "utf8");
const manifest = JSON.parse(read("package.json"));
const peers = Object.keys(manifest.peerDependencies);
const lines = (file: string) => read(file).trimEnd().split("\n").length;

/** All TypeScript files below a folder, as paths from the root with forward slashes. */
function under(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((each) => each.isFile() && each.name.endsWith(".ts") && !each.name.endsWith(".d.ts"));
  return files.map((each) => join(each.parentPath, each.name).slice(root.length).replaceAll("\\", "/")).sort();
}

/** Comments hold examples, and template literals other programs: neither imports anything here. */
const code = (file: string) =>
  read(file).replace(/("(?:\\.|[^"\\\n])*")|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "$1");
const importPattern = /(?:\bfrom\s+|\bimport\s+|\b(?:import|require)\s*\(\s*)"([^"]+)"/g;

/** What a file imports: relative names as paths from the root, others as they are. */
function imports(file: string, text = code(file)): string[] {
  const names = [...text.matchAll(importPattern)].map((match) => match[1] as string);
  return names.map((name) => (name.startsWith(".") ? posix.join(posix.dirname(file), name) : name));
}

function offences(files: string[], allowed: (name: string, file: string) => boolean): string[] {
  return files.flatMap((file) =>
    imports(file).flatMap((name) => (allowed(name, file) ? [] : [`${file} imports ${name}`])),
  );
}

const builtIn = (name: string) => name.startsWith("node:");
const relative = (name: string) => /^(src|adapters|canvas|test|examples|bench|scripts)\//.test(name);
const packageName = (name: string) => name.split("/", name.startsWith("@") ? 2 : 1).join("/");
const isPublic = (name: string) => /^funboost($|\/)/.test(name);
const src = under("src");
const adapters = under("adapters");

describe("imports", () => {
  it("an adapter imports the contract, src/base and other adapters", () => {
    expect(
      offences(
        adapters,
        (name) =>
          !relative(name) ||
          name.startsWith("src/contract/") ||
          name.startsWith("src/base/") ||
          name.startsWith("adapters/"),
      ),
    ).toEqual([]);
  });
  it("src imports src; only src/index.ts names the catalog", () => {
    expect(
      offences(
        src,
        (name, file) =>
          !relative(name) || name.startsWith("src/") || (file === "src/index.ts" && name === "adapters/catalog.ts"),
      ),
    ).toEqual([]);
  });
  it("examples import public entries, engine clients, what dashboards need, and their own folder", () => {
    const clients = [...peers, "express", "agendash", "@bull-board/api", "@bull-board/express"];
    const allowed = (name: string) =>
      builtIn(name) || isPublic(name) || name.startsWith("examples/") || clients.includes(packageName(name));
    expect(offences(under("examples"), allowed)).toEqual([]);
  });
  it("the conformance kit imports public entries and its own folder", () => {
    const entryFiles = ["src/index.ts", "src/core.ts", "src/contract/index.ts", "vitest"];
    expect(
      offences(
        under("test/conformance"),
        (name) => builtIn(name) || isPublic(name) || entryFiles.includes(name) || name.startsWith("test/conformance/"),
      ),
    ).toEqual([]);
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
  it("a peer is loaded by a literal try, await import and catch, and in no other form", () => {
    const literal =
      /try \{[^;]*?\bawait import\("([^"]+)"\)[^;]*;\s*\} catch \(cause\) \{\s*throw missingPeer\([^,]+, "\1", cause\);\s*\}/g;
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
  it("no declaration that funboost or funboost/core reaches names an engine's client", ({ skip }) => {
    if (!existsSync(join(root, "dist/src/index.d.ts"))) skip("dist is not built");
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
    const named = ["dist/src/index.d.ts", "dist/src/core.d.ts"].flatMap(visit);
    expect(named.filter((each) => [...peers, "libsql"].some((peer) => each.includes(` names ${peer}`)))).toEqual([]);
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
  const entries = adapters.filter((file) => file.endsWith("/broker.ts")).map((file) => file.split("/")[1] as string);

  it("files stay within 250 lines", () => {
    const long = [...src, ...adapters].filter((file) => lines(file) > 250);
    expect(long.map((file) => `${file}: ${lines(file)} lines`)).toEqual([]);
  });
  it("what is in an engine's folder is nobody else's, but for its store", () => {
    const shared = ["shared", "catalog.ts"];
    const mayUse = (name: string, file: string) => {
      const [engine] = name.match(/(?<=^adapters\/)[^/]+/) ?? [];
      return (
        !engine ||
        shared.includes(engine) ||
        name.endsWith("/store.ts") ||
        file === "adapters/catalog.ts" ||
        file.startsWith(`adapters/${engine}/`)
      );
    };
    expect(offences(adapters, mayUse)).toEqual([]);
  });
  it("the catalog lists every broker, each by a literal import", () => {
    const listed = [...code("adapters/catalog.ts").matchAll(/import\("\.\/([\w-]+)\/broker\.ts"\)/g)].map(
      (match) => match[1],
    );
    expect(listed.sort()).toEqual(entries);
  });
  it("every broker has a test of its own", () => {
    expect(entries.filter((name) => !existsSync(join(root, `test/adapters/${name}/conformance.test.ts`)))).toEqual([]);
  });
  it("the first line of every file says its role", () => {
    expect([...src, ...adapters].filter((file) => !/^(\/\*\*|\/\/)/.test(read(file)))).toEqual([]);
  });
});
