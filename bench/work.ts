/** The job that every benchmark sends: about 150 bytes of JSON, whose names are declared, so that ours and a bare job carry the same bytes. */
export const names = ["to", "subject", "amount", "note"];

export type Args = [to: string, subject: string, amount: number, note: string];

const note = "Thank you for your order. It leaves our house tomorrow.";

export function argsOf(index: number): Args {
  return [`customer-${100_000 + index}@example.com`, "Your invoice of this month", index, note];
}

/** The same as the body of a bare job. */
export function bodyOf(index: number) {
  const [to, subject, amount] = argsOf(index);
  return { to, subject, amount, note };
}

export function chunksOf<T>(count: number, size: number, make: (index: number) => T): T[][] {
  const chunks: T[][] = [];
  for (let from = 0; from < count; from += size)
    chunks.push(Array.from({ length: Math.min(size, count - from) }, (_, i) => make(from + i)));
  return chunks;
}
