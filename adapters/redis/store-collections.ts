/** Lists, maps and indexes of the Redis store. */
import type { Field, From, Index, Maps, MapWritten, Page, Store } from "../../src/contract/index.ts";
import { type Server, ttl } from "./store-server.ts";

export function createLists({ client, run, call, key }: Server): Store["list"] {
  return {
    append: (entries) =>
      call(() =>
        Promise.all(
          entries.map(async (each) =>
            Number(await run("append", [key("list", each.key)], [ttl(each.ttlMs), ...each.items])),
          ),
        ),
      ),
    read: (name, from, limit) =>
      call(async () => {
        if (limit < 1) return [];
        if (from < 0) return (await run("readBack", [key("list", name)], [from, limit])) as string[];
        return (await client()).lrange(key("list", name), from, from + limit - 1);
      }),
  };
}

export function createMaps(server: Server): Maps {
  const { client, run, call, key } = server;
  return {
    put: (entries) =>
      call(() =>
        Promise.all(
          entries.map(async (each): Promise<MapWritten> => {
            const { fields, ttlMs, holding } = each;
            const keys = [key("map", each.key), ...(holding ? [key("lease", holding.lease)] : [])];
            const how = [ttl(ttlMs), each.if ? "1" : "", holding?.fence ?? ""];
            const [size = 0, ...written] = (await run("mapPut", keys, [...how, ...fields.flat()])) as number[];
            if (size < 0) return { written: fields.map(() => false), size: -1 - size, lost: true };
            return { written: written.map((one) => one === 1), size };
          }),
        ),
      ),
    get: (name, fields) =>
      call(async () => {
        if (fields.length === 0) return [];
        const values = await (await client()).hmget(key("map", name), ...fields);
        return values.map((value) => value ?? undefined);
      }),
    read: (name, from) => call(() => readMap(server, key("map", name), from)),
    remove: (name, fields) =>
      call(async () => (fields.length === 0 ? 0 : (await client()).hdel(key("map", name), ...fields))),
  };
}

/**
 * By Redis' own scan. A small map comes as a whole, however little is asked for: its pages are cut by its fields.
 * `after`: what scan gave, or the last field of a small one.
 */
async function readMap({ client }: Server, key: string, { after, limit }: From): Promise<Page<Field>> {
  const redis = await client();
  const [cursor, last] = after === undefined ? ["0"] : (JSON.parse(after) as [string, string?]);
  for (let count = limit; ; count = Math.ceil(count / 4)) {
    const [next, flat] = await redis.hscan(key, cursor, "COUNT", count);
    const all = Array.from(
      { length: flat.length / 2 },
      (_, i): Field => [flat[2 * i] as string, flat[2 * i + 1] as string],
    );
    const fields = last === undefined ? all : all.filter(([field]) => field > last);
    const isWhole = cursor === "0" && next === "0";
    if (fields.length > limit && isWhole) {
      const items = fields.sort(([one], [other]) => (one < other ? -1 : 1)).slice(0, limit);
      return { items, after: JSON.stringify(["0", items.at(-1)?.[0]]) };
    }
    // What one place of the map holds is never cut.
    if (fields.length <= limit || count === 1)
      return next === "0" ? { items: fields } : { items: fields, after: JSON.stringify([next]) };
  }
}

export function createIndex({ run, call, key }: Server): Index {
  const keysOf = (name: string) => ["ids", "values", "ends"].map((part) => key(`index:${part}`, name));
  return {
    put: (name, members) =>
      call(async () => {
        const rows = members.flatMap(({ id, value, ttlMs }) => [id, value, ttl(ttlMs)]);
        if (rows.length > 0) await run("indexPut", keysOf(name), rows);
      }),
    remove: (name, ids) => call(async () => void (ids.length && (await run("indexRemove", keysOf(name), ids)))),
    read: (name, { after, limit, prefix = "" }) =>
      call(async () => {
        const from = after === undefined ? `[${prefix}` : `(${after}`;
        const to = prefix === "" ? "+" : `[${prefix}`;
        const flat = (await run("indexRead", keysOf(name), [from, to, limit + 1])) as string[];
        const items = Array.from({ length: Math.min(limit, flat.length / 2) }, (_, i) => ({
          id: flat[2 * i] as string,
          value: flat[2 * i + 1] as string,
        }));
        const last = items.at(-1);
        return flat.length / 2 > limit && last ? { items, after: last.id } : { items };
      }),
    count: (name) => call(async () => Number(await run("indexCount", keysOf(name), []))),
  };
}
