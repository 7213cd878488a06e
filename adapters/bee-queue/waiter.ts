/** An idle Bee-Queue consumer waits for the next job on the server, with BRPOPLPUSH. */
import { sleep, withJitter } from "../../src/base/clock.ts";
import { inNeutralContext } from "../shared/neutral-context.ts";
import type { BeeClients } from "./clients.ts";
import { command, hangUp, type NodeRedis } from "./node-redis.ts";
import type { OpenQueue } from "./open-queue.ts";

/** Of one wait. */
export const waitSeconds = 5;
/** After a wait that failed. */
const retryMs = 500;

export interface Waiter {
  isWaiting(): boolean;
  /** With the id of a job that is in `active` now, or without. */
  onEnd: (id?: string) => void;
  start(): void;
  /** Resolves when the wait that is under way has ended. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** Waits for one job as Bee-Queue's own workers do. */
export function createWaiter(
  { clients, base }: OpenQueue,
  client: NodeRedis,
  report: (error: unknown) => void,
): Waiter {
  let running: Promise<void> | undefined;
  let connection: number | undefined;
  let closed = false;
  async function wait(): Promise<void> {
    connection = undefined;
    const id = await nextId(client, base, (own) => (connection = own)).catch(async (error: unknown) => {
      report(error);
      if (!closed) await sleep(withJitter(retryMs), { unref: true });
      return undefined;
    });
    running = undefined;
    waiter.onEnd(id);
  }
  async function stop(): Promise<void> {
    const mine = running;
    for (let tries = 0; mine && running === mine; tries++) {
      if (tries === 50) client.stream.destroy(); // the server does not answer
      unblock(clients, connection).catch(() => {});
      await Promise.race([mine, sleep(20, { unref: true })]);
    }
  }
  const waiter: Waiter = {
    isWaiting: () => running !== undefined,
    onEnd: () => {},
    start() {
      if (!closed) running ??= inNeutralContext(wait);
    },
    stop,
    async close() {
      closed = true;
      await stop();
      await hangUp(client);
    },
  };
  return waiter;
}

/** Ends a wait from outside, where it is known which. */
async function unblock(clients: BeeClients, connection: number | undefined): Promise<void> {
  if (connection !== undefined) await command(await clients.commands(), "client", ["unblock", connection]);
}

/** The id of a job that is now in `active`, or undefined after some seconds. */
async function nextId(
  client: NodeRedis,
  base: string,
  onConnection: (id: number) => void,
): Promise<string | undefined> {
  const id = command(client, "client", ["id"]); // its answer is here before the wait has begun
  id.then((own) => onConnection(own as number)).catch(() => {});
  const found = await command(client, "brpoplpush", [`${base}waiting`, `${base}active`, waitSeconds]);
  return (found as string | null) ?? undefined;
}
