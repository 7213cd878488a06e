/** Agendash, and what its own API says. */
import { PostgresBackend } from "@agendajs/postgres-backend";
import { Agenda } from "agenda";
import { createExpressMiddleware } from "agendash";
import type { Dashboard } from "./dashboard.ts";

export function agendash(url: string, name: string): Dashboard {
  const backend = new PostgresBackend({ connectionString: url });
  const agenda = new Agenda({ backend });
  const path = "/agendash";
  return {
    broker: "agenda",
    path,
    router: createExpressMiddleware(agenda),
    page: (base) => `${base}${path}/`,
    async read(base) {
      const answer = await fetch(`${base}${path}/api?job=${name}&limit=50`);
      const { jobs } = (await answer.json()) as {
        jobs: ({ job: { data: object; failReason?: string } } & Record<string, boolean>)[];
      };
      const count = (state: string) => jobs.filter((job) => job[state]).length;
      const counts = {
        done: count("completed"),
        failed: count("failed"),
        delayed: count("scheduled"),
        waiting: count("queued"),
      };
      return {
        counts,
        failures: jobs.flatMap(({ failed, job }) => (failed ? `${JSON.stringify(job.data)}: ${job.failReason}` : [])),
      };
    },
    async close() {
      await agenda.cancel({ name });
      await backend.disconnect();
    },
  };
}
