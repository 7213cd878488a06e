/** bull-board, and what its own API says. */
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import { Queue } from "bullmq";
import type { Dashboard } from "./dashboard.ts";

export function bullBoard(url: string, name: string): Dashboard {
  const queue = new Queue(name, { connection: { url } });
  const path = "/bull-board";
  const server = new ExpressAdapter().setBasePath(path);
  createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: server });
  return {
    broker: "bullmq",
    path,
    router: server.getRouter(),
    page: (base) => `${base}${path}/queue/${name}`,
    async read(base) {
      const answer = await fetch(`${base}${path}/api/queues?activeQueue=${name}&status=failed&page=1`);
      const { queues } = (await answer.json()) as {
        queues: { name: string; counts: Record<string, number>; jobs: { data: object; failedReason: string }[] }[];
      };
      const { counts, jobs } = queues.find((each) => each.name === name) as (typeof queues)[number];
      const { completed = 0, failed = 0, delayed = 0, waiting = 0 } = counts;
      return {
        counts: { done: completed, failed, delayed, waiting },
        failures: jobs.map(({ data, failedReason }) => `${JSON.stringify(data)}: ${failedReason}`),
      };
    },
    async close() {
      await queue.obliterate({ force: true });
      await queue.close();
    },
  };
}
