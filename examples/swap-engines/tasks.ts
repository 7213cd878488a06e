/** Five tasks. Nothing in them knows which engine carries them: it is the one word `broker`. */
import { boost, brokerName, fct, waitAll } from "funboost";

export function tasksOn(broker: string) {
  const shared = { broker: brokerName(broker), rpc: true, log: false } as const;

  const add = boost({ ...shared, queue: "swap-add" }, async function add(a: number, b: number) {
    return a + b;
  });
  const fetchPage = boost(
    { ...shared, queue: "swap-fetch", maxRetries: 3, backoff: 200 },
    async function fetchPage(page: string) {
      const { attempt = 1 } = fct;
      if (attempt < 3) throw new Error("503");
      return `${page} at attempt ${attempt}`;
    },
  );
  const remind = boost({ ...shared, queue: "swap-remind" }, async function remind(who: string) {
    return `called ${who}`;
  });
  let runs = 0;
  const print = boost({ ...shared, queue: "swap-print", concurrency: 1 }, async function print(_page: string) {
    return ++runs;
  });
  /** Waits for its children: its slot is free meanwhile. */
  const total = boost({ ...shared, queue: "swap-total", concurrency: 1 }, async function total(prices: number[]) {
    const sums = await waitAll(await add.pushMany(prices.map((price) => [price, 10])));
    return sums.reduce((sum, each) => sum + each, 0);
  });
  return { add, fetchPage, remind, print, total };
}
