/** Text of others in the log. */
import { expect, it } from "vitest";
import { printable, printableStack } from "../../../src/base/printable.ts";

it("newlines, escape sequences, line separators and changes of direction are written out", () => {
  expect(printable("a\nb\r\t\u001b[31mred\u0000\u007f\u0085\u2028\u202e")).toBe(
    "a\\nb\\r\\t\\u001b[31mred\\u0000\\u007f\\u0085\\u2028\\u202e",
  );
  expect(printable("müde 🙂 текст")).toBe("müde 🙂 текст");
});

it("a stack stays many lines, of which only the first begins at the margin", () => {
  const head = "Error: first\n2026-01-01T00:00:00.000Z info forged";
  expect(printableStack(`${head}\n    at run (x.js:1:2)\n2026-01-01 forged too`, head)).toBe(
    "Error: first\\n2026-01-01T00:00:00.000Z info forged\n    at run (x.js:1:2)\n    2026-01-01 forged too",
  );
  expect(printableStack("odd", "Error: first")).toBe("Error: first\n    odd");
});
