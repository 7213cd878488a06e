/**
 * Guides as programs. A code block whose first line is a comment with a file's name is that file; a `console` block has
 * commands, each after `$ `, and what they print. `...` stands for any text of a line, a line of it for any lines.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { transformSync } from "esbuild";
import { type Finished, root, run } from "./installed.ts";

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of a block that is a file. */
  readonly file?: string;
}

const fence = /^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm;
const fileLine = /^(?:\/\/|#) ([\w./-]*[\w-]+\.[cm]?[jt]sx?|Dockerfile|[\w.-]+\.(?:ya?ml|json))(?=$|:)/;

export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(fence)].map(([, language = "", text = ""]) => {
    const file = text.split("\n", 1)[0]?.match(fileLine)?.[1];
    return { language, text, ...(file && { file }) };
  });
}

export const firstLine = ({ text }: Block) => text.split("\n", 1)[0] as string;

interface Command {
  readonly line: string;
  readonly wanted: readonly string[];
}

function commandsOf(text: string): Command[] {
  const parts = text.trimEnd().split(/^\$ /m).slice(1);
  return parts.map((part) => {
    const [line = "", ...wanted] = part.trimEnd().split("\n");
    return { line, wanted };
  });
}

/** Files that a command starts, and what these import. */
export function filesRun(blocks: readonly Block[]): Set<string> {
  const files = new Map(blocks.flatMap(({ file, text }) => (file ? [[file, text] as const] : [])));
  const lines = blocks.filter(({ language }) => language === "console").flatMap(({ text }) => commandsOf(text));
  const started = lines.flatMap(({ line }) => {
    if (line === "npx vitest run") return [...files.keys()].filter((file) => file.includes(".test."));
    return line.match(/^node (\S+)/)?.[1] ?? [];
  });
  const reached = new Set<string>();
  for (const file of started) {
    if (reached.has(file)) continue;
    reached.add(file);
    for (const [, other] of (files.get(file) ?? "").matchAll(/from "\.\/([^"]+)"/g)) started.push(other as string);
  }
  return reached;
}

/** Whether these lines are the wanted ones. */
export function fits(wanted: readonly string[], printed: readonly string[]): boolean {
  const line = (text: string) => (text === "..." ? "(?:.*\n)*" : `${text.split("...").map(escaped).join(".*")}\n`);
  return new RegExp(`^${wanted.map(line).join("")}$`).test(printed.map((each) => `${each}\n`).join(""));
}

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
const linesOf = (text: string) =>
  text.trim() === ""
    ? []
    : text
        .trim()
        .split("\n")
        .map((each) => each.trim());

export interface Guide {
  readonly folder: string;
  /** The compiler's complaints, none of them "". */
  compile(): Promise<Finished>;
  /** What differs from what the text says, one entry for each command. */
  play(): Promise<string[]>;
  remove(): Promise<void>;
}

const packages = ["funboost", "vitest", "@types/node"];
const compilerOptions = {
  ...{ module: "nodenext", target: "es2023", strict: true, skipLibCheck: true, noEmit: true, types: ["node"] },
  // Node runs such files as they are.
  ...{ allowImportingTsExtensions: true, erasableSyntaxOnly: true, verbatimModuleSyntax: true },
};

/** A port of a text, 3000 to 3009, is a free one here. */
async function withFreePorts(markdown: string): Promise<string> {
  const ports = new Map<string, number>();
  for (const [port] of markdown.matchAll(port300x)) if (!ports.has(port)) ports.set(port, await freePort());
  return markdown.replace(port300x, (port) => String(ports.get(port)));
}

const port300x = /\b300\d\b/g;

/** Its files in a folder of their own: as they stand there for the compiler, without types below `run` for Node. */
export async function openGuide(markdown: string): Promise<Guide> {
  const blocks = blocksOf(await withFreePorts(markdown));
  const folder = mkdtempSync(join(tmpdir(), "funboost-guide-"));
  const programs = join(folder, "run");
  for (const name of packages) link(name, folder);
  write(programs, "package.json", '{ "type": "module" }');
  write(folder, "package.json", '{ "type": "module" }');
  for (const { file, text } of blocks) {
    if (!file) continue;
    write(folder, file, text);
    if (file.endsWith(".ts")) write(programs, file.replace(/\.ts$/, ".js"), withoutTypes(text));
  }
  if (!blocks.some(({ file }) => file === "tsconfig.json"))
    write(folder, "tsconfig.json", JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const shell = createShell(programs);
  return {
    folder,
    compile: () =>
      run(process.execPath, [join(root, "node_modules/typescript/bin/tsc")], { cwd: folder, timeoutMs: 60_000 }),
    async play() {
      const wrong: string[] = [];
      for (const { language, text } of blocks) {
        if (language !== "console") continue;
        for (const { line, wanted } of commandsOf(text)) {
          const { printed, told } = await shell.run(line, wanted);
          if (!fits(wanted, printed))
            wrong.push(`$ ${line}\nwanted:\n${wanted.join("\n")}\nprinted:\n${printed.join("\n")}\n${told}`);
        }
      }
      return wrong;
    },
    async remove() {
      await shell.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function withoutTypes(text: string): string {
  const { code } = transformSync(text, { loader: "ts", format: "esm", target: "es2023" });
  return code.replace(/(from "\.\/[^"]+)\.ts"/g, '$1.js"');
}

function write(folder: string, file: string, text: string): void {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** The repository itself is the package: its own name leads into `dist`. */
function link(name: string, folder: string): void {
  const path = join(folder, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(name === "funboost" ? root : join(root, "node_modules", name), path, "junction");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

const nothing = { printed: [], told: "" };

interface Said {
  readonly printed: string[];
  /** What it wrote beside: logs. */
  readonly told: string;
}

/** The few commands that guides use. A program with `&` is waited for until it has printed as many lines as are wanted. */
function createShell(cwd: string) {
  const env = { FUNBOOST_SQLITE_FILE: join(cwd, "queue.db"), NO_COLOR: "1" };
  const behind: Running[] = [];
  const commands: [RegExp, (...parts: string[]) => Promise<Said>][] = [
    [/^node (\S+) &$/, (file = "") => startBehind(file)],
    [/^node (\S+)$/, (file = "") => start(file).ended()],
    [/^npx vitest run$/, () => startProgram([join(root, "node_modules/vitest/vitest.mjs"), "run"]).ended()],
    [/^curl (.+)$/, (args = "") => curl(args, wanted)],
    [/^sleep (\d+)$/, (seconds = "") => sleep(Number(seconds) * 1000, nothing)],
    [/^touch (\S+)$/, (file = "") => touch(file)],
    [/^kill (?:-(\w+) )?%(\d)$/, async (signal = "TERM", n = "") => kill(signal, n)],
    [/^wait %(\d); echo "([^"$]*)\$\?"$/, async (n = "", text = "") => waitFor(n, text)],
  ];
  let wanted: readonly string[] = [];

  function startProgram(args: string[]): Running {
    return startChild(spawn(process.execPath, args, { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...env } }));
  }
  const start = (file: string) => startProgram([file.replace(/\.ts$/, ".js")]);
  async function startBehind(file: string): Promise<Said> {
    const program = start(file);
    behind.push(program);
    return program.first(wanted.length);
  }
  async function touch(file: string): Promise<Said> {
    write(cwd, file, "");
    return nothing;
  }
  async function kill(signal: string, n: string): Promise<Said> {
    behind[Number(n) - 1]?.child.kill(`SIG${signal}` as NodeJS.Signals);
    return nothing;
  }
  async function waitFor(n: string, text: string): Promise<Said> {
    const program = behind[Number(n) - 1] as Running;
    const { printed, told } = await program.ended();
    return { printed: [...printed, `${text}${program.child.exitCode}`], told };
  }
  return {
    async run(line: string, lines: readonly string[]): Promise<Said> {
      wanted = lines;
      for (const [pattern, command] of commands) {
        const match = line.match(pattern);
        if (match) return command(...(match.slice(1) as string[]));
      }
      throw new Error(`no command of a guide: ${line}`);
    },
    async close() {
      for (const { child } of behind) child.kill("SIGKILL");
      await Promise.all(behind.map((each) => each.ended()));
    },
  };
}

const patienceMs = 60_000;

interface Running {
  readonly child: ChildProcess;
  /** Its first lines. */
  first(count: number): Promise<Said>;
  /** What it prints after these, until its end. */
  ended(): Promise<Said>;
}

function startChild(child: ChildProcess): Running {
  let [out, told, read] = ["", "", 0];
  child.stdout?.on("data", (chunk) => (out += chunk));
  child.stderr?.on("data", (chunk) => (told += chunk));
  const closed = once(child, "close");
  const killer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
  closed.finally(() => clearTimeout(killer));
  const said = () => ({ printed: linesOf(out).slice(read), told });
  return {
    child,
    ended: () => closed.then(said),
    async first(count) {
      while (linesOf(out).length < count && child.exitCode === null && child.signalCode === null) await sleep(20);
      const { printed } = said();
      read = count;
      return { printed: printed.slice(0, count), told };
    },
  };
}

/**
 * `-s`, `-N`, `-X METHOD` and an address. What is only read is read again for a while: on a busy machine a task takes
 * longer than its text says.
 */
async function curl(args: string, wanted: readonly string[]): Promise<Said> {
  const { method = "GET", url = "" } = args.match(/^(?:-[sN] )*(?:-X (?<method>\w+) )?(?<url>\S+)$/)?.groups ?? {};
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://${url}`, { method });
    const printed = linesOf(await answer.text()).filter((each) => each !== "");
    if (method !== "GET" || tries > 100 || fits(wanted, printed)) return { printed, told: "" };
    await sleep(100);
  }
}
