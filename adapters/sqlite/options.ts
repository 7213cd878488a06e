/** Options of the SQLite broker and store: where the file lies. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, FunboostError } from "../../src/base/errors.ts";
import { maskSecrets } from "../../src/base/mask-secrets.ts";
import { fileRefused } from "./errors.ts";
import { folderName } from "./presence.ts";

export interface SqliteOptions {
  /** @default `FUNBOOST_SQLITE_FILE`, else `.funboost/queue.db` at the workspace root */
  readonly file?: string | undefined;
  /** The same as a `file:` URL or a path. */
  readonly url?: string | undefined;
  /**
   * "full" survives a power cut to the last message, at a tenth of the speed; "normal" survives every crash of a
   * process.
   * @default "normal"
   */
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

/** The file that is used when none is named: the same for `apps/web` and `apps/worker` of one workspace. */
export function defaultFile(): string {
  return resolve(process.env.FUNBOOST_SQLITE_FILE || join(workspaceRoot(process.cwd()), folderName, "queue.db"));
}

/** `url` may be a plain path or `file:...`, as connection strings of SQLite are written. */
export function chosenFile({ file, url }: SqliteOptions): string {
  const text = file ?? url;
  if (text === undefined || text === "") return defaultFile();
  if (text === ":memory:")
    throw fileRefused(
      text,
      "a database in memory is seen by one connection only",
      'Use broker: "memory", or name a file',
    );
  if (/^(?!file:)[a-z][a-z0-9+.-]+:\/\//i.test(text))
    throw fileRefused(
      maskSecrets(text),
      "it is the address of a server",
      "Name a file, or choose that server's broker",
    );
  if (!text.startsWith("file:")) return resolve(text);
  return text.startsWith("file:///") ? fileURLToPath(text) : resolve(text.slice("file:".length));
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
