/** Entries of several queues, for what asks one queue at a time. */

/** Asks for the entries of each queue together; answers in the order in which they were given. */
export async function byQueue<E extends { readonly queue: string }, A>(
  entries: readonly E[],
  ask: (queue: string, entries: readonly E[]) => Promise<readonly A[]> | readonly A[],
): Promise<readonly A[]> {
  const first = entries[0];
  if (first === undefined) return [];
  if (entries.every(({ queue }) => queue === first.queue)) return ask(first.queue, entries);
  const places = new Map<string, number[]>();
  for (const [i, { queue }] of entries.entries()) {
    const there = places.get(queue);
    if (there) there.push(i);
    else places.set(queue, [i]);
  }
  const answers: A[] = [];
  await Promise.all(
    Array.from(places, async ([queue, own]) => {
      const answered = await ask(
        queue,
        own.map((i) => entries[i] as E),
      );
      for (const [j, i] of own.entries()) answers[i] = answered[j] as A;
    }),
  );
  return answers;
}
