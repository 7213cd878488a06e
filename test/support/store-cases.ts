/** What every store promises, as sentences with functions; test/project/stores.test.ts runs them over each store. */
import type { StoreCase } from "./store-cases/case.ts";
import { collections } from "./store-cases/collections.ts";
import { hearCases } from "./store-cases/hear.ts";
import { indexes } from "./store-cases/indexes.ts";
import { life } from "./store-cases/life.ts";
import { limits } from "./store-cases/limits.ts";
import { news } from "./store-cases/news.ts";
import { order } from "./store-cases/order.ts";
import { results } from "./store-cases/results.ts";
import { timers } from "./store-cases/timers.ts";
import { values } from "./store-cases/values.ts";

export const storeCases: Readonly<Record<string, StoreCase>> = {
  ...values,
  ...limits,
  ...timers,
  ...collections,
  ...indexes,
  ...order,
  ...news,
  ...results,
  ...hearCases,
  ...life,
};
