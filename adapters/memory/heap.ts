/** What is due first: a binary heap that can also take out any item. */

export interface Due {
  /** Monotonic milliseconds. */
  dueAt: number;
  /** Orders what is due at the same time. */
  readonly sequence: number;
  /** Its place in the heap; -1 outside. */
  slot: number;
}

export interface Heap<T extends Due> {
  readonly size: number;
  first(): T | undefined;
  add(item: T): void;
  /** False: it was not in the heap. */
  remove(item: T): boolean;
  all(): readonly T[];
}

export function createHeap<T extends Due>(): Heap<T> {
  const list: T[] = [];
  return {
    get size() {
      return list.length;
    },
    first: () => list[0],
    add: (item) => rise(list, item, list.length),
    remove(item) {
      const { slot } = item;
      if (slot < 0) return false;
      const last = list.pop() as T;
      item.slot = -1;
      if (last === item) return true;
      sink(list, last, slot);
      rise(list, last, last.slot);
      return true;
    },
    all: () => list,
  };
}

function put<T extends Due>(list: T[], item: T, slot: number): void {
  list[slot] = item;
  item.slot = slot;
}

function rise<T extends Due>(list: T[], item: T, from: number): void {
  let slot = from;
  while (slot > 0) {
    const above = list[(slot - 1) >> 1] as T;
    if (!sooner(item, above)) break;
    put(list, above, slot);
    slot = (slot - 1) >> 1;
  }
  put(list, item, slot);
}

function sink<T extends Due>(list: T[], item: T, from: number): void {
  let slot = from;
  for (let child = 2 * slot + 1; child < list.length; child = 2 * slot + 1) {
    const right = list[child + 1];
    if (right && sooner(right, list[child] as T)) child++;
    const next = list[child] as T;
    if (!sooner(next, item)) break;
    put(list, next, slot);
    slot = child;
  }
  put(list, item, slot);
}

function sooner(one: Due, other: Due): boolean {
  return one.dueAt < other.dueAt || (one.dueAt === other.dueAt && one.sequence < other.sequence);
}
