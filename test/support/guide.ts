/**
 * Guides as programs. A code block whose first line is a comment with a file's name is that file; a `console` block has
 * commands, each after `$ `, and what they print. `...` stands for any text of a line, a line of it for any lines.
 * Programs end with 0, and those behind still run at the end, without having printed more; an answer is no error,
 * where the text does not show its status.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { constants, tmpdir } from "node:os";
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
  const blocks = [...markdown.matchAll(fence)];
  const lost = blocks.reduce((text, [block]) => text.replace(block, () => ""), markdown).match(/^\s*(?:```|~~~).*$/m);
  if (lost) throw new Error(`a fence that is not read: ${lost[0]}`);
  return blocks.map(([, language = "", text = ""]) => {
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
  const [before, ...parts] = text.trimEnd().split(/^\$ /m);
  if (before !== "" || parts.length === 0) throw new Error(`no command of a guide: ${before}`);
  return parts.map((part) => {
    const [line = "", ...wanted] = part.trimEnd().split("\n");
    return { line, wanted: wanted.map((each) => each.trim()) };
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

const packages = ["funboost", "vitest", "@types/node", "hono", "@hono/node-server"];
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

const port300x = /(?<=localhost:|listen\(|port: )300\d\b/g;

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
      return [...wrong, ...(await shell.left())];
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

interface Job {
  readonly program: Running;
  /** It may end, and print: a curl, or what was killed. */
  readonly mayEnd: boolean;
}

/** The few commands that guides use. A program with `&` is waited for until it has printed as many lines as are wanted. */
function createShell(cwd: string) {
  const env = { FUNBOOST_SQLITE_FILE: join(cwd, "queue.db"), NO_COLOR: "1" };
  const started: Running[] = [];
  /** By number, as bash gives them: one more than the highest that is left. */
  const jobs = new Map<number, Job>();
  const commands: [RegExp, (...parts: string[]) => Promise<Said>][] = [
    [/^node (\S+) &$/, (file = "") => startBehind(file)],
    [/^node (\S+)$/, (file = "") => endOf(start(file))],
    [/^npx vitest run$/, () => endOf(startProgram([join(root, "node_modules/vitest/vitest.mjs"), "run"]))],
    [/^curl -s -N (\S+) > \S+ &$/, async (url = "") => curlBehind(url)],
    [/^curl (.+)$/, (args = "") => curl(args, wanted)],
    [/^sleep (\d+)$/, (seconds = "") => sleep(Number(seconds) * 1000, nothing)],
    [/^touch (\S+)$/, (file = "") => touch(file)],
    [/^kill (?:-(\w+) )?%(\d)$/, async (signal = "TERM", n = "") => kill(signal, Number(n))],
    [/^wait %(\d); echo "([^"$]*)\$\?"$/, async (n = "", text = "") => waitFor(Number(n), text)],
  ];
  let wanted: readonly string[] = [];

  function startProgram(args: string[]): Running {
    const running = startChild(
      spawn(process.execPath, args, { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...env } }),
    );
    started.push(running);
    return running;
  }
  const start = (file: string) => startProgram([file.replace(/\.ts$/, ".js")]);
  function putBehind(job: Job): void {
    jobs.set(Math.max(0, ...jobs.keys()) + 1, job);
  }
  async function startBehind(file: string): Promise<Said> {
    const program = start(file);
    putBehind({ program, mayEnd: false });
    return program.first(wanted.length);
  }
  function curlBehind(url: string): Said {
    const program = startProgram(["-e", `fetch("http://${url}").then((answer) => answer.text()).catch(() => {})`]);
    putBehind({ program, mayEnd: true });
    return nothing;
  }
  async function touch(file: string): Promise<Said> {
    write(cwd, file, "");
    return nothing;
  }
  function kill(signal: string, n: number): Said {
    const job = jobs.get(n);
    if (!job || hasEnded(job.program)) return noJob(n);
    job.program.child.kill(`SIG${signal}` as NodeJS.Signals);
    jobs.set(n, { ...job, mayEnd: true });
    return nothing;
  }
  async function waitFor(n: number, text: string): Promise<Said> {
    const job = jobs.get(n);
    if (!job) return noJob(n);
    const { printed, told } = await job.program.ended();
    jobs.delete(n);
    return { printed: [...printed, `${text}${codeOf(job.program)}`], told };
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
    /** What jobs did that no command has waited for: each should run, and have printed nothing more. */
    async left(): Promise<string[]> {
      if (jobs.size > 0) await sleep(300); // for what comes after a line
      return [...jobs].flatMap(([n, { program, mayEnd }]) => {
        const { printed, told } = program.said();
        if (mayEnd || (printed.length === 0 && !hasEnded(program))) return [];
        const end = hasEnded(program) ? `ended with ${codeOf(program)}` : "runs";
        return [`job ${n} ${end}, and printed besides:\n${printed.join("\n")}\n${told}`];
      });
    },
    async close() {
      for (const { child } of started) child.kill("SIGKILL");
      await Promise.all(started.map((each) => each.ended()));
    },
  };
}

const noJob = (n: number): Said => ({ printed: [`%${n}: no such job`], told: "" });
const hasEnded = ({ child }: Running) => child.exitCode !== null || child.signalCode !== null;

/** As a shell has it in `$?`. */
function codeOf({ child }: Running): number {
  return child.signalCode ? 128 + constants.signals[child.signalCode] : (child.exitCode ?? -1);
}

/** All that it prints; an exit code that is not 0 is no part of what a text wants. */
async function endOf(program: Running): Promise<Said> {
  const { printed, told } = await program.ended();
  return { printed: codeOf(program) === 0 ? printed : [...printed, `(exit code ${codeOf(program)})`], told };
}

const patienceMs = 60_000;

interface Running {
  readonly child: ChildProcess;
  /** Its first lines. */
  first(count: number): Promise<Said>;
  /** What it has printed after these. */
  said(): Said;
  /** The same, at its end. */
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
    said,
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
 * `-s`, `-N`, `-w " %{http_code}\\n"`, `-X METHOD` and an address. What is only read is read again for a while: on a busy
 * machine a task takes longer than its text says.
 */
async function curl(args: string, wanted: readonly string[]): Promise<Said> {
  const shape = /^(?:-[sN] )*(?<status>-w " %\{http_code\}\\n" )?(?:-X (?<method>\w+) )?(?<url>\S+)$/;
  const { status, method = "GET", url } = args.match(shape)?.groups ?? {};
  if (!url) throw new Error(`no curl of a guide: ${args}`);
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://${url}`, { method }).catch((error: Error) => Response.json(String(error.cause)));
    const text = await answer.text();
    const shown = status ? `${text} ${answer.status}` : text;
    const printed = linesOf(answer.ok || status ? shown : `${text}\n(status ${answer.status})`).filter(
      (each) => each !== "",
    );
    if (method !== "GET" || tries > 100 || fits(wanted, printed)) return { printed, told: "" };
    await sleep(100);
  }
}
