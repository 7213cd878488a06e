/** Options of the SQLite broker and store: where the file lies, and what to say when it cannot be used. */
import { existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { clock } from "../../src/base/clock.ts";
import { describe, FunboostError, isFunboostError } from "../../src/base/errors.ts";

export interface SqliteOptions {
  /** @default `FUNBOOST_SQLITE_FILE`, else `.funboost/queue.db` at the workspace root */
  readonly file?: string;
  /** The same as a `file:` URL or a path. */
  readonly url?: string;
  /** "full" survives a power cut to the last message, at a tenth of the speed; "normal" survives every crash of a process. @default "normal" */
  readonly synchronous?: "normal" | "full";
}

const allowed = { file: "a path", url: "a path or a file: URL", synchronous: '"normal" or "full"' };

/** Options may come from configuration, unseen by the compiler. */
export function checkOptions(options: SqliteOptions): void {
  for (const [name, value] of Object.entries(options)) {
    const known = allowed[name as keyof typeof allowed];
    if (known === undefined)
      throw new FunboostError("BAD_OPTION", `has no option "${name}". It has: ${Object.keys(allowed).join(", ")}.`, {
        where: "sqlite",
      });
    const fits =
      value === undefined ||
      (name === "synchronous" ? value === "normal" || value === "full" : typeof value === "string");
    if (!fits)
      throw new FunboostError("BAD_OPTION", `"${name}" must be ${known}, got ${describe(value)}.`, { where: "sqlite" });
  }
}

const folderName = ".funboost";

/** The file that is used when none is named: the same for `apps/web` and `apps/worker` of one workspace. */
export function defaultFile(): string {
  return resolve(process.env.FUNBOOST_SQLITE_FILE || join(workspaceRoot(process.cwd()), folderName, "queue.db"));
}

/** `url` may be a plain path or `file:...`, as connection strings of SQLite are written. */
export function chosenFile({ file, url }: { readonly file?: string; readonly url?: string }): string {
  const text = file ?? url;
  if (text === undefined || text === "") return defaultFile();
  if (text === ":memory:")
    throw refused(text, "a database in memory is seen by one connection only", 'Use broker: "memory", or name a file');
  if (!text.startsWith("file:")) return resolve(text);
  return text.startsWith("file:///") ? fileURLToPath(text) : resolve(text.slice("file:".length));
}

/** Makes the folder where it is missing; answers the path by which this process knows the file. */
export function prepareFolder(path: string): string {
  const folder = dirname(path);
  try {
    const made = !existsSync(folder) && mkdirSync(folder, { recursive: true });
    if (made && basename(folder) === folderName) writeFileSync(join(folder, ".gitignore"), "*\n");
    return join(realpathSync(folder), basename(path));
  } catch (cause) {
    throw refused(path, `its folder cannot be made: ${(cause as Error).message}`, advice, cause);
  }
}

const advice =
  "Choose a file that this user may write, in a folder on this machine: sqlite({ file }) or FUNBOOST_SQLITE_FILE";

function refused(path: string, why: string, next: string, cause?: unknown): FunboostError {
  return new FunboostError("BROKER_REFUSED", `cannot use the file ${JSON.stringify(path)}: ${why}. ${next}.`, {
    where: "sqlite",
    cause,
  });
}

/** A file that was deleted or replaced goes on taking writes that nobody will ever read. */
export function createPresence(path: string) {
  const { ino } = statSync(path);
  let nextLook = 0;
  const isGone = () => statSync(path, { throwIfNoEntry: false })?.ino !== ino;
  return {
    isGone,
    /** Looks twice a second; throws when the file is gone. */
    check() {
      if (clock.monotonic() < nextLook) return;
      if (isGone())
        throw refused(path, "it was deleted or replaced while it was open", "Restart the processes that use it");
      nextLook = clock.monotonic() + 500;
    },
  };
}

/** libsql's errors in our words. What will never work is refused; all else may pass: a lock, a full disk. */
export function sqliteError(path: string, cause: unknown): Error {
  if (isFunboostError(cause)) return cause;
  const { code = "", message = String(cause) } = cause as { code?: string; message?: string };
  if (/READONLY|CANTOPEN|NOTADB|PERM|AUTH|CORRUPT/.test(code) || /unable to open/i.test(message))
    return refused(path, message, advice, cause);
  return new FunboostError(
    "BROKER_DOWN",
    `the file ${JSON.stringify(path)} cannot be used now: ${message}. Trying again makes sense.`,
    {
      where: "sqlite",
      cause,
    },
  );
}

function workspaceRoot(from: string): string {
  const above = [...foldersAbove(from)];
  const isRoot = (folder: string) =>
    existsSync(join(folder, "pnpm-workspace.yaml")) || existsSync(join(folder, ".git")) || hasWorkspaces(folder);
  return above.find(isRoot) ?? above.find((folder) => existsSync(join(folder, "package.json"))) ?? from;
}

function* foldersAbove(from: string): Generator<string> {
  for (let folder = from; ; folder = dirname(folder)) {
    yield folder;
    if (dirname(folder) === folder) return;
  }
}

function hasWorkspaces(folder: string): boolean {
  try {
    return "workspaces" in JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch {
    return false; // none there, or not ours to judge
  }
}
