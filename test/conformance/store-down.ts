/**
 * The store is down while the broker is up, one case for each control: nothing is lost or done twice, it is said once,
 * and all goes on by itself.
 */
import { storeDownKept } from "./store-down-kept.ts";
import { storeDownLimits } from "./store-down-limits.ts";
import { storeDownMessages } from "./store-down-messages.ts";

export const storeDown = { ...storeDownMessages, ...storeDownKept, ...storeDownLimits };
