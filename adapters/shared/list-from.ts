/** Where a read of a list begins. */

/** A negative index counts from the end; before the first is the first. */
export const listFrom = (from: number, length: number): number => (from < 0 ? Math.max(0, length + from) : from);
