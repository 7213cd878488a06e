/** Text of others as one line that a terminal only shows. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Newlines, escape sequences and other control characters written out: none can forge a line of the log. */
export function printable(text: string): string {
  return text.replace(control, (each) => short[each] ?? `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same for a stack: what follows its first line is indented, so that each line is seen to belong to it. */
export function printableStack(stack: string, head: string): string {
  const frames = stack.startsWith(head) ? stack.slice(head.length).split("\n").filter(Boolean) : stack.split("\n");
  const lines = frames.map((line) => `    ${printable(line.trim())}`);
  return [printable(head), ...lines].join("\n");
}
