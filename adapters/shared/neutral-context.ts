/** An async context that belongs to nobody. */
import { AsyncResource } from "node:async_hooks";

const neutral = new AsyncResource("funboost.neutral");

/**
 * Sockets and timers remember the async context in which they were made. Made here, they do not carry that of whoever
 * came first.
 */
export const inNeutralContext = <T>(run: () => T): T => neutral.runInAsyncScope(run);
