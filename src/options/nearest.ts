/** The known name that an unknown one was probably meant to be. */

/** The allowed name with the fewest edits, if these are few or one name is part of the other. */
export function nearest(key: string, allowed: readonly string[]): string | undefined {
  const plain = (name: string) => name.toLowerCase().replace(/[_-]/g, "");
  const wanted = plain(key);
  const [best] = allowed.map((name) => ({ name, edits: edits(wanted, plain(name)) })).sort((a, b) => a.edits - b.edits);
  if (best && best.edits <= Math.max(1, Math.floor(Math.max(wanted.length, best.name.length) / 3))) return best.name;
  return wanted.length >= 4
    ? allowed.find((name) => plain(name).includes(wanted) || (name.length >= 4 && wanted.includes(plain(name))))
    : undefined;
}

/** Insertions, removals and replacements that turn one text into the other. */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
