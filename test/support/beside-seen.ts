/** What the processes of the storm beside old workers have written down: read on and on, and forgotten job by job. */
import { closeSync, openSync, readSync } from "node:fs";

export interface Start {
  readonly role: string;
  /** Which process. */
  readonly n: number;
  readonly at: number;
  readonly attempt: number;
  ended: boolean;
}

export interface Seen {
  readonly name: string;
  added: boolean;
  /** When somebody wrote of it last. */
  at: number;
  readonly starts: Start[];
}

/** Lines: `role/process/time/what/id/more`. */
export function createLedger(file: string) {
  const input = openSync(file, "a+");
  const buffer = Buffer.alloc(65_536);
  /** Of the jobs that nobody has forgotten. */
  const seen = new Map<string, Seen>();
  /** Runs that began after their job was forgotten. */
  const late: string[] = [];
  let [offset, rest] = [0, ""];

  function take(line: string): void {
    const [role = "", n = "", time = "", what = "", id = "", more = ""] = line.split("/");
    if (what === "want") seen.set(id, { name: more, added: false, at: 0, starts: [] });
    const one = seen.get(id);
    if (!one) {
      if (what === "start") late.push(line);
      return;
    }
    one.at = Number(time);
    const is = (each: Start) => each.n === Number(n) && each.attempt === Number(more) && !each.ended;
    const begun = what === "end" ? one.starts.findLast(is) : undefined;
    if (begun) begun.ended = true;
    else if (what === "added") one.added = true;
    else if (what === "start") {
      one.starts.push({ role, n: Number(n), at: one.at, attempt: Number(more), ended: false });
    }
  }

  return {
    seen,
    late,
    close: () => closeSync(input),
    read() {
      for (let size = -1; size !== 0; ) {
        size = readSync(input, buffer, 0, buffer.length, offset);
        offset += size;
        const lines = (rest + buffer.toString("latin1", 0, size)).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) take(line);
      }
    },
  };
}

export type Ledger = ReturnType<typeof createLedger>;
