/** Texts in the order of their bytes, with a value each: pieces of a few hundred, so that a change moves few. */

const pieceSize = 512;

interface Item<V> {
  readonly id: string;
  value: V;
}

export interface Sorted<V> {
  readonly size: number;
  get(id: string): V | undefined;
  set(id: string, value: V): void;
  delete(id: string): boolean;
  /** From this text on, or behind it. */
  from(id: string, behind: boolean): Iterable<Item<V>>;
}

/** Surrogate pairs stand behind all other characters in UTF-8, and before some in UTF-16. */
const rank = (unit: number) => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

export function isBefore(one: string, other: string): boolean {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [one.charCodeAt(i), other.charCodeAt(i)];
    if (a !== b) return rank(a) < rank(b);
  }
  return one.length < other.length;
}

/** The first place whose entry is not before `id`. */
function placeOf<T>(list: readonly T[], id: string, idOf: (each: T) => string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(idOf(list[middle] as T), id)) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Pieces<V> = Item<V>[][];

const idOf = (item: Item<unknown>): string => item.id;
const lastOf = (piece: readonly Item<unknown>[]): string => piece.at(-1)?.id ?? "";

function insert<V>(pieces: Pieces<V>, item: Item<V>): void {
  const at = Math.min(placeOf(pieces, item.id, lastOf), Math.max(0, pieces.length - 1));
  const piece = pieces[at];
  if (!piece) return void pieces.push([item]);
  piece.splice(placeOf(piece, item.id, idOf), 0, item);
  if (piece.length > 2 * pieceSize) pieces.splice(at + 1, 0, piece.splice(pieceSize));
}

function remove<V>(pieces: Pieces<V>, id: string): void {
  const at = placeOf(pieces, id, lastOf);
  const piece = pieces[at];
  piece?.splice(placeOf(piece, id, idOf), 1);
  if (piece?.length === 0) pieces.splice(at, 1);
}

function* itemsFrom<V>(pieces: Pieces<V>, id: string, behind: boolean): Generator<Item<V>> {
  const first = placeOf(pieces, id, lastOf);
  for (let i = first; i < pieces.length; i++) {
    const piece = pieces[i] as Item<V>[];
    let place = i === first ? placeOf(piece, id, idOf) : 0;
    if (behind && piece[place]?.id === id) place++;
    for (; place < piece.length; place++) yield piece[place] as Item<V>;
  }
}

export function createSorted<V>(): Sorted<V> {
  const pieces: Pieces<V> = [];
  const byId = new Map<string, Item<V>>();
  return {
    get size() {
      return byId.size;
    },
    get: (id) => byId.get(id)?.value,
    set(id, value) {
      const known = byId.get(id);
      if (known) {
        known.value = value;
        return;
      }
      const item = { id, value };
      byId.set(id, item);
      insert(pieces, item);
    },
    delete(id) {
      if (!byId.delete(id)) return false;
      remove(pieces, id);
      return true;
    },
    from: (id, behind) => itemsFrom(pieces, id, behind),
  };
}
