/** README.md and docs/guides: their programs compile, run over SQLite, and print what the text says. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { blocksOf, filesRun, firstLine, fits, openGuide } from "../support/guide.ts";
import { read, root } from "../support/sources.ts";

const server = "needs a server";
const shown = "shows a call or a change, is no program";

/** Blocks that no command here runs, by their first line, and why. */
const notRun: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "README.md": {
    "npm install funboost && npm pkg set type=module": "the packed package's test installs it",
    '-  { queue: "transcode", qps: 5, maxRetries: 3, rpc: true },': shown,
    "// setup.ts": `compiled; ${server}`,
    "// billing.ts": `compiled; ${server}`,
    "// tsconfig.json": "the compiler reads it",
    "npm ci": "the scripts of this repository",
  },
  "docs/guides/docker.md": {
    "# Dockerfile": "needs Docker",
    "# compose.yaml": "needs Docker",
  },
  "docs/guides/testing.md": {
    "// jest.config.js": "needs Jest, which is not installed here",
    "// jest.config.cjs": "needs Jest, which is not installed here",
  },
};

/** Its recipes are built and run by a test of their own. */
const builtElsewhere = "docs/guides/bundlers.md";

const guides = ["README.md", ...readdirSync(join(root, "docs/guides")).map((file) => `docs/guides/${file}`)].filter(
  (file) => file !== builtElsewhere,
);

describe.each(guides)("%s", (file) => {
  const markdown = read(file);
  const blocks = blocksOf(markdown);

  it("has no block that is not run, but for those that are listed", () => {
    const run = filesRun(blocks);
    const others = blocks.filter(({ language, file: name }) => language !== "console" && !(name && run.has(name)));
    expect(others.map(firstLine)).toEqual(Object.keys(notRun[file] ?? {}));
    const names = blocks.flatMap(({ file: name }) => name ?? []);
    expect(names).toEqual([...new Set(names)]);
  });

  it("has programs that compile, run, and print what it says", { timeout: 180_000 }, async () => {
    const guide = await openGuide(markdown);
    try {
      expect(await guide.compile()).toEqual({ code: 0, output: "" });
      expect(await guide.play()).toEqual([]);
    } finally {
      await guide.remove();
    }
  });
});

const documents = readdirSync(join(root, "docs")).filter((file) => file.endsWith(".md"));

it.each([...guides, ...documents.map((file) => `docs/${file}`), "examples/README.md"])(
  "%s links to what is there",
  (file) => {
    const links = [...read(file).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
    const lost = links.filter(([, path = "", anchor]) => {
      const target = path === "" ? file : join(dirname(file), path).replaceAll("\\", "/");
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
    });
    expect(lost.map(([link]) => link)).toEqual([]);
  },
);

/** Of its headings, as GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  const headings = markdown.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, text = ""]) =>
    text
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

const server500 = [
  'import { createServer } from "node:http";',
  'createServer((_, response) => response.writeHead(500).end("a")).listen(3000, () => console.log("ready"));',
].join("\n");

describe("a text and its programs", () => {
  const text = (program: string, printed: string) =>
    `\`\`\`ts\n// a.ts\n${program}\n\`\`\`\n\n\`\`\`console\n$ node a.ts\n${printed}\n\`\`\`\n`;

  it("differ where a program prints something else, fails, or does not compile", async () => {
    const isRight = async (markdown: string) => {
      const guide = await openGuide(markdown);
      try {
        return (await guide.compile()).code === 0 && (await guide.play()).length === 0;
      } finally {
        await guide.remove();
      }
    };
    const cases: [string, string, boolean][] = [
      ['const n: number = 1;\nconsole.log(n, "b");', "1 b", true],
      ["console.log(1);", "2", false],
      ['throw new Error("a");', "1", false],
      ['const n: number = "a";\nconsole.log(n);', "a", false],
    ];
    for (const [program, printed, wanted] of cases) expect(await isRight(text(program, printed)), program).toBe(wanted);
  });

  it.each<[string, string, string]>([
    ["throws after it", 'console.log("a");\nthrow new Error("b");', "$ node a.ts\na"],
    ["sets its exit code", 'console.log("a");\nprocess.exitCode = 3;', "$ node a.ts\na"],
    ["is killed", 'console.log("a");\nsetTimeout(() => process.kill(process.pid, "SIGKILL"), 50);', "$ node a.ts\na"],
    ["ends behind, though nothing has stopped it", 'console.log("a");\nsetTimeout(() => {}, 50);', "$ node a.ts &\na"],
    ["prints more behind", 'console.log("a");\nconsole.log("b");\nsetInterval(() => {}, 50);', "$ node a.ts &\na"],
    ["has a job that is not there", "setInterval(() => {}, 50);", "$ node a.ts &\n$ kill %2"],
    ["answers with an error's status", server500, "$ node a.ts &\nready\n$ curl -s localhost:3000\na"],
    [
      "answers with another status",
      server500,
      '$ node a.ts &\nready\n$ curl -s -w " %{http_code}\\n" localhost:3000\na 200',
    ],
  ])("differ where a program prints the right line and %s", async (_what, program, commands) => {
    const guide = await openGuide(`\`\`\`ts\n// a.ts\n${program}\n\`\`\`\n\n\`\`\`console\n${commands}\n\`\`\`\n`);
    const wrong = await guide.play();
    await guide.remove();
    expect(wrong).toHaveLength(1);
  });

  it("agree where the status and the numbers of jobs are those of the text", async () => {
    const commands = [
      "$ node a.ts &\nready",
      '$ curl -s -w " %{http_code}\\n" localhost:3000\na 500',
      '$ kill %1\n$ wait %1; echo "exit code $?"\nexit code 143',
      '$ node a.ts &\nready\n$ kill %1\n$ wait %1; echo "exit code $?"\nexit code 143',
    ];
    const guide = await openGuide(
      `\`\`\`ts\n// a.ts\n${server500}\n\`\`\`\n\n\`\`\`console\n${commands.join("\n")}\n\`\`\`\n`,
    );
    const wrong = await guide.play();
    await guide.remove();
    expect(wrong).toEqual([]);
  });

  it("are refused where a block would not be read", async () => {
    const guide = await openGuide("```console\nnode a.ts\n```\n");
    await expect(guide.play()).rejects.toThrow("no command of a guide");
    await guide.remove();
    expect(() => blocksOf("- a:\n\n  ```ts\n  // a.ts\n  ```\n")).toThrow("a fence that is not read");
  });

  it("keep numbers that are no ports", async () => {
    const guide = await openGuide(text("const timeout = 3000;\nconsole.log(timeout);", "3000"));
    expect(await guide.play()).toEqual([]);
    expect(readFileSync(join(guide.folder, "a.ts"), "utf8")).toContain("timeout = 3000");
    await guide.remove();
  });

  it("fit by line, with gaps only where the text has dots", () => {
    expect(fits(["a", "b"], ["a", "b"])).toBe(true);
    expect(fits(["a"], ["a", "b"])).toBe(false);
    expect(fits(["...", "b"], ["a", "a", "b"])).toBe(true);
    expect(fits(['{"id":...}'], ['{"id":7}'])).toBe(true);
    expect(fits(["a.b"], ["aab"])).toBe(false);
  });
});

describe("the README's list of error codes", () => {
  it("has each code of the sources once, and no other", () => {
    const union = read("src/base/errors.ts").match(/export type ErrorCode =([\s\S]*?)\n\n/)?.[1] ?? "";
    const codes = [...union.matchAll(/^ {2}\| "(\w+)"/gm)].map(([, code]) => code as string);
    const readme = read("README.md");
    const list = readme.slice(readme.indexOf("\n### Error codes\n"), readme.indexOf("\n## Options\n"));
    const listed = [...list.matchAll(/^\| ?(\d*) \| ([^|]+) \|/gm)].flatMap(([, , names = ""]) =>
      [...names.matchAll(/`(\w+)`/g)].map(([, code]) => code as string),
    );
    expect(listed.length).toBeGreaterThan(20);
    expect(listed.sort()).toEqual(codes.sort());
  });
});

describe("the README's list of what configure() takes", () => {
  it("has each option of the sources, and no other", () => {
    const checks =
      read("src/setup/configure.ts").match(/keyof ConfigureOptions, Check>> = \{([\s\S]*?)^\};/m)?.[1] ?? "";
    const options = [...checks.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name as string);
    const readme = read("README.md");
    const table = readme.slice(readme.indexOf("| `configure()` |"), readme.indexOf("Or pass an instance"));
    const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name as string);
    expect(listed).toEqual(options);
    expect(options.length).toBeGreaterThan(7);
  });
});
