/** What both sides know of the task: its queue, its arguments, its result. No function, no code of the worker. */
import { defineTask } from "funboost/publisher";

export const mail = defineTask<(to: string, subject: string) => Promise<number>>({
  queue: "mail",
  params: ["to", "subject"],
  rpc: true,
});
