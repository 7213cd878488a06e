/** Agenda on PostgreSQL: a backlog, drained by its own processor at the settings that proved fastest, and by funboost through its repository. */
import { PostgresBackend } from "@agendajs/postgres-backend";
import { Agenda } from "agenda";
import { agenda as boosted } from "funboost/adapters/agenda";
import type { EngineBench, Side } from "../engine.ts";
import { goals } from "../report.ts";
import { bodyOf } from "../work.ts";
import { concurrency, ourSide } from "./ours.ts";

const bares = ["bare", "again"];

export const agendaBench: EngineBench = {
  broker: "agenda",
  jobs: 10_000,
  lanes: 100,
  bulk: 500,
  rounds: [["publish", "consume"]],
  // Bare Agenda locks jobs before it runs the first: that is a part of draining.
  consumeFrom: "start",
  comparisons: [
    { label: "bare against bare", side: "again", against: ["bare"] },
    { label: "bare, tuned for a drain alone", side: "tuned", against: bares },
    { label: "", side: "ours", against: bares, goals: { consume: goals.ratioAbove(3) } },
  ],
  open(side, url, name) {
    const settings = side === "tuned" ? tuned : good;
    const backend = new PostgresBackend({ connectionString: url, disableNotifications: settings.disableNotifications });
    const producer = new Agenda({ backend });
    producer.on("error", fail);
    const own = side === "ours" ? ourSide(name, boosted({ url })) : bareSide(producer, url, name, settings);
    return {
      ...own,
      // Agenda's own word, for both.
      left: async () => (await producer.db.queryJobs({ name })).total,
      async close() {
        await own.close();
        await backend.disconnect();
      },
    };
  },
};

/** Tried: every 5 to 500 ms, lock limits none to 1,000. More locks make Agenda's local queue slow, fewer leave it waiting for the next look. */
const good = { processEvery: 100, lockLimit: 200, disableNotifications: false };
/** Twenty looks a second and deaf to other processes: nobody would run it so, but it drains fastest. */
const tuned = { processEvery: 50, lockLimit: 200, disableNotifications: true };

function bareSide(
  producer: Agenda,
  url: string,
  name: string,
  { processEvery, lockLimit, disableNotifications }: typeof good,
): Omit<Side, "left"> {
  return {
    async add(index) {
      await producer.ready;
      await producer.now(name, bodyOf(index));
    },
    async work({ hit }) {
      const backend = new PostgresBackend({ connectionString: url, disableNotifications });
      const worker = new Agenda({ backend, processEvery, maxConcurrency: concurrency, removeOnComplete: true });
      worker.on("error", fail);
      worker.define(name, async () => hit(), { concurrency, lockLimit });
      await worker.start();
      return () => worker.stop(true);
    },
    clear: () => producer.cancel({ name }),
    close: async () => {},
  };
}

function fail(error: Error): void {
  throw error;
}
