/** pool: one number of runs at once for several tasks of a process. A run that waits for another task gives its place back. */
import { setTimeout as work } from "node:timers/promises";
import { boost, concurrencyPool, shutdown, waitAll } from "funboost";

const pool = concurrencyPool(3); // three at once, whichever of the tasks they are
let most = 0;
const busy = async () => {
  most = Math.max(most, pool.used);
  await work(10);
};
const resize = boost({ queue: "resize", broker: "memory", pool, rpc: true }, busy);
const render = boost({ queue: "render", broker: "memory", pool, rpc: true }, busy);
const album = boost({ queue: "album", broker: "memory", pool, rpc: true }, async function album(pages: number) {
  await waitAll(await render.pushMany(Array<[]>(pages).fill([]))); // its place is free for the pages
  return pages;
});
await Promise.all([resize.consume(), render.consume(), album.consume()]);
const images = await resize.pushMany(Array<[]>(20).fill([]));
const albums = await album.pushMany([[4], [5], [6]]);
await waitAll(images);
console.log(`20 images and albums of ${(await waitAll(albums)).join(", ")} pages are done`);
console.log(`runs at once, over all three tasks: ${most} at most`);
await shutdown();
