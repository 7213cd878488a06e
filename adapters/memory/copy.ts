/** Copies of what a message carries. */

/** What JSON would carry, without the text: no later change of the caller's object reaches the message. */
export function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  if (typeof (value as { toJSON?: unknown }).toJSON === "function")
    return copy((value as { toJSON(): unknown }).toJSON());
  const made: Record<string, unknown> = { ...value };
  for (const key in made) {
    const member = made[key];
    if (typeof member === "object" && member !== null) made[key] = copy(member);
  }
  return made;
}
