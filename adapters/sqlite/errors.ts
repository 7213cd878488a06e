/** What is said when a SQLite file cannot be used. */
import { FunboostError, isFunboostError } from "../../src/base/errors.ts";

export const fileAdvice =
  "Choose a file that this user may write, in a folder on this machine: sqlite({ file }) or FUNBOOST_SQLITE_FILE";

export function fileRefused(path: string, why: string, next: string, cause?: unknown): FunboostError {
  return new FunboostError("BROKER_REFUSED", `cannot use the file ${JSON.stringify(path)}: ${why}. ${next}.`, {
    where: "sqlite",
    cause,
  });
}

/** libsql's errors in our words. What will never work is refused; all else may pass: a lock, a full disk. */
export function sqliteError(path: string, cause: unknown): Error {
  if (isFunboostError(cause)) return cause;
  const { code = "", message = String(cause) } = cause as { code?: string; message?: string };
  if (/READONLY|CANTOPEN|NOTADB|PERM|AUTH|CORRUPT/.test(code) || /unable to open/i.test(message))
    return fileRefused(path, message, fileAdvice, cause);
  return new FunboostError(
    "BROKER_DOWN",
    `the file ${JSON.stringify(path)} cannot be used now: ${message}. Trying again makes sense.`,
    {
      where: "sqlite",
      cause,
    },
  );
}
