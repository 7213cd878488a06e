/** What is said once of jobs of others that a task does not adopt. */
import type { Delivery } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";

const advised = new WeakSet<OpenQueue>();

const text =
  "a job that funboost did not publish has attempts of its own, and this task's maxRetries and backoff hold for it; " +
  'to keep what such jobs say: boost({ adopt: true, concurrency }), see "Jobs of others" in docs/engines.md';

export function adviseToAdopt(task: OpenQueue, { id, rules }: Delivery): void {
  if (!rules || rules.maxRetries === 0 || task.options.adopt || advised.has(task)) return;
  advised.add(task);
  task.log.warn({ queue: task.options.queue, taskId: id, attempts: rules.maxRetries + 1 }, text);
}
