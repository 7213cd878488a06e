/** How the lease tests make a broker whose maintenance takes a while, and writes down when each turn of which process begins and ends. */
import { openSync, writeSync } from "node:fs";
import { bullmq } from "../../adapters/bullmq/broker.ts";
import { redisStore } from "../../adapters/redis/store.ts";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { sleep } from "../../src/base/clock.ts";
import type { Broker } from "../../src/contract/index.ts";
import { wrapBroker } from "../../src/index.ts";
import { machineMs } from "../conformance/machine.ts";
import { bareBroker } from "./bare-broker.ts";
import { withStore } from "./with-store.ts";

const kinds: Readonly<Record<string, (file: string, url: string) => Broker>> = {
  sqlite: (file) => sqlite({ file }),
  bullmq: (_, url) => bullmq({ url }),
  "bare on sqlite over redis": (file, url) => withStore(bareBroker(sqlite({ file })), redisStore({ url })),
};

/** Lines of `log`: `pid begin|end|conceded ms`. */
export function create({
  kind = "",
  file = "",
  REDIS_URL = "",
  log = "",
  turnMs,
}: Readonly<Record<string, string>>): Broker {
  const made = kinds[kind]?.(file, REDIS_URL);
  if (!made) throw new Error(`"kind" is ${kind}. Known: ${Object.keys(kinds).join(", ")}.`);
  const out = openSync(log, "a");
  const line = (what: string) => void writeSync(out, `${process.pid} ${what} ${machineMs()}\n`);
  return wrapBroker(made, (queue, name) => {
    if (name.includes(".")) return {}; // a lane: maintained in the turn of its queue
    const maintain = async (signal: AbortSignal) => {
      line("begin");
      await queue.maintain?.(signal);
      await sleep(Number(turnMs), { signal });
      line(signal.aborted ? "conceded" : "end");
    };
    return { maintain };
  });
}
