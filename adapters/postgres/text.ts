/**
 * Calls as JSON that PostgreSQL can keep: its text holds neither NUL nor half a surrogate pair. NUL and \u0001 are
 * written as two characters each, so that texts keep the order of their bytes, and prefixes stay prefixes.
 */

const unfit = /\\(\\|u000[01]|ud[89a-f][0-9a-f]{2})/g;
const written = /\\(\\|u0001\\u000[12])/g;

export function encode(value: unknown): string {
  const text = JSON.stringify(value);
  if (!text.includes("\\u")) return text;
  return text.replace(unfit, (found) => {
    if (found === "\\\\") return found;
    if (found === "\\u0000") return "\\u0001\\u0001";
    return found === "\\u0001" ? "\\u0001\\u0002" : "\\ufffd";
  });
}

export function decode(text: string): unknown {
  if (!text.includes("\\u0001")) return JSON.parse(text);
  return JSON.parse(
    text.replace(written, (found) => {
      if (found === "\\\\") return found;
      return found.endsWith("1") ? "\\u0000" : "\\u0001";
    }),
  );
}
