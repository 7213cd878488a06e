/** Where a SQLite file lies on the disk: its folder is made, its end is noticed. */
import { existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { clock } from "../../src/base/clock.ts";
import { fileAdvice, fileRefused } from "./errors.ts";

/** The folder of the file that is used when none is named: git ignores it. */
export const folderName = ".funboost";

/** Makes the folder where it is missing; answers the path by which this process knows the file. */
export function prepareFolder(path: string): string {
  const folder = dirname(path);
  try {
    const made = !existsSync(folder) && mkdirSync(folder, { recursive: true });
    if (made && basename(folder) === folderName) writeFileSync(join(folder, ".gitignore"), "*\n");
    return join(realpathSync(folder), basename(path));
  } catch (cause) {
    throw fileRefused(path, `its folder cannot be made: ${(cause as Error).message}`, fileAdvice, cause);
  }
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
        throw fileRefused(path, "it was deleted or replaced while it was open", "Restart the processes that use it");
      nextLook = clock.monotonic() + 500;
    },
  };
}
