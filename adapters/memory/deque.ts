/**
 * A list whose items carry their own links: both ends and any item in the middle cost the same, and a million items are
 * never copied.
 */

export interface Linked<T> {
  before: T | undefined;
  after: T | undefined;
  /** The deque that holds it now. */
  deque: Deque<T> | undefined;
}

export interface Deque<T> {
  first: T | undefined;
  last: T | undefined;
  size: number;
}

export function createDeque<T extends Linked<T>>(): Deque<T> {
  return { first: undefined, last: undefined, size: 0 };
}

export function addLast<T extends Linked<T>>(to: Deque<T>, item: T): void {
  item.deque = to;
  item.before = to.last;
  if (to.last) to.last.after = item;
  else to.first = item;
  to.last = item;
  to.size++;
}

export function addFirst<T extends Linked<T>>(to: Deque<T>, item: T): void {
  item.deque = to;
  item.after = to.first;
  if (to.first) to.first.before = item;
  else to.last = item;
  to.first = item;
  to.size++;
}

/** Takes the item out of the deque that holds it. */
export function unlink<T extends Linked<T>>(item: T): void {
  const from = item.deque;
  if (!from) return;
  if (item.before) item.before.after = item.after;
  else from.first = item.after;
  if (item.after) item.after.before = item.before;
  else from.last = item.before;
  item.before = item.after = item.deque = undefined;
  from.size--;
}

export function items<T extends Linked<T>>(of: Deque<T>, limit = Number.POSITIVE_INFINITY): T[] {
  const found: T[] = [];
  for (let item = of.first; item && found.length < limit; item = item.after) found.push(item);
  return found;
}
