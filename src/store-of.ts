/** storeOf(): the store of a task, for what is built on funboost. */
import { describe, FunboostError } from "./base/errors.ts";
import type { Store } from "./contract/store.ts";
import { allDefinitions } from "./setup/definition.ts";
import { openTask } from "./setup/open.ts";
import { inOrder } from "./store/guarded.ts";
import { checkNamespace, underNamespace } from "./store/namespace.ts";
import { requireStore } from "./store/require-store.ts";

/**
 * The store that a task uses, with all keys, names, queues, leases and channels under a namespace of your own: what
 * the core keeps, and other namespaces, are not seen from there, nor the other way round. Calls of one tick are sent
 * in their order; on a Redis cluster that holds for keys of one hash tag. `close()` does nothing: it is shared.
 *
 * @example
 * const store = await storeOf(sendInvoice, "invoices");
 * const [next] = await store.increment([{ key: "number", by: 1 }]);
 */
export async function storeOf(task: object, namespace: string): Promise<Store> {
  checkNamespace(namespace);
  const definition = allDefinitions().find((each) => each.task === task);
  if (!definition)
    throw new FunboostError(
      "BAD_OPTION",
      `storeOf() takes a task made by boost(), got ${describe(task)}; or the task was defined again on its queue.`,
    );
  const { store, brokerName } = await openTask(definition);
  return underNamespace(inOrder(requireStore({ store, brokerName }, "storeOf()")), namespace);
}
