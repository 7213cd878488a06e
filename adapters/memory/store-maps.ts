/** Maps and indexes of the memory store. */
import { clock } from "../../src/base/clock.ts";
import type { Field, From, Holding, Index, MapEntry, Maps, MapWritten, Page } from "../../src/contract/index.ts";
import { yielding } from "../shared/yielding.ts";
import type { ExpiringMap } from "./expiring-map.ts";
import { createSorted, type Sorted } from "./sorted.ts";

interface Value {
  text: string;
  /** Fields are read in the order in which they came: a page ends at one of these. */
  readonly number: number;
}

export type StoredMap = Map<string, Value>;

export function createMaps(maps: ExpiringMap<StoredMap>, isHeld: (holding: Holding) => boolean): Maps {
  let numbers = 0;
  const put = ({ key, fields, if: condition, ttlMs, holding }: MapEntry): MapWritten => {
    const map = maps.get(key) ?? (new Map() as StoredMap);
    if (holding && !isHeld(holding)) return { written: fields.map(() => false), size: map.size, lost: true };
    const written = fields.map(([field, text]) => {
      const known = map.get(field);
      if (known && condition === "absent") return false;
      if (known) known.text = text;
      else map.set(field, { text, number: ++numbers });
      return true;
    });
    const until = maps.until(key) ?? Number.POSITIVE_INFINITY;
    if (map.size > 0) maps.put(key, map, ttlMs === undefined ? until : clock.monotonic() + ttlMs);
    return { written, size: map.size };
  };
  return {
    put: async (entries) => entries.map(put),
    get: async (key, fields) => {
      const map = maps.get(key);
      return fields.map((field) => map?.get(field)?.text);
    },
    read: async (key, from) => yielding(readMap(maps.get(key) ?? new Map(), from)),
    async remove(key, fields) {
      const map = maps.get(key);
      const removed = fields.filter((field) => map?.delete(field)).length;
      if (map?.size === 0) maps.delete(key);
      return removed;
    },
  };
}

function readMap(map: StoredMap, { after = "0", limit }: From): Page<Field> {
  const items: Field[] = [];
  let last = after;
  for (const [field, { text, number }] of map) {
    if (number <= Number(after)) continue;
    if (items.length === limit) return { items, after: last };
    items.push([field, text]);
    last = String(number);
  }
  return { items };
}

interface Member {
  readonly value: string;
  readonly until: number;
}

export type StoredIndex = Sorted<Member>;

export function createIndex(indexes: Map<string, StoredIndex>): Index {
  /** Those that have ended go when they are met. */
  const dropEnded = (index: StoredIndex) => {
    const now = clock.monotonic();
    const ended = Array.from(index.from("", false)).filter(({ value }) => value.until <= now);
    for (const { id } of ended) index.delete(id);
  };
  return {
    async put(name, members) {
      const index = indexes.get(name) ?? createSorted<Member>();
      indexes.set(name, index);
      const now = clock.monotonic();
      for (const { id, value, ttlMs } of members) {
        const known = index.get(id);
        const kept = known && known.until > now ? known.until : Number.POSITIVE_INFINITY;
        index.set(id, { value, until: ttlMs === undefined ? kept : now + ttlMs });
      }
    },
    async remove(name, ids) {
      for (const id of ids) indexes.get(name)?.delete(id);
    },
    read: async (name, from) => readIndex(indexes.get(name), from),
    async count(name) {
      const index = indexes.get(name);
      if (!index) return 0;
      dropEnded(index);
      if (index.size === 0) indexes.delete(name);
      return index.size;
    },
  };
}

async function readIndex(
  index: StoredIndex | undefined,
  { after, limit, prefix = "" }: Parameters<Index["read"]>[1],
): ReturnType<Index["read"]> {
  const now = clock.monotonic();
  const items: { id: string; value: string }[] = [];
  const ended: string[] = [];
  let isCut = false;
  for (const { id, value } of index?.from(after ?? prefix, after !== undefined) ?? []) {
    isCut = items.length === limit;
    if (isCut || !id.startsWith(prefix)) break;
    if (value.until <= now) ended.push(id);
    else items.push({ id, value: value.value });
  }
  for (const id of ended) index?.delete(id);
  const last = items.at(-1);
  return yielding(isCut && last ? { items, after: last.id } : { items });
}
