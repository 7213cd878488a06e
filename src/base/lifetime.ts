/** From the first use of a task to the end of shutdown(), and again. */
import { processWide } from "./process-wide.ts";

interface Lifetime {
  /** Set at the first use: from then on configure() throws. */
  used: boolean;
  shuttingDown: boolean;
  /** Counts shutdowns: what was still opening when one came is not used any more. */
  generation: number;
}

export const lifetime = processWide("lifetime", (): Lifetime => ({ used: false, shuttingDown: false, generation: 0 }));
