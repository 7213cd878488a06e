/** How the parts of the SQLite store reach their file. */
import type { SqliteFile } from "./file.ts";

/** `weight`: about how many rows it touches. */
export type Call = <T>(work: (file: SqliteFile) => T, weight?: number) => Promise<T>;
