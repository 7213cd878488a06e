/** An opened task, for what is tested below the doors. */
import { boost, type TaskParams } from "funboost";
import { memory } from "funboost/adapters/memory";
import type { Store } from "../../src/contract/index.ts";
import { findDefinition } from "../../src/setup/definition.ts";
import type { OpenTask } from "../../src/setup/model.ts";
import { openTask } from "../../src/setup/open.ts";
import { withStore } from "./with-store.ts";

let opened = 0;

export async function openedOn(store: Store, params: Partial<TaskParams> = {}): Promise<OpenTask> {
  const broker = withStore(memory(), store);
  const queue = `opened.${opened++}`;
  boost({ ...params, queue, broker }, (_n: number) => {});
  const definition = findDefinition(queue, broker);
  if (!definition) throw new Error("not defined");
  return openTask(definition);
}
